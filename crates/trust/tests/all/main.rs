//! What scikit-learn and MAPIE make of the same rows (`tests/fixtures/trust`), and what the theory promises.

mod calibration;
mod conformal;

use hyaline_model::graph::dense::{Identity, Unary};
use hyaline_model::graph::ml::{ClassLabel, Decision, Labels};
use hyaline_model::graph::{GraphInput, GraphNode, GraphParts, Linear, Op, ValueId};
use hyaline_model::{
    Batch, Column, Core, ElementType, Feature, FeatureKind, Head, Label, Link, Model, ModelParts,
    Schema, Symbols,
};
use serde_json::Value;

/// The cases of a fixture.
fn cases(name: &str) -> Vec<Value> {
    let path = format!(
        "{}/../../tests/fixtures/trust/{name}",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut fixture: Value = serde_json::from_str(&text).expect("fixtures are JSON");
    match fixture["cases"].take() {
        Value::Array(cases) => cases,
        _ => panic!("{path} has no cases"),
    }
}

fn numbers(list: &Value) -> Vec<f64> {
    let list = list.as_array().expect("a list");
    list.iter()
        .map(|number| number.as_f64().expect("a number"))
        .collect()
}

fn matrix(list: &Value) -> Vec<Vec<f64>> {
    let list = list.as_array().expect("a list of rows");
    list.iter().map(numbers).collect()
}

/// Rows by column.
fn batch(model: &Model, rows: &[Vec<f64>]) -> Batch {
    let columns = (0..model.schema().len())
        .map(|column| Column::Numbers(rows.iter().map(|row| row[column]).collect()))
        .collect();
    Batch::new(model.schema(), columns).expect("the columns fit")
}

fn graph(columns: usize, nodes: Vec<GraphNode>) -> GraphParts {
    GraphParts {
        inputs: vec![GraphInput {
            name: "x".to_owned(),
            element_type: ElementType::F64,
            first_feature: 0,
            features: columns as u32,
            flat: false,
            extents: None,
        }],
        constants: Vec::new(),
        nodes,
    }
}

fn node(name: &str, op: impl Into<Op>, input: u32) -> GraphNode {
    GraphNode {
        name: name.to_owned(),
        op: op.into(),
        inputs: vec![Some(ValueId(input))],
        outputs: 1,
    }
}

fn schema(columns: usize) -> Schema {
    let features = (0..columns).map(|at| Feature::new(format!("x{at}"), FeatureKind::Number));
    Schema::new(features.collect()).expect("the names are unique")
}

fn integer_labels(classes: usize) -> (Vec<Label>, Labels) {
    let labels: Vec<i64> = (0..classes as i64).collect();
    (
        labels.iter().copied().map(Label::Integer).collect(),
        Labels::Integers(labels),
    )
}

fn model(columns: usize, nodes: Vec<GraphNode>, head: Head, core: Core) -> Model {
    let parts = ModelParts::new(
        "scores",
        schema(columns),
        Symbols::new(vec!["no".to_owned(), "yes".to_owned()]),
        graph(columns, nodes),
        head,
        core,
    );
    Model::new(ModelParts {
        positive: u32::from(columns > 0),
        ..parts
    })
    .expect("the parts fit")
}

/// A classifier whose features are its class probabilities.
fn probabilities(classes: usize, decision: Decision) -> Model {
    let (labels, decided) = integer_labels(classes);
    let decided = ClassLabel::new(decision, decided).expect("there are labels");
    model(
        classes,
        vec![node("scores", Identity, 0), node("label", decided, 1)],
        Head::Classification {
            label: ValueId(2),
            scores: ValueId(1),
            labels,
            probabilities: true,
        },
        Core::Opaque,
    )
}

/// A logistic classifier of the labels no and yes, whose one feature is its log-odds.
fn log_odds() -> Model {
    let symbols = Symbols::new(vec!["no".to_owned(), "yes".to_owned()]);
    let texts = ["no", "yes"].map(|text| symbols.symbol(text)).to_vec();
    let above = Decision::Above {
        column: 0,
        threshold: 0.5,
    };
    model(
        1,
        vec![
            node(
                "linear",
                Linear::new(1, vec![1.0], vec![0.0]).expect("one weight"),
                0,
            ),
            node("sigmoid", Unary::Sigmoid, 1),
            node(
                "label",
                ClassLabel::new(above, Labels::Symbols(texts)).expect("two labels"),
                2,
            ),
        ],
        Head::Classification {
            label: ValueId(3),
            scores: ValueId(2),
            labels: ["no", "yes"]
                .map(|text| Label::Text(text.to_owned()))
                .to_vec(),
            probabilities: true,
        },
        Core::Additive {
            node: 0,
            column_feature: vec![0],
            link: Link::Logistic,
        },
    )
}

/// A regressor whose one feature is its answer.
fn number() -> Model {
    model(
        1,
        vec![node("value", Identity, 0)],
        Head::Regression {
            value: ValueId(1),
            targets: vec!["y".to_owned()],
        },
        Core::Opaque,
    )
}
