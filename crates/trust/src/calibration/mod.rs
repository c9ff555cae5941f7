//! Probability calibration: a curve from scores to how often they are right, fitted to held-out rows and put behind the
//! model as one more operator of its graph.
//!
//! Two classes have one curve, that of the second. It reads the log-odds of models that have them (additive models behind
//! a logistic link) and otherwise the class's score. More classes have one curve each, against the rest, and share 1 as
//! scikit-learn's `CalibratedClassifierCV` does it (Zadrozny & Elkan 2002, doi:10.1145/775047.775151).
//!
//! A model whose label is the class of its largest score goes on like that: the label follows the calibrated
//! probabilities. A model that decides otherwise, by a threshold of its own say, keeps its decision.

mod curves;
mod isotonic;
mod platt;
mod reliability;

pub use isotonic::isotonic;
pub use platt::platt;
pub use reliability::{Bin, Reliability, reliability};

use hyaline_model::graph::ml::{Calibration, ClassLabel, Decision, Labels};
use hyaline_model::graph::{EvalError, GraphNode, ValueId};
use hyaline_model::{Batch, Core, Head, ImageError, Label, Link, Model, ModelParts};

use crate::HeldOutError;
use crate::held_out::{check, class_probabilities, label_text, largest};
use curves::{Scale, Scores};

/// The family of curves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalibrationMethod {
    /// A sigmoid: two numbers, for some dozens of rows.
    Platt,
    /// Any ascending curve, for a thousand rows and more.
    Isotonic,
}

impl CalibrationMethod {
    /// Every method.
    pub const ALL: [CalibrationMethod; 2] = [CalibrationMethod::Platt, CalibrationMethod::Isotonic];

    /// The method's name in recipes and cards.
    pub fn name(self) -> &'static str {
        match self {
            CalibrationMethod::Platt => "platt",
            CalibrationMethod::Isotonic => "isotonic",
        }
    }

    /// The method called `name`.
    pub fn from_name(name: &str) -> Option<CalibrationMethod> {
        CalibrationMethod::ALL
            .into_iter()
            .find(|method| method.name() == name)
    }
}

/// Why a model is not calibrated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CalibrationError {
    /// A regressor.
    #[error("calibration is for classifiers; this model predicts numbers")]
    NotAClassifier,
    /// The model keeps scores of its uncalibrated answers.
    #[error(
        "the model has conformity scores already; calibrate it first, then score the calibrated model"
    )]
    Conformity,
    /// A class without enough rows to learn from.
    #[error(
        "class `{class}` has {rows} of the held-out rows; calibration needs at least 2 with and 2 without each class"
    )]
    Class {
        /// The class.
        class: String,
        /// Its rows.
        rows: usize,
    },
    /// The rows do not fit the model.
    #[error(transparent)]
    HeldOut(#[from] HeldOutError),
    /// The model refuses a held-out row.
    #[error(transparent)]
    Evaluation(#[from] EvalError),
    /// The curves do not fit the model's graph.
    #[error("the calibrated model is refused: {0}")]
    Model(#[from] ImageError),
}

/// A calibrated model and how much better it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibrated {
    /// The parts with the calibrated head. Attributions go on to speak of the uncalibrated margins, where the model has
    /// them.
    pub parts: ModelParts,
    /// What the curves read: `log-odds` or `scores`.
    pub reads: &'static str,
    /// Whether the label follows the calibrated probabilities; otherwise it is the model's own decision.
    pub decides: bool,
    /// The model's figures on the held-out rows; `None` when its scores are no probabilities.
    pub before: Option<Reliability>,
    /// The calibrated model's figures on the same rows, each row answered by curves that were fitted without it (five
    /// folds, every fifth row of each class).
    pub after: Reliability,
}

/// How many times curves are fitted without a part of the rows to measure them on it.
const FOLDS: usize = 5;

/// Fits curves to held-out rows and puts them behind the model. `answers` has the index of the observed class of each
/// row.
///
/// # Errors
/// [`CalibrationError`], when the model is no classifier or keeps conformity scores (which would be about its answers
/// before), when a class is too rare among the rows, or when rows and answers do not fit the model.
pub fn calibrate(
    model: Model,
    method: CalibrationMethod,
    rows: &Batch,
    answers: &[f64],
) -> Result<Calibrated, CalibrationError> {
    let Head::Classification { labels, .. } = &model.parts().head else {
        return Err(CalibrationError::NotAClassifier);
    };
    if model.parts().conformity.is_some() {
        return Err(CalibrationError::Conformity);
    }
    let classes = labels.len();
    let predictions = model.predict(rows)?;
    check(&model, &predictions, answers)?;
    let observed: Vec<usize> = answers.iter().map(|&answer| answer as usize).collect();
    let folds = folds(labels, &observed)?;
    let scores = Scores::of(&model, &predictions);

    let calibration = scores.fit(method, &observed, |_| true)?;
    let mut after = vec![0.0; observed.len() * classes];
    for fold in 0..FOLDS {
        let without = scores.fit(method, &observed, |row| folds[row] != fold)?;
        for row in (0..observed.len()).filter(|&row| folds[row] == fold) {
            after[row * classes..][..classes].copy_from_slice(&scores.answer(&without, row)?);
        }
    }
    let rows = 0..observed.len();
    let before: Option<Vec<f64>> = rows
        .clone()
        .map(|row| class_probabilities(&model, &predictions, row))
        .collect::<Option<Vec<_>>>()
        .map(|rows| rows.concat());
    // The rule behind scores of another unit is taken over by the calibrated ones.
    let decides = before.as_ref().is_none_or(|before| {
        rows.clone().all(|row| {
            largest(&before[row * classes..][..classes]) == predictions.labels[row] as usize
        })
    });
    let scale = scores.scale;
    Ok(Calibrated {
        before: before.map(|before| reliability(&before, &observed)),
        after: reliability(&after, &observed),
        reads: scale.name(),
        decides,
        parts: attach(model, scale, calibration, decides)?,
    })
}

/// The fold of each row: every fifth row of each class is in the same one, so that no fold takes all rows of a class.
fn folds(labels: &[Label], observed: &[usize]) -> Result<Vec<usize>, CalibrationError> {
    let mut seen = vec![0; labels.len()];
    let mut folds = Vec::with_capacity(observed.len());
    for &class in observed {
        folds.push(seen[class] % FOLDS);
        seen[class] += 1;
    }
    for (label, &rows) in labels.iter().zip(&seen) {
        if rows < 2 || observed.len() - rows < 2 {
            return Err(CalibrationError::Class {
                class: label_text(label),
                rows,
            });
        }
    }
    Ok(folds)
}

/// Appends the operator, and a decision by its result, to the graph.
fn attach(
    model: Model,
    scale: Scale,
    calibration: Calibration,
    decides: bool,
) -> Result<ModelParts, CalibrationError> {
    let margins = match &model.parts().core {
        Core::Additive { node, .. } => model.graph().outputs_of(*node as usize).next(),
        Core::Opaque => None,
    };
    let next = model.graph().values() as u32;
    let mut parts = model.into_parts();
    let Head::Classification {
        label,
        scores,
        labels,
        probabilities,
    } = &mut parts.head
    else {
        return Err(CalibrationError::NotAClassifier);
    };
    let operand = match (scale, margins) {
        (Scale::LogOdds, Some(margins)) => margins,
        _ => *scores,
    };
    *scores = ValueId(next);
    *probabilities = true;
    parts.graph.nodes.push(GraphNode {
        name: "calibration".to_owned(),
        op: calibration.into(),
        inputs: vec![Some(operand)],
        outputs: 1,
    });
    if decides {
        let texts: Option<Vec<_>> = labels
            .iter()
            .map(|label| match label {
                Label::Text(text) => Some(parts.symbols.symbol(text)),
                Label::Integer(_) => None,
            })
            .collect();
        let labels = match texts {
            Some(symbols) => Labels::Symbols(symbols),
            None => Labels::Integers(
                labels
                    .iter()
                    .map(|label| match label {
                        Label::Integer(number) => *number,
                        Label::Text(_) => 0,
                    })
                    .collect(),
            ),
        };
        let decision =
            ClassLabel::new(Decision::Largest, labels).map_err(ImageError::Inconsistent)?;
        parts.graph.nodes.push(GraphNode {
            name: "calibrated_label".to_owned(),
            op: decision.into(),
            inputs: vec![Some(ValueId(next))],
            outputs: 1,
        });
        *label = ValueId(next + 1);
    }
    // Margins are no longer what the answer is made of by a link that explanations know.
    if let Core::Additive { link, .. } = &mut parts.core {
        *link = Link::Other;
    }
    // The graph is checked now, so that a model that cannot be calibrated is refused here.
    Ok(Model::new(parts)?.into_parts())
}
