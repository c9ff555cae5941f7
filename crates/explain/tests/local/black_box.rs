//! Models that are a function of the values of a row, for spaces small enough to be searched whole.

use hyaline_explain::{Answers, OutputSpace, Predict, Value};
use hyaline_model::graph::EvalError;
use hyaline_model::{
    Batch, Categories, Column, Feature, FeatureKind, Label, Predictions, Schema, Symbols, Unseen,
};

type Score = Box<dyn Fn(&[f64]) -> f64>;

/// A function as a model. Categories are numbers in it: their positions among the feature's known values.
pub struct BlackBox {
    pub schema: Schema,
    pub symbols: Symbols,
    labels: Vec<Label>,
    score: Score,
}

impl BlackBox {
    /// A classifier of `no` and `yes`: yes where `score` is above 0.
    pub fn classifier(features: Vec<Feature>, score: impl Fn(&[f64]) -> f64 + 'static) -> BlackBox {
        let labels = ["no", "yes"].map(|label| Label::Text(label.to_owned()));
        BlackBox::new(features, labels.to_vec(), score)
    }

    /// A regressor.
    pub fn regressor(features: Vec<Feature>, score: impl Fn(&[f64]) -> f64 + 'static) -> BlackBox {
        BlackBox::new(features, Vec::new(), score)
    }

    fn new(
        features: Vec<Feature>,
        labels: Vec<Label>,
        score: impl Fn(&[f64]) -> f64 + 'static,
    ) -> BlackBox {
        let mut texts = vec![String::new()];
        for feature in &features {
            if let FeatureKind::Category(categories) = &feature.kind {
                texts.extend(categories.values.iter().cloned());
            }
        }
        BlackBox {
            schema: Schema::new(features).expect("the names are unique"),
            symbols: Symbols::new(texts),
            labels,
            score: Box::new(score),
        }
    }

    /// Rows of numbers as a batch.
    pub fn batch(&self, rows: &[Vec<f64>]) -> Batch {
        let columns = self.schema.features().iter().enumerate();
        let columns = columns.map(|(at, feature)| match &feature.kind {
            FeatureKind::Category(categories) => {
                let symbol =
                    |row: &Vec<f64>| self.symbols.symbol(&categories.values[row[at] as usize]);
                Column::Symbols(rows.iter().map(symbol).collect())
            }
            _ => Column::Numbers(rows.iter().map(|row| row[at]).collect()),
        });
        Batch::new(&self.schema, columns.collect()).expect("the columns fit the schema")
    }

    /// A value as a number.
    pub fn number(&self, feature: usize, value: Value) -> f64 {
        match (value, &self.schema.features()[feature].kind) {
            (Value::Number(number), _) => number,
            (Value::Category(symbol), FeatureKind::Category(categories)) => {
                let text = self.symbols.text(symbol).expect("the category is known");
                let position = categories.values.iter().position(|value| value == text);
                position.expect("the category is one of the feature's") as f64
            }
            _ => unreachable!("categories are of category features"),
        }
    }

    /// Row `row` of a batch as numbers.
    pub fn numbers(&self, batch: &Batch, row: usize) -> Vec<f64> {
        let columns = batch.columns().iter().enumerate();
        columns
            .map(|(feature, column)| self.number(feature, Value::of(column, row)))
            .collect()
    }

    /// The score of a row of numbers.
    pub fn score(&self, row: &[f64]) -> f64 {
        (self.score)(row)
    }
}

impl Predict for BlackBox {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn labels(&self) -> &[Label] {
        &self.labels
    }

    fn positive(&self) -> usize {
        1
    }

    fn predict(&self, batch: &Batch) -> Result<Predictions, EvalError> {
        let scores: Vec<f64> = (0..batch.rows())
            .map(|row| self.score(&self.numbers(batch, row)))
            .collect();
        let labels = scores.iter().map(|&score| u32::from(score > 0.0));
        Ok(Predictions {
            rows: batch.rows(),
            outputs: 1,
            margin_outputs: 0,
            margins: Vec::new(),
            labels: if self.labels.is_empty() {
                Vec::new()
            } else {
                labels.collect()
            },
            values: scores,
        })
    }

    fn answers(&self, batch: &Batch, _: OutputSpace) -> Result<Answers, EvalError> {
        Ok(Answers {
            outputs: 1,
            values: self.predict(batch)?.values,
        })
    }

    fn is_probabilistic(&self) -> bool {
        false
    }
}

/// A category feature.
pub fn category(name: &str, values: &[&str]) -> Feature {
    let values = values.iter().map(|value| value.to_string()).collect();
    let unseen = Unseen::Refused;
    Feature::new(name, FeatureKind::Category(Categories { values, unseen }))
}

/// An integer feature.
pub fn integer(name: &str) -> Feature {
    Feature::new(name, FeatureKind::Integer)
}

/// A real feature.
pub fn number(name: &str) -> Feature {
    Feature::new(name, FeatureKind::Number)
}

/// A truth feature.
pub fn truth(name: &str) -> Feature {
    Feature::new(name, FeatureKind::Boolean)
}

/// Every row of the values `0..sizes[f]`.
pub fn every_row(sizes: &[usize]) -> Vec<Vec<f64>> {
    let mut rows = vec![Vec::new()];
    for &size in sizes {
        let longer = |row: &Vec<f64>| {
            let row = row.clone();
            (0..size).map(move |value| [row.clone(), vec![value as f64]].concat())
        };
        rows = rows.iter().flat_map(longer).collect();
    }
    rows
}
