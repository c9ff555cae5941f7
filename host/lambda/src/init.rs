//! The initialisation: loading the function, and telling Lambda when that fails.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use hyaline_runtime::{Engine, EngineConfig, Function, Limits, Policy};
use lambda_runtime_api_client::PooledClient;
use lambda_runtime_api_client::body::Body;
use serde::Serialize;

use crate::environment;

/// The longest that Lambda lets an event take.
const LONGEST_EVENT: Duration = Duration::from_secs(15 * 60);

/// Loads the component at `path` for Lambda: its memory is what the Lambda function was configured with, less what this
/// process needs itself, shared by the events that may be handled at once; its deadline is each event's own. With `cache`, a folder of compiled code, nothing is compiled
/// that is found there; in a function's package such a folder saves the compiler's time on every cold start.
///
/// # Errors
/// When the file cannot be read, the engine does not start, or the component is refused.
pub fn load(path: &Path, cache: Option<PathBuf>) -> anyhow::Result<Function> {
    let lookup = |name: &str| std::env::var(name).ok();
    let component =
        std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let engine = Engine::new(EngineConfig {
        // One more, because the slot of a function that was stopped is free only when it is gone.
        concurrency: environment::concurrency(&lookup).saturating_add(1),
        cache,
        ..EngineConfig::default()
    })?;
    let own = Limits::default();
    let limits = Limits {
        deadline: LONGEST_EVENT,
        memory: environment::memory(&lookup).unwrap_or(own.memory),
        ..own
    };
    let policy = Policy {
        limits,
        ..Policy::default()
    };
    let name = path.file_stem().unwrap_or(path.as_os_str());
    let name = name.to_string_lossy();
    let function = Function::load(&engine, &name, &component, policy)?;
    anyhow::ensure!(
        function.has_http_door(),
        "`{}` does not export `wasi:http/incoming-handler@0.2`, so it cannot answer events; a function made by `hyaline \
         pack` does",
        path.display()
    );
    Ok(function)
}

/// Tells Lambda why there is no function. The process ends after it, so a report that does not arrive is only logged.
pub(crate) async fn report(error: &anyhow::Error) {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Document {
        error_message: String,
        error_type: &'static str,
        stack_trace: [&'static str; 0],
    }
    const ERROR_TYPE: &str = "Runtime.LoadError";
    let document = Document {
        error_message: format!("{error:#}"),
        error_type: ERROR_TYPE,
        stack_trace: [],
    };
    let body = serde_json::to_vec(&document).expect("a document of texts can be written");
    let request = lambda_runtime_api_client::build_request()
        .method("POST")
        .uri("/2018-06-01/runtime/init/error")
        .header("lambda-runtime-function-error-type", ERROR_TYPE)
        .body(Body::from(body))
        .expect("a fixed path and fixed headers make a request");
    if let Err(error) = PooledClient::builder().build().call(request).await {
        tracing::error!(%error, "cannot tell Lambda that the initialisation failed");
    }
}
