//! `hyaline settings`

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use hyaline_control::{FunctionName, Settings as Document};
use serde_json::{Map, Value};
use ureq::http::Method;

use super::{Client, Host, print_json};

#[derive(clap::Args)]
pub(crate) struct Settings {
    /// The function
    function: FunctionName,
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    host: Host,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Print them, which is what happens without an action
    Get,
    /// Change some of them
    Set {
        /// Such as `limits.deadline_ms=500`; the value is JSON or a text, and without one the setting is removed
        #[arg(required = true, value_name = "SETTING=VALUE")]
        assignments: Vec<Assignment>,
    },
    /// Put others in their place
    EditFrom {
        /// A file as `hyaline settings FUNCTION` prints it; `-` for standard input
        file: PathBuf,
    },
}

/// A setting and what becomes of it.
#[derive(Clone, Debug)]
pub(crate) struct Assignment {
    path: Vec<String>,
    value: Value,
}

impl FromStr for Assignment {
    type Err = anyhow::Error;
    fn from_str(text: &str) -> Result<Self> {
        let form = "write SETTING=VALUE, such as `limits.deadline_ms=500`";
        let (path, value) = text
            .split_once('=')
            .with_context(|| format!("`{text}` sets nothing; {form}"))?;
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            bail!("`{text}` names no setting; {form}");
        }
        let value = match value {
            "" => Value::Null,
            value => serde_json::from_str(value).unwrap_or_else(|_| value.into()),
        };
        Ok(Assignment { path, value })
    }
}

impl Assignment {
    /// All of them as one JSON merge patch (RFC 7396).
    pub(crate) fn merge_patch(assignments: &[Assignment]) -> Result<Value> {
        let mut patch = Map::new();
        for Assignment { path, value } in assignments {
            let (last, parents) = path.split_last().context("a setting has a name")?;
            let mut place = &mut patch;
            for parent in parents {
                let inner = place
                    .entry(parent)
                    .or_insert_with(|| Value::Object(Map::new()));
                let Value::Object(inner) = inner else {
                    bail!("`{}` is set twice", path.join("."));
                };
                place = inner;
            }
            if place.insert(last.clone(), value.clone()).is_some() {
                bail!("`{}` is set twice", path.join("."));
            }
        }
        Ok(Value::Object(patch))
    }
}

pub(crate) fn settings(arguments: &Settings) -> Result<()> {
    let client = Client::new(&arguments.host)?;
    let path = format!("/api/functions/{}/settings", arguments.function);
    let document: Document = match &arguments.action {
        None | Some(Action::Get) => client.get(&path)?,
        Some(Action::Set { assignments }) => {
            client.send(Method::PATCH, &path, &Assignment::merge_patch(assignments)?)?
        }
        Some(Action::EditFrom { file }) => {
            let (name, text) = if file.as_os_str() == "-" {
                (
                    "standard input".into(),
                    std::io::read_to_string(std::io::stdin()),
                )
            } else {
                (
                    format!("`{}`", file.display()),
                    std::fs::read_to_string(file),
                )
            };
            let text = text.with_context(|| format!("cannot read the settings in {name}"))?;
            let document: Document =
                serde_json::from_str(&text).with_context(|| format!("{name} holds no settings"))?;
            client.send(Method::PUT, &path, &document)?
        }
    };
    print_json(&document)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(texts: &[&str]) -> Result<String> {
        let assignments = texts
            .iter()
            .map(|text| text.parse())
            .collect::<Result<Vec<Assignment>>>()?;
        Ok(Assignment::merge_patch(&assignments)?.to_string())
    }

    #[test]
    fn assignments_become_a_merge_patch() {
        let texts = [
            "limits.deadline_ms=500",
            "description=Scores a=b",
            "limits.fuel=",
            "routes=[\"/credit/...\"]",
            "access.required=true",
            "budget=null",
            "mapping.request./predict={instances: rows}",
        ];
        assert_eq!(
            patch(&texts).expect("a patch"),
            r#"{"limits":{"deadline_ms":500,"fuel":null},"description":"Scores a=b","routes":["/credit/..."],"access":{"required":true},"budget":null,"mapping":{"request":{"/predict":"{instances: rows}"}}}"#
        );
    }

    #[test]
    fn settings_are_not_set_twice() {
        for texts in [["a=1", "a=2"], ["a=1", "a.b=2"], ["a.b=2", "a=1"]] {
            let error = patch(&texts).expect_err("twice").to_string();
            assert!(error.ends_with("is set twice"), "{error}");
        }
        for wrong in ["limits", "=1", "limits.=1", ".a=1"] {
            assert!(wrong.parse::<Assignment>().is_err(), "{wrong}");
        }
    }
}
