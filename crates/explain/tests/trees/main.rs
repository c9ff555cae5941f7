//! Tree explanations against the 2^n oracle, on random ensembles.

mod oracle;
mod random;

use hyaline_explain::trees::TreeExplainer;
use hyaline_model::trees::{Aggregate, TreeEnsemble};
use oracle::Game;
use random::{Kind, Random, ensemble};

/// Shapes of ensembles: many small ones, deep ones, several outputs, one feature behind several columns.
const KINDS: &[(Kind, &[u32], usize)] = &[
    (kind(1, 4, 1, 3, Aggregate::Sum), &[0, 1, 2, 3], 4),
    (kind(5, 6, 1, 4, Aggregate::Sum), &[0, 1, 2, 3, 4, 5], 6),
    (kind(4, 7, 1, 5, Aggregate::Average), &[2, 0, 0, 1, 3, 3, 3], 5),
    (kind(3, 5, 3, 4, Aggregate::Average), &[0, 1, 2, 3, 4], 5),
    (kind(6, 8, 2, 5, Aggregate::Sum), &[0, 1, 1, 2, 3, 4, 5, 5], 7),
    (kind(2, 9, 1, 8, Aggregate::Sum), &[0, 1, 2, 3, 4, 5, 6, 7, 8], 9),
    (kind(3, 3, 1, 0, Aggregate::Sum), &[0, 1, 2], 3),
];

const fn kind(trees: usize, columns: usize, outputs: usize, depth: usize, aggregate: Aggregate) -> Kind {
    Kind { trees, columns, outputs, depth, aggregate }
}

/// Largest magnitude a margin can have, the scale of rounding errors.
fn scale(ensemble: &TreeEnsemble) -> f64 {
    let parts = ensemble.parts();
    parts.weights.iter().fold(1.0, |most: f64, weight| most.max(weight.value.abs())) * parts.roots.len() as f64
}

fn assert_close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len());
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() <= tolerance, "{what}: {found} at {index}, expected {expected}");
    }
}

/// Explains random rows of random ensembles under `budget` and compares with the oracle.
fn check(seed: u64, budget: usize, relative: f64) {
    let mut random = Random(seed);
    for round in 0..6 {
        for &(kind, column_feature, features) in KINDS {
            let ensemble = ensemble(&mut random, kind);
            let background = random.rows(1 + 3 * round, kind.columns);
            let row = random.rows(1, kind.columns);
            let tolerance = relative * scale(&ensemble);
            let mut found = vec![f64::NAN; features * kind.outputs];

            let explainer = TreeExplainer::path_dependent(&ensemble, column_feature, features, budget).unwrap();
            explainer.explain(&row, &mut found);
            let game = Game::path_dependent(&ensemble, column_feature, features, &row);
            assert_close(explainer.base_values(), &game.worths[0], tolerance, "path-dependent base value");
            assert_close(&found, &game.values(), tolerance, "path-dependent");

            let explainer =
                TreeExplainer::interventional(&ensemble, column_feature, features, &background, budget).unwrap();
            explainer.explain(&row, &mut found);
            let game = Game::interventional(&ensemble, column_feature, features, &background, &row);
            assert_close(explainer.base_values(), &game.worths[0], tolerance, "interventional base value");
            assert_close(&found, &game.values(), tolerance, "interventional");
        }
    }
}

#[test]
fn prop_walks_give_the_values_of_the_games() {
    check(1, 0, 1e-7);
}

#[test]
fn prop_tables_give_the_values_of_the_games() {
    for budget in [usize::MAX, 1 << 16, 1 << 13] {
        check(2, budget, 1e-7);
    }
}

#[test]
fn prop_a_row_has_the_same_bits_in_every_batch() {
    let mut random = Random(3);
    for &(kind, column_feature, features) in KINDS {
        let ensemble = ensemble(&mut random, kind);
        let background = random.rows(20, kind.columns);
        let rows = 300;
        let encoded = random.rows(rows, kind.columns);
        let width = features * kind.outputs;
        for budget in [0, 1 << 13, 24 << 20] {
            for explainer in [
                TreeExplainer::path_dependent(&ensemble, column_feature, features, budget).unwrap(),
                TreeExplainer::interventional(&ensemble, column_feature, features, &background, budget).unwrap(),
            ] {
                let mut together = vec![f64::NAN; rows * width];
                explainer.explain(&encoded, &mut together);
                for (row, together) in encoded.chunks_exact(kind.columns).zip(together.chunks_exact(width)) {
                    let mut alone = vec![f64::NAN; width];
                    explainer.explain(row, &mut alone);
                    assert_eq!(alone, together);
                }
            }
        }
    }
}

#[test]
fn prop_interactions_are_those_of_the_games() {
    let mut random = Random(4);
    for round in 0..4 {
        for &(kind, column_feature, features) in KINDS {
            let ensemble = ensemble(&mut random, kind);
            let background = random.rows(1 + 3 * round, kind.columns);
            let row = random.rows(1, kind.columns);
            let tolerance = 1e-12 * scale(&ensemble);
            let mut found = vec![f64::NAN; features * features * kind.outputs];

            let explainer = TreeExplainer::path_dependent(&ensemble, column_feature, features, 0).unwrap();
            explainer.interactions(&row, &mut found);
            let game = Game::path_dependent(&ensemble, column_feature, features, &row);
            assert_close(&found, &game.interactions(), tolerance, "path-dependent interactions");

            let explainer = TreeExplainer::interventional(&ensemble, column_feature, features, &background, 0).unwrap();
            explainer.interactions(&row, &mut found);
            let game = Game::interventional(&ensemble, column_feature, features, &background, &row);
            assert_close(&found, &game.interactions(), tolerance, "interventional interactions");
        }
    }
}
