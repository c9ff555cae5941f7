//! Explanations of texts, a value per token: what it does to the answer that the token stands in the text.
//!
//! Tokens are those that the model itself makes of the text; where it works on single characters, words are the tokens.
//! An absent token is removed from the text, or replaced by a mask. Other features take part as in explanations of rows:
//! an absent one has the values of the background rows.

mod game;
mod tokens;

use hyaline_model::{Batch, FeatureKind, Model};

use crate::coalitional::space;
use crate::presence::{self, Draw, MOST_PARTS};
use crate::{ExplainError, PartRequest, PartValues, Predict};
use game::TextGame;
pub use tokens::{Source, Token};

/// What a caller asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TextRequest {
    /// How to value the tokens.
    pub parts: PartRequest,
    /// What stands in the place of an absent token; `None` removes it.
    pub mask: Option<String>,
    /// Whether all occurrences of a word come and go together.
    pub words: bool,
}

/// What a value of a [`TextExplanation`] is of.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// A token, or all occurrences of a word: of one feature, in the order of the text.
    Tokens(Vec<Token>),
    /// Another feature, by position.
    Feature(usize),
}

/// Values of the tokens of one row and of its other features.
#[derive(Clone, Debug, PartialEq)]
pub struct TextExplanation {
    /// What the values are of; tokens in the order of the texts, then features in the order of the schema.
    pub parts: Vec<Part>,
    /// Their unit.
    pub space: crate::OutputSpace,
    /// The values.
    pub values: PartValues,
    /// What makes tokens of each text feature, in the order of the schema.
    pub sources: Vec<Source>,
}

/// Whether `model` takes free text.
pub fn takes_text(model: &Model) -> bool {
    let mut features = model.schema().features().iter();
    features.any(|feature| feature.kind == FeatureKind::Text)
}

/// Explains row `row` of `batch`.
///
/// # Errors
/// [`ExplainError::Unsupported`] when there are too many tokens, or other features without background rows;
/// [`ExplainError::Evaluation`] when the model refuses an input.
///
/// # Panics
/// If there is no such row.
pub fn explain_text(
    model: &Model,
    batch: &Batch,
    row: usize,
    request: &TextRequest,
) -> Result<TextExplanation, ExplainError> {
    let space = space(model, request.parts.space)?;
    let row = batch.select(&[row]);
    let (mut parts, sources) = tokens::parts(model, &row, request.words);
    let background = model.parts().background.as_ref();
    for (position, feature) in model.schema().features().iter().enumerate() {
        if feature.kind != FeatureKind::Text {
            parts.push(Part::Feature(position));
        }
    }
    let others = matches!(parts.last(), Some(Part::Feature(_)));
    if others && background.is_none() {
        return Err(ExplainError::Unsupported(
            "features beside text need background rows to be explained by (pack with --data)"
                .to_owned(),
        ));
    }
    if parts.len() > MOST_PARTS {
        return Err(ExplainError::Unsupported(format!(
            "{} tokens and features in one row; at most {MOST_PARTS} are explained, shorten the text",
            parts.len()
        )));
    }
    let whole = model.answers(&row, space)?;
    let values = if parts.is_empty() {
        PartValues::of_nothing(request.parts.method, whole.values)
    } else {
        let game = TextGame::new(
            model,
            &row,
            &parts,
            background.filter(|_| others),
            request.mask.as_deref(),
            space,
            whole.outputs,
        );
        presence::explain(&game, &request.parts, Draw::Removals)?
    };
    Ok(TextExplanation {
        parts,
        space,
        values,
        sources,
    })
}
