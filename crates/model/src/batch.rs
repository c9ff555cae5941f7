//! Rows to predict or explain, stored by column.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{FeatureKind, Schema, Symbol};

/// The values of one feature, one per row.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub enum Column {
    /// Number, integer and boolean features; NaN is missing.
    Numbers(
        #[borsh(
            serialize_with = "crate::floats::write",
            deserialize_with = "crate::floats::read"
        )]
        Vec<f64>,
    ),
    /// Category features.
    Symbols(Vec<Symbol>),
    /// Free text; a missing one is empty.
    Texts(Vec<String>),
    /// Tensor features.
    Tensors(Tensors),
}

/// One tensor of the same extents per row.
#[derive(Clone, Debug, PartialEq, BorshSerialize)]
pub struct Tensors {
    width: u32,
    #[borsh(serialize_with = "crate::floats::write")]
    values: Vec<f32>,
}

impl Tensors {
    /// `width` numbers for each row, row-major within the row. `None` when the width is 0 or does not divide the values.
    pub fn new(width: usize, values: Vec<f32>) -> Option<Tensors> {
        let whole = width > 0 && values.len().is_multiple_of(width);
        Some(Tensors {
            width: u32::try_from(width).ok().filter(|_| whole)?,
            values,
        })
    }

    /// Numbers per row.
    pub fn width(&self) -> usize {
        self.width as usize
    }

    /// All rows, one after the other.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.width()
    }

    /// The numbers of row `row`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.width()..][..self.width()]
    }

    /// The numbers of row `row`, to be changed.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row_mut(&mut self, row: usize) -> &mut [f32] {
        let width = self.width();
        &mut self.values[row * width..][..width]
    }

    /// Adds a row that holds `value` everywhere.
    pub fn push(&mut self, value: f32) {
        let length = self.values.len() + self.width();
        self.values.resize(length, value);
    }
}

// The derive would allow a width that does not divide the values.
impl BorshDeserialize for Tensors {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
        let width = u32::deserialize_reader(reader)? as usize;
        let values = crate::floats::read(reader)?;
        Tensors::new(width, values).ok_or_else(|| {
            borsh::io::Error::new(
                borsh::io::ErrorKind::InvalidData,
                format!("tensors of {width} numbers do not fill a column"),
            )
        })
    }
}

impl Column {
    /// How many rows.
    pub fn len(&self) -> usize {
        match self {
            Column::Numbers(values) => values.len(),
            Column::Symbols(values) => values.len(),
            Column::Texts(values) => values.len(),
            Column::Tensors(values) => values.rows(),
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows `rows`, in that order; a row may be taken several times.
    ///
    /// # Panics
    /// If a row does not exist.
    pub fn select(&self, rows: &[usize]) -> Column {
        match self {
            Column::Numbers(values) => Column::Numbers(rows.iter().map(|&r| values[r]).collect()),
            Column::Symbols(values) => Column::Symbols(rows.iter().map(|&r| values[r]).collect()),
            Column::Texts(values) => {
                Column::Texts(rows.iter().map(|&r| values[r].clone()).collect())
            }
            Column::Tensors(values) => {
                let mut selected = Vec::with_capacity(rows.len() * values.width());
                for &row in rows {
                    selected.extend_from_slice(values.row(row));
                }
                Column::Tensors(Tensors {
                    width: values.width,
                    values: selected,
                })
            }
        }
    }

    /// What it holds, for error texts.
    fn describe(&self) -> &'static str {
        match self {
            Column::Numbers(_) => "numbers",
            Column::Symbols(_) => "categories",
            Column::Texts(_) => "texts",
            Column::Tensors(_) => "tensors",
        }
    }
}

/// Why columns are no batch of a schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Wrong number of columns.
    #[error("the batch has {found} columns, the schema {expected} features")]
    Width {
        /// Columns given.
        found: usize,
        /// Features of the schema.
        expected: usize,
    },
    /// A column of another length than the first.
    #[error("column `{feature}` has {found} rows, the first column {expected}")]
    Ragged {
        /// The feature.
        feature: String,
        /// Its rows.
        found: usize,
        /// Rows of the first column.
        expected: usize,
    },
    /// Numbers for a category or the reverse.
    #[error("column `{feature}` holds {found}, the schema expects {expected}")]
    Kind {
        /// The feature.
        feature: String,
        /// What was given.
        found: &'static str,
        /// What the schema says.
        expected: &'static str,
    },
}

/// Rows of one schema: equal-length columns of the right kind, in schema order.
///
/// Values themselves (ranges, missing, unseen categories) are judged where they enter, by the reader of the wire format.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Batch {
    rows: usize,
    columns: Vec<Column>,
}

impl Batch {
    /// Checks the number, lengths and kinds of `columns` against `schema`.
    ///
    /// # Errors
    /// [`BatchError`] naming the first column that does not fit.
    pub fn new(schema: &Schema, columns: Vec<Column>) -> Result<Batch, BatchError> {
        if columns.len() != schema.len() {
            return Err(BatchError::Width {
                found: columns.len(),
                expected: schema.len(),
            });
        }
        let rows = columns[0].len();
        for (feature, column) in schema.features().iter().zip(&columns) {
            if column.len() != rows {
                return Err(BatchError::Ragged {
                    feature: feature.name.clone(),
                    found: column.len(),
                    expected: rows,
                });
            }
            let expected = match (&feature.kind, column) {
                (FeatureKind::Category(_), Column::Symbols(_))
                | (FeatureKind::Text, Column::Texts(_))
                | (
                    FeatureKind::Number | FeatureKind::Integer | FeatureKind::Boolean,
                    Column::Numbers(_),
                ) => continue,
                (FeatureKind::Tensor(kind), Column::Tensors(values))
                    if kind.elements() == values.width() =>
                {
                    continue;
                }
                (FeatureKind::Category(_), _) => "categories",
                (FeatureKind::Text, _) => "texts",
                (FeatureKind::Tensor(_), Column::Tensors(_)) => "tensors of its own extents",
                (FeatureKind::Tensor(_), _) => "tensors",
                (FeatureKind::Number | FeatureKind::Integer | FeatureKind::Boolean, _) => "numbers",
            };
            return Err(BatchError::Kind {
                feature: feature.name.clone(),
                found: column.describe(),
                expected,
            });
        }
        Ok(Batch { rows, columns })
    }

    /// How many rows; may be 0.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns, in schema order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Gives the columns back, in schema order.
    pub fn into_columns(self) -> Vec<Column> {
        self.columns
    }

    /// Rows `rows`, in that order; a row may be taken several times.
    ///
    /// # Panics
    /// If a row does not exist.
    pub fn select(&self, rows: &[usize]) -> Batch {
        Batch {
            rows: rows.len(),
            columns: self
                .columns
                .iter()
                .map(|column| column.select(rows))
                .collect(),
        }
    }

    /// Rows made of two: row `r` of the result takes feature `f` from `self`'s row `row` where `own` says so, and
    /// otherwise from row `others[r]` of `background`. For each feature, `own(f, marks)` marks the rows of the result that
    /// take the explained row's value; all marks are false before.
    ///
    /// # Panics
    /// If a row does not exist or the batches have different columns.
    pub fn mix(
        &self,
        row: usize,
        background: &Batch,
        others: &[u32],
        own: &dyn Fn(usize, &mut [bool]),
    ) -> Batch {
        assert_eq!(
            self.columns.len(),
            background.columns.len(),
            "both batches are of one schema"
        );
        let mut marks = vec![false; others.len()];
        let columns = self
            .columns
            .iter()
            .zip(&background.columns)
            .enumerate()
            .map(|(feature, columns)| {
                marks.fill(false);
                own(feature, &mut marks);
                match columns {
                    (Column::Numbers(own), Column::Numbers(other)) => {
                        Column::Numbers(mix_column(own[row], other, others, &marks))
                    }
                    (Column::Symbols(own), Column::Symbols(other)) => {
                        Column::Symbols(mix_column(own[row], other, others, &marks))
                    }
                    (Column::Texts(_) | Column::Tensors(_), _) => {
                        mix_rows(&columns.0.select(&[row]), columns.1, others, &marks)
                    }
                    _ => unreachable!("both batches are of one schema"),
                }
            })
            .collect();
        Batch {
            rows: others.len(),
            columns,
        }
    }
}

fn mix_column<T: Copy>(own: T, other: &[T], others: &[u32], marks: &[bool]) -> Vec<T> {
    others
        .iter()
        .zip(marks)
        .map(|(&row, &mark)| if mark { own } else { other[row as usize] })
        .collect()
}

/// [`mix_column`] for values that are not copied one by one.
fn mix_rows(own: &Column, other: &Column, others: &[u32], marks: &[bool]) -> Column {
    let both = match (own, other) {
        (Column::Texts(own), Column::Texts(other)) => {
            Column::Texts(own.iter().chain(other).cloned().collect())
        }
        (Column::Tensors(own), Column::Tensors(other)) => Column::Tensors(Tensors {
            width: own.width,
            values: own.values.iter().chain(&other.values).copied().collect(),
        }),
        _ => unreachable!("both batches are of one schema"),
    };
    let picked: Vec<usize> = others
        .iter()
        .zip(marks)
        .map(|(&row, &mark)| if mark { 0 } else { row as usize + 1 })
        .collect();
    both.select(&picked)
}
