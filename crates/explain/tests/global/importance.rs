//! Importance of features.

use hyaline_explain::global::{
    Metric, PermutationImportance, PermutationRequest, mean_attributions, permutation_importance,
};
use hyaline_explain::{Explainer, Method, Request};
use hyaline_model::{Model, ModelParts};

use super::packed::{Packed, fixture, numbers, packed};

fn importance(packed: &Packed, metric: Metric, repeats: usize) -> PermutationImportance {
    let request = PermutationRequest {
        metric: Some(metric),
        repeats,
        seed: 0,
    };
    permutation_importance(&packed.model, &packed.rows, &packed.answers, request)
        .expect("important")
}

#[test]
fn shuffling_costs_what_scikit_learn_says() {
    for name in ["credit", "breast-cancer", "wine"] {
        let packed = packed(name);
        let expected = fixture(&format!("local/curves_{name}.json"));
        for (metric, key) in [
            (Metric::Accuracy, "accuracy"),
            (Metric::LogLoss, "log_loss"),
        ] {
            let expected = &expected["importance"][key];
            let (means, deviations) = (numbers(&expected["mean"]), numbers(&expected["sd"]));
            let found = importance(&packed, metric, 30);
            for feature in 0..means.len() {
                // Two means of 30 repeats each; five standard errors of their difference.
                let error =
                    (deviations[feature].powi(2) + found.deviations[feature].powi(2)) / 30.0;
                let difference = found.means[feature] - means[feature];
                assert!(
                    difference.abs() <= 5.0 * error.sqrt() + 1e-6,
                    "{name} {key} {feature}: {} {} ± {}",
                    found.means[feature],
                    means[feature],
                    error.sqrt()
                );
            }
            let rank = |values: &[f64]| {
                let best = values.iter().copied().fold(f64::MIN, f64::max);
                values.iter().position(|&value| value == best)
            };
            assert_eq!(rank(&found.means), rank(&means), "{name} {key}");
        }
    }
}

#[test]
fn equal_seeds_give_equal_answers() {
    let packed = packed("wine");
    let ask = |seed| {
        let request = PermutationRequest {
            metric: None,
            repeats: 3,
            seed,
        };
        permutation_importance(&packed.model, &packed.rows, &packed.answers, request)
            .expect("important")
    };
    assert_eq!(ask(1), ask(1));
    assert_ne!(ask(1).means, ask(2).means);
    assert_eq!(ask(1).metric, Metric::Accuracy);
    assert_eq!(
        ask(1).evaluations as usize,
        packed.rows.rows() * (1 + 3 * packed.model.schema().len())
    );
}

#[test]
fn without_answers_the_change_is_measured() {
    let packed = packed("credit");
    let ask = |metric| {
        let request = PermutationRequest {
            metric,
            repeats: 2,
            seed: 0,
        };
        permutation_importance(&packed.model, &packed.rows, &[], request)
    };
    let found = ask(None).expect("a change");
    assert_eq!((found.metric, found.score), (Metric::PredictionChange, 0.0));
    assert!(found.means.iter().all(|&mean| mean >= 0.0));
    let words = "accuracy needs observed answers, which the reference rows of this function do not have; ask for metric=prediction-change";
    let refused = ask(Some(Metric::Accuracy)).expect_err(words);
    assert_eq!(refused.to_string(), words);
}

#[test]
fn metrics_of_other_models_are_refused() {
    let packed = packed("wine");
    let ask = |metric, answers: &[f64]| {
        let request = PermutationRequest {
            metric: Some(metric),
            repeats: 1,
            seed: 0,
        };
        permutation_importance(&packed.model, &packed.rows, answers, request)
            .map(|_| ())
            .expect_err("refused")
            .to_string()
    };
    assert_eq!(
        ask(Metric::R2, &packed.answers),
        "r2 is not for this kind of model; accuracy, log-loss and roc-auc are"
    );
    let mut answers = packed.answers.clone();
    answers[5] = 3.0;
    assert_eq!(
        ask(Metric::Accuracy, &answers),
        "the observed answer of reference row 5 is 3, which is none of this model's"
    );
    answers.fill(1.0);
    assert_eq!(
        ask(Metric::RocAuc, &answers),
        "roc-auc needs different answers, and all that were observed are 1"
    );
}

fn with_background(packed: &Packed) -> Model {
    let rows: Vec<usize> = (0..20).map(|row| row * 5).collect();
    let background = packed.rows.select(&rows);
    Model::new(ModelParts {
        background: Some(background),
        ..packed.model.clone().into_parts()
    })
    .expect("the parts fit")
}

#[test]
fn mean_attributions_are_means_of_attributions() {
    let packed = packed("wine");
    let model = with_background(&packed);
    let explainer = Explainer::new(&model).expect("it is explained");
    let found = mean_attributions(&model, &explainer, &packed.rows).expect("an exact method");
    assert_eq!(found.method, Method::Linear);
    assert_eq!(found.rows, packed.rows.rows());
    let explained = explainer
        .explain(&model, &packed.rows, Request::default())
        .expect("explained");
    let width = explained.features * explained.outputs;
    for (at, value) in found.values.iter().enumerate() {
        let values = explained.attributions.iter().skip(at).step_by(width);
        let mean = values.map(|value| value.abs()).sum::<f64>() / packed.rows.rows() as f64;
        assert!((mean - value).abs() < 1e-12, "{mean} {value}");
    }
}

#[test]
fn mean_attributions_need_an_exact_method() {
    let packed = packed("wine");
    let explainer = Explainer::new(&packed.model).expect("there is no method");
    assert_eq!(
        mean_attributions(&packed.model, &explainer, &packed.rows)
            .expect_err("no background")
            .to_string(),
        "mean attributions need an exact explainer, which this model does not have; ask for method=permutation"
    );
}
