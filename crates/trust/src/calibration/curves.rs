//! The numbers that curves read, and fitting one curve per class to them.

use hyaline_model::graph::ml::{Calibration, CalibrationCurve};
use hyaline_model::{Core, ImageError, Link, Model, Predictions};

use super::{CalibrationError, CalibrationMethod, isotonic, platt};

/// Which of the model's numbers the curves read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// The one margin of a logistic link.
    LogOdds,
    /// The head's scores.
    Scores,
}

impl Scale {
    pub(super) fn name(self) -> &'static str {
        match self {
            Scale::LogOdds => "log-odds",
            Scale::Scores => "scores",
        }
    }
}

/// Rows of numbers as the operator will see them.
pub(super) struct Scores<'p> {
    pub(super) scale: Scale,
    classes: usize,
    columns: usize,
    values: &'p [f64],
}

impl<'p> Scores<'p> {
    pub(super) fn of(model: &Model, predictions: &'p Predictions) -> Scores<'p> {
        let logistic = matches!(
            model.parts().core,
            Core::Additive {
                link: Link::Logistic,
                ..
            }
        );
        let classes = model.labels().len();
        if logistic && classes == 2 && predictions.margin_outputs == 1 {
            return Scores {
                scale: Scale::LogOdds,
                classes,
                columns: 1,
                values: &predictions.margins,
            };
        }
        Scores {
            scale: Scale::Scores,
            classes,
            columns: predictions.outputs,
            values: &predictions.values,
        }
    }

    fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.columns..][..self.columns]
    }

    /// Fits the curves to the rows that `takes` wants.
    pub(super) fn fit(
        &self,
        method: CalibrationMethod,
        observed: &[usize],
        takes: impl Fn(usize) -> bool,
    ) -> Result<Calibration, CalibrationError> {
        let rows: Vec<usize> = (0..observed.len()).filter(|&row| takes(row)).collect();
        let curve = |class: usize, column: usize| {
            let scores: Vec<f64> = rows.iter().map(|&row| self.row(row)[column]).collect();
            let right: Vec<bool> = rows.iter().map(|&row| observed[row] == class).collect();
            match method {
                CalibrationMethod::Platt => platt(&scores, &right),
                CalibrationMethod::Isotonic => isotonic(&scores, &right),
            }
        };
        let curves: Vec<CalibrationCurve> = if self.classes == 2 {
            vec![curve(1, self.columns - 1)]
        } else {
            (0..self.classes).map(|class| curve(class, class)).collect()
        };
        Calibration::new(curves)
            .map_err(|reason| CalibrationError::Model(ImageError::Inconsistent(reason)))
    }

    /// What `calibration` answers for a row.
    pub(super) fn answer(
        &self,
        calibration: &Calibration,
        row: usize,
    ) -> Result<Vec<f64>, CalibrationError> {
        calibration.probabilities(self.row(row)).ok_or_else(|| {
            CalibrationError::Model(ImageError::Inconsistent(format!(
                "{} scores for {} classes",
                self.columns, self.classes
            )))
        })
    }
}
