//! Commands that speak to a running host over its control API.

mod aliases;
mod client;
mod deploy;
mod events;
mod functions;
mod keys;
mod registry;
mod settings;
mod terms;
mod usage;

pub(crate) use aliases::{Alias, Rollback, Traffic, alias, rollback, traffic};
pub(crate) use client::{Client, Host};
pub(crate) use deploy::{Deploy, deploy};
pub(crate) use events::{Events, events};
pub(crate) use functions::{
    Functions, Named, Remove, Resume, Versions, disable, enable, functions, remove, resume,
    versions,
};
pub(crate) use keys::{Keys, keys};
pub(crate) use registry::{Pull, Push, pull, push};
pub(crate) use settings::{Settings, settings};
pub(crate) use usage::{Budgets, Usage, budgets, usage};

use std::io::Write;

use anyhow::Result;
use serde::Serialize;

/// Writes a document for programs.
fn print_json(document: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(document)?;
    print(&format!("{text}\n"))
}

fn print(text: &str) -> Result<()> {
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}

/// A text that others wrote, without what a terminal would obey.
fn plain(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_control() {
                '\u{fffd}'
            } else {
                character
            }
        })
        .collect()
}

/// A moment for people: UTC, to the second.
fn moment(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// US dollars for people: four significant digits, never in scientific notation, at least a picodollar.
fn dollars(usd: f64) -> String {
    const LONGEST: i32 = 12;
    if usd == 0.0 || !usd.is_finite() {
        return usd.to_string();
    }
    let digits = (3 - usd.abs().log10().floor() as i32).clamp(2, LONGEST);
    let text = format!("{usd:.*}", digits as usize);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.trim_start_matches('-') == "0" {
        return format!("<{:.*}", LONGEST as usize, 1e-12);
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_has_four_digits_and_no_exponent() {
        for (usd, text) in [
            (0.0, "0"),
            (0.000_000_123_46, "0.0000001235"),
            (1.5, "1.5"),
            (1234.567, "1234.57"),
            (2e-13, "<0.000000000001"),
            (0.1 + 0.2, "0.3"),
        ] {
            assert_eq!(dollars(usd), text);
        }
    }

    #[test]
    fn texts_of_others_command_no_terminal() {
        assert_eq!(
            plain("red \u{1b}[31m\n\u{9b}2J ok"),
            "red \u{fffd}[31m\u{fffd}\u{fffd}2J ok"
        );
    }
}
