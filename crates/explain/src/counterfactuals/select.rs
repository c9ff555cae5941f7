//! A diverse few of many.

use super::search::Candidate;
use crate::reference_statistics::{ReferenceStatistics, Value};

/// At most `count` of `pool` (the cheapest first): cheap, and unlike each other.
///
/// Greedy maximisation of the determinant of `qᵢ qⱼ / (1 + dᵢⱼ)` (Chen, Zhang & Zhou 2018, arXiv:1709.05135), with `qᵢ²`
/// falling by half an order of e for each time that the cost exceeds the cheapest one's, and `dᵢⱼ` the cost of turning one
/// candidate into the other. The cheapest comes first.
pub(super) fn diverse(
    statistics: &ReferenceStatistics,
    pool: Vec<Candidate>,
    count: usize,
) -> Vec<Candidate> {
    let Some(cheapest) = pool.first().map(|candidate| candidate.cost) else {
        return pool;
    };
    let quality = |candidate: &Candidate| libm::exp(-0.25 * candidate.cost / cheapest);
    let kernel =
        |a: &Candidate, b: &Candidate| quality(a) * quality(b) / (1.0 + between(statistics, a, b));
    // Rows of a Cholesky factor over the chosen ones, and what is left of each candidate's diagonal.
    let mut factors: Vec<Vec<f64>> = vec![Vec::new(); pool.len()];
    let mut left: Vec<f64> = pool
        .iter()
        .map(|candidate| kernel(candidate, candidate))
        .collect();
    let mut chosen: Vec<usize> = Vec::new();
    while chosen.len() < count {
        let open = (0..pool.len()).filter(|at| !chosen.contains(at));
        // The first of equals: `max_by` would take the last.
        let best = open.rev().max_by(|&a, &b| left[a].total_cmp(&left[b]));
        let Some(best) = best.filter(|&best| left[best] > 1e-12) else {
            break;
        };
        let root = left[best].sqrt();
        for other in 0..pool.len() {
            let known: f64 = factors[best]
                .iter()
                .zip(&factors[other])
                .map(|(a, b)| a * b)
                .sum();
            let factor = (kernel(&pool[best], &pool[other]) - known) / root;
            left[other] -= factor * factor;
            factors[other].push(factor);
        }
        chosen.push(best);
    }
    chosen.sort_unstable();
    let mut pool: Vec<Option<Candidate>> = pool.into_iter().map(Some).collect();
    chosen
        .into_iter()
        .filter_map(|at| pool[at].take())
        .collect()
}

/// The cost of turning one candidate into another.
fn between(statistics: &ReferenceStatistics, a: &Candidate, b: &Candidate) -> f64 {
    let value = |candidate: &Candidate, feature: usize| -> Option<Value> {
        let mut changes = candidate.changes.iter();
        changes
            .find(|change| change.feature == feature)
            .map(|change| change.value)
    };
    let cost = |feature: usize| match (value(a, feature), value(b, feature)) {
        (Some(a), Some(b)) if a.same(b) => 0.0,
        (Some(a), Some(b)) => statistics.features()[feature].in_deviations(a, b).min(1.0),
        (None, None) => 0.0,
        _ => 2.0,
    };
    (0..statistics.features().len()).map(cost).sum()
}
