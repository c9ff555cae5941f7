//! How margins become scores, found by trying out many.

use hyaline_model::graph::{Graph, ValueId};
use hyaline_model::{Data, Link, Tensor};

use super::core::numbers;
use super::head::Answer;

/// How `outputs` margins become the scores, found by trying out many; `None` when the scores need other values, too.
pub(super) fn link(
    graph: &Graph,
    margins: ValueId,
    outputs: usize,
    scores: ValueId,
    answer: &Answer,
) -> Option<Link> {
    const ROWS: usize = 64;
    // A spread of magnitudes and signs, from a multiplicative generator; zeros, too, which some softmax leaves alone.
    let mut state = 0x9E37_79B9u32;
    let tried: Vec<f64> = (0..ROWS * outputs)
        .map(|index| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let unit = f64::from(state >> 8) / f64::from(1u32 << 24) * 2.0 - 1.0;
            if index % 7 == 3 {
                0.0
            } else {
                unit * [0.1, 1.0, 4.0, 12.0][index / outputs % 4]
            }
        })
        .collect();
    let given = Tensor::new(vec![ROWS, outputs], Data::F64(tried.clone()))?;
    let made = graph.run_from(&[(margins, given)], &[scores]).ok()?;
    let scores = numbers(&made[0])?;
    let columns = scores.len() / ROWS;
    if scores.len() != columns * ROWS || columns == 0 {
        return Some(Link::Other);
    }
    let rows = || {
        tried
            .chunks_exact(outputs)
            .zip(scores.chunks_exact(columns))
    };
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-5 * (1.0 + b.abs());
    let all = |expected: &dyn Fn(&[f64]) -> Vec<f64>| {
        rows().all(|(margins, scores)| {
            let expected = expected(margins);
            // Of a single margin the last score is the positive class's.
            let scores = &scores[columns.saturating_sub(expected.len())..];
            scores.len() == expected.len()
                && scores.iter().zip(&expected).all(|(&a, &b)| close(a, b))
        })
    };
    let classes = matches!(answer, Answer::Classification { .. });
    let logistic = |m: f64| 1.0 / (1.0 + libm::exp(-m));
    let softmax = |margins: &[f64]| {
        let exponentials: Vec<f64> = margins.iter().map(|&m| libm::exp(m)).collect();
        let sum: f64 = exponentials.iter().sum();
        exponentials.into_iter().map(|x| x / sum).collect()
    };
    Some(
        if (outputs == columns || outputs == 1) && all(&|margins| margins.to_vec()) {
            Link::Identity
        } else if classes
            && outputs == 1
            && columns <= 2
            && all(&|margins| vec![logistic(margins[0])])
        {
            Link::Logistic
        } else if classes && outputs == columns && all(&softmax) {
            Link::Softmax
        } else if !classes
            && outputs == columns
            && all(&|margins| margins.iter().map(|&m| libm::exp(m)).collect())
        {
            Link::Exponential
        } else {
            Link::Other
        },
    )
}
