//! Text tables: numbers to the right, texts to the left, two spaces between columns, no colour.

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
    fn numbers_stand_under_each_other() {
        let header = ["row".to_owned(), "label".to_owned(), "p".to_owned()];
        let rows = [("0", "good", "0.9"), ("10", "bad", "0.25")];
        let rows: Vec<Vec<String>> = rows
            .map(|(a, b, c)| vec![a.into(), b.into(), c.into()])
            .into();
        assert_eq!(
            render(&header, &rows),
            "row  label     p\n  0  good    0.9\n 10  bad    0.25\n"
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
