//! What is said on the command line about functions, traffic, money and time, as types.

use std::str::FromStr;

use anyhow::{Context, Result, bail};
use hyaline_control::{
    Budget, FunctionName, Period, Qualifier, Quota, Rate, Share, StickyKey, VersionNumber,
};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, civil};

/// `credit`, `credit@4` or `credit@canary`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Subject {
    pub(crate) function: FunctionName,
    pub(crate) qualifier: Option<Qualifier>,
}

impl FromStr for Subject {
    type Err = anyhow::Error;
    fn from_str(text: &str) -> Result<Self> {
        let (name, qualifier) = match text.split_once('@') {
            Some((name, qualifier)) => (name, Some(qualifier.parse()?)),
            None => (text, None),
        };
        Ok(Subject {
            function: name.parse()?,
            qualifier,
        })
    }
}

/// `3=90`; `3` alone is a weight of 1.
pub(crate) fn share(text: &str) -> Result<Share> {
    let (version, weight) = text.split_once('=').unwrap_or((text, "1"));
    Ok(Share {
        version: version.parse()?,
        weight: weight.parse().with_context(|| {
            format!("`{weight}` is not a weight; write VERSION=WEIGHT, such as `3=90 4=10`")
        })?,
    })
}

/// `caller`, `address` or `header:x-user`.
pub(crate) fn sticky(text: &str) -> Result<StickyKey> {
    match text.split_once(':') {
        None if text == "caller" => Ok(StickyKey::Caller),
        None if text == "address" => Ok(StickyKey::Address),
        Some(("header", name)) => {
            let name: http::HeaderName = name
                .parse()
                .with_context(|| format!("`{name}` is not the name of a header"))?;
            Ok(StickyKey::Header(name.as_str().to_owned()))
        }
        _ => bail!("calls stick by `caller`, `address` or `header:NAME`, not by `{text}`"),
    }
}

pub(crate) fn share_shown(share: &Share, sum: u64) -> String {
    let percent = 100.0 * f64::from(share.weight) / sum as f64;
    format!(
        "{} {}%",
        share.version,
        crate::table::number((percent * 100.0).round() / 100.0)
    )
}

/// Where calls go, for people: `3 90%, 4 10%, shadow 5, by header x-user`.
pub(crate) fn traffic_shown(traffic: &hyaline_control::Traffic) -> String {
    let sum = traffic
        .shares()
        .iter()
        .map(|share| u64::from(share.weight))
        .sum();
    let mut parts: Vec<String> = match traffic.shares() {
        [single] => vec![single.version.to_string()],
        shares => shares.iter().map(|share| share_shown(share, sum)).collect(),
    };
    if let Some(version) = traffic.shadow() {
        parts.push(format!("shadow {version}"));
    }
    match traffic.sticky() {
        Some(StickyKey::Caller) => parts.push("by caller".into()),
        Some(StickyKey::Address) => parts.push("by address".into()),
        Some(StickyKey::Header(name)) => parts.push(format!("by header {}", super::plain(name))),
        None => {}
    }
    parts.join(", ")
}

fn period(text: &str) -> Result<Period> {
    match text {
        "day" => Ok(Period::Day),
        "month" => Ok(Period::Month),
        "total" => Ok(Period::Total),
        _ => bail!("`{text}` is not a period; it is `day`, `month` or `total`"),
    }
}

pub(crate) fn period_shown(period: Period) -> &'static str {
    match period {
        Period::Day => "day",
        Period::Month => "month",
        Period::Total => "total",
    }
}

/// `1000/day`
pub(crate) fn quota(text: &str) -> Result<Quota> {
    let (requests, every) = text
        .split_once('/')
        .with_context(|| format!("`{text}` is not a quota such as `1000/day`"))?;
    Ok(Quota {
        requests: requests
            .parse()
            .with_context(|| format!("`{requests}` is not a number of requests"))?,
        period: period(every)?,
    })
}

/// `100/60` (requests in seconds) or `100/60+20` (at once).
pub(crate) fn rate(text: &str) -> Result<Rate> {
    let read = || {
        let (requests, rest) = text.split_once('/')?;
        let (seconds, burst) = match rest.split_once('+') {
            Some((seconds, burst)) => (seconds, Some(burst.parse().ok()?)),
            None => (rest, None),
        };
        Some(Rate {
            requests: requests.parse().ok()?,
            seconds: seconds.parse().ok()?,
            burst,
        })
    };
    read().with_context(|| {
        format!(
            "`{text}` is not a rate such as `100/60` (requests in seconds) or `100/60+20` (at once)"
        )
    })
}

/// `5/month` (US dollars) or `5/month@0.5` (warn at half).
pub(crate) fn budget(text: &str) -> Result<Budget> {
    let form = || format!("`{text}` is not a budget such as `5/month` or `5/month@0.8`");
    let (usd, rest) = text.split_once('/').with_context(form)?;
    let (every, warn_at) = rest.split_once('@').unwrap_or((rest, "0.8"));
    let budget = Budget {
        usd: usd.parse().with_context(form)?,
        period: period(every)?,
        warn_at: warn_at.parse().with_context(form)?,
    };
    let possible = budget.usd >= 0.0 && budget.usd.is_finite();
    if !possible || !(0.0..=1.0).contains(&budget.warn_at) {
        bail!(
            "{}: money is not negative, and the warning comes at a part from 0 to 1",
            form()
        );
    }
    Ok(budget)
}

pub(crate) fn version(text: &str) -> Result<VersionNumber> {
    Ok(text.parse()?)
}

/// A moment: RFC 3339, a date or a date and time in UTC, or a span such as `24h` or `7d`, `sign` of it from `now`.
fn instant(text: &str, now: Timestamp, sign: i64) -> Result<Timestamp> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    if let Ok(time) = text.parse::<civil::DateTime>() {
        return Ok(TimeZone::UTC.to_timestamp(time)?);
    }
    let span: Span = text.parse().map_err(|_| {
        anyhow::anyhow!(
            "`{text}` is not a time such as `2026-11-27`, `2026-11-27T12:00:00Z`, `24h` or `7d`"
        )
    })?;
    let now = now.to_zoned_datetime(TimeZone::UTC);
    Ok(now.checked_add(span.checked_mul(sign)?)?.timestamp())
}

/// A moment in the past.
pub(crate) fn since(text: &str) -> Result<Timestamp> {
    instant(text, Timestamp::now(), -1)
}

/// A moment in the future.
pub(crate) fn until(text: &str) -> Result<Timestamp> {
    instant(text, Timestamp::now(), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_may_be_qualified() {
        let subject: Subject = "credit@4".parse().expect("a version");
        assert_eq!(subject.function.as_str(), "credit");
        assert_eq!(
            subject.qualifier,
            Some(Qualifier::Version(version("4").expect("4")))
        );
        let subject: Subject = "credit@canary".parse().expect("an alias");
        assert!(
            matches!(subject.qualifier, Some(Qualifier::Alias(alias)) if alias.as_str() == "canary")
        );
        for wrong in ["credit@", "Credit", "../x", "credit@0"] {
            assert!(wrong.parse::<Subject>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn traffic_is_read_and_shown() {
        let shares = vec![
            share("3=90").expect("a share"),
            share("4=10").expect("a share"),
        ];
        let by_user = sticky("header:X-User").expect("a key");
        let shadow = version("5").expect("a version");
        let traffic = hyaline_control::Traffic::new(shares, Some(by_user), Some(shadow));
        assert_eq!(
            traffic_shown(&traffic.expect("traffic")),
            "3 90%, 4 10%, shadow 5, by header x-user"
        );
        assert_eq!(share("4").expect("a share").weight, 1);
        for wrong in ["x=1", "1=", "0=3", "1=-1"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
        for wrong in ["header:", "header:a b", "cookie:x", "header"] {
            assert!(sticky(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn money_and_rates_are_read() {
        let five = budget("5/month").expect("a budget");
        assert_eq!(
            (five.usd, five.period, five.warn_at),
            (5.0, Period::Month, 0.8)
        );
        assert_eq!(budget("0.01/day@0.5").expect("a budget").warn_at, 0.5);
        for wrong in ["5", "-1/day", "inf/day", "5/week", "5/day@2", "NaN/day"] {
            assert!(budget(wrong).is_err(), "{wrong}");
        }
        let hundred = rate("100/60+20").expect("a rate");
        assert_eq!(
            (hundred.requests, hundred.seconds, hundred.burst),
            (100, 60, Some(20))
        );
        assert!(rate("100").is_err() && rate("100/60+").is_err());
        assert_eq!(quota("1000/day").expect("a quota").requests, 1000);
        assert!(quota("1000/hour").is_err());
    }

    #[test]
    fn times_are_moments_dates_or_spans() {
        let now: Timestamp = "2026-03-01T12:30:00Z".parse().expect("a moment");
        for (text, sign, moment) in [
            ("2026-11-27", -1, "2026-11-27T00:00:00Z"),
            ("2026-11-27T10:00:00+02:00", -1, "2026-11-27T08:00:00Z"),
            ("2026-11-27T10:00", -1, "2026-11-27T10:00:00Z"),
            ("24h", -1, "2026-02-28T12:30:00Z"),
            ("7d", -1, "2026-02-22T12:30:00Z"),
            ("1 month", 1, "2026-04-01T12:30:00Z"),
        ] {
            let read = instant(text, now, sign).expect(text);
            assert_eq!(read.to_string(), moment, "{text}");
        }
        let refusal = instant("yesterday", now, -1)
            .expect_err("no time")
            .to_string();
        assert!(
            refusal.contains("`yesterday` is not a time such as"),
            "{refusal}"
        );
    }
}
