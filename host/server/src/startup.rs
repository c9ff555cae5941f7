//! What a server says when it is ready.

use std::time::Duration;

use serde::Serialize;

use crate::data::Route;
use crate::platform::Live;

/// Routes that are told of one by one; of a host with thousands, that is enough.
const TOLD: usize = 20;

/// What a server has to say for itself when it is ready.
#[derive(Clone, Debug, Serialize)]
pub struct Startup {
    /// The application.
    pub application: String,
    /// `http://` or `https://` and the address it listens on.
    pub base_url: String,
    /// The same of the control plane, if there is one.
    pub control_url: Option<String>,
    /// The first routes.
    pub routes: Vec<StartupRoute>,
    /// How many more there are.
    pub more_routes: usize,
    /// From the start of [`Server::start`](crate::Server::start) until requests were taken, in milliseconds.
    pub ready_ms: f64,
}

/// One route of a running server.
#[derive(Clone, Debug, Serialize)]
pub struct StartupRoute {
    /// As written in the manifest.
    pub route: String,
    /// The function that answers.
    pub function: String,
    /// What its settings, or else its card, say about it; may be empty.
    pub description: String,
    /// Where a browser finds it.
    pub url: String,
    /// A command to paste that asks for a prediction, with the example row of the function's card; a plain `GET` for a
    /// component without one.
    pub curl: String,
}

impl Startup {
    pub(crate) fn new<'l>(
        application: &str,
        base_url: String,
        control_url: Option<String>,
        routes: impl Iterator<Item = (&'l Route, &'l Live)>,
        took: Duration,
    ) -> Self {
        let mut routes: Vec<(&Route, &Live)> = routes.collect();
        routes.sort_by(|(left, _), (right, _)| left.as_str().cmp(right.as_str()));
        Startup {
            application: application.into(),
            routes: routes
                .iter()
                .take(TOLD)
                .map(|(route, live)| StartupRoute::new(route, live, &base_url))
                .collect(),
            more_routes: routes.len().saturating_sub(TOLD),
            base_url,
            control_url,
            ready_ms: took.as_secs_f64() * 1e3,
        }
    }
}

impl StartupRoute {
    fn new(route: &Route, live: &Live, base_url: &str) -> Self {
        let summary = live.summary();
        let url = format!("{base_url}{}/", route.prefix());
        let curl = match summary.example.as_ref().filter(|_| route.is_open()) {
            Some(example) => format!(
                "curl {url}predict -H 'content-type: application/json' -d {}",
                shell_quoted(&example.to_string())
            ),
            None => format!(
                "curl {}",
                if route.is_open() {
                    &url
                } else {
                    url.trim_end_matches('/')
                }
            ),
        };
        let described = live
            .settings()
            .description
            .clone()
            .filter(|text| !text.is_empty());
        StartupRoute {
            route: route.as_str().into(),
            function: live.name().to_string(),
            description: described.or(summary.description).unwrap_or_default(),
            url,
            curl,
        }
    }
}

/// A text as one word of a POSIX shell.
fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::shell_quoted;

    #[test]
    fn an_apostrophe_in_an_example_row_survives_the_shell() {
        assert_eq!(shell_quoted(r#"{"a":"it's"}"#), r#"'{"a":"it'\''s"}'"#);
    }
}
