//! From a path to what answers there, among thousands of routes.

use std::sync::Arc;

use rpds::HashTrieMapSync;

use super::forward::RouteHeaders;
use super::route::{Matched, Route};

/// Routes and what each leads to, most specific first. Cheap to search: routes that begin with the same literal segment
/// lie together, and there are few of those. A clone costs two counters and shares what is not changed afterwards.
#[derive(Debug)]
pub(crate) struct Routes<T> {
    /// By first segment, where that is a literal.
    by_segment: HashTrieMapSync<Box<str>, Entries<T>>,
    /// Routes that begin with a name or a wildcard.
    others: Entries<T>,
}

/// Routes, the most specific first.
type Entries<T> = Arc<[Arc<Entry<T>>]>;

/// A route and what it leads to.
#[derive(Debug)]
pub(crate) struct Entry<T> {
    pub(crate) route: Route,
    pub(crate) headers: RouteHeaders,
    pub(crate) target: T,
}

impl<T> Default for Routes<T> {
    fn default() -> Self {
        Routes {
            by_segment: HashTrieMapSync::new_sync(),
            others: Arc::new([]),
        }
    }
}

impl<T> Clone for Routes<T> {
    fn clone(&self) -> Self {
        Routes {
            by_segment: self.by_segment.clone(),
            others: self.others.clone(),
        }
    }
}

impl<T> Routes<T> {
    /// Adds a route; of two routes that take the same paths, the later one stays.
    pub(crate) fn insert(&mut self, route: Route, target: T) {
        self.change(&route, |entries| {
            entries.retain(|entry| !entry.route.same_paths(&route));
            let place = entries.partition_point(|entry| entry.route.specificity(&route).is_lt());
            let headers = RouteHeaders::new(&route);
            let entry = Entry {
                route: route.clone(),
                headers,
                target,
            };
            entries.insert(place, Arc::new(entry));
        });
    }

    /// Removes what a route leads to, if `is_it`.
    pub(crate) fn remove(&mut self, route: &Route, is_it: impl Fn(&T) -> bool) {
        self.change(route, |entries| {
            entries.retain(|entry| !(entry.route.same_paths(route) && is_it(&entry.target)));
        });
    }

    fn change(&mut self, route: &Route, change: impl FnOnce(&mut Vec<Arc<Entry<T>>>)) {
        let mut entries = self.beside(route).to_vec();
        change(&mut entries);
        match route.first_literal() {
            None => self.others = entries.into(),
            Some(segment) if entries.is_empty() => {
                self.by_segment.remove_mut(segment);
            }
            Some(segment) => self.by_segment.insert_mut(segment.into(), entries.into()),
        }
    }

    /// The routes among which one would lie.
    fn beside(&self, route: &Route) -> &[Arc<Entry<T>>] {
        match route.first_literal() {
            Some(segment) => self.by_segment.get(segment).map_or(&[], |entries| entries),
            None => &self.others,
        }
    }

    /// What a route that takes the same paths as `route` leads to.
    pub(crate) fn same(&self, route: &Route) -> Option<&T> {
        let mut beside = self.beside(route).iter();
        Some(&beside.find(|entry| entry.route.same_paths(route))?.target)
    }

    /// The most specific route that takes `path`.
    pub(crate) fn find<'p>(&self, path: &'p str) -> Option<(&Arc<Entry<T>>, Matched<'p>)> {
        let first = path.strip_prefix('/')?.split('/').next()?;
        // A literal goes before all others, so what begins with one is looked at first.
        let of_segment = self
            .by_segment
            .get(first)
            .into_iter()
            .flat_map(|entries| entries.iter());
        of_segment
            .chain(self.others.iter())
            .find_map(|entry| Some((entry, entry.route.matches(path)?)))
    }

    /// Every route, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Entry<T>>> {
        let by_segment = self.by_segment.values().flat_map(|entries| entries.iter());
        by_segment.chain(self.others.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(routes: &[&'static str]) -> Routes<&'static str> {
        let mut table = Routes::default();
        for route in routes {
            table.insert(Route::parse(route).unwrap(), *route);
        }
        table
    }

    #[test]
    fn the_most_specific_route_wins_in_any_order() {
        let check = |path: &str, expected: Option<&str>| {
            let mut routes = [
                "/...",
                "/one/...",
                "/one/two/...",
                "/one",
                "/one/:x",
                "/one/:x/three",
                "/:y/special",
            ];
            for _ in 0..2 {
                let found = table(&routes).find(path).map(|(entry, _)| entry.target);
                assert_eq!(found, expected, "{path}");
                routes.reverse();
            }
        };
        check("/", Some("/..."));
        check("/one", Some("/one"));
        check("/one/", Some("/one"));
        check("/one/two/three", Some("/one/two/..."));
        check("/one/else", Some("/one/:x"));
        check("/one/else/three", Some("/one/:x/three"));
        check("/one/else/four", Some("/one/..."));
        check("/two/special", Some("/:y/special"));
        check("/onetwo", Some("/..."));
        check("no slash", None);
    }

    #[test]
    fn a_route_leads_to_what_was_said_last_and_to_nothing_once_removed() {
        let mut table = table(&["/a/...", "/b"]);
        let again = Route::parse("/a/*").unwrap();
        table.insert(again.clone(), "later");
        assert_eq!(table.find("/a/x").unwrap().0.target, "later");
        assert_eq!(table.same(&again), Some(&"later"));
        table.remove(&again, |target| *target == "/a/...");
        assert!(
            table.find("/a/x").is_some(),
            "what it leads to is another now"
        );
        table.remove(&again, |target| *target == "later");
        assert!(table.find("/a/x").is_none());
        assert_eq!(table.iter().count(), 1);
    }
}
