//! The card in the component: a custom section that any reader of Wasm finds without running anything.

use wasm_encoder::{ComponentSection, CustomSection};
use wasmparser::{Parser, Payload};

use crate::card::Card;

/// Name of the custom section that holds the card.
pub const SECTION: &str = "hyaline:card";

/// Why a component has no readable card.
#[derive(Debug, thiserror::Error)]
pub enum StampError {
    /// The bytes are no component.
    #[error("the file is not a WebAssembly component")]
    NoComponent(#[source] Option<wasmparser::BinaryReaderError>),
    /// There is no card.
    #[error("the component carries no `{SECTION}` section; it was not made by `hyaline pack`")]
    Missing,
    /// There is more than one.
    #[error("the component carries {0} `{SECTION}` sections; a function has exactly one")]
    Repeated(usize),
    /// The card is not what `pack` writes.
    #[error("the `{SECTION}` section is not valid")]
    Invalid(#[source] serde_json::Error),
}

/// `component` with `card` stamped on it.
pub(crate) fn stamp(mut component: Vec<u8>, card: &str) -> Vec<u8> {
    CustomSection {
        name: SECTION.into(),
        data: card.as_bytes().into(),
    }
    .append_to_component(&mut component);
    component
}

/// The bytes of the card of `component`; sections of nested modules and components do not count.
///
/// # Errors
/// [`StampError`] when the bytes are no component, or it has no card or several.
pub fn card_bytes(component: &[u8]) -> Result<&[u8], StampError> {
    if !Parser::is_component(component) {
        return Err(StampError::NoComponent(None));
    }
    let mut depth = 0usize;
    let mut cards = Vec::new();
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(|error| StampError::NoComponent(Some(error)))? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if depth == 0 && section.name() == SECTION => {
                cards.push(section.data())
            }
            _ => {}
        }
    }
    match cards.as_slice() {
        [] => Err(StampError::Missing),
        [card] => Ok(card),
        several => Err(StampError::Repeated(several.len())),
    }
}

/// The card of `component`.
///
/// # Errors
/// [`StampError`] when there is none, or it is not what `pack` writes.
pub fn read_card(component: &[u8]) -> Result<Card, StampError> {
    serde_json::from_slice(card_bytes(component)?).map_err(StampError::Invalid)
}

/// The component's linear memories at instantiation, in bytes.
pub(crate) fn memory_bytes(component: &[u8]) -> Result<u64, wasmparser::BinaryReaderError> {
    let mut bytes = 0;
    for payload in Parser::new(0).parse_all(component) {
        if let Payload::MemorySection(memories) = payload? {
            for memory in memories {
                let memory = memory?;
                bytes += memory.initial << memory.page_size_log2.unwrap_or(16);
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn a_stamp_is_read_back() {
        let stamped = stamp(EMPTY.to_vec(), r#"{"name":"a"}"#);
        assert_eq!(
            card_bytes(&stamped).expect("there is a card"),
            br#"{"name":"a"}"#
        );
    }

    #[test]
    fn refusals_say_what_the_file_is() {
        let twice = stamp(stamp(EMPTY.to_vec(), "{}"), "{}");
        let module = b"\0asm\x01\0\0\0".as_slice();
        for (bytes, words) in [
            (
                EMPTY,
                "the component carries no `hyaline:card` section; it was not made by `hyaline pack`",
            ),
            (
                twice.as_slice(),
                "the component carries 2 `hyaline:card` sections; a function has exactly one",
            ),
            (module, "the file is not a WebAssembly component"),
            (
                b"PK\x03\x04".as_slice(),
                "the file is not a WebAssembly component",
            ),
            (
                &twice[..twice.len() - 1],
                "the file is not a WebAssembly component",
            ),
        ] {
            assert_eq!(card_bytes(bytes).expect_err("no card").to_string(), words);
        }
    }
}
