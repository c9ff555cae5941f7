//! Matrix products.

use super::places::gathered;
use super::{Derivatives, Step};
use crate::graph::Linear;
use crate::graph::dense::{Gemm, broadcast_to};

/// `rows × columns` numbers, read the other way round.
fn transposed(x: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let place = |at: usize| x[at % rows * columns + at / rows];
    (0..rows * columns).map(place).collect()
}

/// `a[m, k] · b[k, n]`
fn product(a: &[f32], b: &[f32], (m, k, n): (usize, usize, usize)) -> Vec<f32> {
    let mut made = vec![0.0; m * n];
    hyaline_kernels::multiply(a, b, (m, k, n), &mut made);
    made
}

pub(super) fn matrix(step: &Step<'_>) -> Option<Derivatives> {
    let (a_shape, b_shape) = (step.shape(0)?.to_vec(), step.shape(1)?.to_vec());
    // A vector is a matrix of one row or column.
    let (mut a_wide, mut b_wide) = (a_shape.clone(), b_shape.clone());
    if a_wide.len() == 1 {
        a_wide.insert(0, 1);
    }
    if b_wide.len() == 1 {
        b_wide.push(1);
    }
    let (&[.., m, k], &[.., n]) = (&a_wide[..], &b_wide[..]) else {
        return None;
    };
    let blocks = step.derivative.len().checked_div(m * n)?;
    let mut batch = step.made.shape().to_vec();
    batch.truncate(a_wide.len().max(b_wide.len()) - 2);
    let full = |last: [usize; 2]| -> Vec<usize> { batch.iter().chain(&last).copied().collect() };
    let a = broadcast_to(&a_wide, &step.floats(0)?, &full([m, k]))?;
    let b = broadcast_to(&b_wide, &step.floats(1)?, &full([k, n]))?;
    let (mut left, mut right) = (Vec::with_capacity(a.len()), Vec::with_capacity(b.len()));
    for block in 0..blocks {
        let g = &step.derivative[block * m * n..(block + 1) * m * n];
        let a = &a[block * m * k..(block + 1) * m * k];
        let b = &b[block * k * n..(block + 1) * k * n];
        left.extend(product(g, &transposed(b, k, n), (m, n, k)));
        right.extend(product(&transposed(a, m, k), g, (k, m, n)));
    }
    Some(vec![
        Some(gathered(&a_wide, &full([m, k]), left)?),
        Some(gathered(&b_wide, &full([k, n]), right)?),
    ])
}

pub(super) fn gemm(step: &Step<'_>, gemm: &Gemm) -> Option<Derivatives> {
    let &[m, n] = step.made.shape() else {
        return None;
    };
    let (mut a, mut b) = (step.floats(0)?, step.floats(1)?);
    let k = a.len().checked_div(m)?;
    if gemm.transpose_a {
        a = transposed(&a, k, m);
    }
    if gemm.transpose_b {
        b = transposed(&b, n, k);
    }
    let scaled: Vec<f32> = step.derivative.iter().map(|g| gemm.alpha * g).collect();
    let mut left = product(&scaled, &transposed(&b, k, n), (m, n, k));
    let mut right = product(&transposed(&a, m, k), &scaled, (k, m, n));
    if gemm.transpose_a {
        left = transposed(&left, m, k);
    }
    if gemm.transpose_b {
        right = transposed(&right, k, n);
    }
    let mut all = vec![Some(left), Some(right)];
    if let Some(shape) = step.shape(2) {
        let addend = step.derivative.iter().map(|g| gemm.beta * g).collect();
        all.push(Some(gathered(shape, &[m, n], addend)?));
    }
    Some(all)
}

pub(super) fn linear(step: &Step<'_>, linear: &Linear) -> Option<Derivatives> {
    let mut back = Vec::with_capacity(step.operands[0]?.data().len());
    for g in step.derivative.chunks_exact(linear.outputs().max(1)) {
        back.extend((0..linear.columns()).map(|column| {
            let terms = g.iter().enumerate();
            let sum: f64 = terms
                .map(|(output, &g)| f64::from(g) * linear.weights(output)[column])
                .sum();
            sum as f32
        }));
    }
    Some(vec![Some(back)])
}
