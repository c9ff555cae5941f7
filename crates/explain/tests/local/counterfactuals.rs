//! Counterfactuals against exhaustive search.

use hyaline_explain::sampling::Random;
use hyaline_explain::{
    CounterfactualRequest, Counterfactuals, ExplainError, Goal, Predict, Reason,
    ReferenceStatistics, ReferenceView, counterfactuals,
};
use hyaline_model::{Batch, Direction, Feature, FeatureKind, Recourse};

use crate::black_box::{BlackBox, category, every_row, integer, number, truth};

const FOUR: CounterfactualRequest = CounterfactualRequest {
    count: 4,
    goal: Goal::AnotherClass,
    seed: 0,
};

fn find(
    model: &BlackBox,
    reference: &[Vec<f64>],
    row: &[f64],
    request: CounterfactualRequest,
) -> Result<Counterfactuals, ExplainError> {
    let rows = model.batch(reference);
    let statistics = ReferenceStatistics::new(model, &model.symbols, &rows)?;
    let view = ReferenceView {
        rows: &rows,
        statistics: &statistics,
    };
    counterfactuals(model, view, &model.batch(&[row.to_vec()]), 0, request)
}

fn found(model: &BlackBox, reference: &[Vec<f64>], row: &[f64]) -> Counterfactuals {
    find(model, reference, row, FOUR).expect("the model answers every row")
}

const SIZES: [usize; 4] = [5, 5, 3, 2];

/// A model over the rows of [`SIZES`] whose score is a random table: nothing to climb, much to find.
fn random_model(seed: u64, smooth: bool) -> BlackBox {
    let mut random = Random::new(seed, 0);
    let mut main: Vec<f64> = (0..20).map(|_| random.unit() - 0.5).collect();
    main[0] *= 4.0;
    let table: Vec<f64> = (0..150).map(|_| random.unit() - 0.8).collect();
    let features = vec![
        integer("a"),
        integer("b"),
        category("c", &["x", "y", "z"]),
        truth("d"),
    ];
    BlackBox::classifier(features, move |row| {
        if smooth {
            let sum = main[0] * row[0] + main[1] * row[1] * row[3] + main[2 + row[2] as usize];
            sum + main[6] * row[3] - 0.5
        } else {
            let at = ((row[0] * 5.0 + row[1]) * 3.0 + row[2]) * 2.0 + row[3];
            table[at as usize]
        }
    })
}

/// 1 for each changed feature and its difference: by the deviations of the reference, every row of [`SIZES`] once, whose
/// median absolute deviation is 1 for both integers.
fn cost(from: &[f64], to: &[f64]) -> f64 {
    let features = from.iter().zip(to).enumerate();
    features
        .map(|(feature, (from, to))| match feature {
            _ if from == to => 0.0,
            0 | 1 => 1.0 + (from - to).abs(),
            _ => 2.0,
        })
        .sum()
}

#[test]
fn the_first_is_the_cheapest_there_is() {
    let rows = every_row(&SIZES);
    let mut explained = 0;
    for (seed, smooth) in (0..20).flat_map(|seed| [(seed, false), (seed, true)]) {
        let model = random_model(seed, smooth);
        let class = |row: &[f64]| model.score(row) > 0.0;
        for row in rows.iter().step_by(7) {
            let others = rows.iter().filter(|other| class(other) != class(row));
            let cheapest = others
                .map(|other| cost(row, other))
                .fold(f64::INFINITY, f64::min);
            let answer = found(&model, &rows, row);
            assert_eq!(
                answer.found.is_empty(),
                cheapest.is_infinite(),
                "seed {seed}, {row:?}"
            );
            for at in 0..answer.found.len() {
                let other = model.numbers(&answer.rows, at);
                assert_ne!(
                    class(&other),
                    class(row),
                    "seed {seed}: {row:?} to {other:?}"
                );
                explained += 1;
            }
            if let Some(first) = (!answer.found.is_empty()).then(|| model.numbers(&answer.rows, 0))
            {
                assert_eq!(
                    cost(row, &first),
                    cheapest,
                    "seed {seed}: {row:?} to {first:?}"
                );
            }
        }
    }
    assert!(explained > 1000, "{explained}");
}

#[test]
fn they_keep_to_what_the_recipe_allows() {
    let rows = every_row(&SIZES);
    let restricted = |feature: Feature, recourse: Recourse| Feature {
        recourse,
        ..feature
    };
    let immutable = Recourse {
        immutable: true,
        ..Recourse::default()
    };
    let upwards = Recourse {
        direction: Direction::Increase,
        range: Some((1.0, 6.5)),
        ..Recourse::default()
    };
    let some = Recourse {
        categories: vec!["y".to_owned()],
        ..Recourse::default()
    };
    let mut changed = [0; 4];
    for seed in 0..30 {
        let free = random_model(seed, true);
        let features = vec![
            restricted(integer("a"), upwards.clone()),
            integer("b"),
            restricted(category("c", &["x", "y", "z"]), some.clone()),
            restricted(truth("d"), immutable.clone()),
        ];
        let model = BlackBox::classifier(features, move |row| free.score(row));
        for row in rows.iter().step_by(11) {
            let answer = found(&model, &rows, row);
            for at in 0..answer.found.len() {
                let other = model.numbers(&answer.rows, at);
                let changes = (0..4).filter(|&f| other[f] != row[f]).collect::<Vec<_>>();
                changes.iter().for_each(|&feature| changed[feature] += 1);
                assert_eq!(other[3], row[3], "the truth cannot change");
                if other[0] != row[0] {
                    assert!(
                        other[0] > row[0] && (1.0..=6.0).contains(&other[0]),
                        "{row:?} {other:?}"
                    );
                    assert_eq!(other[0].fract(), 0.0);
                }
                assert!(other[2] == row[2] || other[2] == 1.0, "{row:?} {other:?}");
                assert!(other[1] == row[1] || (0.0..=4.0).contains(&other[1]));
            }
        }
    }
    assert!(
        changed[0] > 10 && changed[1] > 10 && changed[2] > 10,
        "{changed:?}"
    );
}

#[test]
fn a_number_goes_no_further_than_it_must() {
    // Values with one decimal; the border lies at 3.37.
    let reference: Vec<Vec<f64>> = (0..100).map(|x| vec![f64::from(x) / 10.0, 1.0]).collect();
    let model = BlackBox::classifier(vec![number("x"), number("y")], |row| row[0] - 3.37);
    let answer = found(&model, &reference, &[0.5, 1.0]);
    assert_eq!(model.numbers(&answer.rows, 0), [3.4, 1.0]);
    let back = found(&model, &reference, &[9.9, 1.0]);
    assert_eq!(model.numbers(&back.rows, 0), [3.3, 1.0]);
    let first = &answer.found[0];
    assert!((first.gower - (2.9 / 9.9) / 2.0).abs() < 1e-12, "{first:?}");
    assert!(
        (first.distance - (2.9 / 2.5) / 2.0).abs() < 1e-12,
        "{first:?}"
    );
    assert!(first.nearest < 1e-12 && first.inside, "{first:?}");
}

#[test]
fn four_are_four_different_ways() {
    let features = (0..6).map(|at| integer(&format!("f{at}"))).collect();
    let model = BlackBox::classifier(features, |row| row.iter().sum::<f64>() - 7.5);
    let reference: Vec<Vec<f64>> = (0..60)
        .map(|row| {
            (0..6)
                .map(|feature| f64::from((row * (feature + 3) + feature) % 11))
                .collect()
        })
        .collect();
    let answer = found(&model, &reference, &[0.0; 6]);
    let mut sets: Vec<Vec<usize>> = answer
        .found
        .iter()
        .map(|one| one.changes.iter().map(|change| change.feature).collect())
        .collect();
    assert_eq!(sets.len(), 4);
    assert!(sets.iter().all(|set| set.len() == 1), "{sets:?}");
    sets.sort();
    sets.dedup();
    assert_eq!(sets.len(), 4);
}

#[test]
fn a_regressor_is_led_into_a_range() {
    let model = BlackBox::regressor(vec![integer("x"), integer("y")], |row| {
        3.0 * row[0] + row[1]
    });
    let reference = every_row(&[8, 3]);
    let between = |low, high| CounterfactualRequest {
        goal: Goal::Between { low, high },
        ..FOUR
    };
    let answer = find(&model, &reference, &[0.0, 0.0], between(9.5, 10.5)).expect("numbers");
    assert!(!answer.found.is_empty());
    for value in &answer.predictions.values {
        assert_eq!(*value, 10.0);
    }
    let open = find(
        &model,
        &reference,
        &[0.0, 0.0],
        between(20.0, f64::INFINITY),
    )
    .expect("numbers");
    assert_eq!(model.numbers(&open.rows, 0), [7.0, 0.0]);
    let reached = find(&model, &reference, &[0.0, 0.0], between(0.0, 1.0)).expect("numbers");
    assert_eq!(reached.reason, Some(Reason::Reached));
    assert!(find(&model, &reference, &[0.0, 0.0], FOUR).is_err());
}

#[test]
fn what_cannot_be_flipped_is_said() {
    let reference = every_row(&[3, 2]);
    let features = || vec![integer("x"), truth("y")];
    let constant = BlackBox::classifier(features(), |_| 1.0);
    let answer = found(&constant, &reference, &[0.0, 0.0]);
    assert_eq!((answer.found.len(), answer.rows.rows()), (0, 0));
    assert_eq!(answer.reason, Some(Reason::NotFound));
    let fixed = features().into_iter().map(|feature| Feature {
        recourse: Recourse {
            immutable: true,
            ..Recourse::default()
        },
        ..feature
    });
    let model = BlackBox::classifier(fixed.collect(), |row| row[0] - 1.0);
    assert_eq!(
        found(&model, &reference, &[0.0, 0.0]).reason,
        Some(Reason::Fixed)
    );
    let wanted = CounterfactualRequest {
        goal: Goal::Class(0),
        ..FOUR
    };
    let model = BlackBox::classifier(features(), |row| row[0] - 1.0);
    let answer = find(&model, &reference, &[0.0, 0.0], wanted).expect("numbers");
    assert_eq!(answer.reason, Some(Reason::Reached));
}

#[test]
fn a_needle_is_found_by_the_nearest_row_of_the_other_answer() {
    // Six truths at once: no change of fewer shows any progress.
    let features: Vec<Feature> = (0..6).map(|at| truth(&format!("f{at}"))).collect();
    let model = BlackBox::classifier(features, |row| row.iter().product::<f64>() - 0.5);
    let reference = vec![vec![0.0; 6], vec![1.0; 6]];
    let answer = found(&model, &reference, &[0.0; 6]);
    assert_eq!(answer.found[0].changes.len(), 6);
}

#[test]
fn mixtures_find_what_no_reference_row_shows_and_the_seed_is_theirs() {
    let features: Vec<Feature> = (0..6).map(|at| truth(&format!("f{at}"))).collect();
    let model = BlackBox::classifier(features, |row| row.iter().product::<f64>() - 0.5);
    let reference: Vec<Vec<f64>> = every_row(&[2; 6])
        .into_iter()
        .filter(|row| row.contains(&0.0))
        .collect();
    let answer = found(&model, &reference, &[0.0; 6]);
    assert_eq!(answer.found[0].changes.len(), 6);
    assert_eq!(answer, found(&model, &reference, &[0.0; 6]));
}

#[test]
fn a_missing_number_may_be_filled_but_none_is_taken_away() {
    let model = BlackBox::classifier(vec![number("x"), number("y")], |row| {
        if row[0].is_nan() || row[1].is_nan() {
            1.0
        } else {
            row[0] - 5.0
        }
    });
    let mut reference = every_row(&[10, 2]);
    reference.push(vec![f64::NAN, 0.0]);
    let filled = found(&model, &reference, &[f64::NAN, 0.0]);
    assert!(model.numbers(&filled.rows, 0)[0] <= 5.0, "{filled:?}");
    let answer = found(&model, &reference, &[2.0, 0.0]);
    for at in 0..answer.found.len() {
        assert!(model.numbers(&answer.rows, at)[0] > 5.0, "{answer:?}");
    }
}

#[test]
fn texts_are_refused_by_name() {
    let text = Feature::new("letter", FeatureKind::Text);
    let model = BlackBox::classifier(vec![integer("x"), text], |_| 0.0);
    let columns = vec![
        hyaline_model::Column::Numbers(vec![1.0]),
        hyaline_model::Column::Texts(vec!["a".to_owned()]),
    ];
    let rows = Batch::new(model.schema(), columns).expect("the columns fit");
    let refused = ReferenceStatistics::new(&model, &model.symbols, &rows);
    assert_eq!(
        refused.expect_err("texts have no statistics").to_string(),
        "the feature `letter` is free text; LIME on tables, anchors and counterfactuals take numbers, truth values and \
         categories"
    );
}
