//! The model's output for each record: as lines, and as the gate sees it.
//!
//! A line of CSV has the numbers of the answer and nothing else: a regressor's value or values; of a binary classifier the
//! probability of the class that explanations speak about; of another classifier the probabilities of all classes in
//! their order. So the columns, Clarify's `label_headers` and the entries of each `attribution` are the same things in
//! the same order. Only where a model gives no numbers is it the label. JSON is what the function's `/predict` says.

use bytes::Bytes;
use http::HeaderValue;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::ServiceError;
use crate::json::{Members, essence, raw};

/// How the output is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    JsonLines,
    Csv,
}

impl Format {
    /// The format that an `Accept` header asks for; `None` where it leaves that open.
    pub(super) fn accepted(accept: Option<&str>) -> Result<Option<Self>, ServiceError> {
        let Some(accept) = accept else {
            return Ok(None);
        };
        for range in accept.split(',').map(essence) {
            match range.as_str() {
                "" | "*/*" => return Ok(None),
                "application/*" => return Ok(Some(Format::Json)),
                "text/*" => return Ok(Some(Format::Csv)),
                media => {
                    if let Some(format) = Format::of(media) {
                        return Ok(Some(format));
                    }
                }
            }
        }
        Err(ServiceError::validation(format!(
            "Accept is `{accept}`; this endpoint answers application/json, application/jsonlines and text/csv"
        )))
    }

    /// The format with this media type.
    pub(super) fn of(media: &str) -> Option<Self> {
        match media {
            "application/json" => Some(Format::Json),
            "text/csv" | "application/csv" => Some(Format::Csv),
            media if super::lines::ARE_JSON_LINES.contains(&media) => Some(Format::JsonLines),
            _ => None,
        }
    }

    pub(super) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Format::Json => "application/json",
            Format::JsonLines => "application/jsonlines",
            Format::Csv => "text/csv; charset=utf-8",
        })
    }
}

/// The output for all records.
#[derive(Debug)]
pub(super) struct Output {
    format: Format,
    whole: String,
    records: Vec<Record>,
    labels: Vec<String>,
}

#[derive(Debug)]
struct Record {
    json: Box<RawValue>,
    columns: Vec<Box<RawValue>>,
}

/// What `/predict` says of a row.
#[derive(Deserialize)]
struct Prediction {
    label: Option<Box<RawValue>>,
    probabilities: Option<Members>,
    scores: Option<Members>,
    value: Option<Box<RawValue>>,
}

impl Output {
    /// Reads the answer of `/predict`.
    pub(super) fn read(
        answer: &Bytes,
        format: Format,
        positive: Option<&str>,
    ) -> Result<Self, ServiceError> {
        #[derive(Deserialize)]
        struct Answer {
            predictions: Vec<Box<RawValue>>,
        }
        let unlike = |error: serde_json::Error| {
            ServiceError::internal(format!(
                "the function's predictions cannot be read: {error}"
            ))
        };
        let whole = String::from_utf8_lossy(answer).into_owned();
        let answer: Answer = serde_json::from_slice(answer).map_err(unlike)?;
        let mut labels = Vec::new();
        let mut records = Vec::with_capacity(answer.predictions.len());
        for json in answer.predictions {
            let prediction: Prediction = serde_json::from_str(json.get()).map_err(unlike)?;
            let named = prediction.numbers(positive);
            if records.is_empty() {
                labels = named.iter().filter_map(|(name, _)| name.clone()).collect();
            }
            let columns = named.into_iter().map(|(_, value)| value).collect();
            records.push(Record { json, columns });
        }
        Ok(Output {
            format,
            whole,
            records,
            labels,
        })
    }

    /// How many records there are.
    pub(super) fn records(&self) -> usize {
        self.records.len()
    }

    /// Names of the columns, where they have any.
    pub(super) fn labels(&self) -> &[String] {
        &self.labels
    }

    pub(super) fn content_type(&self) -> HeaderValue {
        self.format.content_type()
    }

    /// All records, as a model container would answer them.
    pub(super) fn data(&self) -> String {
        let lines: Vec<String> = match self.format {
            Format::Json => return self.whole.clone(),
            Format::JsonLines => {
                let records = self.records.iter();
                records.map(|record| record.json.get().to_owned()).collect()
            }
            Format::Csv => self.records.iter().map(Record::line).collect(),
        };
        lines.join("\n")
    }

    /// A record as the gate sees it: of CSV a list of its columns, else an object.
    pub(super) fn gate_record(&self, record: usize) -> String {
        let record = &self.records[record];
        match self.format {
            Format::Csv => raw(&record.columns).get().to_owned(),
            _ => record.json.get().to_owned(),
        }
    }
}

impl Record {
    fn line(&self) -> String {
        let fields: Vec<String> = self.columns.iter().map(|column| field(column)).collect();
        fields.join(",")
    }
}

/// A field of CSV (RFC 4180): a number as it stands, a text in quotes where it needs them.
fn field(value: &RawValue) -> String {
    match serde_json::from_str::<String>(value.get()) {
        Ok(text) if text.contains(['"', ',', '\n', '\r']) => {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
        Ok(text) => text,
        Err(_) => value.get().to_owned(),
    }
}

impl Prediction {
    /// The numbers of the answer with their names.
    fn numbers(self, positive: Option<&str>) -> Vec<(Option<String>, Box<RawValue>)> {
        if let Some(Members(classes)) = self.probabilities.or(self.scores) {
            let one = match classes.len() {
                2 => positive.filter(|&name| classes.iter().any(|(class, _)| class == name)),
                _ => None,
            };
            let wanted = |class: &str| one.is_none_or(|name| name == class);
            return classes
                .into_iter()
                .filter(|(class, _)| wanted(class))
                .map(|(class, number)| (Some(class), number))
                .collect();
        }
        match self.value {
            Some(value) => match serde_json::from_str::<Members>(value.get()) {
                Ok(Members(targets)) => targets
                    .into_iter()
                    .map(|(target, number)| (Some(target), number))
                    .collect(),
                Err(_) => vec![(None, value)],
            },
            None => self.label.into_iter().map(|label| (None, label)).collect(),
        }
    }
}
