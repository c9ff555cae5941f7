//! Which of a model's numbers are explained: of two classes the positive one's, whatever the model scores.

use hyaline_model::graph::{EvalError, Op};
use hyaline_model::{Batch, Core, Head, Link, Model};

use crate::OutputSpace;

/// The explained numbers of every row, `[rows, outputs]`, and how many outputs there are.
pub(crate) fn answers(
    model: &Model,
    batch: &Batch,
    space: OutputSpace,
) -> Result<(usize, Vec<f64>), EvalError> {
    let predictions = model.predict(batch)?;
    if space == OutputSpace::Margin {
        let explained = ExplainedMargin::of(model);
        let outputs = explained.outputs(predictions.margin_outputs);
        return Ok((
            outputs,
            explained.of_margins(predictions.margins, predictions.margin_outputs),
        ));
    }
    let explained = match (positive_of_two(model), predictions.outputs) {
        (Some(class), 2) => ExplainedMargin::Only(class),
        (Some(0), 1) if scores_are_probabilities(model) => ExplainedMargin::Complement,
        (Some(0), 1) => ExplainedMargin::Opposite,
        _ => ExplainedMargin::All,
    };
    let outputs = explained.outputs(predictions.outputs);
    Ok((
        outputs,
        explained.of_margins(predictions.values, predictions.outputs),
    ))
}

/// Which of a model's numbers explanations speak about: of two classes only the positive one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExplainedMargin {
    /// All of them.
    All,
    /// That of one class, where each class has its own.
    Only(usize),
    /// The one number speaks of class 1, class 0 has its negative: log-odds, distances to a plane.
    Opposite,
    /// The one number is the probability of class 1, class 0 has the rest to 1.
    Complement,
}

impl ExplainedMargin {
    /// What is explained of the margins of `model`.
    pub(crate) fn of(model: &Model) -> ExplainedMargin {
        let margins = match model.core_op() {
            Some(Op::Trees(trees)) => trees.outputs(),
            Some(Op::Linear(linear)) => linear.outputs(),
            _ => 0,
        };
        match (positive_of_two(model), margins) {
            (Some(class), 2) => ExplainedMargin::Only(class),
            (Some(0), 1) if margin_is_probability(model) => ExplainedMargin::Complement,
            (Some(0), 1) => ExplainedMargin::Opposite,
            _ => ExplainedMargin::All,
        }
    }

    /// How many of `outputs` numbers are explained.
    pub(crate) fn outputs(self, outputs: usize) -> usize {
        if let ExplainedMargin::Only(_) = self {
            1
        } else {
            outputs
        }
    }

    /// The explained of `[.., outputs]` numbers.
    pub(crate) fn of_margins(self, margins: Vec<f64>, outputs: usize) -> Vec<f64> {
        match self {
            ExplainedMargin::Complement => margins.into_iter().map(|margin| 1.0 - margin).collect(),
            _ => self.of_differences(margins, outputs),
        }
    }

    /// The explained of `[.., outputs]` differences between numbers, such as attributions.
    pub(crate) fn of_differences(self, differences: Vec<f64>, outputs: usize) -> Vec<f64> {
        match self {
            ExplainedMargin::All => differences,
            ExplainedMargin::Only(output) => differences
                .into_iter()
                .skip(output)
                .step_by(outputs)
                .collect(),
            ExplainedMargin::Opposite | ExplainedMargin::Complement => {
                // 0 - x keeps zero positive.
                differences
                    .into_iter()
                    .map(|difference| 0.0 - difference)
                    .collect()
            }
        }
    }
}

/// The class that explanations of a classifier of two classes speak about; `None` for other models.
fn positive_of_two(model: &Model) -> Option<usize> {
    (model.labels().len() == 2).then_some(model.parts().positive as usize)
}

/// Whether the model is a classifier whose scores are probabilities.
fn scores_are_probabilities(model: &Model) -> bool {
    matches!(
        model.parts().head,
        Head::Classification {
            probabilities: true,
            ..
        }
    )
}

/// Whether margins are probabilities, as those of a random forest are.
pub(crate) fn margin_is_probability(model: &Model) -> bool {
    scores_are_probabilities(model) && has_identity_link(model)
}

/// Whether the explained margin and the answer are the same number.
pub(crate) fn margin_is_answer(model: &Model) -> bool {
    // The negative of a score that is no probability need not be what the model answers for its first class.
    has_identity_link(model) && ExplainedMargin::of(model) != ExplainedMargin::Opposite
}

fn has_identity_link(model: &Model) -> bool {
    matches!(
        model.parts().core,
        Core::Additive {
            link: Link::Identity,
            ..
        }
    )
}
