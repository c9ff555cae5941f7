//! A loaded function: the model, its explainer, and every document about it that does not change.

use hyaline_explain::{
    ExplainError, Explainer, Explanations, Interactions, ReferenceStatistics, ReferenceView,
    Request as ExplainRequest, reference_rows,
};
use hyaline_model::{ImageError, Model, Predictions};

use crate::card::Card;
use crate::documents::{Abilities, Documents};
use crate::json::JsonWriter;
use crate::rows::{Rows, RowsBuilder, Vocabulary};
use crate::{Refusal, digest};

/// Most attributions in one answer (rows × features × outputs): 32 MiB of numbers before they are written as text.
const ATTRIBUTION_LIMIT: usize = 1 << 20;

/// Why bytes are no function.
#[derive(Debug, thiserror::Error)]
pub enum FunctionError {
    /// The model image is refused.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The explainer cannot be prepared.
    #[error(transparent)]
    Explainer(#[from] ExplainError),
}

/// Everything one function answers with. Nothing in it changes after it is made.
#[derive(Debug)]
pub struct Function {
    model: Model,
    explainer: Explainer,
    vocabulary: Vocabulary,
    model_digest: String,
    background_digest: Option<String>,
    reference: Result<ReferenceStatistics, ExplainError>,
    reference_digest: Option<String>,
    documents: Documents,
}

impl Function {
    /// Reads a model image and prepares its explainer.
    ///
    /// # Errors
    /// [`FunctionError`] with what is wrong with the image.
    pub fn from_image(image: &[u8]) -> Result<Function, FunctionError> {
        let model = Model::from_image(image)?;
        let explainer = Explainer::new(&model)?;
        Ok(Function::new(model, explainer))
    }

    /// A function of a checked model. The digests in its answers are those of the model's card; where the card has none,
    /// those of the model image and of the background rows in it.
    pub fn new(model: Model, explainer: Explainer) -> Function {
        let card = Card::read(&model.parts().card);
        let model_digest = card
            .model_digest
            .clone()
            .unwrap_or_else(|| digest::sha256(&model.to_image()));
        let background_digest = model.parts().background.as_ref().map(|background| {
            let own = || {
                digest::sha256(&borsh::to_vec(background).expect("writing to memory cannot fail"))
            };
            card.background_digest.clone().unwrap_or_else(own)
        });
        let reference = match reference_rows(&model) {
            Some(rows) => ReferenceStatistics::new(&model, model.symbols(), rows),
            None => Err(ExplainError::Unsupported(
                "the function has no reference rows to learn from what values occur; pack it with --data".to_owned(),
            )),
        };
        let reference_digest = match &model.parts().reference {
            Some(reference) => Some(digest::sha256(
                &borsh::to_vec(&reference.rows).expect("writing to memory cannot fail"),
            )),
            None => background_digest.clone(),
        };
        Function {
            vocabulary: Vocabulary::new(&model),
            documents: Documents::new(
                &model,
                &card,
                Abilities {
                    explainer: &explainer,
                    reference: reference.is_ok(),
                },
            ),
            reference,
            reference_digest,
            model,
            explainer,
            model_digest,
            background_digest,
        }
    }

    /// Predicts and explains the example row, so that everything that is built on first use is built.
    ///
    /// # Errors
    /// When the model cannot answer its own example.
    pub fn warm_up(&self) -> Result<(), Refusal> {
        let example = Rows::trusted(self.model.example());
        self.predict(&example)?;
        match self.explain(&example, ExplainRequest::default()) {
            Err(refusal) if !refusal.is_unsupported() => Err(refusal),
            _ => Ok(()),
        }
    }

    /// Name in routes and protocols.
    pub fn name(&self) -> &str {
        &self.model.parts().name
    }

    /// Version text.
    pub fn version(&self) -> &str {
        &self.model.parts().version
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The explainer.
    pub fn explainer(&self) -> &Explainer {
        &self.explainer
    }

    /// The card, JSON.
    pub fn card(&self) -> &str {
        &self.model.parts().card
    }

    /// Digest of the model, `sha256:…`.
    pub fn model_digest(&self) -> &str {
        &self.model_digest
    }

    /// Digest of the background rows, `sha256:…`; `None` without a background.
    pub fn background_digest(&self) -> Option<&str> {
        self.background_digest.as_deref()
    }

    /// Digest of the reference rows, or of the background rows where these serve instead; `None` with neither.
    pub fn reference_digest(&self) -> Option<&str> {
        self.reference_digest.as_deref()
    }

    /// The reference rows (or the background rows, where there are no others) and their statistics.
    ///
    /// # Errors
    /// When there are none, or the model has features without such statistics.
    pub(crate) fn reference(&self) -> Result<ReferenceView<'_>, Refusal> {
        match (reference_rows(&self.model), &self.reference) {
            (Some(rows), Ok(statistics)) => Ok(ReferenceView { rows, statistics }),
            (_, Err(error)) => Err(refusal(error.clone())),
            (None, Ok(_)) => unreachable!("statistics are of reference rows"),
        }
    }

    /// Writes the members `reference` and `model`: the digests of what an explanation stands on.
    pub(crate) fn write_provenance(&self, json: &mut JsonWriter) {
        json.key("reference");
        match self.reference_digest() {
            Some(digest) => json.text(digest),
            None => json.null(),
        };
        json.key("model").text(&self.model_digest);
    }

    pub(crate) fn documents(&self) -> &Documents {
        &self.documents
    }

    /// Starts a batch of `rows` rows.
    ///
    /// # Errors
    /// When one request may not have so many.
    pub fn rows(&self, rows: usize) -> Result<RowsBuilder<'_>, Refusal> {
        RowsBuilder::new(&self.model, &self.vocabulary, rows)
    }

    /// Predicts every row.
    ///
    /// # Errors
    /// When an operator of the model refuses a value.
    pub fn predict(&self, rows: &Rows) -> Result<Predictions, Refusal> {
        self.model
            .predict(rows.batch())
            .map_err(|error| Refusal::bad_request(error.to_string()))
    }

    /// The interaction values behind `explanations` of the same rows.
    ///
    /// # Errors
    /// When the method of the explanations has none, or the answer would be too long.
    pub fn interactions(
        &self,
        rows: &Rows,
        explanations: &Explanations,
    ) -> Result<Interactions, Refusal> {
        let width = explanations.features * explanations.features * explanations.outputs;
        if explanations.rows.saturating_mul(width) > ATTRIBUTION_LIMIT {
            return Err(Refusal::too_much(format!(
                "interactions of {} rows; this function answers those of at most {} in one request",
                explanations.rows,
                ATTRIBUTION_LIMIT / width.max(1)
            )));
        }
        self.explainer
            .interactions(&self.model, rows.batch(), explanations)
            .map_err(refusal)
    }

    /// Explains every row.
    ///
    /// # Errors
    /// When the model has no such explanation, refuses a value, or the answer would be too long.
    pub fn explain(&self, rows: &Rows, request: ExplainRequest) -> Result<Explanations, Refusal> {
        let features = self.model.schema().len();
        let outputs = self.model.labels().len().max(1);
        let most = (ATTRIBUTION_LIMIT / features / outputs).max(1);
        if rows.batch().rows() > most {
            return Err(Refusal::too_much(format!(
                "{} rows to explain; this function explains at most {most} in one request",
                rows.batch().rows()
            )));
        }
        self.explainer
            .explain(&self.model, rows.batch(), request)
            .map_err(refusal)
    }
}

pub(crate) fn refusal(error: ExplainError) -> Refusal {
    match error {
        ExplainError::Unsupported(text) => Refusal::unsupported(text),
        other => Refusal::bad_request(other.to_string()),
    }
}
