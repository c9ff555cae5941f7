//! The typed door: `hyaline:function/model`, batches in and numbers out.

use hyaline_explain as explain;
use hyaline_protocol::rows::Rows;
use hyaline_protocol::{Function, Refusal};

use crate::bindings::exports::hyaline::function::model::{
    Column, Error, Explanations, Guest, Options, Predictions, Space,
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
        let request = request(&options)?;
        let answer = function
            .explain(&read(function, batch)?, request)
            .map_err(door_error)?;
        Ok(Explanations {
            rows: answer.rows as u32,
            features: answer.features as u32,
            outputs: answer.outputs as u32,
            method: answer.method.name().to_owned(),
            exact: answer.exact,
            space: match answer.space {
                explain::OutputSpace::Margin => Space::Margin,
                explain::OutputSpace::Probability => Space::Probability,
            },
            base_values: answer.base_values,
            attributions: answer.attributions,
            standard_errors: answer.standard_errors,
            predictions: answer.predictions,
            residuals: answer.residuals,
            evaluations: answer.evaluations,
            seed: answer.seed,
            converged: answer.converged,
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

/// What the options ask for.
fn request(options: &Options) -> Result<explain::Request, Error> {
    let method = match options.method.as_deref() {
        None => None,
        Some(name) => Some(explain::Method::from_name(name).ok_or_else(|| unknown(name))?),
    };
    Ok(explain::Request {
        method,
        space: options.space.map(|space| match space {
            Space::Margin => explain::OutputSpace::Margin,
            Space::Probability => explain::OutputSpace::Probability,
        }),
        seed: options.seed.unwrap_or_default(),
        samples: options.samples,
        tolerance: options.tolerance,
    })
}

fn unknown(method: &str) -> Error {
    let known: Vec<&str> = explain::Method::ALL.map(explain::Method::name).into();
    Error::Invalid(format!(
        "there is no method `{method}`; an explanation takes one of {}",
        known.join(", ")
    ))
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
        Column::Tensors(tensors) => tensors.values.len() / (tensors.width as usize).max(1),
    };
    let mut builder = function.rows(rows).map_err(door_error)?;
    for (feature, column) in columns.into_iter().enumerate() {
        match column {
            Column::Numbers(values) => builder.put_numbers(feature, values),
            Column::Texts(values) => builder.put_texts(feature, &values),
            Column::Tensors(tensors) => {
                builder.put_tensors(feature, tensors.width as usize, tensors.values)
            }
        }
        .map_err(door_error)?;
    }
    builder.finish().map_err(door_error)
}
