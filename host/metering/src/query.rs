//! Usage added up by function, version, caller and hour.

use std::collections::BTreeMap;

use hyaline_control::{UsageFilter, UsageGroup, UsageRow, VersionNumber};

use crate::calendar::{self, HOUR};
use crate::error::LedgerError;
use crate::store::Store;
use crate::totals::Totals;

/// The keys of a row, in the order rows are sorted by; `None` where it is not grouped.
type Key = (Option<Box<str>>, Option<u32>, Option<Box<str>>, Option<i64>);

/// The sums of a store, by the groups asked for.
pub(crate) fn rows(
    store: &mut Store,
    filter: &UsageFilter,
    groups: &[UsageGroup],
) -> Result<Vec<UsageRow>, LedgerError> {
    let by = |group| groups.contains(&group);
    let by_version = by(UsageGroup::Version);
    let by_function = by(UsageGroup::Function) || by_version;
    let (by_caller, by_hour) = (by(UsageGroup::Caller), by(UsageGroup::Hour));

    let from = filter
        .from
        .map(|time| calendar::hour(calendar::second(time)));
    // An hour that begins before the end belongs to the answer, a part of a second included.
    let to = filter.to.map(|time| {
        let second = calendar::second(time);
        let begun = second.rem_euclid(HOUR) != 0 || time.subsec_nanosecond() != 0;
        calendar::hour(second) + i64::from(begun)
    });
    let wanted_function = filter.function.as_ref().map(|name| name.as_str());
    let wanted_caller = filter.caller.as_deref();

    let mut sums: BTreeMap<Key, Totals> = BTreeMap::new();
    if groups.is_empty() {
        sums.insert((None, None, None, None), Totals::default());
    }
    store.scan(from, to, |hour, function, version, caller, totals| {
        if wanted_function.is_some_and(|wanted| wanted != function)
            || wanted_caller.is_some_and(|wanted| wanted != caller)
        {
            return;
        }
        let key = (
            by_function.then(|| function.into()),
            by_version.then_some(version),
            by_caller.then(|| caller.into()),
            by_hour.then_some(hour),
        );
        *sums.entry(key).or_default() += totals;
    })?;

    let row = |((function, version, caller, hour), totals): (Key, Totals)| UsageRow {
        function: function.map(String::from),
        version: version.and_then(VersionNumber::new),
        caller: caller.map(String::from),
        hour: hour.map(|hour| calendar::timestamp(hour.saturating_mul(HOUR))),
        ..totals.row()
    };
    Ok(sums.into_iter().map(row).collect())
}
