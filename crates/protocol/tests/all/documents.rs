//! Card, schema, OpenAPI and the page.

use serde_json::{Value, json};

use crate::functions::{credit, credit_without_background};
use crate::{header, json, send, send_with, text};

#[test]
fn the_card_is_passed_through() {
    let function = credit();
    assert_eq!(text(&send(&function, "GET", "/card", b"")), function.card());
}

#[test]
fn the_schema_says_what_a_row_is() {
    let function = credit();
    let response = send(&function, "GET", "/schema", b"");
    assert_eq!(
        header(&response, "content-type"),
        Some("application/schema+json")
    );
    assert_eq!(
        json(&response),
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Credit risk",
            "description": "Whether a loan is repaid.",
            "type": "object",
            "properties": {
                "amount": {"description": "Amount of the loan in marks", "type": "number", "x-range": [250, 18424], "default": 2048},
                "duration": {"type": "integer", "x-range": [4, 72], "default": 16},
                "foreign": {"type": "boolean", "default": true},
                "housing": {"type": "string", "enum": ["own", "rent", "free"], "default": "own"},
                "purpose": {"type": ["string", "null"], "x-values": ["car", "tv"], "default": "car"},
            },
            "required": ["amount", "duration", "foreign", "housing"],
            "additionalProperties": false,
            "examples": [{"amount": 2048, "duration": 16, "foreign": true, "housing": "own", "purpose": "car"}],
        })
    );
}

#[test]
fn the_example_of_the_schema_is_answered() {
    let function = credit();
    let schema = json(&send(&function, "GET", "/schema", b""));
    let example = schema["examples"][0].to_string();
    assert_eq!(
        send(&function, "POST", "/explain", example.as_bytes()).status,
        200
    );
}

#[test]
fn openapi_declares_what_is_served() {
    let function = credit();
    let document = json(&send(&function, "GET", "/openapi.json", b""));
    assert_eq!(document["openapi"], "3.1.0");
    for (path, operations) in document["paths"].as_object().expect("an object") {
        for (method, operation) in operations.as_object().expect("an object") {
            let path = path.replace("{version}", "3");
            let body = match &operation["requestBody"]["content"]["application/json"]["examples"] {
                Value::Object(examples) => {
                    examples.values().next().expect("an example")["value"].to_string()
                }
                _ => String::new(),
            };
            let parameters = operation["parameters"].as_array();
            let required = parameters
                .into_iter()
                .flatten()
                .filter(|parameter| parameter["required"] == true && parameter["in"] == "query");
            let query: Vec<String> = required
                .map(|parameter| {
                    let example = parameter["example"].as_str().expect("an example");
                    format!("{}={example}", parameter["name"].as_str().expect("a name"))
                })
                .collect();
            let asked = format!("{path}?{}", query.join("&"));
            let response = send(&function, &method.to_uppercase(), &asked, body.as_bytes());
            let declared = operation["responses"].as_object().expect("an object");
            assert!(
                declared.contains_key(&response.status.to_string()),
                "{method} {path}: {}",
                text(&response)
            );
            assert!(
                response.status < 400 || path.ends_with("unload"),
                "{method} {path}: {}",
                text(&response)
            );
        }
    }
    refers_only_to_itself(&document, &document);
}

#[test]
fn openapi_lists_what_the_function_can_do_and_no_more() {
    let document =
        |function: &hyaline_protocol::Function| json(&send(function, "GET", "/openapi.json", b""));
    let methods = |document: &Value| {
        let methods = &document["components"]["parameters"]["method"]["schema"]["enum"];
        methods.as_array().expect("a list").clone()
    };
    let (able, unable) = (document(&credit()), document(&credit_without_background()));
    for path in [
        "/counterfactual",
        "/anchor",
        "/importance",
        "/dependence",
        "/prototypes",
    ] {
        assert!(able["paths"][path].is_object(), "{path}");
        assert!(unable["paths"][path].is_null(), "{path}");
    }
    for method in ["auto", "enumeration", "leverage", "lime"] {
        assert!(methods(&able).contains(&method.into()), "{method}");
    }
    assert_eq!(methods(&unable), ["auto"]);
    // Neither keeps scores of held-out rows.
    for document in [able, unable] {
        assert_eq!(
            document["paths"]["/predict"]["post"]["parameters"],
            json!([])
        );
        assert!(
            !document.to_string().contains("\"@"),
            "every place is filled"
        );
    }
}

/// Every `$ref` of an OpenAPI document leads to something in it.
fn refers_only_to_itself(value: &Value, document: &Value) {
    match value {
        Value::Object(members) => members.iter().for_each(|(key, value)| match value {
            Value::String(target) if key == "$ref" => {
                let pointer = target.strip_prefix('#').expect("references stay inside");
                assert!(document.pointer(pointer).is_some(), "{target}");
            }
            value => refers_only_to_itself(value, document),
        }),
        Value::Array(elements) => elements
            .iter()
            .for_each(|element| refers_only_to_itself(element, document)),
        _ => {}
    }
}

#[test]
fn the_page_brings_everything_along() {
    let function = credit();
    let response = send_with(&function, "GET", "/", &[("accept", "text/html")], b"");
    let page = text(&response);
    let policy = header(&response, "content-security-policy").expect("the page has a policy");
    assert!(
        policy.starts_with(
            "default-src 'none'; connect-src 'self'; img-src data:; style-src 'sha256-"
        ),
        "{policy}"
    );
    for forbidden in ["unsafe", "http:", "https:"] {
        assert!(!policy.contains(forbidden), "{policy}");
    }
    // Relative links only; the one absolute address is a namespace name.
    let page = page.replace("http://www.w3.org/2000/svg", "");
    for forbidden in [
        "http://",
        "https://",
        "src=\"/",
        "href=\"/",
        "@import",
        "url(",
        "innerHTML",
        " onclick",
        " style=\"",
    ] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
}
