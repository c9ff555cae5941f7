//! Hours, days and months of UTC as whole numbers.

use hyaline_control::Period;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Seconds of an hour.
pub(crate) const HOUR: i64 = 3600;

/// Hours of a day.
pub(crate) const HOURS_OF_A_DAY: i64 = 24;

/// Seconds of a day.
const DAY: i64 = HOUR * HOURS_OF_A_DAY;

/// The second of the epoch that a time lies in.
pub(crate) fn second(time: Timestamp) -> i64 {
    // The parts of a time before 1970 are both negative.
    time.as_second() - i64::from(time.subsec_nanosecond() < 0)
}

/// The hour since 1970 that a second lies in.
pub(crate) fn hour(second: i64) -> i64 {
    second.div_euclid(HOUR)
}

/// The day since 1970 that a second lies in.
pub(crate) fn day(second: i64) -> i64 {
    second.div_euclid(DAY)
}

/// The month since the year 0 that a second lies in.
pub(crate) fn month(second: i64) -> i64 {
    let date = timestamp(second).to_zoned_datetime(TimeZone::UTC).date();
    i64::from(date.year()) * 12 + i64::from(date.month()) - 1
}

/// The time of a second; the nearest time there is for those outside the years -9999 to 9999.
pub(crate) fn timestamp(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(if second < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

/// The first second of a day.
pub(crate) fn day_begin(day: i64) -> i64 {
    day.saturating_mul(DAY)
}

/// The first second of a month, `i64::MAX` after the year 9999.
pub(crate) fn month_begin(month: i64) -> i64 {
    let first = || {
        let year = i16::try_from(month.div_euclid(12)).ok()?;
        let number = i8::try_from(month.rem_euclid(12) + 1).ok()?;
        let date = Date::new(year, number, 1).ok()?;
        Some(
            date.to_zoned_datetime(TimeZone::UTC)
                .ok()?
                .timestamp()
                .as_second(),
        )
    };
    first().unwrap_or(if month < 0 { i64::MIN } else { i64::MAX })
}

/// The first second of a period that holds this day and month, and the first one after it. `None`: there is none.
pub(crate) fn bounds(period: Period, day: i64, month: i64) -> (Option<i64>, Option<i64>) {
    let (begin, end) = match period {
        Period::Day => (day_begin(day), day_begin(day.saturating_add(1))),
        Period::Month => (month_begin(month), month_begin(month.saturating_add(1))),
        Period::Total => return (None, None),
    };
    (Some(begin), Some(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        second(text.parse().unwrap())
    }

    #[test]
    fn times_lie_in_the_hours_days_and_months_of_the_calendar() {
        assert_eq!(hour(at("1970-01-01T00:59:59.999Z")), 0);
        assert_eq!(hour(at("1969-12-31T23:59:59.5Z")), -1);
        assert_eq!(day(at("1969-12-31T00:00:00Z")), -1);
        assert_eq!(month(at("2024-02-29T23:59:59.999999999Z")), 2024 * 12 + 1);
        assert_eq!(month(at("2024-03-01T00:00:00Z")), 2024 * 12 + 2);
        assert_eq!(month(at("2024-02-29T23:00:00-05:00")), 2024 * 12 + 2);
    }

    #[test]
    fn periods_end_where_the_next_begin() {
        let december = month(at("2024-12-31T12:00:00Z"));
        let (begin, end) = bounds(Period::Month, 0, december);
        assert_eq!(begin, Some(at("2024-12-01T00:00:00Z")));
        assert_eq!(end, Some(at("2025-01-01T00:00:00Z")));
        let today = day(at("2024-12-31T12:00:00Z"));
        let (begin, end) = bounds(Period::Day, today, 0);
        assert_eq!(begin, Some(at("2024-12-31T00:00:00Z")));
        assert_eq!(end, Some(at("2025-01-01T00:00:00Z")));
    }

    #[test]
    fn the_ends_of_the_calendar_are_times() {
        let last = month(second(Timestamp::MAX));
        assert_eq!(bounds(Period::Month, 0, last).1, Some(i64::MAX));
        assert_eq!(
            timestamp(hour(second(Timestamp::MIN)) * HOUR),
            Timestamp::MIN
        );
        assert_eq!(month_begin(i64::MIN), i64::MIN);
        assert_eq!(day_begin(i64::MIN), i64::MIN);
    }
}
