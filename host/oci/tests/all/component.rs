//! Components to push, and what is told about them.

use hyaline_control::FunctionName;
use hyaline_oci::Description;

/// A component with one import and one export. Different sizes are different components.
pub(crate) fn component(padding: usize) -> Vec<u8> {
    let text = format!(
        r#"(component
            (import "wasi:http/types@0.2.3" (instance))
            (core module $m (memory 1) (func (export "f")) (data (i32.const 0) "{}"))
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "f")))
            (export "load" (func $f)))"#,
        "x".repeat(padding)
    );
    wat::parse_str(text).unwrap()
}

pub(crate) fn description(function: &str) -> Description {
    Description {
        model: Some("Credit risk ü \"1\"".into()),
        version: Some("3".into()),
        summary: Some("line one\nline two".into()),
        author: Some("Ada".into()),
        ..Description::new(
            FunctionName::new(function).unwrap(),
            "2026-11-27T09:00:00Z".parse().unwrap(),
        )
    }
}
