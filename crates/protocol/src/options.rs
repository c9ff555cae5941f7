//! What a caller may say about an explanation, in a query or in JSON parameters.

use hyaline_explain::{Method, OutputSpace, Request};

use crate::Refusal;
use crate::json::Json;

/// How to explain, and how much of it to show.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Options {
    /// Method and unit; the function's own where nothing is said.
    pub(crate) request: Request,
    /// Show this many attributions, the largest first, and the sum of the others.
    pub(crate) top: Option<usize>,
    /// Whether to add Shapley interaction values.
    pub(crate) interactions: bool,
    /// Whether to measure how good the explanations are.
    pub(crate) check: bool,
}

/// The name that leaves the method to the function.
const AUTO: &str = "auto";

/// Most coalitions a request may ask for.
const MOST_SAMPLES: u32 = 1_000_000;

const SPACES: [(&str, OutputSpace); 2] = [
    ("margin", OutputSpace::Margin),
    ("probability", OutputSpace::Probability),
];

/// The space's name in requests and answers.
pub(crate) fn space_name(space: OutputSpace) -> &'static str {
    match space {
        OutputSpace::Margin => "margin",
        OutputSpace::Probability => "probability",
    }
}

/// The space that requests call `name`.
///
/// # Errors
/// When there is none, with those there are.
pub(crate) fn space_of(name: &str) -> Result<OutputSpace, Refusal> {
    let known = SPACES.iter().find(|(known, _)| *known == name);
    let names = SPACES.iter().map(|(name, _)| *name);
    known
        .map(|(_, space)| *space)
        .ok_or_else(|| unknown_value("space", name, names))
}

impl Options {
    /// Reads the query of an explanation: `method`, `space`, `top`, `interactions`, `seed`,
    /// `samples`, `tolerance`, `check`.
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

    /// Refuses interactions and figures of quality where the protocol has no place for them.
    ///
    /// # Errors
    /// When they are asked for.
    pub(crate) fn without_additions(self) -> Result<Options, Refusal> {
        if self.interactions {
            return Err(Refusal::unsupported(
                "this protocol has no place for interaction values; ask /explain?interactions=true"
                    .to_owned(),
            ));
        }
        if self.check {
            return Err(Refusal::unsupported(
                "this protocol has no place for figures of quality; ask /explain?check=true",
            ));
        }
        Ok(self)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        match name {
            "method" => {
                self.request.method = Method::from_name(value);
                if value == "lime" {
                    return Err(Refusal::unsupported(
                        "this protocol has no place for LIME; ask /explain?method=lime".to_owned(),
                    ));
                }
                if self.request.method.is_none() && value != AUTO {
                    let known = Method::ALL.into_iter().map(Method::name);
                    let known = [AUTO].into_iter().chain(known).chain(["lime"]);
                    return Err(unknown_value(name, value, known));
                }
            }
            "space" => {
                self.request.space = Some(space_of(value)?);
            }
            "top" => {
                let top = value.parse().ok().filter(|&top: &usize| top > 0);
                self.top =
                    Some(top.ok_or_else(|| not_a_count(name, value, "a whole number from 1"))?);
            }
            "interactions" => self.interactions = truth(name, value)?,
            "check" => self.check = truth(name, value)?,
            // Exact methods draw nothing; what is said about a draw is checked and changes nothing.
            "seed" => {
                let seed = value.parse().ok();
                self.request.seed =
                    seed.ok_or_else(|| not_a_count(name, value, "a whole number from 0"))?;
            }
            "samples" => {
                let samples = value.parse().ok();
                self.request.samples = Some(
                    samples
                        .filter(|samples| (1..=MOST_SAMPLES).contains(samples))
                        .ok_or_else(|| {
                            not_a_count(name, value, "a whole number from 1 to 1000000")
                        })?,
                );
            }
            "tolerance" => {
                let tolerance = value.parse().ok();
                self.request.tolerance = Some(
                    tolerance
                        .filter(|tolerance| *tolerance > 0.0 && *tolerance < 1.0)
                        .ok_or_else(|| not_a_count(name, value, "a number between 0 and 1"))?,
                );
            }
            _ => {
                return Err(Refusal::bad_request(format!(
                    "unknown parameter `{name}`; an explanation takes `method`, `space`, `top`, `interactions`, `seed`, \
                     `samples`, `tolerance`, `check`"
                )));
            }
        }
        Ok(())
    }
}

/// Name and value of each part of a query. No name or value of ours needs percent-encoding.
fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
}

fn truth(name: &str, value: &str) -> Result<bool, Refusal> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(unknown_value(name, value, ["true", "false"].into_iter())),
    }
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
