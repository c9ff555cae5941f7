//! What explanation algorithms need of a model, and nothing more: a remote black box can give as much.

use hyaline_model::graph::EvalError;
use hyaline_model::{Batch, Head, Label, Model, Predictions, Schema};

use crate::OutputSpace;
use crate::explained;
use crate::gradients::{Gradients, backward, differences};

/// The explained numbers of rows, `[rows, outputs]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Answers {
    /// Numbers per row.
    pub outputs: usize,
    /// Row-major.
    pub values: Vec<f64>,
}

/// Answers rows. Equal rows get equal answers, whatever rows are beside them.
pub trait Predict {
    /// What a row looks like.
    fn schema(&self) -> &Schema;

    /// The class labels in score order; empty for a regressor.
    fn labels(&self) -> &[Label];

    /// The class that explanations of a classifier of two classes speak about.
    fn positive(&self) -> usize;

    /// Scores and labels of every row.
    ///
    /// # Errors
    /// [`EvalError`] when the model refuses a value.
    fn predict(&self, batch: &Batch) -> Result<Predictions, EvalError>;

    /// The numbers that explanations in `space` speak about: of a classifier of two classes only the positive one's.
    ///
    /// # Errors
    /// As [`Predict::predict`].
    fn answers(&self, batch: &Batch, space: OutputSpace) -> Result<Answers, EvalError>;

    /// Whether scores are probabilities.
    fn is_probabilistic(&self) -> bool;

    /// Slopes of [`Predict::answers`] by the features at every row. A model without a backward pass is asked for answers a
    /// step (`steps`, one per feature) to both sides.
    ///
    /// # Errors
    /// As [`Predict::predict`].
    fn gradients(
        &self,
        batch: &Batch,
        space: OutputSpace,
        steps: &[f64],
    ) -> Result<Gradients, EvalError> {
        differences(self.schema(), batch, steps, &|batch| {
            self.answers(batch, space)
        })
    }
}

impl Predict for Model {
    fn schema(&self) -> &Schema {
        Model::schema(self)
    }

    fn labels(&self) -> &[Label] {
        Model::labels(self)
    }

    fn positive(&self) -> usize {
        self.parts().positive as usize
    }

    fn predict(&self, batch: &Batch) -> Result<Predictions, EvalError> {
        Model::predict(self, batch)
    }

    fn answers(&self, batch: &Batch, space: OutputSpace) -> Result<Answers, EvalError> {
        let (outputs, values) = explained::answers(self, batch, space)?;
        Ok(Answers { outputs, values })
    }

    fn gradients(
        &self,
        batch: &Batch,
        space: OutputSpace,
        steps: &[f64],
    ) -> Result<Gradients, EvalError> {
        if let Some(gradients) = backward(self, batch, space)? {
            return Ok(gradients);
        }
        differences(Model::schema(self), batch, steps, &|batch| {
            self.answers(batch, space)
        })
    }

    fn is_probabilistic(&self) -> bool {
        matches!(
            self.parts().head,
            Head::Classification {
                probabilities: true,
                ..
            }
        )
    }
}
