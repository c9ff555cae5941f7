//! What is told about a function in a registry.

use hyaline_control::FunctionName;
use jiff::Timestamp;

/// What is told about a function in a registry. The same component with the same description is the same artefact, to
/// the digest, so take `created` from the function's version rather than from the clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The function: the title of the artefact, and the name of the application and of its component under Spin.
    pub function: FunctionName,
    /// The model's name on the function's card.
    pub model: Option<String>,
    /// Which version this is.
    pub version: Option<String>,
    /// What people are told about it.
    pub summary: Option<String>,
    /// Who made it.
    pub author: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// Where it may send HTTP requests, as Spin writes it. Only [`Layout::Spin`](crate::Layout::Spin) can say so.
    pub allowed_outbound_hosts: Vec<String>,
}

impl Description {
    /// Only what must be said.
    pub fn new(function: FunctionName, created: Timestamp) -> Self {
        Description {
            function,
            model: None,
            version: None,
            summary: None,
            author: None,
            created,
            allowed_outbound_hosts: Vec::new(),
        }
    }
}
