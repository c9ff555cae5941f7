//! Canonical JSON: keys sorted, no white space, numbers in their shortest exact form.

use serde_json::Value;

/// The canonical text of `value`: equal values give equal bytes.
pub(crate) fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            // Sorted here, because another crate's feature may make serde_json keep the order of insertion.
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(key, _)| *key);
            separated(text, '{', '}', members, |text, (key, value)| {
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write(value, text);
            });
        }
        Value::Array(items) => separated(text, '[', ']', items, |text, item| write(item, text)),
        scalar => text.push_str(&scalar.to_string()),
    }
}

fn separated<T>(
    text: &mut String,
    open: char,
    close: char,
    items: impl IntoIterator<Item = T>,
    write: impl Fn(&mut String, T),
) {
    text.push(open);
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        write(text, item);
    }
    text.push(close);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let value = serde_json::json!({"b": [{"z": 1.5, "a": null}], "a\"": true});
        assert_eq!(
            canonical(&value),
            r#"{"a\"":true,"b":[{"a":null,"z":1.5}]}"#
        );
    }
}
