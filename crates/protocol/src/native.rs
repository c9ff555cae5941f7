//! `/predict` and `/explain`.

use hyaline_explain::quality::{CheckOptions, Quality, check};
use hyaline_explain::{Explanations, Request as ExplainRequest, takes_text};

use crate::function::refusal;
use crate::json::{JsonWriter, parse, utf8};
use crate::media::{Format, format};
use crate::options::Options;
#[cfg(feature = "images")]
use crate::pictures;
use crate::render::{
    write_checked_explanations, write_explanations, write_interactions, write_predictions,
};
use crate::rows::{self, Rows};
use crate::text;
use crate::uncertainty::{coverage, write_predictions_with_regions};
use crate::{Body, Function, Refusal, Request, Response, lime};

/// The rows of a request body, in whatever format it is.
pub(crate) fn read_rows(function: &Function, request: &Request<'_>) -> Result<Rows, Refusal> {
    match format(request) {
        Format::Json => rows::json::read(function, &parse(request.body)?),
        Format::Csv => rows::csv::read(function, utf8(request.body)?),
        #[cfg(feature = "images")]
        Format::Picture => pictures::read_png(function, request.body),
        #[cfg(not(feature = "images"))]
        Format::Picture => Err(Refusal::bad_request(
            "the body is a picture; this function takes none, send JSON or CSV",
        )),
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
    if takes_text(function.model()) {
        return text::explain(function, request, query);
    }
    #[cfg(feature = "images")]
    if pictures::takes_picture(function.model()) {
        return pictures::explain(function, request, query);
    }
    if lime::is_asked(query) {
        return lime::explain(function, request, query);
    }
    let options = Options::from_query(query)?;
    let rows = read_rows(function, request)?;
    let explanations = function.explain(&rows, options.request)?;
    let interactions = options
        .interactions
        .then(|| function.interactions(&rows, &explanations));
    let interactions = interactions.transpose()?;
    let qualities = options
        .check
        .then(|| measured(function, &rows, &explanations, options.request));
    let qualities = qualities.transpose()?;
    let predictions = function.predict(&rows)?;
    let mut json = JsonWriter::new();
    json.begin_object();
    write_predictions(&mut json, function.model(), &predictions);
    let top = options.top;
    match &qualities {
        None => write_explanations(&mut json, function, &rows, &explanations, top),
        Some(qualities) => {
            let checked = (&qualities[..], check_options(options.request));
            write_checked_explanations(&mut json, function, &rows, &explanations, checked, top);
        }
    }
    if let Some(interactions) = &interactions {
        write_interactions(&mut json, function.model(), &explanations, interactions);
    }
    json.end_object();
    Ok(Response::json(200, Body::Owned(json.finish())))
}

/// Most rows whose explanations are measured in one request: each costs thousands of model evaluations.
const CHECKED_ROWS: usize = 64;

/// How figures are worked out: drawn from the request's own seed.
fn check_options(request: ExplainRequest) -> CheckOptions {
    CheckOptions {
        seed: request.seed,
        ..CheckOptions::default()
    }
}

/// Figures of every explanation.
fn measured(
    function: &Function,
    rows: &Rows,
    explanations: &Explanations,
    request: ExplainRequest,
) -> Result<Vec<Quality>, Refusal> {
    if explanations.rows > CHECKED_ROWS {
        return Err(Refusal::too_much(format!(
            "{} explanations to measure; send at most {CHECKED_ROWS} rows with check=true",
            explanations.rows
        )));
    }
    let options = check_options(request);
    let (model, explainer) = (function.model(), function.explainer());
    check(
        model,
        explainer,
        rows.batch(),
        explanations,
        request,
        options,
    )
    .map_err(refusal)
}
