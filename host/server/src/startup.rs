//! What a server says when it is ready.

use std::net::SocketAddr;
use std::time::Duration;

use hyaline_runtime::{Function, Origin};
use serde::Serialize;
use serde_json::Value;

use crate::route::Route;

/// What a server has to say for itself when it is ready.
#[derive(Clone, Debug, Serialize)]
pub struct Startup {
    /// The application.
    pub application: String,
    /// `http://` and the address it listens on.
    pub base_url: String,
    /// The routes, the most specific first.
    pub routes: Vec<StartupRoute>,
    /// From the start of [`Server::bind`](crate::Server::bind) until the last function was ready, in milliseconds.
    pub ready_ms: f64,
}

/// One route of a running server.
#[derive(Clone, Debug, Serialize)]
pub struct StartupRoute {
    /// As written in the manifest.
    pub route: String,
    /// The component that answers.
    pub component: String,
    /// What the manifest, or else the card, says about it; may be empty.
    pub description: String,
    /// Where a browser finds it.
    pub url: String,
    /// A command to paste that asks for a prediction, with the example row of the function's card; a plain `GET` for a
    /// component without one.
    pub curl: String,
    /// Whether its machine code was found on disk.
    pub cached: bool,
}

impl Startup {
    pub(crate) fn new(
        application: &str,
        address: SocketAddr,
        routes: Vec<StartupRoute>,
        took: Duration,
    ) -> Self {
        Startup {
            application: application.into(),
            base_url: format!("http://{address}"),
            routes,
            ready_ms: took.as_secs_f64() * 1e3,
        }
    }
}

impl StartupRoute {
    pub(crate) fn new(
        route: &Route,
        function: &Function,
        description: &str,
        address: SocketAddr,
    ) -> Self {
        let card: Value = function
            .card()
            .and_then(|card| serde_json::from_str(card).ok())
            .unwrap_or_default();
        let of_card = card["description"]
            .as_str()
            .or(card["title"].as_str())
            .unwrap_or_default();
        let url = format!("http://{address}{}/", route.prefix());
        let curl = match card
            .get("example")
            .filter(|example| route.is_open() && !example.is_null())
        {
            Some(example) => format!(
                "curl {}predict -H 'content-type: application/json' -d {}",
                url,
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
        StartupRoute {
            route: route.as_str().into(),
            component: function.name().into(),
            description: if description.is_empty() {
                of_card
            } else {
                description
            }
            .into(),
            url,
            curl,
            cached: function.origin() == Origin::Cached,
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
