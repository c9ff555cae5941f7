//! Rows in JSON: every envelope that model servers use.

use std::borrow::Cow;

use super::{Cell, Rows, RowsBuilder, nearest};
use crate::json::Json;
use crate::{Function, Refusal};

/// Keys under which a body may carry its rows; exactly one of them.
const ENVELOPES: [&str; 4] = [
    "instances",
    "inputs",
    "dataframe_split",
    "dataframe_records",
];

/// Reads rows from a JSON document: one row as an object by feature name; a list of such objects; a list of lists in
/// schema order; one list of plain values (a single row); or an object that carries any of these under `instances`,
/// `inputs` or `dataframe_records`, or columns and data under `dataframe_split`. `inputs` may also hold columns: an
/// object of lists.
///
/// # Errors
/// [`Refusal`] naming the row, the feature, the value seen and what was expected.
pub(crate) fn read(function: &Function, body: &Json<'_>) -> Result<Rows, Refusal> {
    let Json::Object(members) = body else {
        return read_list(function, body, "the body");
    };
    let mut envelopes = members.iter().filter(|(key, _)| {
        ENVELOPES.contains(&&**key) && function.model().schema().position(key).is_none()
    });
    let Some((key, value)) = envelopes.next() else {
        return read_objects(function, std::slice::from_ref(body));
    };
    if let Some((second, _)) = envelopes.next() {
        return Err(Refusal::bad_request(format!(
            "the body has both `{key}` and `{second}`; send exactly one of {}",
            ENVELOPES.map(|name| format!("`{name}`")).join(", ")
        )));
    }
    match (&**key, value) {
        ("dataframe_split", split) => read_split(function, split),
        ("inputs", Json::Object(columns))
            if columns
                .iter()
                .all(|(_, column)| matches!(column, Json::Array(_))) =>
        {
            read_columns(function, columns)
        }
        (_, Json::Object(_)) => read_objects(function, std::slice::from_ref(value)),
        (name, rows) => read_list(function, rows, &format!("`{name}`")),
    }
}

/// Reads a list of rows.
fn read_list(function: &Function, rows: &Json<'_>, place: &str) -> Result<Rows, Refusal> {
    let Json::Array(rows) = rows else {
        return Err(Refusal::bad_request(format!(
            "{place} is {}; expected a list of rows, each an object by feature name or a list in schema order",
            rows.describe()
        )));
    };
    match rows.first() {
        None => Err(Refusal::bad_request(format!(
            "{place} has no rows; send at least one"
        ))),
        Some(Json::Object(_)) => read_objects(function, rows),
        Some(Json::Array(_)) => read_arrays(function, rows),
        // One row without its own brackets: the only reading when the model has several features.
        Some(_) if function.model().schema().len() > 1 => {
            read_arrays(function, &[Json::Array(rows.clone())])
        }
        Some(_) => {
            let mut builder = function.rows(rows.len())?;
            for (row, value) in rows.iter().enumerate() {
                builder.put(row, 0, Cell::from_json(value))?;
            }
            builder.finish()
        }
    }
}

fn read_objects(function: &Function, rows: &[Json<'_>]) -> Result<Rows, Refusal> {
    let mut builder = function.rows(rows.len())?;
    let features = builder.features();
    let mut given = vec![false; features.len()];
    for (row, object) in rows.iter().enumerate() {
        let Json::Object(members) = object else {
            return Err(Refusal::bad_request(format!(
                "row {row} is {}; row 0 is an object",
                object.describe()
            )));
        };
        given.fill(false);
        for (at, (key, value)) in members.iter().enumerate() {
            let feature = match features.get(at) {
                // Clients usually keep the schema's order.
                Some(feature) if feature.name == *key => at,
                _ => function
                    .model()
                    .schema()
                    .position(key)
                    .ok_or_else(|| unknown_feature(function, row, key))?,
            };
            given[feature] = true;
            builder.put(row, feature, Cell::from_json(value))?;
        }
        for (feature, _) in given.iter().enumerate().filter(|(_, given)| !**given) {
            absent(&mut builder, row, feature)?;
        }
    }
    builder.finish()
}

/// A feature that the row does not mention is missing, where the schema lets it be.
fn absent(builder: &mut RowsBuilder<'_>, row: usize, feature: usize) -> Result<(), Refusal> {
    let name = &builder.features()[feature].name;
    builder.put(row, feature, Cell::Missing).map_err(|_| {
        Refusal::at(
            row,
            name,
            "the feature is not in the row and may not be missing",
        )
    })
}

fn read_arrays(function: &Function, rows: &[Json<'_>]) -> Result<Rows, Refusal> {
    let width = function.model().schema().len();
    let mut builder = function.rows(rows.len())?;
    for (row, values) in rows.iter().enumerate() {
        let Json::Array(values) = values else {
            return Err(Refusal::bad_request(format!(
                "row {row} is {}; row 0 is a list",
                values.describe()
            )));
        };
        if values.len() != width {
            return Err(wrong_width(row, values.len(), width));
        }
        for (feature, value) in values.iter().enumerate() {
            builder.put(row, feature, Cell::from_json(value))?;
        }
    }
    builder.finish()
}

/// pandas' `orient="split"`: `{"columns": [...], "data": [[...]]}`; an `index` is ignored.
fn read_split(function: &Function, split: &Json<'_>) -> Result<Rows, Refusal> {
    let (Some(Json::Array(columns)), Some(Json::Array(data))) =
        (split.get("columns"), split.get("data"))
    else {
        return Err(Refusal::bad_request(
            "`dataframe_split` needs the lists `columns` and `data`",
        ));
    };
    let names = columns
        .iter()
        .map(|name| {
            name.as_text().ok_or_else(|| {
                Refusal::bad_request(format!(
                    "`dataframe_split.columns` holds {}; expected feature names",
                    name.describe()
                ))
            })
        })
        .collect::<Result<Vec<&str>, Refusal>>()?;
    let order = column_order(function, &names)?;
    let mut builder = function.rows(data.len())?;
    for (row, values) in data.iter().enumerate() {
        let Json::Array(values) = values else {
            return Err(Refusal::bad_request(format!(
                "row {row} of `dataframe_split.data` is {}; expected a list",
                values.describe()
            )));
        };
        if values.len() != names.len() {
            return Err(wrong_width(row, values.len(), names.len()));
        }
        for (&feature, value) in order.given.iter().zip(values) {
            builder.put(row, feature, Cell::from_json(value))?;
        }
        for &feature in &order.absent {
            absent(&mut builder, row, feature)?;
        }
    }
    builder.finish()
}

/// Columns by name: `{"age": [31, 22], "housing": ["own", "rent"]}`.
fn read_columns(
    function: &Function,
    columns: &[(Cow<'_, str>, Json<'_>)],
) -> Result<Rows, Refusal> {
    let names: Vec<&str> = columns.iter().map(|(name, _)| &**name).collect();
    let order = column_order(function, &names)?;
    let mut rows = None;
    for (name, column) in columns {
        let Json::Array(values) = column else {
            return Err(Refusal::bad_request(format!(
                "column `{name}` is {}; expected a list",
                column.describe()
            )));
        };
        let first = *rows.get_or_insert(values.len());
        if values.len() != first {
            return Err(Refusal::bad_request(format!(
                "column `{name}` has {} rows, the first column {first}",
                values.len()
            )));
        }
    }
    let rows = rows.unwrap_or(0);
    let mut builder = function.rows(rows)?;
    for (&feature, (_, column)) in order.given.iter().zip(columns) {
        if let Json::Array(values) = column {
            for (row, value) in values.iter().enumerate() {
                builder.put(row, feature, Cell::from_json(value))?;
            }
        }
    }
    for &feature in &order.absent {
        for row in 0..rows {
            absent(&mut builder, row, feature)?;
        }
    }
    builder.finish()
}

/// Where named columns belong.
pub(crate) struct ColumnOrder {
    /// The feature of each column.
    pub(crate) given: Vec<usize>,
    /// Features without a column.
    pub(crate) absent: Vec<usize>,
}

/// The feature of each named column; every name is a feature and stands once.
pub(crate) fn column_order(function: &Function, names: &[&str]) -> Result<ColumnOrder, Refusal> {
    let schema = function.model().schema();
    let mut free = vec![true; schema.len()];
    let mut given = Vec::with_capacity(names.len());
    for &name in names {
        let feature = schema
            .position(name)
            .ok_or_else(|| unknown_feature(function, 0, name))?;
        if !std::mem::replace(&mut free[feature], false) {
            return Err(Refusal::bad_request(format!(
                "two columns are named `{name}`"
            )));
        }
        given.push(feature);
    }
    let absent = (0..schema.len()).filter(|&feature| free[feature]).collect();
    Ok(ColumnOrder { given, absent })
}

/// A feature that is missing from all rows.
pub(crate) fn put_absent(
    builder: &mut RowsBuilder<'_>,
    row: usize,
    order: &ColumnOrder,
) -> Result<(), Refusal> {
    order
        .absent
        .iter()
        .try_for_each(|&feature| absent(builder, row, feature))
}

fn unknown_feature(function: &Function, row: usize, name: &str) -> Refusal {
    let names = function
        .model()
        .schema()
        .features()
        .iter()
        .map(|feature| feature.name.as_str());
    let hint = match nearest(name, names) {
        Some(near) => format!("; did you mean `{near}`?"),
        None => "; GET schema lists the features".to_owned(),
    };
    Refusal::at(row, name, format!("the model has no such feature{hint}"))
}

pub(super) fn wrong_width(row: usize, found: usize, expected: usize) -> Refusal {
    Refusal::bad_request(format!("row {row} has {found} values, expected {expected}"))
}
