//! `key=value` lines between blank lines: the sections of a LightGBM text model.

use std::str::FromStr;

use super::invalid;
use crate::ImportError;

/// One section: its keys and values in file order, and a name for error texts.
#[derive(Debug)]
pub(super) struct Section<'a> {
    name: String,
    entries: Vec<(&'a str, &'a str)>,
}

impl<'a> Section<'a> {
    /// Takes lines up to a blank line or the end. A line without `=` is a key with an empty value.
    pub(super) fn read(name: String, lines: &mut impl Iterator<Item = &'a str>) -> Section<'a> {
        let entries = lines
            .map(|line| line.trim_end_matches('\r'))
            .take_while(|line| !line.trim().is_empty())
            .map(|line| line.split_once('=').unwrap_or((line, "")))
            .collect();
        Section { name, entries }
    }

    /// The value of `key`, if the section has it.
    pub(super) fn get(&self, key: &str) -> Option<&'a str> {
        self.entries
            .iter()
            .find(|(known, _)| *known == key)
            .map(|(_, value)| *value)
    }

    /// The number at `key`.
    pub(super) fn number<T: FromStr>(&self, key: &str) -> Result<T, ImportError> {
        let text = self.required(key)?;
        text.trim()
            .parse()
            .map_err(|_| self.invalid(format!("{key}={}: not a number of its kind", shorten(text))))
    }

    /// The `length` numbers at `key`, separated by spaces.
    pub(super) fn list<T: FromStr>(&self, key: &str, length: usize) -> Result<Vec<T>, ImportError> {
        let text = match self.get(key) {
            Some(text) => text,
            None if length == 0 => "",
            None => return Err(self.invalid(format!("{key} is missing"))),
        };
        let mut numbers = Vec::new();
        for word in text.split_ascii_whitespace() {
            let number = word.parse();
            numbers.push(number.map_err(|_| {
                self.invalid(format!(
                    "{key} holds `{}`, not a number of its kind",
                    shorten(word)
                ))
            })?);
        }
        if numbers.len() != length {
            return Err(self.invalid(format!(
                "{key} holds {} numbers, expected {length}",
                numbers.len()
            )));
        }
        Ok(numbers)
    }

    /// As [`Section::list`], but empty when the section does not have `key` or leaves it empty.
    pub(super) fn list_or_empty<T: FromStr>(
        &self,
        key: &str,
        length: usize,
    ) -> Result<Vec<T>, ImportError> {
        match self.get(key) {
            Some(text) if !text.trim().is_empty() => self.list(key, length),
            _ => Ok(Vec::new()),
        }
    }

    /// The text at `key`.
    pub(super) fn required(&self, key: &str) -> Result<&'a str, ImportError> {
        self.get(key)
            .ok_or_else(|| self.invalid(format!("{key} is missing")))
    }

    /// An error that names the section.
    pub(super) fn invalid(&self, reason: impl Into<String>) -> ImportError {
        invalid(&self.name, reason)
    }
}

/// At most 40 characters of a value, for error texts.
pub(super) fn shorten(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
