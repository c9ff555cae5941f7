//! Which route a path means, under whatever prefix the function is mounted.

/// A place in the function's HTTP interface. Names and versions are as the path has them, not yet compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route<'p> {
    Page,
    Health,
    Card,
    Schema,
    OpenApi,
    Predict,
    Explain,
    Counterfactual,
    Anchor,
    Importance,
    Dependence,
    Prototypes,
    Ping,
    Invocations,
    V1Models,
    V1Model {
        name: &'p str,
    },
    V1Predict {
        name: &'p str,
    },
    V1Explain {
        name: &'p str,
    },
    V2Server,
    V2Live,
    V2Ready,
    V2Models,
    V2Model {
        name: &'p str,
        version: Option<&'p str>,
    },
    V2ModelReady {
        name: &'p str,
        version: Option<&'p str>,
    },
    V2Infer {
        name: &'p str,
        version: Option<&'p str>,
    },
    RepositoryIndex,
    RepositoryLoad {
        name: &'p str,
    },
    RepositoryUnload {
        name: &'p str,
    },
}

impl Route<'_> {
    /// The methods it takes, as an `Allow` header has them.
    pub(crate) fn allow(self) -> &'static str {
        match self {
            Route::Predict
            | Route::Explain
            | Route::Counterfactual
            | Route::Anchor
            | Route::Invocations
            | Route::V1Predict { .. }
            | Route::V1Explain { .. }
            | Route::V2Infer { .. }
            | Route::RepositoryIndex
            | Route::RepositoryLoad { .. }
            | Route::RepositoryUnload { .. } => "POST, OPTIONS",
            _ => "GET, HEAD, OPTIONS",
        }
    }

    /// Whether it takes POST.
    pub(crate) fn takes_post(self) -> bool {
        self.allow().starts_with("POST")
    }
}

/// The route of `path` (without a query). The longest tail that is a route wins, so that a model called `predict` is
/// still found at `v2/models/predict`; a path that ends in `/` and has no other meaning is the page.
pub(crate) fn find(path: &str) -> Option<Route<'_>> {
    let segments: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
    (0..segments.len()).find_map(|from| exact(&segments[from..]))
}

fn exact<'p>(segments: &[&'p str]) -> Option<Route<'p>> {
    let segments = match segments {
        [inner @ .., ""] if !inner.is_empty() => inner,
        whole => whole,
    };
    Some(match *segments {
        [""] => Route::Page,
        ["healthz"] => Route::Health,
        ["card"] => Route::Card,
        ["schema"] => Route::Schema,
        ["openapi.json"] => Route::OpenApi,
        ["predict"] => Route::Predict,
        ["explain"] => Route::Explain,
        ["counterfactual"] => Route::Counterfactual,
        ["anchor"] => Route::Anchor,
        ["importance"] => Route::Importance,
        ["dependence"] => Route::Dependence,
        ["prototypes"] => Route::Prototypes,
        ["ping"] => Route::Ping,
        ["invocations"] => Route::Invocations,
        ["v1", "models"] => Route::V1Models,
        ["v1", "models", model] => match model.rsplit_once(':') {
            None => Route::V1Model { name: model },
            Some((name, "predict")) => Route::V1Predict { name },
            Some((name, "explain")) => Route::V1Explain { name },
            Some(_) => return None,
        },
        ["v2"] => Route::V2Server,
        ["v2", "health", "live"] => Route::V2Live,
        ["v2", "health", "ready"] => Route::V2Ready,
        ["v2", "models"] => Route::V2Models,
        ["v2", "repository", "index"] => Route::RepositoryIndex,
        ["v2", "repository", "models", name, "load"] => Route::RepositoryLoad { name },
        ["v2", "repository", "models", name, "unload"] => Route::RepositoryUnload { name },
        ["v2", "models", name, ref rest @ ..] => {
            let (version, rest) = match rest {
                ["versions", version, rest @ ..] => (Some(*version), rest),
                rest => (None, rest),
            };
            match rest {
                [] => Route::V2Model { name, version },
                ["ready"] => Route::V2ModelReady { name, version },
                ["infer"] => Route::V2Infer { name, version },
                _ => return None,
            }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_tail_wins() {
        for (path, route) in [
            ("/", Some(Route::Page)),
            ("", Some(Route::Page)),
            ("/credit/", Some(Route::Page)),
            ("/credit", None),
            ("/predict", Some(Route::Predict)),
            ("/a/b/predict", Some(Route::Predict)),
            ("/predict/", Some(Route::Predict)),
            ("/predict/x", None),
            (
                "/v2/models/predict",
                Some(Route::V2Model {
                    name: "predict",
                    version: None,
                }),
            ),
            (
                "/v2/models/ready/ready",
                Some(Route::V2ModelReady {
                    name: "ready",
                    version: None,
                }),
            ),
            (
                "/c/v2/models/m/versions/1/infer",
                Some(Route::V2Infer {
                    name: "m",
                    version: Some("1"),
                }),
            ),
            ("/v1/models/m:predict", Some(Route::V1Predict { name: "m" })),
            ("/v1/models/m:fly", None),
            ("/v2/models/m/versions", None),
            ("/v2/repository/index", Some(Route::RepositoryIndex)),
        ] {
            assert_eq!(find(path), route, "{path}");
        }
    }
}
