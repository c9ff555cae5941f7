//! What a caller may say about an explanation, in a query or in JSON parameters.

use hyaline_explain::{Method, OutputSpace, Request};

use crate::Refusal;
use crate::json::Json;

/// How to explain, and how much of it to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Method and unit; the function's own where nothing is said.
    pub(crate) request: Request,
    /// Show this many attributions, the largest first, and the sum of the others.
    pub(crate) top: Option<usize>,
    /// Whether to add Shapley interaction values.
    pub(crate) interactions: bool,
}

const METHODS: [(&str, Option<Method>); 5] = [
    ("auto", None),
    ("interventional", Some(Method::Interventional)),
    ("path-dependent", Some(Method::PathDependent)),
    ("linear", Some(Method::Linear)),
    ("enumeration", Some(Method::Enumeration)),
];

const SPACES: [(&str, OutputSpace); 2] = [
    ("margin", OutputSpace::Margin),
    ("probability", OutputSpace::Probability),
];

/// The method's name in requests and answers.
pub(crate) fn method_name(method: Method) -> &'static str {
    METHODS
        .iter()
        .find(|(_, known)| *known == Some(method))
        .map_or("auto", |(name, _)| name)
}

/// The space's name in requests and answers.
pub(crate) fn space_name(space: OutputSpace) -> &'static str {
    match space {
        OutputSpace::Margin => "margin",
        OutputSpace::Probability => "probability",
    }
}

impl Options {
    /// Reads the query of an explanation: `method`, `space`, `top`, `interactions`, `seed`.
    ///
    /// # Errors
    /// For an unknown parameter or value, with what is known.
    pub(crate) fn from_query(query: &str) -> Result<Options, Refusal> {
        let mut options = Options::default();
        for (name, value) in parameters(query) {
            options.set(name, value)?;
        }
        Ok(options)
    }

    /// Reads the same from a JSON object.
    ///
    /// # Errors
    /// As [`Options::from_query`].
    pub(crate) fn from_json(parameters: &Json<'_>) -> Result<Options, Refusal> {
        let mut options = Options::default();
        let Json::Object(members) = parameters else {
            return Err(Refusal::bad_request(format!(
                "the explanation parameters are {}; expected an object",
                parameters.describe()
            )));
        };
        for (name, value) in members {
            match value {
                Json::Null => {}
                Json::Text(text) => options.set(name, text)?,
                Json::Number(number) => options.set(name, &number.to_string())?,
                other => {
                    return Err(Refusal::bad_request(format!(
                        "parameter `{name}` is {}; expected a text or a number",
                        other.describe()
                    )));
                }
            }
        }
        Ok(options)
    }

    /// Refuses interactions where the protocol has no place for them.
    ///
    /// # Errors
    /// When they are asked for.
    pub(crate) fn without_interactions(self) -> Result<Options, Refusal> {
        if self.interactions {
            return Err(Refusal::unsupported(
                "this protocol has no place for interaction values; ask /explain?interactions=true"
                    .to_owned(),
            ));
        }
        Ok(self)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        match name {
            "method" => {
                let known = METHODS.iter().find(|(known, _)| *known == value);
                self.request.method = known
                    .ok_or_else(|| {
                        unknown_value(name, value, METHODS.iter().map(|(name, _)| *name))
                    })?
                    .1;
            }
            "space" => {
                let known = SPACES.iter().find(|(known, _)| *known == value);
                self.request.space = Some(
                    known
                        .ok_or_else(|| {
                            unknown_value(name, value, SPACES.iter().map(|(name, _)| *name))
                        })?
                        .1,
                );
            }
            "top" => {
                let top = value.parse().ok().filter(|&top: &usize| top > 0);
                self.top =
                    Some(top.ok_or_else(|| not_a_count(name, value, "a whole number from 1"))?);
            }
            "interactions" => {
                self.interactions = match value {
                    "true" => true,
                    "false" => false,
                    _ => return Err(unknown_value(name, value, ["true", "false"].into_iter())),
                };
            }
            // Exact methods draw no random numbers; a seed is checked and changes nothing.
            "seed" => {
                value
                    .parse::<u64>()
                    .map_err(|_| not_a_count(name, value, "a whole number from 0"))?;
            }
            _ => {
                return Err(Refusal::bad_request(format!(
                    "unknown parameter `{name}`; an explanation takes `method`, `space`, `top`, `interactions`, `seed`"
                )));
            }
        }
        Ok(())
    }
}

/// Refuses any query.
pub(crate) fn refuse_query(query: &str) -> Result<(), Refusal> {
    match parameters(query).next() {
        None => Ok(()),
        Some((name, _)) => Err(Refusal::bad_request(format!(
            "unknown parameter `{name}`; a prediction takes none"
        ))),
    }
}

/// Name and value of each part of a query. No name or value of ours needs percent-encoding.
fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
}

fn unknown_value<'n>(name: &str, value: &str, known: impl Iterator<Item = &'n str>) -> Refusal {
    let known: Vec<String> = known.map(|name| format!("`{name}`")).collect();
    Refusal::bad_request(format!(
        "parameter `{name}` is `{value}`; expected one of {}",
        known.join(", ")
    ))
}

fn not_a_count(name: &str, value: &str, expected: &str) -> Refusal {
    Refusal::bad_request(format!(
        "parameter `{name}` is `{value}`; expected {expected}"
    ))
}
