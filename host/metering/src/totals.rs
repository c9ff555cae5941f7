//! Usage added up.

use std::ops::AddAssign;

use hyaline_control::UsageRow;

use crate::money::Money;
use crate::record::{Outcome, Start, Usage, nanoseconds};

/// How many numbers [`Totals`] are.
pub(crate) const FIELDS: usize = 11;

/// Nanoseconds of a microsecond.
const MICROSECOND: u128 = 1000;

/// Byte-nanoseconds of a GB·s.
const GIGABYTE_SECOND: f64 = 1e18;

/// Usage added up, in whole numbers: the order of adding makes no difference. Sums saturate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) invocations: u128,
    pub(crate) failures: u128,
    pub(crate) cold_starts: u128,
    pub(crate) wall_ns: u128,
    pub(crate) cpu_ns: u128,
    pub(crate) byte_ns: u128,
    pub(crate) bytes_in: u128,
    pub(crate) bytes_out: u128,
    pub(crate) fuel: u128,
    pub(crate) exact: Money,
    pub(crate) billed: Money,
}

impl Totals {
    /// Those of one invocation.
    pub(crate) fn of(usage: &Usage, exact: Money, billed: Money) -> Self {
        let wall = nanoseconds(usage.wall);
        Totals {
            invocations: 1,
            failures: u128::from(!matches!(usage.outcome, Outcome::Answered { .. })),
            cold_starts: u128::from(matches!(usage.start, Start::Cold { .. })),
            wall_ns: wall.into(),
            cpu_ns: nanoseconds(usage.cpu).into(),
            byte_ns: u128::from(wall) * u128::from(usage.peak_memory),
            bytes_in: usage.bytes_in.into(),
            bytes_out: usage.bytes_out.into(),
            fuel: usage.fuel.unwrap_or(0).into(),
            exact,
            billed,
        }
    }

    /// The numbers, in the order of the fields.
    pub(crate) fn to_numbers(self) -> [u128; FIELDS] {
        [
            self.invocations,
            self.failures,
            self.cold_starts,
            self.wall_ns,
            self.cpu_ns,
            self.byte_ns,
            self.bytes_in,
            self.bytes_out,
            self.fuel,
            self.exact.attos(),
            self.billed.attos(),
        ]
    }

    /// What [`Totals::to_numbers`] gave.
    pub(crate) fn from_numbers(numbers: [u128; FIELDS]) -> Self {
        let [
            invocations,
            failures,
            cold_starts,
            wall_ns,
            cpu_ns,
            byte_ns,
            bytes_in,
            bytes_out,
            fuel,
            exact,
            billed,
        ] = numbers;
        Totals {
            invocations,
            failures,
            cold_starts,
            wall_ns,
            cpu_ns,
            byte_ns,
            bytes_in,
            bytes_out,
            fuel,
            exact: Money::from_attos(exact),
            billed: Money::from_attos(billed),
        }
    }

    /// As the control API shows them, without keys. Parts of a microsecond are dropped from the sums, not from what is
    /// summed; numbers beyond 64 bits are shown as 2⁶⁴ − 1.
    pub(crate) fn row(&self) -> UsageRow {
        let shown = |number: u128| u64::try_from(number).unwrap_or(u64::MAX);
        UsageRow {
            invocations: shown(self.invocations),
            failures: shown(self.failures),
            cold_starts: shown(self.cold_starts),
            wall_us: shown(self.wall_ns / MICROSECOND),
            cpu_us: shown(self.cpu_ns / MICROSECOND),
            gb_seconds: self.byte_ns as f64 / GIGABYTE_SECOND,
            bytes_in: shown(self.bytes_in),
            bytes_out: shown(self.bytes_out),
            fuel: shown(self.fuel),
            exact_usd: self.exact.usd(),
            billed_usd: self.billed.usd(),
            ..UsageRow::default()
        }
    }
}

impl AddAssign<&Totals> for Totals {
    fn add_assign(&mut self, other: &Totals) {
        let mut numbers = self.to_numbers();
        for (number, more) in numbers.iter_mut().zip(other.to_numbers()) {
            *number = number.saturating_add(more);
        }
        *self = Totals::from_numbers(numbers);
    }
}
