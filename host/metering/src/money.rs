//! Money in whole atto-dollars, so that sums are exact.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Atto-dollars in a dollar.
const DOLLAR: u128 = 1_000_000_000_000_000_000;

/// Most dollars that an amount read from text or a float may have.
const MOST: u128 = 1_000_000_000_000_000;

/// An amount of US dollars that is not negative, in whole atto-dollars (10⁻¹⁸ $).
///
/// A 50 µs call with 128 MiB costs about 10⁸ of them by AWS's prices, so rounding one call to a whole number changes it
/// by less than 10⁻⁸ of itself; adding is exact. Sums saturate at 3.4 × 10²⁰ $.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(u128);

/// A text or number that is not an amount of money.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an amount of US dollars: it takes a decimal number from 0 to 1000000000000000, such as 0.0000166667"
)]
pub struct MoneyError(String);

impl Money {
    /// Nothing.
    pub const ZERO: Money = Money(0);

    /// So many atto-dollars.
    pub const fn from_attos(attos: u128) -> Self {
        Money(attos)
    }

    /// The atto-dollars.
    pub const fn attos(self) -> u128 {
        self.0
    }

    /// The amount a float was written as: of all decimal numbers that are read as `usd` the shortest, rounded to whole
    /// atto-dollars. So 0.1 is exactly ten cents.
    ///
    /// # Errors
    /// [`MoneyError`] when it is negative, not finite, or above 10¹⁵.
    pub fn from_usd(usd: f64) -> Result<Self, MoneyError> {
        // Floats are displayed by their shortest decimal number, never with an exponent; zero may carry a sign.
        usd.abs()
            .to_string()
            .parse()
            .ok()
            .filter(|_| usd >= 0.0)
            .ok_or_else(|| MoneyError(usd.to_string()))
    }

    /// The nearest float of dollars, within one unit in its last place.
    pub fn usd(self) -> f64 {
        self.0 as f64 / DOLLAR as f64
    }

    /// `self` less `other`, or nothing when that is more.
    pub fn saturating_sub(self, other: Money) -> Money {
        Money(self.0.saturating_sub(other.0))
    }

    /// The part of it that a number of quintillionths says, rounded half up.
    pub(crate) fn part(self, quintillionths: u64) -> Money {
        Money(multiply_divide(self.0, quintillionths, DOLLAR as u64))
    }
}

/// `a · b / c`, rounded half up; saturates instead of overflowing. `c` is not 0.
pub(crate) fn multiply_divide(a: u128, b: u64, c: u64) -> u128 {
    let (b, c) = (u128::from(b), u128::from(c));
    match a
        .checked_mul(b)
        .and_then(|product| product.checked_add(c / 2))
    {
        Some(product) => product / c,
        // The product of the remainder fits, because both factors have 64 bits.
        None => {
            let rest = (a % c) * b;
            let rounded = rest / c + u128::from(rest % c >= c - c / 2);
            (a / c).saturating_mul(b).saturating_add(rounded)
        }
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    /// Reads digits with at most one point among them. Digits beyond the eighteenth decimal place round half up.
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let refused = || MoneyError(text.chars().take(40).collect());
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(decimals) || text.ends_with('.') {
            return Err(refused());
        }
        let whole: u128 = whole.parse().map_err(|_| refused())?;
        if whole > MOST {
            return Err(refused());
        }
        let mut attos = 0;
        for place in 0..18 {
            let digit = decimals.as_bytes().get(place).map_or(0, |byte| byte - b'0');
            attos = attos * 10 + u128::from(digit);
        }
        let rounded_up = decimals
            .as_bytes()
            .get(18)
            .is_some_and(|&byte| byte >= b'5');
        Ok(Money(whole * DOLLAR + attos + u128::from(rounded_up)))
    }
}

impl fmt::Display for Money {
    /// All of it, without zeros at the end: `$0.000000000104166875`; whole dollars as `$3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}", self.0 / DOLLAR)?;
        let attos = self.0 % DOLLAR;
        if attos == 0 {
            return Ok(());
        }
        let decimals = format!("{attos:018}");
        write!(f, ".{}", decimals.trim_end_matches('0'))
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Add for Money {
    type Output = Money;
    fn add(self, other: Money) -> Money {
        Money(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Money) {
        *self = *self + other;
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Money>>(amounts: I) -> Money {
        amounts.fold(Money::ZERO, Money::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_mean_the_decimal_numbers_they_were_written_as() {
        for (usd, attos) in [
            (0.0, 0),
            (-0.0, 0),
            (0.1, 100_000_000_000_000_000),
            (0.000_016_666_7, 16_666_700_000_000),
            (0.2e-6, 200_000_000_000),
            (1e-18, 1),
            (4.9e-19, 0),
            (5e-19, 1),
            (5e-324, 0),
            (1e15, 1_000_000_000_000_000_000_000_000_000_000_000),
        ] {
            assert_eq!(Money::from_usd(usd), Ok(Money(attos)), "{usd}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused_by_name() {
        for usd in [-1e-9, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.1e15] {
            let refused = Money::from_usd(usd).unwrap_err();
            assert_eq!(refused, MoneyError(usd.to_string()));
        }
        for text in [
            "", ".", "1.", ".5", "+1", "-1", "1e3", "1.2.3", "٣", " 1", "$1",
        ] {
            assert!(text.parse::<Money>().is_err(), "{text}");
        }
        assert_eq!(
            "ten".parse::<Money>().unwrap_err().to_string(),
            "`ten` is not an amount of US dollars: it takes a decimal number from 0 to 1000000000000000, such as 0.0000166667"
        );
    }

    #[test]
    fn amounts_are_shown_to_the_last_place() {
        assert_eq!(Money(104_166_875).to_string(), "$0.000000000104166875");
        assert_eq!(Money(3 * DOLLAR).to_string(), "$3");
        assert_eq!(Money(DOLLAR / 5).to_string(), "$0.2");
        assert_eq!(Money::ZERO.to_string(), "$0");
    }

    #[test]
    fn products_too_wide_for_128_bits_are_divided_all_the_same() {
        let wide = u128::MAX / 3;
        assert_eq!(multiply_divide(wide, 7, 7), wide);
        assert_eq!(multiply_divide(u128::MAX, 1, 1), u128::MAX);
        assert_eq!(multiply_divide(u128::MAX, u64::MAX, u64::MAX), u128::MAX);
        assert_eq!(multiply_divide(u128::MAX, 3, 2), u128::MAX, "saturates");
        // (2^127 + 1) * 3 / 4 = 3 * 2^125 + 0.75.
        assert_eq!(multiply_divide((1 << 127) + 1, 3, 4), 3 * (1 << 125) + 1);
        assert_eq!(multiply_divide((1 << 127) + 3, 3, 4), 3 * (1 << 125) + 2);
        assert_eq!(multiply_divide(5, 1, 10), 1, "half up");
        assert_eq!(multiply_divide(4, 1, 10), 0);
    }
}
