//! `/predict` and `/explain`.

use crate::json::{JsonWriter, parse, utf8};
use crate::media::{Format, format};
use crate::options::Options;
use crate::render::{write_explanations, write_interactions, write_predictions};
use crate::rows::{self, Rows};
use crate::uncertainty::{coverage, write_predictions_with_regions};
use crate::text;
use crate::{Body, Function, Refusal, Request, Response, lime};

/// The rows of a request body, in whatever format it is.
pub(crate) fn read_rows(function: &Function, request: &Request<'_>) -> Result<Rows, Refusal> {
    match format(request) {
        Format::Json => rows::json::read(function, &parse(request.body)?),
        Format::Csv => rows::csv::read(function, utf8(request.body)?),
    }
}

/// `{"predictions": […]}`, with intervals or sets for a coverage.
pub(crate) fn predict<'f>(
    function: &'f Function,
    request: &Request<'_>,
    query: &str,
) -> Result<Response<'f>, Refusal> {
    let coverage = coverage(query)?;
    let rows = read_rows(function, request)?;
    let predictions = function.predict(&rows)?;
    let mut json = JsonWriter::new();
    json.begin_object();
    match coverage {
        None => write_predictions(&mut json, function.model(), &predictions),
        Some(coverage) => {
            write_predictions_with_regions(&mut json, function, &predictions, coverage)?
        }
    }
    json.end_object();
    Ok(Response::json(200, Body::Owned(json.finish())))
}

/// `{"predictions": […], "explanations": […]}`.
pub(crate) fn explain<'f>(
    function: &'f Function,
    request: &Request<'_>,
    query: &str,
) -> Result<Response<'f>, Refusal> {
    let options = Options::from_query(query)?;
    let rows = read_rows(function, request)?;
    let explanations = function.explain(&rows, options.request)?;
    let interactions = options
        .interactions
        .then(|| function.interactions(&rows, &explanations));
    let interactions = interactions.transpose()?;
    let predictions = function.predict(&rows)?;
    let mut json = JsonWriter::new();
    json.begin_object();
    write_predictions(&mut json, function.model(), &predictions);
    write_explanations(&mut json, function, &rows, &explanations, options.top);
    if let Some(interactions) = &interactions {
        write_interactions(&mut json, function.model(), &explanations, interactions);
    }
    json.end_object();
    Ok(Response::json(200, Body::Owned(json.finish())))
}
