//! Why no files were made.

use crate::target::Target;

/// Why no files were made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The target runs an image, and none is named.
    #[error("the target {target} needs {what}; name it with `--image`")]
    ImageNeeded {
        /// The target.
        target: Target,
        /// What it needs.
        what: &'static str,
    },
    /// A number is outside what the target takes.
    #[error("{what} is {value} {unit}; {target} takes {least} to {most}")]
    OutOfRange {
        /// Where the limit comes from.
        target: &'static str,
        /// What the number is.
        what: &'static str,
        /// The number.
        value: u64,
        /// Its unit.
        unit: &'static str,
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
    /// The name of the function is too long for the target.
    #[error("the name `{name}` has {} letters; {target} takes {most}; deploy the function under a shorter name", name.len())]
    NameTooLong {
        /// The target.
        target: Target,
        /// The name.
        name: String,
        /// How many letters it may have.
        most: usize,
    },
    /// The target cannot give the function what it asks for.
    #[error("the target {target} cannot {what}; {remedy}")]
    Unsupported {
        /// The target.
        target: Target,
        /// What is asked for.
        what: &'static str,
        /// What to do instead.
        remedy: &'static str,
    },
    /// Two secrets have the same name or variable.
    #[error(
        "the secret `{name}` is given twice, or its variable is another's; give each secret a name and a variable of its own"
    )]
    SecretTwice {
        /// The name.
        name: String,
    },
}
