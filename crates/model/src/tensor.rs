//! Dense row-major tensors of the element types that tabular graphs use.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::Symbol;

/// Element types. ONNX's other integer types are held as [`ElementType::I64`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum ElementType {
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
    /// Integers.
    I64,
    /// Booleans.
    Bool,
    /// Text out of what the model knows, as symbols.
    Symbol,
    /// Free text.
    Text,
}

/// The elements of a [`Tensor`].
#[derive(Clone, Debug, PartialEq, BorshSerialize)]
pub enum Data {
    /// 32-bit floats.
    F32(#[borsh(serialize_with = "crate::floats::write")] Vec<f32>),
    /// 64-bit floats.
    F64(#[borsh(serialize_with = "crate::floats::write")] Vec<f64>),
    /// Integers.
    I64(Vec<i64>),
    /// Booleans.
    Bool(Vec<bool>),
    /// Texts that the model knows.
    Symbol(Vec<Symbol>),
    /// Free texts.
    Text(Vec<String>),
}

impl Data {
    /// How many elements.
    pub fn len(&self) -> usize {
        match self {
            Data::F32(values) => values.len(),
            Data::F64(values) => values.len(),
            Data::I64(values) => values.len(),
            Data::Bool(values) => values.len(),
            Data::Symbol(values) => values.len(),
            Data::Text(values) => values.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Their type.
    pub fn element_type(&self) -> ElementType {
        match self {
            Data::F32(_) => ElementType::F32,
            Data::F64(_) => ElementType::F64,
            Data::I64(_) => ElementType::I64,
            Data::Bool(_) => ElementType::Bool,
            Data::Symbol(_) => ElementType::Symbol,
            Data::Text(_) => ElementType::Text,
        }
    }
}

/// A dense tensor; the product of `shape` equals the number of elements.
#[derive(Clone, Debug, PartialEq, BorshSerialize)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Data,
}

impl Tensor {
    /// `None` when the product of `shape` is not the number of elements, or the extents are absurd: their product without
    /// those of 0 must stay below 2^28, so that no operator is made to allocate for a tensor that holds nothing.
    pub fn new(shape: Vec<usize>, data: Data) -> Option<Tensor> {
        let extents = shape.iter().filter(|&&extent| extent > 0);
        extents
            .copied()
            .try_fold(1usize, usize::checked_mul)
            .filter(|&product| product < 1 << 28)?;
        let elements = shape
            .iter()
            .try_fold(1usize, |product, &extent| product.checked_mul(extent))?;
        (elements == data.len()).then_some(Tensor { shape, data })
    }

    /// Extents, outermost first. Empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements, row-major.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// Takes the tensor apart.
    pub fn into_parts(self) -> (Vec<usize>, Data) {
        (self.shape, self.data)
    }

    /// Element type.
    pub fn element_type(&self) -> ElementType {
        self.data.element_type()
    }
}

// The derive would allow a shape that contradicts the data.
impl BorshDeserialize for Tensor {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
        let shape = Vec::<usize>::deserialize_reader(reader)?;
        let data = match u8::deserialize_reader(reader)? {
            0 => Data::F32(crate::floats::read(reader)?),
            1 => Data::F64(crate::floats::read(reader)?),
            2 => Data::I64(BorshDeserialize::deserialize_reader(reader)?),
            3 => Data::Bool(BorshDeserialize::deserialize_reader(reader)?),
            4 => Data::Symbol(BorshDeserialize::deserialize_reader(reader)?),
            5 => Data::Text(BorshDeserialize::deserialize_reader(reader)?),
            kind => return Err(invalid(format!("{kind} is no tensor element type"))),
        };
        let length = data.len();
        Tensor::new(shape.clone(), data)
            .ok_or_else(|| invalid(format!("a tensor of shape {shape:?} has {length} elements")))
    }
}

fn invalid(text: String) -> borsh::io::Error {
    borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, text)
}
