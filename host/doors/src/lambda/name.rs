//! Names of functions as Lambda's API takes them.

use hyaline_control::{FunctionName, Qualifier};

use crate::door::{Target, Wanted};
use crate::refusal::Refusal;

/// Why a name leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NameError {
    /// No function can have this name or qualifier.
    Unknown(Refusal),
    /// The name has a qualifier, and the query has another.
    TwoQualifiers {
        /// In the name.
        in_name: String,
        /// In the query.
        given: String,
    },
}

/// The function that `text` names: `[arn:aws…:lambda:][region:][account:][function:]name[:qualifier]`.
pub(super) fn target(text: &str, qualifier: Option<&str>) -> Result<Target, NameError> {
    let unknown = || {
        NameError::Unknown(Refusal::UnknownFunction {
            function: text.to_owned(),
        })
    };
    let mut parts: Vec<&str> = text.split(':').collect();
    if let [
        "arn",
        partition,
        "lambda",
        region,
        account,
        "function",
        rest @ ..,
    ] = &parts[..]
    {
        if !partition.starts_with("aws") || !is_region(region) || !is_account(account) {
            return Err(unknown());
        }
        parts = rest.to_vec();
    } else {
        // `my-model-1:canary` is a name that looks like a region, with its qualifier.
        if parts.len() > 2 && is_region(parts[0]) {
            parts.remove(0);
        }
        for prefix in [is_account, is_word] {
            if parts.len() > 1 && prefix(parts[0]) {
                parts.remove(0);
            }
        }
    }
    let (name, in_name) = match parts[..] {
        [name] => (name, None),
        [name, qualifier] => (name, Some(qualifier)),
        _ => return Err(unknown()),
    };
    let function = match name {
        "function" => Wanted::Only,
        name => Wanted::Named(FunctionName::new(name).map_err(|_| unknown())?),
    };
    let qualifier = match (in_name, qualifier.filter(|given| !given.is_empty())) {
        (Some(in_name), Some(given)) if in_name != given => {
            return Err(NameError::TwoQualifiers {
                in_name: in_name.to_owned(),
                given: given.to_owned(),
            });
        }
        (in_name, given) => in_name.or(given),
    };
    let qualifier = match qualifier {
        None => Qualifier::default(),
        Some(text) => text.parse().map_err(|_| {
            NameError::Unknown(Refusal::UnknownVersion {
                function: name.to_owned(),
                qualifier: text.to_owned(),
            })
        })?,
    };
    Ok(Target {
        function,
        qualifier,
    })
}

fn is_word(part: &str) -> bool {
    part == "function"
}

/// `eu-central-1`, `us-gov-west-1`: letters and hyphens, one digit at the end.
fn is_region(part: &str) -> bool {
    let Some((area, number)) = part.rsplit_once('-') else {
        return false;
    };
    number.len() == 1
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && area.contains('-')
        && area
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

fn is_account(part: &str) -> bool {
    part.len() == 12 && part.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, qualifier: &str) -> Result<Target, NameError> {
        Ok(Target {
            function: Wanted::Named(FunctionName::new(name).unwrap()),
            qualifier: qualifier.parse().unwrap(),
        })
    }

    #[test]
    fn every_form_of_a_name_is_understood() {
        for (text, qualifier, expected) in [
            ("credit", None, named("credit", "live")),
            ("credit", Some(""), named("credit", "live")),
            ("credit", Some("$LATEST"), named("credit", "live")),
            ("credit", Some("3"), named("credit", "3")),
            ("credit:canary", None, named("credit", "canary")),
            ("credit:3", Some("3"), named("credit", "3")),
            ("my-model-1:canary", None, named("my-model-1", "canary")),
            ("function:credit", None, named("credit", "live")),
            (
                "123456789012:function:credit",
                None,
                named("credit", "live"),
            ),
            ("123456789012:credit:2", None, named("credit", "2")),
            (
                "eu-central-1:123456789012:function:credit:2",
                None,
                named("credit", "2"),
            ),
            (
                "arn:aws:lambda:us-gov-west-1:123456789012:function:credit:canary",
                None,
                named("credit", "canary"),
            ),
            (
                "arn:aws-cn:lambda:cn-north-1:123456789012:function:credit",
                Some("2"),
                named("credit", "2"),
            ),
        ] {
            assert_eq!(target(text, qualifier), expected, "{text} {qualifier:?}");
        }
        let only = target("function", None).unwrap();
        assert_eq!(only.function, Wanted::Only);
    }

    #[test]
    fn names_that_no_function_has_are_unknown() {
        for text in [
            "",
            "Credit",
            "my_function",
            "a:b:c",
            "arn:aws:s3:::credit",
            "arn:aws:lambda:nowhere:123456789012:function:credit",
            "arn:aws:lambda:eu-central-1:1:function:credit",
            "credit:",
        ] {
            assert!(
                matches!(target(text, None), Err(NameError::Unknown(_))),
                "{text}"
            );
        }
        assert_eq!(
            target("credit", Some("PROD")),
            Err(NameError::Unknown(Refusal::UnknownVersion {
                function: "credit".into(),
                qualifier: "PROD".into(),
            }))
        );
        assert_eq!(
            target("credit:1", Some("2")),
            Err(NameError::TwoQualifiers {
                in_name: "1".into(),
                given: "2".into(),
            })
        );
    }
}
