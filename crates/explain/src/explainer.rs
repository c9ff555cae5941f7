//! The choice of a method and its preparation at pack time.

use std::fmt;

use hyaline_model::graph::{EvalError, Op};
use hyaline_model::{Batch, Core, ExplainerSettings, Method, Model};

use crate::coalitional;
use crate::explained::{ExplainedMargin, margin_is_answer, margin_is_probability};
use crate::linear::LinearExplainer;
use crate::sampling::REGRESSION_PLAYERS;
use crate::trees::{TreeExplainError, TreeExplainer};
use crate::{Explanations, OutputSpace};

/// What a caller asks for; `None` leaves it to the function.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Request {
    /// How to compute.
    pub method: Option<Method>,
    /// In which unit.
    pub space: Option<OutputSpace>,
    /// What a sampling method draws from; the same seed gives the same answer. Others ignore it.
    pub seed: u64,
    /// Most coalitions a sampling method may spend per row, each as many model evaluations as the background has rows.
    pub samples: Option<u32>,
    /// A sampling method goes on until, for every output, the largest standard error is at most this part of the largest
    /// attribution (by absolute value), or the samples are spent.
    pub tolerance: Option<f64>,
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

/// Most raw features for which a regression is chosen by itself. Measured on networks, it needs two pairs of coalitions
/// per feature and background row to be more accurate than permutations; the usual samples have them up to here.
const REGRESSION_LIMIT: usize = 75;

/// Largest ensemble, in nodes, for which the other tree method is prepared beside the default one.
const SECOND_METHOD_NODES: usize = 20_000;

/// Most raw features for methods that do not take any number.
#[derive(Clone, Copy)]
struct Limits {
    enumeration: usize,
    regression: usize,
}

impl Limits {
    /// For a method that was asked for by name.
    const ASKED: Limits = Limits {
        enumeration: ENUMERATION_CEILING,
        regression: REGRESSION_PLAYERS,
    };
}

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
                explainer.check(model, method, Limits::ASKED)?;
                Some(method)
            }
            None => explainer.preferred(model, &Method::ALL),
        };
        Ok(explainer)
    }

    /// The first of `methods` that fits the model without being asked for.
    fn preferred(&self, model: &Model, methods: &[Method]) -> Option<Method> {
        let limits = Limits {
            enumeration: self.settings.enumeration_limit as usize,
            regression: REGRESSION_LIMIT,
        };
        methods
            .iter()
            .copied()
            .find(|&method| self.check(model, method, limits).is_ok())
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
            _ => None,
        }
    }

    /// The method a request gets that names none; `None` when the model has no exact method.
    pub fn default_method(&self) -> Option<Method> {
        self.default
    }

    /// The methods that a request about `model` may name, in the order in which they are preferred.
    pub fn methods(&self, model: &Model) -> Vec<Method> {
        let fits = |method: &Method| self.check(model, *method, Limits::ASKED).is_ok();
        Method::ALL.into_iter().filter(fits).collect()
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
        let probability =
            request.space == Some(OutputSpace::Probability) && !margin_is_answer(model);
        let method = match (request.method, self.default) {
            (Some(method), _) => method,
            // Only methods that play coalitions explain another unit than the margin.
            (None, Some(method)) if probability && !explains_answers(method) => {
                self.preferred(model, &PLAYING).unwrap_or(method)
            }
            (None, Some(method)) => method,
            (None, None) => {
                return Err(ExplainError::Unsupported(
                    "this model has no explanation without background rows (pack with --data)"
                        .to_owned(),
                ));
            }
        };
        self.check(model, method, Limits::ASKED)?;
        if probability && !explains_answers(method) {
            return Err(ExplainError::Unsupported(format!(
                "{} explains margins; values in probability space come from a method that plays coalitions against \
                 background rows, such as {}",
                method.name(),
                Method::Leverage.name()
            )));
        }
        match method {
            Method::Linear => self.explain_linear(model, batch, request.space),
            Method::Interventional | Method::PathDependent => {
                self.explain_trees(model, batch, method, request.space)
            }
            _ => coalitional::explain(model, batch, method, request),
        }
    }

    /// Whether `method` fits the model, within `limits`.
    fn check(&self, model: &Model, method: Method, limits: Limits) -> Result<(), ExplainError> {
        let unsupported = |text: String| Err(ExplainError::Unsupported(text));
        let features = model.schema().len();
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
            Method::Enumeration if features > limits.enumeration => unsupported(format!(
                "enumerating the coalitions of {features} features exceeds the limit of {}",
                limits.enumeration
            )),
            method if method.is_sampled() && model.parts().background.is_none() => {
                unsupported("sampling coalitions needs background rows (pack with --data)".to_owned())
            }
            Method::IntegratedGradients if model.parts().background.is_none() => {
                unsupported("integrated gradients need background rows, whose mean they start from (pack with --data)".to_owned())
            }
            Method::Owen if model.parts().groups.is_empty() => {
                unsupported("Owen values need groups of features (name them in the recipe: group = \"…\" of a feature)".to_owned())
            }
            Method::Leverage | Method::Kernel | Method::RegressionAdjusted if features > limits.regression => unsupported(format!(
                "a regression over coalitions of {features} features exceeds the limit of {}; ask for method={}",
                limits.regression,
                Method::Permutation.name()
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
        Ok(Explanations::exact(
            method,
            space,
            model.schema().len(),
            base_values,
            attributions,
            predictions,
        ))
    }
}

/// The methods that play coalitions of raw features against background rows, in the order in which they are preferred.
const PLAYING: [Method; 3] = [Method::Enumeration, Method::Leverage, Method::Permutation];

/// Whether the method explains any answer of the model, in any unit.
fn explains_answers(method: Method) -> bool {
    matches!(method, Method::Enumeration | Method::IntegratedGradients) || method.is_sampled()
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
