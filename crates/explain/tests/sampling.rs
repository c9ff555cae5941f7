//! Sampled Shapley values against games whose values are known.

use hyaline_explain::game::{Coalitions, Game};
use hyaline_explain::sampling::{Budget, Estimator, Random, Sampled, owen, sample};
use hyaline_explain::shapley_values;
use hyaline_model::graph::EvalError;

const ESTIMATORS: [Estimator; 4] = [
    Estimator::Leverage,
    Estimator::Kernel,
    Estimator::RegressionAdjusted,
    Estimator::Permutation,
];

/// A game by the worths of all its coalitions: one table per context and output.
struct Table {
    players: usize,
    /// `[contexts][outputs][coalitions]`.
    worths: Vec<Vec<Vec<f64>>>,
}

impl Table {
    fn new(players: usize, worth: impl Fn(u64) -> f64) -> Table {
        Table {
            players,
            worths: vec![vec![(0..1 << players).map(worth).collect()]],
        }
    }

    /// Random worths, smooth in the number of members so that players have something to explain.
    fn random(players: usize, contexts: usize, outputs: usize, seed: u64) -> Table {
        let mut random = Random::new(seed, 77);
        let mut table = || {
            let gains: Vec<f64> = (0..players).map(|_| random.unit() * 4.0 - 1.0).collect();
            (0..1u64 << players)
                .map(|coalition| {
                    let sum: f64 = (0..players)
                        .filter(|player| coalition >> player & 1 == 1)
                        .map(|player| gains[player])
                        .sum();
                    sum + random.unit()
                })
                .collect()
        };
        Table {
            players,
            worths: (0..contexts)
                .map(|_| (0..outputs).map(|_| table()).collect())
                .collect(),
        }
    }

    /// `[players, outputs]`.
    fn exact(&self) -> Vec<f64> {
        let (contexts, outputs) = (self.worths.len(), self.outputs());
        let mut values = vec![0.0; self.players * outputs];
        for context in &self.worths {
            for (output, worths) in context.iter().enumerate() {
                for (player, value) in shapley_values(self.players, worths).iter().enumerate() {
                    values[player * outputs + output] += value / contexts as f64;
                }
            }
        }
        values
    }
}

impl Game for Table {
    fn players(&self) -> usize {
        self.players
    }

    fn outputs(&self) -> usize {
        self.worths[0].len()
    }

    fn worths(&self, coalitions: &Coalitions) -> Result<Vec<f64>, EvalError> {
        let contexts = self.worths.len();
        let mut means = vec![0.0; coalitions.len() * self.outputs()];
        for context in 0..contexts {
            let all = vec![context as u32; coalitions.len()];
            for (mean, worth) in means.iter_mut().zip(self.worths_in(coalitions, &all)?) {
                *mean += worth / contexts as f64;
            }
        }
        Ok(means)
    }

    fn evaluations_per_coalition(&self) -> u64 {
        self.worths.len() as u64
    }

    fn contexts(&self) -> usize {
        self.worths.len()
    }

    fn worths_in(&self, coalitions: &Coalitions, contexts: &[u32]) -> Result<Vec<f64>, EvalError> {
        Ok((0..coalitions.len())
            .flat_map(|at| {
                let coalition = coalitions.words(at)[0] as usize;
                self.worths[contexts[at] as usize]
                    .iter()
                    .map(move |worths| worths[coalition])
            })
            .collect())
    }
}

fn play(game: &dyn Game, estimator: Estimator, plays: u64, seed: u64) -> Sampled {
    let budget = Budget {
        first: plays,
        most: plays,
        tolerance: None,
    };
    sample(game, estimator, budget, seed).unwrap()
}

fn assert_close(found: &[f64], expected: &[f64], slack: f64, what: &str) {
    assert_eq!(found.len(), expected.len());
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            (found - expected).abs() <= slack,
            "{what}, value {at}: {found} instead of {expected}"
        );
    }
}

#[test]
fn leverage_is_exact_when_all_coalitions_fit_the_budget() {
    for (players, contexts, outputs) in [(1, 1, 1), (2, 1, 1), (3, 1, 2), (6, 3, 1), (9, 2, 2)] {
        let game = Table::random(players, contexts, outputs, 5);
        let plays = (contexts << players) as u64;
        let found = play(&game, Estimator::Leverage, plays, 1);
        let what = format!("{players} players, {contexts} contexts");
        assert_close(&found.estimate.values, &game.exact(), 1e-12, &what);
        assert!(
            found
                .estimate
                .variances
                .iter()
                .all(|&variance| variance == 0.0)
        );
    }
}

#[test]
fn the_glove_game_pays_the_scarce_glove() {
    let game = Table::new(3, |c| f64::from(u8::from(c & 1 == 1 && c & 6 != 0)));
    let found = play(&game, Estimator::Leverage, 8, 0);
    let expected = [2.0 / 3.0, 1.0 / 6.0, 1.0 / 6.0];
    assert_close(&found.estimate.values, &expected, 1e-12, "gloves");
}

/// Without interactions of three and more players, one antithetic walk is exact, and so is a regression over pairs.
#[test]
fn pairwise_games_are_exact_from_few_plays() {
    let players = 12;
    let single = |i: usize| i as f64 * 0.5 - 2.0;
    let pair = |i: usize, j: usize| {
        if (i + j).is_multiple_of(3) {
            1.5
        } else {
            -0.25
        }
    };
    let game = Table::new(players, |c| {
        let members: Vec<usize> = (0..players).filter(|p| c >> p & 1 == 1).collect();
        let pairs = members.iter().flat_map(|&i| {
            members
                .iter()
                .filter(move |&&j| j > i)
                .map(move |&j| pair(i, j))
        });
        members.iter().map(|&i| single(i)).sum::<f64>() + pairs.sum::<f64>()
    });
    let exact: Vec<f64> = (0..players)
        .map(|i| {
            let shared = (0..players).filter(|&j| j != i);
            single(i) + shared.map(|j| pair(i.min(j), i.max(j)) / 2.0).sum::<f64>()
        })
        .collect();
    for estimator in ESTIMATORS {
        let found = play(&game, estimator.clone(), 60, 3);
        let what = format!("{estimator:?}");
        assert_close(&found.estimate.values, &exact, 1e-10, &what);
        assert!(
            found
                .estimate
                .variances
                .iter()
                .all(|variance| *variance < 1e-20),
            "{what}: {:?}",
            found.estimate.variances
        );
    }
}

#[test]
fn values_add_up_dummies_get_nothing_and_twins_get_the_same_on_average() {
    // Player 2 never matters; players 0 and 1 are alike.
    let game = Table::new(8, |c| {
        let both = f64::from((c & 3).count_ones());
        let others = (c >> 3) as f64;
        libm::sqrt(both * 3.0 + others) + if c & 9 == 9 || c & 10 == 10 { 2.0 } else { 0.0 }
    });
    for estimator in ESTIMATORS {
        let mut difference = 0.0;
        let mut variance = 0.0;
        for seed in 0..60 {
            let found = play(&game, estimator.clone(), 90, seed);
            let values = &found.estimate.values;
            let sum: f64 = values.iter().sum();
            assert!(
                (sum - (found.full[0] - found.empty[0])).abs() < 1e-12,
                "{estimator:?}"
            );
            if estimator == Estimator::Permutation {
                assert_eq!(values[2], 0.0, "{estimator:?}");
            }
            difference += values[0] - values[1];
            variance += found.estimate.variances[0] + found.estimate.variances[1];
        }
        assert!(
            difference.abs() < 5.0 * libm::sqrt(variance),
            "{estimator:?}: {difference} against {variance}"
        );
    }
}

/// Over many seeds the mean is the exact value, and the spread is what the standard errors say.
#[test]
fn estimates_are_unbiased_and_their_errors_honest() {
    let cases = [
        (Table::random(10, 1, 2, 8), 400),
        (Table::random(10, 12, 1, 9), 12 * 80),
        (Table::random(10, 40, 1, 10), 400),
    ];
    for (game, plays) in &cases {
        let exact = game.exact();
        for estimator in ESTIMATORS {
            let seeds = 150;
            let mut sums = vec![0.0; exact.len()];
            let (mut squares, mut stated) = (0.0, 0.0);
            for seed in 0..seeds {
                let found = play(game, estimator.clone(), *plays, seed);
                for (sum, (value, exact)) in sums
                    .iter_mut()
                    .zip(found.estimate.values.iter().zip(&exact))
                {
                    *sum += value - exact;
                    squares += (value - exact) * (value - exact);
                }
                stated += found.estimate.variances.iter().sum::<f64>();
            }
            let what = format!("{estimator:?}, {} contexts", game.contexts());
            // A mean of `seeds` values, of which each has the mean variance.
            let limit =
                5.0 * libm::sqrt(squares / (exact.len() as f64) / (seeds as f64)) * (seeds as f64);
            for sum in &sums {
                assert!(
                    sum.abs() < limit,
                    "{what}: a bias of {}",
                    sum / seeds as f64
                );
            }
            let ratio = libm::sqrt(squares / stated);
            println!("{what}: error / stated {ratio:.3}");
            assert!(
                (0.5..1.25).contains(&ratio),
                "{what}: error / stated {ratio}"
            );
        }
    }
}

#[test]
fn a_seed_decides_every_bit() {
    let game = Table::random(10, 5, 1, 4);
    for estimator in ESTIMATORS {
        let one = play(&game, estimator.clone(), 300, 6);
        assert_eq!(one, play(&game, estimator.clone(), 300, 6));
        assert_ne!(
            one.estimate.values,
            play(&game, estimator.clone(), 300, 7).estimate.values
        );
    }
}

#[test]
fn a_tolerance_is_reached_by_more_plays_or_said_not_to_be() {
    let game = Table::random(12, 4, 1, 11);
    for estimator in ESTIMATORS {
        let budget = |most, tolerance| Budget {
            first: 250,
            most,
            tolerance: Some(tolerance),
        };
        let loose = sample(&game, estimator.clone(), budget(1 << 20, 0.02), 1).unwrap();
        assert!(
            loose.converged && loose.estimate.within(0.02),
            "{estimator:?}"
        );
        let tight = sample(&game, estimator.clone(), budget(1 << 20, 0.004), 1).unwrap();
        assert!(tight.converged, "{estimator:?}");
        assert!(tight.estimate.plays > loose.estimate.plays, "{estimator:?}");
        let poor = sample(&game, estimator.clone(), budget(500, 1e-6), 1).unwrap();
        assert!(!poor.converged, "{estimator:?}");
        assert!(
            poor.estimate.plays <= 750,
            "{estimator:?}: {}",
            poor.estimate.plays
        );
    }
}

#[test]
fn ten_thousand_players_walk() {
    struct Sum;
    impl Game for Sum {
        fn players(&self) -> usize {
            10_000
        }
        fn outputs(&self) -> usize {
            1
        }
        fn worths(&self, coalitions: &Coalitions) -> Result<Vec<f64>, EvalError> {
            Ok((0..coalitions.len())
                .map(|at| coalitions.size(at) as f64)
                .collect())
        }
        fn evaluations_per_coalition(&self) -> u64 {
            1
        }
    }
    let found = play(&Sum, Estimator::Permutation, 1, 0);
    assert!(
        found
            .estimate
            .values
            .iter()
            .all(|value| (value - 1.0).abs() < 1e-9)
    );
    assert_eq!(found.estimate.plays, 2 * 2 * 9_999);
}

/// Owen values by definition: the mean marginal contribution over all orders that keep groups together.
fn owen_by_orders(game: &Table, groups: &[Vec<usize>]) -> Vec<f64> {
    fn orders(items: Vec<usize>) -> Vec<Vec<usize>> {
        if items.is_empty() {
            return vec![Vec::new()];
        }
        (0..items.len())
            .flat_map(|at| {
                let mut rest = items.clone();
                let first = rest.remove(at);
                orders(rest)
                    .into_iter()
                    .map(move |order| [vec![first], order].concat())
            })
            .collect()
    }
    let mut all: Vec<Vec<usize>> = Vec::new();
    for turns in orders((0..groups.len()).collect()) {
        let mut ways = vec![Vec::new()];
        for turn in turns {
            let inner = orders(groups[turn].clone());
            ways = ways
                .into_iter()
                .flat_map(|way| {
                    inner
                        .iter()
                        .map(move |own| [way.clone(), own.clone()].concat())
                })
                .collect();
        }
        all.extend(ways);
    }
    let mut values = vec![0.0; game.players];
    for order in &all {
        let mut members = 0usize;
        for &player in order {
            for context in &game.worths {
                let gain = context[0][members | 1 << player] - context[0][members];
                values[player] += gain / (all.len() * game.worths.len()) as f64;
            }
            members |= 1 << player;
        }
    }
    values
}

#[test]
fn owen_values_are_means_over_orders_that_keep_groups_together() {
    let game = Table::random(6, 3, 1, 21);
    let groups = vec![vec![4, 0], vec![1, 3, 5], vec![2]];
    let expected = owen_by_orders(&game, &groups);
    let exact = owen::exact(&game, &groups).unwrap();
    assert_close(&exact, &expected, 1e-12, "exact");
    assert_eq!(owen::coalitions(&groups), 16 + 32 + 8);
    let shapley = game.exact();
    assert!(
        exact
            .iter()
            .zip(&shapley)
            .any(|(a, b)| (a - b).abs() > 1e-3)
    );

    let single: Vec<Vec<usize>> = (0..6).map(|player| vec![player]).collect();
    assert_close(
        &owen::exact(&game, &single).unwrap(),
        &shapley,
        1e-12,
        "single players",
    );

    let estimator = Estimator::Owen(groups);
    let (mut sums, mut squares, mut stated) = (vec![0.0; 6], 0.0, 0.0);
    let seeds = 200;
    for seed in 0..seeds {
        let found = play(&game, estimator.clone(), 90, seed);
        for ((sum, value), exact) in sums.iter_mut().zip(&found.estimate.values).zip(&exact) {
            *sum += (value - exact) / f64::from(seeds as u32);
            squares += (value - exact) * (value - exact);
        }
        stated += found.estimate.variances.iter().sum::<f64>();
    }
    let limit = 5.0 * libm::sqrt(squares / 6.0) / f64::from(seeds as u32);
    assert!(
        sums.iter().all(|bias| bias.abs() < limit),
        "{sums:?}, {limit}"
    );
    let ratio = libm::sqrt(squares / stated);
    assert!((0.8..1.2).contains(&ratio), "error / stated {ratio}");
}
