//! Products of matrices that are both made at run time.

use crate::dense::{halves, joined};
use crate::vector::Four;

/// Columns that one pass keeps in registers.
const COLUMNS: usize = 8;

/// Rows that one pass keeps in registers.
const ROWS: usize = 4;

/// `out[m, n] += a[m, k] · b[k, n]`; every element adds its terms in the order of k.
///
/// # Panics
/// If a slice is shorter than its shape.
pub fn multiply(a: &[f32], b: &[f32], (m, k, n): (usize, usize, usize), out: &mut [f32]) {
    let wide = n / COLUMNS * COLUMNS;
    for first in (0..m).step_by(ROWS) {
        let rows = ROWS.min(m - first);
        // The last rows of a short tile are computed again instead of in a loop of their own.
        let row = |at: usize| {
            let row = first + at.min(rows - 1);
            &a[row * k..(row + 1) * k]
        };
        let a4 = [row(0), row(1), row(2), row(3)];
        for column in (0..wide).step_by(COLUMNS) {
            let mut sums = [[0.0; COLUMNS]; ROWS];
            for (at, sums) in sums.iter_mut().enumerate().take(rows) {
                sums.copy_from_slice(&out[(first + at) * n + column..][..COLUMNS]);
            }
            block(a4, &b[column..], n, &mut sums);
            for (at, sums) in sums.iter().enumerate().take(rows) {
                out[(first + at) * n + column..][..COLUMNS].copy_from_slice(sums);
            }
        }
        for column in wide..n {
            for (at, a) in a4.iter().enumerate().take(rows) {
                let out = &mut out[(first + at) * n + column];
                for (x, row) in a.iter().zip(b.chunks(n)) {
                    *out += x * row[column];
                }
            }
        }
    }
}

#[inline(never)]
fn block(a: [&[f32]; ROWS], b: &[f32], n: usize, sums: &mut [[f32; COLUMNS]; ROWS]) {
    let [a0, a1, a2, a3] = a;
    let [s0, s1, s2, s3] = sums;
    let ((mut l0, mut h0), (mut l1, mut h1)) = (halves(s0), halves(s1));
    let ((mut l2, mut h2), (mut l3, mut h3)) = (halves(s2), halves(s3));
    for ((((row, x0), x1), x2), x3) in b.chunks(n).zip(a0).zip(a1).zip(a2).zip(a3) {
        let Some(row) = row.first_chunk::<COLUMNS>() else {
            break;
        };
        let (low, high) = halves(row);
        let x = Four::all(x0);
        (l0, h0) = (l0.plus(x, low), h0.plus(x, high));
        let x = Four::all(x1);
        (l1, h1) = (l1.plus(x, low), h1.plus(x, high));
        let x = Four::all(x2);
        (l2, h2) = (l2.plus(x, low), h2.plus(x, high));
        let x = Four::all(x3);
        (l3, h3) = (l3.plus(x, low), h3.plus(x, high));
    }
    *s0 = joined(l0, h0);
    *s1 = joined(l1, h1);
    *s2 = joined(l2, h2);
    *s3 = joined(l3, h3);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_plain_loops_to_the_bit() {
        for (m, k, n) in [(1, 3, 20), (5, 7, 8), (9, 16, 33), (4, 1, 17), (3, 0, 9)] {
            let number = |i: usize| ((i * 7919) % 1013) as f32 / 97.0 - 5.0;
            let a: Vec<f32> = (0..m * k).map(number).collect();
            let b: Vec<f32> = (0..k * n).map(|i| number(i + 31)).collect();
            let mut out = vec![0.5; m * n];
            multiply(&a, &b, (m, k, n), &mut out);
            for row in 0..m {
                for column in 0..n {
                    let plain = (0..k).fold(0.5, |sum: f32, at| {
                        sum + a[row * k + at] * b[at * n + column]
                    });
                    assert_eq!(out[row * n + column].to_bits(), plain.to_bits());
                }
            }
        }
    }
}
