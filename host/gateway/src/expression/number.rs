//! Numbers of JSON, compared and added without rounding where they are integers.

use std::cmp::Ordering;

use serde_json::Number;

/// A number as it is: JSON integers of 64 bits do not fit into floats.
#[derive(Clone, Copy, Debug)]
pub(super) enum Exact {
    Integer(i128),
    Float(f64),
}

impl Exact {
    pub(super) fn of(number: &Number) -> Self {
        if let Some(integer) = number.as_i64() {
            Exact::Integer(integer.into())
        } else if let Some(integer) = number.as_u64() {
            Exact::Integer(integer.into())
        } else {
            Exact::Float(number.as_f64().unwrap_or(0.0))
        }
    }

    pub(super) fn float(self) -> f64 {
        match self {
            Exact::Integer(integer) => integer as f64,
            Exact::Float(float) => float,
        }
    }

    /// The number in JSON: as an integer where it is one of 64 bits. `None` for an infinite one.
    pub(super) fn number(self) -> Option<Number> {
        match self {
            Exact::Integer(integer) => match (i64::try_from(integer), u64::try_from(integer)) {
                (Ok(integer), _) => Some(integer.into()),
                (_, Ok(integer)) => Some(integer.into()),
                _ => Number::from_f64(integer as f64),
            },
            Exact::Float(float) => Number::from_f64(float),
        }
    }
}

/// Orders numbers by their value, integers and floats alike.
pub(super) fn compare(one: &Number, other: &Number) -> Ordering {
    match (Exact::of(one), Exact::of(other)) {
        (Exact::Integer(one), Exact::Integer(other)) => one.cmp(&other),
        (Exact::Float(one), Exact::Float(other)) => order(one, other),
        (Exact::Integer(one), Exact::Float(other)) => integer_with_float(one, other),
        (Exact::Float(one), Exact::Integer(other)) => integer_with_float(other, one).reverse(),
    }
}

/// JSON has no NaN, so numbers are always in order; 0 and -0 are equal.
fn order(one: f64, other: f64) -> Ordering {
    one.partial_cmp(&other).unwrap_or(Ordering::Equal)
}

fn integer_with_float(integer: i128, float: f64) -> Ordering {
    // The cast saturates far beyond 64 bits, where the comparison is decided anyway.
    let whole = float.floor();
    integer
        .cmp(&(whole as i128))
        .then_with(|| order(whole, float))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_beyond_2_to_53_are_told_apart() {
        let number = |text: &str| serde_json::from_str::<Number>(text).unwrap();
        for (one, other, expected) in [
            ("9007199254740993", "9007199254740992", Ordering::Greater),
            ("9007199254740993", "9007199254740992.0", Ordering::Greater),
            ("9007199254740992", "9007199254740992.0", Ordering::Equal),
            (
                "18446744073709551615",
                "18446744073709551616.0",
                Ordering::Less,
            ),
            (
                "-9223372036854775808",
                "-9223372036854775808.0",
                Ordering::Equal,
            ),
            ("1", "1.5", Ordering::Less),
            ("2", "1.5", Ordering::Greater),
            ("-1", "-1.5", Ordering::Greater),
            ("-2", "-1.5", Ordering::Less),
            ("0", "-0.0", Ordering::Equal),
            ("5", "1e300", Ordering::Less),
            ("5", "-1e300", Ordering::Greater),
        ] {
            assert_eq!(
                compare(&number(one), &number(other)),
                expected,
                "{one} {other}"
            );
            assert_eq!(
                compare(&number(other), &number(one)),
                expected.reverse(),
                "{other} {one}"
            );
        }
    }
}
