//! The choice of a method and its preparation at pack time.

use std::fmt;

use hyaline_model::graph::{EvalError, Op};
use hyaline_model::{Batch, Core, ExplainerSettings, Method, Model};

use crate::explained::{ExplainedMargin, answers, margin_is_answer, margin_is_probability};
use crate::linear::LinearExplainer;
use crate::trees::{TreeExplainError, TreeExplainer};
use crate::{Explanations, OutputSpace, shapley_values};

/// What a caller asks for; `None` leaves it to the function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// How to compute.
    pub method: Option<Method>,
    /// In which unit.
    pub space: Option<OutputSpace>,
}

/// Why there is no explanation.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ExplainError {
    /// A sound request that this model cannot answer.
    #[error("{0}")]
    Unsupported(String),
    /// The model refused a row.
    #[error(transparent)]
    Evaluation(#[from] EvalError),
}

/// Most raw features that [`Method::Enumeration`] takes even when asked for by name: 2^16 coalitions.
const ENUMERATION_CEILING: usize = 16;

/// Rows per model call while enumerating: enough for the model's inner loops, small in memory.
const ENUMERATION_ROWS: usize = 4096;

/// Largest ensemble, in nodes, for which the other tree method is prepared beside the default one.
const SECOND_METHOD_NODES: usize = 20_000;

/// Everything precomputed for one model.
pub struct Explainer {
    settings: ExplainerSettings,
    linear: Option<LinearExplainer>,
    interventional: Option<TreeExplainer>,
    path_dependent: Option<TreeExplainer>,
    default: Option<Method>,
}

impl fmt::Debug for Explainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explainer")
            .field("settings", &self.settings)
            .field("default", &self.default)
            .finish_non_exhaustive()
    }
}

impl Explainer {
    /// Prepares the methods that fit `model`: tables for trees, means for linear models.
    ///
    /// # Errors
    /// [`ExplainError::Evaluation`] when the model refuses its own background;
    /// [`ExplainError::Unsupported`] when [`ExplainerSettings::method`] names a method this model cannot have.
    pub fn new(model: &Model) -> Result<Explainer, ExplainError> {
        let settings = model.parts().explainer;
        let background = match (&model.parts().core, &model.parts().background) {
            (Core::Additive { .. }, Some(background)) => Some(model.encode(background)?),
            _ => None,
        };
        let linear = match (model.core_op(), &background) {
            (Some(Op::Linear(linear)), Some(background)) => {
                Some(LinearExplainer::new(linear, background))
            }
            _ => None,
        };
        let mut explainer = Explainer {
            settings,
            linear,
            interventional: None,
            path_dependent: None,
            default: None,
        };
        explainer.prepare_trees(model, background.as_deref())?;
        explainer.default = match settings.method {
            Some(method) => {
                explainer.check(model, method, ENUMERATION_CEILING)?;
                Some(method)
            }
            None => Method::ALL.into_iter().find(|&method| {
                explainer
                    .check(model, method, settings.enumeration_limit as usize)
                    .is_ok()
            }),
        };
        Ok(explainer)
    }

    /// Prepares the tree methods: with tables for the one that requests get by default, without for the other.
    fn prepare_trees(
        &mut self,
        model: &Model,
        background: Option<&[f64]>,
    ) -> Result<(), ExplainError> {
        let (Some(trees), Core::Additive { column_feature, .. }) =
            (model.core_trees(), &model.parts().core)
        else {
            return Ok(());
        };
        let features = model.schema().len();
        let small = trees.parts().nodes.len() <= SECOND_METHOD_NODES;
        let first_is_path_dependent =
            self.settings.method == Some(Method::PathDependent) || background.is_none();
        let budget = |first: bool| {
            if first {
                self.settings.table_budget as usize
            } else {
                0
            }
        };
        let wanted =
            |first: bool, method: Method| first || small || self.settings.method == Some(method);
        let (interventional, path_dependent) = (!first_is_path_dependent, first_is_path_dependent);
        if let Some(background) = background
            && wanted(interventional, Method::Interventional)
        {
            let budget = budget(interventional);
            let made =
                TreeExplainer::interventional(trees, column_feature, features, background, budget);
            self.interventional = refused_as_unsupported(made)?;
        }
        if trees.parts().covers.is_some() && wanted(path_dependent, Method::PathDependent) {
            let made = TreeExplainer::path_dependent(
                trees,
                column_feature,
                features,
                budget(path_dependent),
            );
            self.path_dependent = refused_as_unsupported(made)?;
        }
        Ok(())
    }

    /// The tree explainer behind `method`.
    pub fn trees(&self, method: Method) -> Option<&TreeExplainer> {
        match method {
            Method::Interventional => self.interventional.as_ref(),
            Method::PathDependent => self.path_dependent.as_ref(),
            Method::Linear | Method::Enumeration => None,
        }
    }

    /// The method a request gets that names none; `None` when the model has no exact method.
    pub fn default_method(&self) -> Option<Method> {
        self.default
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &ExplainerSettings {
        &self.settings
    }

    /// Explains every row of `batch`.
    ///
    /// Without a space, margins are explained where the method has them (they are the unit in which trees and linear
    /// models add up), else probabilities or predicted values; where a classifier's margins are its probabilities, the
    /// space is called probability. A binary classifier has one output, its positive class.
    ///
    /// # Errors
    /// [`ExplainError::Unsupported`] naming what the model lacks for the method or space, and the remedy;
    /// [`ExplainError::Evaluation`] when the model refuses a row.
    pub fn explain(
        &self,
        model: &Model,
        batch: &Batch,
        request: Request,
    ) -> Result<Explanations, ExplainError> {
        let enumerable = self
            .check(
                model,
                Method::Enumeration,
                self.settings.enumeration_limit as usize,
            )
            .is_ok();
        let probability =
            request.space == Some(OutputSpace::Probability) && !margin_is_answer(model);
        let method = match request.method.or(self.default) {
            // Only enumeration can explain another unit than the margin.
            Some(_) if request.method.is_none() && probability && enumerable => Method::Enumeration,
            Some(method) => method,
            None => {
                return Err(ExplainError::Unsupported(format!(
                    "this model has no exact explanation: {}",
                    self.check(
                        model,
                        Method::Enumeration,
                        self.settings.enumeration_limit as usize
                    )
                    .err()
                    .map_or_else(String::new, |error| error.to_string())
                )));
            }
        };
        self.check(model, method, ENUMERATION_CEILING)?;
        if probability && method != Method::Enumeration {
            return Err(ExplainError::Unsupported(format!(
                "{} explains margins; exact values in probability space need method=enumeration, which this model's {} \
                 features allow only up to {ENUMERATION_CEILING}",
                method.name(),
                model.schema().len()
            )));
        }
        match method {
            Method::Linear => self.explain_linear(model, batch, request.space),
            Method::Enumeration => self.explain_by_enumeration(model, batch, request.space),
            Method::Interventional | Method::PathDependent => {
                self.explain_trees(model, batch, method, request.space)
            }
        }
    }

    /// Whether `method` fits the model; enumeration up to `limit` features.
    fn check(&self, model: &Model, method: Method, limit: usize) -> Result<(), ExplainError> {
        let unsupported = |text: String| Err(ExplainError::Unsupported(text));
        match method {
            Method::Interventional if self.interventional.is_none() => unsupported(
                "interventional TreeSHAP needs a tree ensemble and a background (pack with --data)".to_owned(),
            ),
            Method::PathDependent if self.path_dependent.is_none() => unsupported(
                "path-dependent TreeSHAP needs a tree ensemble with covers (pack the native LightGBM or XGBoost file)".to_owned(),
            ),
            Method::Linear if self.linear.is_none() => {
                unsupported("the closed form needs a linear model and a background (pack with --data)".to_owned())
            }
            Method::Enumeration if model.parts().background.is_none() => {
                unsupported("enumerating coalitions needs background rows (pack with --data)".to_owned())
            }
            Method::Enumeration if model.schema().len() > limit => unsupported(format!(
                "enumerating the coalitions of {} features exceeds the limit of {limit}",
                model.schema().len()
            )),
            _ => Ok(()),
        }
    }

    fn explain_trees(
        &self,
        model: &Model,
        batch: &Batch,
        method: Method,
        space: Option<OutputSpace>,
    ) -> Result<Explanations, ExplainError> {
        let trees = self.trees(method).expect("the method was checked");
        let encoded = model.encode(batch)?;
        let base_values = trees.base_values().to_vec();
        let mut attributions = vec![0.0; batch.rows() * model.schema().len() * base_values.len()];
        trees.explain(&encoded, &mut attributions);
        self.finish_margin(model, batch, method, space, base_values, attributions)
    }

    fn explain_linear(
        &self,
        model: &Model,
        batch: &Batch,
        space: Option<OutputSpace>,
    ) -> Result<Explanations, ExplainError> {
        let (Some(explainer), Some(Op::Linear(linear)), Core::Additive { column_feature, .. }) =
            (&self.linear, model.core_op(), &model.parts().core)
        else {
            unreachable!("the method was checked");
        };
        let encoded = model.encode(batch)?;
        let outputs = linear.outputs();
        let features = model.schema().len();
        let mut attributions = vec![0.0; batch.rows() * features * outputs];
        for (row, attributions) in encoded
            .chunks_exact(linear.columns())
            .zip(attributions.chunks_exact_mut(features * outputs))
        {
            explainer.explain(linear, column_feature, row, attributions);
        }
        self.finish_margin(
            model,
            batch,
            Method::Linear,
            space,
            explainer.base_values().to_vec(),
            attributions,
        )
    }

    /// Completes an explanation of the core's margins: predictions, the positive class, residuals.
    fn finish_margin(
        &self,
        model: &Model,
        batch: &Batch,
        method: Method,
        space: Option<OutputSpace>,
        base_values: Vec<f64>,
        attributions: Vec<f64>,
    ) -> Result<Explanations, ExplainError> {
        let explained = ExplainedMargin::of(model);
        let outputs = base_values.len();
        let base_values = explained.of_margins(base_values, outputs);
        let attributions = explained.of_differences(attributions, outputs);
        let predictions = explained.of_margins(model.predict(batch)?.margins, outputs);
        let space = match space {
            Some(space) if margin_is_answer(model) => space,
            None if margin_is_probability(model) => OutputSpace::Probability,
            _ => OutputSpace::Margin,
        };
        Ok(complete(
            method,
            space,
            batch.rows(),
            model.schema().len(),
            base_values,
            attributions,
            predictions,
            0,
        ))
    }

    fn explain_by_enumeration(
        &self,
        model: &Model,
        batch: &Batch,
        space: Option<OutputSpace>,
    ) -> Result<Explanations, ExplainError> {
        let background = model
            .parts()
            .background
            .as_ref()
            .expect("the method was checked");
        let has_margin = matches!(model.parts().core, Core::Additive { .. });
        let space = match space {
            Some(OutputSpace::Margin) if !has_margin => {
                return Err(ExplainError::Unsupported(
                    "this model has no margin; ask for space=probability".to_owned(),
                ));
            }
            Some(space) => space,
            None if has_margin && !margin_is_probability(model) => OutputSpace::Margin,
            None => OutputSpace::Probability,
        };
        let features = model.schema().len();
        let coalitions: Vec<u64> = (0..1u64 << features).collect();
        let per_call = (ENUMERATION_ROWS / background.rows()).max(1);
        let mut attributions = Vec::new();
        let mut predictions = Vec::new();
        let mut base_values = Vec::new();
        for row in 0..batch.rows() {
            let mut worths: Vec<Vec<f64>> = Vec::new();
            for chunk in coalitions.chunks(per_call) {
                let mixed = batch.mix(row, background, chunk);
                let (outputs, answers) = answers(model, &mixed, space)?;
                worths.resize(outputs, Vec::with_capacity(coalitions.len()));
                for block in answers.chunks_exact(background.rows() * outputs) {
                    for (output, worth) in worths.iter_mut().enumerate() {
                        let sum: f64 = block.iter().skip(output).step_by(outputs).sum();
                        worth.push(sum / background.rows() as f64);
                    }
                }
            }
            let values: Vec<Vec<f64>> = worths
                .iter()
                .map(|worth| shapley_values(features, worth))
                .collect();
            for feature in 0..features {
                attributions.extend(values.iter().map(|values| values[feature]));
            }
            base_values = worths.iter().map(|worth| worth[0]).collect();
        }
        if batch.rows() > 0 {
            predictions = answers(model, batch, space)?.1;
        }
        let evaluations = (batch.rows() * coalitions.len() * background.rows()) as u64;
        Ok(complete(
            Method::Enumeration,
            space,
            batch.rows(),
            features,
            base_values,
            attributions,
            predictions,
            evaluations,
        ))
    }
}

/// What trees cannot do is no reason to refuse the model: another method may fit.
fn refused_as_unsupported(
    made: Result<TreeExplainer, TreeExplainError>,
) -> Result<Option<TreeExplainer>, ExplainError> {
    match made {
        Ok(explainer) => Ok(Some(explainer)),
        Err(
            TreeExplainError::NotAdditive(_)
            | TreeExplainError::NoCovers
            | TreeExplainError::TooDeep
            | TreeExplainError::TooManyPlayers { .. },
        ) => Ok(None),
        Err(error) => Err(ExplainError::Unsupported(error.to_string())),
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "the fields of one record, named at both ends"
)]
fn complete(
    method: Method,
    space: OutputSpace,
    rows: usize,
    features: usize,
    base_values: Vec<f64>,
    attributions: Vec<f64>,
    predictions: Vec<f64>,
    evaluations: u64,
) -> Explanations {
    let outputs = base_values.len();
    let mut residuals = Vec::with_capacity(predictions.len());
    for row in 0..rows {
        for output in 0..outputs {
            let own = &attributions[row * features * outputs..(row + 1) * features * outputs];
            let sum: f64 = own.iter().skip(output).step_by(outputs).sum();
            residuals.push(predictions[row * outputs + output] - base_values[output] - sum);
        }
    }
    Explanations {
        method,
        exact: true,
        space,
        rows,
        features,
        outputs,
        base_values,
        attributions,
        predictions,
        residuals,
        evaluations,
    }
}
