//! What the host remembers of a component, so that it need not open it to speak of it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a card says that the host tells others. Empty for a component without a card.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Summary {
    /// In a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// A row to try it with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) example: Option<Value>,
    /// The engine inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) engine: Option<String>,
}

impl Summary {
    /// Of a card, JSON as the packer wrote it.
    pub(crate) fn of_card(card: Option<&str>) -> Self {
        let card: Value = card
            .and_then(|card| serde_json::from_str(card).ok())
            .unwrap_or_default();
        let text = |name: &str| card[name].as_str().map(str::to_owned);
        Summary {
            description: text("description").or_else(|| text("title")),
            example: card
                .get("example")
                .filter(|example| !example.is_null())
                .cloned(),
            engine: card["engine"]["name"]
                .as_str()
                .or(card["engine"].as_str())
                .map(str::to_owned),
        }
    }

    /// As the registry keeps it.
    pub(crate) fn parse(text: &str) -> Self {
        serde_json::from_str::<Option<Summary>>(text)
            .ok()
            .flatten()
            .unwrap_or_default()
    }
}
