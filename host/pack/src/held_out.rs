//! `[calibration]` and `[uncertainty]`: what rows that did not train the model say of its probabilities and of how far its
//! answers can be off.

use hyaline_model::{Batch, ImageError, Model, ModelParts};
use hyaline_trust::calibration::{CalibrationError, Reliability, calibrate};
use hyaline_trust::conformal::{
    ConformalError, Regions, conformity, default_score, regions, score_from_name, score_name,
    threshold,
};
use serde::{Deserialize, Serialize};

use crate::recipe::{Recipe, Uncertainty};
use crate::reference::{Reference, ReferenceError};

/// Why held-out rows give no calibration or no uncertainty.
#[derive(Debug, thiserror::Error)]
pub enum HeldOutError {
    /// The calibration file does not fit the model.
    #[error("the calibration rows cannot be used")]
    Rows(#[source] ReferenceError),
    /// No answers to learn from.
    #[error(
        "the held-out rows have no answers that this model could give: it predicts several numbers"
    )]
    NoAnswers,
    /// Too few rows to have two halves.
    #[error("{0} held-out rows cannot be halved; give at least 2")]
    TooFew(usize),
    /// The score does not exist.
    #[error("`uncertainty.score` is `{0}`; expected absolute-error, least-ambiguous or adaptive")]
    Score(String),
    /// No score fits.
    #[error(
        "this model has no score for [uncertainty]: it needs one predicted number, or probabilities of classes"
    )]
    NoScore,
    /// Refused while calibrating.
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
    /// Refused while scoring.
    #[error(transparent)]
    Conformal(#[from] ConformalError),
    /// The parts make no model.
    #[error(transparent)]
    Model(#[from] ImageError),
}

/// How probabilities were calibrated.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CalibrationCard {
    /// `platt` or `isotonic`.
    pub method: String,
    /// Which rows the curves were fitted to.
    pub source: String,
    /// What the curves read: `log-odds` or `scores`.
    pub reads: String,
    /// Whether the label follows the calibrated probabilities; otherwise it is the model's own decision.
    pub decides: bool,
    /// Figures of the model's own probabilities on those rows; absent when its scores are none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub before: Option<ReliabilityCard>,
    /// Figures of the calibrated probabilities, each row answered by curves fitted without it.
    pub after: ReliabilityCard,
}

/// Figures of probabilities beside what was observed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReliabilityCard {
    /// Rows measured.
    pub rows: usize,
    /// Brier score.
    pub brier: f64,
    /// Mean logarithmic loss.
    pub log_loss: f64,
    /// Expected calibration error over the bins.
    pub expected_error: f64,
    /// Largest calibration error of a bin.
    pub maximum_error: f64,
    /// Bins of equal width that have rows.
    pub bins: Vec<BinCard>,
}

/// Answers of about the same probability.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BinCard {
    /// Probabilities above this.
    pub low: f64,
    /// And up to this.
    pub high: f64,
    /// How many rows.
    pub rows: usize,
    /// Their mean probability.
    pub probability: f64,
    /// The share for which it happened.
    pub frequency: f64,
}

/// What prediction intervals and sets follow from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UncertaintyCard {
    /// `absolute-error`, `least-ambiguous` or `adaptive`.
    pub score: String,
    /// Scores kept.
    pub rows: usize,
    /// Which rows they are of.
    pub source: String,
    /// The share of rows that the figures below speak about.
    pub coverage: f64,
    /// The score up to which an answer is in the interval or set; half the width of an interval.
    pub threshold: f64,
    /// The same on rows without a part in the scores, where there are such rows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub measured: Option<Measured>,
}

/// How often intervals or sets held.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// Rows measured.
    pub rows: usize,
    /// The share of them whose answer was in the interval or set.
    pub coverage: f64,
    /// Mean width of the intervals, or mean number of classes in the sets.
    pub size: f64,
}

/// Rows with their answers.
struct Rows {
    batch: Batch,
    answers: Vec<f64>,
}

impl Rows {
    fn select(&self, chosen: &[usize]) -> Rows {
        Rows {
            batch: self.batch.select(chosen),
            answers: chosen.iter().map(|&row| self.answers[row]).collect(),
        }
    }

    /// Every second row from `first` on.
    fn half(&self, first: usize) -> Rows {
        let chosen: Vec<usize> = (first..self.batch.rows()).step_by(2).collect();
        self.select(&chosen)
    }
}

/// A model as the recipe's `[calibration]` and `[uncertainty]` leave it.
pub(crate) struct Trusted {
    pub(crate) parts: ModelParts,
    pub(crate) calibration: Option<CalibrationCard>,
    pub(crate) uncertainty: Option<UncertaintyCard>,
}

/// Calibrates and scores what the recipe asks for. `calibration` is the file of held-out rows; without one the reference rows
/// that the model keeps stand in. Where both are asked for, or the reference rows stand in, half of the rows fit (or measure)
/// and the other half is scored, because a row may have a part in one of them only.
///
/// # Errors
/// [`HeldOutError`] when rows, answers and model do not fit what was asked.
pub(crate) fn apply(
    mut parts: ModelParts,
    recipe: &Recipe,
    calibration: Option<&[u8]>,
) -> Result<Trusted, HeldOutError> {
    let uncertainty = match (&recipe.uncertainty, &recipe.calibration, calibration) {
        (Some(uncertainty), ..) => Some(uncertainty.clone()),
        // Held-out rows and nothing said about what for.
        (None, None, Some(_)) => Some(Uncertainty::default()),
        (None, ..) => None,
    };
    if uncertainty.is_none() && recipe.calibration.is_none() {
        return Ok(Trusted {
            parts,
            calibration: None,
            uncertainty: None,
        });
    }
    let (rows, what) = match calibration {
        Some(bytes) => (file(&parts, recipe, bytes)?, "calibration rows"),
        None => (
            kept(&parts)?,
            "reference rows, which must not have trained the model",
        ),
    };
    let count = rows.batch.rows();
    if count < 2 {
        return Err(HeldOutError::TooFew(count));
    }
    let halved = recipe.calibration.is_some() || calibration.is_none();
    let both = recipe.calibration.is_some() && uncertainty.is_some();
    let mut calibrated = None;
    if let Some(asked) = &recipe.calibration {
        let fitted = if both {
            rows.half(0)
        } else {
            rows.select(&(0..count).collect::<Vec<_>>())
        };
        let source = source(&fitted, count, what);
        let method = asked.method.into();
        let found = calibrate(Model::new(parts)?, method, &fitted.batch, &fitted.answers)?;
        parts = found.parts;
        calibrated = Some(CalibrationCard {
            method: method.name().to_owned(),
            source,
            reads: found.reads.to_owned(),
            decides: found.decides,
            before: found.before.as_ref().map(reliability),
            after: reliability(&found.after),
        });
    }
    let mut scored = None;
    if let Some(asked) = &uncertainty {
        let (scores, measure) = match (halved, both) {
            (false, _) => (rows, None),
            (true, true) => (rows.half(1), None),
            (true, false) => (rows.half(1), Some(rows.half(0))),
        };
        let source = source(&scores, count, what);
        let card;
        (parts, card) = uncertain(parts, asked, &scores, measure.as_ref(), source)?;
        scored = Some(card);
    }
    Ok(Trusted {
        parts,
        calibration: calibrated,
        uncertainty: scored,
    })
}

fn source(used: &Rows, all: usize, what: &str) -> String {
    let rows = used.batch.rows();
    if rows == all {
        format!("the {all} {what}")
    } else {
        format!("{rows} of the {all} {what}")
    }
}

/// The rows of the calibration file.
fn file(parts: &ModelParts, recipe: &Recipe, bytes: &[u8]) -> Result<Rows, HeldOutError> {
    let target = recipe.data.as_ref().and_then(|data| data.target.as_deref());
    let read = || {
        let file = Reference::parse(bytes, None)?;
        file.feature_names(target)?;
        let batch = file.batch(&parts.schema, &parts.symbols)?;
        Ok((batch, file.answers(&parts.head, target)?))
    };
    let (batch, answers) = read().map_err(HeldOutError::Rows)?;
    Ok(Rows {
        batch,
        answers: answers.ok_or(HeldOutError::NoAnswers)?,
    })
}

/// The reference rows that the model keeps.
fn kept(parts: &ModelParts) -> Result<Rows, HeldOutError> {
    match &parts.reference {
        Some(reference) if !reference.answers.is_empty() => Ok(Rows {
            batch: reference.rows.clone(),
            answers: reference.answers.clone(),
        }),
        _ => Err(HeldOutError::NoAnswers),
    }
}

fn uncertain(
    parts: ModelParts,
    asked: &Uncertainty,
    scores: &Rows,
    measure: Option<&Rows>,
    source: String,
) -> Result<(ModelParts, UncertaintyCard), HeldOutError> {
    let model = Model::new(parts)?;
    let score = match &asked.score {
        Some(name) => score_from_name(name).ok_or_else(|| HeldOutError::Score(name.clone()))?,
        None => default_score(&model).ok_or(HeldOutError::NoScore)?,
    };
    let kept = conformity(&model, score, &scores.batch, &scores.answers)?;
    let threshold = threshold(&kept, asked.coverage)?;
    let model = Model::new(ModelParts {
        conformity: Some(kept),
        ..model.into_parts()
    })?;
    let measured = measure
        .map(|rows| measured(&model, rows, asked.coverage))
        .transpose()?;
    let card = UncertaintyCard {
        score: score_name(score).to_owned(),
        rows: scores.batch.rows(),
        source,
        coverage: asked.coverage,
        threshold,
        measured,
    };
    Ok((model.into_parts(), card))
}

/// How the regions of `rows` hold.
fn measured(model: &Model, rows: &Rows, coverage: f64) -> Result<Measured, HeldOutError> {
    let predictions = model.predict(&rows.batch).map_err(ConformalError::from)?;
    let (inside, size): (Vec<bool>, Vec<f64>) = match regions(model, &predictions, coverage)? {
        Regions::Intervals(intervals) => intervals
            .iter()
            .zip(&rows.answers)
            .map(|(&[low, high], &answer)| ((low..=high).contains(&answer), high - low))
            .unzip(),
        Regions::Sets(sets) => sets
            .iter()
            .zip(&rows.answers)
            .map(|(set, &answer)| (set.contains(&(answer as usize)), set.len() as f64))
            .unzip(),
    };
    let rows = inside.len() as f64;
    let held = inside.iter().filter(|inside| **inside).count();
    Ok(Measured {
        rows: inside.len(),
        coverage: held as f64 / rows,
        size: size.iter().sum::<f64>() / rows,
    })
}

fn reliability(found: &Reliability) -> ReliabilityCard {
    let with_rows = found.bins.iter().filter(|bin| bin.rows > 0);
    ReliabilityCard {
        rows: found.rows,
        brier: found.brier,
        log_loss: found.log_loss,
        expected_error: found.expected_error,
        maximum_error: found.maximum_error,
        bins: with_rows
            .map(|bin| BinCard {
                low: bin.low,
                high: bin.high,
                rows: bin.rows,
                probability: bin.probability,
                frequency: bin.frequency,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::describe::describe;
    use crate::import::import;

    /// A model of `models/` with `addition` to its recipe, and its reference data.
    fn model(name: &str, addition: &str) -> (ModelParts, Recipe, Vec<u8>) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../models")
            .join(name);
        let text = fs::read_to_string(folder.join("function.toml")).expect("a recipe");
        let recipe = Recipe::parse(&format!("{text}\n{addition}")).expect("a recipe");
        let data = recipe.data.as_ref().expect("data");
        let rows = fs::read(folder.join(&data.path)).expect("rows");
        let file = fs::read(folder.join(&recipe.model.path)).expect("a model");
        let reference = Reference::parse(&rows, None).expect("rows");
        let names = reference
            .feature_names(data.target.as_deref())
            .expect("a header");
        let imported = import(&recipe, &file, Some(&reference), names.as_deref(), &[]);
        let imported = imported.expect("a model");
        let parts = describe(imported, &recipe, Some(&reference), &[]).expect("parts");
        (parts, recipe, rows)
    }

    #[test]
    fn one_half_of_the_reference_rows_is_scored_and_the_other_measured() {
        let (parts, recipe, _) = model("diabetes", "[uncertainty]\n");
        let trusted = apply(parts, &recipe, None).expect("scores");
        let card = trusted.uncertainty.expect("a card");
        assert_eq!(
            (&*card.score, card.rows, card.coverage),
            ("absolute-error", 166, 0.9)
        );
        assert_eq!(
            card.source,
            "166 of the 332 reference rows, which must not have trained the model"
        );
        let kept = trusted.parts.conformity.expect("scores");
        assert_eq!(kept.scores.len(), 166);
        let measured = card.measured.expect("the other half");
        assert_eq!(measured.rows, 166);
        assert!((measured.coverage - 0.9).abs() < 0.07, "{measured:?}");
        assert!(
            (measured.size - 2.0 * card.threshold).abs() < 1e-9,
            "{measured:?}"
        );
    }

    #[test]
    fn rows_that_calibrate_are_not_scored() {
        let (parts, recipe, _) = model(
            "credit",
            "[uncertainty]\n[calibration]\nmethod = \"platt\"\n",
        );
        let nodes = parts.graph.nodes.len();
        let trusted = apply(parts, &recipe, None).expect("a calibrated model");
        let calibration = trusted.calibration.expect("a card");
        let uncertainty = trusted.uncertainty.expect("a card");
        assert_eq!((calibration.after.rows, uncertainty.rows), (375, 375));
        assert!(uncertainty.measured.is_none() && calibration.before.is_some());
        assert_eq!(uncertainty.score, "least-ambiguous");
        assert!(
            trusted.parts.graph.nodes.len() > nodes,
            "the curves are in the graph"
        );
    }

    #[test]
    fn a_file_of_held_out_rows_is_used_whole() {
        let (parts, recipe, rows) = model("diabetes", "");
        let trusted = apply(parts, &recipe, Some(&rows)).expect("scores");
        let card = trusted.uncertainty.expect("a card");
        assert_eq!(card.source, "the 332 calibration rows");
        assert!(card.measured.is_none() && trusted.calibration.is_none());
    }

    #[test]
    fn without_a_word_nothing_changes() {
        let (parts, recipe, _) = model("diabetes", "");
        let before = parts.clone();
        assert_eq!(apply(parts, &recipe, None).expect("parts").parts, before);
    }

    #[test]
    fn refusals_name_what_is_missing() {
        for (name, addition, words) in [
            (
                "diabetes",
                "[calibration]\nmethod = \"isotonic\"\n",
                "calibration is for classifiers; this model predicts numbers",
            ),
            (
                "diabetes",
                "[uncertainty]\nscore = \"width\"\n",
                "`uncertainty.score` is `width`; expected absolute-error, least-ambiguous or adaptive",
            ),
            (
                "diabetes",
                "[uncertainty]\ncoverage = 0.999\n",
                "166 held-out rows cannot promise a coverage of 0.999: at most 0.994 is possible with them",
            ),
        ] {
            let (parts, recipe, _) = model(name, addition);
            let error = apply(parts, &recipe, None).err().expect("a refusal");
            assert_eq!(error.to_string(), words);
        }
        let (parts, recipe, _) = model("diabetes", "[uncertainty]\n");
        let error = apply(parts, &recipe, Some(b"age,progression\n1,2\n")).err();
        let error = error.expect("a refusal");
        assert_eq!(error.to_string(), "the calibration rows cannot be used");
    }
}
