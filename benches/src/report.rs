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

    /// The whole report.
    pub fn to_markdown(&self) -> String {
        let mut text = String::from(
            "# Benchmark results\n\nWritten by `cargo xtask bench`. Times are medians; a rival runs on the same machine in the same run, \
             pinned to one thread.\nGoals are those of the project's issue; a ratio is the rival's time divided by ours.\n",
        );
        for section in &self.sections {
            let _ = write!(
                text,
                "\n## {}\n\n| {} |\n|",
                section.title,
                section.columns.join(" | ")
            );
            section.columns.iter().for_each(|_| text.push_str("---|"));
            for row in &section.rows {
                let _ = write!(text, "\n| {} |", row.join(" | "));
            }
            text.push('\n');
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
