//! The typed door: `hyaline:function/model`, batches in and numbers out.

use hyaline_explain as explain;
use hyaline_protocol::rows::Rows;
use hyaline_protocol::{Function, Refusal};

use crate::bindings::exports::hyaline::function::model::{
    Column, Error, Explanations, Guest, Method, Options, Predictions, Space,
};
use crate::{Engine, slot};

impl Guest for Engine {
    fn predict(batch: Vec<Column>) -> Result<Predictions, Error> {
        let function = function()?;
        let answer = function
            .predict(&read(function, batch)?)
            .map_err(door_error)?;
        Ok(Predictions {
            rows: answer.rows as u32,
            outputs: answer.outputs as u32,
            values: answer.values,
            margin_outputs: answer.margin_outputs as u32,
            margins: answer.margins,
            labels: answer.labels,
        })
    }

    fn explain(batch: Vec<Column>, options: Options) -> Result<Explanations, Error> {
        let function = function()?;
        let request = explain::Request {
            method: match options.method {
                Method::Auto => None,
                Method::Interventional => Some(explain::Method::Interventional),
                Method::PathDependent => Some(explain::Method::PathDependent),
                Method::Linear => Some(explain::Method::Linear),
                Method::Enumeration => Some(explain::Method::Enumeration),
            },
            space: options.space.map(|space| match space {
                Space::Margin => explain::OutputSpace::Margin,
                Space::Probability => explain::OutputSpace::Probability,
            }),
        };
        let answer = function
            .explain(&read(function, batch)?, request)
            .map_err(door_error)?;
        Ok(Explanations {
            rows: answer.rows as u32,
            features: answer.features as u32,
            outputs: answer.outputs as u32,
            method: match answer.method {
                explain::Method::Interventional => Method::Interventional,
                explain::Method::PathDependent => Method::PathDependent,
                explain::Method::Linear => Method::Linear,
                explain::Method::Enumeration => Method::Enumeration,
            },
            exact: answer.exact,
            space: match answer.space {
                explain::OutputSpace::Margin => Space::Margin,
                explain::OutputSpace::Probability => Space::Probability,
            },
            base_values: answer.base_values,
            attributions: answer.attributions,
            predictions: answer.predictions,
            residuals: answer.residuals,
            evaluations: answer.evaluations,
        })
    }

    fn card() -> String {
        slot::function().map_or_else(|_| "{}".to_owned(), |function| function.card().to_owned())
    }
}

fn function() -> Result<&'static Function, Error> {
    slot::function().map_err(Error::Unsupported)
}

fn door_error(refusal: Refusal) -> Error {
    if refusal.is_unsupported() {
        Error::Unsupported(refusal.to_string())
    } else {
        Error::Invalid(refusal.to_string())
    }
}

/// The columns as rows of the schema, every value judged as if it had come in a request body.
fn read(function: &Function, columns: Vec<Column>) -> Result<Rows, Error> {
    let width = function.model().schema().len();
    if columns.len() != width {
        return Err(Error::Invalid(format!(
            "the batch has {} columns, the schema {width} features",
            columns.len()
        )));
    }
    let rows = match &columns[0] {
        Column::Numbers(values) => values.len(),
        Column::Texts(values) => values.len(),
    };
    let mut builder = function.rows(rows).map_err(door_error)?;
    for (feature, column) in columns.into_iter().enumerate() {
        match column {
            Column::Numbers(values) => builder.put_numbers(feature, values),
            Column::Texts(values) => builder.put_texts(feature, &values),
        }
        .map_err(door_error)?;
    }
    builder.finish().map_err(door_error)
}
