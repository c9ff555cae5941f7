//! The request of an inference: rows, wanted outputs, explanation options.

use hyaline_model::{Feature, FeatureKind, TensorKind};

use super::JSON_LENGTH;
use super::tensor::{Datatype, Elements};
use crate::json::{Json, parse};
use crate::options::Options;
use crate::rows::json::column_order;
use crate::rows::{Rows, put_absent};
use crate::{Function, Refusal, Request};

/// An output the caller asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) name: String,
    /// As binary tensor.
    pub(super) binary: bool,
}

/// A checked request.
#[derive(Clone, Debug)]
pub(super) struct Inference {
    pub(super) id: Option<String>,
    pub(super) rows: Rows,
    pub(super) wanted: Vec<Wanted>,
    pub(super) options: Options,
}

/// An input tensor whose elements are as many as its shape says.
struct Input {
    name: String,
    shape: Vec<usize>,
    elements: Elements,
}

impl Inference {
    /// Reads a request with JSON or binary tensors.
    ///
    /// # Errors
    /// [`Refusal`] naming the input, the element or the feature.
    pub(super) fn read(function: &Function, request: &Request<'_>) -> Result<Inference, Refusal> {
        let (head, tail) = match request.header(JSON_LENGTH) {
            None => (request.body, &[][..]),
            Some("0") => return read_raw(function, request.body),
            Some(length) => length
                .trim()
                .parse()
                .ok()
                .and_then(|length: usize| request.body.split_at_checked(length))
                .ok_or_else(|| {
                    Refusal::bad_request(format!(
                        "the header `Inference-Header-Content-Length` is `{length}`; the body has {} bytes",
                        request.body.len()
                    ))
                })?,
        };
        let json = parse(head)?;
        if !matches!(json, Json::Object(_)) {
            return Err(Refusal::bad_request(format!(
                "the body is {}; expected an object with `inputs`",
                json.describe()
            )));
        }
        let parameters = json.get("parameters");
        let binary = parameters.and_then(|parameters| parameters.get("binary_data_output"))
            == Some(&Json::Bool(true));
        Ok(Inference {
            id: json
                .get("id")
                .and_then(Json::as_text)
                .filter(|id| !id.is_empty())
                .map(str::to_owned),
            rows: read_rows(function, read_inputs(&json, tail)?)?,
            wanted: read_wanted(function, json.get("outputs"), binary)?,
            options: match parameters.and_then(|parameters| parameters.get("explain_parameters")) {
                None | Some(Json::Null) => Options::default(),
                Some(parameters) => Options::from_json(parameters)?.without_additions()?,
            },
        })
    }
}

fn read_inputs(json: &Json<'_>, mut tail: &[u8]) -> Result<Vec<Input>, Refusal> {
    let inputs = match json.get("inputs") {
        Some(Json::Array(inputs)) if !inputs.is_empty() => inputs,
        _ => {
            return Err(Refusal::bad_request(
                "the request needs a non-empty list `inputs` of tensors",
            ));
        }
    };
    let mut read = Vec::with_capacity(inputs.len());
    for (at, input) in inputs.iter().enumerate() {
        let Some(name) = input.get("name").and_then(Json::as_text) else {
            return Err(Refusal::bad_request(format!("input {at} has no `name`")));
        };
        let given = input.get("datatype").and_then(Json::as_text).unwrap_or("");
        let datatype = Datatype::parse(given).ok_or_else(|| {
            Refusal::bad_request(format!("input `{name}` has the datatype `{given}`; the protocol has BOOL, UINT8-64, INT8-64, FP16-64, BYTES"))
        })?;
        let shape = read_shape(name, input.get("shape"))?;
        let binary_size = input
            .get("parameters")
            .and_then(|parameters| parameters.get("binary_data_size"));
        let elements = match (binary_size, input.get("data")) {
            (None | Some(Json::Null), Some(data)) => datatype.read_json(name, data)?,
            (Some(Json::Number(size)), None) => {
                let (own, rest) = tail
                    .split_at_checked(*size as usize)
                    .filter(|_| size.fract() == 0.0 && *size >= 0.0)
                    .ok_or_else(|| {
                        Refusal::bad_request(format!(
                            "input `{name}` claims {size} bytes of binary data; {} are left",
                            tail.len()
                        ))
                    })?;
                tail = rest;
                datatype.read_binary(name, own)?
            }
            (Some(_), Some(_)) => {
                return Err(Refusal::bad_request(format!(
                    "input `{name}` has both `data` and `binary_data_size`"
                )));
            }
            _ => {
                return Err(Refusal::bad_request(format!(
                    "input `{name}` has neither `data` nor `parameters.binary_data_size`"
                )));
            }
        };
        let expected = shape
            .iter()
            .try_fold(1usize, |product, &extent| product.checked_mul(extent));
        if expected != Some(elements.len()) {
            return Err(Refusal::bad_request(format!(
                "input `{name}` of shape {shape:?} has {} elements",
                elements.len()
            )));
        }
        read.push(Input {
            name: name.to_owned(),
            shape,
            elements,
        });
    }
    if !tail.is_empty() {
        return Err(Refusal::bad_request(format!(
            "{} bytes follow the last binary tensor",
            tail.len()
        )));
    }
    Ok(read)
}

fn read_shape(name: &str, shape: Option<&Json<'_>>) -> Result<Vec<usize>, Refusal> {
    let Some(Json::Array(extents)) = shape else {
        return Err(Refusal::bad_request(format!(
            "input `{name}` has no `shape`; expected a list of extents"
        )));
    };
    extents
        .iter()
        .map(|extent| match extent {
            Json::Number(value)
                if value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(value) =>
            {
                Ok(*value as usize)
            }
            other => Err(Refusal::bad_request(format!(
                "input `{name}` has the extent {}; expected a whole number from 0",
                other.describe()
            ))),
        })
        .collect()
}

/// One `[rows]` or `[rows, 1]` tensor per feature by name, or one `[rows, features]` tensor of any name.
fn read_rows(function: &Function, inputs: Vec<Input>) -> Result<Rows, Refusal> {
    let schema = function.model().schema();
    let width = schema.len();
    if let [input] = inputs.as_slice() {
        let is_feature = schema.position(&input.name).is_some();
        match *input.shape.as_slice() {
            [rows, columns] if columns == width && (width > 1 || !is_feature) => {
                return read_matrix(function, rows, &input.elements);
            }
            // One row without the batch dimension.
            [columns] if columns == width && !is_feature => {
                return read_matrix(function, 1, &input.elements);
            }
            _ if !is_feature => {
                return Err(Refusal::bad_request(format!(
                    "input `{}` has the shape {:?}; expected [rows, {width}], or one input per feature by name",
                    input.name, input.shape
                )));
            }
            _ => {}
        }
    }
    let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
    let order = column_order(function, &names)?;
    let rows = inputs[0].shape.first().copied().unwrap_or(0);
    let mut builder = function.rows(rows)?;
    for (&feature, input) in order.given.iter().zip(inputs) {
        let tensor = match &schema.features()[feature].kind {
            FeatureKind::Tensor(kind) => Some(kind),
            _ => None,
        };
        match (tensor, input.shape.as_slice(), input.elements) {
            (Some(kind), [_, extents @ ..], Elements::Numbers(values))
                if extents
                    .iter()
                    .map(|&extent| extent as u64)
                    .eq(own_extents(kind)) =>
            {
                let values = values.into_iter().map(|value| value as f32).collect();
                builder.put_tensors(feature, kind.elements(), values)?;
            }
            (Some(kind), _, Elements::Numbers(_)) => {
                return Err(Refusal::bad_request(format!(
                    "input `{}` has the shape {:?}; expected [rows, {}]",
                    input.name,
                    input.shape,
                    comma_separated(&kind.extents)
                )));
            }
            (_, [_] | [_, 1], Elements::Numbers(values)) => builder.put_numbers(feature, values)?,
            (_, [_] | [_, 1], Elements::Texts(values)) => builder.put_texts(feature, &values)?,
            _ => {
                return Err(Refusal::bad_request(format!(
                    "input `{}` has the shape {:?}; expected [rows] or [rows, 1]",
                    input.name, input.shape
                )));
            }
        }
    }
    for row in 0..rows {
        put_absent(&mut builder, row, &order)?;
    }
    builder.finish()
}

fn own_extents(kind: &TensorKind) -> impl Iterator<Item = u64> {
    kind.extents.iter().map(|&extent| u64::from(extent))
}

fn comma_separated(extents: &[u32]) -> String {
    let extents: Vec<String> = extents.iter().map(u32::to_string).collect();
    extents.join(", ")
}

fn read_matrix(function: &Function, rows: usize, elements: &Elements) -> Result<Rows, Refusal> {
    let width = function.model().schema().len();
    let mut builder = function.rows(rows)?;
    for feature in 0..width {
        match elements.column(feature, width) {
            Elements::Numbers(values) => builder.put_numbers(feature, values)?,
            Elements::Texts(values) => builder.put_texts(feature, &values)?,
        }
    }
    builder.finish()
}

/// The raw form: the body is one row-major matrix in the datatype that all features share.
fn read_raw(function: &Function, body: &[u8]) -> Result<Inference, Refusal> {
    let features = function.model().schema().features();
    let datatype = datatype(&features[0]);
    if features
        .iter()
        .any(|feature| self::datatype(feature) != datatype)
    {
        return Err(Refusal::bad_request(
            "a raw body needs features of one datatype; this model has several, send JSON with binary tensors",
        ));
    }
    let elements = datatype.read_binary("raw body", body)?;
    if let ([feature], Elements::Numbers(values)) = (features, &elements)
        && let FeatureKind::Tensor(kind) = &feature.kind
        && values.len().is_multiple_of(kind.elements())
    {
        let mut builder = function.rows(values.len() / kind.elements())?;
        let values = values.iter().map(|&value| value as f32).collect();
        builder.put_tensors(0, kind.elements(), values)?;
        return Ok(Inference {
            id: None,
            rows: builder.finish()?,
            wanted: read_wanted(function, None, true)?,
            options: Options::default(),
        });
    }
    if !elements.len().is_multiple_of(features.len()) {
        return Err(Refusal::bad_request(format!(
            "the raw body has {} elements, which is no multiple of the {} features",
            elements.len(),
            features.len()
        )));
    }
    let rows = read_matrix(function, elements.len() / features.len(), &elements)?;
    Ok(Inference {
        id: None,
        rows,
        wanted: read_wanted(function, None, true)?,
        options: Options::default(),
    })
}

/// The datatype that the metadata states for a feature.
pub(super) fn datatype(feature: &Feature) -> Datatype {
    match feature.kind {
        FeatureKind::Number => Datatype::Fp64,
        FeatureKind::Integer => Datatype::Int64,
        FeatureKind::Boolean => Datatype::Bool,
        FeatureKind::Category(_) | FeatureKind::Text => Datatype::Bytes,
        FeatureKind::Tensor(_) => Datatype::Fp32,
    }
}

/// The outputs that are asked for; without any, those of a prediction.
fn read_wanted(
    function: &Function,
    outputs: Option<&Json<'_>>,
    binary: bool,
) -> Result<Vec<Wanted>, Refusal> {
    let known = super::metadata::outputs(function.model());
    let outputs = match outputs {
        Some(Json::Array(outputs)) if !outputs.is_empty() => outputs,
        None | Some(Json::Null | Json::Array(_)) => {
            let predicted = known.iter().filter(|output| output.predicted);
            return Ok(predicted
                .map(|output| Wanted {
                    name: output.name.to_owned(),
                    binary,
                })
                .collect());
        }
        Some(other) => {
            return Err(Refusal::bad_request(format!(
                "`outputs` is {}; expected a list",
                other.describe()
            )));
        }
    };
    outputs
        .iter()
        .map(|output| {
            let name = output.get("name").and_then(Json::as_text).unwrap_or("");
            if !known.iter().any(|output| output.name == name) {
                let names: Vec<String> = known
                    .iter()
                    .map(|output| format!("`{}`", output.name))
                    .collect();
                return Err(Refusal::bad_request(format!(
                    "there is no output `{name}`; this function has {}",
                    names.join(", ")
                )));
            }
            let own = output
                .get("parameters")
                .and_then(|parameters| parameters.get("binary_data"));
            Ok(Wanted {
                name: name.to_owned(),
                binary: own.map_or(binary, |own| *own == Json::Bool(true)),
            })
        })
        .collect()
}
