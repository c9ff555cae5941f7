//! What every question to a function has: which function, about which rows, how to print the answer.

use std::fmt::Display;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use clap::ValueEnum;
use hyaline_pack::card::{Card, FeatureCard, Row};
use serde_json::{Map, Value};

use crate::rows;
use crate::table::Table;

#[derive(clap::Args)]
pub(crate) struct Question {
    /// A packed function
    pub(crate) function: PathBuf,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// A question about the function as a whole.
#[derive(clap::Args)]
pub(crate) struct Whole {
    /// A packed function
    pub(crate) function: PathBuf,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Where the rows come from: one of these, else standard input.
#[derive(clap::Args)]
#[group(multiple = false)]
struct Source {
    /// Rows as JSON, JSON lines or CSV; standard input when absent or `-`
    rows: Option<PathBuf>,
    /// The same, by name
    #[arg(long, value_name = "ROWS")]
    data: Option<PathBuf>,
    /// Ask about the example row of the card
    #[arg(long)]
    example: bool,
    /// Ask about this text, where the function takes one
    #[arg(long)]
    text: Option<String>,
    /// Ask about this PNG file, where the function takes a picture
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
}

#[derive(clap::Args)]
pub(crate) struct Output {
    /// How to print the answer
    #[arg(short = 'o', long = "output", value_enum, default_value_t = Form::Table)]
    form: Form,
    /// The same as --output json
    #[arg(long, conflicts_with = "form")]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For reading: tables, and bar charts of reasons
    Table,
    /// What the function answers, one JSON object for all rows, every digit kept
    Json,
    /// A header and lines, every digit kept
    Csv,
}

impl Question {
    /// What is asked about.
    pub(crate) fn subject(&self, card: &Card) -> Result<Subject> {
        let source = &self.source;
        if source.example {
            return Ok(Subject::Rows(vec![card.example.clone()]));
        }
        if let Some(text) = &source.text {
            let feature = only(card, "text")?;
            let mut row = card.example.clone();
            row.insert(feature.name.clone(), Value::from(text.as_str()));
            return Ok(Subject::Rows(vec![row]));
        }
        if let Some(path) = &source.image {
            let file = std::fs::read(path)
                .with_context(|| format!("the picture {} cannot be read", path.display()))?;
            return Ok(Subject::Picture(file.into()));
        }
        let bytes = rows::bytes(source.rows.as_deref().or(source.data.as_deref()))?;
        Ok(Subject::Rows(rows::parse(&bytes, &card.features)?))
    }
}

/// What a function is asked about.
pub(crate) enum Subject {
    Rows(Vec<Row>),
    /// The bytes of a PNG file.
    Picture(Bytes),
}

/// The one feature of `kind` that the function takes; the others are as in the example.
fn only<'c>(card: &'c Card, kind: &str) -> Result<&'c FeatureCard> {
    let mut features = card.features.iter().filter(|feature| feature.kind == kind);
    match (features.next(), features.next()) {
        (Some(feature), None) => Ok(feature),
        (None, _) => bail!("`{}` takes no {kind}; send it rows", card.name),
        (Some(_), Some(_)) => bail!(
            "`{}` takes more than one {kind}; send it rows with each by its name",
            card.name
        ),
    }
}

impl Output {
    /// Prints `answer`: as it is, or as the tables that `table` makes, or as what `text` makes for people.
    pub(crate) fn print(
        &self,
        answer: &Map<String, Value>,
        table: impl FnOnce() -> Table,
        text: impl FnOnce() -> String,
    ) -> Result<()> {
        use std::io::Write;
        let form = if self.json { Form::Json } else { self.form };
        let printed = match form {
            Form::Json => format!("{}\n", serde_json::to_string(answer)?),
            Form::Csv => table().csv()?,
            Form::Table => text(),
        };
        std::io::stdout().lock().write_all(printed.as_bytes())?;
        Ok(())
    }
}

/// A path with the parameters of a request.
pub(crate) struct Path(String);

impl Path {
    pub(crate) fn new(path: &str) -> Path {
        Path(path.to_owned())
    }

    /// With the parameter `name`, where there is a value.
    pub(crate) fn with(mut self, name: &str, value: Option<impl Display>) -> Path {
        if let Some(value) = value {
            self.0.push(if self.0.contains('?') { '&' } else { '?' });
            self.0 += name;
            self.0.push('=');
            for byte in value.to_string().bytes() {
                match byte {
                    b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' | b',' => {
                        self.0.push(char::from(byte));
                    }
                    byte => self.0 += &format!("%{byte:02X}"),
                }
            }
        }
        self
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_encoded() {
        let path = Path::new("/dependence")
            .with("feature", Some("a b&é"))
            .with("seed", None::<u64>)
            .with("kind", Some("ale"));
        assert_eq!(path.as_str(), "/dependence?feature=a%20b%26%C3%A9&kind=ale");
    }
}
