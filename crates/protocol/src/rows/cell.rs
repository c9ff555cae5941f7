//! One value: what a feature takes and what it refuses.

use hyaline_model::{Feature, FeatureKind, Missing, TensorKind, Unseen};

use super::nearest;
use crate::json::{Json, Quoted};

/// Largest magnitude of an integer: beyond it, neighbours of one `f64` are told apart no more.
const INTEGER_LIMIT: f64 = 9_007_199_254_740_991.0;

/// How many known categories an error lists.
const LISTED: usize = 20;

/// One value as a request carries it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    /// JSON null, an empty CSV field, NaN in a typed column.
    Missing,
    /// A truth value.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(&'a str),
    /// A CSV field: it becomes what the feature takes.
    Field(&'a str),
    /// Nested lists of numbers, for tensors.
    Nested(&'a Json<'a>),
    /// Something no feature takes, e.g. `an object`.
    Other(&'static str),
}

impl<'a> Cell<'a> {
    /// NaN is missing.
    pub fn number_or_missing(value: f64) -> Cell<'a> {
        if value.is_nan() {
            Cell::Missing
        } else {
            Cell::Number(value)
        }
    }

    pub(crate) fn from_json(json: &'a Json<'a>) -> Cell<'a> {
        match json {
            Json::Null => Cell::Missing,
            Json::Bool(value) => Cell::Bool(*value),
            Json::Number(value) => Cell::Number(*value),
            Json::Text(text) => Cell::Text(text),
            Json::Array(_) => Cell::Nested(json),
            Json::Object(_) => Cell::Other("an object"),
        }
    }

    /// The value of a number, integer or boolean feature; NaN when missing.
    pub(super) fn number(self, feature: &Feature) -> Result<f64, String> {
        let refused = |remedy: &str| {
            Err(format!(
                "expected {}, found {}{remedy}",
                expected(feature),
                self.describe()
            ))
        };
        match (self, &feature.kind) {
            (Cell::Missing | Cell::Field(""), _) => accept_missing(feature).map(|()| f64::NAN),
            (Cell::Bool(value), FeatureKind::Boolean) => Ok(f64::from(u8::from(value))),
            (Cell::Number(value), _) => judge(value, feature),
            (Cell::Field(text), FeatureKind::Boolean) => match text.trim() {
                "true" | "True" | "TRUE" | "1" => Ok(1.0),
                "false" | "False" | "FALSE" | "0" => Ok(0.0),
                _ => refused(""),
            },
            (Cell::Field(text), _) => match text.trim().parse::<f64>() {
                Ok(value) if value.is_finite() => judge(value, feature),
                Ok(_) => refused("; leave the field empty for a missing value"),
                Err(_) => refused(""),
            },
            (Cell::Text(text), _) if text.trim().parse::<f64>().is_ok_and(f64::is_finite) => {
                refused("; write numbers without quotes")
            }
            (Cell::Text(_), _) => refused(if feature.missing == Missing::Accepted {
                "; write null for a missing value"
            } else {
                ""
            }),
            (Cell::Bool(_) | Cell::Nested(_) | Cell::Other(_), _) => refused(""),
        }
    }

    /// The value of a category feature; `None` when missing.
    pub(super) fn text(self, feature: &Feature) -> Result<Option<&'a str>, String> {
        match self {
            Cell::Missing | Cell::Field("") => accept_missing(feature).map(|()| None),
            Cell::Text("") if feature.missing == Missing::Accepted => Ok(None),
            Cell::Text(text) | Cell::Field(text) => Ok(Some(text)),
            Cell::Number(value) => Err(format!(
                "expected {}, found the number {value}; write \"{value}\"",
                expected(feature)
            )),
            Cell::Bool(_) | Cell::Nested(_) | Cell::Other(_) => Err(format!(
                "expected {}, found {}",
                expected(feature),
                self.describe()
            )),
        }
    }

    /// The numbers of a tensor feature, nested by its extents or in one flat list, into `numbers`.
    pub(super) fn tensor(
        self,
        feature: &Feature,
        kind: &TensorKind,
        numbers: &mut [f32],
    ) -> Result<(), String> {
        #[cfg(feature = "images")]
        if let (Cell::Text(text) | Cell::Field(text), Some(image)) = (self, &kind.image) {
            let made = crate::pictures::from_text(text, image)
                .map_err(|found| format!("expected a picture, found {found}"))?;
            numbers.copy_from_slice(&made);
            return Ok(());
        }
        let Cell::Nested(json) = self else {
            return Err(format!(
                "expected {}, found {}",
                expected(feature),
                self.describe()
            ));
        };
        let flat = [numbers.len() as u32];
        let is_flat =
            matches!(json, Json::Array(items) if !matches!(items.first(), Some(Json::Array(_))));
        let extents = if is_flat {
            &flat
        } else {
            kind.extents.as_slice()
        };
        fill(json, extents, numbers)
            .map_err(|found| format!("expected {}, found {found}", expected(feature)))
    }

    fn describe(self) -> String {
        match self {
            Cell::Missing => "nothing".to_owned(),
            Cell::Bool(value) => value.to_string(),
            Cell::Number(value) => format!("the number {value}"),
            Cell::Text(text) | Cell::Field(text) => format!("the text {}", Quoted(text)),
            Cell::Nested(_) => "an array".to_owned(),
            Cell::Other(what) => what.to_owned(),
        }
    }
}

/// Reads nested lists of `extents` into `numbers`, which has room for exactly as many.
///
/// # Errors
/// What was found in place of a number or a list of the right length.
fn fill(json: &Json<'_>, extents: &[u32], numbers: &mut [f32]) -> Result<(), String> {
    match (extents.split_first(), json) {
        (None, Json::Number(value)) if value.is_finite() => {
            numbers[0] = *value as f32;
            Ok(())
        }
        (Some((&extent, inner)), Json::Array(items)) if items.len() == extent as usize => {
            let size = numbers.len() / items.len();
            items
                .iter()
                .zip(numbers.chunks_exact_mut(size))
                .try_for_each(|(item, numbers)| fill(item, inner, numbers))
        }
        (Some(_), Json::Array(items)) => Err(format!("a list of {}", items.len())),
        (_, other) => Err(format!("{} inside", other.describe())),
    }
}

fn judge(value: f64, feature: &Feature) -> Result<f64, String> {
    let fits = match feature.kind {
        FeatureKind::Integer => value.fract() == 0.0 && value.abs() <= INTEGER_LIMIT,
        FeatureKind::Boolean => value == 0.0 || value == 1.0,
        _ => value.is_finite(),
    };
    if fits {
        Ok(value)
    } else {
        Err(format!(
            "expected {}, found the number {value}",
            expected(feature)
        ))
    }
}

fn accept_missing(feature: &Feature) -> Result<(), String> {
    match feature.missing {
        Missing::Accepted => Ok(()),
        Missing::Refused => Err(format!(
            "expected {}, found nothing; this model takes no missing value here",
            expected(feature)
        )),
    }
}

/// Whether a text outside the known categories is taken.
pub(super) fn accept_unseen(feature: &Feature, text: &str) -> Result<(), String> {
    let FeatureKind::Category(categories) = &feature.kind else {
        return Ok(());
    };
    if categories.unseen == Unseen::Accepted || categories.values.is_empty() {
        return Ok(());
    }
    let hint = nearest(text, categories.values.iter().map(String::as_str))
        .map_or_else(String::new, |near| {
            format!("; did you mean {}?", Quoted(near))
        });
    Err(format!(
        "expected {}, found the text {}{hint}",
        expected(feature),
        Quoted(text)
    ))
}

/// What the feature takes, for error texts.
fn expected(feature: &Feature) -> String {
    match &feature.kind {
        FeatureKind::Number => "a number".to_owned(),
        FeatureKind::Integer => "a whole number".to_owned(),
        FeatureKind::Boolean => "true or false".to_owned(),
        FeatureKind::Text => "a text".to_owned(),
        FeatureKind::Tensor(kind) => format!("numbers of shape {:?}", kind.extents),
        FeatureKind::Category(categories)
            if categories.values.is_empty() || categories.unseen == Unseen::Accepted =>
        {
            "a text".to_owned()
        }
        FeatureKind::Category(categories) => {
            let listed: Vec<String> = categories
                .values
                .iter()
                .take(LISTED)
                .map(|value| Quoted(value).to_string())
                .collect();
            let more = match categories.values.len().saturating_sub(LISTED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("one of {}{more}", listed.join(", "))
        }
    }
}
