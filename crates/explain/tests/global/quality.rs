//! Whether the figures tell good explanations from bad ones.

use hyaline_explain::quality::{CheckOptions, Quality, check};
use hyaline_explain::sampling::Random;
use hyaline_explain::{Explainer, Explanations, Method, OutputSpace, Request};
use hyaline_model::graph::Op;
use hyaline_model::{Batch, Column, Model, ModelParts};

use super::packed::packed;

/// A model with a background of 25 of its reference rows, and 12 others.
fn explained(name: &str) -> (Model, Explainer, Batch) {
    let packed = packed(name);
    let background: Vec<usize> = (0..25).map(|row| row * 4).collect();
    let rows: Vec<usize> = (0..12).map(|row| row * 9 + 1).collect();
    let rows = packed.rows.select(&rows);
    let model = Model::new(ModelParts {
        background: Some(packed.rows.select(&background)),
        ..packed.model.into_parts()
    })
    .expect("the parts fit");
    let explainer = Explainer::new(&model).expect("the model is explained");
    (model, explainer, rows)
}

fn figures(
    (model, explainer, rows): &(Model, Explainer, Batch),
    explanations: &Explanations,
    request: Request,
) -> Vec<Quality> {
    let options = CheckOptions::default();
    check(model, explainer, rows, explanations, request, options).expect("it is measured")
}

fn mean(qualities: &[Quality], figure: impl Fn(&Quality) -> f64) -> f64 {
    qualities.iter().map(figure).sum::<f64>() / qualities.len() as f64
}

/// The same numbers on other features.
fn shuffled(explanations: &Explanations) -> Explanations {
    let mut other = explanations.clone();
    let mut random = Random::new(5, 0);
    let (features, outputs) = (explanations.features, explanations.outputs);
    for row in other.attributions.chunks_exact_mut(features * outputs) {
        let mut order: Vec<usize> = (0..features).collect();
        random.shuffle(&mut order);
        let own = row.to_vec();
        for (to, from) in order.into_iter().enumerate() {
            row[to * outputs..][..outputs].copy_from_slice(&own[from * outputs..][..outputs]);
        }
    }
    other
}

#[test]
fn a_good_explanation_is_better_than_a_shuffled_one() {
    for name in ["credit", "breast-cancer", "wine"] {
        let subject = explained(name);
        let request = Request::default();
        let explanations = subject
            .1
            .explain(&subject.0, &subject.2, request)
            .expect("explained");
        let good = figures(&subject, &explanations, request);
        let bad = figures(&subject, &shuffled(&explanations), request);
        let deletion = |quality: &Quality| quality.curves.deletion;
        let insertion = |quality: &Quality| quality.curves.insertion;
        let correlation = |quality: &Quality| quality.faithfulness.correlation.unwrap_or(0.0);
        let infidelity = |quality: &Quality| quality.faithfulness.infidelity;
        assert!(mean(&good, deletion) < mean(&bad, deletion), "{name}");
        assert!(mean(&good, insertion) > mean(&bad, insertion), "{name}");
        assert!(
            mean(&good, correlation) > mean(&bad, correlation) + 0.2,
            "{name}"
        );
        assert!(
            mean(&good, infidelity) < mean(&bad, infidelity) / 2.0,
            "{name}"
        );
        for (good, bad) in good.iter().zip(&bad) {
            assert!((good.sparseness - bad.sparseness).abs() < 1e-12, "{name}");
            assert!((good.complexity - bad.complexity).abs() < 1e-12, "{name}");
            assert!(
                good.agreement.is_none(),
                "{name}: the explanations are exact"
            );
        }
    }
}

#[test]
fn attributions_of_a_sum_are_perfectly_faithful() {
    // In an additive margin the change without some features is the sum of their attributions.
    let subject = explained("wine");
    let request = Request {
        space: Some(OutputSpace::Margin),
        ..Request::default()
    };
    let explanations = subject
        .1
        .explain(&subject.0, &subject.2, request)
        .expect("explained");
    assert_eq!(explanations.method, Method::Linear);
    for quality in figures(&subject, &explanations, request) {
        let correlation = quality.faithfulness.correlation.expect("sums differ");
        assert!(correlation > 1.0 - 1e-9, "{correlation}");
        assert!(
            quality.faithfulness.infidelity < 1e-9,
            "{:?}",
            quality.faithfulness
        );
    }
}

#[test]
fn a_linear_explanation_changes_as_its_weights_say() {
    let subject = explained("wine");
    let request = Request::default();
    let explanations = subject
        .1
        .explain(&subject.0, &subject.2, request)
        .expect("explained");
    let (model, background) = (
        &subject.0,
        subject.0.parts().background.as_ref().expect("kept"),
    );
    let Some(Op::Linear(linear)) = model.core_op() else {
        panic!("the wine model is linear");
    };
    let encoded = model.encode(background).expect("encoded");
    for quality in figures(&subject, &explanations, request) {
        let stability = quality.stability.expect("wines are numbers");
        // |Δφ| per standard deviation of a feature is that of its weight times its encoded column.
        let slopes: Vec<f64> = (0..linear.columns())
            .map(|column| {
                let values: Vec<f64> = encoded
                    .iter()
                    .copied()
                    .skip(column)
                    .step_by(linear.columns())
                    .collect();
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                let square = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>();
                let deviation = (square / values.len() as f64).sqrt();
                (linear.weights(quality.output)[column] * deviation).abs()
            })
            .collect();
        // Never steeper than the steepest feature alone, and in the worst of ten directions not far below the mean one.
        let steepest = slopes.iter().copied().fold(0.0, f64::max);
        let squares = slopes.iter().map(|slope| slope * slope);
        let mean = (squares.sum::<f64>() / slopes.len() as f64).sqrt();
        let found = stability.local_lipschitz;
        assert!(found <= steepest * 1.001, "{stability:?} {steepest}");
        assert!(found > mean * 0.8, "{stability:?} {mean}");
        assert!(stability.max_sensitivity > 0.0 && stability.max_sensitivity < 1.0);
    }
}

#[test]
fn estimates_are_compared_with_exact_values() {
    let subject = explained("credit");
    let request = Request {
        method: Some(Method::Kernel),
        ..Request::default()
    };
    let explanations = subject
        .1
        .explain(&subject.0, &subject.2, request)
        .expect("explained");
    for quality in figures(&subject, &explanations, request) {
        let agreement = quality.agreement.expect("nine features can be enumerated");
        assert_ne!(agreement.method, Method::Kernel);
        assert!(agreement.relative_error < 0.5, "{agreement:?}");
        assert!(agreement.sign > 0.5, "{agreement:?}");
    }
    let shuffled = figures(&subject, &shuffled(&explanations), request);
    let error = |quality: &Quality| quality.agreement.map_or(0.0, |found| found.relative_error);
    assert!(mean(&shuffled, error) > 0.7);
}

#[test]
fn rows_without_neighbours_have_no_stability() {
    let (model, explainer, rows) = explained("credit");
    let columns = rows.columns().iter().zip(model.schema().features());
    // Whole numbers that a tenth of a deviation does not move, and categories.
    let still = columns.map(|(column, _)| match column {
        Column::Numbers(values) => Column::Numbers(vec![f64::NAN; values.len()]),
        other => other.clone(),
    });
    let still = Batch::new(model.schema(), still.collect()).expect("columns of the schema");
    let request = Request::default();
    let explanations = explainer
        .explain(&model, &still, request)
        .expect("explained");
    let subject = (model, explainer, still);
    let found = figures(&subject, &explanations, request);
    assert!(found.iter().all(|quality| quality.stability.is_none()));
}

#[test]
fn without_a_background_nothing_is_measured() {
    let (model, explainer, rows) = explained("wine");
    let request = Request::default();
    let explanations = explainer
        .explain(&model, &rows, request)
        .expect("explained");
    let mut parts = model.into_parts();
    parts.background = None;
    let model = Model::new(parts).expect("the parts fit");
    let options = CheckOptions::default();
    let refused = check(&model, &explainer, &rows, &explanations, request, options);
    assert_eq!(
        refused.expect_err("nothing stands for absence").to_string(),
        "the quality of an explanation is measured against background rows (pack with --data)"
    );
}
