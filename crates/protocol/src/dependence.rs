//! `/dependence`: how the answer changes with one feature.

use hyaline_explain::OutputSpace;
use hyaline_explain::global::{
    Dependence, DependenceKind, DependenceRequest, dependence as curves,
};
use hyaline_model::{Column, FeatureKind, Model};

use crate::function::refusal;
use crate::importance::global_rows;
use crate::json::JsonWriter;
use crate::options::space_name;
use crate::parameters::{Parameters, unexpected};
use crate::render::explained_names;
use crate::rows::nearest;
use crate::{Body, Function, Refusal, Response};

const PARAMETERS: [&str; 5] = ["feature", "kind", "grid", "rows", "space"];

/// Values of a number on the grid when nothing is said.
const POINTS: u64 = 20;

/// Most values of a number on the grid.
const MOST_POINTS: u64 = 200;

/// Rows with a curve of their own when nothing is said.
const CURVES: u64 = 50;

/// Most numbers in one answer.
const VALUE_LIMIT: usize = 1 << 18;

/// `{"feature": …, "kind": …, "grid": […], "values": […], …}`; individual curves instead of values for that kind.
pub(crate) fn dependence<'f>(function: &'f Function, query: &str) -> Result<Response<'f>, Refusal> {
    let parameters = Parameters::read(query, "a dependence", &PARAMETERS)?;
    let request = request(function, &parameters)?;
    let rows = global_rows(function)?;
    let model = function.model();
    let found = curves(model, model.symbols(), rows, request).map_err(refusal)?;
    if found.values.len() > VALUE_LIMIT {
        return Err(Refusal::too_much(format!(
            "{} curves over {} values; ask for fewer `rows` or a smaller `grid`",
            found.rows.len(),
            found.grid.len()
        )));
    }
    let mut json = JsonWriter::new();
    json.begin_object();
    write_dependence(&mut json, function, rows.rows(), &found);
    function.write_provenance(&mut json);
    json.end_object();
    Ok(Response::json(200, Body::Owned(json.finish())))
}

fn request(function: &Function, parameters: &Parameters<'_>) -> Result<DependenceRequest, Refusal> {
    let features = function.model().schema().features();
    let names = || features.iter().map(|feature| feature.name.as_str());
    let Some(name) = parameters.text("feature") else {
        return Err(Refusal::bad_request(format!(
            "which feature? add `feature=…`, such as `feature={}`",
            features[0].name
        )));
    };
    let Some(feature) = function.model().schema().position(name) else {
        let hint = match nearest(name, names()) {
            Some(meant) => format!("; did you mean `{meant}`?"),
            None => "; GET schema lists the features".to_owned(),
        };
        return Err(Refusal::bad_request(format!(
            "the model has no feature `{name}`{hint}"
        )));
    };
    let kind = parameters.text("kind").unwrap_or("partial");
    let kind = DependenceKind::from_name(kind).ok_or_else(|| {
        unexpected(
            "kind",
            kind,
            "one of `partial`, `individual`, `accumulated`",
        )
    })?;
    let space = match parameters.text("space").unwrap_or("probability") {
        "probability" => OutputSpace::Probability,
        "margin" => OutputSpace::Margin,
        space => return Err(unexpected("space", space, "one of `margin`, `probability`")),
    };
    let curves = parameters.whole("rows", 1..=1000)?;
    if curves.is_some() && kind != DependenceKind::Individual {
        return Err(Refusal::bad_request(format!(
            "parameter `rows` is for kind=individual; {} curves take all reference rows",
            kind.name()
        )));
    }
    Ok(DependenceRequest {
        feature,
        kind,
        points: parameters.whole("grid", 2..=MOST_POINTS)?.unwrap_or(POINTS) as usize,
        curves: curves.unwrap_or(CURVES) as usize,
        space,
    })
}

fn write_dependence(json: &mut JsonWriter, function: &Function, rows: usize, found: &Dependence) {
    let model = function.model();
    let request = found.request;
    let names = explained_names(model, found.outputs, request.space);
    let by_output = |json: &mut JsonWriter, values: &[f64]| {
        if found.outputs == 1 {
            json.numbers(values.iter().copied());
            return;
        }
        json.begin_object();
        for (output, name) in names.iter().enumerate() {
            let own = values.iter().copied().skip(output).step_by(found.outputs);
            json.key(name).numbers(own);
        }
        json.end_object();
    };
    json.key("feature")
        .text(&model.schema().features()[request.feature].name);
    json.key("kind").text(request.kind.name());
    json.key("space").text(space_name(request.space));
    if let [name] = names.as_slice() {
        json.key("output").text(name);
    }
    json.key("grid").begin_array();
    write_grid(json, model, request.feature, &found.grid);
    json.end_array();
    if request.kind == DependenceKind::Individual {
        let width = found.grid.len() * found.outputs;
        json.key("curves").begin_array();
        for (row, curve) in found.rows.iter().zip(found.values.chunks_exact(width)) {
            json.begin_object();
            json.key("row").integer(*row as u64).key("values");
            by_output(json, curve);
            json.end_object();
        }
        json.end_array();
    } else {
        json.key("values");
        by_output(json, &found.values);
    }
    if !found.counts.is_empty() {
        let counts = found.counts.iter().map(|&count| count as f64);
        json.key("counts").numbers(counts);
    }
    json.key("mean");
    match found.mean[..] {
        [mean] => {
            json.number(mean);
        }
        _ => {
            json.begin_object();
            for (name, &mean) in names.iter().zip(&found.mean) {
                json.key(name).number(mean);
            }
            json.end_object();
        }
    }
    json.key("rows").integer(rows as u64);
    json.key("evaluations").integer(found.evaluations);
}

/// The values of the feature as a row has them.
fn write_grid(json: &mut JsonWriter, model: &Model, feature: usize, grid: &Column) {
    let truths = model.schema().features()[feature].kind == FeatureKind::Boolean;
    match grid {
        Column::Numbers(values) => {
            for &value in values {
                match truths {
                    true => json.boolean(value != 0.0),
                    false => json.number(value),
                };
            }
        }
        Column::Symbols(values) => {
            for &value in values {
                match model.symbols().text(value) {
                    Some("") | None => json.null(),
                    Some(text) => json.text(text),
                };
            }
        }
        Column::Texts(_) | Column::Tensors(_) => {}
    }
}
