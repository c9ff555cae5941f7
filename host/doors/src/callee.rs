//! What a door must know of the function behind it.

use hyaline_control::{FunctionName, VersionNumber};
use serde::Deserialize;
use serde_json::value::RawValue;

/// One version of a function, as doors see it. Reading the card takes time in proportion to its length, so a host makes
/// this once per loaded version and keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callee {
    function: FunctionName,
    version: VersionNumber,
    model: String,
    model_version: Option<String>,
    positive: Option<String>,
}

#[derive(Default, Deserialize)]
struct Card {
    name: Option<String>,
    version: Option<String>,
    positive: Option<Box<RawValue>>,
}

impl Callee {
    /// `card` is the JSON of the component's `hyaline:card` section. Without one, or with one that cannot be read, the
    /// function goes by the name it has on the host.
    pub fn new(function: FunctionName, version: VersionNumber, card: Option<&str>) -> Self {
        let card: Card = card
            .and_then(|card| serde_json::from_str(card).ok())
            .unwrap_or_default();
        let positive = card.positive.map(|label| {
            serde_json::from_str::<String>(label.get()).unwrap_or_else(|_| label.get().to_owned())
        });
        Callee {
            model: card.name.unwrap_or_else(|| function.as_str().to_owned()),
            model_version: card.version,
            positive,
            function,
            version,
        }
    }

    /// Its name on the host.
    pub fn function(&self) -> &FunctionName {
        &self.function
    }

    /// Its version on the host.
    pub fn version(&self) -> VersionNumber {
        self.version
    }

    /// The name it has in its own paths, given when it was packed.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The version it says of itself, given when it was packed.
    pub fn model_version(&self) -> Option<&str> {
        self.model_version.as_deref()
    }

    /// The class that a binary classifier's explanations speak about, as a text.
    pub(crate) fn positive(&self) -> Option<&str> {
        self.positive.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn callee(card: Option<&str>) -> Callee {
        let name = FunctionName::new("credit-live").unwrap();
        Callee::new(name, VersionNumber::FIRST, card)
    }

    #[test]
    fn the_card_says_what_the_function_calls_itself() {
        let callee = callee(Some(
            r#"{"name":"credit","version":"1.2","positive":"good","golden":{"rows":[{}]}}"#,
        ));
        assert_eq!(callee.function().as_str(), "credit-live");
        assert_eq!(callee.model(), "credit");
        assert_eq!(callee.model_version(), Some("1.2"));
        assert_eq!(callee.positive(), Some("good"));
    }

    #[test]
    fn without_a_card_the_name_on_the_host_is_used() {
        for card in [None, Some("{}"), Some("no JSON"), Some("[1]")] {
            assert_eq!(callee(card).model(), "credit-live", "{card:?}");
        }
        assert_eq!(callee(Some(r#"{"positive":1}"#)).positive(), Some("1"));
    }
}
