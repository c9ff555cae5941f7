//! `/counterfactual`.

use hyaline_explain::{
    Change, CounterfactualRequest, Counterfactuals, Goal, Reason, counterfactuals,
};
use hyaline_model::Predictions;

use crate::json::JsonWriter;
use crate::native::read_rows;
use crate::parameters::{Parameters, unexpected};
use crate::render::{label_text, output_names, write_prediction, write_predictions};
use crate::rows::Rows;
use crate::{Body, Function, Refusal, Request, Response};

const PARAMETERS: [&str; 5] = ["count", "target", "target_low", "target_high", "seed"];

/// Counterfactuals of a row when nothing is said.
const COUNT: u64 = 4;

/// Most counterfactuals of a row.
const MOST: u64 = 16;

/// Most rows in one request: each costs thousands of model evaluations.
const ROWS: usize = 256;

/// `{"predictions": […], "explanations": […]}`, one explanation per row: its counterfactuals, or why there is none.
pub(crate) fn counterfactual<'f>(
    function: &'f Function,
    request: &Request<'_>,
    query: &str,
) -> Result<Response<'f>, Refusal> {
    let parameters = Parameters::read(query, "a counterfactual", &PARAMETERS)?;
    let asked = CounterfactualRequest {
        count: parameters.whole("count", 1..=MOST)?.unwrap_or(COUNT) as usize,
        goal: goal(function, &parameters)?,
        seed: parameters.whole("seed", 0..=u64::MAX)?.unwrap_or(0),
    };
    let reference = function.reference()?;
    let rows = read_rows(function, request)?;
    let count = rows.batch().rows();
    if count > ROWS {
        return Err(Refusal::too_much(format!(
            "{count} rows to find counterfactuals of; send at most {ROWS} in one request"
        )));
    }
    let predictions = function.predict(&rows)?;
    let mut json = JsonWriter::new();
    json.begin_object();
    write_predictions(&mut json, function.model(), &predictions);
    json.key("explanations").begin_array();
    for row in 0..count {
        let found = counterfactuals(function.model(), reference, rows.batch(), row, asked)
            .map_err(crate::function::refusal)?;
        let of = (&rows, row, &predictions);
        write_counterfactuals(
            &mut json,
            function,
            of,
            asked,
            &found,
            reference.statistics.typical_gap(),
        );
    }
    json.end_array().end_object();
    Ok(Response::json(200, Body::Owned(json.finish())))
}

/// The goal that the parameters name.
fn goal(function: &Function, parameters: &Parameters<'_>) -> Result<Goal, Refusal> {
    let finite = |name| parameters.number(name, "a number", |_| true);
    let (low, high) = (finite("target_low")?, finite("target_high")?);
    if let Some(target) = parameters.text("target") {
        let labels = function.model().labels();
        let class = labels.iter().position(|label| label_text(label) == target);
        return match class {
            _ if labels.is_empty() => Err(Refusal::bad_request(
                "the model predicts numbers, not classes; ask for target_low, target_high or both",
            )),
            _ if low.is_some() || high.is_some() => Err(Refusal::bad_request(
                "`target` names a class, `target_low` and `target_high` a range of numbers; send one or the other",
            )),
            Some(class) => Ok(Goal::Class(class)),
            None => {
                let names: Vec<String> = output_names(function.model())
                    .iter()
                    .map(|name| format!("`{name}`"))
                    .collect();
                Err(unexpected(
                    "target",
                    target,
                    &format!("one of {}", names.join(", ")),
                ))
            }
        };
    }
    match (low, high) {
        (None, None) => Ok(Goal::AnotherClass),
        (Some(low), Some(high)) if low > high => Err(Refusal::bad_request(format!(
            "target_low is {low}, above target_high, {high}"
        ))),
        (low, high) => Ok(Goal::Between {
            low: low.unwrap_or(f64::NEG_INFINITY),
            high: high.unwrap_or(f64::INFINITY),
        }),
    }
}

/// One explanation; `of` is the rows of the request, one of them and their predictions.
fn write_counterfactuals(
    json: &mut JsonWriter,
    function: &Function,
    of: (&Rows, usize, &Predictions),
    asked: CounterfactualRequest,
    found: &Counterfactuals,
    typical_nearest: f64,
) {
    let changed = Rows::trusted(found.rows.clone());
    json.begin_object();
    json.key("method").text("counterfactual");
    json.key("found").boolean(found.reason.is_none());
    if let Some(reason) = found.reason {
        json.key("reason").text(reason_text(reason));
    }
    write_goal(json, function, asked.goal);
    json.key("counterfactuals").begin_array();
    for (at, counterfactual) in found.found.iter().enumerate() {
        json.begin_object();
        json.key("changes").begin_array();
        for &Change { feature, .. } in &counterfactual.changes {
            json.begin_object();
            let name = &function.model().schema().features()[feature].name;
            json.key("feature").text(name).key("from");
            of.0.seen(function.model(), of.1, feature).write(json);
            json.key("to");
            changed.seen(function.model(), at, feature).write(json);
            json.end_object();
        }
        json.end_array();
        json.key("prediction");
        write_prediction(json, function.model(), &found.predictions, at);
        json.key("sparsity")
            .integer(counterfactual.changes.len() as u64);
        json.key("distance").begin_object();
        json.key("mad").number(counterfactual.distance);
        json.key("gower").number(counterfactual.gower);
        json.end_object();
        json.key("plausibility").begin_object();
        json.key("nearest").number(counterfactual.nearest);
        json.key("inside").boolean(counterfactual.inside);
        json.end_object();
        json.end_object();
    }
    json.end_array();
    json.key("typical_nearest").number(typical_nearest);
    json.key("evaluations").integer(found.evaluations);
    json.key("seed").integer(asked.seed);
    function.write_provenance(json);
    json.end_object();
}

fn write_goal(json: &mut JsonWriter, function: &Function, goal: Goal) {
    match goal {
        Goal::AnotherClass => json.key("target").null(),
        Goal::Class(class) => json
            .key("target")
            .text(&label_text(&function.model().labels()[class])),
        Goal::Between { low, high } => {
            for (key, bound) in [("target_low", low), ("target_high", high)] {
                json.key(key);
                match bound.is_finite() {
                    true => json.number(bound),
                    false => json.null(),
                };
            }
            json
        }
    };
}

fn reason_text(reason: Reason) -> &'static str {
    match reason {
        Reason::Reached => "the prediction is what was asked for already",
        Reason::Fixed => "no feature of the row may be changed",
        Reason::NotFound => {
            "no change that was tried, within what the features may become, leads to the answer asked for"
        }
    }
}
