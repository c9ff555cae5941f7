//! Tree explanations against the 2^n oracle, on random ensembles.

mod oracle;
mod random;

use hyaline_explain::trees::{TreeExplainError, TreeExplainer};
use hyaline_model::trees::{Aggregate, EnsembleParts, Leaf, Node, Split, TreeEnsemble};
use oracle::Game;
use random::{Kind, Random, chain, ensemble};

/// Shapes of ensembles: many small ones, deep ones, several outputs, one feature behind several columns.
const KINDS: &[(Kind, &[u32], usize)] = &[
    (kind(1, 4, 1, 3, Aggregate::Sum), &[0, 1, 2, 3], 4),
    (kind(5, 6, 1, 4, Aggregate::Sum), &[0, 1, 2, 3, 4, 5], 6),
    (
        kind(4, 7, 1, 5, Aggregate::Average),
        &[2, 0, 0, 1, 3, 3, 3],
        5,
    ),
    (kind(3, 5, 3, 4, Aggregate::Average), &[0, 1, 2, 3, 4], 5),
    (
        kind(6, 8, 2, 5, Aggregate::Sum),
        &[0, 1, 1, 2, 3, 4, 5, 5],
        7,
    ),
    (
        kind(2, 9, 1, 8, Aggregate::Sum),
        &[0, 1, 2, 3, 4, 5, 6, 7, 8],
        9,
    ),
    (kind(3, 3, 1, 0, Aggregate::Sum), &[0, 1, 2], 3),
];

const fn kind(
    trees: usize,
    columns: usize,
    outputs: usize,
    depth: usize,
    aggregate: Aggregate,
) -> Kind {
    Kind {
        trees,
        columns,
        outputs,
        depth,
        aggregate,
    }
}

/// Largest magnitude a margin can have, the scale of rounding errors.
fn scale(ensemble: &TreeEnsemble) -> f64 {
    let parts = ensemble.parts();
    parts
        .weights
        .iter()
        .fold(1.0, |most: f64, weight| most.max(weight.value.abs()))
        * parts.roots.len() as f64
}

fn assert_close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len());
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            (found - expected).abs() <= tolerance,
            "{what}: {found} at {index}, expected {expected}"
        );
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
            check_row(
                &ensemble,
                column_feature,
                features,
                &background,
                &row,
                budget,
                relative,
            );
        }
    }
}

fn check_row(
    ensemble: &TreeEnsemble,
    column_feature: &[u32],
    features: usize,
    background: &[f64],
    row: &[f64],
    budget: usize,
    relative: f64,
) {
    let tolerance = relative * scale(ensemble);
    let mut found = vec![f64::NAN; features * ensemble.outputs()];

    let explainer =
        TreeExplainer::path_dependent(ensemble, column_feature, features, budget).unwrap();
    explainer.explain(row, &mut found);
    let game = Game::path_dependent(ensemble, column_feature, features, row);
    assert_close(
        explainer.base_values(),
        &game.worths[0],
        1e-12 * scale(ensemble),
        "path-dependent base value",
    );
    assert_close(&found, &game.values(), tolerance, "path-dependent");

    let explainer =
        TreeExplainer::interventional(ensemble, column_feature, features, background, budget)
            .unwrap();
    explainer.explain(row, &mut found);
    let game = Game::interventional(ensemble, column_feature, features, background, row);
    assert_close(
        explainer.base_values(),
        &game.worths[0],
        1e-12 * scale(ensemble),
        "interventional base value",
    );
    assert_close(&found, &game.values(), tolerance, "interventional");
}

#[test]
fn prop_walks_give_the_values_of_the_games() {
    check(1, 0, 2e-7);
}

#[test]
fn deep_trees_give_the_values_of_the_games() {
    let mut random = Random(5);
    for budget in [0, usize::MAX] {
        for _ in 0..4 {
            let ensemble = chain(&mut random, 5, 200);
            let (background, row) = (random.rows(9, 5), random.rows(1, 5));
            check_row(
                &ensemble,
                &[0, 1, 2, 3, 4],
                5,
                &background,
                &row,
                budget,
                1e-9,
            );
        }
    }
}

#[test]
fn paths_of_many_features_give_the_values_of_the_games() {
    let mut random = Random(6);
    let ensemble = chain(&mut random, 17, 19);
    let column_feature: Vec<u32> = (0..17).collect();
    for budget in [0, usize::MAX] {
        let (background, row) = (random.rows(2, 17), random.rows(1, 17));
        check_row(
            &ensemble,
            &column_feature,
            17,
            &background,
            &row,
            budget,
            1e-9,
        );
    }
}

/// What the message says, for each way an ensemble cannot be explained.
#[test]
fn refusals_say_what_is_missing() {
    let mut random = Random(7);
    let refusal = |made: Result<TreeExplainer, _>| {
        made.err()
            .map(|error: TreeExplainError| error.to_string())
            .unwrap()
    };
    let path_dependent = |ensemble: &TreeEnsemble, column_feature: &[u32]| {
        refusal(TreeExplainer::path_dependent(
            ensemble,
            column_feature,
            3,
            0,
        ))
    };

    let largest = ensemble(&mut random, kind(2, 3, 1, 3, Aggregate::Maximum));
    assert_eq!(
        path_dependent(&largest, &[0, 1, 2]),
        "TreeSHAP needs margins that add up over the trees; this ensemble takes the maximum of its leaves"
    );
    let sum = ensemble(&mut random, kind(2, 3, 1, 3, Aggregate::Sum));
    assert_eq!(
        path_dependent(&sum, &[0, 1]),
        "2 columns are mapped to features, the ensemble reads 3"
    );
    assert_eq!(
        path_dependent(&sum, &[0, 1, 7]),
        "column 2 is mapped to feature 7 of 3"
    );
    let bare = TreeEnsemble::new(EnsembleParts {
        covers: None,
        ..sum.parts().clone()
    })
    .unwrap();
    assert_eq!(
        path_dependent(&bare, &[0, 1, 2]),
        "path-dependent TreeSHAP needs the training weight of every node, which this ensemble lacks; give a background \
         (interventional), count covers from data, or import the native LightGBM or XGBoost file"
    );
    for background in [&[][..], &[1.0, 2.0, 3.0, 4.0]] {
        assert_eq!(
            refusal(TreeExplainer::interventional(
                &sum,
                &[0, 1, 2],
                3,
                background,
                0
            )),
            format!(
                "the background has {} numbers for rows of 3 columns; give at least one whole row",
                background.len()
            )
        );
    }
    assert_eq!(
        path_dependent(&chain(&mut random, 3, 257), &[0, 1, 2]),
        "a tree is deeper than 256 splits; explain it by sampling, or train with a depth limit"
    );
    let wide = chain(&mut random, 129, 129);
    let column_feature: Vec<u32> = (0..129).collect();
    assert_eq!(
        refusal(TreeExplainer::path_dependent(
            &wide,
            &column_feature,
            129,
            0
        )),
        "a path tests 129 different features, exact values are computed for up to 128; explain it by sampling, or train \
         with a depth limit"
    );
}

#[test]
fn prop_values_and_base_add_up_to_the_margin() {
    let mut random = Random(8);
    for &(kind, column_feature, features) in KINDS {
        let ensemble = ensemble(
            &mut random,
            Kind {
                trees: 10 * kind.trees,
                ..kind
            },
        );
        let background = random.rows(30, kind.columns);
        let encoded = random.rows(200, kind.columns);
        let mut margins = vec![0.0; 200 * kind.outputs];
        ensemble.evaluate(&encoded, &mut margins);
        for explainer in [
            TreeExplainer::path_dependent(&ensemble, column_feature, features, 24 << 20).unwrap(),
            TreeExplainer::interventional(
                &ensemble,
                column_feature,
                features,
                &background,
                24 << 20,
            )
            .unwrap(),
        ] {
            let mut values = vec![0.0; 200 * features * kind.outputs];
            explainer.explain(&encoded, &mut values);
            for (values, margins) in values
                .chunks_exact(features * kind.outputs)
                .zip(margins.chunks_exact(kind.outputs))
            {
                for (output, margin) in margins.iter().enumerate() {
                    let sum: f64 = values.iter().skip(output).step_by(kind.outputs).sum();
                    let residual = (margin - explainer.base_values()[output] - sum).abs();
                    assert!(
                        residual <= 1e-8 * scale(&ensemble),
                        "{residual} is left of {margin}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_feature_no_split_asks_is_worth_nothing_and_twins_are_worth_the_same() {
    let mut random = Random(9);
    let ensemble = ensemble(&mut random, kind(6, 4, 1, 5, Aggregate::Sum));
    // Feature 4 has no column. The second ensemble adds every tree once more with columns 0 and 1 exchanged.
    let mut parts = ensemble.parts().clone();
    let (nodes, weights) = (parts.nodes.len() as u32, parts.weights.len() as u32);
    parts
        .roots
        .extend(ensemble.parts().roots.iter().map(|root| root + nodes));
    parts.weights.extend(ensemble.parts().weights.clone());
    parts
        .nodes
        .extend(ensemble.parts().nodes.iter().map(|node| match *node {
            Node::Leaf(leaf) => Node::Leaf(Leaf {
                first: leaf.first + weights,
                ..leaf
            }),
            Node::Split(split) => {
                let column = [1, 0, 2, 3][split.column as usize];
                Node::Split(Split {
                    column,
                    yes: split.yes + nodes,
                    no: split.no + nodes,
                    ..split
                })
            }
        }));
    let covers = parts.covers.clone().unwrap();
    parts.covers.as_mut().unwrap().extend(covers);
    let twins = TreeEnsemble::new(parts).unwrap();
    for budget in [0, 24 << 20] {
        for _ in 0..20 {
            let mut row = random.rows(1, 4);
            row[1] = row[0];
            let mut values = [f64::NAN; 5];
            TreeExplainer::path_dependent(&twins, &[0, 1, 2, 3], 5, budget)
                .unwrap()
                .explain(&row, &mut values);
            assert_eq!(values[4], 0.0);
            assert!(
                (values[0] - values[1]).abs() <= 2e-7 * scale(&twins),
                "{values:?}"
            );
        }
    }
}

#[test]
fn tables_stay_within_their_budget() {
    let mut random = Random(10);
    let ensemble = ensemble(&mut random, kind(40, 6, 1, 6, Aggregate::Sum));
    let made =
        |budget| TreeExplainer::path_dependent(&ensemble, &[0, 1, 2, 3, 4, 5], 6, budget).unwrap();
    let walks = made(0).bytes();
    assert_eq!(made(0).algorithm(), "quadrature along the trees");
    assert_eq!(
        made(usize::MAX).algorithm(),
        "tables over decision patterns"
    );
    let whole = made(usize::MAX).bytes();
    let mut partly = 0;
    for budget in (1..=20).map(|twentieths| whole * twentieths / 20) {
        let explainer = made(budget);
        partly += usize::from(
            explainer.algorithm() == "tables over decision patterns, quadrature along large trees",
        );
        assert!(
            explainer.bytes() <= budget + walks,
            "{} for {budget}",
            explainer.bytes()
        );
    }
    assert!(partly > 0);
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
                TreeExplainer::interventional(
                    &ensemble,
                    column_feature,
                    features,
                    &background,
                    budget,
                )
                .unwrap(),
            ] {
                let mut together = vec![f64::NAN; rows * width];
                explainer.explain(&encoded, &mut together);
                for (row, together) in encoded
                    .chunks_exact(kind.columns)
                    .zip(together.chunks_exact(width))
                {
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

            let explainer =
                TreeExplainer::path_dependent(&ensemble, column_feature, features, 0).unwrap();
            explainer.interactions(&row, &mut found);
            let game = Game::path_dependent(&ensemble, column_feature, features, &row);
            assert_close(
                &found,
                &game.interactions(),
                tolerance,
                "path-dependent interactions",
            );

            let explainer =
                TreeExplainer::interventional(&ensemble, column_feature, features, &background, 0)
                    .unwrap();
            explainer.interactions(&row, &mut found);
            let game = Game::interventional(&ensemble, column_feature, features, &background, &row);
            assert_close(
                &found,
                &game.interactions(),
                tolerance,
                "interventional interactions",
            );
        }
    }
}
