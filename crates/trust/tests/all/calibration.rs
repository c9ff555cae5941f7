//! Calibration beside scikit-learn's `CalibratedClassifierCV`.

use hyaline_model::graph::ml::{CalibrationCurve, Decision};
use hyaline_model::{Conformity, ConformityScore, Core, Link, Model};
use hyaline_trust::calibration::{CalibrationMethod, calibrate, platt, reliability};

use super::{batch, cases, log_odds, matrix, number, numbers, probabilities};

/// `|a − b|`, whatever is no number being infinitely far.
fn distance(a: f64, b: f64) -> f64 {
    if a == b { 0.0 } else { (a - b).abs() }
}

#[test]
fn a_calibrated_model_answers_as_scikit_learn_does() {
    for case in cases("calibration.json") {
        let name = format!("{} {}", case["name"], case["method"]);
        let classes = case["classes"].as_u64().expect("a count") as usize;
        let method = CalibrationMethod::from_name(case["method"].as_str().expect("a name"))
            .expect("a known method");
        let model = match case["reads"].as_str() {
            Some("log-odds") => log_odds(),
            _ => probabilities(classes, Decision::Largest),
        };
        let fitted = batch(&model, &matrix(&case["fitted"]));
        let asked = batch(&model, &matrix(&case["asked"]));
        let observed = numbers(&case["observed"]);
        let calibrated = calibrate(model, method, &fitted, &observed).expect("it is calibrated");
        assert_eq!(calibrated.reads, case["reads"], "{name}");
        assert!(calibrated.decides, "{name}");
        assert!(calibrated.before.is_some(), "{name}");
        let model = Model::new(calibrated.parts).expect("the parts fit");

        let expected = matrix(&case["probabilities"]).concat();
        let found = model.predict(&asked).expect("rows are answered");
        assert_eq!(found.outputs, classes, "{name}");
        for (found, expected) in found.values.iter().zip(&expected) {
            assert!(
                distance(*found, *expected) < 1e-6,
                "{name}: {found} {expected}"
            );
        }
        for (row, label) in expected.chunks_exact(classes).zip(&found.labels) {
            let largest = row.iter().copied().fold(f64::MIN, f64::max);
            assert_eq!(row[*label as usize], largest, "{name}");
        }

        let observed = numbers(&case["asked_observed"]);
        let observed: Vec<usize> = observed.iter().map(|&class| class as usize).collect();
        let figures = reliability(&expected, &observed);
        let expected = &case["reliability"];
        for (what, found) in [
            ("brier", figures.brier),
            ("log_loss", figures.log_loss),
            ("expected_error", figures.expected_error),
            ("maximum_error", figures.maximum_error),
        ] {
            let expected = expected[what].as_f64().expect("a number");
            assert!(
                distance(found, expected) < 1e-12,
                "{name} {what}: {found} {expected}"
            );
        }
        let bins = figures.bins.iter().filter(|bin| bin.rows > 0);
        let found: Vec<f64> = bins
            .flat_map(|bin| [bin.probability, bin.frequency])
            .collect();
        for (found, expected) in found.iter().zip(matrix(&expected["bins"]).concat()) {
            assert!(
                distance(*found, expected) < 1e-12,
                "{name}: {found} {expected}"
            );
        }
    }
}

#[test]
fn the_sigmoid_is_the_one_of_largest_likelihood() {
    let mut checked = 0;
    for case in cases("calibration.json") {
        if case["curve"].is_null() {
            continue;
        }
        let scores: Vec<f64> = matrix(&case["fitted"])
            .iter()
            .filter_map(|row| row.last().copied())
            .collect();
        let right: Vec<bool> = numbers(&case["observed"])
            .iter()
            .map(|&y| y == 1.0)
            .collect();
        let CalibrationCurve::Sigmoid { slope, intercept } = platt(&scores, &right) else {
            panic!("Platt's curve is a sigmoid");
        };
        let expected = numbers(&case["curve"]);
        for (found, expected) in [slope, intercept].iter().zip(expected) {
            assert!(
                distance(*found, expected) < 1e-8 * expected.abs(),
                "{found} {expected}"
            );
        }
        checked += 1;
    }
    assert_eq!(checked, 2);
}

/// Probabilities that promise too much: 0.99 where 4 of 5 rows are of the class.
fn overconfident() -> (Vec<Vec<f64>>, Vec<f64>) {
    let rows = (0..100).map(|row| if row % 2 == 0 { 0.99 } else { 0.01 });
    let observed = (0..100).map(|row| f64::from((row % 2 == 0) != (row < 20)));
    (
        rows.map(|second: f64| vec![1.0 - second, second]).collect(),
        observed.collect(),
    )
}

#[test]
fn figures_after_are_better_than_before() {
    let (rows, observed) = overconfident();
    for method in CalibrationMethod::ALL {
        let model = probabilities(2, Decision::Largest);
        let rows = batch(&model, &rows);
        let calibrated = calibrate(model, method, &rows, &observed).expect("it is calibrated");
        let before = calibrated.before.expect("they are probabilities");
        assert!((before.expected_error - 0.19).abs() < 1e-9, "{before:?}");
        assert!(
            calibrated.after.expected_error < 0.03,
            "{:?}",
            calibrated.after
        );
        assert!(calibrated.after.log_loss < before.log_loss);
    }
}

#[test]
fn figures_after_are_those_of_rows_that_were_not_fitted() {
    // Noise: a step for every row fits them perfectly, and none of it holds for others.
    let rows: Vec<Vec<f64>> = (0..60)
        .map(|row| vec![1.0 - row as f64 / 60.0, row as f64 / 60.0])
        .collect();
    let observed: Vec<f64> = (0..60).map(|row| f64::from(row * row % 7 > 2)).collect();
    let model = probabilities(2, Decision::Largest);
    let rows = batch(&model, &rows);
    let calibrated =
        calibrate(model, CalibrationMethod::Isotonic, &rows, &observed).expect("it is calibrated");
    let model = Model::new(calibrated.parts).expect("the parts fit");
    let classes: Vec<usize> = observed.iter().map(|&class| class as usize).collect();
    let own = reliability(&model.predict(&rows).expect("answered").values, &classes);
    assert!(
        calibrated.after.brier > own.brier + 0.01,
        "{} {}",
        calibrated.after.brier,
        own.brier
    );
}

#[test]
fn a_threshold_of_the_models_own_stays() {
    let (rows, observed) = overconfident();
    let careful = Decision::Above {
        column: 1,
        threshold: 0.995,
    };
    let model = probabilities(2, careful);
    let rows = batch(&model, &rows);
    let labels = model.predict(&rows).expect("answered").labels;
    let calibrated =
        calibrate(model, CalibrationMethod::Platt, &rows, &observed).expect("it is calibrated");
    assert!(!calibrated.decides);
    let model = Model::new(calibrated.parts).expect("the parts fit");
    assert_eq!(model.predict(&rows).expect("answered").labels, labels);
}

#[test]
fn the_link_is_no_longer_the_logistic_one() {
    let model = log_odds();
    let rows: Vec<Vec<f64>> = (0..20).map(|row| vec![row as f64 - 10.0]).collect();
    let observed: Vec<f64> = (0..20).map(|row| f64::from(row > 7)).collect();
    let rows = batch(&model, &rows);
    let calibrated =
        calibrate(model, CalibrationMethod::Platt, &rows, &observed).expect("it is calibrated");
    assert!(matches!(
        calibrated.parts.core,
        Core::Additive {
            link: Link::Other,
            ..
        }
    ));
    let image = Model::new(calibrated.parts)
        .expect("the parts fit")
        .to_image();
    let again = Model::from_image(&image).expect("the image is sound");
    let predictions = again.predict(&rows).expect("answered");
    assert_eq!(predictions.margins[0], -10.0);
    assert_eq!(predictions.outputs, 2);
}

#[test]
fn refuses_what_cannot_be_calibrated() {
    let platt = CalibrationMethod::Platt;
    let model = number();
    let rows = batch(&model, &[vec![1.0], vec![2.0]]);
    let refused = calibrate(model, platt, &rows, &[0.0, 1.0]).expect_err("a regressor");
    assert_eq!(
        refused.to_string(),
        "calibration is for classifiers; this model predicts numbers"
    );

    let five = vec![vec![0.5, 0.5]; 5];
    for (observed, words) in [
        (
            vec![0.0, 1.0],
            "2 answers for 5 held-out rows; give one for each row",
        ),
        (
            vec![0.0, 1.0, 2.0, 0.0, 1.0],
            "the answer of held-out row 2 is 2, expected the index of one of 2 classes",
        ),
        (
            vec![0.0, 1.0, 0.5, 0.0, 1.0],
            "the answer of held-out row 2 is 0.5, expected the index of one of 2 classes",
        ),
        (
            vec![0.0, 0.0, 0.0, 0.0, 1.0],
            "class `0` has 4 of the held-out rows; calibration needs at least 2 with and 2 without each class",
        ),
    ] {
        let model = probabilities(2, Decision::Largest);
        let rows = batch(&model, &five);
        let refused = calibrate(model, platt, &rows, &observed).expect_err(words);
        assert_eq!(refused.to_string(), words);
    }

    let model = probabilities(2, Decision::Largest);
    let mut parts = model.into_parts();
    parts.conformity = Some(Conformity {
        score: ConformityScore::Adaptive,
        scores: vec![0.5],
    });
    let model = Model::new(parts).expect("the parts fit");
    let rows = batch(&model, &five);
    let refused = calibrate(model, platt, &rows, &[0.0, 1.0, 0.0, 1.0, 1.0]).expect_err("scored");
    assert_eq!(
        refused.to_string(),
        "the model has conformity scores already; calibrate it first, then score the calibrated model"
    );
}
