//! The models of these tests.

use hyaline_explain::Explainer;
use hyaline_model::graph::dense::{Concat, Softmax, Unary};
use hyaline_model::graph::ml::{ClassLabel, Decision, Labels, OneHotEncoder};
use hyaline_model::graph::{GraphInput, GraphNode, GraphParts, Linear, Op, ValueId};
use hyaline_model::{
    Batch, Categories, Column, Core, ElementType, Feature, FeatureKind, Head, Label, Link, Missing,
    Model, ModelParts, Schema, Symbols, Unseen,
};
use hyaline_protocol::Function;

fn function(parts: ModelParts) -> Function {
    let model = Model::new(parts).expect("the parts fit each other");
    let explainer = Explainer::new(&model).expect("the model can be explained");
    Function::new(model, explainer)
}

fn input(
    name: &str,
    element_type: ElementType,
    first_feature: u32,
    features: u32,
    flat: bool,
) -> GraphInput {
    GraphInput {
        name: name.to_owned(),
        element_type,
        first_feature,
        features,
        flat,
        extents: None,
    }
}

fn node(name: &str, op: impl Into<Op>, inputs: &[u32]) -> GraphNode {
    let inputs = inputs.iter().map(|&id| Some(ValueId(id))).collect();
    GraphNode {
        name: name.to_owned(),
        op: op.into(),
        inputs,
        outputs: 1,
    }
}

/// A binary classifier with one feature of every kind:
///
/// `margin(good) = amount/1024 − duration/8 + 2·foreign + (1 own, 0 rent, −1 free) + (0.5 car, −0.5 tv, else 0)`
///
/// Background: two rows with the margins 1.5 and −1.5.
pub(crate) fn credit() -> Function {
    credit_with(true)
}

/// The same without a background, so without explanations.
pub(crate) fn credit_without_background() -> Function {
    credit_with(false)
}

fn credit_with(background: bool) -> Function {
    let texts = ["", "own", "rent", "free", "car", "tv", "good", "bad"];
    let symbols = Symbols::new(texts.map(str::to_owned).to_vec());
    let symbol = |text: &str| symbols.symbol(text);
    let categories = |values: &[&str], unseen| {
        FeatureKind::Category(Categories {
            values: values.iter().map(|value| value.to_string()).collect(),
            unseen,
        })
    };
    let schema = Schema::new(vec![
        Feature {
            description: "Amount of the loan in marks".to_owned(),
            range: Some((250.0, 18424.0)),
            typical: Some(2048.0),
            ..Feature::new("amount", FeatureKind::Number)
        },
        Feature {
            range: Some((4.0, 72.0)),
            typical: Some(16.0),
            ..Feature::new("duration", FeatureKind::Integer)
        },
        Feature {
            typical: Some(1.0),
            ..Feature::new("foreign", FeatureKind::Boolean)
        },
        Feature {
            typical_category: Some("own".to_owned()),
            ..Feature::new(
                "housing",
                categories(&["own", "rent", "free"], Unseen::Refused),
            )
        },
        Feature {
            missing: Missing::Accepted,
            ..Feature::new("purpose", categories(&["car", "tv"], Unseen::Accepted))
        },
    ])
    .expect("the names are unique");
    let encoder = |values: &[&str]| {
        OneHotEncoder::symbols(values.iter().map(|value| symbol(value)).collect(), true)
            .expect("there are categories")
    };
    let weights = vec![1.0 / 1024.0, -0.125, 2.0, 1.0, 0.0, -1.0, 0.5, -0.5];
    let background = background.then(|| {
        Batch::new(
            &schema,
            vec![
                Column::Numbers(vec![2048.0, 1024.0]),
                Column::Numbers(vec![16.0, 8.0]),
                Column::Numbers(vec![0.0, 0.0]),
                Column::Symbols(vec![symbol("own"), symbol("free")]),
                Column::Symbols(vec![symbol("car"), symbol("tv")]),
            ],
        )
        .expect("the columns fit the schema")
    });
    function(ModelParts {
        name: "credit".to_owned(),
        version: "3".to_owned(),
        graph: GraphParts {
            inputs: vec![
                input("numbers", ElementType::F32, 0, 3, false),
                input("housing", ElementType::Symbol, 3, 1, true),
                input("purpose", ElementType::Symbol, 4, 1, true),
            ],
            constants: Vec::new(),
            nodes: vec![
                node("housing_encoder", encoder(&["own", "rent", "free"]), &[1]),
                node("purpose_encoder", encoder(&["car", "tv"]), &[2]),
                node("columns", Concat { axis: 1 }, &[0, 3, 4]),
                node("regression", Linear::new(8, weights, vec![0.0]).expect("the lengths agree"), &[5]),
                node("sigmoid", Unary::Sigmoid, &[6]),
                node(
                    "label",
                    ClassLabel::new(
                        Decision::Above { column: 0, threshold: 0.5 },
                        Labels::Symbols(vec![symbol("bad"), symbol("good")]),
                    )
                    .expect("there are two labels"),
                    &[7],
                ),
            ],
        },
        head: Head::Classification {
            label: ValueId(8),
            scores: ValueId(7),
            labels: vec![Label::Text("bad".to_owned()), Label::Text("good".to_owned())],
            probabilities: true,
        },
        core: Core::Additive { node: 3, column_feature: vec![0, 1, 2, 3, 3, 3, 4, 4], link: Link::Logistic },
        positive: 1,
        explainer: hyaline_model::ExplainerSettings::default(),
        background,
        reference: None,
        groups: Vec::new(),
        conformity: None,
        card: r#"{"description":"Whether a loan is repaid.","digests":{"background":"sha256:b0","model":"sha256:a1"},"title":"Credit risk"}"#
            .to_owned(),
        symbols,
        schema,
    })
}

fn numbers(names: &[&str]) -> Schema {
    Schema::new(
        names
            .iter()
            .map(|name| Feature::new(*name, FeatureKind::Number))
            .collect(),
    )
    .expect("the names are unique")
}

/// Three classes with integer labels 10, 20, 30 over two numbers; margins `x`, `y` and `−x−y`, softmax.
pub(crate) fn wine() -> Function {
    let schema = numbers(&["x", "y"]);
    let background = Batch::new(
        &schema,
        vec![
            Column::Numbers(vec![0.0, 2.0]),
            Column::Numbers(vec![1.0, -1.0]),
        ],
    )
    .expect("the columns fit");
    function(ModelParts {
        name: "wine".to_owned(),
        version: "1".to_owned(),
        symbols: Symbols::default(),
        graph: GraphParts {
            inputs: vec![input("x", ElementType::F64, 0, 2, false)],
            constants: Vec::new(),
            nodes: vec![
                node(
                    "linear",
                    Linear::new(2, vec![1.0, 0.0, 0.0, 1.0, -1.0, -1.0], vec![0.0; 3])
                        .expect("the lengths agree"),
                    &[0],
                ),
                node(
                    "softmax",
                    Softmax {
                        axis: 1,
                        flattened: false,
                        log: false,
                    },
                    &[1],
                ),
                node(
                    "label",
                    ClassLabel::new(Decision::Largest, Labels::Integers(vec![10, 20, 30]))
                        .expect("there are labels"),
                    &[2],
                ),
            ],
        },
        head: Head::Classification {
            label: ValueId(3),
            scores: ValueId(2),
            labels: vec![Label::Integer(10), Label::Integer(20), Label::Integer(30)],
            probabilities: true,
        },
        core: Core::Additive {
            node: 0,
            column_feature: vec![0, 1],
            link: Link::Softmax,
        },
        positive: 1,
        explainer: hyaline_model::ExplainerSettings::default(),
        background: Some(background),
        reference: None,
        groups: Vec::new(),
        conformity: None,
        card: "{}".to_owned(),
        schema,
    })
}

/// A regressor of one number: `price = 3·size + 1`; one background row, `size = 2`.
pub(crate) fn price() -> Function {
    let schema = numbers(&["size"]);
    let background =
        Batch::new(&schema, vec![Column::Numbers(vec![2.0])]).expect("the column fits");
    function(ModelParts {
        name: "price".to_owned(),
        version: "1".to_owned(),
        symbols: Symbols::default(),
        graph: GraphParts {
            inputs: vec![input("size", ElementType::F64, 0, 1, false)],
            constants: Vec::new(),
            nodes: vec![node(
                "linear",
                Linear::new(1, vec![3.0], vec![1.0]).expect("the lengths agree"),
                &[0],
            )],
        },
        head: Head::Regression {
            value: ValueId(1),
            targets: vec!["price".to_owned()],
        },
        core: Core::Additive {
            node: 0,
            column_feature: vec![0],
            link: Link::Identity,
        },
        positive: 0,
        explainer: hyaline_model::ExplainerSettings::default(),
        background: Some(background),
        reference: None,
        groups: Vec::new(),
        conformity: None,
        card: "{}".to_owned(),
        schema,
    })
}
