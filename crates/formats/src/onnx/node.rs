//! An operator of the file with its attributes and operands, as lowering sees it.

use hyaline_model::{Symbol, Symbols, Tensor};

use super::builder::Value;
use super::proto::{AttributeProto, GraphProto, NodeProto};
use super::{constants, shorten};
use crate::ImportError;

/// An operator of the file.
pub(crate) struct Node<'a> {
    /// As the file has it.
    pub(crate) proto: &'a NodeProto,
    /// Version of its domain's operator set.
    pub(crate) version: i64,
    /// Its operands; `None` where an optional one is absent.
    pub(crate) operands: Vec<Option<Value>>,
    /// All texts of the file.
    pub(crate) symbols: &'a Symbols,
}

impl<'a> Node<'a> {
    /// The operator's type, e.g. `MatMul`.
    pub(crate) fn op(&self) -> &'a str {
        &self.proto.op_type
    }

    /// What error texts call it: domain, type, version and the node's name (or that of its first output).
    pub(crate) fn place(&self) -> String {
        place(self.proto, self.version)
    }

    /// A contradiction in this node.
    pub(crate) fn invalid(&self, reason: impl Into<String>) -> ImportError {
        ImportError::invalid(self.place(), reason)
    }

    /// Something this node asks for that cannot run.
    pub(crate) fn unsupported(&self, reason: impl Into<String>) -> ImportError {
        ImportError::unsupported(self.place(), reason)
    }

    /// How many outputs the file asks for.
    pub(crate) fn outputs(&self) -> usize {
        self.proto.output.len()
    }

    /// Operand `index`.
    ///
    /// # Errors
    /// When it is absent.
    pub(crate) fn operand(&self, index: usize) -> Result<Value, ImportError> {
        self.optional(index)
            .ok_or_else(|| self.invalid(format!("operand {index} is missing")))
    }

    /// Operand `index`, where present.
    pub(crate) fn optional(&self, index: usize) -> Option<Value> {
        self.operands.get(index).copied().flatten()
    }

    /// The attribute `name`, of one of the types `expected` (numbers of `AttributeProto.AttributeType`; 0 when a writer
    /// left the type out).
    fn attribute(
        &self,
        name: &str,
        expected: i32,
    ) -> Result<Option<&'a AttributeProto>, ImportError> {
        let Some(found) = self
            .proto
            .attribute
            .iter()
            .find(|attribute| attribute.name == name)
        else {
            return Ok(None);
        };
        if found.r#type != expected && found.r#type != 0 {
            return Err(self.invalid(format!(
                "attribute `{name}` has the type {}, expected {}",
                found.r#type,
                [
                    "",
                    "a float",
                    "an integer",
                    "a text",
                    "a tensor",
                    "a graph",
                    "floats",
                    "integers",
                    "texts"
                ][expected as usize]
            )));
        }
        Ok(Some(found))
    }

    /// Whether there is an attribute `name`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.proto
            .attribute
            .iter()
            .any(|attribute| attribute.name == name)
    }

    /// A finite number.
    pub(crate) fn float(&self, name: &str, default: f32) -> Result<f32, ImportError> {
        let value = self
            .attribute(name, 1)?
            .map_or(default, |attribute| attribute.f);
        if !value.is_finite() {
            return Err(self.invalid(format!(
                "attribute `{name}` is {value}, expected a finite number"
            )));
        }
        Ok(value)
    }

    /// A number that may be NaN or infinite; `None` when absent.
    pub(crate) fn any_float(&self, name: &str) -> Result<Option<f32>, ImportError> {
        Ok(self.attribute(name, 1)?.map(|attribute| attribute.f))
    }

    /// An integer.
    pub(crate) fn int(&self, name: &str, default: i64) -> Result<i64, ImportError> {
        Ok(self.optional_int(name)?.unwrap_or(default))
    }

    /// An integer; `None` when absent.
    pub(crate) fn optional_int(&self, name: &str) -> Result<Option<i64>, ImportError> {
        Ok(self.attribute(name, 2)?.map(|attribute| attribute.i))
    }

    /// A flag: 0 or 1.
    pub(crate) fn flag(&self, name: &str, default: bool) -> Result<bool, ImportError> {
        match self.optional_int(name)? {
            None => Ok(default),
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            Some(other) => {
                Err(self.invalid(format!("attribute `{name}` is {other}, expected 0 or 1")))
            }
        }
    }

    /// A text; `None` when absent.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, ImportError> {
        let Some(attribute) = self.attribute(name, 3)? else {
            return Ok(None);
        };
        Ok(Some(constants::text(&attribute.s).map_err(|reason| {
            self.invalid(format!("attribute `{name}`: {reason}"))
        })?))
    }

    /// A list of numbers, which may be NaN or infinite; empty when absent.
    pub(crate) fn floats(&self, name: &str) -> Result<&'a [f32], ImportError> {
        Ok(self
            .attribute(name, 6)?
            .map_or(&[], |attribute| &attribute.floats))
    }

    /// A list of integers; empty when absent.
    pub(crate) fn ints(&self, name: &str) -> Result<&'a [i64], ImportError> {
        Ok(self
            .attribute(name, 7)?
            .map_or(&[], |attribute| &attribute.ints))
    }

    /// A list of texts; empty when absent.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<&'a str>, ImportError> {
        let Some(attribute) = self.attribute(name, 8)? else {
            return Ok(Vec::new());
        };
        attribute
            .strings
            .iter()
            .map(|bytes| {
                constants::text(bytes)
                    .map_err(|reason| self.invalid(format!("attribute `{name}`: {reason}")))
            })
            .collect()
    }

    /// The symbol of a text of the file.
    pub(crate) fn symbol(&self, text: &str) -> Symbol {
        self.symbols.symbol(text)
    }

    /// A tensor; `None` when absent.
    pub(crate) fn tensor(&self, name: &str) -> Result<Option<Tensor>, ImportError> {
        let Some(proto) = self
            .attribute(name, 4)?
            .and_then(|attribute| attribute.t.as_deref())
        else {
            return Ok(None);
        };
        let tensor = constants::tensor(proto, self.symbols);
        Ok(Some(tensor.map_err(|reason| {
            self.invalid(format!("attribute `{name}`: {reason}"))
        })?))
    }

    /// The ONNX element type of a tensor; 0 when absent.
    pub(crate) fn tensor_type(&self, name: &str) -> i32 {
        let mut attributes = self.proto.attribute.iter();
        let found = attributes.find(|attribute| attribute.name == name);
        let tensor = found.and_then(|attribute| attribute.t.as_deref());
        tensor.map_or(0, |tensor| tensor.data_type)
    }

    /// A graph; `None` when absent.
    pub(crate) fn graph(&self, name: &str) -> Result<Option<&'a GraphProto>, ImportError> {
        Ok(self
            .attribute(name, 5)?
            .and_then(|attribute| attribute.g.as_deref()))
    }
}

/// What error texts call a node.
pub(crate) fn place(proto: &NodeProto, version: i64) -> String {
    let domain = if proto.domain.is_empty() {
        "ai.onnx"
    } else {
        proto.domain.as_str()
    };
    let name = if proto.name.is_empty() {
        proto.output.first().map_or("", String::as_str)
    } else {
        proto.name.as_str()
    };
    format!(
        "ONNX operator {} ({} version {version}), node `{}`",
        shorten(&proto.op_type),
        shorten(domain),
        shorten(name)
    )
}
