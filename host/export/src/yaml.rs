//! YAML of one or several documents.

use serde_json::Value;

/// The documents, one after the other. The serialiser quotes what would read as something else than a text.
pub(crate) fn documents(head: &str, documents: &[Value]) -> String {
    let mut text = head.to_owned();
    for (index, document) in documents.iter().enumerate() {
        if index > 0 {
            text.push_str("---\n");
        }
        let written = serde_saphyr::to_string(document)
            .expect("documents of maps, lists and scalars are YAML");
        text.push_str(&written);
        if !text.ends_with('\n') {
            text.push('\n');
        }
    }
    text
}
