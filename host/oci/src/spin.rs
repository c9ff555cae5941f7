//! A locked Spin application around one function (spinframework/spin: crates/locked-app, crates/oci).

use hyaline_control::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::description::Description;

/// As much of a locked application as a function needs. Members it does not know are ignored.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LockedApplication {
    pub(crate) spin_lock_version: u32,
    #[serde(default)]
    metadata: Map<String, Value>,
    triggers: Vec<Value>,
    pub(crate) components: Vec<LockedComponent>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LockedComponent {
    pub(crate) id: String,
    #[serde(default)]
    metadata: Map<String, Value>,
    pub(crate) source: Source,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) files: Vec<Value>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) dependencies: Map<String, Value>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Source {
    content_type: String,
    pub(crate) digest: Option<String>,
}

/// The application that answers every path with one component.
pub(crate) fn application(description: &Description, component: Digest) -> LockedApplication {
    let name = description.function.as_str();
    let mut metadata = Map::new();
    metadata.insert("name".into(), name.into());
    for (key, value) in [
        ("version", &description.version),
        ("description", &description.summary),
    ] {
        if let Some(value) = value {
            metadata.insert(key.into(), value.as_str().into());
        }
    }
    if let Some(author) = &description.author {
        metadata.insert("authors".into(), json!([author]));
    }
    // Spin 1 reads `trigger`, Spin 2 and later `triggers`.
    metadata.insert("trigger".into(), json!({"type": "http"}));
    metadata.insert("triggers".into(), json!({"http": {}}));
    let mut about = Map::new();
    about.insert(
        "allowed_outbound_hosts".into(),
        json!(description.allowed_outbound_hosts),
    );
    LockedApplication {
        spin_lock_version: 0,
        metadata,
        triggers: vec![json!({
            "id": format!("trigger-{name}"),
            "trigger_type": "http",
            "trigger_config": {"component": name, "executor": {"type": "http"}, "route": "/..."}
        })],
        components: vec![LockedComponent {
            id: name.into(),
            metadata: about,
            source: Source {
                content_type: "application/wasm".into(),
                digest: Some(component.to_string()),
            },
            files: Vec::new(),
            dependencies: Map::new(),
        }],
    }
}
