//! Operators that look values up: `OneHotEncoder`, `LabelEncoder`, `CategoryMapper`.

use hyaline_model::graph::ml::{LabelEncoder, OneHotEncoder};
use hyaline_model::{Data, ElementType};

use super::{Builder, DEFAULT_TEXT, Node, Value};
use crate::ImportError;

pub(super) fn one_hot(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    let accepts_unseen = node.int("zeros", 1)? != 0;
    let encoder = match (
        node.ints("cats_int64s")?,
        node.texts("cats_strings")?.as_slice(),
    ) {
        ([], texts) => OneHotEncoder::symbols(
            texts.iter().map(|text| node.symbol(text)).collect(),
            accepts_unseen,
        ),
        (integers, []) => OneHotEncoder::integers(integers.to_vec(), accepts_unseen),
        _ => return Err(node.invalid("both `cats_int64s` and `cats_strings`")),
    };
    let encoder = encoder.map_err(|reason| node.invalid(reason))?;
    Ok(vec![graph.push(node, encoder, &[node.operand(0)?])?])
}

/// Version 1 numbers a list of texts; later versions hold keys and values of any two types.
pub(super) fn label_encoder(
    node: &Node<'_>,
    graph: &mut Builder,
) -> Result<Vec<Value>, ImportError> {
    if node.version < 2 {
        let texts = node.texts("classes_strings")?;
        let numbers: Vec<i64> = (0..texts.len() as i64).collect();
        return between_text_and_integers(node, graph, &texts, &numbers);
    }
    let (mut keys, mut values) = (listed(node, "keys")?, listed(node, "values")?);
    if keys.len() != values.len() {
        return Err(node.invalid(format!(
            "{} keys and {} values, expected as many of both",
            keys.len(),
            values.len()
        )));
    }
    // Before version 4, ONNX Runtime compares floats as numbers: a NaN key is never found.
    if node.version < 4
        && let Data::F32(numbers) = &keys
    {
        let found: Vec<usize> = (0..numbers.len())
            .filter(|&index| !numbers[index].is_nan())
            .collect();
        (keys, values) = (at(&keys, &found), at(&values, &found));
    }
    let default = default(node, values.element_type())?;
    lookup(node, graph, &keys, values, default)
}

pub(super) fn category_mapper(
    node: &Node<'_>,
    graph: &mut Builder,
) -> Result<Vec<Value>, ImportError> {
    let (texts, integers) = (node.texts("cats_strings")?, node.ints("cats_int64s")?);
    if texts.len() != integers.len() {
        return Err(node.invalid(format!(
            "{} cats_strings and {} cats_int64s, expected as many of both",
            texts.len(),
            integers.len()
        )));
    }
    between_text_and_integers(node, graph, &texts, integers)
}

/// Text operands become integers, integer operands become texts. Of equal keys the last counts.
fn between_text_and_integers(
    node: &Node<'_>,
    graph: &mut Builder,
    texts: &[&str],
    integers: &[i64],
) -> Result<Vec<Value>, ImportError> {
    let texts = Data::Symbol(texts.iter().rev().map(|text| node.symbol(text)).collect());
    let integers = Data::I64(integers.iter().rev().copied().collect());
    let to_integers = graph.element_type(node.operand(0)?) == ElementType::Symbol;
    let (keys, values) = if to_integers {
        (texts, integers)
    } else {
        (integers, texts)
    };
    let default = default(node, values.element_type())?;
    lookup(node, graph, &keys, values, default)
}

fn lookup(
    node: &Node<'_>,
    graph: &mut Builder,
    keys: &Data,
    values: Data,
    default: Data,
) -> Result<Vec<Value>, ImportError> {
    let found = (values.element_type(), default.element_type());
    let values = match (values, default) {
        (Data::F32(values), Data::F32(default)) => Data::F32([values, default].concat()),
        (Data::F64(values), Data::F64(default)) => Data::F64([values, default].concat()),
        (Data::I64(values), Data::I64(default)) => Data::I64([values, default].concat()),
        (Data::Bool(values), Data::Bool(default)) => Data::Bool([values, default].concat()),
        (Data::Symbol(values), Data::Symbol(default)) => Data::Symbol([values, default].concat()),
        _ => {
            return Err(node.invalid(format!(
                "values of {:?} with a default of {:?}",
                found.0, found.1
            )));
        }
    };
    let encoder = LabelEncoder::new(keys, values).map_err(|reason| node.invalid(reason))?;
    Ok(vec![graph.push(node, encoder, &[node.operand(0)?])?])
}

/// The one of the attributes `<what>_strings`, `<what>_int64s`, `<what>_floats` and `<what>_tensor` that is there.
fn listed(node: &Node<'_>, what: &str) -> Result<Data, ImportError> {
    let mut lists = Vec::new();
    let name = |suffix: &str| format!("{what}_{suffix}");
    if node.has(&name("strings")) {
        lists.push(Data::Symbol(
            node.texts(&name("strings"))?
                .into_iter()
                .map(|text| node.symbol(text))
                .collect(),
        ));
    }
    if node.has(&name("int64s")) {
        lists.push(Data::I64(node.ints(&name("int64s"))?.to_vec()));
    }
    if node.has(&name("floats")) {
        lists.push(Data::F32(node.floats(&name("floats"))?.to_vec()));
    }
    if let Some(tensor) = node.tensor(&name("tensor"))? {
        lists.push(tensor.into_parts().1);
    }
    match (lists.pop(), lists.is_empty()) {
        (Some(list), true) => Ok(list),
        (None, _) => Err(node.invalid(format!(
            "no {what}: one of `{what}_strings`, `_int64s`, `_floats`, `_tensor` is needed"
        ))),
        (Some(_), false) => {
            Err(node.invalid(format!("{} lists of {what}, expected one", lists.len() + 1)))
        }
    }
}

/// What an unknown key becomes.
fn default(node: &Node<'_>, values: ElementType) -> Result<Data, ImportError> {
    if let Some(tensor) = node.tensor("default_tensor")? {
        return match tensor.data().len() {
            1 => Ok(tensor.into_parts().1),
            found => Err(node.invalid(format!(
                "attribute `default_tensor` has {found} elements, expected 1"
            ))),
        };
    }
    Ok(match values {
        ElementType::Symbol | ElementType::Text => Data::Symbol(vec![
            node.symbol(node.text("default_string")?.unwrap_or(DEFAULT_TEXT)),
        ]),
        ElementType::I64 => Data::I64(vec![node.int("default_int64", -1)?]),
        ElementType::F32 => Data::F32(vec![node.any_float("default_float")?.unwrap_or(-0.0)]),
        ElementType::F64 => Data::F64(vec![
            node.any_float("default_float")?.map_or(-0.0, f64::from),
        ]),
        ElementType::Bool => Data::Bool(vec![false]),
    })
}

/// The elements at `positions`, all of which exist.
fn at(data: &Data, positions: &[usize]) -> Data {
    fn pick<T: Copy>(values: &[T], positions: &[usize]) -> Vec<T> {
        positions.iter().map(|&position| values[position]).collect()
    }
    match data {
        Data::F32(values) => Data::F32(pick(values, positions)),
        Data::F64(values) => Data::F64(pick(values, positions)),
        Data::I64(values) => Data::I64(pick(values, positions)),
        Data::Bool(values) => Data::Bool(pick(values, positions)),
        Data::Symbol(values) => Data::Symbol(pick(values, positions)),
        // Constants are never free text.
        Data::Text(_) => Data::Text(Vec::new()),
    }
}
