//! Pictures: PNG in, explanations per segment or pixel and their drawings out.

mod base64;
mod decode;
mod overlay;

use hyaline_explain::{
    Filling, ImageExplanation, ImageMethod, ImageRequest, PartMethod, Picture, Segmentation,
    explain_image, picture_feature,
};
use hyaline_model::Model;

pub(crate) use decode::from_text;

use crate::function::refusal;
use crate::json::JsonWriter;
use crate::media::accepts;
use crate::native::read_rows;
use crate::options::space_name;
use crate::parameters::{Parameters, unexpected};
use crate::render::{explained_names, label_text, write_predictions};
use crate::rows::Rows;
use crate::text::part_request;
use crate::{Body, Function, Refusal, Request, Response};

/// What the query may say.
const KNOWN: &[&str] = &[
    "method",
    "space",
    "seed",
    "samples",
    "tolerance",
    "segments",
    "mask",
    "window",
    "stride",
    "cells",
    "output",
    "heat",
    "overlay",
];

/// Most rows explained in one request.
const MOST_ROWS: usize = 16;

/// Media type of a drawing.
const PNG: &str = "image/png";

/// Whether explanations of the model are of pictures.
pub(crate) fn takes_picture(model: &Model) -> bool {
    picture_feature(model).is_some()
}

/// The row that a PNG body is: the picture of a function that takes nothing else.
///
/// # Errors
/// When the function takes no picture or more than one thing, or the file is broken.
pub(crate) fn read_png(function: &Function, body: &[u8]) -> Result<Rows, Refusal> {
    let model = function.model();
    let features = model.schema().features();
    let (feature, kind) = picture_feature(model).ok_or_else(|| {
        Refusal::bad_request("the body is a picture; this function takes none, send JSON or CSV")
    })?;
    if features.len() > 1 {
        return Err(Refusal::bad_request(format!(
            "the body is a picture; this function takes {} more values beside `{}`, send JSON with the PNG file in base64",
            features.len() - 1,
            features[feature].name
        )));
    }
    let numbers = decode::from_png(body, kind)
        .map_err(|found| Refusal::bad_request(format!("the body is {found}")))?;
    let mut builder = function.rows(1)?;
    builder.put_tensors(feature, numbers.len(), numbers)?;
    builder.finish()
}

/// `{"predictions": […], "explanations": […]}`, or the drawing of a single row's explanation.
pub(crate) fn explain<'f>(
    function: &'f Function,
    request: &Request<'_>,
    query: &str,
) -> Result<Response<'f>, Refusal> {
    let parameters = Parameters::read(query, "an explanation of a picture", KNOWN)?;
    let model = function.model();
    let wanted = image_request(model, &parameters)?;
    let heat = parameters.truth("heat")?.unwrap_or(false);
    let drawn = parameters.truth("overlay")?.unwrap_or(false);
    let rows = read_rows(function, request)?;
    let count = rows.batch().rows();
    if count > MOST_ROWS {
        return Err(Refusal::too_much(format!(
            "{count} rows to explain; pictures are explained at most {MOST_ROWS} in one request"
        )));
    }
    let made = |row| explain_image(model, rows.batch(), row, &wanted).map_err(refusal);
    if accepts(request, PNG) {
        if count != 1 {
            return Err(Refusal::bad_request(format!(
                "{count} rows; a drawing is of one, ask for JSON with overlay=true"
            )));
        }
        let drawing = drawing(model, &rows, 0, &made(0)?);
        return Ok(Response::typed(200, PNG, Body::Owned(drawing)));
    }
    let predictions = function.predict(&rows)?;
    let mut json = JsonWriter::new();
    json.begin_object();
    write_predictions(&mut json, model, &predictions);
    json.key("explanations").begin_array();
    for row in 0..count {
        let made = made(row)?;
        let drawing = drawn.then(|| drawing(model, &rows, row, &made));
        write(
            &mut json,
            function,
            &wanted,
            &made,
            heat,
            drawing.as_deref(),
        );
    }
    json.end_array();
    json.end_object();
    Ok(Response::json(200, Body::Owned(json.finish())))
}

fn drawing(model: &Model, rows: &Rows, row: usize, made: &ImageExplanation) -> Vec<u8> {
    let (feature, kind) = picture_feature(model).expect("the explanation is of a picture");
    let hyaline_model::Column::Tensors(tensors) = &rows.batch().columns()[feature] else {
        unreachable!("a picture is a tensor");
    };
    overlay::overlay(&Picture::new(kind, tensors.row(row).to_vec()), &made.heat)
}

fn image_request(model: &Model, parameters: &Parameters<'_>) -> Result<ImageRequest, Refusal> {
    let (_, kind) = picture_feature(model).expect("the function takes a picture");
    let (height, width) = (kind.height as usize, kind.width as usize);
    let shorter = height.min(width);
    let whole = |name: &str, usual: usize| -> Result<usize, Refusal> {
        Ok(parameters
            .whole(name, 1..=u64::from(u32::MAX))?
            .map_or(usual, |value| value as usize))
    };
    let known: Vec<&str> = ["auto"]
        .into_iter()
        .chain(PartMethod::ALL.into_iter().map(PartMethod::name))
        .chain(["rise", "integrated-gradients"])
        .collect();
    let named = parameters.text("method").unwrap_or("auto");
    let size = whole("window", shorter.div_ceil(4).max(1))?;
    let method = match named {
        "auto" => ImageMethod::Segments(None),
        "rise" => ImageMethod::Rise {
            cells: whole("cells", shorter.div_ceil(2).clamp(2, 7))?,
        },
        "integrated-gradients" => ImageMethod::IntegratedGradients,
        "occlusion" => ImageMethod::Occlusion {
            size,
            stride: whole("stride", size.div_ceil(2))?,
        },
        other => ImageMethod::Segments(Some(
            PartMethod::from_name(other)
                .ok_or_else(|| unexpected("method", other, &known.join(", ")))?,
        )),
    };
    let parts = part_request(parameters)?;
    let filling = match parameters.text("mask") {
        None => Filling::Black,
        Some(name) => Filling::from_name(name).ok_or_else(|| {
            let known: Vec<&str> = Filling::ALL.into_iter().map(Filling::name).collect();
            unexpected("mask", name, &known.join(", "))
        })?,
    };
    let class = match parameters.text("output") {
        None => None,
        Some(name) => {
            let labels: Vec<_> = model.labels().iter().map(label_text).collect();
            let known = || labels.join(", ");
            Some(
                labels
                    .iter()
                    .position(|label| label == name)
                    .ok_or_else(|| unexpected("output", name, &known()))?,
            )
        }
    };
    Ok(ImageRequest {
        method,
        space: parts.space,
        seed: parts.seed,
        samples: parts.samples,
        tolerance: parts.tolerance,
        segmentation: match parameters.text("segments") {
            None => Segmentation::usual(height, width),
            Some(text) => segmentation(text)
                .ok_or_else(|| unexpected("segments", text, "grid:ROWSxCOLUMNS or slic:COUNT"))?,
        },
        filling,
        class,
    })
}

fn segmentation(text: &str) -> Option<Segmentation> {
    match text.split_once(':')? {
        ("grid", sides) => {
            let (rows, columns) = sides.split_once('x')?;
            Some(Segmentation::Grid(
                rows.parse().ok()?,
                columns.parse().ok()?,
            ))
        }
        ("slic", count) => Some(Segmentation::Slic(count.parse().ok()?)),
        _ => None,
    }
}

/// One explanation. `segments` has a value per segment and `map` the segment of each pixel, row by row; `heat` a value per
/// pixel, for methods that have no segments or when it is asked for; `overlay` the drawing as PNG in base64.
fn write(
    json: &mut JsonWriter,
    function: &Function,
    request: &ImageRequest,
    made: &ImageExplanation,
    heat: bool,
    drawing: Option<&[u8]>,
) {
    let model = function.model();
    let (feature, kind) = picture_feature(model).expect("the explanation is of a picture");
    let width = kind.width as usize;
    let names = explained_names(model, made.output.1, made.space);
    json.begin_object();
    json.key("method").text(made.method);
    json.key("exact").boolean(made.exact);
    json.key("space").text(space_name(made.space));
    if let Some(name) = names.get(made.output.0) {
        json.key("output").text(name);
    }
    json.key("base_value").number(made.base_value);
    json.key("prediction").number(made.prediction);
    json.key("feature")
        .text(&model.schema().features()[feature].name);
    json.key("absent").text(request.filling.name());
    match request.method {
        ImageMethod::Segments(_) => {
            let name = match request.segmentation {
                Segmentation::Grid(rows, columns) => format!("grid:{rows}x{columns}"),
                Segmentation::Slic(count) => format!("slic:{count}"),
            };
            json.key("segmentation").text(&name);
        }
        ImageMethod::Occlusion { size, stride } => {
            json.key("window")
                .integer(size as u64)
                .key("stride")
                .integer(stride as u64);
        }
        ImageMethod::Rise { cells } => {
            json.key("cells").integer(cells as u64);
        }
        ImageMethod::IntegratedGradients => {
            let sum: f64 = made.heat.iter().sum();
            json.key("residual")
                .number(made.prediction - made.base_value - sum);
        }
    }
    if let Some(of) = &made.segments {
        json.key("attributions").begin_array().begin_object();
        json.key("feature")
            .text(&model.schema().features()[feature].name);
        json.key("attribution").number(of.values.iter().sum());
        json.end_object().end_array();
        json.key("segments").begin_array();
        for (segment, &value) in of.values.iter().enumerate() {
            json.begin_object();
            json.key("segment")
                .integer(segment as u64)
                .key("attribution")
                .number(value);
            if let Some(&error) = of.standard_errors.get(segment) {
                json.key("standard_error").number(error);
            }
            json.end_object();
        }
        json.end_array();
        json.key("map").begin_array();
        for row in of.segments.of_pixels().chunks_exact(width) {
            json.numbers(row.iter().map(|&segment| f64::from(segment)));
        }
        json.end_array();
        if let Some([intercept, prediction, score]) = of.fit {
            json.key("intercept").number(intercept);
            json.key("local_prediction").number(prediction);
            json.key("score").number(score);
        }
        let sum: f64 = of.values.iter().sum();
        json.key("residual")
            .number(made.prediction - made.base_value - sum);
    }
    if heat || made.segments.is_none() {
        json.key("heat").begin_array();
        for row in made.heat.chunks_exact(width) {
            json.numbers(row.iter().copied());
        }
        json.end_array();
    }
    json.key("evaluations").integer(made.evaluations);
    json.key("seed");
    match made.seed {
        Some(seed) => json.integer(seed),
        None => json.null(),
    };
    if made.seed.is_some() {
        json.key("converged").boolean(made.converged);
    }
    if let Some(drawing) = drawing {
        json.key("overlay").text(&base64::encoded(drawing));
    }
    json.key("model").text(function.model_digest());
    json.end_object();
}

#[cfg(test)]
mod tests;
