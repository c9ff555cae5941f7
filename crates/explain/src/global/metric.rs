//! How good answers are.

use hyaline_model::{Predictions, sorted_positions};

use super::unsupported;
use crate::{ExplainError, Predict};

/// A figure of predictions beside observed answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// The share of right labels.
    Accuracy,
    /// Mean `−ln p` of the observed class, `p` at least the machine epsilon.
    LogLoss,
    /// Area under the ROC curve: of the second of two classes, or the mean over classes against the rest.
    RocAuc,
    /// Share of the variance explained.
    R2,
    /// Mean absolute error.
    MeanAbsoluteError,
    /// Needs no observed answers: the mean absolute change of the answer, over rows and outputs.
    PredictionChange,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Metric; 6] = [
        Metric::Accuracy,
        Metric::LogLoss,
        Metric::RocAuc,
        Metric::R2,
        Metric::MeanAbsoluteError,
        Metric::PredictionChange,
    ];

    /// The metric's name in requests and answers.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Accuracy => "accuracy",
            Metric::LogLoss => "log-loss",
            Metric::RocAuc => "roc-auc",
            Metric::R2 => "r2",
            Metric::MeanAbsoluteError => "mean-absolute-error",
            Metric::PredictionChange => "prediction-change",
        }
    }

    /// The metric called `name`.
    pub fn from_name(name: &str) -> Option<Metric> {
        Metric::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// Whether less is better.
    pub(super) fn is_loss(self) -> bool {
        matches!(self, Metric::LogLoss | Metric::MeanAbsoluteError)
    }

    /// What scikit-learn's `score` says of such a model; without observed answers the change.
    pub(super) fn default_of(model: &dyn Predict, answers: &[f64]) -> Metric {
        match (answers.is_empty(), model.labels().is_empty()) {
            (true, _) => Metric::PredictionChange,
            (false, true) => Metric::R2,
            (false, false) => Metric::Accuracy,
        }
    }

    /// Refuses a metric that does not fit the model or the answers.
    pub(super) fn check(self, model: &dyn Predict, answers: &[f64]) -> Result<(), ExplainError> {
        let classes = model.labels().len();
        let name = self.name();
        let classifies = match self {
            Metric::PredictionChange => return Ok(()),
            Metric::Accuracy | Metric::LogLoss | Metric::RocAuc => true,
            Metric::R2 | Metric::MeanAbsoluteError => false,
        };
        if answers.is_empty() {
            return unsupported(format!(
                "{name} needs observed answers, which the reference rows of this function do not have; ask for \
                 metric=prediction-change"
            ));
        }
        if classifies != (classes > 0) {
            let known = if classes > 0 {
                "accuracy, log-loss and roc-auc"
            } else {
                "r2 and mean-absolute-error"
            };
            return unsupported(format!("{name} is not for this kind of model; {known} are"));
        }
        if self == Metric::LogLoss && !model.is_probabilistic() {
            return unsupported(
                "log-loss needs probabilities, and the scores of this model are none; ask for metric=accuracy or \
                 metric=roc-auc"
                    .to_owned(),
            );
        }
        let is_class = |answer: f64| {
            answer >= 0.0 && answer < classes as f64 && answer == (answer as usize) as f64
        };
        let fits = |answer: &f64| match classifies {
            true => is_class(*answer),
            false => answer.is_finite(),
        };
        if let Some(row) = answers.iter().position(|answer| !fits(answer)) {
            return unsupported(format!(
                "the observed answer of reference row {row} is {}, which is none of this model's",
                answers[row]
            ));
        }
        let first = answers[0];
        if matches!(self, Metric::RocAuc | Metric::R2) && answers.iter().all(|&x| x == first) {
            return unsupported(format!(
                "{name} needs different answers, and all that were observed are {first}"
            ));
        }
        Ok(())
    }

    /// The figure of checked answers.
    pub(super) fn of(self, model: &dyn Predict, found: &Predictions, answers: &[f64]) -> f64 {
        let rows = answers.len() as f64;
        match self {
            Metric::Accuracy => {
                let right = found
                    .labels
                    .iter()
                    .zip(answers)
                    .filter(|&(&label, &answer)| f64::from(label) == answer);
                right.count() as f64 / rows
            }
            Metric::LogLoss => {
                let of_row = |(row, &answer): (usize, &f64)| {
                    let scores = &found.values[row * found.outputs..][..found.outputs];
                    let p = match (scores, answer as usize) {
                        ([second], 0) => 1.0 - second,
                        ([second], _) => *second,
                        (_, class) => scores[class],
                    };
                    -libm::log(p.clamp(f64::EPSILON, 1.0 - f64::EPSILON))
                };
                answers.iter().enumerate().map(of_row).sum::<f64>() / rows
            }
            Metric::RocAuc if model.labels().len() == 2 => {
                let second = column(&found.values, found.outputs, found.outputs - 1);
                area(&second, answers, 1.0).unwrap_or(0.5)
            }
            Metric::RocAuc => {
                let areas = (0..found.outputs).filter_map(|class| {
                    let scores = column(&found.values, found.outputs, class);
                    area(&scores, answers, class as f64)
                });
                let areas: Vec<f64> = areas.collect();
                areas.iter().sum::<f64>() / areas.len() as f64
            }
            Metric::R2 => {
                let mean = answers.iter().sum::<f64>() / rows;
                let values = column(&found.values, found.outputs, 0);
                let square = |x: f64| x * x;
                let errors = values.iter().zip(answers).map(|(x, y)| square(y - x));
                let spread = answers.iter().map(|y| square(y - mean));
                1.0 - errors.sum::<f64>() / spread.sum::<f64>()
            }
            Metric::MeanAbsoluteError => {
                let values = column(&found.values, found.outputs, 0);
                let errors = values.iter().zip(answers).map(|(x, y)| (y - x).abs());
                errors.sum::<f64>() / rows
            }
            Metric::PredictionChange => 0.0,
        }
    }
}

fn column(values: &[f64], outputs: usize, output: usize) -> Vec<f64> {
    values
        .iter()
        .copied()
        .skip(output)
        .step_by(outputs)
        .collect()
}

/// The share of pairs (row of `class`, other row) that `scores` orders rightly, equal scores counting half (Mann & Whitney
/// 1947); `None` without such pairs.
fn area(scores: &[f64], answers: &[f64], class: f64) -> Option<f64> {
    let order = sorted_positions(scores.len(), &|a, b| scores[a].total_cmp(&scores[b]));
    let of_class = answers.iter().filter(|&&answer| answer == class).count() as f64;
    let others = answers.len() as f64 - of_class;
    if of_class == 0.0 || others == 0.0 {
        return None;
    }
    let (mut below, mut pairs) = (0.0, 0.0);
    let mut at = 0;
    while at < order.len() {
        let score = scores[order[at]];
        let (mut own, mut other) = (0.0, 0.0);
        while at < order.len() && scores[order[at]] == score {
            match answers[order[at]] == class {
                true => own += 1.0,
                false => other += 1.0,
            }
            at += 1;
        }
        pairs += own * (below + other / 2.0);
        below += other;
        if score.is_nan() {
            return None;
        }
    }
    Some(pairs / (of_class * others))
}

#[cfg(test)]
mod tests {
    use super::{Metric, area};

    #[test]
    fn the_area_counts_pairs() {
        let answers = [0.0, 1.0, 0.0, 1.0];
        assert_eq!(area(&[0.1, 0.9, 0.2, 0.8], &answers, 1.0), Some(1.0));
        assert_eq!(area(&[0.5; 4], &answers, 1.0), Some(0.5));
        assert_eq!(area(&[0.1, 0.2, 0.2, 0.3], &answers, 1.0), Some(3.5 / 4.0));
        assert_eq!(area(&[0.1, 0.2, 0.2, 0.3], &answers, 0.0), Some(0.5 / 4.0));
        assert_eq!(area(&[0.1, 0.2, 0.2, 0.3], &answers, 2.0), None);
    }

    #[test]
    fn every_metric_has_a_name() {
        for metric in Metric::ALL {
            assert_eq!(Metric::from_name(metric.name()), Some(metric));
        }
    }
}
