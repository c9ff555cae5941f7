//! Tables: for people laid out in text (numbers to the right, texts to the left, two spaces between columns, no colour),
//! for programs as CSV with every digit.

use anyhow::{Context, Result};
use serde_json::Value;

/// What stands in a table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Text(String),
    Number(f64),
}

/// A header and lines of as many cells.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    pub(crate) header: Vec<String>,
    pub(crate) lines: Vec<Vec<Cell>>,
}

impl Cell {
    pub(crate) fn text(text: impl Into<String>) -> Cell {
        Cell::Text(text.into())
    }

    /// A JSON value: numbers (also those that JSON has only as texts) as such, lists with commas.
    pub(crate) fn json(value: &Value) -> Cell {
        match value {
            Value::Number(number) => Cell::Number(number.as_f64().unwrap_or(f64::NAN)),
            Value::Array(items) => Cell::Text(
                items
                    .iter()
                    .map(|item| Cell::json(item).shown())
                    .collect::<Vec<_>>()
                    .join(", "),
            ),
            Value::String(text) => Cell::Text(text.clone()),
            other => Cell::Text(other.to_string()),
        }
    }

    /// For people.
    pub(crate) fn shown(&self) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Number(value) => number(*value),
        }
    }

    /// For programs.
    fn exact(&self) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Number(value) => value.to_string(),
        }
    }
}

impl Table {
    pub(crate) fn new<'n>(header: impl IntoIterator<Item = &'n str>) -> Table {
        Table {
            header: header.into_iter().map(str::to_owned).collect(),
            lines: Vec::new(),
        }
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let lines: Vec<Vec<String>> = self
            .lines
            .iter()
            .map(|line| line.iter().map(Cell::shown).collect())
            .collect();
        render(&self.header, &lines)
    }

    /// For programs.
    pub(crate) fn csv(&self) -> Result<String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&self.header)?;
        for line in &self.lines {
            writer.write_record(line.iter().map(Cell::exact))?;
        }
        let bytes = writer
            .into_inner()
            .context("the answers cannot be written")?;
        Ok(String::from_utf8(bytes)?)
    }
}

/// Lays out `rows` under `header`.
pub(crate) fn render(header: &[String], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            let cells = rows.iter().map(|row| &row[column]).chain([&header[column]]);
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let numeric: Vec<bool> = (0..header.len())
        .map(|column| rows.iter().all(|row| row[column].parse::<f64>().is_ok()))
        .collect();
    let mut text = String::new();
    for row in std::iter::once(header).chain(rows.iter().map(Vec::as_slice)) {
        let mut line = String::new();
        for ((cell, &width), &numeric) in row.iter().zip(&widths).zip(&numeric) {
            let padding = " ".repeat(width - cell.chars().count());
            let (before, after) = if numeric {
                (padding, String::new())
            } else {
                (String::new(), padding)
            };
            line.push_str(&format!("{before}{cell}{after}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A number for people: six significant digits.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    if value != 0.0 && !(1e-4..1e15).contains(&value.abs()) {
        return format!("{value:.5e}");
    }
    let digits = if value == 0.0 {
        0
    } else {
        value.abs().log10().floor() as i32
    };
    let text = format!("{value:.*}", (5 - digits).max(0) as usize);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A number that is added: always with its sign.
pub(crate) fn signed(value: f64) -> String {
    let text = number(value);
    if text.starts_with('-') {
        text
    } else {
        format!("+{text}")
    }
}

/// A size for people.
pub(crate) fn bytes(size: u64) -> String {
    match size {
        0..1024 => format!("{size} B"),
        1024..1_048_576 => format!("{:.0} KiB", size as f64 / 1024.0),
        _ => format!("{:.2} MiB", size as f64 / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_under_each_other_for_people_and_keep_every_digit_for_programs() {
        let mut table = Table::new(["row", "label", "p"]);
        for (row, label, p) in [(0.0, "good", 0.9), (10.0, "bad, very", 0.1 + 0.2)] {
            table
                .lines
                .push(vec![Cell::Number(row), Cell::text(label), Cell::Number(p)]);
        }
        assert_eq!(
            table.text(),
            "row  label        p\n  0  good       0.9\n 10  bad, very  0.3\n"
        );
        assert_eq!(
            table.csv().expect("UTF-8"),
            "row,label,p\n0,good,0.9\n10,\"bad, very\",0.30000000000000004\n"
        );
    }

    #[test]
    fn numbers_have_six_digits() {
        for (value, text) in [
            (0.1 + 0.2, "0.3"),
            (1234.56789, "1234.57"),
            (-0.000012345678, "-1.23457e-5"),
            (0.0, "0"),
            (100.0, "100"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
