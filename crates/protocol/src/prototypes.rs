//! `/prototypes`: rows that are typical of what the model sees, and rows that are not.

use hyaline_explain::global::prototypes as examples;
use hyaline_model::Predictions;

use crate::function::refusal;
use crate::importance::global_rows;
use crate::json::JsonWriter;
use crate::parameters::Parameters;
use crate::render::{write_label, write_prediction};
use crate::rows::Rows;
use crate::{Body, Function, Refusal, Response};

/// Prototypes and criticisms of each class when nothing is said.
const COUNT: u64 = 5;

/// Most prototypes and criticisms of each class.
const MOST: u64 = 50;

/// `{"method": "mmd-critic", "examples": [{"label": …, "prototypes": […], "criticisms": […]}, …], …}`, one object per
/// predicted class, or one for a regressor.
pub(crate) fn prototypes<'f>(function: &'f Function, query: &str) -> Result<Response<'f>, Refusal> {
    let parameters = Parameters::read(query, "a list of prototypes", &["count"])?;
    let count = parameters.whole("count", 1..=MOST)?.unwrap_or(COUNT) as usize;
    let reference = global_rows(function)?;
    let model = function.model();
    let found = examples(model, reference, count).map_err(refusal)?;
    let rows = Rows::trusted(reference.clone());
    let predictions = function.predict(&rows)?;
    let mut json = JsonWriter::new();
    json.begin_object();
    json.key("method").text("mmd-critic");
    json.key("examples").begin_array();
    for examples in &found {
        json.begin_object();
        if let Some(class) = examples.class {
            write_label(json.key("label"), &model.labels()[class]);
        }
        json.key("rows").integer(examples.rows as u64);
        json.key("prototypes");
        write_rows(
            &mut json,
            function,
            &rows,
            &predictions,
            &examples.prototypes,
        );
        json.key("criticisms");
        write_rows(
            &mut json,
            function,
            &rows,
            &predictions,
            &examples.criticisms,
        );
        json.end_object();
    }
    json.end_array();
    json.key("rows").integer(reference.rows() as u64);
    json.key("evaluations")
        .integer(if model.labels().is_empty() {
            0
        } else {
            reference.rows() as u64
        });
    function.write_provenance(&mut json);
    json.end_object();
    Ok(Response::json(200, Body::Owned(json.finish())))
}

/// `[{"row": …, "values": {…}, "prediction": {…}}, …]`.
fn write_rows(
    json: &mut JsonWriter,
    function: &Function,
    rows: &Rows,
    predictions: &Predictions,
    chosen: &[usize],
) {
    let model = function.model();
    json.begin_array();
    for &row in chosen {
        json.begin_object();
        json.key("row").integer(row as u64);
        json.key("values").begin_object();
        for (at, feature) in model.schema().features().iter().enumerate() {
            json.key(&feature.name);
            rows.seen(model, row, at).write(json);
        }
        json.end_object();
        json.key("prediction");
        write_prediction(json, model, predictions, row);
        json.end_object();
    }
    json.end_array();
}
