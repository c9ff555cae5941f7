//! The card that the packer stamped into a component.

use crate::error::LoadError;

/// The first eight bytes of a component: magic, version 13, layer 1.
const COMPONENT: [u8; 8] = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];
/// The first eight bytes of a core module: magic, version 1.
const MODULE: [u8; 8] = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

const CUSTOM_SECTION: u8 = 0;
const CARD_SECTION: &[u8] = b"hyaline:card";

/// Refuses what is not a component by its first bytes, with a text that says what it is instead.
pub(crate) fn check_preamble(name: &str, bytes: &[u8]) -> Result<(), LoadError> {
    if bytes.starts_with(&COMPONENT) {
        Ok(())
    } else if bytes.starts_with(&MODULE) {
        Err(LoadError::CoreModule { name: name.into() })
    } else {
        let start = match bytes.get(..bytes.len().min(8)) {
            None | Some([]) => "nothing at all (it is empty)".to_string(),
            Some(start) => {
                let hex: Vec<String> = start.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("`{}`", hex.join(" "))
            }
        };
        Err(LoadError::NotWasm {
            name: name.into(),
            start,
        })
    }
}

/// The content of a component's `hyaline:card` section, JSON as the packer wrote it; `None` when there is none, as in
/// a component that was not packed. `name` is for the error text.
///
/// # Errors
///
/// [`LoadError::NotWasm`] and [`LoadError::CoreModule`] for anything that is not a component, [`LoadError::Card`] when
/// the sections overrun the file, the card is not UTF-8 or there are two.
pub fn read_card<'a>(name: &str, component: &'a [u8]) -> Result<Option<&'a str>, LoadError> {
    check_preamble(name, component)?;
    let damaged = |reason: &str| LoadError::Card {
        name: name.into(),
        reason: reason.into(),
    };
    let mut rest = &component[COMPONENT.len()..];
    let mut card = None;
    while let Some((&id, after_id)) = rest.split_first() {
        let section = take_sized(after_id);
        let (content, after) =
            section.ok_or_else(|| damaged("a section before it overruns the file"))?;
        rest = after;
        if id != CUSTOM_SECTION {
            continue;
        }
        let (section_name, content) = take_sized(content)
            .ok_or_else(|| damaged("the name of a custom section overruns the section"))?;
        if section_name == CARD_SECTION {
            let text = std::str::from_utf8(content).map_err(|_| damaged("it is not UTF-8"))?;
            if card.replace(text).is_some() {
                return Err(damaged("there are two of them"));
            }
        }
    }
    Ok(card)
}

/// Splits off a byte string that starts with its length as unsigned LEB128 of at most 32 bits.
fn take_sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0u64;
    for (index, &byte) in bytes.iter().take(5).enumerate() {
        length |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return bytes[index + 1..].split_at_checked(usize::try_from(length).ok()?);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(sections: &[&[u8]]) -> Vec<u8> {
        [&COMPONENT[..], &sections.concat()].concat()
    }

    fn custom(name: &[u8], content: &[u8]) -> Vec<u8> {
        let body = [&[name.len() as u8], name, content].concat();
        [
            &[
                CUSTOM_SECTION,
                0x80 | (body.len() & 0x7f) as u8,
                (body.len() >> 7) as u8,
            ],
            &body[..],
        ]
        .concat()
    }

    #[test]
    fn finds_the_card_behind_other_sections() {
        let bytes = component(&[
            &[1, 2, 0xff, 0xff],
            &custom(b"producers", b"x"),
            &custom(b"hyaline:card", b"{}"),
        ]);
        assert_eq!(read_card("f", &bytes).unwrap(), Some("{}"));
    }

    #[test]
    fn a_component_without_a_card_has_none() {
        assert_eq!(
            read_card("f", &component(&[&custom(b"name", b"hyaline:card")])).unwrap(),
            None
        );
    }

    #[test]
    fn damage_is_named() {
        let card = custom(b"hyaline:card", b"{}");
        let check = |bytes: &[u8], expected: &str| {
            assert_eq!(read_card("f", bytes).unwrap_err().to_string(), expected);
        };
        check(
            &component(&[&card, &card]),
            "`f` carries a damaged `hyaline:card` section: there are two of them; pack it again",
        );
        check(
            &component(&[&custom(b"hyaline:card", &[0xff])]),
            "`f` carries a damaged `hyaline:card` section: it is not UTF-8; pack it again",
        );
        check(
            &component(&[&card])[..20],
            "`f` carries a damaged `hyaline:card` section: a section before it overruns the file; pack it again",
        );
        check(
            b"",
            "`f` is not WebAssembly: it starts with nothing at all (it is empty), and a component starts with `00 61 73 6d 0d 00 01 00`",
        );
        check(
            b"\x7fELF",
            "`f` is not WebAssembly: it starts with `7f 45 4c 46`, and a component starts with `00 61 73 6d 0d 00 01 00`",
        );
        check(
            &MODULE,
            "`f` is a core WebAssembly module, not a component; make a function with `hyaline pack`, or wrap the module \
             with `wasm-tools component new`",
        );
    }

    #[test]
    fn no_cut_of_a_component_panics() {
        let whole = component(&[&custom(b"hyaline:card", b"{\"name\":\"credit\"}"), &[1, 0]]);
        for end in 0..whole.len() {
            let _ = read_card("f", &whole[..end]);
        }
    }
}
