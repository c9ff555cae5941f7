//! `/anchor`.

use hyaline_explain::{Anchor, AnchorRequest, anchor};

use crate::json::JsonWriter;
use crate::lime::{rule_text, write_bounds};
use crate::native::read_rows;
use crate::parameters::Parameters;
use crate::render::write_predictions;
use crate::rows::Rows;
use crate::{Body, Function, Refusal, Request, Response};

const PARAMETERS: [&str; 4] = ["precision", "beam", "tolerance", "seed"];

/// Most rows in one request: each costs tens of thousands of model evaluations.
const ROWS: usize = 64;

/// `{"predictions": […], "explanations": […]}`, one explanation per row: the rule under which its answer stays the same.
pub(crate) fn explain<'f>(
    function: &'f Function,
    request: &Request<'_>,
    query: &str,
) -> Result<Response<'f>, Refusal> {
    let asked = asked(query)?;
    let reference = function.reference()?;
    let rows = read_rows(function, request)?;
    let count = rows.batch().rows();
    if count > ROWS {
        return Err(Refusal::too_much(format!(
            "{count} rows to find anchors of; send at most {ROWS} in one request"
        )));
    }
    let predictions = function.predict(&rows)?;
    let mut json = JsonWriter::new();
    json.begin_object();
    write_predictions(&mut json, function.model(), &predictions);
    json.key("explanations").begin_array();
    for row in 0..count {
        let found = anchor(function.model(), reference, rows.batch(), row, asked)
            .map_err(crate::function::refusal)?;
        write_anchor(&mut json, function, (&rows, row), asked, &found);
    }
    json.end_array().end_object();
    Ok(Response::json(200, Body::Owned(json.finish())))
}

fn asked(query: &str) -> Result<AnchorRequest, Refusal> {
    let parameters = Parameters::read(query, "an anchor", &PARAMETERS)?;
    let default = AnchorRequest::default();
    let share = |share| 0.0 < share && share <= 1.0;
    let precision = parameters.number("precision", "a number above 0 and up to 1", share)?;
    let beam = parameters.whole("beam", 1..=10)?;
    Ok(AnchorRequest {
        precision: precision.unwrap_or(default.precision),
        beam: beam.map_or(default.beam, |beam| beam as usize),
        tolerance: parameters.number("tolerance", "a number from 0", |size| size >= 0.0)?,
        seed: parameters
            .whole("seed", 0..=u64::MAX)?
            .unwrap_or(default.seed),
        ..default
    })
}

/// One explanation; `of` is the rows of the request and one of them.
fn write_anchor(
    json: &mut JsonWriter,
    function: &Function,
    of: (&Rows, usize),
    asked: AnchorRequest,
    found: &Anchor,
) {
    let model = function.model();
    let mut texts = Vec::with_capacity(found.rules.len());
    json.begin_object();
    json.key("method").text("anchor");
    json.key("anchor").begin_array();
    for (condition, rule) in found.conditions.iter().zip(&found.rules) {
        let name = &model.schema().features()[condition.feature].name;
        let seen = of.0.seen(model, of.1, condition.feature);
        let text = rule_text(rule, name, seen);
        json.begin_object();
        json.key("feature").text(name).key("value");
        seen.write(json);
        json.key("rule").text(&text);
        write_bounds(json, rule);
        json.end_object();
        texts.push(text);
    }
    json.end_array();
    json.key("text").text(&texts.join(" AND "));
    json.key("found").boolean(found.met);
    if !found.met {
        json.key("reason").text(
            "no rule that was tried has the precision asked for; this is the most precise one",
        );
    }
    json.key("threshold").number(asked.precision);
    json.key("precision").number(found.precision);
    json.key("precision_low").number(found.bounds.0);
    json.key("precision_high").number(found.bounds.1);
    json.key("coverage").number(found.coverage);
    json.key("samples").integer(found.samples);
    json.key("evaluations").integer(found.evaluations);
    json.key("seed").integer(asked.seed);
    function.write_provenance(json);
    json.end_object();
}
