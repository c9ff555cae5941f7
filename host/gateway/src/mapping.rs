//! What is done to the JSON of requests and answers on its way through.

use std::collections::BTreeMap;

use hyaline_control::Mapping;
use serde_json::Value;

use crate::expression::{EvaluationError, Expression, ExpressionError};

/// A [`Mapping`] that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// A path does not begin with a slash.
    #[error("the path `{path}` of a mapping does not begin with `/`")]
    Path {
        /// The path.
        path: String,
    },
    /// An expression is none.
    #[error("the {direction} mapping of `{path}` cannot be used")]
    Expression {
        /// `request` or `response`.
        direction: &'static str,
        /// The path.
        path: String,
        /// What is wrong with it.
        #[source]
        source: ExpressionError,
    },
}

/// A body that cannot be mapped. A request is then answered 400, a response 502.
#[derive(Debug, thiserror::Error)]
pub enum MappingRefusal {
    /// It is not JSON.
    #[error("the body is not JSON, which the mapping of this path takes: {0}")]
    Json(#[source] serde_json::Error),
    /// It has a number that would come out as another one.
    #[error(
        "the integer {number} at byte {at} of the body has more than 64 bits, and the mapping of this path would change it; send it as a string or as a float"
    )]
    Integer {
        /// Its first digits.
        number: String,
        /// Where it begins.
        at: usize,
    },
    /// The expression gives nothing for it.
    #[error("the mapping of this path cannot take the body: {0}")]
    Evaluation(#[from] EvaluationError),
}

impl MappingRefusal {
    /// Whether the result was too long, which for a request is a 413.
    pub fn is_too_long(&self) -> bool {
        matches!(
            self,
            MappingRefusal::Evaluation(EvaluationError::Long { .. })
        )
    }
}

/// The mappings of a function, ready for calls.
#[derive(Debug, Default)]
pub struct Mappings {
    request: Vec<(Box<str>, Expression)>,
    response: Vec<(Box<str>, Expression)>,
}

impl Mappings {
    /// # Errors
    /// [`MappingError`]: a path without a slash at its beginning, or an expression that is none.
    pub fn new(settings: &Mapping) -> Result<Self, MappingError> {
        Ok(Mappings {
            request: compiled(&settings.request, "request")?,
            response: compiled(&settings.response, "response")?,
        })
    }

    /// The mapping of requests to a path, if there is one: of those whose path it ends with, the longest. `/predict` is
    /// for `/predict` and `/credit/predict`, not for `/unpredict`.
    pub fn request(&self, path: &str) -> Option<&Expression> {
        longest(&self.request, path)
    }

    /// The mapping of answers of a path, if there is one. Only answers with status 200 are mapped.
    pub fn response(&self, path: &str) -> Option<&Expression> {
        longest(&self.response, path)
    }
}

impl Expression {
    /// What the expression makes of a JSON body, as JSON of at most `longest` bytes.
    ///
    /// Integers of up to 64 bits come out as they went in; larger ones are refused, not rounded. Other numbers are read
    /// as the nearest double and come out as its shortest form, which reads as the same double again. Of a name that
    /// comes twice the last one counts. Nesting beyond 128 levels is refused. Time: the body, and at most 5,000,000
    /// steps (about a second).
    ///
    /// # Errors
    /// [`MappingRefusal`].
    pub fn map(&self, body: &[u8], longest: usize) -> Result<Vec<u8>, MappingRefusal> {
        if let Some((at, number)) = large_integer(body) {
            return Err(MappingRefusal::Integer { number, at });
        }
        let value: Value = serde_json::from_slice(body).map_err(MappingRefusal::Json)?;
        Ok(self.evaluate(&value, longest)?)
    }
}

fn compiled(
    paths: &BTreeMap<String, String>,
    direction: &'static str,
) -> Result<Vec<(Box<str>, Expression)>, MappingError> {
    let mut all: Vec<(Box<str>, Expression)> = Vec::with_capacity(paths.len());
    for (path, text) in paths {
        if !path.starts_with('/') {
            return Err(MappingError::Path { path: path.clone() });
        }
        let expression = Expression::new(text).map_err(|source| MappingError::Expression {
            direction,
            path: path.clone(),
            source,
        })?;
        all.push((path.as_str().into(), expression));
    }
    all.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
    Ok(all)
}

fn longest<'a>(mappings: &'a [(Box<str>, Expression)], path: &str) -> Option<&'a Expression> {
    mappings
        .iter()
        .find(|(suffix, _)| path.ends_with(&**suffix))
        .map(|(_, expression)| expression)
}

/// The first integer beyond 64 bits, where it begins and its first digits. serde_json would read it as a float.
fn large_integer(body: &[u8]) -> Option<(usize, String)> {
    let mut at = 0;
    while let Some(byte) = body.get(at) {
        match byte {
            b'"' => {
                at += 1;
                while let Some(byte) = body.get(at) {
                    match byte {
                        b'\\' => at += 2,
                        b'"' => break,
                        _ => at += 1,
                    }
                }
                at += 1;
            }
            b'-' | b'0'..=b'9' => {
                let rest = &body[at..];
                let length = rest
                    .iter()
                    .position(|byte| {
                        !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')
                    })
                    .unwrap_or(rest.len());
                let number = &rest[..length];
                let is_integer = !number.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
                // Eighteen digits always fit.
                if is_integer && number.len() > 18 {
                    let text = std::str::from_utf8(number).unwrap_or_default();
                    if text.parse::<i64>().is_err() && text.parse::<u64>().is_err() {
                        return Some((at, text.chars().take(40).collect()));
                    }
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(expression: &str, body: &str) -> String {
        let bytes = Expression::new(expression)
            .unwrap()
            .map(body.as_bytes(), 1 << 20)
            .unwrap_or_else(|refusal| refusal.to_string().into_bytes());
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn numbers_come_out_as_they_went_in() {
        for number in [
            "0",
            "-1",
            "9007199254740993",
            "-9007199254740993",
            "9223372036854775807",
            "-9223372036854775808",
            "18446744073709551615",
            "0.1",
            "1.5",
            "2.2250738585072014e-308",
            "1.7976931348623157e308",
            "4.35",
            "0.30000000000000004",
            "123456789012345680.0",
        ] {
            let body = format!("[{number}]");
            let out = mapped("{a: @}", &body);
            let inner = out
                .strip_prefix("{\"a\":[")
                .unwrap()
                .strip_suffix("]}")
                .unwrap();
            if number.contains(['.', 'e']) {
                let (before, after): (f64, f64) = (number.parse().unwrap(), inner.parse().unwrap());
                assert_eq!(before.to_bits(), after.to_bits(), "{number} {inner}");
                assert!(inner.contains(['.', 'e']), "a float stays one: {inner}");
            } else {
                assert_eq!(inner, number);
            }
        }
    }

    #[test]
    fn integers_beyond_64_bits_are_refused_and_not_rounded() {
        assert_eq!(
            mapped("@", "{\"18446744073709551616\": [1, 18446744073709551616]}"),
            "the integer 18446744073709551616 at byte 29 of the body has more than 64 bits, and the mapping of this path \
             would change it; send it as a string or as a float"
        );
        assert!(
            mapped("@", "-9223372036854775809")
                .starts_with("the integer -9223372036854775809 at byte 0")
        );
        assert_eq!(
            mapped("@", "[\"\\\"18446744073709551616\"]"),
            "[\"\\\"18446744073709551616\"]"
        );
        assert_eq!(
            mapped("@", "18446744073709551616.0"),
            "1.8446744073709552e+19"
        );
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for body in [
            "",
            "{",
            "nul",
            "[1,]",
            "\"\\",
            "\"a\\\"",
            "\u{feff}1",
            "1e400",
            "NaN",
            "-",
            "1 2",
        ] {
            let words = mapped("@", body);
            assert!(words.starts_with("the body is not JSON"), "{body}: {words}");
        }
        let deep = "[".repeat(100_000);
        assert!(mapped("@", &deep).starts_with("the body is not JSON"));
    }

    #[test]
    fn results_are_bounded() {
        let doubled = "[@,@]|".repeat(40) + "@";
        assert_eq!(
            mapped(&doubled, "1"),
            "the mapping of this path cannot take the body: the result has more than 1048576 bytes"
        );
        let flattened = "[@,@][]|".repeat(40) + "@";
        assert_eq!(
            mapped(&flattened, "[1]"),
            "the mapping of this path cannot take the body: evaluating the expression takes more than 5000000 steps"
        );
    }

    #[test]
    fn the_longest_path_that_fits_is_taken() {
        let settings = Mapping {
            request: [("/predict", "a"), ("/v2/predict", "b"), ("/", "c")]
                .map(|(path, expression)| (path.to_owned(), expression.to_owned()))
                .into(),
            ..Mapping::default()
        };
        let mappings = Mappings::new(&settings).unwrap();
        for (path, expected) in [
            ("/predict", Some("a")),
            ("/credit/predict", Some("a")),
            ("/credit/v2/predict", Some("b")),
            ("/unpredict", None),
            ("/predict/", Some("c")),
            ("/predicts", None),
        ] {
            assert_eq!(
                mappings.request(path).map(Expression::as_str),
                expected,
                "{path}"
            );
        }
        assert!(mappings.response("/predict").is_none());
    }

    #[test]
    fn mappings_that_cannot_be_are_refused_in_words() {
        let with = |path: &str, expression: &str| {
            Mappings::new(&Mapping {
                response: [(path.to_owned(), expression.to_owned())].into(),
                ..Mapping::default()
            })
            .unwrap_err()
        };
        assert_eq!(
            with("predict", "@").to_string(),
            "the path `predict` of a mapping does not begin with `/`"
        );
        let error = with("/predict", "{instances: rows");
        assert_eq!(
            error.to_string(),
            "the response mapping of `/predict` cannot be used"
        );
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(
            source.starts_with("`{instances: rows` is not a JMESPath expression: ")
                && source.ends_with("(line 1, column 17)"),
            "{source}"
        );
    }
}
