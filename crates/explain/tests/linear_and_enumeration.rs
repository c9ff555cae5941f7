//! The closed form and the enumeration must agree wherever both apply, and both must add up.

use hyaline_explain::{ExplainError, Explainer, Method, OutputSpace, Request};
use hyaline_model::graph::{GraphInput, GraphNode, GraphParts, Linear, Op, ValueId};
use hyaline_model::{
    Batch, Column, Core, ElementType, Feature, FeatureKind, Head, Link, Model, ModelParts, Schema,
    Symbols,
};

/// `y = intercept + W x` over three features of which the last two share a column pair with swapped order.
fn linear_model(background: Option<Vec<Vec<f64>>>) -> Model {
    let names = ["a", "b", "c"];
    let schema = Schema::new(
        names
            .iter()
            .map(|name| Feature::new(*name, FeatureKind::Number))
            .collect(),
    )
    .unwrap();
    let linear = Linear::new(3, vec![2.0, -1.0, 0.5, 0.0, 3.0, -0.25], vec![1.0, -2.0]).unwrap();
    let background = background.map(|columns| {
        Batch::new(&schema, columns.into_iter().map(Column::Numbers).collect()).unwrap()
    });
    Model::new(ModelParts {
        name: "linear".to_owned(),
        version: "1".to_owned(),
        symbols: Symbols::default(),
        graph: GraphParts {
            inputs: vec![GraphInput {
                name: "x".to_owned(),
                element_type: ElementType::F64,
                first_feature: 0,
                features: 3,
                flat: false,
                extents: None,
            }],
            constants: Vec::new(),
            nodes: vec![GraphNode {
                name: "linear".to_owned(),
                op: Op::Linear(linear),
                inputs: vec![Some(ValueId(0))],
                outputs: 1,
            }],
        },
        head: Head::Regression {
            value: ValueId(1),
            targets: vec!["y".to_owned(), "z".to_owned()],
        },
        core: Core::Additive {
            node: 0,
            column_feature: vec![0, 1, 2],
            link: Link::Identity,
        },
        positive: 0,
        explainer: hyaline_model::ExplainerSettings::default(),
        background,
        reference: None,
        groups: Vec::new(),
        conformity: None,
        card: "{}".to_owned(),
        schema,
    })
    .unwrap()
}

fn background() -> Vec<Vec<f64>> {
    vec![
        vec![0.0, 1.0, 5.0, -2.0],
        vec![1.0, 1.0, 2.0, 0.5],
        vec![-3.0, 0.0, 0.0, 9.0],
    ]
}

fn rows(model: &Model) -> Batch {
    let columns = vec![vec![1.0, -4.0], vec![2.0, 0.0], vec![0.25, 7.5]];
    Batch::new(
        model.schema(),
        columns.into_iter().map(Column::Numbers).collect(),
    )
    .unwrap()
}

fn explain(
    model: &Model,
    method: Option<Method>,
    space: Option<OutputSpace>,
) -> Result<hyaline_explain::Explanations, ExplainError> {
    let explainer = Explainer::new(model).unwrap();
    explainer.explain(
        model,
        &rows(model),
        Request {
            method,
            space,
            ..Request::default()
        },
    )
}

#[test]
fn the_closed_form_is_chosen_for_a_linear_model_and_equals_enumeration() {
    let model = linear_model(Some(background()));
    let closed = explain(&model, None, None).unwrap();
    let counted = explain(&model, Some(Method::Enumeration), None).unwrap();
    assert_eq!(closed.method, Method::Linear);
    assert_eq!((closed.rows, closed.features, closed.outputs), (2, 3, 2));
    for (a, b) in closed.attributions.iter().zip(&counted.attributions) {
        assert!((a - b).abs() < 1e-12, "{a} differs from {b}");
    }
    for (a, b) in closed.base_values.iter().zip(&counted.base_values) {
        assert!((a - b).abs() < 1e-12, "{a} differs from {b}");
    }
    // Row 0, feature a, output y: 2 · (1 − mean(0, 1, 5, −2)).
    assert_eq!(closed.attributions[0], 2.0 * (1.0 - 1.0));
    // Row 1, feature b, output z: 3 · (0 − 1.125).
    assert_eq!(closed.attributions[3 * 2 + 2 + 1], 3.0 * -1.125);
    assert_eq!(counted.evaluations, 2 * 8 * 4);
}

#[test]
fn explanations_add_up() {
    let model = linear_model(Some(background()));
    for method in [Method::Linear, Method::Enumeration] {
        let explanations = explain(&model, Some(method), None).unwrap();
        let predictions = model.predict(&rows(&model)).unwrap();
        assert_eq!(explanations.predictions, predictions.values);
        assert_eq!(explanations.residuals.len(), 4);
        assert!(
            explanations
                .residuals
                .iter()
                .all(|residual| residual.abs() < 1e-12),
            "{:?}",
            explanations.residuals
        );
    }
}

#[test]
fn without_a_background_the_refusal_says_how_to_get_one() {
    let model = linear_model(None);
    assert_eq!(
        explain(&model, Some(Method::Linear), None)
            .unwrap_err()
            .to_string(),
        "the closed form needs a linear model and a background (pack with --data)"
    );
    assert_eq!(
        explain(&model, None, None).unwrap_err().to_string(),
        "this model has no explanation without background rows (pack with --data)"
    );
}

#[test]
fn a_tree_method_is_refused_for_a_linear_model() {
    let model = linear_model(Some(background()));
    for method in [Method::Interventional, Method::PathDependent] {
        let error = explain(&model, Some(method), None).unwrap_err();
        assert!(
            matches!(&error, ExplainError::Unsupported(text) if text.contains("needs a tree ensemble")),
            "{error}"
        );
    }
}
