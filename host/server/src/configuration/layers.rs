//! One value for each member, from the layer that says it last: defaults, the file, the environment, flags.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::Document;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path) => write!(f, "{}", path.display()),
            Origin::Environment(variable) => f.write_str(variable),
            Origin::Flag(flag) => f.write_str(flag),
        }
    }
}

/// A configuration that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// The file is not TOML.
    #[error("`{}` is not TOML: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and what, as the parser says it.
        reason: String,
    },
    /// A member does not exist.
    #[error("{origin}: `{key}` cannot be configured; `hyaline config check` lists what can")]
    Unknown {
        /// The member.
        key: String,
        /// Who says it.
        origin: Origin,
    },
    /// A value is not of its member's kind, or out of its range.
    #[error("{origin}: `{key}` is {value}: {reason}")]
    Value {
        /// The member.
        key: String,
        /// The value seen.
        value: String,
        /// Who says it.
        origin: Origin,
        /// What is expected.
        reason: String,
    },
}

/// A value of a configuration and who said it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The member, sections before it: `limits.deadline_ms`.
    pub key: String,
    /// Its value, as TOML.
    pub value: String,
    /// Who said it.
    pub origin: Origin,
}

/// Prefix of the environment variables.
const PREFIX: &str = "HYALINE_";

/// Values by member, sections before it, and who said them.
pub(super) struct Layers(BTreeMap<String, (Value, Origin)>);

impl Layers {
    pub(super) fn of_defaults() -> Self {
        let table = Table::try_from(Document::default()).expect("the defaults are TOML");
        let mut layers = BTreeMap::new();
        flatten("", table, &mut |key, value| {
            layers.insert(key, (value, Origin::Default));
        });
        Layers(layers)
    }

    pub(super) fn default(&mut self, key: &str, text: &str) -> Result<(), ConfigurationError> {
        self.text(key.into(), text, Origin::Default)
    }

    pub(super) fn file(&mut self, path: &Path, text: &str) -> Result<(), ConfigurationError> {
        let table: Table =
            text.parse()
                .map_err(|error: toml::de::Error| ConfigurationError::Syntax {
                    path: path.into(),
                    reason: error.to_string(),
                })?;
        let mut values = Vec::new();
        flatten("", table, &mut |key, value| values.push((key, value)));
        for (key, value) in values {
            self.set(key, value, Origin::File(path.into()))?;
        }
        Ok(())
    }

    /// Takes the variables that name a member; says nothing about others, which may be meant for other programs.
    pub(super) fn environment(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), ConfigurationError> {
        let names: BTreeMap<String, String> = self
            .0
            .keys()
            .map(|key| {
                (
                    format!("{PREFIX}{}", key.to_uppercase().replace('.', "_")),
                    key.clone(),
                )
            })
            .collect();
        for (variable, text) in variables {
            if let Some(key) = names.get(&variable) {
                self.text(key.clone(), &text, Origin::Environment(variable))?;
            }
        }
        Ok(())
    }

    pub(super) fn flag(
        &mut self,
        flag: &str,
        key: &str,
        text: &str,
    ) -> Result<(), ConfigurationError> {
        self.text(key.into(), text, Origin::Flag(flag.into()))
    }

    /// A value written as a text, read as the kind of value its member has.
    fn text(&mut self, key: String, text: &str, origin: Origin) -> Result<(), ConfigurationError> {
        let refuse = |reason: &str| ConfigurationError::Value {
            key: key.clone(),
            value: format!("`{text}`"),
            origin: origin.clone(),
            reason: reason.into(),
        };
        let value = match self.0.get(&key).map(|(value, _)| value) {
            Some(Value::Integer(_)) => Value::Integer(
                text.trim()
                    .parse()
                    .map_err(|_| refuse("expected a whole number"))?,
            ),
            Some(Value::Float(_)) => Value::Float(
                text.trim()
                    .parse()
                    .map_err(|_| refuse("expected a number"))?,
            ),
            Some(Value::Boolean(_)) => Value::Boolean(
                text.trim()
                    .parse()
                    .map_err(|_| refuse("expected `true` or `false`"))?,
            ),
            _ => Value::String(text.into()),
        };
        self.set(key, value, origin)
    }

    fn set(&mut self, key: String, value: Value, origin: Origin) -> Result<(), ConfigurationError> {
        match self.0.get_mut(&key) {
            None => Err(ConfigurationError::Unknown { key, origin }),
            Some(place) => {
                let value = match (&place.0, value) {
                    (Value::Float(_), Value::Integer(whole)) => Value::Float(whole as f64),
                    (_, value) => value,
                };
                *place = (value, origin);
                Ok(())
            }
        }
    }

    /// The document, each value judged by itself so that a refusal can say who is to blame.
    pub(super) fn into_document(self) -> Result<(Document, Vec<Entry>), ConfigurationError> {
        for (key, (value, origin)) in &self.0 {
            if let Err(error) = Document::deserialize_from(&nested(std::iter::once((key, value)))) {
                return Err(ConfigurationError::Value {
                    key: key.clone(),
                    value: format!("`{}`", shown(value)),
                    origin: origin.clone(),
                    reason: error.message().to_owned(),
                });
            }
        }
        let all = nested(self.0.iter().map(|(key, (value, _))| (key, value)));
        let document = Document::deserialize_from(&all).expect("each of its values is sound");
        let entries = self
            .0
            .into_iter()
            .map(|(key, (value, origin))| Entry {
                key,
                value: value.to_string(),
                origin,
            })
            .collect();
        Ok((document, entries))
    }
}

impl Document {
    fn deserialize_from(table: &Table) -> Result<Document, toml::de::Error> {
        table.clone().try_into()
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn flatten(prefix: &str, table: Table, take: &mut impl FnMut(String, Value)) {
    for (name, value) in table {
        let key = if prefix.is_empty() {
            name
        } else {
            format!("{prefix}.{name}")
        };
        match value {
            Value::Table(section) => flatten(&key, section, take),
            value => take(key, value),
        }
    }
}

fn nested<'v>(values: impl Iterator<Item = (&'v String, &'v Value)>) -> Table {
    let mut table = Table::new();
    for (key, value) in values {
        match key.split_once('.') {
            None => {
                table.insert(key.clone(), value.clone());
            }
            Some((section, name)) => {
                let section = table
                    .entry(section)
                    .or_insert_with(|| Value::Table(Table::new()));
                if let Value::Table(section) = section {
                    section.insert(name.into(), value.clone());
                }
            }
        }
    }
    table
}
