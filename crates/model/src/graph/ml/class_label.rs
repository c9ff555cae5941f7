//! Which class a row's scores speak for.

use borsh::{BorshDeserialize, BorshSerialize};

use super::{number, read_checked, rows_and_columns};
use crate::graph::operator::{Flow, Operands, Operator, as_f64, operand, operand_type, tensor};
use crate::{Data, ElementType, Symbol, Tensor};

/// Class labels, in score order.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Labels {
    /// Integer labels.
    Integers(Vec<i64>),
    /// Text labels.
    Symbols(Vec<Symbol>),
}

impl Labels {
    /// How many classes.
    pub fn len(&self) -> usize {
        match self {
            Labels::Integers(labels) => labels.len(),
            Labels::Symbols(labels) => labels.len(),
        }
    }

    /// Whether there is no class.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Their type in a tensor.
    pub(super) fn element_type(&self) -> ElementType {
        match self {
            Labels::Integers(_) => ElementType::I64,
            Labels::Symbols(_) => ElementType::Symbol,
        }
    }

    /// The labels at `positions`, each smaller than [`Labels::len`].
    pub(super) fn at(&self, positions: &[usize]) -> Data {
        match self {
            Labels::Integers(labels) => {
                Data::I64(positions.iter().map(|&position| labels[position]).collect())
            }
            Labels::Symbols(labels) => {
                Data::Symbol(positions.iter().map(|&position| labels[position]).collect())
            }
        }
    }
}

/// The rule that picks a class.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize)]
pub enum Decision {
    /// The class of the largest score, the first of equal ones; a NaN is never larger.
    Largest,
    /// Out of two classes, the second when `score[column] > threshold`, else the first.
    Above {
        /// Column of the score.
        column: u32,
        /// A finite number.
        #[borsh(serialize_with = "crate::floats::write_one")]
        threshold: f64,
    },
    /// Out of two classes, the second when any score is above the threshold (or equal to it, if `inclusive`), else the
    /// class of the largest score: `SVMClassifier` without support vectors.
    AnyAbove {
        /// A finite number.
        #[borsh(serialize_with = "crate::floats::write_one")]
        threshold: f64,
        /// Whether a score equal to the threshold counts.
        inclusive: bool,
    },
}

// The derive would refuse a NaN threshold with words of its own, before the check of `ClassLabel::new`.
impl BorshDeserialize for Decision {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
        match u8::deserialize_reader(reader)? {
            0 => Ok(Decision::Largest),
            1 => Ok(Decision::Above {
                column: u32::deserialize_reader(reader)?,
                threshold: crate::floats::read_one(reader)?,
            }),
            2 => Ok(Decision::AnyAbove {
                threshold: crate::floats::read_one(reader)?,
                inclusive: bool::deserialize_reader(reader)?,
            }),
            kind => Err(borsh::io::Error::new(
                borsh::io::ErrorKind::InvalidData,
                format!("{kind} is no decision rule"),
            )),
        }
    }
}

/// Scores `[rows, columns]` → labels `[rows]`.
#[derive(Clone, Debug, PartialEq, BorshSerialize)]
pub struct ClassLabel {
    decision: Decision,
    labels: Labels,
}

impl ClassLabel {
    /// # Errors
    /// When there is no label, a two-class rule has another number of them, or a threshold is not finite.
    pub fn new(decision: Decision, labels: Labels) -> Result<ClassLabel, String> {
        let threshold = match decision {
            Decision::Largest => 0.0,
            Decision::Above { threshold, .. } | Decision::AnyAbove { threshold, .. } => threshold,
        };
        if !threshold.is_finite() {
            return Err(format!(
                "the decision threshold is {threshold}, expected a finite number"
            ));
        }
        if labels.is_empty() || (decision != Decision::Largest && labels.len() != 2) {
            let expected = if decision == Decision::Largest {
                "at least 1"
            } else {
                "2"
            };
            return Err(format!(
                "{} class labels, expected {expected}",
                labels.len()
            ));
        }
        Ok(ClassLabel { decision, labels })
    }

    /// The labels, in score order.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The rule.
    pub fn decision(&self) -> Decision {
        self.decision
    }

    fn class(&self, scores: &[f64]) -> usize {
        let largest = || {
            (1..scores.len()).fold(0, |best, candidate| {
                if scores[candidate] > scores[best] {
                    candidate
                } else {
                    best
                }
            })
        };
        match self.decision {
            Decision::Largest => largest(),
            Decision::Above { column, threshold } => {
                usize::from(scores[column as usize] > threshold)
            }
            Decision::AnyAbove {
                threshold,
                inclusive,
            } => {
                let class = largest();
                if scores[class] > threshold || (inclusive && scores[class] == threshold) {
                    1
                } else {
                    class
                }
            }
        }
    }
}

impl Operator for ClassLabel {
    fn name(&self) -> &'static str {
        "ClassLabel"
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        number(operand_type(operands, 0)?)?;
        Ok(vec![self.labels.element_type()])
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let scores = operand(operands, 0)?;
        let (rows, columns) = rows_and_columns(scores)?;
        match self.decision {
            Decision::Above { column, .. } if column as usize >= columns => {
                return Err(format!(
                    "{columns} scores per row, the label is decided by score {column}"
                ));
            }
            Decision::Largest | Decision::AnyAbove { .. } if columns != self.labels.len() => {
                return Err(format!(
                    "{columns} scores per row for {} class labels",
                    self.labels.len()
                ));
            }
            _ => {}
        }
        let scores = as_f64(scores)?;
        let classes: Vec<usize> = scores
            .chunks_exact(columns)
            .map(|row| self.class(row))
            .collect();
        Ok(vec![tensor(vec![rows], self.labels.at(&classes))?])
    }

    fn flow(&self) -> Flow {
        Flow::Rows
    }
}

read_checked!(ClassLabel, reader => ClassLabel::new(
    Decision::deserialize_reader(reader)?,
    Labels::deserialize_reader(reader)?,
));
