//! `/explain?method=lime` for rows of numbers, truth values and categories.

use hyaline_explain::{Lime, LimeRequest, Rule, lime};
use hyaline_model::sorted_positions;

use crate::json::JsonWriter;
use crate::native::read_rows;
use crate::options::{space_name, space_of};
use crate::parameters::Parameters;
use crate::render::{explained_names, write_by_name, write_predictions};
use crate::rows::{Rows, Seen};
use crate::{Body, Function, Refusal, Request, Response};

const PARAMETERS: [&str; 8] = [
    "method",
    "samples",
    "features",
    "top",
    "discretize",
    "kernel_width",
    "space",
    "seed",
];

/// Most samples of one request, over all its rows.
const MOST: usize = 1 << 20;

/// Whether a query asks for LIME.
pub(crate) fn is_asked(query: &str) -> bool {
    query.split('&').any(|part| part == "method=lime")
}

/// `{"predictions": […], "explanations": […]}`: as other explanations, of which `base_value` is the intercept of the linear
/// model, with a `rule` for each attribution.
pub(crate) fn explain<'f>(
    function: &'f Function,
    request: &Request<'_>,
    query: &str,
) -> Result<Response<'f>, Refusal> {
    let asked = asked(query)?;
    let reference = function.reference()?;
    let rows = read_rows(function, request)?;
    let count = rows.batch().rows();
    let most = MOST / asked.samples;
    if count > most {
        return Err(Refusal::too_much(format!(
            "{count} rows of {} samples each; send at most {most} rows in one request, or ask for fewer samples",
            asked.samples
        )));
    }
    let predictions = function.predict(&rows)?;
    let mut json = JsonWriter::new();
    json.begin_object();
    write_predictions(&mut json, function.model(), &predictions);
    json.key("explanations").begin_array();
    for row in 0..count {
        let explained = lime(function.model(), reference, rows.batch(), row, asked)
            .map_err(crate::function::refusal)?;
        write_lime(&mut json, function, (&rows, row), asked, &explained);
    }
    json.end_array().end_object();
    Ok(Response::json(200, Body::Owned(json.finish())))
}

fn asked(query: &str) -> Result<LimeRequest, Refusal> {
    let parameters = Parameters::read(query, "LIME", &PARAMETERS)?;
    let default = LimeRequest::default();
    let features = match parameters.whole("features", 1..=u64::MAX)? {
        None => parameters.whole("top", 1..=u64::MAX)?,
        features => features,
    };
    let samples = parameters.whole("samples", 2..=100_000)?;
    Ok(LimeRequest {
        samples: samples.map_or(default.samples, |samples| samples as usize),
        discretize: parameters
            .truth("discretize")?
            .unwrap_or(default.discretize),
        features: features.map(|features| usize::try_from(features).unwrap_or(usize::MAX)),
        kernel_width: parameters.number("kernel_width", "a number above 0", |width| width > 0.0)?,
        seed: parameters
            .whole("seed", 0..=u64::MAX)?
            .unwrap_or(default.seed),
        space: match parameters.text("space") {
            None => default.space,
            Some(name) => space_of(name)?,
        },
    })
}

/// One explanation; `of` is the rows of the request and one of them.
fn write_lime(
    json: &mut JsonWriter,
    function: &Function,
    of: (&Rows, usize),
    asked: LimeRequest,
    explained: &Lime,
) {
    let model = function.model();
    let names = explained_names(model, explained.outputs.len(), asked.space);
    let per_output = |json: &mut JsonWriter, key: &str, value: &dyn Fn(usize) -> f64| {
        let values: Vec<f64> = (0..names.len()).map(value).collect();
        write_by_name(json.key(key), &names, &values, false);
    };
    let outputs = &explained.outputs;
    json.begin_object();
    json.key("method").text("lime");
    json.key("exact").boolean(false);
    json.key("space").text(space_name(asked.space));
    if let [name] = names.as_slice() {
        json.key("output").text(name);
    }
    per_output(json, "base_value", &|at| outputs[at].surrogate.intercept);
    per_output(json, "prediction", &|at| outputs[at].prediction);
    json.key("attributions").begin_array();
    for feature in largest_first(explained) {
        let chosen = |at: usize| outputs[at].surrogate.components.binary_search(&feature);
        let weight = |at: usize| chosen(at).map_or(0.0, |slot| outputs[at].surrogate.weights[slot]);
        let error = |at: usize| chosen(at).map_or(0.0, |slot| outputs[at].standard_errors[slot]);
        let own = explained.own[feature];
        let name = &model.schema().features()[feature].name;
        let seen = of.0.seen(model, of.1, feature);
        json.begin_object();
        json.key("feature").text(name).key("value");
        seen.write(json);
        let rule = &explained.rules[feature];
        json.key("rule").text(&rule_text(rule, name, seen));
        write_bounds(json, rule);
        per_output(json, "attribution", &|at| weight(at) * own);
        if let Rule::Deviation { .. } = rule {
            per_output(json, "weight", &weight);
        }
        per_output(json, "standard_error", &|at| error(at) * own.abs());
        json.end_object();
    }
    json.end_array();
    per_output(json, "residual", &|at| {
        outputs[at].prediction - outputs[at].local_prediction
    });
    per_output(json, "local_prediction", &|at| outputs[at].local_prediction);
    per_output(json, "fidelity", &|at| outputs[at].surrogate.fidelity);
    json.key("discretize").boolean(asked.discretize);
    json.key("kernel_width").number(explained.kernel_width);
    json.key("samples").integer(asked.samples as u64);
    json.key("evaluations").integer(explained.evaluations);
    json.key("seed").integer(asked.seed);
    function.write_provenance(json);
    json.end_object();
}

/// The features of any output's linear model, the largest attributions (summed over outputs) first.
fn largest_first(explained: &Lime) -> Vec<usize> {
    let mut sums = vec![0.0; explained.own.len()];
    let mut chosen = vec![false; explained.own.len()];
    for output in &explained.outputs {
        let surrogate = &output.surrogate;
        for (&feature, weight) in surrogate.components.iter().zip(&surrogate.weights) {
            sums[feature] += (weight * explained.own[feature]).abs();
            chosen[feature] = true;
        }
    }
    let order = sorted_positions(sums.len(), &|a, b| sums[b].total_cmp(&sums[a]));
    order
        .into_iter()
        .filter(|&feature| chosen[feature])
        .collect()
}

/// A rule in words; `seen` is the row's value.
pub(crate) fn rule_text(rule: &Rule, name: &str, seen: Seen<'_>) -> String {
    if let Seen::Text(text) = seen {
        return rule.text(name, text);
    }
    let mut value = JsonWriter::new();
    seen.write(&mut value);
    rule.text(name, &value.finish_text())
}

/// The bounds of a rule, where it has some.
pub(crate) fn write_bounds(json: &mut JsonWriter, rule: &Rule) {
    if let Rule::Between { low, high, .. } = *rule {
        for (key, bound) in [("above", low), ("up_to", high)] {
            if let Some(bound) = bound {
                json.key(key).number(bound);
            }
        }
    }
}
