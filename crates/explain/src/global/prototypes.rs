//! Prototypes and criticisms: rows that stand for the others, and rows that these do not stand for.

use hyaline_model::Batch;

use super::similarity::Similarity;
use crate::{ExplainError, Predict};

/// Typical and untypical rows of one predicted class, or of all rows of a regressor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examples {
    /// Position of the class; `None` for a regressor.
    pub class: Option<usize>,
    /// How many rows there are of it.
    pub rows: usize,
    /// Positions of the rows that together are most like all of them, the most telling first.
    pub prototypes: Vec<usize>,
    /// Positions of rows of which there are more, or fewer, than the prototypes suggest, the most telling first.
    pub criticisms: Vec<usize>,
}

/// MMD-critic (Kim, Khanna & Koyejo 2016, "Examples are not enough, learn to criticize!", NeurIPS 29): prototypes
/// maximise, greedily, `2/(n·m) Σ k(xᵢ, pⱼ) − 1/m² Σ k(pᵢ, pⱼ)`, which is least maximum mean discrepancy; criticisms
/// maximise, greedily, the sum of the absolute witness function and the log-determinant of their own similarities, which
/// keeps them apart. Classes are those that the model predicts. O(n²) similarities in O(n) memory.
///
/// # Errors
/// [`ExplainError::Unsupported`] when a feature is text or a tensor, or all rows are alike; [`ExplainError::Evaluation`]
/// when the model refuses a row.
pub fn prototypes(
    model: &dyn Predict,
    rows: &Batch,
    count: usize,
) -> Result<Vec<Examples>, ExplainError> {
    let similarity = Similarity::new(model.schema(), rows)?;
    let classes = model.labels().len();
    if classes == 0 {
        let all: Vec<usize> = (0..rows.rows()).collect();
        return Ok(vec![examples(&similarity, None, &all, count)]);
    }
    let labels = model.predict(rows)?.labels;
    let of_class = |class: usize| {
        let members: Vec<usize> = (0..labels.len())
            .filter(|&row| labels[row] as usize == class)
            .collect();
        examples(&similarity, Some(class), &members, count)
    };
    Ok((0..classes).map(of_class).collect())
}

fn examples(
    similarity: &Similarity<'_>,
    class: Option<usize>,
    members: &[usize],
    count: usize,
) -> Examples {
    let mean_similarity = mean_similarities(similarity, members);
    let (prototypes, sums) = choose_prototypes(similarity, members, &mean_similarity, count);
    let criticisms = {
        // How much more often rows like this one occur than prototypes like it.
        let witness = |at: usize| (mean_similarity[at] - sums[at] / prototypes.len() as f64).abs();
        choose_criticisms(similarity, members, &prototypes, &witness, count)
    };
    let rows = |chosen: Vec<usize>| chosen.into_iter().map(|at| members[at]).collect();
    Examples {
        class,
        rows: members.len(),
        prototypes: rows(prototypes),
        criticisms: rows(criticisms),
    }
}

/// The mean similarity of each member to all members.
fn mean_similarities(similarity: &Similarity<'_>, members: &[usize]) -> Vec<f64> {
    let mut sums = vec![1.0; members.len()];
    for (at, &row) in members.iter().enumerate() {
        for (before, &other) in members[..at].iter().enumerate() {
            let alike = similarity.of(row, other);
            sums[at] += alike;
            sums[before] += alike;
        }
    }
    sums.into_iter()
        .map(|sum| sum / members.len() as f64)
        .collect()
}

/// Positions among the members, and each member's summed similarity to them.
fn choose_prototypes(
    similarity: &Similarity<'_>,
    members: &[usize],
    mean_similarity: &[f64],
    count: usize,
) -> (Vec<usize>, Vec<f64>) {
    let mut chosen: Vec<usize> = Vec::new();
    let mut sums = vec![0.0; members.len()];
    while chosen.len() < count.min(members.len()) {
        // What the candidate adds to m²/2 times the objective; the rest is the same for all candidates.
        let m = (chosen.len() + 1) as f64;
        let gain = |at: usize| m * mean_similarity[at] - sums[at];
        let free = (0..members.len()).filter(|at| !chosen.contains(at));
        let Some(best) = first_largest(free, gain) else {
            break;
        };
        chosen.push(best);
        for (sum, &row) in sums.iter_mut().zip(members) {
            *sum += similarity.of(row, members[best]);
        }
    }
    (chosen, sums)
}

/// Below this share of itself, a row is no more than a mixture of the criticisms that are chosen already.
const NEW: f64 = 1e-9;

/// Positions among the members.
fn choose_criticisms(
    similarity: &Similarity<'_>,
    members: &[usize],
    prototypes: &[usize],
    witness: &dyn Fn(usize) -> f64,
    count: usize,
) -> Vec<usize> {
    let mut chosen: Vec<usize> = Vec::new();
    // Each member's row of the Cholesky factor over the chosen ones, and what is left of its own similarity of 1.
    let mut factors: Vec<Vec<f64>> = vec![Vec::new(); members.len()];
    let mut left = vec![1.0; members.len()];
    while chosen.len() < count {
        let free = (0..members.len())
            .filter(|at| !prototypes.contains(at) && !chosen.contains(at) && left[*at] > NEW);
        let Some(best) = first_largest(free, |at| witness(at) + libm::log(left[at])) else {
            break;
        };
        let pivot = left[best].sqrt();
        let own = factors[best].clone();
        for (at, &row) in members.iter().enumerate() {
            let known: f64 = own.iter().zip(&factors[at]).map(|(a, b)| a * b).sum();
            let entry = (similarity.of(row, members[best]) - known) / pivot;
            factors[at].push(entry);
            left[at] -= entry * entry;
        }
        chosen.push(best);
    }
    chosen
}

/// The candidate of the largest value, the first of equal ones.
fn first_largest(
    candidates: impl Iterator<Item = usize>,
    value: impl Fn(usize) -> f64,
) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for candidate in candidates {
        let value = value(candidate);
        if best.is_none_or(|(_, largest)| value > largest) {
            best = Some((candidate, value));
        }
    }
    best.map(|(candidate, _)| candidate)
}
