//! The table that is printed and committed.

use std::fmt::Write;

/// Sections of figures, in the order they were measured.
#[derive(Default)]
pub struct Report {
    sections: Vec<Section>,
}

struct Section {
    title: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Report {
    /// Starts a section; figures go to the latest one.
    pub fn section(&mut self, title: &str, columns: &[&str]) {
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        self.sections.push(Section {
            title: title.to_owned(),
            columns,
            rows: Vec::new(),
        });
    }

    /// Adds a row to the latest section, and shows it at once.
    ///
    /// # Panics
    /// Without a section.
    pub fn row(&mut self, cells: &[String]) {
        eprintln!("    {}", cells.join(" | "));
        self.sections
            .last_mut()
            .expect("a section was started")
            .rows
            .push(cells.to_vec());
    }

    /// The table of earlier runs, `earlier`, with the sections measured now in the place of those of the same name. A
    /// section's name is its title up to the first parenthesis, where its goals stand.
    pub fn merged(&self, earlier: &str) -> String {
        let mut parts = earlier.split("\n## ");
        let head = parts.next().unwrap_or_default().trim();
        let head = if head.is_empty() { HEAD } else { head };
        let mut sections: Vec<String> = parts.map(|part| part.trim_end().to_owned()).collect();
        // A part that failed before its first figure measured nothing.
        for section in self
            .sections
            .iter()
            .filter(|section| !section.rows.is_empty())
        {
            let text = section.to_markdown();
            let same = |other: &&mut String| name(other) == name(&text);
            match sections.iter_mut().find(same) {
                Some(other) => *other = text,
                None => sections.push(text),
            }
        }
        let mut text = format!("{head}\n");
        for section in sections {
            text.push_str("\n## ");
            text.push_str(&section);
            text.push('\n');
        }
        text
    }
}

const HEAD: &str = "\
# Benchmark results

Written by `cargo xtask bench`. Times are medians; a rival runs on the same machine in the same run, pinned to one thread.
Goals are those of the project's issue; a ratio is the rival's time divided by ours.";

/// What a section is called, whatever its goals are.
fn name(section: &str) -> &str {
    let title = section.lines().next().unwrap_or_default();
    title
        .split_once(" (")
        .map_or(title, |(name, _)| name)
        .trim()
}

impl Section {
    /// Title and table, without the mark of a heading.
    fn to_markdown(&self) -> String {
        let mut text = format!("{}\n\n| {} |\n|", self.title, self.columns.join(" | "));
        self.columns.iter().for_each(|_| text.push_str("---|"));
        for row in &self.rows {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n| {} |", row.join(" | "));
        }
        text
    }
}

/// Microseconds for people.
pub fn us(value: f64) -> String {
    match value {
        value if value >= 10_000.0 => format!("{:.1} ms", value / 1000.0),
        value if value >= 100.0 => format!("{value:.0} µs"),
        value if value >= 10.0 => format!("{value:.1} µs"),
        value => format!("{value:.2} µs"),
    }
}

/// How many times faster `ours` is.
pub fn ratio(rival: f64, ours: f64) -> String {
    format!("{:.1}×", rival / ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(title: &str, cell: &str) -> Report {
        let mut report = Report::default();
        report.section(title, &["figure"]);
        report.row(&[cell.to_owned()]);
        report
    }

    #[test]
    fn sections_that_were_not_measured_stay_as_they_are() {
        let first = measured("Cold (goal: 5)", "4").merged("");
        assert_eq!(
            first,
            format!("{HEAD}\n\n## Cold (goal: 5)\n\n| figure |\n|---|\n| 4 |\n")
        );
        let remarked = first.replace("| 4 |", "| 4 |\n\nA remark.");
        let second = measured("Warm", "7").merged(&remarked);
        assert_eq!(
            second,
            format!("{remarked}\n## Warm\n\n| figure |\n|---|\n| 7 |\n")
        );
        let third = measured("Cold (goal: 3)", "2").merged(&second);
        assert_eq!(
            third,
            format!(
                "{HEAD}\n\n## Cold (goal: 3)\n\n| figure |\n|---|\n| 2 |\n\n## Warm\n\n| figure |\n|---|\n| 7 |\n"
            )
        );
    }
}
