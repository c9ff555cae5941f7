//! What answers and documents take from the card; everything else on it is passed through unread.

use crate::json::{Json, parse};

/// Facts of the card. All are optional: a model that was not packed has an empty card.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Card {
    /// A line for people.
    pub(crate) title: Option<String>,
    /// What the function decides.
    pub(crate) description: Option<String>,
    /// What is predicted.
    pub(crate) target: Option<String>,
    /// Digest of the file that was packed.
    pub(crate) model_digest: Option<String>,
    /// Digest of the background rows.
    pub(crate) background_digest: Option<String>,
}

impl Card {
    /// Reads what it finds; a card that is no JSON object has no facts.
    pub(crate) fn read(card: &str) -> Card {
        let Ok(card) = parse(card.as_bytes()) else {
            return Card::default();
        };
        let text = |object: Option<&Json<'_>>, name: &str| {
            let text = object?.get(name)?.as_text()?;
            (!text.is_empty()).then(|| text.to_owned())
        };
        let digests = card.get("digests");
        Card {
            title: text(Some(&card), "title"),
            description: text(Some(&card), "description"),
            target: text(Some(&card), "target"),
            model_digest: text(digests, "model"),
            background_digest: text(digests, "background"),
        }
    }
}
