//! Names that no file format, shell or `make` reads as syntax.

use std::fmt;
use std::str::FromStr;

/// A text that is not the name it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}: {rule}")]
pub struct NameError {
    text: String,
    what: &'static str,
    rule: &'static str,
}

fn checked(
    text: &str,
    sound: bool,
    what: &'static str,
    rule: &'static str,
) -> Result<Box<str>, NameError> {
    if sound {
        Ok(text.into())
    } else {
        Err(NameError {
            text: text.chars().take(200).collect(),
            what,
            rule,
        })
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $sound:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// # Errors
            /// [`NameError`], which says what is taken.
            pub fn new(text: &str) -> Result<Self, NameError> {
                let sound: fn(&str) -> bool = $sound;
                checked(text, sound(text), $what, $rule).map($name)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                $name::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

names! {
    /// The name of a component's file, without folders.
    FileName, "the name of a component's file",
    "it takes 1 to 200 letters, digits, `.`, `_` and `-`, begins with a letter or digit and ends with `.wasm`",
    |text| {
        text.len() <= 200
            && text.strip_suffix(".wasm").is_some_and(|stem| !stem.is_empty())
            && text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };

    /// A container image or an OCI artefact: `registry.example/team/credit:1.2`.
    Image, "an image",
    "it takes 1 to 500 letters, digits and the characters `.`, `_`, `-`, `:`, `@` and `/`, and begins with a letter \
     or digit, such as `registry.example/team/credit:1.2`",
    |text| {
        (1..=500).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && !text.ends_with(|last: char| !last.is_ascii_alphanumeric() && last != '_')
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-:@/".contains(&byte))
    };

    /// The name of an environment variable.
    VariableName, "the name of an environment variable",
    "it takes 1 to 100 upper-case letters, digits and `_`, and begins with a letter",
    |text| {
        (1..=100).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_uppercase())
            && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_be_syntax_are_refused() {
        for sound in ["credit.wasm", "a", "Credit_1.2-b.wasm"] {
            assert_eq!(FileName::new(sound).is_ok(), sound != "a", "{sound}");
        }
        for wrong in [
            "",
            ".wasm",
            "a.wasm\n",
            "../a.wasm",
            "a b.wasm",
            "-a.wasm",
            "$(x).wasm",
            "a/b.wasm",
            "a.wasm ",
            "ä.wasm",
            "%h.wasm",
        ] {
            assert!(FileName::new(wrong).is_err(), "{wrong}");
        }
        for sound in [
            "credit",
            "registry.example:5000/team/credit:1.2",
            "a/b@sha256:ab",
        ] {
            assert!(Image::new(sound).is_ok(), "{sound}");
        }
        for wrong in [
            "", "-x", "a b", "a\nb", "a/", "a:", "${IMAGE}", "`x`", "a#b", "\"a\"",
        ] {
            assert!(Image::new(wrong).is_err(), "{wrong}");
        }
        for (text, sound) in [
            ("HYALINE_KEY", true),
            ("A1", true),
            ("a", false),
            ("A=B", false),
        ] {
            assert_eq!(VariableName::new(text).is_ok(), sound, "{text}");
        }
        assert_eq!(
            FileName::new("credit").unwrap_err().to_string(),
            "`credit` is not the name of a component's file: it takes 1 to 200 letters, digits, `.`, `_` and `-`, \
             begins with a letter or digit and ends with `.wasm`"
        );
    }
}
