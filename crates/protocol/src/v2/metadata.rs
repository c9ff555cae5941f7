//! What the protocol says of servers and models before any inference.

use hyaline_model::graph::Op;
use hyaline_model::{FeatureKind, Head, Label, Model};

use super::input::datatype;
use super::tensor::Datatype;
use crate::json::JsonWriter;
use crate::{Body, Function, Response};

/// Extensions of the protocol that are spoken.
const EXTENSIONS: [&str; 2] = ["binary_tensor_data", "model_repository"];

/// `GET /v2`.
pub(crate) fn server(function: &Function) -> Response<'static> {
    let mut json = JsonWriter::new();
    json.begin_object();
    json.key("name")
        .text(&format!("hyaline/{}", function.name()));
    json.key("version").text(env!("CARGO_PKG_VERSION"));
    json.key("extensions").texts(EXTENSIONS);
    json.end_object();
    Response::json(200, Body::Owned(json.finish()))
}

/// `GET /v2/health/live` and `ready`: clients look for either key in either answer.
pub(crate) fn health() -> Response<'static> {
    Response::json(200, Body::Borrowed(br#"{"live":true,"ready":true}"#))
}

/// `GET /v2/models/{m}/ready`.
pub(crate) fn ready(function: &Function) -> Response<'static> {
    let mut json = JsonWriter::new();
    json.begin_object()
        .key("name")
        .text(function.name())
        .key("ready")
        .boolean(true)
        .end_object();
    Response::json(200, Body::Owned(json.finish()))
}

/// `POST /v2/repository/index`.
pub(crate) fn repository_index(function: &Function) -> Response<'static> {
    let mut json = JsonWriter::new();
    json.begin_array().begin_object();
    json.key("name")
        .text(function.name())
        .key("version")
        .text(function.version());
    json.key("state").text("READY").key("reason").text("");
    json.end_object().end_array();
    Response::json(200, Body::Owned(json.finish()))
}

/// `GET /v2/models/{m}`: one `[-1, 1]` input per feature; every output that can be asked for.
pub(crate) fn metadata(function: &Function) -> Response<'static> {
    let model = function.model();
    let mut json = JsonWriter::new();
    json.begin_object();
    json.key("name").text(function.name());
    json.key("versions").texts([function.version()]);
    json.key("platform").text("hyaline_wasm");
    json.key("inputs").begin_array();
    for feature in model.schema().features() {
        let mut shape = vec![-1];
        match &feature.kind {
            FeatureKind::Tensor(kind) => shape.extend(kind.extents.iter().map(|&e| i64::from(e))),
            _ => shape.push(1),
        }
        tensor(&mut json, &feature.name, datatype(feature), &shape);
    }
    json.end_array();
    json.key("outputs").begin_array();
    for output in outputs(model) {
        tensor(&mut json, output.name, output.datatype, &output.shape);
    }
    json.end_array();
    json.end_object();
    Response::json(200, Body::Owned(json.finish()))
}

fn tensor(json: &mut JsonWriter, name: &str, datatype: Datatype, shape: &[i64]) {
    json.begin_object();
    json.key("name").text(name);
    json.key("datatype").text(datatype.name());
    json.key("shape")
        .numbers(shape.iter().map(|&extent| extent as f64));
    json.end_object();
}

/// An output that can be asked for.
pub(super) struct OutputMetadata {
    pub(super) name: &'static str,
    pub(super) datatype: Datatype,
    /// -1 where the extent varies.
    pub(super) shape: Vec<i64>,
    /// Whether it is answered unasked.
    pub(super) predicted: bool,
}

/// Every output of the model, predictions first.
pub(super) fn outputs(model: &Model) -> Vec<OutputMetadata> {
    let mut outputs = Vec::new();
    let mut add = |predicted, name, datatype, shape| {
        outputs.push(OutputMetadata {
            name,
            datatype,
            shape,
            predicted,
        })
    };
    let answers = match &model.parts().head {
        Head::Regression { targets, .. } => {
            add(
                true,
                "value",
                Datatype::Fp64,
                vec![-1, targets.len() as i64],
            );
            targets.len()
        }
        Head::Classification {
            labels,
            probabilities,
            ..
        } => {
            add(true, "label", label_datatype(labels), vec![-1]);
            let scores = if *probabilities {
                "probabilities"
            } else {
                "scores"
            };
            add(true, scores, Datatype::Fp64, vec![-1, labels.len() as i64]);
            // A binary classifier is explained by its positive class.
            if labels.len() == 2 { 1 } else { labels.len() }
        }
    };
    if let Some(margins) = core_outputs(model) {
        add(true, "margin", Datatype::Fp64, vec![-1, margins as i64]);
    }
    let mut attributions = vec![-1, model.schema().len() as i64];
    if answers > 1 {
        attributions.push(answers as i64);
    }
    add(false, "attributions", Datatype::Fp32, attributions);
    add(false, "base_values", Datatype::Fp32, vec![answers as i64]);
    add(false, "explanation", Datatype::Bytes, vec![-1, 1]);
    outputs
}

/// Integer labels are numbers, all others texts.
pub(super) fn label_datatype(labels: &[Label]) -> Datatype {
    if labels
        .iter()
        .all(|label| matches!(label, Label::Integer(_)))
    {
        Datatype::Int64
    } else {
        Datatype::Bytes
    }
}

/// Margins per row of an additive core.
fn core_outputs(model: &Model) -> Option<usize> {
    match model.core_op()? {
        Op::Trees(trees) => Some(trees.outputs()),
        Op::Linear(linear) => Some(linear.outputs()),
        _ => None,
    }
}
