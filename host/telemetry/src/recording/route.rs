//! What is recorded of the requests of one route, whoever answers them.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{Method, StatusCode};

use super::call::nanoseconds;
use super::histogram::{Counts, Histogram};
use super::table::{Member, Membership, Table};

/// Method and status of an answer.
type Kind = (&'static str, u16);

/// How many kinds of answers of a route are told apart.
const MOST_KINDS: usize = 32;

/// The method of requests that are not told apart: OpenTelemetry's word.
const OTHER_METHOD: &str = "_OTHER";

/// Records how long the requests of one route took: `http.server.request.duration`.
pub struct RouteSeries {
    route: Arc<str>,
    membership: Membership,
    table: Weak<Table<RouteSeries>>,
    /// In the order in which they first occurred.
    kinds: ArcSwap<Vec<(Kind, Arc<Histogram>)>>,
    adding: Mutex<()>,
}

impl RouteSeries {
    pub(crate) fn new(route: Arc<str>, table: &Arc<Table<RouteSeries>>) -> Self {
        RouteSeries {
            route,
            membership: Membership::default(),
            table: Arc::downgrade(table),
            kinds: ArcSwap::default(),
            adding: Mutex::new(()),
        }
    }

    /// The route, as it was declared.
    pub fn route(&self) -> &str {
        &self.route
    }

    /// Records an answer. No lock, no clock, no allocation but for the first of its kind.
    ///
    /// Methods that RFC 9110 and RFC 5789 do not define are `_OTHER`. When a function answers with more than 32 kinds
    /// of method and status, further ones are counted as `_OTHER` and the first status of their class.
    pub fn record(self: &Arc<Self>, method: &Method, status: StatusCode, duration: Duration) {
        let kind = (known_method(method), status.as_u16());
        let kinds = self.kinds.load();
        let found = kinds.iter().find(|(known, _)| *known == kind);
        match found {
            Some((_, histogram)) => histogram.record(nanoseconds(duration)),
            None => self.first_of(kind).record(nanoseconds(duration)),
        }
        if self.membership.is_listed() {
            return;
        }
        if let Some(table) = self.table.upgrade() {
            table.list(self);
        }
    }

    #[cold]
    fn first_of(&self, kind: Kind) -> Arc<Histogram> {
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let kinds = self.kinds.load();
        let kind = if kinds.len() < MOST_KINDS {
            kind
        } else {
            (OTHER_METHOD, kind.1 / 100 * 100)
        };
        if let Some((_, histogram)) = kinds.iter().find(|(known, _)| *known == kind) {
            return Arc::clone(histogram);
        }
        let histogram = Arc::new(Histogram::default());
        let mut more = Vec::clone(&kinds);
        more.push((kind, Arc::clone(&histogram)));
        self.kinds.store(Arc::new(more));
        histogram
    }

    /// Method, status and durations in nanoseconds of every kind of answer, as of now.
    pub(crate) fn reading(&self) -> Vec<(&'static str, u16, Counts)> {
        let kinds = self.kinds.load();
        let mut reading: Vec<_> = kinds
            .iter()
            .map(|&((method, status), ref histogram)| (method, status, histogram.counts()))
            .collect();
        reading.sort_unstable_by_key(|&(method, status, _)| (method, status));
        reading
    }
}

fn known_method(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = [
        "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE",
    ];
    KNOWN
        .into_iter()
        .find(|known| *known == method.as_str())
        .unwrap_or(OTHER_METHOD)
}

impl Member for RouteSeries {
    type Key = Arc<str>;

    fn key(&self) -> &Arc<str> {
        &self.route
    }

    fn membership(&self) -> &Membership {
        &self.membership
    }

    fn recorded(&self) -> u64 {
        self.kinds
            .load()
            .iter()
            .map(|(_, histogram)| histogram.counts().count())
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_function_cannot_make_a_route_large() {
        let table = Arc::new(Table::new(8));
        let route = table.get(&"/a".into(), || RouteSeries::new("/a".into(), &table));
        for status in 100..=999 {
            let method = Method::from_bytes(format!("M{status}").as_bytes()).unwrap();
            let status = StatusCode::from_u16(status).unwrap();
            for method in [&Method::POST, &method] {
                route.record(method, status, Duration::from_millis(1));
            }
        }
        let reading = route.reading();
        assert!(reading.len() <= MOST_KINDS + 9, "{}", reading.len());
        let counted: u64 = reading.iter().map(|(_, _, counts)| counts.count()).sum();
        assert_eq!(counted, 1800);
        assert!(
            reading
                .iter()
                .any(|(method, status, _)| (*method, *status) == ("_OTHER", 500))
        );
        assert!(
            reading
                .iter()
                .all(|(method, _, _)| ["POST", "_OTHER"].contains(method))
        );
    }
}
