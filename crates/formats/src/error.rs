//! Why a model file was refused.

/// A model file that cannot become a model. Both kinds say where in the file and, where there is one, what to do instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The bytes break the rules of their format, or contradict each other or the options.
    #[error("{place}: {reason}")]
    Invalid {
        /// Format, and the tree, node, operator or key.
        place: String,
        /// The value seen and what was expected.
        reason: String,
    },
    /// Sound, but outside what can be run exactly.
    #[error("{place}: not supported: {reason}")]
    Unsupported {
        /// Format, and the tree, node, operator or key.
        place: String,
        /// What it is, and the way out.
        reason: String,
    },
}

impl ImportError {
    /// An [`ImportError::Invalid`].
    pub fn invalid(place: impl Into<String>, reason: impl Into<String>) -> ImportError {
        ImportError::Invalid {
            place: place.into(),
            reason: reason.into(),
        }
    }

    /// An [`ImportError::Unsupported`].
    pub fn unsupported(place: impl Into<String>, reason: impl Into<String>) -> ImportError {
        ImportError::Unsupported {
            place: place.into(),
            reason: reason.into(),
        }
    }
}
