//! The tokens of a row.

use std::collections::BTreeMap;

use hyaline_model::graph::text::{Case, Tokenizer};
use hyaline_model::graph::{Graph, Op, ValueId};
use hyaline_model::{Batch, Column, ElementType, Model};

use super::Part;

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The text feature, by position.
    pub feature: usize,
    /// As the caller wrote it.
    pub text: String,
    /// First byte, and the one after the last.
    pub bytes: (usize, usize),
    /// The same in characters (Unicode scalar values).
    pub characters: (usize, usize),
}

/// What makes tokens of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The model.
    Model,
    /// Runs of letters, digits and `_`, because the model works on single characters or in a way that is not known.
    Words,
}

/// The tokens of every text feature of the only row of `row`, or its distinct words, and what made them.
pub(super) fn parts(model: &Model, row: &Batch, words: bool) -> (Vec<Part>, Vec<Source>) {
    let mut parts = Vec::new();
    let mut sources = Vec::new();
    for (feature, column) in row.columns().iter().enumerate() {
        let Column::Texts(texts) = column else {
            continue;
        };
        let text = &texts[0];
        let found = tokenizer(model.graph(), feature as u32);
        sources.push(if found.is_some() {
            Source::Model
        } else {
            Source::Words
        });
        let spans = match found {
            Some((tokenizer, case)) => {
                // Another case has other bytes, yet as many characters.
                let cased = case.map_or_else(|| text.clone(), |case| case.apply(text));
                let spans = tokenizer.tokens(&cased);
                let spans = spans.into_iter().map(|(start, end)| {
                    let first = cased[..start].chars().count();
                    (first, first + cased[start..end].chars().count())
                });
                spans.collect()
            }
            None => word_spans(text),
        };
        let mut of_word: BTreeMap<&str, usize> = BTreeMap::new();
        let offsets: Vec<usize> = text
            .char_indices()
            .map(|(at, _)| at)
            .chain([text.len()])
            .collect();
        for (first, end) in spans {
            let bytes = (offsets[first], offsets[end]);
            let own = &text[bytes.0..bytes.1];
            let token = Token {
                feature,
                text: own.to_owned(),
                bytes,
                characters: (first, end),
            };
            match of_word.get(own) {
                Some(&at) if words => {
                    if let Part::Tokens(tokens) = &mut parts[at] {
                        tokens.push(token);
                    }
                }
                _ => {
                    of_word.insert(own, parts.len());
                    parts.push(Part::Tokens(vec![token]));
                }
            }
        }
    }
    (parts, sources)
}

/// Runs of letters, digits and `_`, by characters.
fn word_spans(text: &str) -> Vec<(usize, usize)> {
    let mut spans = Vec::new();
    let mut start = None;
    let mut count = 0;
    for letter in text.chars() {
        let inside = letter.is_alphanumeric() || letter == '_';
        match (start, inside) {
            (None, true) => start = Some(count),
            (Some(first), false) => {
                spans.push((first, count));
                start = None;
            }
            _ => {}
        }
        count += 1;
    }
    spans.extend(start.map(|first| (first, count)));
    spans
}

/// The tokenizer that a text feature meets first, and the case the text has there; `None` when it takes characters.
fn tokenizer(graph: &Graph, feature: u32) -> Option<(&Tokenizer, Option<Case>)> {
    let parts = graph.parts();
    let mut cases: BTreeMap<ValueId, Option<Case>> = BTreeMap::new();
    for (index, input) in parts.inputs.iter().enumerate() {
        let features = input.first_feature..input.first_feature + input.features;
        if input.element_type == ElementType::Text && features.contains(&feature) {
            cases.insert(ValueId(index as u32), None);
        }
    }
    for (index, node) in parts.nodes.iter().enumerate() {
        let Some(case) = node
            .inputs
            .iter()
            .flatten()
            .find_map(|id| cases.get(id))
            .copied()
        else {
            continue;
        };
        let case = match &node.op {
            Op::Tokenizer(tokenizer) if tokenizer.is_by_character() => return None,
            Op::Tokenizer(tokenizer) => return Some((tokenizer, case)),
            Op::StringNormalizer(normalizer) => Some(normalizer.case),
            _ => case,
        };
        cases.extend(graph.outputs_of(index).map(|id| (id, case)));
    }
    None
}
