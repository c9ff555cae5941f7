//! Reference rows: what the recipe's data files hold, whatever their format.

use hyaline_model::{Batch, Feature, Head, Label, Schema, Symbols};

use crate::array::Array;
use crate::npy::{self, Npy};
use crate::table::Table;

/// Why a file gives no reference rows. Lines count from 1, the header included.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    /// Not CSV.
    #[error("the reference data is not readable CSV with a header")]
    Csv(#[from] csv::Error),
    /// No rows below the header.
    #[error("the reference data has a header and no rows")]
    Empty,
    /// A name twice in the header.
    #[error("the reference data has two columns named `{0}`")]
    Repeated(String),
    /// No such column.
    #[error("the reference data has no column `{name}`; it has {}", listed(.header))]
    NoColumn {
        /// The column wanted.
        name: String,
        /// The columns there are.
        header: Vec<String>,
    },
    /// A cell that is no value of its feature.
    #[error("line {line} of the reference data, feature `{feature}`: `{value}` is not {expected}")]
    Value {
        /// Line of the file.
        line: u64,
        /// The feature.
        feature: String,
        /// The cell.
        value: String,
        /// What the schema wants.
        expected: &'static str,
    },
    /// An empty cell where the model has no rule for it.
    #[error(
        "line {line} of the reference data, feature `{feature}` is missing, and the model has no rule for missing \
         values: drop the row, or put an imputer into the model's pipeline"
    )]
    Missing {
        /// Line of the file.
        line: u64,
        /// The feature.
        feature: String,
    },
    /// A category that the model's encoder refuses.
    #[error(
        "line {line} of the reference data, feature `{feature}`: the model knows no `{value}`; it knows {}",
        listed(.known)
    )]
    Unseen {
        /// Line of the file.
        line: u64,
        /// The feature.
        feature: String,
        /// The cell.
        value: String,
        /// The categories of the model.
        known: Vec<String>,
    },
    /// An .npy file that is not read.
    #[error("the reference data is no array that can be read: {0}")]
    Array(String),
    /// An array of another shape.
    #[error("the reference data is an array of shape {found:?}, expected {expected}")]
    Shape {
        /// Extents of the array.
        found: Vec<usize>,
        /// What the model or the rows want.
        expected: String,
    },
    /// A number of an array that is no value of its feature.
    #[error(
        "row {row} of the reference data, feature `{feature}`: {value} is no value of this feature"
    )]
    Element {
        /// Row, from 0.
        row: usize,
        /// The feature.
        feature: String,
        /// The number.
        value: f64,
    },
    /// An answer that the model cannot give.
    #[error("row {row} of the reference data: the answer `{answer}` is not {expected}")]
    Answer {
        /// Row, from 0.
        row: usize,
        /// The answer.
        answer: String,
        /// What it could have been, and the remedy.
        expected: String,
    },
}

fn listed(names: &[String]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The rows of a data file.
pub(crate) enum Reference {
    /// CSV with a header.
    Table(Table),
    /// An .npy file, with the answers in another.
    Array(Array),
}

impl Reference {
    /// Reads CSV, or an .npy file with the .npy file of its answers.
    pub(crate) fn parse(bytes: &[u8], answers: Option<&[u8]>) -> Result<Reference, ReferenceError> {
        if !npy::recognises(bytes) {
            return Table::parse(bytes).map(Reference::Table);
        }
        let array = |bytes: &[u8]| npy::read(bytes).map_err(ReferenceError::Array);
        let answers: Option<Npy> = answers.map(array).transpose()?;
        Array::new(array(bytes)?, answers).map(Reference::Array)
    }

    pub(crate) fn rows(&self) -> usize {
        match self {
            Reference::Table(table) => table.rows(),
            Reference::Array(array) => array.rows(),
        }
    }

    /// The columns without `target`, in the file's order; an array has no names.
    pub(crate) fn feature_names(
        &self,
        target: Option<&str>,
    ) -> Result<Option<Vec<String>>, ReferenceError> {
        match self {
            Reference::Table(table) => table.feature_names(target).map(Some),
            Reference::Array(_) => Ok(None),
        }
    }

    /// The cell of row `row` in the column `name`, if there is such a column.
    pub(crate) fn cell(&self, row: usize, name: &str) -> Option<&str> {
        match self {
            Reference::Table(table) => table.cell(row, name),
            Reference::Array(_) => None,
        }
    }

    /// The distinct texts of a column; see [`Table::texts`].
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>, ReferenceError> {
        match self {
            Reference::Table(table) => table.texts(name),
            Reference::Array(_) => Ok(Vec::new()),
        }
    }

    /// The distinct texts of a column when they are few; see [`Table::few_texts`].
    pub(crate) fn few_texts(&self, name: &str, most: usize) -> Option<Vec<String>> {
        match self {
            Reference::Table(table) => table.few_texts(name, most),
            Reference::Array(_) => None,
        }
    }

    /// All rows, read by `schema`.
    ///
    /// # Errors
    /// [`ReferenceError`] with the place of the first value that does not fit.
    pub(crate) fn batch(
        &self,
        schema: &Schema,
        symbols: &Symbols,
    ) -> Result<Batch, ReferenceError> {
        match self {
            Reference::Table(table) => table.batch(schema, symbols),
            Reference::Array(array) => array.batch(schema),
        }
    }

    /// `feature` with its range and typical value as the rows show them.
    pub(crate) fn describe(&self, feature: &mut Feature) -> Result<(), ReferenceError> {
        match self {
            Reference::Table(table) => table.describe(feature),
            Reference::Array(_) => Ok(()),
        }
    }

    /// What was observed for each row, as `head` would answer it: the index of a class, or a number. `None` without a target,
    /// and for several targets.
    ///
    /// # Errors
    /// [`ReferenceError::Answer`] for the first answer that the model cannot give.
    pub(crate) fn answers(
        &self,
        head: &Head,
        target: Option<&str>,
    ) -> Result<Option<Vec<f64>>, ReferenceError> {
        if matches!(head, Head::Regression { targets, .. } if targets.len() != 1) {
            return Ok(None);
        }
        let texts: Vec<String> = match (self, target) {
            (Reference::Table(table), Some(target)) => {
                let cells = 0..table.rows();
                let cell = |row| table.cell(row, target).unwrap_or_default().to_owned();
                cells.map(cell).collect()
            }
            (Reference::Array(array), _) => match &array.answers {
                Some(answers) => answers.iter().map(f64::to_string).collect(),
                None => return Ok(None),
            },
            (Reference::Table(_), None) => return Ok(None),
        };
        let known = Answers::new(head);
        let answer = |(row, text): (usize, &String)| {
            known.read(text).ok_or_else(|| ReferenceError::Answer {
                row,
                answer: text.clone(),
                expected: known.expected(),
            })
        };
        texts
            .iter()
            .enumerate()
            .map(answer)
            .collect::<Result<_, _>>()
            .map(Some)
    }
}

/// What a model can answer.
enum Answers {
    /// One of these labels.
    Class(Vec<String>),
    /// Any number.
    Number,
}

impl Answers {
    fn new(head: &Head) -> Answers {
        match head {
            Head::Regression { .. } => Answers::Number,
            Head::Classification { labels, .. } => {
                let text = |label: &Label| match label {
                    Label::Text(text) => text.clone(),
                    Label::Integer(number) => number.to_string(),
                };
                Answers::Class(labels.iter().map(text).collect())
            }
        }
    }

    /// The label's position, or the number; a class can also be given by its position when no label is a number.
    fn read(&self, text: &str) -> Option<f64> {
        let number = || text.parse::<f64>().ok().filter(|number| number.is_finite());
        match self {
            Answers::Number => number(),
            Answers::Class(labels) => {
                if let Some(position) = labels.iter().position(|label| label == text) {
                    return Some(position as f64);
                }
                let number = number()?;
                let same = |label: &String| label.parse::<f64>().ok() == Some(number);
                if let Some(position) = labels.iter().position(same) {
                    return Some(position as f64);
                }
                let numbered = labels.iter().any(|label| label.parse::<f64>().is_ok());
                let position =
                    number >= 0.0 && number.fract() == 0.0 && number < labels.len() as f64;
                (position && !numbered).then_some(number)
            }
        }
    }

    fn expected(&self) -> String {
        match self {
            Answers::Number => "a finite number; leave the row out".to_owned(),
            Answers::Class(labels) => format!(
                "one of the classes {}; name the model's classes in its order with [output] labels, or leave the row out",
                listed(labels)
            ),
        }
    }
}

/// `count` of `rows` rows: row `floor(i * rows / count)` for each `i`; all rows when there are no more than `count`.
pub(crate) fn evenly_spaced(rows: usize, count: usize) -> Vec<usize> {
    let count = count.min(rows);
    (0..count).map(|i| i * rows / count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_labels_positions_or_numbers() {
        let classes = Answers::Class(vec!["bad".to_owned(), "good".to_owned()]);
        assert_eq!(
            ["good", "0", "1", "2", "fine", ""].map(|text| classes.read(text)),
            [Some(1.0), Some(0.0), Some(1.0), None, None, None]
        );
        let numbers = Answers::Class(vec!["3".to_owned(), "7".to_owned()]);
        assert_eq!(
            ["7", "7.0", "1"].map(|text| numbers.read(text)),
            [Some(1.0), Some(1.0), None]
        );
        assert_eq!(
            ["1.5", "nan"].map(|text| Answers::Number.read(text)),
            [Some(1.5), None]
        );
    }

    #[test]
    fn background_rows_are_evenly_spaced() {
        assert_eq!(evenly_spaced(10, 4), [0, 2, 5, 7]);
        assert_eq!(evenly_spaced(3, 100), [0, 1, 2]);
    }
}
