//! What a function answers for its golden rows, in the form the card keeps and every comparison uses.

use hyaline_explain::{ExplainError, Explainer, Method, OutputSpace, Request};
use hyaline_model::{Batch, Model};
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::sandbox::{Cause, Guest, typed};

/// A number as JSON keeps it: NaN and the infinities are texts. All NaNs are one.
#[derive(Clone, Copy, Debug)]
pub struct Float(pub f64);

impl Serialize for Float {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            value if value.is_finite() => serializer.serialize_f64(value),
            value if value.is_nan() => serializer.serialize_str("NaN"),
            value if value > 0.0 => serializer.serialize_str("Infinity"),
            _ => serializer.serialize_str("-Infinity"),
        }
    }
}

impl<'de> Deserialize<'de> for Float {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Float, D::Error> {
        let refused = |unexpected| {
            D::Error::invalid_value(unexpected, &"a number, `NaN`, `Infinity` or `-Infinity`")
        };
        match Value::deserialize(deserializer)? {
            Value::Number(number) => number
                .as_f64()
                .ok_or_else(|| refused(Unexpected::Other("a number beyond f64"))),
            Value::String(text) => match text.as_str() {
                "NaN" => Ok(f64::NAN),
                "Infinity" => Ok(f64::INFINITY),
                "-Infinity" => Ok(f64::NEG_INFINITY),
                other => Err(refused(Unexpected::Str(other))),
            },
            _ => Err(refused(Unexpected::Other("another kind of value"))),
        }
        .map(Float)
    }
}

fn floats(values: Vec<f64>) -> Vec<Float> {
    values.into_iter().map(Float).collect()
}

/// `predictions` of the contract.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Predictions {
    /// Numbers per row in `values`.
    pub outputs: u32,
    /// `[rows, outputs]`
    pub values: Vec<Float>,
    /// Numbers per row in `margins`.
    pub margin_outputs: u32,
    /// `[rows, margin_outputs]`
    pub margins: Vec<Float>,
    /// `[rows]`
    pub labels: Vec<u32>,
}

/// `explanations` of the contract.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explanations {
    /// Name of the method.
    pub method: String,
    /// Whether the values are exact.
    pub exact: bool,
    /// `margin` or `probability`.
    pub space: String,
    /// Outputs explained.
    pub outputs: u32,
    /// `[outputs]`
    pub base_values: Vec<Float>,
    /// `[rows, features, outputs]`
    pub attributions: Vec<Float>,
    /// `[rows, outputs]`
    pub predictions: Vec<Float>,
    /// `[rows, outputs]`
    pub residuals: Vec<Float>,
    /// Model evaluations spent.
    pub evaluations: u64,
    /// `[rows, features, outputs]`; only where something was drawn.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub standard_errors: Vec<Float>,
}

/// How sampled explanations of golden rows are drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draw {
    /// A sampled method that the function has.
    pub method: String,
    /// Seed of the draws.
    pub seed: u64,
    /// Most coalitions per row.
    pub samples: u32,
}

/// Everything a function says about some rows; a refusal is an answer too.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    /// The answers, or the text of the refusal.
    pub predictions: Result<Predictions, String>,
    /// Their reasons by the function's own default method, or the text of the refusal.
    pub explanations: Result<Explanations, String>,
    /// The reasons of the first row as [`Draw`] draws them; absent where nothing is drawn.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sampled: Option<Result<Explanations, String>>,
}

/// The first place where two answers differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Path of the value, e.g. `predictions.values[3]`.
    pub place: String,
    /// What was expected there.
    pub expected: String,
    /// What was found.
    pub found: String,
}

impl Answers {
    /// What the model and explainer say outside of any sandbox.
    pub(crate) fn native(
        model: &Model,
        explainer: &Explainer,
        batch: &Batch,
        draw: Option<&Draw>,
    ) -> Answers {
        let predictions = model
            .predict(batch)
            .map_err(|error| error.to_string())
            .map(|found| Predictions {
                outputs: found.outputs as u32,
                values: floats(found.values),
                margin_outputs: found.margin_outputs as u32,
                margins: floats(found.margins),
                labels: found.labels,
            });
        let explain = |batch: &Batch, method| {
            let request = Request {
                method,
                seed: draw.map_or(0, |draw| draw.seed),
                samples: draw.map(|draw| draw.samples),
                ..Request::default()
            };
            let found = explainer.explain(model, batch, request);
            found
                .map(Explanations::from)
                .map_err(|error: ExplainError| error.to_string())
        };
        Answers {
            predictions,
            explanations: explain(batch, None),
            sampled: draw.map(|draw| explain(&batch.select(&[0]), Method::from_name(&draw.method))),
        }
    }

    /// What a component says through the typed door of `batch`, and of its first row alone.
    ///
    /// # Errors
    /// When the component traps.
    pub(crate) fn of(
        guest: &mut Guest,
        batch: &[typed::Column],
        first: &[typed::Column],
        draw: Option<&Draw>,
    ) -> Result<Answers, Cause> {
        let predictions = guest
            .predict(batch)?
            .map_err(refusal)
            .map(|found| Predictions {
                outputs: found.outputs,
                values: floats(found.values),
                margin_outputs: found.margin_outputs,
                margins: floats(found.margins),
                labels: found.labels,
            });
        let mut explain = |batch: &[typed::Column], method| {
            let options = typed::Options {
                method,
                space: None,
                seed: draw.map(|draw| draw.seed),
                samples: draw.map(|draw| draw.samples),
                tolerance: None,
            };
            let found = guest.explain(batch, &options)?;
            Ok::<_, Cause>(found.map(Explanations::from).map_err(refusal))
        };
        Ok(Answers {
            predictions,
            explanations: explain(batch, None)?,
            sampled: draw
                .map(|draw| explain(first, Some(draw.method.clone())))
                .transpose()?,
        })
    }

    /// Where `found` first differs from `self` by a bit; all NaNs are equal.
    pub fn difference(&self, found: &Answers) -> Option<Difference> {
        let json = |answers: &Answers| {
            serde_json::to_value(answers).expect("answers are numbers and texts")
        };
        difference(&json(self), &json(found), String::new())
    }
}

fn refusal(error: typed::Error) -> String {
    match error {
        typed::Error::Invalid(text) | typed::Error::Unsupported(text) => text,
    }
}

impl From<hyaline_explain::Explanations> for Explanations {
    fn from(found: hyaline_explain::Explanations) -> Explanations {
        Explanations {
            method: found.method.name().to_owned(),
            exact: found.exact,
            space: match found.space {
                OutputSpace::Margin => "margin".to_owned(),
                OutputSpace::Probability => "probability".to_owned(),
            },
            outputs: found.outputs as u32,
            base_values: floats(found.base_values),
            attributions: floats(found.attributions),
            predictions: floats(found.predictions),
            residuals: floats(found.residuals),
            evaluations: found.evaluations,
            standard_errors: floats(found.standard_errors),
        }
    }
}

impl From<typed::Explanations> for Explanations {
    fn from(found: typed::Explanations) -> Explanations {
        Explanations {
            method: found.method,
            exact: found.exact,
            space: match found.space {
                typed::Space::Margin => "margin".to_owned(),
                typed::Space::Probability => "probability".to_owned(),
            },
            outputs: found.outputs,
            base_values: floats(found.base_values),
            attributions: floats(found.attributions),
            predictions: floats(found.predictions),
            residuals: floats(found.residuals),
            evaluations: found.evaluations,
            standard_errors: floats(found.standard_errors),
        }
    }
}

fn difference(expected: &Value, found: &Value, place: String) -> Option<Difference> {
    match (expected, found) {
        (Value::Object(one), Value::Object(two)) if one.keys().eq(two.keys()) => one
            .iter()
            .zip(two.values())
            .find_map(|((key, one), two)| difference(one, two, join(&place, key))),
        (Value::Array(one), Value::Array(two)) if one.len() == two.len() => one
            .iter()
            .zip(two)
            .enumerate()
            .find_map(|(index, (one, two))| difference(one, two, format!("{place}[{index}]"))),
        (Value::Array(one), Value::Array(two)) => Some(Difference {
            place,
            expected: format!("{} values", one.len()),
            found: format!("{} values", two.len()),
        }),
        // As texts, because -0.0 equals 0.0 and is another answer.
        _ => {
            let (expected, found) = (expected.to_string(), found.to_string());
            (expected != found).then_some(Difference {
                place,
                expected,
                found,
            })
        }
    }
}

fn join(place: &str, key: &str) -> String {
    match (place, key) {
        ("", key) => key.to_owned(),
        // `Result` is an object with one of these keys; the reader looks for the values in it.
        (place, "Ok") => place.to_owned(),
        (place, key) => format!("{place}.{key}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(values: &[f64]) -> Answers {
        let predictions = Predictions {
            outputs: 1,
            values: floats(values.to_vec()),
            margin_outputs: 0,
            margins: Vec::new(),
            labels: Vec::new(),
        };
        Answers {
            predictions: Ok(predictions),
            explanations: Err("none".to_owned()),
            sampled: None,
        }
    }

    fn place(one: &[f64], two: &[f64]) -> Option<(String, String, String)> {
        let found = answers(one).difference(&answers(two))?;
        Some((found.place, found.expected, found.found))
    }

    #[test]
    fn a_difference_is_found_to_the_bit() {
        let next = f64::from_bits(0.1f64.to_bits() + 1);
        let said = |place: &str, expected: &str, found: &str| {
            Some((place.into(), expected.into(), found.into()))
        };
        assert_eq!(
            place(&[1.0, 0.1], &[1.0, next]),
            said("predictions.values[1]", "0.1", "0.10000000000000002")
        );
        assert_eq!(
            place(&[0.0], &[-0.0]),
            said("predictions.values[0]", "0.0", "-0.0")
        );
        assert_eq!(
            place(&[1.0], &[1.0, 2.0]),
            said("predictions.values", "1 values", "2 values")
        );
        assert_eq!(place(&[f64::NAN], &[-f64::NAN]), None);
        let mut refused = answers(&[]);
        refused.predictions = Err("no".to_owned());
        assert!(answers(&[]).difference(&refused).is_some());
    }

    #[test]
    fn answers_survive_the_card_to_the_bit() {
        let written = answers(&[
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            -0.0,
            5e-324,
            0.1 + 0.2,
            1.7976931348623157e308,
        ]);
        let text = serde_json::to_string(&written).expect("JSON");
        let read: Answers = serde_json::from_str(&text).expect("what was written is read");
        assert_eq!(written.difference(&read), None);
        let (Ok(written), Ok(read)) = (written.predictions, read.predictions) else {
            panic!("both answered")
        };
        for (one, two) in written.values.iter().zip(&read.values).skip(1) {
            assert_eq!(one.0.to_bits(), two.0.to_bits());
        }
    }
}
