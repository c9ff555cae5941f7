//! Azure Functions: a function app with `hyaline` as its custom handler.

use serde_json::{Value, json};

use crate::error::ExportError;
use crate::file::File;
use crate::server;
use crate::subject::Subject;
use crate::target::Target;

pub(crate) fn files(subject: &Subject) -> Result<Vec<File>, ExportError> {
    subject.without_secrets(
        Target::Azure,
        "refer to secrets of Key Vault in the app's settings",
    )?;
    let mut host = json!({
        "version": "2.0",
        // Paths are the function's own: without Azure's `/api` before them.
        "extensions": {"http": {"routePrefix": ""}},
        "customHandler": {
            "description": {
                "defaultExecutablePath": "hyaline",
                // The port is in FUNCTIONS_CUSTOMHANDLER_PORT, where `hyaline` looks for it.
                "arguments": server::arguments(subject, "", None)
            },
            "enableForwardingHttpRequest": true
        }
    });
    if let Some(seconds) = subject.deadline_seconds() {
        host["functionTimeout"] = span(seconds).into();
    }
    let function = json!({
        "bindings": [
            {
                "name": "request",
                "type": "httpTrigger",
                "direction": "in",
                "authLevel": "function",
                "route": "{*path}"
            },
            {"name": "response", "type": "http", "direction": "out"}
        ]
    });
    let local = json!({
        "IsEncrypted": false,
        "Values": {
            "FUNCTIONS_WORKER_RUNTIME": "custom",
            // Azure would answer `/` itself.
            "AzureWebJobsDisableHomepage": "true"
        }
    });
    let mut files = vec![
        document("host.json", &host),
        document(&format!("{}/function.json", subject.name), &function),
        document("local.settings.json", &local),
        File::new(".funcignore", "local.settings.json\n"),
    ];
    files.extend(server::manifest(subject));
    Ok(files)
}

fn document(path: &str, value: &Value) -> File {
    let text = serde_json::to_string_pretty(value).expect("a JSON value is JSON");
    File::new(path, text)
}

/// Seconds as `hh:mm:ss`.
fn span(seconds: u64) -> String {
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    format!("{:02}:{:02}:{seconds:02}", minutes / 60, minutes % 60)
}
