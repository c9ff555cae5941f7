//! Loss functions: from margins to what `predict` and `predict_proba` answer.

use crate::booster::{Task, Transform};

/// What a loss makes of margins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Loss {
    pub(super) transform: Transform,
    pub(super) task: Task,
}

impl Loss {
    /// The loss called `name`.
    ///
    /// # Errors
    /// Why the predictions of a model trained on it are not given.
    pub(super) fn named(name: &str) -> Result<Loss, String> {
        let logistic = Transform::Logistic { scale: 1.0 };
        let (transform, task) = match name {
            "Logloss" | "CrossEntropy" => (logistic, Task::Binary),
            "MultiClass" => (Transform::Softmax, Task::Classes),
            "MultiClassOneVsAll" => (logistic, Task::Classes),
            // One probability per label; labels do not exclude each other.
            "MultiLogloss" | "MultiCrossEntropy" => (logistic, Task::Regression),
            "Poisson" | "Tweedie" => (Transform::Exponential, Task::Regression),
            "RMSE"
            | "MAE"
            | "Quantile"
            | "MultiQuantile"
            | "GroupQuantile"
            | "LogLinQuantile"
            | "MAPE"
            | "Lq"
            | "Huber"
            | "Expectile"
            | "LogCosh"
            | "RMSPE"
            | "Cox"
            | "SurvivalAft"
            | "MultiRMSE"
            | "MultiRMSEWithMissingValues"
            | "QueryRMSE"
            | "QuerySoftMax"
            | "QueryCrossEntropy"
            | "PairLogit"
            | "PairLogitPairwise"
            | "YetiRank"
            | "YetiRankPairwise"
            | "LambdaMart"
            | "StochasticRank"
            | "StochasticFilter"
            | "PythonUserDefinedPerObject"
            | "PythonUserDefinedMultiTarget" => (Transform::Identity, Task::Regression),
            "RMSEWithUncertainty" => {
                return Err(
                    "it predicts a mean and a variance, two numbers of different kinds; train with loss_function=\
                     \"RMSE\" and let pack measure the uncertainty on held-out rows"
                        .to_owned(),
                );
            }
            _ => return Err("how it turns scores into predictions is not known".to_owned()),
        };
        Ok(Loss { transform, task })
    }
}
