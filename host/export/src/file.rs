//! A file that an export consists of.

/// A file that an export consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Relative, with `/` between folders, without `..`.
    pub path: String,
    /// UTF-8, ends with a line break.
    pub contents: String,
    /// Whether it is a program.
    pub executable: bool,
}

impl File {
    pub(crate) fn new(path: impl Into<String>, contents: impl Into<String>) -> Self {
        let mut contents = contents.into();
        if !contents.ends_with('\n') {
            contents.push('\n');
        }
        File {
            path: path.into(),
            contents,
            executable: false,
        }
    }

    pub(crate) fn program(path: impl Into<String>, contents: impl Into<String>) -> Self {
        File {
            executable: true,
            ..File::new(path, contents)
        }
    }
}
