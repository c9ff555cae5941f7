//! Clarify's document: predictions, and explanations of the records that the gate let through.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::error::ServiceError;
use super::output::Output;
use crate::json::{Members, bytes};

/// Which records the function was asked to explain.
#[derive(Debug)]
pub(super) struct Explained {
    /// Records of the request.
    pub(super) total: usize,
    /// Those the function was sent, sorted: the ones below, and others that could not be left out.
    pub(super) sent: Vec<usize>,
    /// Those that are to be explained, sorted.
    pub(super) open: Vec<usize>,
}

/// `kernel_shap`: an explanation or nothing per record.
pub(super) type KernelShap = Vec<Option<Vec<FeatureDocument>>>;

/// A feature of an explained record.
#[derive(Debug, Serialize)]
pub(super) struct FeatureDocument {
    feature_header: String,
    attributions: Vec<AttributionDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    feature_type: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct AttributionDocument {
    attribution: Vec<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Description>,
}

#[derive(Debug, Serialize)]
struct Description {
    partial_text: String,
    start_idx: u64,
}

/// What `/explain` says of a row.
#[derive(Deserialize)]
struct Explanation {
    attributions: Vec<Attribution>,
    #[serde(default)]
    tokens: Option<Vec<Token>>,
}

#[derive(Deserialize)]
struct Attribution {
    feature: String,
    #[serde(default)]
    value: Option<Box<RawValue>>,
    attribution: Box<RawValue>,
}

#[derive(Deserialize)]
struct Token {
    feature: String,
    token: String,
    start: u64,
    attribution: Box<RawValue>,
}

impl Explained {
    /// Reads the answer of `/explain`.
    pub(super) fn read(&self, answer: &Bytes) -> Result<KernelShap, ServiceError> {
        #[derive(Deserialize)]
        struct Answer {
            explanations: Vec<Explanation>,
        }
        let answer: Answer = serde_json::from_slice(answer).map_err(|error| {
            ServiceError::internal(format!(
                "the function's explanations cannot be read: {error}"
            ))
        })?;
        if answer.explanations.len() != self.sent.len() {
            return Err(ServiceError::internal(format!(
                "the function explained {} of {} records",
                answer.explanations.len(),
                self.sent.len()
            )));
        }
        let mut shap: KernelShap = std::iter::repeat_with(|| None).take(self.total).collect();
        for (&record, explanation) in self.sent.iter().zip(answer.explanations) {
            if self.open.binary_search(&record).is_ok() {
                shap[record] = Some(explanation.features());
            }
        }
        Ok(shap)
    }
}

impl Explanation {
    /// A document per feature. Features have types only beside texts, whose parts have attributions of their own: that is
    /// how Clarify does it.
    fn features(self) -> Vec<FeatureDocument> {
        let has_texts = self.tokens.is_some();
        let tokens = self.tokens.unwrap_or_default();
        let feature = |attribution: Attribution| {
            let parts: Vec<AttributionDocument> = tokens
                .iter()
                .filter(|token| token.feature == attribution.feature)
                .map(|token| AttributionDocument {
                    attribution: per_output(&token.attribution),
                    description: Some(Description {
                        partial_text: token.token.clone(),
                        start_idx: token.start,
                    }),
                })
                .collect();
            let kind = if parts.is_empty() {
                attribution.value.as_deref().and_then(kind)
            } else {
                Some("text")
            };
            let whole = AttributionDocument {
                attribution: per_output(&attribution.attribution),
                description: None,
            };
            FeatureDocument {
                feature_header: attribution.feature,
                attributions: if parts.is_empty() { vec![whole] } else { parts },
                feature_type: kind.filter(|_| has_texts),
            }
        };
        self.attributions.into_iter().map(feature).collect()
    }
}

/// The type of a feature by one of its values; `None` for a missing one.
fn kind(value: &RawValue) -> Option<&'static str> {
    match value.get().as_bytes().first()? {
        b'-' | b'0'..=b'9' => Some("numerical"),
        b'"' | b't' | b'f' => Some("categorical"),
        _ => None,
    }
}

/// An attribution is a number, or an object of them by output.
fn per_output(attribution: &RawValue) -> Vec<Box<RawValue>> {
    match serde_json::from_str::<Members>(attribution.get()) {
        Ok(Members(outputs)) => outputs.into_iter().map(|(_, number)| number).collect(),
        Err(_) => vec![attribution.to_owned()],
    }
}

/// The document; without explanations `explanations` is `{}`.
pub(super) fn document(output: &Output, shap: Option<KernelShap>) -> Bytes {
    #[derive(Serialize)]
    struct Document<'o> {
        version: &'static str,
        predictions: Predictions<'o>,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        label_headers: &'o [String],
        explanations: Explanations,
    }
    #[derive(Serialize)]
    struct Predictions<'o> {
        content_type: &'o str,
        data: String,
    }
    #[derive(Serialize)]
    struct Explanations {
        #[serde(skip_serializing_if = "Option::is_none")]
        kernel_shap: Option<KernelShap>,
    }
    let content_type = output.content_type();
    bytes(&Document {
        version: "1.0",
        predictions: Predictions {
            content_type: content_type.to_str().unwrap_or_default(),
            data: output.data(),
        },
        label_headers: output.labels(),
        explanations: Explanations { kernel_shap: shap },
    })
}
