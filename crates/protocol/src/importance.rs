//! `/importance`: which features matter.

use hyaline_explain::global::{
    Metric, PermutationRequest, mean_attributions, permutation_importance,
};
use hyaline_explain::reference_rows;
use hyaline_model::{Batch, sorted_positions};

use crate::function::refusal;
use crate::json::JsonWriter;
use crate::options::space_name;
use crate::parameters::{Parameters, unexpected};
use crate::render::explained_names;
use crate::{Body, Function, Refusal, Response};

const PARAMETERS: [&str; 4] = ["method", "metric", "repeats", "seed"];

/// Shuffles of a feature when nothing is said.
const REPEATS: u64 = 10;

/// Most shuffles of a feature.
const MOST_REPEATS: u64 = 100;

/// The rows that stand for the data as a whole.
///
/// # Errors
/// When the function has none.
pub(crate) fn global_rows(function: &Function) -> Result<&Batch, Refusal> {
    reference_rows(function.model()).ok_or_else(|| {
        Refusal::unsupported(
            "the function has no reference rows to explain the model as a whole from; pack it with --data",
        )
    })
}

/// `{"method": …, "importances": […], …}`, the most important feature first.
pub(crate) fn importance<'f>(function: &'f Function, query: &str) -> Result<Response<'f>, Refusal> {
    let parameters = Parameters::read(query, "an importance", &PARAMETERS)?;
    let rows = global_rows(function)?;
    let mut json = JsonWriter::new();
    json.begin_object();
    match parameters.text("method").unwrap_or("permutation") {
        "permutation" => write_permutation(&mut json, function, rows, &parameters)?,
        "shap" => {
            if let Some(name) = PARAMETERS[1..]
                .iter()
                .find(|name| parameters.text(name).is_some())
            {
                return Err(Refusal::bad_request(format!(
                    "parameter `{name}` is for method=permutation; mean attributions draw and measure nothing"
                )));
            }
            write_attributions(&mut json, function, rows)?;
        }
        method => return Err(unexpected("method", method, "one of `permutation`, `shap`")),
    }
    function.write_provenance(&mut json);
    json.end_object();
    Ok(Response::json(200, Body::Owned(json.finish())))
}

fn write_permutation(
    json: &mut JsonWriter,
    function: &Function,
    rows: &Batch,
    parameters: &Parameters<'_>,
) -> Result<(), Refusal> {
    let known = || {
        let names = Metric::ALL.map(|metric| format!("`{}`", metric.name()));
        format!("one of {}", names.join(", "))
    };
    let metric = parameters
        .text("metric")
        .map(|name| Metric::from_name(name).ok_or_else(|| unexpected("metric", name, &known())));
    let request = PermutationRequest {
        metric: metric.transpose()?,
        repeats: parameters
            .whole("repeats", 1..=MOST_REPEATS)?
            .unwrap_or(REPEATS) as usize,
        seed: parameters.whole("seed", 0..=u64::MAX)?.unwrap_or(0),
    };
    let model = function.model();
    let reference = model.parts().reference.as_ref();
    let answers = reference.map_or(&[][..], |reference| &reference.answers);
    let found = permutation_importance(model, rows, answers, request).map_err(refusal)?;
    json.key("method").text("permutation");
    json.key("metric").text(found.metric.name());
    if found.metric != Metric::PredictionChange {
        json.key("score").number(found.score);
    }
    let order = sorted_positions(found.means.len(), &|a, b| {
        found.means[b].total_cmp(&found.means[a])
    });
    json.key("importances").begin_array();
    for feature in order {
        json.begin_object();
        json.key("feature")
            .text(&model.schema().features()[feature].name);
        json.key("importance").number(found.means[feature]);
        json.key("standard_deviation")
            .number(found.deviations[feature]);
        json.end_object();
    }
    json.end_array();
    json.key("repeats").integer(found.repeats as u64);
    json.key("seed").integer(found.seed);
    json.key("rows").integer(rows.rows() as u64);
    json.key("evaluations").integer(found.evaluations);
    Ok(())
}

fn write_attributions(
    json: &mut JsonWriter,
    function: &Function,
    rows: &Batch,
) -> Result<(), Refusal> {
    let model = function.model();
    let found = mean_attributions(model, function.explainer(), rows).map_err(refusal)?;
    let names = explained_names(model, found.outputs, found.space);
    json.key("method").text("shap");
    json.key("explainer").text(found.method.name());
    json.key("space").text(space_name(found.space));
    if let [name] = names.as_slice() {
        json.key("output").text(name);
    }
    let own = |feature: usize| &found.values[feature * found.outputs..][..found.outputs];
    let size = |feature: usize| own(feature).iter().sum::<f64>();
    let order = sorted_positions(model.schema().len(), &|a, b| size(b).total_cmp(&size(a)));
    json.key("importances").begin_array();
    for feature in order {
        json.begin_object();
        json.key("feature")
            .text(&model.schema().features()[feature].name);
        json.key("importance");
        match own(feature) {
            &[value] => {
                json.number(value);
            }
            values => {
                json.begin_object();
                for (name, &value) in names.iter().zip(values) {
                    json.key(name).number(value);
                }
                json.end_object();
            }
        }
        json.end_object();
    }
    json.end_array();
    json.key("rows").integer(found.rows as u64);
    json.key("evaluations").integer(found.evaluations);
    json.key("background");
    match function.background_digest() {
        Some(digest) => json.text(digest),
        None => json.null(),
    };
    Ok(())
}
