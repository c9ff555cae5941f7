//! `Calibration`: probabilities from scores that rank well but promise too much or too little.

use borsh::{BorshDeserialize, BorshSerialize};

use super::{number, read_checked, rows_and_columns};
use crate::graph::operator::{Flow, Operands, Operator, as_f64, operand, operand_type, tensor};
use crate::{Data, ElementType, Tensor};

/// How often a class is right at each score.
#[derive(Clone, Debug, PartialEq, BorshSerialize)]
pub enum CalibrationCurve {
    /// `1 / (1 + exp(−(slope · score + intercept)))` (Platt 1999).
    Sigmoid {
        /// Log-odds per unit of the score.
        #[borsh(serialize_with = "crate::floats::write_one")]
        slope: f64,
        /// Log-odds at score 0.
        #[borsh(serialize_with = "crate::floats::write_one")]
        intercept: f64,
    },
    /// Straight lines between points, and the outermost probabilities beyond them: an isotonic regression (Zadrozny &
    /// Elkan 2002, doi:10.1145/775047.775151).
    Isotonic {
        /// Scores, ascending, without repeats; at least one.
        #[borsh(serialize_with = "crate::floats::write")]
        scores: Vec<f64>,
        /// The probability at each of them, ascending.
        #[borsh(serialize_with = "crate::floats::write")]
        probabilities: Vec<f64>,
    },
}

impl CalibrationCurve {
    /// The probability at `score`; NaN for NaN.
    pub fn probability(&self, score: f64) -> f64 {
        match self {
            CalibrationCurve::Sigmoid { slope, intercept } => logistic(slope * score + intercept),
            CalibrationCurve::Isotonic {
                scores,
                probabilities,
            } => interpolate(scores, probabilities, score),
        }
    }

    fn check(&self) -> Result<(), String> {
        match self {
            CalibrationCurve::Sigmoid { slope, intercept } => {
                if slope.is_finite() && intercept.is_finite() {
                    return Ok(());
                }
                Err(format!(
                    "a calibration of slope {slope} and intercept {intercept}, expected finite numbers"
                ))
            }
            CalibrationCurve::Isotonic {
                scores,
                probabilities,
            } => {
                let sound = !scores.is_empty()
                    && scores.len() == probabilities.len()
                    && scores.iter().all(|score| score.is_finite())
                    && scores.windows(2).all(|pair| pair[0] < pair[1])
                    && probabilities.windows(2).all(|pair| pair[0] <= pair[1])
                    && probabilities.iter().all(|p| (0.0..=1.0).contains(p));
                if sound {
                    return Ok(());
                }
                Err(format!(
                    "a calibration through {} scores and {} probabilities, expected ascending ones of equal number",
                    scores.len(),
                    probabilities.len()
                ))
            }
        }
    }
}

/// `1 / (1 + exp(−x))` without overflow.
fn logistic(x: f64) -> f64 {
    let power = libm::exp(-x.abs());
    if x < 0.0 {
        power / (1.0 + power)
    } else {
        1.0 / (1.0 + power)
    }
}

fn interpolate(scores: &[f64], probabilities: &[f64], score: f64) -> f64 {
    if score.is_nan() {
        return score;
    }
    let above = scores.partition_point(|&known| known < score);
    if above == 0 {
        return probabilities[0];
    }
    if above == scores.len() {
        return probabilities[above - 1];
    }
    let (x, y) = (scores[above - 1], probabilities[above - 1]);
    let slope = (probabilities[above] - y) / (scores[above] - x);
    y + slope * (score - x)
}

/// Scores `[rows, columns]` → probabilities `[rows, classes]`, in f64.
///
/// One curve is that of the second of two classes: it reads the last column, and the first class has the rest to 1.
/// Otherwise every class has its own curve and column, and the probabilities of a row are divided by their sum (all are
/// equal where the sum is 0), as scikit-learn's `CalibratedClassifierCV` does it.
#[derive(Clone, Debug, PartialEq, BorshSerialize)]
pub struct Calibration {
    curves: Vec<CalibrationCurve>,
}

impl Calibration {
    /// # Errors
    /// When there are no curves or two (of two classes only the second has a curve), or a curve is not finite and
    /// ascending.
    pub fn new(curves: Vec<CalibrationCurve>) -> Result<Calibration, String> {
        if matches!(curves.len(), 0 | 2) {
            return Err(format!(
                "{} calibration curves, expected 1 for two classes or one for each class",
                curves.len()
            ));
        }
        curves.iter().try_for_each(CalibrationCurve::check)?;
        Ok(Calibration { curves })
    }

    /// The curves, one per class, or that of the second of two classes.
    pub fn curves(&self) -> &[CalibrationCurve] {
        &self.curves
    }

    /// Probabilities per row.
    pub fn classes(&self) -> usize {
        self.curves.len().max(2)
    }

    /// The probabilities of one row's scores, one per class; `None` when there are not as many scores as it reads.
    pub fn probabilities(&self, scores: &[f64]) -> Option<Vec<f64>> {
        if let [curve] = &self.curves[..] {
            let probability = curve.probability(*scores.last().filter(|_| scores.len() <= 2)?);
            return Some(vec![1.0 - probability, probability]);
        }
        if scores.len() != self.curves.len() {
            return None;
        }
        let pairs = self.curves.iter().zip(scores);
        let mut probabilities: Vec<f64> = pairs
            .map(|(curve, &score)| curve.probability(score))
            .collect();
        let sum: f64 = probabilities.iter().sum();
        for probability in &mut probabilities {
            *probability = if sum == 0.0 {
                1.0 / scores.len() as f64
            } else {
                *probability / sum
            };
        }
        Some(probabilities)
    }
}

impl Operator for Calibration {
    fn name(&self) -> &'static str {
        "Calibration"
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        number(operand_type(operands, 0)?)?;
        Ok(vec![ElementType::F64])
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let scores = operand(operands, 0)?;
        // One score per row may come without an axis of its own.
        let (rows, columns) = match (scores.shape(), self.curves.len()) {
            ([rows], 1) => (*rows, 1),
            _ => rows_and_columns(scores)?,
        };
        let mut probabilities = Vec::with_capacity(rows * self.classes());
        for row in as_f64(scores)?.chunks_exact(columns.max(1)) {
            probabilities.extend(self.probabilities(row).ok_or_else(|| {
                format!("{columns} scores per row for {} curves", self.curves.len())
            })?);
        }
        Ok(vec![tensor(
            vec![rows, self.classes()],
            Data::F64(probabilities),
        )?])
    }

    fn flow(&self) -> Flow {
        Flow::Rows
    }
}

read_checked!(Calibration, reader => Calibration::new(Vec::deserialize_reader(reader)?));

// The derive would refuse NaN with words of its own, before the check of `Calibration::new`.
impl BorshDeserialize for CalibrationCurve {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
        match u8::deserialize_reader(reader)? {
            0 => Ok(CalibrationCurve::Sigmoid {
                slope: crate::floats::read_one(reader)?,
                intercept: crate::floats::read_one(reader)?,
            }),
            1 => Ok(CalibrationCurve::Isotonic {
                scores: crate::floats::read(reader)?,
                probabilities: crate::floats::read(reader)?,
            }),
            kind => Err(borsh::io::Error::new(
                borsh::io::ErrorKind::InvalidData,
                format!("{kind} is no calibration curve"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(calibration: &Calibration, shape: Vec<usize>, scores: &[f64]) -> Result<Tensor, String> {
        let scores = tensor(shape, Data::F64(scores.to_vec())).expect("the shape fits");
        Ok(calibration.evaluate(&[Some(&scores)])?.remove(0))
    }

    fn line() -> CalibrationCurve {
        CalibrationCurve::Isotonic {
            scores: vec![0.0, 1.0, 3.0],
            probabilities: vec![0.25, 0.5, 1.0],
        }
    }

    #[test]
    fn one_curve_speaks_for_the_second_of_two_classes() {
        let calibration = Calibration::new(vec![line()]).expect("it ascends");
        let expected = tensor(
            vec![3, 2],
            Data::F64(vec![0.75, 0.25, 0.25, 0.75, 0.0, 1.0]),
        );
        for (shape, scores) in [
            (vec![3], vec![-1.0, 2.0, 9.0]),
            (vec![3, 1], vec![-1.0, 2.0, 9.0]),
            (vec![3, 2], vec![7.0, -1.0, 7.0, 2.0, 7.0, 9.0]),
        ] {
            assert_eq!(run(&calibration, shape, &scores), expected);
        }
    }

    #[test]
    fn several_classes_share_one() {
        let zero = CalibrationCurve::Isotonic {
            scores: vec![1.0, 2.0],
            probabilities: vec![0.0, 0.5],
        };
        let calibration =
            Calibration::new(vec![zero.clone(), zero.clone(), zero]).expect("they ascend");
        let found = run(&calibration, vec![2, 3], &[2.0, 2.0, 0.0, 0.0, 0.0, 0.0]);
        let third = 1.0 / 3.0;
        assert_eq!(
            found,
            tensor(
                vec![2, 3],
                Data::F64(vec![0.5, 0.5, 0.0, third, third, third])
            )
        );
    }

    #[test]
    fn refuses_what_is_no_calibration() {
        let sigmoid = |slope| CalibrationCurve::Sigmoid {
            slope,
            intercept: 0.0,
        };
        for (curves, words) in [
            (vec![], "0 calibration curves"),
            (vec![sigmoid(1.0), sigmoid(1.0)], "2 calibration curves"),
            (vec![sigmoid(f64::NAN)], "slope NaN"),
            (
                vec![CalibrationCurve::Isotonic {
                    scores: vec![1.0, 1.0],
                    probabilities: vec![0.0, 1.0],
                }],
                "through 2 scores and 2 probabilities",
            ),
        ] {
            let refused = Calibration::new(curves).expect_err(words);
            assert!(refused.contains(words), "{refused}");
        }
        let calibration = Calibration::new(vec![line()]).expect("it ascends");
        let refused = run(&calibration, vec![1, 3], &[0.0; 3]).expect_err("three columns");
        assert_eq!(refused, "3 scores per row for 1 curves");
    }

    #[test]
    fn survives_the_image() {
        let calibration = Calibration::new(vec![
            line(),
            line(),
            CalibrationCurve::Sigmoid {
                slope: -2.0,
                intercept: 0.5,
            },
        ])
        .expect("they are finite");
        let bytes = borsh::to_vec(&calibration).expect("written to memory");
        assert_eq!(borsh::from_slice(&bytes).ok(), Some(calibration));
    }
}
