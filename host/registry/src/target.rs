//! Which function a change is for, and in which state it expects it.

use hyaline_control::FunctionName;

/// The function a change is for and, where two might change it at once, the state in which it is expected.
///
/// A `&FunctionName` is a target that expects nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub(crate) name: FunctionName,
    pub(crate) expected: Expected,
}

/// In which state a function must be for a change to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Anything,
    Absent,
    Generation(u64),
}

impl Target {
    /// The function, only if it is still of this [`Function::generation`](crate::Function::generation) (`If-Match`).
    pub fn unchanged(name: &FunctionName, generation: u64) -> Self {
        Target {
            name: name.clone(),
            expected: Expected::Generation(generation),
        }
    }

    /// The function, only if there is none of this name (`If-None-Match: *`).
    pub fn absent(name: &FunctionName) -> Self {
        Target {
            name: name.clone(),
            expected: Expected::Absent,
        }
    }
}

impl From<&FunctionName> for Target {
    fn from(name: &FunctionName) -> Self {
        Target {
            name: name.clone(),
            expected: Expected::Anything,
        }
    }
}
