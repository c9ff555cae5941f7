//! Single operators against ONNX Runtime's answers, and the words with which hostile ones are refused. The models and
//! answers are those of `tests/fixtures/ml_ops`, made by its `generate.py`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hyaline_model::graph::Graph;
use hyaline_model::{Batch, Column, Data, Schema, Symbols, Tensor};
use prost::Message;
use serde_json::Value as Json;

use crate::ImportOptions;
use crate::onnx::builder::{Builder, Value};
use crate::onnx::head::Bound;
use crate::onnx::proto::ModelProto;
use crate::onnx::{initializers, inputs, lower, texts};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/ml_ops")
}

/// The files of `folder` with the extension `extension`, sorted, by stem.
fn files(folder: &Path, extension: &str) -> BTreeMap<String, PathBuf> {
    let entries =
        std::fs::read_dir(folder).expect("tests/fixtures/ml_ops is there: run its generate.py");
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    let wanted = paths.filter(|path| path.extension().is_some_and(|found| found == extension));
    wanted
        .map(|path| {
            (
                path.file_stem()
                    .expect("a name")
                    .to_string_lossy()
                    .into_owned(),
                path,
            )
        })
        .collect()
}

/// The graph of a file, whatever its outputs are.
fn run(bytes: &[u8], given: &[Json]) -> Result<Vec<(Tensor, Symbols)>, String> {
    let model = ModelProto::decode(bytes).map_err(|error| error.to_string())?;
    let graph = model.graph.as_ref().expect("a graph");
    let options = ImportOptions::default();
    let symbols = texts::collect(graph, &options).map_err(|error| error.to_string())?;
    let (mut builder, mut bound) = (Builder::default(), BTreeMap::new());
    let inputs = inputs::read(&model, graph, &options, &mut builder, &mut bound)
        .map_err(|error| error.to_string())?;
    initializers(graph, &symbols, &mut builder, &mut bound).map_err(|error| error.to_string())?;
    for node in &graph.node {
        lower(node, &model, &symbols, &mut builder, &mut bound)
            .map_err(|error| error.to_string())?;
    }
    let wanted: Vec<Value> = graph
        .output
        .iter()
        .map(|output| match bound[&output.name] {
            Bound::Value(value) => value,
            ref other => panic!("{other:?}, expected a tensor"),
        })
        .collect();
    let (parts, ids) = builder.finish(&wanted);
    if given.is_empty() {
        return Ok(Vec::new());
    }
    let graph = Graph::new(parts).map_err(|error| error.to_string())?;
    let schema = Schema::new(inputs.features).map_err(|error| error.to_string())?;
    let columns = given
        .iter()
        .flat_map(|input| columns(input, &symbols))
        .collect();
    let batch = Batch::new(&schema, columns).map_err(|error| error.to_string())?;
    let made = graph.run(&batch, &ids).map_err(|error| error.to_string())?;
    Ok(made
        .into_iter()
        .map(|tensor| (tensor, symbols.clone()))
        .collect())
}

fn number(value: &Json) -> f64 {
    match value.as_str() {
        Some("inf") => f64::INFINITY,
        Some("-inf") => f64::NEG_INFINITY,
        _ => value.as_f64().unwrap_or(f64::NAN),
    }
}

fn shape(tensor: &Json) -> Vec<usize> {
    tensor["shape"]
        .as_array()
        .expect("a shape")
        .iter()
        .map(|extent| extent.as_u64().expect("an extent") as usize)
        .collect()
}

/// The columns of an input, as features.
fn columns(input: &Json, symbols: &Symbols) -> Vec<Column> {
    let data = input["data"].as_array().expect("data");
    let width = shape(input)[1];
    (0..width)
        .map(|column| {
            let values = data.iter().skip(column).step_by(width);
            match input["type"].as_str() {
                Some("string") => Column::Symbols(
                    values
                        .map(|text| symbols.symbol(text.as_str().expect("text")))
                        .collect(),
                ),
                _ => Column::Numbers(values.map(number).collect()),
            }
        })
        .collect()
}

/// What is wrong with `found`, if anything: labels and texts have to be equal, floats within 1e-5 (relative above 1).
fn difference(found: &Tensor, symbols: &Symbols, expected: &Json) -> Option<String> {
    let data = expected["data"].as_array().expect("data");
    if found.shape() != shape(expected) {
        return Some(format!(
            "shape {:?}, expected {:?}",
            found.shape(),
            shape(expected)
        ));
    }
    let floats = |found: &mut dyn Iterator<Item = f64>| {
        found
            .zip(data)
            .enumerate()
            .find_map(|(index, (found, expected))| {
                let expected = number(expected);
                let same = found == expected
                    || (found.is_nan() && expected.is_nan())
                    || (found - expected).abs() <= 1e-5 * expected.abs().max(1.0);
                (!same).then(|| format!("element {index} is {found}, expected {expected}"))
            })
    };
    match (found.data(), expected["type"].as_str()) {
        (Data::F32(values), Some("float")) => floats(&mut values.iter().map(|&x| f64::from(x))),
        (Data::F64(values), Some("double")) => floats(&mut values.iter().copied()),
        (Data::I64(values), Some("int64")) => {
            let same = values
                .iter()
                .zip(data)
                .position(|(found, expected)| Some(*found) != expected.as_i64());
            same.map(|index| {
                format!(
                    "element {index} is {}, expected {}",
                    values[index], data[index]
                )
            })
        }
        (Data::Symbol(values), Some("string")) => {
            let same = values
                .iter()
                .zip(data)
                .position(|(found, expected)| symbols.text(*found) != expected.as_str());
            same.map(|index| {
                format!(
                    "element {index} is {:?}, expected {}",
                    symbols.text(values[index]),
                    data[index]
                )
            })
        }
        (found, expected) => Some(format!("{:?}, expected {expected:?}", found.element_type())),
    }
}

#[test]
fn single_operators_equal_onnx_runtime() {
    let answers = files(&folder(), "json");
    assert!(answers.len() > 100, "{} cases", answers.len());
    let mut failures = Vec::new();
    for (name, path) in &answers {
        let answer: Json =
            serde_json::from_slice(&std::fs::read(path).expect("readable")).expect("JSON");
        let model = std::fs::read(path.with_extension("onnx")).expect("a model beside its answers");
        match run(&model, answer["inputs"].as_array().expect("inputs")) {
            Err(reason) => failures.push(format!("{name}: {reason}")),
            Ok(made) => {
                for ((found, symbols), expected) in made
                    .iter()
                    .zip(answer["outputs"].as_array().expect("outputs"))
                {
                    failures.extend(
                        difference(found, symbols, expected)
                            .map(|reason| format!("{name}: {reason}")),
                    );
                }
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {} cases:\n{}",
        failures.len(),
        answers.len(),
        failures.join("\n")
    );
}

#[test]
fn hostile_attributes_are_refused_in_words() {
    let models = files(&folder().join("refused"), "onnx");
    let mut found = String::new();
    for (name, path) in &models {
        let refusal = run(&std::fs::read(path).expect("readable"), &[]).err();
        let refusal = refusal.unwrap_or_else(|| "ACCEPTED".to_owned());
        let reason = refusal
            .split_once("node `the_node`: ")
            .map_or(refusal.as_str(), |(_, reason)| reason);
        found += &format!("{name}: {reason}\n");
    }
    let expected = include_str!("refusals.txt");
    assert!(found == expected, "the refusals are\n{found}");
}
