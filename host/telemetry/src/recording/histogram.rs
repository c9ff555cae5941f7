//! Distributions of whole numbers, recorded without locks and read with a known error.
//!
//! Each decade from 10³ to 10¹³ has 150 buckets, none wider than 2.5 % of its lower edge: 40 from 1 to 2, 60 from 2 to
//! 5, 50 from 5 to 10. So every bound that a Prometheus histogram usually has (1, 2.5, 5, 7.5 times a power of ten) is
//! an edge, and counts up to such a bound are exact, while a quantile is at most 1.25 % off. Numbers up to 10³ share
//! one bucket, numbers above 10¹³ another: in nanoseconds that is a microsecond and almost three hours.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Buckets of a third of a decade; the parts have 40, 60 and 50.
const PART: usize = 60;
/// Where a part's buckets begin within its decade.
const PART_STARTS: [usize; 3] = [0, 40, 100];
const PER_DECADE: usize = 150;
const FIRST_DECADE: u32 = 3;
const DECADES: usize = 10;
const PARTS: usize = 3 * DECADES;
/// Index of the bucket of everything above the last decade.
const ABOVE: usize = 1 + DECADES * PER_DECADE;

/// Counts how often which numbers occurred. Parts of the range that nothing fell into take no memory.
#[derive(Debug)]
pub(crate) struct Histogram {
    sum: AtomicU64,
    below: AtomicU64,
    above: AtomicU64,
    parts: [OnceLock<Box<[AtomicU64; PART]>>; PARTS],
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram {
            sum: AtomicU64::new(0),
            below: AtomicU64::new(0),
            above: AtomicU64::new(0),
            parts: [const { OnceLock::new() }; PARTS],
        }
    }
}

/// Where a number is counted: `None` below the first decade and above the last.
fn place(number: u64) -> Option<(usize, usize)> {
    // Buckets contain their upper edge, as Prometheus' do.
    let number = number.checked_sub(1)?;
    let decade = number.checked_ilog10()?;
    if decade < FIRST_DECADE {
        return None;
    }
    let decades = (decade - FIRST_DECADE) as usize;
    if decades >= DECADES {
        return None;
    }
    // In fortieths of the decade's beginning: 40 to 399.
    let fortieths = (number / 10u64.pow(decade - FIRST_DECADE) / 25) as usize;
    let (part, bucket) = match fortieths {
        40..80 => (0, fortieths - 40),
        80..200 => (1, (fortieths - 80) / 2),
        _ => (2, (fortieths - 200) / 4),
    };
    Some((3 * decades + part, bucket))
}

/// The last number that the bucket counts.
fn upper_edge(index: usize) -> u64 {
    if index == 0 {
        return 10u64.pow(FIRST_DECADE);
    }
    let (decade, within) = ((index - 1) / PER_DECADE, (index - 1) % PER_DECADE);
    let fortieths = match within {
        0..40 => 41 + within,
        40..100 => 82 + 2 * (within - 40),
        _ => 204 + 4 * (within - 100),
    };
    10u64.pow(FIRST_DECADE + decade as u32) / 40 * fortieths as u64
}

impl Histogram {
    /// Counts a number. Costs two atomic additions, and an allocation when the number is the first in its third of a
    /// decade.
    pub(crate) fn record(&self, number: u64) {
        self.sum.fetch_add(number, Relaxed);
        let counter = match place(number) {
            Some((part, bucket)) => {
                let part =
                    self.parts[part].get_or_init(|| Box::new([const { AtomicU64::new(0) }; PART]));
                &part[bucket]
            }
            None if number <= upper_edge(0) => &self.below,
            None => &self.above,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// What was counted so far. Numbers recorded meanwhile are in it or not.
    pub(crate) fn counts(&self) -> Counts {
        let mut buckets = Vec::new();
        let mut push = |index: usize, counter: &AtomicU64| {
            let count = counter.load(Relaxed);
            if count > 0 {
                buckets.push((index as u16, count));
            }
        };
        push(0, &self.below);
        for (number, part) in self.parts.iter().enumerate() {
            let start = 1 + number / 3 * PER_DECADE + PART_STARTS[number % 3];
            for (bucket, counter) in part
                .get()
                .into_iter()
                .flat_map(|part| part.iter())
                .enumerate()
            {
                push(start + bucket, counter);
            }
        }
        push(ABOVE, &self.above);
        Counts {
            sum: self.sum.load(Relaxed),
            buckets,
        }
    }
}

/// How often which numbers occurred, as of some moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// The sum of all numbers.
    pub(crate) sum: u64,
    /// Index and count of each bucket that is not empty, ascending.
    buckets: Vec<(u16, u64)>,
}

impl Counts {
    /// How many numbers.
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().map(|&(_, count)| count).sum()
    }

    /// How many numbers were at most `bounds[i]`, for ascending bounds that are edges.
    pub(crate) fn cumulative(&self, bounds: &[u64]) -> Vec<u64> {
        let mut buckets = self.buckets.iter().peekable();
        let mut total = 0;
        bounds
            .iter()
            .map(|&bound| {
                while let Some(&(index, count)) = buckets.peek() {
                    if usize::from(*index) == ABOVE || upper_edge(usize::from(*index)) > bound {
                        break;
                    }
                    total += count;
                    buckets.next();
                }
                total
            })
            .collect()
    }

    /// The number that a part `quantile` (0 to 1) of all numbers does not exceed; at most 1.25 % off for numbers between
    /// 10³ and 10¹³. `None` when nothing was counted.
    pub(crate) fn quantile(&self, quantile: f64) -> Option<u64> {
        let count = self.count();
        let rank = ((quantile * count as f64).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        for &(index, count) in &self.buckets {
            seen += count;
            if seen >= rank {
                let index = usize::from(index);
                return Some(match index {
                    0 | ABOVE => upper_edge(index.min(ABOVE - 1)),
                    _ => (upper_edge(index - 1) + upper_edge(index)) / 2,
                });
            }
        }
        None
    }

    /// Adds what others counted.
    pub(crate) fn add(&mut self, other: &Counts) {
        self.sum = self.sum.wrapping_add(other.sum);
        self.buckets = merge(&self.buckets, &other.buckets, |own, others| {
            own.wrapping_add(others)
        });
    }

    /// What was counted since `earlier`, counts of the same histogram.
    pub(crate) fn since(&self, earlier: &Counts) -> Counts {
        Counts {
            sum: self.sum.wrapping_sub(earlier.sum),
            buckets: merge(&self.buckets, &earlier.buckets, |own, before| {
                own.saturating_sub(before)
            }),
        }
    }
}

fn merge(
    left: &[(u16, u64)],
    right: &[(u16, u64)],
    join: impl Fn(u64, u64) -> u64,
) -> Vec<(u16, u64)> {
    let mut merged = Vec::with_capacity(left.len().max(right.len()));
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    loop {
        let (index, count) = match (left.peek(), right.peek()) {
            (None, None) => return merged,
            (Some(&&(index, own)), Some(&&(other, others))) if index == other => {
                left.next();
                right.next();
                (index, join(own, others))
            }
            (Some(&&(index, own)), other) if other.is_none_or(|&&(other, _)| index < other) => {
                left.next();
                (index, join(own, 0))
            }
            (_, Some(&&(index, others))) => {
                right.next();
                (index, join(0, others))
            }
            (Some(_), None) => unreachable!("without a right side the left side is taken"),
        };
        if count > 0 {
            merged.push((index, count));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(numbers: impl IntoIterator<Item = u64>) -> Counts {
        let histogram = Histogram::default();
        numbers
            .into_iter()
            .for_each(|number| histogram.record(number));
        histogram.counts()
    }

    #[test]
    fn edges_ascend_and_no_bucket_is_wider_than_a_fortieth() {
        for index in 1..ABOVE {
            let (lower, upper) = (upper_edge(index - 1), upper_edge(index));
            assert!(lower < upper, "bucket {index}");
            assert!(
                (upper - lower) as f64 <= lower as f64 / 40.0,
                "bucket {index}"
            );
            let counts = counted([lower + 1, upper]);
            assert_eq!(counts.buckets, [(index as u16, 2)], "bucket {index}");
        }
        assert_eq!(upper_edge(ABOVE - 1), 10u64.pow(13));
    }

    #[test]
    fn numbers_outside_the_decades_are_counted_too() {
        let counts = counted([0, 1, 1000, 10u64.pow(13) + 1, u64::MAX]);
        assert_eq!(counts.buckets, [(0, 3), (ABOVE as u16, 2)]);
        assert_eq!(counts.cumulative(&[1000, 10u64.pow(13)]), [3, 3]);
        assert_eq!(counts.count(), 5);
    }

    #[test]
    fn counts_up_to_usual_bounds_are_exact() {
        for power in 3..12 {
            for step in [10, 25, 50, 75] {
                let bound = step * 10u64.pow(power) / 10 * 10;
                let counts = counted([bound - 1, bound, bound, bound + 1]);
                assert_eq!(counts.cumulative(&[bound]), [3], "{bound}");
            }
        }
    }

    #[test]
    fn quantiles_are_at_most_an_eightieth_off() {
        let mut numbers: Vec<u64> = (0..20_000u64)
            .map(|step| 1_100 + step * step * step / 3)
            .collect();
        let counts = counted(numbers.iter().copied());
        numbers.sort_unstable();
        for quantile in [0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0] {
            let rank = ((quantile * numbers.len() as f64).ceil() as usize).max(1);
            let (exact, found) = (
                numbers[rank - 1] as f64,
                counts.quantile(quantile).unwrap() as f64,
            );
            assert!(
                (found - exact).abs() <= exact / 80.0 + 1.0,
                "{quantile}: {found} for {exact}"
            );
        }
        assert_eq!(Counts::default().quantile(0.5), None);
    }

    #[test]
    fn what_was_counted_between_two_moments_is_their_difference() {
        let histogram = Histogram::default();
        [5_000, 70_000, 70_000]
            .into_iter()
            .for_each(|number| histogram.record(number));
        let earlier = histogram.counts();
        [70_000, 900_000, 1]
            .into_iter()
            .for_each(|number| histogram.record(number));
        let between = histogram.counts().since(&earlier);
        assert_eq!(between, counted([1, 70_000, 900_000]));
        let mut sum = earlier.clone();
        sum.add(&between);
        assert_eq!(sum, histogram.counts());
    }

    #[test]
    fn nothing_is_lost_when_many_threads_record() {
        let histogram = Histogram::default();
        std::thread::scope(|scope| {
            for thread in 0..4u64 {
                let histogram = &histogram;
                scope.spawn(move || {
                    (0..10_000).for_each(|step| histogram.record(thread * 1_000_000 + step * 100))
                });
            }
        });
        assert_eq!(histogram.counts().count(), 40_000);
    }
}
