//! Tokens and cases against ONNX Runtime's, out of `tests/fixtures/text`.

use hyaline_model::graph::text::{Case, Separation, Tokenizer};
use serde_json::Value;

use super::pattern::compile;

fn fixture(name: &str) -> Value {
    let path = format!(
        "{}/../../tests/fixtures/text/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    serde_json::from_slice(&std::fs::read(path).expect("a fixture")).expect("JSON")
}

fn texts(values: &Value) -> Vec<&str> {
    let values = values.as_array().into_iter().flatten();
    values.map(|text| text.as_str().expect("a text")).collect()
}

fn tokenizer(case: &Value) -> Result<Tokenizer, String> {
    let separation = match (&texts(&case["separators"])[..], case["tokenexp"].as_str()) {
        (_, Some(expression)) => Separation::Tokens(compile(expression)?),
        ([""], _) => Separation::Characters,
        (separators, _) => Separation::Separators(
            separators
                .iter()
                .map(|one| compile(one))
                .collect::<Result<_, _>>()?,
        ),
    };
    let shortest = case["mincharnum"].as_u64().unwrap_or(1) as u32;
    Tokenizer::new(separation, shortest, false, String::new())
}

/// Patterns that ONNX Runtime takes and we do not, and the words.
const REFUSED: &[(&str, &str)] = &[
    (r"\d+|\pL+", "a class by Unicode property"),
    (r"(?m)^\w+", "the flag MultiLine, which is not known here"),
    (r"\s*", "one that may match no character"),
    (r"\b", "one that may match no character"),
];

#[test]
fn tokens_are_those_of_onnx_runtime() {
    let fixture = fixture("tokens");
    let sentences = texts(&fixture["texts"]);
    let mut wrong = Vec::new();
    for case in fixture["patterns"].as_array().expect("patterns") {
        let pattern = case["tokenexp"].as_str().or(case["separators"][0].as_str());
        let refused = REFUSED
            .iter()
            .find(|(refused, _)| Some(*refused) == pattern);
        match (tokenizer(case), case["tokens"].as_array(), refused) {
            (Err(error), _, Some((_, words))) if error.contains(words) => {}
            (Err(_), None, None) => {}
            (Ok(tokenizer), Some(rows), None) => {
                for (sentence, row) in sentences.iter().zip(rows) {
                    let found: Vec<&str> = tokenizer
                        .tokens(sentence)
                        .into_iter()
                        .map(|(start, end)| &sentence[start..end])
                        .collect();
                    if found != texts(row) {
                        wrong.push(format!(
                            "{pattern:?} in {sentence:?}: {found:?}, expected {row}"
                        ));
                    }
                }
            }
            (made, ..) => wrong.push(format!("{pattern:?}: {made:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Letters that came with Unicode 16 and 17, which the C library that answered did not have.
const NEWER: &[(char, char)] = &[
    ('\u{19b}', '\u{19b}'),
    ('\u{264}', '\u{264}'),
    ('\u{1c89}', '\u{1c8a}'),
    ('\u{a7cb}', '\u{a7dc}'),
    ('\u{10d50}', '\u{10d85}'),
    ('\u{16ea0}', '\u{16ed3}'),
];

#[test]
fn every_character_changes_its_case_as_in_onnx_runtime() {
    let fixture = fixture("cases");
    let mut wrong = Vec::new();
    for (case, changed) in [
        (Case::Lower, &fixture["LOWER"]),
        (Case::Upper, &fixture["UPPER"]),
    ] {
        for letter in '\u{1}'..=char::MAX {
            if NEWER
                .iter()
                .any(|(first, last)| (first..=last).contains(&&letter))
            {
                continue;
            }
            let letter = letter.to_string();
            let expected = changed[&letter].as_str().unwrap_or(&letter);
            let found = case.apply(&letter);
            if found != expected {
                wrong.push(format!(
                    "{case:?} {letter:?}: {found:?}, expected {expected:?}"
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} characters: {}",
        wrong.len(),
        wrong.join("\n")
    );
}
