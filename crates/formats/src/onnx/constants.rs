//! Constant tensors and element types of a file.

use hyaline_model::{Data, ElementType, Symbols, Tensor};

use super::proto::TensorProto;

/// Our element type for an ONNX `TensorProto.DataType`.
///
/// # Errors
/// With the type's name when there is none.
pub(crate) fn element_type(data_type: i32) -> Result<ElementType, String> {
    Ok(match data_type {
        1 => ElementType::F32,
        11 => ElementType::F64,
        // uint8, int8, uint16, int16, int32, int64, uint32, uint64
        2..=7 | 12 | 13 => ElementType::I64,
        8 => ElementType::Symbol,
        9 => ElementType::Bool,
        other => return Err(format!("elements of type {}", type_name(other))),
    })
}

/// The ONNX name of a `TensorProto.DataType`.
fn type_name(data_type: i32) -> String {
    let name = match data_type {
        0 => "undefined",
        10 => "float16",
        14 => "complex64",
        15 => "complex128",
        16 => "bfloat16",
        17..=20 | 24 => "float8",
        21 => "uint4",
        22 => "int4",
        23 => "float4",
        other => return other.to_string(),
    };
    name.to_owned()
}

/// The tensor that `proto` holds; texts become symbols of `symbols`.
///
/// # Errors
/// When the data do not fill the shape, lie in another file, are of a type we do not calculate with, or are no text.
pub(crate) fn tensor(proto: &TensorProto, symbols: &Symbols) -> Result<Tensor, String> {
    if proto.data_location != 0 {
        return Err(
            "the data lie in another file; save the model with its weights inside".to_owned(),
        );
    }
    let shape: Vec<usize> = proto
        .dims
        .iter()
        .map(|&extent| usize::try_from(extent).map_err(|_| format!("the extent {extent}")))
        .collect::<Result<_, _>>()?;
    let kind = element_type(proto.data_type)?;
    let raw = (!proto.raw_data.is_empty()).then_some(proto.raw_data.as_slice());
    let data = match (kind, raw) {
        (ElementType::F32, Some(raw)) => Data::F32(words(raw, f32::from_le_bytes)?),
        (ElementType::F32, None) => Data::F32(proto.float_data.clone()),
        (ElementType::F64, Some(raw)) => Data::F64(words(raw, f64::from_le_bytes)?),
        (ElementType::F64, None) => Data::F64(proto.double_data.clone()),
        (ElementType::I64, Some(raw)) => Data::I64(raw_integers(raw, proto.data_type)?),
        (ElementType::I64, None) => Data::I64(match proto.data_type {
            7 => proto.int64_data.clone(),
            12 | 13 => proto.uint64_data.iter().map(|&x| x as i64).collect(),
            _ => proto.int32_data.iter().map(|&x| i64::from(x)).collect(),
        }),
        (ElementType::Bool, Some(raw)) => Data::Bool(raw.iter().map(|&x| x != 0).collect()),
        (ElementType::Bool, None) => Data::Bool(proto.int32_data.iter().map(|&x| x != 0).collect()),
        // A constant is text that the model knows.
        (ElementType::Symbol | ElementType::Text, _) => Data::Symbol(
            proto
                .string_data
                .iter()
                .map(|bytes| text(bytes).map(|text| symbols.symbol(text)))
                .collect::<Result<_, _>>()?,
        ),
    };
    let elements = data.len();
    Tensor::new(shape, data)
        .ok_or_else(|| format!("{elements} elements do not fill the shape {:?}", proto.dims))
}

fn raw_integers(raw: &[u8], data_type: i32) -> Result<Vec<i64>, String> {
    Ok(match data_type {
        2 => raw.iter().map(|&x| i64::from(x)).collect(),
        3 => raw.iter().map(|&x| i64::from(x as i8)).collect(),
        4 => words(raw, |x| i64::from(u16::from_le_bytes(x)))?,
        5 => words(raw, |x| i64::from(i16::from_le_bytes(x)))?,
        6 => words(raw, |x| i64::from(i32::from_le_bytes(x)))?,
        12 => words(raw, |x| i64::from(u32::from_le_bytes(x)))?,
        _ => words(raw, i64::from_le_bytes)?,
    })
}

fn words<const N: usize, T>(raw: &[u8], read: impl Fn([u8; N]) -> T) -> Result<Vec<T>, String> {
    let (words, rest) = raw.as_chunks::<N>();
    if !rest.is_empty() {
        return Err(format!(
            "{} bytes of data are no whole number of {N}-byte elements",
            raw.len()
        ));
    }
    Ok(words.iter().map(|&word| read(word)).collect())
}

/// UTF-8 text.
///
/// # Errors
/// With the bytes' beginning when they are not UTF-8.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes)
        .map_err(|_| format!("{:02x?} is not UTF-8", &bytes[..bytes.len().min(16)]))
}
