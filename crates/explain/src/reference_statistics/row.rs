//! Single values, and rows that differ from one row in a few of them.

use hyaline_model::{Batch, Column, Schema, Symbol};

/// A value of a feature that is no text and no tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// Of a number, integer or boolean feature; NaN is missing.
    Number(f64),
    /// Of a category feature.
    Category(Symbol),
}

impl Value {
    /// Row `row` of a column.
    ///
    /// # Panics
    /// If there is no such row, or it holds texts or tensors.
    pub fn of(column: &Column, row: usize) -> Value {
        match column {
            Column::Numbers(values) => Value::Number(values[row]),
            Column::Symbols(values) => Value::Category(values[row]),
            Column::Texts(_) | Column::Tensors(_) => {
                unreachable!("texts and tensors have no statistics")
            }
        }
    }

    /// Whether both are the same value; two missing numbers are.
    pub fn same(self, other: Value) -> bool {
        match (self, other) {
            (Value::Number(a), Value::Number(b)) => a == b || a.is_nan() && b.is_nan(),
            (a, b) => a == b,
        }
    }
}

/// Another value for one feature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Position in the schema.
    pub feature: usize,
    /// What it becomes.
    pub value: Value,
}

/// One row per list of changes: row `row` of `origin` with those changes.
pub(crate) fn changed_rows<'c>(
    schema: &Schema,
    origin: &Batch,
    row: usize,
    count: usize,
    changes: impl Iterator<Item = &'c [Change]>,
) -> Batch {
    let repeated = vec![row; count];
    let mut columns: Vec<Column> = origin.select(&repeated).columns().to_vec();
    for (at, changes) in changes.enumerate() {
        for change in changes {
            match (&mut columns[change.feature], change.value) {
                (Column::Numbers(values), Value::Number(value)) => values[at] = value,
                (Column::Symbols(values), Value::Category(value)) => values[at] = value,
                _ => unreachable!("a change is of its feature's kind"),
            }
        }
    }
    Batch::new(schema, columns).expect("the columns are those of a batch")
}
