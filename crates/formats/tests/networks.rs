//! Whole networks answer as ONNX Runtime does, a row alone gets the bits it gets in company, and images of them read back.
//!
//! Made by `tests/fixtures/networks/make.py`.

use std::fs;
use std::path::{Path, PathBuf};

use hyaline_formats::{ImportOptions, import};
use hyaline_model::graph::Op;
use hyaline_model::{Batch, Column, FeatureKind, Head, Model, ModelParts, Tensors};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/networks")
}

fn model(name: &str) -> Model {
    let bytes = fs::read(folder().join(format!("{name}.onnx"))).expect("a network");
    let imported =
        import(&bytes, &ImportOptions::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
    let parts = ModelParts::new(
        name,
        imported.schema,
        imported.symbols,
        imported.graph,
        imported.head,
        imported.core,
    );
    let model = Model::new(parts).expect("a model");
    let image = model.to_image();
    let again = Model::from_image(&image).expect("the image reads back");
    assert!(again.to_image() == image, "{name}: the image changes");
    again
}

fn floats(values: &Value) -> Vec<f64> {
    let values = values.as_array().expect("numbers").iter();
    values.map(|x| x.as_f64().expect("a number")).collect()
}

/// The inputs' numbers, each `[rows, …]`, as columns.
fn batch(model: &Model, inputs: &[Vec<f64>], rows: usize) -> Batch {
    let mut columns = Vec::new();
    for values in inputs {
        let width = values.len() / rows;
        if let FeatureKind::Tensor(_) = model.schema().features()[columns.len()].kind {
            let values = values.iter().map(|&x| x as f32).collect();
            columns.push(Column::Tensors(Tensors::new(width, values).expect("rows")));
        } else {
            columns.extend((0..width).map(|column| {
                let cells = values.iter().skip(column).step_by(width);
                Column::Numbers(cells.copied().collect())
            }));
        }
    }
    Batch::new(model.schema(), columns).expect("a batch of the schema")
}

#[test]
fn networks_answer_as_onnx_runtime_does() {
    let mut names: Vec<String> = fs::read_dir(folder())
        .expect("the fixtures; tests/fixtures/networks/make.py makes them")
        .filter_map(|entry| {
            let name = entry.expect("an entry").file_name().into_string().ok()?;
            Some(name.strip_suffix(".onnx")?.to_owned())
        })
        .collect();
    names.sort();
    assert!(names.len() >= 11, "{names:?}");
    let mut failures = Vec::new();
    for name in names {
        let text = fs::read_to_string(folder().join(format!("{name}.json"))).expect("answers");
        let case: Value = serde_json::from_str(&text).expect("JSON");
        let rows = case["rows"].as_u64().expect("rows") as usize;
        let inputs: Vec<Vec<f64>> = case["inputs"]
            .as_array()
            .expect("inputs")
            .iter()
            .map(floats)
            .collect();
        let model = model(&name);
        let batch = batch(&model, &inputs, rows);
        let found = match model.predict(&batch) {
            Ok(found) => found,
            Err(error) => {
                failures.push(format!("{name}: {error}"));
                continue;
            }
        };
        let expected = floats(&case["answers"]);
        let far = |(a, b): (&f64, &f64)| (a - b).abs() > 1e-5 * (1.0 + b.abs());
        if found.values.len() != expected.len() {
            failures.push(format!(
                "{name}: {} numbers, expected {}",
                found.values.len(),
                expected.len()
            ));
        } else if let Some(at) = found.values.iter().zip(&expected).position(far) {
            failures.push(format!(
                "{name}: number {at} is {}, expected {}",
                found.values[at], expected[at]
            ));
        }
        for row in 0..rows {
            let alone = model.predict(&batch.select(&[row])).expect("a row alone");
            let company = &found.values[row * found.outputs..(row + 1) * found.outputs];
            let same = alone
                .values
                .iter()
                .zip(company)
                .all(|(a, b)| a.to_bits() == b.to_bits());
            if !same {
                failures.push(format!(
                    "{name}: row {row} alone is {:?}, in company {company:?}",
                    alone.values
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Input columns moved by a little, one number at a time.
fn moved(
    model: &Model,
    inputs: &[Vec<f64>],
    rows: usize,
    input: usize,
    at: usize,
    by: f64,
) -> Vec<f64> {
    let mut inputs = inputs.to_vec();
    let width = inputs[input].len() / rows;
    inputs[input]
        .iter_mut()
        .skip(at)
        .step_by(width)
        .for_each(|x| *x += by);
    model
        .predict(&batch(model, &inputs, rows))
        .expect("an answer")
        .values
}

#[test]
fn gradients_are_those_of_central_differences() {
    for name in ["dense", "narrow", "digits", "residual", "embeddings"] {
        let text = fs::read_to_string(folder().join(format!("{name}.json"))).expect("answers");
        let case: Value = serde_json::from_str(&text).expect("JSON");
        let rows = case["rows"].as_u64().expect("rows") as usize;
        let inputs: Vec<Vec<f64>> = case["inputs"]
            .as_array()
            .expect("inputs")
            .iter()
            .map(floats)
            .collect();
        let model = model(name);
        let Head::Regression { targets, .. } = &model.parts().head else {
            panic!("{name} is no regressor");
        };
        let outputs = targets.len();
        let output = outputs - 1;
        let gradient = model
            .gradient(&batch(&model, &inputs, rows), output)
            .expect("a gradient");
        let (mut compared, mut far, mut feature) = (0, 0, 0);
        for (input, values) in inputs.iter().enumerate() {
            let width = values.len() / rows;
            let tensor = matches!(
                model.schema().features()[feature].kind,
                FeatureKind::Tensor(_)
            );
            for at in (0..width).step_by(1 + width / 40) {
                let (own, place, per_row) = if tensor {
                    (feature, at, width)
                } else {
                    (feature + at, 0, 1)
                };
                let Some(found) = &gradient.features[own] else {
                    assert_eq!(
                        (name, input),
                        ("embeddings", 0),
                        "only an index has no slope"
                    );
                    continue;
                };
                let step = 2e-3;
                let up = moved(&model, &inputs, rows, input, at, step);
                let down = moved(&model, &inputs, rows, input, at, -step);
                for row in 0..rows {
                    let place_of = row * outputs + output;
                    let difference = (up[place_of] - down[place_of]) / (2.0 * step);
                    let found = found[row * per_row + place];
                    compared += 1;
                    far +=
                        usize::from((found - difference).abs() > 2e-3 * (1.0 + difference.abs()));
                }
            }
            feature += if tensor { 1 } else { width };
        }
        // Differences across a kink are no derivatives.
        assert!(
            far * 50 <= compared && compared > 0,
            "{name}: {far} of {compared} differ"
        );
    }
}

#[test]
fn products_biases_and_activations_become_layers() {
    let operators = |name: &str| -> Vec<&'static str> {
        let nodes = model(name).into_parts().graph.nodes;
        nodes.iter().map(|node| node.op.name()).collect()
    };
    assert_eq!(operators("dense"), ["Layers"]);
    assert_eq!(operators("narrow"), ["Layers", "Softmax"]);
    assert_eq!(
        operators("digits"),
        ["Conv", "Conv", "MaxPool", "Flatten", "Layers", "Softmax"]
    );
    // Batch normalisation goes into the convolution before it; what is left multiplies activations.
    let products = operators("residual").into_iter().filter(|op| *op == "Mul");
    assert_eq!(products.count(), 2);
    let layers = model("dense").into_parts().graph.nodes;
    assert!(matches!(&layers[0].op, Op::Layers(layers) if layers.layers().len() == 3));
}

#[test]
fn only_networks_need_the_neural_engine() {
    assert_eq!(model("dense").graph().neural_operator(), None);
    assert_eq!(model("digits").graph().neural_operator(), Some("Conv"));
    assert_eq!(model("lstm").graph().neural_operator(), Some("LSTM"));
}
