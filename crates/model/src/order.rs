//! Sorting by position.

use std::cmp::Ordering;

/// The positions `0..count` in ascending order by `compare`; equal ones keep their order.
///
/// One function for all types: every instance of the standard sort is kilobytes of an engine, and what is sorted here is
/// sorted once per model or request.
pub fn sorted_positions(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|&a, &b| compare(a, b));
    order
}
