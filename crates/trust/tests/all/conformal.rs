//! Split conformal prediction beside MAPIE, and its promise.

use hyaline_model::graph::ml::Decision;
use hyaline_model::{ConformityScore, Model, ModelParts};
use hyaline_trust::conformal::{Regions, conformity, regions, score_from_name, threshold};

use super::{batch, cases, matrix, number, numbers, probabilities};

fn scored(model: Model, score: ConformityScore, rows: &[Vec<f64>], observed: &[f64]) -> Model {
    let rows = batch(&model, rows);
    let conformity = conformity(&model, score, &rows, observed).expect("rows are scored");
    Model::new(ModelParts {
        conformity: Some(conformity),
        ..model.into_parts()
    })
    .expect("the parts fit")
}

#[test]
fn regions_are_those_of_mapie() {
    for case in cases("conformal.json") {
        let score = score_from_name(case["score"].as_str().expect("a name")).expect("known");
        let held_out = matrix(&case["held_out"]);
        let model = match score {
            ConformityScore::AbsoluteError => number(),
            _ => probabilities(held_out[0].len(), Decision::Largest),
        };
        let model = scored(model, score, &held_out, &numbers(&case["observed"]));
        let asked = batch(&model, &matrix(&case["asked"]));
        let predictions = model.predict(&asked).expect("rows are answered");
        let coverages = numbers(&case["coverages"]);
        let expected = case["regions"].as_array().expect("one per coverage");
        for (&coverage, expected) in coverages.iter().zip(expected) {
            let name = format!("{} {} {coverage}", case["name"], case["score"]);
            match regions(&model, &predictions, coverage).expect("there are enough rows") {
                Regions::Intervals(found) => {
                    for (found, expected) in found.iter().zip(matrix(expected)) {
                        for (found, expected) in found.iter().zip(expected) {
                            assert!(
                                (found - expected).abs() < 1e-9,
                                "{name}: {found} {expected}"
                            );
                        }
                    }
                }
                Regions::Sets(found) => {
                    let expected = expected.as_array().expect("one set per row");
                    assert_eq!(found.len(), expected.len());
                    for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
                        let members = expected.as_array().expect("one truth value per class");
                        let mut found = found.clone();
                        found.sort_unstable();
                        let expected: Vec<usize> = (0..members.len())
                            .filter(|&class| members[class] == true)
                            .collect();
                        assert_eq!(found, expected, "{name}, row {row}");
                    }
                }
            }
        }
    }
}

/// Uniform numbers in [0, 1) (Knuth's MMIX generator).
struct Uniform(u64);

impl Uniform {
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// How many of `trials` freshly drawn rows lie in the regions of as many freshly drawn sets of `count` held-out rows.
fn covered(score: ConformityScore, count: usize, coverage: f64, trials: usize) -> usize {
    let mut uniform = Uniform(7);
    let mut row = || match score {
        ConformityScore::AbsoluteError => {
            let x = uniform.next();
            (vec![x], x + uniform.next() * uniform.next() - 0.25)
        }
        _ => {
            // Three classes, the model wrong about how likely they are.
            let (a, b) = (uniform.next(), uniform.next());
            let (low, high) = (a.min(b), a.max(b));
            let draw = uniform.next() * 1.3 - 0.1;
            let class = usize::from(draw > low) + usize::from(draw > high);
            (vec![low, high - low, 1.0 - high], class as f64)
        }
    };
    let base = match score {
        ConformityScore::AbsoluteError => number(),
        _ => probabilities(3, Decision::Largest),
    };
    let mut covered = 0;
    for _ in 0..trials {
        let (rows, observed): (Vec<_>, Vec<_>) = (0..count).map(|_| row()).unzip();
        let model = scored(base.clone(), score, &rows, &observed);
        let (new, answer) = row();
        let predictions = model
            .predict(&batch(&model, &[new]))
            .expect("the row is answered");
        covered += usize::from(
            match regions(&model, &predictions, coverage).expect("there are enough rows") {
                Regions::Intervals(found) => found[0][0] <= answer && answer <= found[0][1],
                Regions::Sets(found) => found[0].contains(&(answer as usize)),
            },
        );
    }
    covered
}

#[test]
fn prop_regions_cover_what_they_promise() {
    const TRIALS: usize = 4000;
    for score in [
        ConformityScore::AbsoluteError,
        ConformityScore::LeastAmbiguous,
        ConformityScore::Adaptive,
    ] {
        for (count, coverage) in [(20, 0.9), (5, 0.8), (10, 0.5)] {
            // Without equal scores the coverage is exactly rank / (n + 1). The adaptive score of the least likely class is
            // 1 whatever the row, so its sets cover more.
            let expected = ((count + 1) as f64 * coverage - 1e-9).ceil() / (count + 1) as f64;
            let deviation = (expected * (1.0 - expected) / TRIALS as f64).sqrt();
            let found = covered(score, count, coverage, TRIALS) as f64 / TRIALS as f64;
            let place =
                format!("{score:?}, {count} rows, {coverage}: {found}, {expected} expected");
            assert!(found > expected - 4.0 * deviation, "{place}");
            if score != ConformityScore::Adaptive {
                assert!(found < expected + 4.0 * deviation, "{place}");
            }
        }
    }
}

#[test]
fn refuses_scores_that_do_not_fit() {
    let classifier = probabilities(3, Decision::Largest);
    let rows = batch(&classifier, &[vec![0.5, 0.25, 0.25]]);
    for (score, observed, words) in [
        (
            ConformityScore::AbsoluteError,
            0.0,
            "absolute-error: intervals are for regressors; a classifier takes least-ambiguous or adaptive",
        ),
        (
            ConformityScore::Adaptive,
            3.0,
            "the answer of held-out row 0 is 3, expected the index of one of 3 classes",
        ),
    ] {
        let refused = conformity(&classifier, score, &rows, &[observed]).expect_err(words);
        assert_eq!(refused.to_string(), words);
    }
    let rows = batch(&number(), &[vec![1.0], vec![f64::NAN]]);
    for (score, observed, words) in [
        (
            ConformityScore::Adaptive,
            [1.0, 1.0],
            "adaptive: sets are for classifiers; a regressor takes absolute-error",
        ),
        (
            ConformityScore::AbsoluteError,
            [1.0, 1.0],
            "the model answers held-out row 1 with NaN, expected a finite number",
        ),
        (
            ConformityScore::AbsoluteError,
            [f64::INFINITY, 1.0],
            "the answer of held-out row 0 is inf, expected a finite number",
        ),
    ] {
        let refused = conformity(&number(), score, &rows, &observed).expect_err(words);
        assert_eq!(refused.to_string(), words);
    }
    let empty = batch(&number(), &[]);
    let refused = conformity(&number(), ConformityScore::AbsoluteError, &empty, &[]);
    assert_eq!(
        refused.expect_err("no rows").to_string(),
        "there are no held-out rows"
    );
}

#[test]
fn a_model_without_scores_has_no_regions() {
    let model = number();
    let predictions = model
        .predict(&batch(&model, &[vec![1.0]]))
        .expect("the row is answered");
    let refused = regions(&model, &predictions, 0.9).expect_err("no scores");
    assert!(
        refused.to_string().contains("no scores of held-out rows"),
        "{refused}"
    );
}

#[test]
fn a_forged_image_is_refused_not_trusted() {
    let model = scored(
        number(),
        ConformityScore::AbsoluteError,
        &[vec![1.0]],
        &[2.0],
    );
    let mut parts = probabilities(3, Decision::Largest).into_parts();
    parts.conformity = model.parts().conformity.clone();
    let forged = Model::new(parts).expect("nothing contradicts");
    let predictions = forged
        .predict(&batch(&forged, &[vec![0.5, 0.25, 0.25]]))
        .expect("the row is answered");
    let refused = regions(&forged, &predictions, 0.4).expect_err("no such score");
    assert!(
        refused.to_string().starts_with("absolute-error: "),
        "{refused}"
    );
    let conformity = forged.parts().conformity.as_ref().expect("it has scores");
    assert_eq!(threshold(conformity, 0.4), Ok(1.0));
}
