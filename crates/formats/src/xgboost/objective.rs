//! Objectives: from margins to predictions, and from `base_score` to the margin it stands for.

use crate::booster::{Task, Transform};

/// The unit of `base_score`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BaseUnit {
    /// The margin.
    Margin,
    /// A probability; its margin is the logit.
    Probability,
    /// A positive mean; its margin is the logarithm.
    Mean,
}

/// What an objective makes of margins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Objective {
    pub(super) transform: Transform,
    pub(super) task: Task,
    pub(super) base: BaseUnit,
}

impl Objective {
    /// The objective called `name` of a model with `outputs` margins; `None` when it is not known.
    pub(super) fn named(name: &str, outputs: usize) -> Option<Objective> {
        let logistic = Transform::Logistic { scale: 1.0 };
        let binary = if outputs == 1 {
            Task::Binary
        } else {
            Task::Regression
        };
        let (transform, task, base) = match name {
            "reg:squarederror"
            | "reg:linear"
            | "reg:squaredlogerror"
            | "reg:absoluteerror"
            | "reg:pseudohubererror"
            | "reg:quantileerror"
            | "reg:expectileerror"
            | "rank:pairwise"
            | "rank:ndcg"
            | "rank:map" => (Transform::Identity, Task::Regression, BaseUnit::Margin),
            "reg:logistic" => (logistic, Task::Regression, BaseUnit::Probability),
            "binary:logistic" => (logistic, binary, BaseUnit::Probability),
            "binary:logitraw" => (Transform::Identity, binary, BaseUnit::Margin),
            "binary:hinge" => (Transform::Identity, binary, BaseUnit::Margin),
            "count:poisson" | "reg:gamma" | "reg:tweedie" | "survival:cox" | "survival:aft" => {
                (Transform::Exponential, Task::Regression, BaseUnit::Mean)
            }
            "multi:softprob" | "multi:softmax" => {
                (Transform::Softmax, Task::Classes, BaseUnit::Margin)
            }
            _ => return None,
        };
        Some(Objective {
            transform,
            task,
            base,
        })
    }
}

impl BaseUnit {
    /// The margin of `score`, as XGBoost computes it; the reason when there is none.
    pub(super) fn margin(self, score: f64) -> Result<f64, String> {
        let margin = match self {
            BaseUnit::Margin => score,
            BaseUnit::Probability if score > 0.0 && score < 1.0 => -libm::log(1.0 / score - 1.0),
            BaseUnit::Probability => {
                return Err(format!(
                    "base_score {score} is no probability between 0 and 1"
                ));
            }
            BaseUnit::Mean if score > 0.0 => libm::log(score),
            BaseUnit::Mean => return Err(format!("base_score {score} is not positive")),
        };
        if margin.is_finite() {
            Ok(margin)
        } else {
            Err(format!("base_score {score} is not finite"))
        }
    }
}
