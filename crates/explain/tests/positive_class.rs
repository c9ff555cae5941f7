//! A classifier of two classes is explained by its positive class, whichever that is and whatever the model scores; the
//! enumeration of its answers is the reference.

use hyaline_explain::{ExplainError, Explainer, Explanations, Method, OutputSpace, Request};
use hyaline_model::graph::ml::{
    ClassLabel, ClassScores, Decision, Labels, PostTransform, SecondScore,
};
use hyaline_model::graph::{GraphInput, GraphNode, GraphParts, Linear, Op, ValueId};
use hyaline_model::trees::{
    Aggregate, EnsembleParts, Leaf, Node, Split, Test, TreeEnsemble, Weight,
};
use hyaline_model::{
    Batch, Column, Core, ElementType, Feature, FeatureKind, Head, Label, Link, Model, ModelParts,
    Schema, Symbols,
};

/// Two trees of one split each; `leaves[leaf][output]` is what a leaf adds.
fn forest(leaves: [&[f64]; 4]) -> Op {
    let outputs = leaves[0].len() as u32;
    let split = |column, threshold, yes| {
        Node::Split(Split {
            column,
            test: Test::AtMost(threshold),
            missing_goes_yes: false,
            zero_is_missing: false,
            yes,
            no: yes + 1,
        })
    };
    let leaf = |index: u32| {
        Node::Leaf(Leaf {
            first: index * outputs,
            count: outputs,
        })
    };
    let weights = leaves.iter().flat_map(|leaf| {
        (0..outputs)
            .zip(*leaf)
            .map(|(output, &value)| Weight { output, value })
    });
    TreeEnsemble::new(EnsembleParts {
        columns: 2,
        outputs,
        roots: vec![0, 3],
        nodes: vec![
            split(0, 0.5, 1),
            leaf(0),
            leaf(1),
            split(1, -1.0, 4),
            leaf(2),
            leaf(3),
        ],
        weights: weights.collect(),
        sets: Vec::new(),
        covers: None,
        base: vec![0.0; outputs as usize],
        aggregate: Aggregate::Average,
    })
    .unwrap()
    .into()
}

/// A forest that says how probable class 1 is.
fn one_probability() -> Op {
    forest([&[0.1], &[0.7], &[0.4], &[0.9]])
}

/// A forest that says how probable each class is.
fn two_probabilities() -> Op {
    forest([&[0.9, 0.1], &[0.3, 0.7], &[0.6, 0.4], &[0.1, 0.9]])
}

struct Case {
    estimator: Op,
    outputs: usize,
    scores: ClassScores,
    link: Link,
    probabilities: bool,
}

fn model(case: &Case, positive: u32) -> Model {
    let schema = Schema::new(
        ["a", "b"]
            .iter()
            .map(|name| Feature::new(*name, FeatureKind::Number))
            .collect(),
    )
    .unwrap();
    let columns = vec![
        vec![0.0, 1.0, 2.0, -3.0, 0.25],
        vec![-2.0, 0.0, -1.5, 4.0, -0.5],
    ];
    let background =
        Batch::new(&schema, columns.into_iter().map(Column::Numbers).collect()).unwrap();
    let decision = match case.outputs {
        1 => Decision::Above {
            column: 0,
            threshold: 0.5,
        },
        _ => Decision::Largest,
    };
    let node = |name: &str, op: Op, operand| GraphNode {
        name: name.to_owned(),
        op,
        inputs: vec![Some(ValueId(operand))],
        outputs: 1,
    };
    Model::new(ModelParts {
        name: "classifier".to_owned(),
        version: "1".to_owned(),
        symbols: Symbols::default(),
        graph: GraphParts {
            inputs: vec![GraphInput {
                name: "x".to_owned(),
                element_type: ElementType::F64,
                first_feature: 0,
                features: 2,
                flat: false,
                extents: None,
            }],
            constants: Vec::new(),
            nodes: vec![
                node("margins", case.estimator.clone(), 0),
                node(
                    "label",
                    ClassLabel::new(decision, Labels::Integers(vec![0, 1]))
                        .unwrap()
                        .into(),
                    1,
                ),
                node("scores", case.scores.into(), 1),
            ],
        },
        head: Head::Classification {
            label: ValueId(2),
            scores: ValueId(3),
            labels: vec![Label::Integer(0), Label::Integer(1)],
            probabilities: case.probabilities,
        },
        core: Core::Additive {
            node: 0,
            column_feature: vec![0, 1],
            link: case.link,
        },
        positive,
        explainer: hyaline_model::ExplainerSettings::default(),
        background: Some(background),
        reference: None,
        groups: Vec::new(),
        conformity: None,
        card: "{}".to_owned(),
        schema,
    })
    .unwrap()
}

fn rows(model: &Model) -> Batch {
    let columns = vec![vec![1.0, -4.0], vec![-2.0, 7.5]];
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
) -> Result<Explanations, ExplainError> {
    Explainer::new(model).unwrap().explain(
        model,
        &rows(model),
        Request {
            method,
            space,
            ..Request::default()
        },
    )
}

fn assert_close(what: &str, found: &[f64], expected: &[f64]) {
    let close = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-6;
    assert!(
        found.len() == expected.len() && found.iter().zip(expected).all(close),
        "{what}: {found:?} is not {expected:?}"
    );
}

/// The explanations of `answer` equal the enumeration of what the model answers, which is `answer` itself.
fn assert_explains_the_answer(case: &Case, positive: u32, explanations: &Explanations) {
    let model = model(case, positive);
    let answered = model.predict(&rows(&model)).unwrap();
    let scores: Vec<f64> = match answered.outputs {
        2 => answered
            .values
            .iter()
            .skip(positive as usize)
            .step_by(2)
            .copied()
            .collect(),
        _ => answered
            .values
            .iter()
            .map(|score| if positive == 0 { 1.0 - score } else { *score })
            .collect(),
    };
    let counted = explain(
        &model,
        Some(Method::Enumeration),
        Some(OutputSpace::Probability),
    )
    .unwrap();
    assert_eq!((explanations.outputs, counted.outputs), (1, 1));
    assert_close("prediction", &explanations.predictions, &scores);
    assert_close("counted prediction", &counted.predictions, &scores);
    assert_close(
        "base value",
        &explanations.base_values,
        &counted.base_values,
    );
    assert_close(
        "attribution",
        &explanations.attributions,
        &counted.attributions,
    );
    assert_close("residual", &explanations.residuals, &[0.0, 0.0]);
}

#[test]
fn a_forest_that_averages_probabilities_is_explained_in_probabilities_of_either_class() {
    let scores = |second| ClassScores::new(PostTransform::None, second).unwrap();
    let cases = [
        Case {
            estimator: one_probability(),
            outputs: 1,
            scores: scores(SecondScore::Complement),
            link: Link::Identity,
            probabilities: true,
        },
        Case {
            estimator: one_probability(),
            outputs: 1,
            scores: scores(SecondScore::Absent),
            link: Link::Identity,
            probabilities: true,
        },
        Case {
            estimator: two_probabilities(),
            outputs: 2,
            scores: scores(SecondScore::Absent),
            link: Link::Identity,
            probabilities: true,
        },
    ];
    for (case, positive) in cases.iter().flat_map(|case| [(case, 0), (case, 1)]) {
        let model = model(case, positive);
        for space in [None, Some(OutputSpace::Probability)] {
            let explanations = explain(&model, None, space).unwrap();
            assert_eq!(
                (explanations.method, explanations.space),
                (Method::Interventional, OutputSpace::Probability)
            );
            assert_explains_the_answer(case, positive, &explanations);
        }
        let asked = explain(&model, None, Some(OutputSpace::Margin)).unwrap();
        assert_eq!(
            (asked.method, asked.space),
            (Method::Interventional, OutputSpace::Margin)
        );
        assert_explains_the_answer(case, positive, &asked);
    }
}

#[test]
fn log_odds_of_the_first_class_are_the_negative() {
    let margins = |estimator: Op| Case {
        estimator,
        outputs: 1,
        scores: ClassScores::new(PostTransform::Logistic, SecondScore::Opposite).unwrap(),
        link: Link::Logistic,
        probabilities: true,
    };
    let trees = margins(forest([&[-1.0], &[2.0], &[-3.0], &[0.5]]));
    let linear = margins(Linear::new(2, vec![2.0, -0.5], vec![0.25]).unwrap().into());
    for (case, method) in [(&trees, Method::Interventional), (&linear, Method::Linear)] {
        let [first, second] =
            [0, 1].map(|positive| explain(&model(case, positive), None, None).unwrap());
        assert_eq!((first.method, first.space), (method, OutputSpace::Margin));
        let negative = |values: &[f64]| values.iter().map(|value| -value).collect::<Vec<_>>();
        assert_close(
            "base value",
            &first.base_values,
            &negative(&second.base_values),
        );
        assert_close(
            "attribution",
            &first.attributions,
            &negative(&second.attributions),
        );
        assert_close(
            "prediction",
            &first.predictions,
            &negative(&second.predictions),
        );
        assert!(second.attributions.iter().any(|value| value.abs() > 0.1));
    }
}

#[test]
fn distances_to_a_plane_keep_the_name_margin_and_turn_their_sign() {
    let case = Case {
        estimator: Linear::new(2, vec![2.0, -0.5], vec![0.25]).unwrap().into(),
        outputs: 1,
        scores: ClassScores::new(PostTransform::None, SecondScore::Opposite).unwrap(),
        link: Link::Identity,
        probabilities: false,
    };
    for positive in [0, 1] {
        let explanations = explain(&model(&case, positive), None, None).unwrap();
        assert_eq!(
            (explanations.method, explanations.space),
            (Method::Linear, OutputSpace::Margin)
        );
        assert_explains_the_answer(&case, positive, &explanations);
    }
}

#[test]
fn of_two_margins_under_a_softmax_the_positive_class_s_is_explained() {
    let case = Case {
        estimator: forest([&[0.5, -1.0], &[-2.0, 2.0], &[1.0, 3.0], &[0.0, 0.25]]),
        outputs: 2,
        scores: ClassScores::new(PostTransform::Softmax, SecondScore::Absent).unwrap(),
        link: Link::Softmax,
        probabilities: true,
    };
    for positive in [0, 1] {
        let model = model(&case, positive);
        let explanations = explain(&model, None, None).unwrap();
        let counted =
            explain(&model, Some(Method::Enumeration), Some(OutputSpace::Margin)).unwrap();
        assert_eq!(
            (
                explanations.method,
                explanations.space,
                explanations.outputs
            ),
            (Method::Interventional, OutputSpace::Margin, 1)
        );
        let margins = model.predict(&rows(&model)).unwrap().margins;
        let own: Vec<f64> = margins
            .into_iter()
            .skip(positive as usize)
            .step_by(2)
            .collect();
        assert_close("prediction", &explanations.predictions, &own);
        assert_close(
            "base value",
            &explanations.base_values,
            &counted.base_values,
        );
        assert_close(
            "attribution",
            &explanations.attributions,
            &counted.attributions,
        );
        assert_close("residual", &explanations.residuals, &[0.0, 0.0]);
    }
}
