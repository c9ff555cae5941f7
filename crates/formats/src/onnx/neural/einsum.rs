//! The equation of an Einsum.

use hyaline_model::graph::neural::Einsum;

use super::rank;
use crate::ImportError;
use crate::onnx::builder::{Builder, Value};
use crate::onnx::node::Node;

pub(super) fn lower(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    let equation = node.text("equation")?.unwrap_or_default();
    let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let invalid = || node.invalid(format!("the equation `{equation}`"));
    let (left, right) = match equation.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (equation.as_str(), None),
    };
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != node.operands.len() {
        return Err(invalid());
    }
    let mut widest = 0;
    let mut operands = Vec::with_capacity(terms.len());
    let mut values = Vec::with_capacity(terms.len());
    for (index, term) in terms.iter().enumerate() {
        let value = node.operand(index)?;
        let rank = rank(node, graph, value)?;
        let named = term.bytes().filter(u8::is_ascii_alphabetic).count();
        let dots = rank.checked_sub(named).ok_or_else(invalid)?;
        widest = widest.max(dots);
        operands.push(
            letters(term, dots, dots)
                .filter(|l| l.len() == rank)
                .ok_or_else(invalid)?,
        );
        values.push(value);
    }
    let result = match right {
        Some(right) => letters(right, widest, widest).ok_or_else(invalid)?,
        None => {
            // The axes of `...`, then every letter that stands once, in order of the alphabet.
            let all = operands.concat();
            let mut once: Vec<u8> = all
                .iter()
                .copied()
                .filter(|letter| letter.is_ascii_alphabetic())
                .filter(|letter| all.iter().filter(|other| *other == letter).count() == 1)
                .collect();
            once.sort_unstable();
            (0..widest as u8).rev().chain(once).collect()
        }
    };
    let known = result
        .iter()
        .all(|letter| operands.iter().any(|own| own.contains(letter)));
    if !known {
        return Err(invalid());
    }
    Ok(vec![graph.push(
        node,
        Einsum { operands, result },
        &values,
    )?])
}

/// The letters of a term; the axes of `...` get the numbers from `dots - 1` down to 0, so that the last ones match.
fn letters(term: &str, dots: usize, most: usize) -> Option<Vec<u8>> {
    let mut letters = Vec::new();
    let (before, after) = match term.split_once("...") {
        Some((before, after)) => (before, Some(after)),
        None => (term, None),
    };
    letters.extend(before.bytes());
    if let Some(after) = after {
        letters.extend((0..dots.min(most) as u8).rev());
        letters.extend(after.bytes());
    }
    letters
        .iter()
        .all(|letter| letter.is_ascii_alphabetic() || *letter < 16)
        .then_some(letters)
}
