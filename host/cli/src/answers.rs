//! Answers of a function by row, with the card's names put to the numbers.

use hyaline_pack::answers::Float;
use hyaline_pack::card::Card;
use hyaline_runtime::model::{Explanations, Method, Predictions, Space};
use serde_json::{Map, Value};

use crate::inspect::shown;

/// A header and lines under it.
pub(crate) type Table = (Vec<String>, Vec<Vec<String>>);

fn json(value: f64) -> Value {
    serde_json::to_value(Float(value)).unwrap_or(Value::Null)
}

fn lines(values: impl Iterator<Item = Value>) -> String {
    values.map(|value| format!("{value}\n")).collect()
}

/// Names for `outputs` numbers: the labels where they fit, else positions.
fn names(labels: &[Value], outputs: usize) -> Vec<String> {
    match labels.len() == outputs {
        true => labels.iter().map(shown).collect(),
        false => (0..outputs)
            .map(|output| format!("output {output}"))
            .collect(),
    }
}

/// The prediction of one row.
struct Prediction {
    label: Option<u32>,
    values: Vec<f64>,
    margins: Vec<f64>,
}

/// Predictions of all rows.
pub(crate) struct Predicted {
    labels: Vec<Value>,
    classifier: bool,
    rows: Vec<Prediction>,
}

impl Predicted {
    pub(crate) fn new(card: &Card) -> Predicted {
        Predicted {
            labels: card.labels.clone(),
            classifier: card.task == "classification",
            rows: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, batch: Predictions) {
        let part = |values: &[f64], width: u32, row: usize| {
            let width = width as usize;
            values
                .get(row * width..(row + 1) * width)
                .unwrap_or_default()
                .to_vec()
        };
        self.rows
            .extend((0..batch.rows as usize).map(|row| Prediction {
                label: batch.labels.get(row).copied(),
                values: part(&batch.values, batch.outputs, row),
                margins: part(&batch.margins, batch.margin_outputs, row),
            }));
    }

    fn outputs(&self) -> Vec<String> {
        names(
            &self.labels,
            self.rows.first().map_or(0, |row| row.values.len()),
        )
    }

    fn label(&self, row: &Prediction) -> Option<&Value> {
        self.labels.get(row.label? as usize)
    }

    /// The answer of row `row` in a few words.
    pub(crate) fn headline(&self, row: usize, number: impl Fn(f64) -> String) -> String {
        let Some(prediction) = self.rows.get(row) else {
            return String::new();
        };
        let values = self
            .outputs()
            .into_iter()
            .zip(&prediction.values)
            .map(|(name, value)| format!("{name} {}", number(*value)));
        let values = values.collect::<Vec<_>>().join(", ");
        match self.label(prediction) {
            Some(label) => format!("{} ({values})", shown(label)),
            None => values,
        }
    }

    /// The output that stands for the answer of row `row`.
    pub(crate) fn answer(&self, row: usize) -> usize {
        self.rows.get(row).and_then(|row| row.label).unwrap_or(0) as usize
    }

    pub(crate) fn table(&self, number: impl Fn(f64) -> String) -> Table {
        let mut header = vec!["row".to_owned()];
        header.extend(self.classifier.then(|| "label".to_owned()));
        header.extend(self.outputs());
        let lines = self.rows.iter().enumerate().map(|(index, row)| {
            let mut line = vec![(index + 1).to_string()];
            line.extend(
                self.classifier
                    .then(|| self.label(row).map_or(String::new(), shown)),
            );
            line.extend(row.values.iter().map(|value| number(*value)));
            line
        });
        (header, lines.collect())
    }

    fn json(&self, row: &Prediction) -> Map<String, Value> {
        let values = self
            .outputs()
            .into_iter()
            .zip(row.values.iter().map(|value| json(*value)))
            .collect();
        let mut object = Map::new();
        if let Some(label) = self.label(row) {
            object.insert("label".to_owned(), label.clone());
        }
        object.insert("values".to_owned(), Value::Object(values));
        if !row.margins.is_empty() {
            object.insert(
                "margin".to_owned(),
                row.margins.iter().map(|value| json(*value)).collect(),
            );
        }
        object
    }

    pub(crate) fn json_lines(&self) -> String {
        lines(self.rows.iter().map(|row| Value::Object(self.json(row))))
    }
}

/// The reasons of one row.
pub(crate) struct Explanation {
    pub(crate) method: &'static str,
    pub(crate) space: &'static str,
    pub(crate) exact: bool,
    /// One per output.
    pub(crate) outputs: Vec<Reasons>,
}

/// Why one output is what it is: `prediction = base + Σ attributions + residual`.
pub(crate) struct Reasons {
    pub(crate) base: f64,
    pub(crate) prediction: f64,
    pub(crate) residual: f64,
    /// One per feature.
    pub(crate) attributions: Vec<f64>,
}

/// Explanations of all rows.
pub(crate) struct Explained {
    pub(crate) features: Vec<String>,
    labels: Vec<Value>,
    positive: Option<Value>,
    pub(crate) rows: Vec<Explanation>,
}

impl Explained {
    pub(crate) fn new(card: &Card) -> Explained {
        Explained {
            features: card
                .features
                .iter()
                .map(|feature| feature.name.clone())
                .collect(),
            labels: card.labels.clone(),
            positive: card.positive.clone(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, batch: Explanations) {
        let (features, outputs) = (batch.features as usize, batch.outputs as usize);
        let at = |values: &[f64], index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        self.rows.extend((0..batch.rows as usize).map(|row| {
            Explanation {
                method: match batch.method {
                    Method::Auto => "auto",
                    Method::Interventional => "interventional",
                    Method::PathDependent => "path-dependent",
                    Method::Linear => "linear",
                    Method::Enumeration => "enumeration",
                },
                space: match batch.space {
                    Space::Margin => "margin",
                    Space::Probability => "probability",
                },
                exact: batch.exact,
                outputs: (0..outputs)
                    .map(|output| Reasons {
                        base: at(&batch.base_values, output),
                        prediction: at(&batch.predictions, row * outputs + output),
                        residual: at(&batch.residuals, row * outputs + output),
                        attributions: (0..features)
                            .map(|feature| {
                                at(
                                    &batch.attributions,
                                    (row * features + feature) * outputs + output,
                                )
                            })
                            .collect(),
                    })
                    .collect(),
            }
        }));
    }

    /// What output `output` of `row` is about.
    pub(crate) fn output_name(&self, row: &Explanation, output: usize) -> String {
        match &self.positive {
            Some(positive) if row.outputs.len() == 1 => shown(positive),
            _ => names(&self.labels, row.outputs.len()).swap_remove(output),
        }
    }

    pub(crate) fn table(&self) -> Table {
        let mut header = ["row", "output", "base_value", "prediction", "residual"]
            .map(str::to_owned)
            .to_vec();
        header.extend(self.features.iter().cloned());
        let mut lines = Vec::new();
        for (index, row) in self.rows.iter().enumerate() {
            for (output, reasons) in row.outputs.iter().enumerate() {
                let mut line = vec![(index + 1).to_string(), self.output_name(row, output)];
                let numbers = [reasons.base, reasons.prediction, reasons.residual];
                line.extend(
                    numbers
                        .iter()
                        .chain(&reasons.attributions)
                        .map(f64::to_string),
                );
                lines.push(line);
            }
        }
        (header, lines)
    }

    pub(crate) fn json_lines(&self, predicted: &Predicted) -> String {
        lines(
            self.rows
                .iter()
                .zip(&predicted.rows)
                .map(|(row, prediction)| {
                    let mut object = predicted.json(prediction);
                    object.insert("method".to_owned(), Value::from(row.method));
                    object.insert("exact".to_owned(), Value::from(row.exact));
                    object.insert("space".to_owned(), Value::from(row.space));
                    let explanations = row.outputs.iter().enumerate().map(|(output, reasons)| {
                        let attributions = reasons.attributions.iter().map(|value| json(*value));
                        let attributions: Map<String, Value> =
                            self.features.iter().cloned().zip(attributions).collect();
                        serde_json::json!({
                            "output": self.output_name(row, output),
                            "base_value": json(reasons.base),
                            "attributions": attributions,
                            "residual": json(reasons.residual),
                            "prediction": json(reasons.prediction),
                        })
                    });
                    object.insert("explanations".to_owned(), explanations.collect());
                    Value::Object(object)
                }),
        )
    }
}
