//! The `objective=` line: from margins to predictions.

use super::section::{Section, shorten};
use crate::ImportError;
use crate::booster::{Task, Transform};

/// What an objective makes of margins.
#[derive(Debug, PartialEq)]
pub(super) struct Objective {
    pub(super) transform: Transform,
    pub(super) task: Task,
}

impl Objective {
    /// Reads e.g. `binary sigmoid:1`. A model trained on a custom objective has no such line: its margins are the answer.
    pub(super) fn read(header: &Section<'_>, outputs: usize) -> Result<Objective, ImportError> {
        let line = header.get("objective").unwrap_or("custom").trim();
        let mut words = line.split_ascii_whitespace();
        let name = words.next().unwrap_or("custom");
        let options: Vec<&str> = words.collect();
        let option = |key: &str| {
            options
                .iter()
                .find_map(|word| word.strip_prefix(key)?.strip_prefix(':'))
        };
        let refuse =
            |what: &str| Err(header.invalid(format!("objective={}: {what}", shorten(line))));
        let squared = options.contains(&"sqrt");
        let (transform, task) = match name {
            "regression" | "regression_l1" | "huber" | "fair" | "quantile" | "mape" if squared => {
                (Transform::SignedSquare, Task::Regression)
            }
            "regression" | "regression_l1" | "huber" | "fair" | "quantile" | "mape"
            | "lambdarank" | "rank_xendcg" | "custom" | "none" => {
                (Transform::Identity, Task::Regression)
            }
            "poisson" | "gamma" | "tweedie" => (Transform::Exponential, Task::Regression),
            "cross_entropy" => (Transform::Logistic { scale: 1.0 }, Task::Regression),
            "cross_entropy_lambda" => (Transform::Softplus, Task::Regression),
            "multiclass" => (Transform::Softmax, Task::Classes),
            "binary" | "multiclassova" => {
                let scale: f64 = match option("sigmoid").map(str::parse) {
                    None => 1.0,
                    Some(Ok(scale)) if scale > 0.0 && f64::is_finite(scale) => scale,
                    Some(_) => return refuse("sigmoid is no positive number"),
                };
                let task = if name == "binary" {
                    Task::Binary
                } else {
                    Task::Classes
                };
                (Transform::Logistic { scale }, task)
            }
            other => {
                return Err(ImportError::unsupported(
                    "LightGBM model, header",
                    format!(
                        "objective={}: how it turns scores into predictions is not known",
                        shorten(other)
                    ),
                ));
            }
        };
        match task {
            Task::Binary if outputs != 1 => refuse(&format!("one score per row, not {outputs}")),
            Task::Classes if outputs < 2 => refuse("at least two scores per row"),
            Task::Regression if outputs != 1 && !matches!(name, "custom" | "none") => {
                refuse(&format!("one score per row, not {outputs}"))
            }
            _ => Ok(Objective { transform, task }),
        }
    }
}
