//! Which coalitions a regression plays: pairs of a coalition and its complement.

use super::Random;

/// How the sizes of the played coalitions are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sizes {
    /// As many of each size (leverage scores, Musco & Witter 2025, arXiv:2410.01917), every coalition at most once.
    Leverage,
    /// At random in proportion to the Shapley kernel (Lundberg & Lee 2017, arXiv:1705.07874), with repetition.
    Kernel,
}

/// Pairs of one weight. Each stands for `available / pairs.len()` pairs like it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stratum {
    /// Players in the first coalition of a pair; `None` when the sizes are mixed.
    pub(super) size: Option<usize>,
    /// Weight of one pair in the regression.
    pub(super) weight: f64,
    /// What share of all such pairs is played, 1 when every one is.
    pub(super) share: f64,
    /// The pairs.
    pub(super) pairs: Vec<Pair>,
}

/// A coalition, its complement understood, and the context that both are played in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    /// The members, in no order.
    pub(super) members: Vec<u32>,
    /// Position among the contexts of the design.
    pub(super) context: u32,
}

/// Counts beyond this are not counted: a repetition among a sample of so many is unlikely and harmless.
const COUNTABLE: u64 = 1 << 53;

/// Pairs of a coalition of `players` and its complement, times contexts, as far as they can be counted.
pub(super) fn pairs_in_all(players: usize, contexts: usize) -> u64 {
    if players > 53 {
        return COUNTABLE;
    }
    ((1u64 << (players - 1)) - 1)
        .saturating_mul(contexts as u64)
        .min(COUNTABLE)
}

/// About `pairs` pairs among `players` players and `contexts` contexts, at most as many as there are.
pub(super) fn draw(
    players: usize,
    contexts: usize,
    pairs: usize,
    sizes: Sizes,
    random: &mut Random,
) -> Vec<Stratum> {
    match sizes {
        Sizes::Leverage => by_leverage(players, contexts, pairs, random),
        Sizes::Kernel => by_kernel(players, contexts, pairs, random),
    }
}

fn by_leverage(players: usize, contexts: usize, pairs: usize, random: &mut Random) -> Vec<Stratum> {
    let half = players / 2;
    let available: Vec<u64> = (1..=half)
        .map(|size| count(players, size).saturating_mul(contexts as u64))
        .map(|count| count.min(COUNTABLE))
        .collect();
    let mut strata = Vec::new();
    for (index, wanted) in allocation(players, &available, pairs)
        .into_iter()
        .enumerate()
    {
        if wanted == 0 {
            continue;
        }
        let size = index + 1;
        let share = half_share(players, size);
        strata.push(Stratum {
            size: Some(size),
            weight: share / (size * (players - size) * wanted) as f64,
            share: wanted as f64 / available[index] as f64,
            pairs: spread(players, size, contexts, available[index], wanted, random),
        });
    }
    strata
}

/// A coalition of half the players is its complement's complement: there are half as many pairs.
fn half_share(players: usize, size: usize) -> f64 {
    if 2 * size == players { 0.5 } else { 1.0 }
}

/// How many pairs of each size: as many of each (of the middle size half as many), but not more than there are.
fn allocation(players: usize, available: &[u64], pairs: usize) -> Vec<usize> {
    let mut wanted = vec![0usize; available.len()];
    let mut left = pairs as u64;
    let mut open: Vec<usize> = (0..available.len()).collect();
    // Sizes with fewer pairs than their part are taken whole; the others share what is left.
    loop {
        let parts: f64 = open.iter().map(|&at| half_share(players, at + 1)).sum();
        let part = |at: usize| left as f64 * half_share(players, at + 1) / parts;
        let (whole, rest): (Vec<usize>, Vec<usize>) = open
            .iter()
            .partition(|&&at| available[at] as f64 <= part(at));
        if whole.is_empty() {
            // Largest remainders: the smaller coalitions first among equals.
            for &at in &open {
                wanted[at] = part(at) as usize;
            }
            let given: usize = open.iter().map(|&at| wanted[at]).sum();
            let remainder = |at: usize| part(at) - wanted[at] as f64;
            let order = hyaline_model::sorted_positions(open.len(), &|a, b| {
                remainder(open[b]).total_cmp(&remainder(open[a]))
            });
            let extra: Vec<usize> = order
                .into_iter()
                .take(left as usize - given)
                .map(|position| open[position])
                .collect();
            extra.into_iter().for_each(|at| wanted[at] += 1);
            return wanted;
        }
        for at in whole {
            wanted[at] = available[at] as usize;
            left -= available[at];
        }
        open = rest;
        if open.is_empty() {
            return wanted;
        }
    }
}

/// `wanted` of the `available` pairs of a size, spread evenly over their lexicographic order under a random naming of the
/// players: each is as likely as any other, and none comes twice unless `available` is not countable.
fn spread(
    players: usize,
    size: usize,
    contexts: usize,
    available: u64,
    wanted: usize,
    random: &mut Random,
) -> Vec<Pair> {
    let mut names: Vec<u32> = (0..players as u32).collect();
    random.shuffle(&mut names);
    let mut order: Vec<u32> = (0..contexts as u32).collect();
    random.shuffle(&mut order);
    let countable = available < COUNTABLE;
    let shift = random.below(available);
    (0..wanted)
        .map(|at| {
            if !countable {
                return Pair {
                    members: subset(&mut names, size, random),
                    context: order[at % contexts],
                };
            }
            // One item out of each of `wanted` stretches of the order; the common shift makes up for stretches of unequal
            // length.
            let border = |at: usize| match available.checked_mul(at as u64) {
                Some(product) => product / wanted as u64,
                None => (u128::from(available) * at as u128 / wanted as u128) as u64,
            };
            let within = random.below(border(at + 1) - border(at));
            let item = (border(at) + within + shift) % available;
            let (rank, context) = (item / contexts as u64, item % contexts as u64);
            Pair {
                members: unranked(players, size, rank)
                    .into_iter()
                    .map(|player| names[player])
                    .collect(),
                context: order[context as usize],
            }
        })
        .collect()
}

/// Subset number `rank` of `size` of `players`, in lexicographic order; of half the players only those with player 0.
fn unranked(players: usize, size: usize, mut rank: u64) -> Vec<usize> {
    let mut members = Vec::with_capacity(size);
    let mut first = 0;
    if 2 * size == players {
        members.push(0);
        first = 1;
    }
    // How many of the subsets still possible contain `player`.
    let mut left = size - members.len();
    if left == 0 {
        return members;
    }
    let mut with = binomial(players - first - 1, left - 1);
    for player in first..players {
        let others = (players - player - 1) as u64;
        if rank < with {
            members.push(player);
            left -= 1;
            if left == 0 {
                break;
            }
            // C(others - 1, left - 1) of C(others, left).
            with = with * left as u64 / others;
        } else {
            rank -= with;
            // C(others - 1, left - 1) of C(others, left - 1).
            with = with * (others - (left as u64 - 1)) / others;
        }
    }
    members
}

fn subset(names: &mut [u32], size: usize, random: &mut Random) -> Vec<u32> {
    for at in 0..size {
        let other = at + random.below((names.len() - at) as u64) as usize;
        names.swap(at, other);
    }
    names[..size].to_vec()
}

/// Pairs of a coalition of `size` and its complement, up to [`COUNTABLE`].
fn count(players: usize, size: usize) -> u64 {
    if 2 * size == players {
        binomial(players - 1, size - 1)
    } else {
        binomial(players, size)
    }
}

/// `n` choose `k`, up to [`COUNTABLE`].
fn binomial(n: usize, k: usize) -> u64 {
    let mut value = 1u64;
    for i in 0..k.min(n - k) as u64 {
        value = value * (n as u64 - i) / (i + 1);
        if value >= COUNTABLE {
            return COUNTABLE;
        }
    }
    value
}

fn by_kernel(players: usize, contexts: usize, pairs: usize, random: &mut Random) -> Vec<Stratum> {
    let kernel = |size: usize| half_share(players, size) / (size * (players - size)) as f64;
    let total: f64 = (1..=players / 2).map(kernel).sum();
    let mut names: Vec<u32> = (0..players as u32).collect();
    let mut order: Vec<u32> = (0..contexts as u32).collect();
    random.shuffle(&mut order);
    let pairs = (0..pairs)
        .map(|at| {
            let mut mark = random.unit() * total;
            let mut size = 1;
            while size < players / 2 && mark >= kernel(size) {
                mark -= kernel(size);
                size += 1;
            }
            Pair {
                members: subset(&mut names, size, random),
                context: order[at % contexts],
            }
        })
        .collect::<Vec<_>>();
    vec![Stratum {
        size: None,
        weight: total / pairs.len().max(1) as f64,
        share: 0.0,
        pairs,
    }]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn sets(strata: &[Stratum], players: usize) -> Vec<(Vec<u32>, u32)> {
        strata
            .iter()
            .flat_map(|stratum| &stratum.pairs)
            .map(|pair| {
                let mut members = pair.members.clone();
                members.sort_unstable();
                if 2 * members.len() == players && members[0] != 0 {
                    members = (0..players as u32)
                        .filter(|p| !members.contains(p))
                        .collect();
                }
                (members, pair.context)
            })
            .collect()
    }

    #[test]
    fn a_budget_for_all_pairs_plays_each_once() {
        for (players, contexts) in [(2, 1), (3, 1), (5, 1), (6, 3), (7, 2)] {
            let all = pairs_in_all(players, contexts) as usize;
            let strata = draw(
                players,
                contexts,
                all + 7,
                Sizes::Leverage,
                &mut Random::new(1, 0),
            );
            let played = sets(&strata, players);
            let distinct: BTreeSet<_> = played.iter().collect();
            assert_eq!(
                (played.len(), distinct.len()),
                (all, all),
                "{players} players"
            );
            assert!(strata.iter().all(|stratum| stratum.share == 1.0));
        }
    }

    #[test]
    fn no_coalition_comes_twice_and_each_is_as_likely() {
        let mut counts = std::collections::BTreeMap::new();
        for stream in 0..4000 {
            let strata = draw(6, 1, 15, Sizes::Leverage, &mut Random::new(9, stream));
            let played = sets(&strata, 6);
            let distinct: BTreeSet<_> = played.iter().collect();
            assert_eq!((played.len(), distinct.len()), (15, 15));
            for (members, _) in played {
                *counts.entry(members).or_insert(0u32) += 1;
            }
        }
        // 6 pairs of size 1, 6 of 15 of size 2, 3 of 10 of size 3: their parts are 6, 6 and 3.
        for (members, count) in counts {
            let expected: u32 = [4000, 1600, 1200][members.len() - 1];
            assert!(expected.abs_diff(count) <= 160, "{members:?}: {count}");
        }
    }

    #[test]
    fn subsets_are_numbered_in_lexicographic_order() {
        let all: Vec<Vec<usize>> = (0..10).map(|rank| unranked(5, 2, rank)).collect();
        assert!(all.windows(2).all(|two| two[0] < two[1]), "{all:?}");
        assert_eq!(unranked(4, 2, 2), [0, 3]);
        assert_eq!(unranked(512, 3, 0), [0, 1, 2]);
        assert_eq!(unranked(512, 3, binomial(512, 3) - 1), [509, 510, 511]);
    }

    #[test]
    fn the_kernel_prefers_small_coalitions_as_it_should() {
        let strata = draw(8, 1, 40_000, Sizes::Kernel, &mut Random::new(5, 5));
        let mut counts = [0.0f64; 5];
        for pair in &strata[0].pairs {
            counts[pair.members.len()] += 1.0 / 40_000.0;
        }
        let kernel = [1.0 / 7.0, 1.0 / 12.0, 1.0 / 15.0, 0.5 / 16.0];
        let total: f64 = kernel.iter().sum();
        for (size, weight) in kernel.into_iter().enumerate() {
            assert!(
                (counts[size + 1] - weight / total).abs() < 0.012,
                "{counts:?}"
            );
        }
    }
}
