//! Lowering of the operators on text.

mod columns;
mod pattern;

use hyaline_model::ElementType;
use hyaline_model::graph::Op;
use hyaline_model::graph::dense::Identity;
use hyaline_model::graph::text::{
    Case, Counting, Grams, Separation, StringNormalizer, TfIdfVectorizer, Tokenizer, Vocabulary,
};

pub(super) use columns::{Columns, FreeText};

use super::builder::{Builder, Value};
use super::node::Node;
use super::shorten;
use crate::ImportError;

/// Operators that look inside text.
const OPERATORS: &[&str] = &[
    "RegexFullMatch",
    "StringConcat",
    "StringNormalizer",
    "StringSplit",
    "TfIdfVectorizer",
    "Tokenizer",
];

/// Whether the operator looks inside text.
pub(super) fn recognises(op: &str) -> bool {
    OPERATORS.contains(&op)
}

/// Adds what the operator `node` does to `graph`; one value per output comes back.
///
/// # Errors
/// [`ImportError::Unsupported`] for operators, variants and patterns that cannot run, [`ImportError::Invalid`] for
/// attributes that contradict each other.
pub(super) fn lower(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    let made = match node.op() {
        "StringNormalizer" => normalizer(node, graph),
        "Tokenizer" => tokenizer(node, graph),
        "TfIdfVectorizer" => vectorizer(node, graph),
        _ => Err(node.unsupported(
            "of the operators on text, only StringNormalizer, Tokenizer and TfIdfVectorizer run; do this before the model",
        )),
    };
    Ok(vec![made?])
}

/// A text operand: of an input, changed in shape at most.
fn operand(node: &Node<'_>, graph: &Builder) -> Result<Value, ImportError> {
    let x = node.operand(0)?;
    match graph.element_type(x) {
        ElementType::Text => Ok(x),
        ElementType::Symbol => Err(node.unsupported(
            "text that is compared or made by the model; only an input's text can be looked into",
        )),
        other => Err(node.invalid(format!("{other:?}, expected text"))),
    }
}

fn normalizer(node: &Node<'_>, graph: &mut Builder) -> Result<Value, ImportError> {
    let x = operand(node, graph)?;
    if !node.texts("stopwords")?.is_empty() {
        return Err(node.unsupported(
            "attribute `stopwords`, which drops whole rows; leave such words out of the vectoriser's vocabulary instead",
        ));
    }
    let case = match node.text("case_change_action")?.unwrap_or("NONE") {
        "NONE" => return graph.push(node, Identity, &[x]),
        "LOWER" => Case::Lower,
        "UPPER" => Case::Upper,
        other => {
            return Err(node.invalid(format!(
                "attribute `case_change_action` is `{}`, expected LOWER, UPPER or NONE",
                shorten(other)
            )));
        }
    };
    graph.push(node, StringNormalizer { case }, &[x])
}

fn tokenizer(node: &Node<'_>, graph: &mut Builder) -> Result<Value, ImportError> {
    let x = operand(node, graph)?;
    let compile = |expression: &str| {
        pattern::compile(expression).map_err(|reason| node.unsupported(shorten(&reason)))
    };
    let separation = match node.texts("separators")?[..] {
        [] => match node.text("tokenexp")? {
            None | Some("") => {
                return Err(node.invalid("neither `separators` nor `tokenexp`"));
            }
            Some(expression) => Separation::Tokens(compile(expression)?),
        },
        [""] => Separation::Characters,
        ref separators => Separation::Separators(
            separators
                .iter()
                .map(|separator| compile(separator))
                .collect::<Result<_, _>>()?,
        ),
    };
    let shortest = u32::try_from(node.int("mincharnum", 1)?)
        .map_err(|_| node.invalid("attribute `mincharnum` is no positive number"))?;
    let op = Tokenizer::new(
        separation,
        shortest,
        node.flag("mark", false)?,
        node.text("pad_value")?.unwrap_or_default().to_owned(),
    )
    .map_err(|reason| node.unsupported(reason))?;
    graph.push(node, op, &[x])
}

fn vectorizer(node: &Node<'_>, graph: &mut Builder) -> Result<Value, ImportError> {
    let counting = match node.text("mode")? {
        Some("TF") => Counting::Tf,
        Some("IDF") => Counting::Idf,
        Some("TFIDF") => Counting::TfIdf,
        other => {
            return Err(node.invalid(format!(
                "attribute `mode` is `{}`, expected TF, IDF or TFIDF",
                shorten(other.unwrap_or_default())
            )));
        }
    };
    let number = |name: &str, value: i64| {
        u32::try_from(value).map_err(|_| {
            node.invalid(format!(
                "attribute `{name}` holds {value}, expected 0 or more"
            ))
        })
    };
    let numbers = |name: &str| -> Result<Vec<u32>, ImportError> {
        node.ints(name)?
            .iter()
            .map(|&value| number(name, value))
            .collect()
    };
    let (texts, integers) = (node.texts("pool_strings")?, node.ints("pool_int64s")?);
    let vocabulary = match (texts.is_empty(), integers.is_empty()) {
        (false, true) => {
            operand(node, graph)?;
            Vocabulary::Texts(texts.into_iter().map(str::to_owned).collect())
        }
        (true, false) => Vocabulary::Integers(integers.to_vec()),
        _ => {
            return Err(node.invalid("either `pool_strings` or `pool_int64s` is needed"));
        }
    };
    let grams = Grams {
        vocabulary,
        starts: numbers("ngram_counts")?,
        columns: numbers("ngram_indexes")?,
        shortest: number("min_gram_length", node.int("min_gram_length", 1)?)?,
        longest: number("max_gram_length", node.int("max_gram_length", 1)?)?,
        skips: number("max_skip_count", node.int("max_skip_count", 0)?)?,
    };
    let weights = node.floats("weights")?.to_vec();
    let op =
        TfIdfVectorizer::new(grams, counting, weights).map_err(|reason| node.invalid(reason))?;
    let x = node.operand(0)?;
    if let Some(tokenizer) = maker(graph, x)
        && op.knows(tokenizer.padding())
    {
        return Err(node.unsupported(format!(
            "counting the padding `{}`, of which there is the more the longer the texts beside; give the Tokenizer another `pad_value`",
            tokenizer.padding()
        )));
    }
    graph.push(node, op, &[x])
}

/// The operator that made the tokens.
fn maker(graph: &Builder, mut tokens: Value) -> Option<&Tokenizer> {
    loop {
        match graph.maker(tokens)? {
            (Op::Tokenizer(tokenizer), _) => return Some(tokenizer),
            (Op::Flatten(_) | Op::Reshape(_) | Op::Squeeze(_), operands) => {
                tokens = operands.first().copied().flatten()?;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests;
