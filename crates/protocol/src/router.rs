//! From a request to a response.

use crate::documents::page;
use crate::json::JsonWriter;
use crate::media::accepts;
use crate::path::{Route, find};
use crate::{
    Body, Function, Refusal, Request, Response, anchor, counterfactual, dependence, importance,
    mlflow, native, prototypes, v1, v2,
};

/// Answers `request`. Every request gets an answer: what cannot be done is refused in words, as JSON.
pub fn respond<'f>(function: &'f Function, request: &Request<'_>) -> Response<'f> {
    let mut response = route(function, request).unwrap_or_else(|refusal| refusal.into_response());
    if request.method == "HEAD" {
        // Some hosts compare the length with the bytes that follow, and none may follow.
        response
            .headers
            .retain(|(name, _)| *name != "content-length");
        response.body = Body::Borrowed(&[]);
    }
    response
}

fn route<'f>(function: &'f Function, request: &Request<'_>) -> Result<Response<'f>, Refusal> {
    let (full, query) = request.path.split_once('?').unwrap_or((request.path, ""));
    // Spin says where its own part of the path ends; on other hosts the tail decides.
    let path = match request.header("spin-path-info") {
        Some("") => return Ok(to_folder(full)),
        Some(info) => info.split('?').next().unwrap_or(info),
        None => full,
    };
    let Some(route) = find(path) else {
        return Err(Refusal::unknown_path(format!(
            "there is nothing at `{path}`; POST predict or explain, or GET openapi.json for everything else"
        )));
    };
    match request.method {
        "OPTIONS" => return Ok(options(route)),
        "GET" | "HEAD" if !route.takes_post() => {}
        "POST" if route.takes_post() => {}
        method => return Err(Refusal::wrong_method(method, path, route.allow())),
    }
    match route {
        // A browser names HTML; a KServe V1 client asks the same path for life and names nothing.
        Route::Page if !accepts(request, "text/html") => Ok(alive(function)),
        Route::Page => Ok(page::response()),
        Route::Health => Ok(alive(function)),
        Route::Card => Ok(Response::json(
            200,
            Body::Borrowed(function.card().as_bytes()),
        )),
        Route::Schema => Ok(Response::typed(
            200,
            "application/schema+json",
            Body::Borrowed(function.documents().schema().as_bytes()),
        )),
        Route::OpenApi => Ok(Response::json(
            200,
            Body::Borrowed(function.documents().openapi().as_bytes()),
        )),
        Route::Predict => native::predict(function, request, query),
        Route::Explain => native::explain(function, request, query),
        Route::Counterfactual => counterfactual::counterfactual(function, request, query),
        Route::Anchor => anchor::explain(function, request, query),
        Route::Importance => importance::importance(function, query),
        Route::Dependence => dependence::dependence(function, query),
        Route::Prototypes => prototypes::prototypes(function, query),
        Route::Ping => Ok(Response::json(200, Body::Borrowed(b"{}"))),
        Route::Invocations => Ok(mlflow::invocations(function, request)),
        Route::V1Models => Ok(v1::models(function)),
        Route::V1Model { name } => check(function, name, None).map(|()| v1::model(function)),
        Route::V1Predict { name } => {
            check(function, name, None)?;
            v1::predict(function, request)
        }
        Route::V1Explain { name } => {
            check(function, name, None)?;
            v1::explain(function, request, query)
        }
        Route::V2Server => Ok(v2::server(function)),
        Route::V2Live | Route::V2Ready => Ok(v2::health()),
        Route::V2Models => Ok(v1::models(function)),
        Route::V2Model { name, version } => {
            check(function, name, version).map(|()| v2::metadata(function))
        }
        Route::V2ModelReady { name, version } => {
            check(function, name, version).map(|()| v2::ready(function))
        }
        Route::V2Infer { name, version } => {
            check(function, name, version)?;
            v2::infer(function, request)
        }
        Route::RepositoryIndex => Ok(v2::repository_index(function)),
        Route::RepositoryLoad { name } => {
            check(function, name, None).map(|()| Response::json(200, Body::Borrowed(b"{}")))
        }
        Route::RepositoryUnload { name } => {
            check(function, name, None)?;
            Err(Refusal::unsupported(format!(
                "the function `{name}` is its model and cannot be unloaded; remove the function from its host instead"
            )))
        }
    }
}

/// A function is one version of one model.
fn check(function: &Function, name: &str, version: Option<&str>) -> Result<(), Refusal> {
    if name != function.name() {
        return Err(Refusal::unknown_path(format!(
            "there is no model `{name}` here; this function is `{}`",
            function.name()
        )));
    }
    match version {
        Some(version) if version != function.version() => Err(Refusal::unknown_path(format!(
            "the model `{name}` has no version `{version}` here; this function is version `{}`",
            function.version()
        ))),
        _ => Ok(()),
    }
}

fn options(route: Route<'_>) -> Response<'static> {
    Response {
        status: 204,
        headers: vec![("allow", route.allow().to_owned())],
        body: Body::Borrowed(&[]),
    }
}

/// Health, in the words of every protocol that asks on a path of its own choosing.
fn alive(function: &Function) -> Response<'static> {
    let mut json = JsonWriter::new();
    json.begin_object();
    json.key("status").text("alive");
    json.key("name")
        .text(function.name())
        .key("version")
        .text(function.version());
    json.key("live").boolean(true).key("ready").boolean(true);
    json.end_object();
    Response::json(200, Body::Owned(json.finish()))
}

/// The page's links are relative, so its path must end in `/`.
fn to_folder(path: &str) -> Response<'static> {
    let last = path.rsplit('/').next().unwrap_or("");
    Response {
        status: 308,
        headers: vec![
            ("location", format!("{last}/")),
            ("content-length", "0".to_owned()),
        ],
        body: Body::Borrowed(&[]),
    }
}
