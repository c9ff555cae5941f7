//! Routes as Spin writes and matches them.

use std::cmp::Ordering;

/// A route of an HTTP trigger, as Spin reads it: `/exact/path`, `/with/:name/parts`, `/prefix/...`.
///
/// A trailing `/...` (or `/*`) takes the prefix itself and all paths below it; `:name` takes one segment. A slash at
/// the end of a route or of a path makes no difference to what matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    written: String,
    segments: Vec<Segment>,
    open: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Named(String),
}

/// A text that is not a route.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{route}` is not a route: {reason}")]
pub struct RouteError {
    route: String,
    reason: &'static str,
}

/// How a route took a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Matched<'p> {
    /// What a trailing wildcard took, with its leading slash: `` for the prefix itself, `/` for the prefix and a slash.
    /// Empty without a wildcard.
    pub(crate) path_info: &'p str,
    /// What the named segments took.
    pub(crate) named: Vec<(String, &'p str)>,
}

impl Route {
    /// # Errors
    ///
    /// A wildcard anywhere but at the end, a name that is empty, or characters that no path has.
    pub fn parse(route: &str) -> Result<Self, RouteError> {
        let refuse = |reason| RouteError {
            route: route.into(),
            reason,
        };
        if route.contains(['?', '#']) || !route.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(refuse("it has characters that no path has"));
        }
        let prefix = route
            .strip_suffix("/...")
            .or_else(|| route.strip_suffix("/*"));
        let open = prefix.is_some();
        let mut segments = Vec::new();
        for segment in prefix
            .unwrap_or(route)
            .split('/')
            .filter(|segment| !segment.is_empty())
        {
            segments.push(match segment.strip_prefix(':') {
                Some("") => return Err(refuse("`:` must be followed by a name")),
                Some(name) => Segment::Named(name.into()),
                None if segment == "..." || segment.contains('*') => {
                    return Err(refuse("a wildcard can only be at its end, as `/...`"));
                }
                None => Segment::Literal(segment.into()),
            });
        }
        let slash = if route.starts_with('/') { "" } else { "/" };
        Ok(Route {
            written: format!("{slash}{route}"),
            segments,
            open,
        })
    }

    /// The route as written, with a leading slash.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The route without its trailing wildcard and slash: what a client puts before a function's own paths.
    pub fn prefix(&self) -> &str {
        let path = self
            .written
            .strip_suffix("/...")
            .or_else(|| self.written.strip_suffix("/*"));
        path.unwrap_or(&self.written).trim_end_matches('/')
    }

    /// Whether the route takes the paths below it.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// The first segment, where it is a literal.
    pub(crate) fn first_literal(&self) -> Option<&str> {
        match self.segments.first()? {
            Segment::Literal(literal) => Some(literal),
            Segment::Named(_) => None,
        }
    }

    pub(crate) fn matches<'p>(&self, path: &'p str) -> Option<Matched<'p>> {
        let mut rest = path;
        let mut named = Vec::new();
        for segment in &self.segments {
            let (taken, after) = first_segment(rest)?;
            match segment {
                Segment::Literal(literal) if literal == taken => {}
                Segment::Literal(_) => return None,
                Segment::Named(_) if taken.is_empty() => return None,
                Segment::Named(name) => named.push((name.clone(), taken)),
            }
            rest = after;
        }
        if self.open {
            Some(Matched {
                path_info: rest,
                named,
            })
        } else {
            (rest.is_empty() || rest == "/").then_some(Matched {
                path_info: "",
                named,
            })
        }
    }

    /// Orders routes from the most to the least specific: where they first differ, a literal goes before a name, a
    /// name before the end, and the end of a closed route before a wildcard. So of all routes that match a path, the
    /// first in this order has the longest prefix.
    pub(crate) fn specificity(&self, other: &Self) -> Ordering {
        let rank = |route: &Self, index: usize| match route.segments.get(index) {
            Some(Segment::Literal(_)) => 0,
            Some(Segment::Named(_)) => 1,
            None if !route.open => 2,
            None => 3,
        };
        (0..=self.segments.len().max(other.segments.len()))
            .map(|index| rank(self, index).cmp(&rank(other, index)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }

    /// Whether the two take the same paths.
    pub(crate) fn same_paths(&self, other: &Self) -> bool {
        let same = |pair: (&Segment, &Segment)| match pair {
            (Segment::Literal(left), Segment::Literal(right)) => left == right,
            (Segment::Named(_), Segment::Named(_)) => true,
            _ => false,
        };
        self.open == other.open
            && self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(same)
    }
}

/// The first segment of a path that starts with a slash, and what follows it.
fn first_segment(path: &str) -> Option<(&str, &str)> {
    let path = path.strip_prefix('/')?;
    Some(
        path.find('/')
            .map_or((path, ""), |slash| path.split_at(slash)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best<'r>(routes: &[&'r str], path: &str) -> Option<&'r str> {
        let mut parsed: Vec<(&str, Route)> = routes
            .iter()
            .map(|route| (*route, Route::parse(route).unwrap()))
            .collect();
        parsed.sort_by(|(_, left), (_, right)| left.specificity(right));
        parsed
            .into_iter()
            .find(|(_, route)| route.matches(path).is_some())
            .map(|(written, _)| written)
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
                "/solo",
            ];
            assert_eq!(best(&routes, path), expected, "{path}");
            routes.reverse();
            assert_eq!(best(&routes, path), expected, "{path}, reversed");
        };
        check("/", Some("/..."));
        check("/one", Some("/one"));
        check("/one/", Some("/one"));
        check("/one/two", Some("/one/two/..."));
        check("/one/two/three", Some("/one/two/..."));
        check("/one/else", Some("/one/:x"));
        check("/one/else/three", Some("/one/:x/three"));
        check("/one/else/four", Some("/one/..."));
        check("/onetwo", Some("/..."));
        check("/solo", Some("/solo"));
        assert_eq!(best(&["/credit/...", "/solo"], "/creditor"), None);
        assert_eq!(best(&["/credit/...", "/solo"], "/solo/more"), None);
    }

    #[test]
    fn the_wildcard_part_is_what_spin_hands_on() {
        let info = |route: &str, path: &'static str| {
            Route::parse(route)
                .unwrap()
                .matches(path)
                .unwrap()
                .path_info
        };
        assert_eq!(info("/credit/...", "/credit"), "");
        assert_eq!(info("/credit/...", "/credit/"), "/");
        assert_eq!(info("/credit/...", "/credit/predict"), "/predict");
        assert_eq!(info("/credit/...", "/credit/predict/"), "/predict/");
        assert_eq!(info("/...", "/"), "/");
        assert_eq!(info("/...", "/predict"), "/predict");
        assert_eq!(info("/credit", "/credit/"), "");
        let user = Route::parse("/u/:id/...").unwrap();
        let matched = user.matches("/u/42/x").unwrap();
        assert_eq!(
            (matched.path_info, matched.named),
            ("/x", vec![("id".into(), "42")])
        );
        assert_eq!(user.matches("/u//x"), None);
    }

    #[test]
    fn prefixes_are_what_clients_put_before_a_functions_paths() {
        let prefix = |route: &str| Route::parse(route).unwrap().prefix().to_string();
        assert_eq!(prefix("/..."), "");
        assert_eq!(prefix("/credit/..."), "/credit");
        assert_eq!(prefix("credit/..."), "/credit");
        assert_eq!(prefix("/"), "");
    }

    #[test]
    fn refusals_name_the_route_and_the_fault() {
        let check = |route: &str, expected: &str| {
            assert_eq!(Route::parse(route).unwrap_err().to_string(), expected)
        };
        check(
            "/a/.../b",
            "`/a/.../b` is not a route: a wildcard can only be at its end, as `/...`",
        );
        check(
            "/a*",
            "`/a*` is not a route: a wildcard can only be at its end, as `/...`",
        );
        check("/:", "`/:` is not a route: `:` must be followed by a name");
        check(
            "/a?b",
            "`/a?b` is not a route: it has characters that no path has",
        );
        check(
            "/a b",
            "`/a b` is not a route: it has characters that no path has",
        );
    }

    #[test]
    fn routes_that_take_the_same_paths_are_recognised() {
        let same = |left, right| {
            Route::parse(left)
                .unwrap()
                .same_paths(&Route::parse(right).unwrap())
        };
        assert!(same("/a/", "/a"));
        assert!(same("/a/...", "/a/*"));
        assert!(same("/:x", "/:y"));
        assert!(!same("/a", "/a/..."));
        assert!(!same("/a", "/b"));
    }
}
