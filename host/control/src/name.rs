//! Names that cannot be malformed.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that is not the name it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}: {rule}")]
pub struct NameError {
    text: String,
    what: &'static str,
    rule: &'static str,
}

/// Longest name, in bytes: what a DNS label may have, so that a function can become a host name or a Kubernetes object.
const LONGEST: usize = 63;

const RULE: &str = "it takes 1 to 63 lower-case letters, digits and hyphens, begins with a letter and does not end with a hyphen";

fn checked(text: &str, what: &'static str) -> Result<Box<str>, NameError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let sound = text.len() <= LONGEST
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.bytes().all(allowed);
    if sound {
        Ok(text.into())
    } else {
        Err(NameError {
            text: text.chars().take(2 * LONGEST).collect(),
            what,
            rule: RULE,
        })
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// # Errors
            /// [`NameError`] unless the text has 1 to 63 lower-case letters, digits and hyphens, begins with a letter
            /// and does not end with a hyphen.
            pub fn new(text: &str) -> Result<Self, NameError> {
                checked(text, $what).map($name)
            }

            /// The name.
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

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                $name::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )*};
}

names! {
    /// The name of a function, unique on a host.
    FunctionName, "the name of a function";
    /// The name of an alias of a function's versions, such as `live`.
    AliasName, "the name of an alias";
    /// Who calls: the name of an API key, or what a host calls the subjects of a token issuer.
    CallerName, "the name of a caller";
}

impl AliasName {
    /// The alias that routes lead to.
    pub fn live() -> Self {
        AliasName("live".into())
    }
}

/// The number of a version: 1 for the first of a function, one more for each further one, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VersionNumber(NonZeroU32);

impl VersionNumber {
    /// The version a function begins with.
    pub const FIRST: VersionNumber = VersionNumber(NonZeroU32::MIN);

    /// `None` for 0, which is no version.
    pub fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(VersionNumber)
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0.get()
    }

    /// The number after this one; `None` after 2³² − 1 versions.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(VersionNumber)
    }
}

impl fmt::Display for VersionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for VersionNumber {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        text.parse().map(VersionNumber).map_err(|_| NameError {
            text: text.chars().take(2 * LONGEST).collect(),
            what: "the number of a version",
            rule: "it is a whole number from 1",
        })
    }
}

/// Which version a call is for: what an alias says, or one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Qualifier {
    /// The versions that an alias leads to, by their weights.
    Alias(AliasName),
    /// One version.
    Version(VersionNumber),
}

impl Default for Qualifier {
    fn default() -> Self {
        Qualifier::Alias(AliasName::live())
    }
}

impl FromStr for Qualifier {
    type Err = NameError;

    /// A number is a version, `$LATEST` (as AWS Lambda calls it) is `live`, anything else an alias.
    fn from_str(text: &str) -> Result<Self, NameError> {
        if text == "$LATEST" {
            Ok(Qualifier::default())
        } else if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
            text.parse().map(Qualifier::Version)
        } else {
            AliasName::new(text).map(Qualifier::Alias)
        }
    }
}

impl fmt::Display for Qualifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Qualifier::Alias(alias) => alias.fmt(f),
            Qualifier::Version(version) => version.fmt(f),
        }
    }
}

/// The SHA-256 of a component, `sha256:` and 64 hexadecimal digits in text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// A digest of these bytes (not: the digest *over* these bytes).
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Digest(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 hexadecimal digits, without `sha256:`.
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let error = || NameError {
            text: text.chars().take(80).collect(),
            what: "a digest",
            rule: "it is `sha256:` and 64 lower-case hexadecimal digits",
        };
        let hex = text.strip_prefix("sha256:").ok_or_else(error)?.as_bytes();
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; 32];
        if hex.len() != 64 {
            return Err(error());
        }
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            let (high, low) = (digit(pair[0]), digit(pair[1]));
            *byte = high
                .zip(low)
                .map(|(high, low)| high << 4 | low)
                .ok_or_else(error)?;
        }
        Ok(Digest(bytes))
    }
}

impl TryFrom<String> for Digest {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels() {
        for sound in ["a", "credit", "credit-2", &"a".repeat(63)] {
            assert_eq!(FunctionName::new(sound).unwrap().as_str(), sound);
        }
        for wrong in [
            "",
            "-a",
            "a-",
            "A",
            "a_b",
            "a/b",
            "1a",
            "ä",
            "..",
            &"a".repeat(64),
        ] {
            assert!(FunctionName::new(wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            FunctionName::new("My Model").unwrap_err().to_string(),
            "`My Model` is not the name of a function: it takes 1 to 63 lower-case letters, digits and hyphens, begins \
             with a letter and does not end with a hyphen"
        );
    }

    #[test]
    fn qualifiers_tell_versions_from_aliases() {
        assert_eq!(
            "3".parse(),
            Ok(Qualifier::Version(VersionNumber::new(3).unwrap()))
        );
        assert_eq!("$LATEST".parse(), Ok(Qualifier::default()));
        assert_eq!(
            "canary".parse(),
            Ok(Qualifier::Alias(AliasName::new("canary").unwrap()))
        );
        assert!("0".parse::<Qualifier>().is_err());
        assert!("".parse::<Qualifier>().is_err());
    }

    #[test]
    fn digests_survive_their_text() {
        let digest = Digest::from_bytes(std::array::from_fn(|index| index as u8 * 7));
        assert_eq!(digest.to_string().parse(), Ok(digest));
        for wrong in [
            "",
            "sha256:",
            "sha256:zz",
            &digest.to_string()[..70],
            &digest.to_hex(),
        ] {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
        }
    }
}
