//! KServe V1 (`/v1/models/{m}:predict`, `:explain`).

use hyaline_explain::Method;
use hyaline_model::{Head, Model, Predictions};

use crate::json::JsonWriter;
use crate::native::read_rows;
use crate::options::{Options, space_name};
use crate::render::{output_names, probabilities, write_explanations, write_outcome};
use crate::{Body, Function, Refusal, Request, Response};

/// `{"models": […]}`.
pub(crate) fn models(function: &Function) -> Response<'static> {
    let mut json = JsonWriter::new();
    json.begin_object()
        .key("models")
        .texts([function.name()])
        .end_object();
    Response::json(200, Body::Owned(json.finish()))
}

/// `{"name", "ready"}`.
pub(crate) fn model(function: &Function) -> Response<'static> {
    let mut json = JsonWriter::new();
    json.begin_object()
        .key("name")
        .text(function.name())
        .key("ready")
        .boolean(true)
        .end_object();
    Response::json(200, Body::Owned(json.finish()))
}

/// `predictions` holds labels (or values, from a regressor); a classifier adds `labels` and, per row in their order,
/// `probabilities`.
pub(crate) fn predict(
    function: &Function,
    request: &Request<'_>,
) -> Result<Response<'static>, Refusal> {
    let rows = read_rows(function, request)?;
    let predictions = function.predict(&rows)?;
    let mut json = JsonWriter::new();
    json.begin_object();
    write_outcomes(&mut json, function.model(), &predictions);
    if let Head::Classification {
        probabilities: true,
        ..
    } = function.model().parts().head
    {
        json.key("labels")
            .texts(output_names(function.model()).iter().map(|name| &**name));
        json.key("probabilities").begin_array();
        for row in 0..predictions.rows {
            json.numbers(
                probabilities(function.model(), &predictions, row)
                    .iter()
                    .copied(),
            );
        }
        json.end_array();
    }
    json.end_object();
    Ok(Response::json(200, Body::Owned(json.finish())))
}

/// Both shapes that V1 explainers answer: `explanations`, one per row, and Alibi's `meta` and `data`
/// (`data.shap_values` is `[outputs][rows][features]`).
pub(crate) fn explain(
    function: &Function,
    request: &Request<'_>,
    query: &str,
) -> Result<Response<'static>, Refusal> {
    let options = Options::from_query(query)?.without_additions()?;
    let rows = read_rows(function, request)?;
    let answer = function.explain(&rows, options.request)?;
    let predictions = function.predict(&rows)?;
    let model = function.model();

    let mut json = JsonWriter::new();
    json.begin_object();
    write_outcomes(&mut json, model, &predictions);
    write_explanations(&mut json, function, &rows, &answer, options.top);

    json.key("meta").begin_object();
    json.key("name").text(match answer.method {
        Method::Interventional | Method::PathDependent => "TreeShap",
        Method::Linear => "LinearShap",
        Method::Enumeration => "ExactShap",
        Method::Leverage | Method::Kernel | Method::RegressionAdjusted => "KernelShap",
        Method::Permutation => "PermutationShap",
        Method::Owen => "OwenValues",
        Method::IntegratedGradients => "IntegratedGradients",
    });
    let kind = match answer.method {
        Method::Interventional
        | Method::PathDependent
        | Method::Linear
        | Method::IntegratedGradients => "whitebox",
        _ => "blackbox",
    };
    json.key("type").texts([kind]);
    json.key("explanations").texts(["local"]);
    json.key("params").begin_object();
    json.key("method")
        .text(answer.method.name())
        .key("space")
        .text(space_name(answer.space));
    json.end_object();
    json.key("version").text(function.version());
    json.end_object();

    json.key("data").begin_object();
    json.key("shap_values").begin_array();
    for output in 0..answer.outputs {
        json.begin_array();
        for row in answer
            .attributions
            .chunks_exact(answer.features * answer.outputs)
        {
            json.numbers(row.iter().skip(output).step_by(answer.outputs).copied());
        }
        json.end_array();
    }
    json.end_array();
    json.key("expected_value")
        .numbers(answer.base_values.iter().copied());
    json.key("feature_names").texts(
        model
            .schema()
            .features()
            .iter()
            .map(|feature| feature.name.as_str()),
    );
    json.key("raw")
        .begin_object()
        .key("raw_prediction")
        .begin_array();
    for row in answer.predictions.chunks_exact(answer.outputs) {
        json.numbers(row.iter().copied());
    }
    json.end_array();
    json.end_object();
    json.end_object();
    json.end_object();
    Ok(Response::json(200, Body::Owned(json.finish())))
}

/// `"predictions": […]` of bare labels or values.
pub(crate) fn write_outcomes(json: &mut JsonWriter, model: &Model, predictions: &Predictions) {
    json.key("predictions").begin_array();
    for row in 0..predictions.rows {
        write_outcome(json, model, predictions, row);
    }
    json.end_array();
}
