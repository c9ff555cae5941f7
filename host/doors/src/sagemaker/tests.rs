//! Invocations of endpoints as bytes against bytes.

use super::*;
use crate::example::{answered, call, door, head, refused, text};
use crate::refusal::{FailureKind, examples};

const PATH: &str = "/endpoints/credit/invocations";

/// What a binary classifier answers for three rows, and explains of the rows it is sent.
fn classifier(path: &str, body: &str) -> Outcome {
    let rows = ["0.10", "0.85", "0.9000000000000000001"];
    match path {
        "/predict" => {
            let prediction = |p: &&str| {
                format!(
                    r#"{{"label":"good","probabilities":{{"bad":0.5,"good":{p}}},"margin":1e2}}"#
                )
            };
            let predictions: Vec<String> = rows.iter().map(prediction).collect();
            answered(
                200,
                format!(r#"{{"predictions":[{}]}}"#, predictions.join(",")),
            )
        }
        "/explain" => {
            let explanations: Vec<String> = body
                .lines()
                .filter(|line| !line.starts_with("age"))
                .map(|line| {
                    format!(
                        r#"{{"output":"good","attributions":[{{"feature":"age","value":{line},"attribution":-0.50}},{{"feature":"job","value":"x","attribution":1.5e-7}}]}}"#
                    )
                })
                .collect();
            answered(
                200,
                format!(
                    r#"{{"predictions":[],"explanations":[{}]}}"#,
                    explanations.join(",")
                ),
            )
        }
        path => panic!("{path} was asked"),
    }
}

#[test]
fn without_accept_a_gate_is_for_the_format_of_the_input() {
    for (content_type, gate) in [
        ("text/csv", "[0]>`0.8`"),
        ("application/json", "probabilities.good>`0.8`"),
    ] {
        let headers = [
            ("content-type", content_type),
            ("x-amzn-sagemaker-enable-explanations", gate),
        ];
        let body = "[1,2,3]";
        let (_, answer) = call(
            &head("POST", PATH, &headers),
            body,
            |path, body| match path {
                // Of the list two rows were chosen; as CSV it is one line, which cannot be taken apart, and all are asked.
                "/explain" => {
                    let rows = if body == "[2,3]" { 2 } else { 3 };
                    let explanations = vec![r#"{"attributions":[]}"#; rows].join(",");
                    answered(200, format!(r#"{{"explanations":[{explanations}]}}"#))
                }
                path => classifier(path, body),
            },
        );
        let document: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(
            document["explanations"]["kernel_shap"],
            serde_json::json!([null, [], []]),
            "{document}"
        );
    }
}

fn gated(gate: &str, accept: &str, body: &str) -> (Vec<String>, Response<Bytes>) {
    let headers = [
        ("content-type", "text/csv"),
        ("accept", accept),
        ("x-amzn-sagemaker-enable-explanations", gate),
    ];
    call(&head("POST", PATH, &headers), body, classifier)
}

#[test]
fn an_endpoint_is_a_function_and_its_answer_comes_as_it_is() {
    let headers = [
        ("content-type", "application/json"),
        ("x-amzn-sagemaker-custom-attributes", "trace=1"),
        ("x-amzn-sagemaker-inference-id", "i-1"),
    ];
    let body = r#"{"instances":[[1.10]]}"#;
    let (asked, answer) = call(&head("POST", PATH, &headers), body, |_, _| {
        answered(200, r#"{"predictions":["good"]}"#)
    });
    assert_eq!(asked, [r#"POST /invocations {"instances":[[1.10]]}"#]);
    assert_eq!(
        text(&answer),
        "200\ncontent-type: application/json\nx-amzn-invoked-production-variant: 3\nx-amzn-requestid: r-1\n\
         x-amzn-sagemaker-custom-attributes: trace=1\nx-amzn-sagemaker-inference-id: i-1\n{\"predictions\":[\"good\"]}"
    );
}

#[test]
fn variants_are_versions_and_aliases() {
    for (variant, qualifier) in [("AllTraffic", "live"), ("2", "2"), ("canary", "canary")] {
        let head = head(
            "POST",
            PATH,
            &[("X-Amzn-SageMaker-Target-Variant", variant)],
        );
        let wants = door(&head).wants();
        let target = Target {
            function: Wanted::Named("credit".parse().unwrap()),
            qualifier: qualifier.parse().unwrap(),
        };
        assert!(
            matches!(wants, Ok(Wants::Function(found)) if found == target),
            "{variant}"
        );
    }
    let head = head(
        "POST",
        PATH,
        &[("X-Amzn-SageMaker-Target-Variant", "Variant-A")],
    );
    let refusal = door(&head).wants().unwrap_err();
    assert_eq!(
        text(&door(&head).refuse(&refusal, "r-1")),
        "400\ncontent-type: application/json\nx-amzn-errortype: ValidationError\nx-amzn-requestid: r-1\n\
         {\"Message\":\"Endpoint credit has no variant Variant-A; a variant is a version or an alias\"}"
    );
}

#[test]
fn the_gate_decides_which_records_are_explained() {
    let (asked, answer) = gated("[0]>`0.8`", "text/csv", "age\n1\n2\n3\n");
    assert_eq!(
        asked,
        ["POST /predict age\n1\n2\n3\n", "POST /explain age\n2\n3\n"]
    );
    assert_eq!(
        text(&answer),
        "200\ncontent-type: application/json\nx-amzn-invoked-production-variant: 3\nx-amzn-requestid: r-1\n\
         {\"version\":\"1.0\",\"predictions\":{\"content_type\":\"text/csv; charset=utf-8\",\"data\":\"0.10\\n0.85\\n0.9000000000000000001\"},\
         \"label_headers\":[\"good\"],\"explanations\":{\"kernel_shap\":[null,\
         [{\"feature_header\":\"age\",\"attributions\":[{\"attribution\":[-0.50]}]},{\"feature_header\":\"job\",\"attributions\":[{\"attribution\":[1.5e-7]}]}],\
         [{\"feature_header\":\"age\",\"attributions\":[{\"attribution\":[-0.50]}]},{\"feature_header\":\"job\",\"attributions\":[{\"attribution\":[1.5e-7]}]}]]}}"
    );
}

#[test]
fn the_gate_sees_columns_of_csv_and_objects_of_json() {
    for (gate, accept, explained) in [
        ("`true`", "text/csv", vec![0, 1, 2]),
        ("`false`", "text/csv", vec![]),
        ("[0]>`0.8`", "text/csv", vec![1, 2]),
        ("length(@)==`1` && [0]<`0.5`", "text/csv", vec![0]),
        (
            "probabilities.good>`0.8`",
            "application/jsonlines",
            vec![1, 2],
        ),
        ("probabilities.good<`0.8`", "application/json", vec![0]),
        ("label=='good'", "application/json", vec![0, 1, 2]),
    ] {
        let (asked, answer) = gated(gate, accept, "1\n2\n3");
        let document: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        let shap = document["explanations"]["kernel_shap"].as_array();
        let found: Vec<usize> = shap
            .into_iter()
            .flatten()
            .enumerate()
            .filter_map(|(record, one)| one.is_array().then_some(record))
            .collect();
        assert_eq!(found, explained, "{gate}: {document}");
        assert_eq!(asked.len(), if explained.is_empty() { 1 } else { 2 });
        if explained.is_empty() {
            assert_eq!(document["explanations"].to_string(), "{}");
        }
    }
}

#[test]
fn a_gate_that_does_not_fit_is_refused_and_not_taken_for_closed() {
    for (gate, words) in [
        ("[0", "EnableExplanations `[0` is no JMESPath expression: "),
        (
            "",
            "EnableExplanations has 0 characters; it may have 1 to 64",
        ),
        (
            "probabilities.good>`0.5`",
            "gives null for record 0, whose output is [0.10]; expected true or false",
        ),
        ("[0]", "gives 0.1 for record 0"),
        ("abs('x')", "fails on the output [0.10]: "),
    ] {
        let (_, answer) = gated(gate, "text/csv", "1\n2\n3");
        let answer = text(&answer);
        assert!(
            answer.starts_with("400\n") && answer.contains("x-amzn-errortype: ValidationError"),
            "{answer}"
        );
        assert!(answer.contains(words), "{answer}");
    }
    let (_, answer) = gated(&"a".repeat(65), "text/csv", "1");
    assert!(text(&answer).contains("has 65 characters"));
}

#[test]
fn no_expression_brings_the_gate_down() {
    // A linear congruential generator over the characters that mean something in JMESPath.
    let alphabet: Vec<char> = "[]{}()*.,:?!&|<>=@`'\"\\-0129ae_ \u{e9}".chars().collect();
    let mut state = 42u64;
    let mut compiled = 0;
    for _ in 0..20_000 {
        let expression: String = (0..1 + state as usize % 63)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                alphabet[(state >> 33) as usize % alphabet.len()]
            })
            .collect();
        if let Ok(gate) = Gate::new(expression.as_bytes()) {
            compiled += 1;
            let answer = Bytes::from_static(
                br#"{"predictions":[{"label":"a","probabilities":{"a":0.25,"b":0.75}}]}"#,
            );
            for format in [Format::Csv, Format::Json] {
                let output = Output::read(&answer, format, None).unwrap();
                let _ = gate.open(&output);
            }
        }
    }
    assert!(compiled > 50, "{compiled}");
    let deep = [
        "(".repeat(64),
        "!".repeat(64),
        "[".repeat(64),
        "a[-2147483648:]".into(),
        "[::0]".into(),
        "[9999999999]".into(),
    ];
    for expression in deep {
        if let Ok(gate) = Gate::new(expression.as_bytes()) {
            let answer = Bytes::from_static(br#"{"predictions":[{"value":[1]}]}"#);
            let _ = gate.open(&Output::read(&answer, Format::Csv, None).unwrap());
        }
    }
}

fn formatted(accept: &str, answer: &'static str) -> (Vec<String>, String) {
    let headers = [("accept", accept), ("content-type", "text/csv")];
    let (asked, answer) = call(&head("POST", PATH, &headers), "1", |_, _| {
        answered(200, answer)
    });
    (asked, text(&answer))
}

#[test]
fn numbers_come_a_line_per_record_where_lines_are_accepted() {
    let binary = r#"{"predictions":[{"label":"good","probabilities":{"bad":0.25,"good":0.75},"margin":1.1},{"label":"bad","probabilities":{"bad":0.9,"good":0.10}}]}"#;
    let (asked, answer) = formatted("text/csv", binary);
    assert_eq!(asked, ["POST /predict 1"]);
    assert!(
        answer.starts_with("200\ncontent-type: text/csv; charset=utf-8\n")
            && answer.ends_with("\n0.75\n0.10"),
        "{answer}"
    );
    let (_, answer) = formatted("application/jsonlines", binary);
    assert!(
        answer.contains("content-type: application/jsonlines"),
        "{answer}"
    );
    assert!(
        answer.ends_with("}\n{\"label\":\"bad\",\"probabilities\":{\"bad\":0.9,\"good\":0.10}}"),
        "{answer}"
    );
    for (answer, line) in [
        (
            r#"{"predictions":[{"label":2,"probabilities":{"0":0.1,"1":0.2,"2":0.7}}]}"#,
            "0.1,0.2,0.7",
        ),
        (r#"{"predictions":[{"value":151.30}]}"#, "151.30"),
        (r#"{"predictions":[{"value":{"a":1.0,"b":2}}]}"#, "1.0,2"),
        (
            r#"{"predictions":[{"label":"a \"b\", c"}]}"#,
            r#""a ""b"", c""#,
        ),
    ] {
        let (_, answer) = formatted("text/csv", answer);
        assert!(answer.ends_with(&format!("\n{line}")), "{answer}");
    }
    let (asked, _) = formatted(
        "application/xml, application/json;q=0.5",
        r#"{"predictions":[1]}"#,
    );
    assert_eq!(asked, ["POST /invocations 1"]);
    let (_, answer) = formatted("application/xml", "");
    assert!(
        answer.contains("Accept is `application/xml`; this endpoint answers"),
        "{answer}"
    );
}

#[test]
fn parts_of_a_text_have_attributions_of_their_own() {
    let headers = [
        ("accept", "text/csv"),
        ("x-amzn-sagemaker-enable-explanations", "`true`"),
    ];
    let (_, answer) = call(
        &head("POST", PATH, &headers),
        "\"so good\",3",
        |path, _| match path {
            "/predict" => answered(
                200,
                r#"{"predictions":[{"label":"x","probabilities":{"x":0.5,"y":0.2,"z":0.3}}]}"#,
            ),
            _ => answered(
                200,
                r#"{"explanations":[{"attributions":[{"feature":"text","value":"so good","attribution":{"x":1,"y":2,"z":3}},{"feature":"stars","value":3,"attribution":{"x":4,"y":5,"z":6}},{"feature":"gone","value":null,"attribution":{"x":0,"y":0,"z":0}}],
                "tokens":[{"feature":"text","token":"so","start":0,"end":2,"attribution":{"x":0.4,"y":1,"z":1}},{"feature":"text","token":"good","start":3,"end":7,"attribution":{"x":0.6,"y":1,"z":2}}]}]}"#,
            ),
        },
    );
    let body = String::from_utf8_lossy(answer.body()).into_owned();
    assert!(
        body.ends_with(
            r#""label_headers":["x","y","z"],"explanations":{"kernel_shap":[[{"feature_header":"text","attributions":[{"attribution":[0.4,1,1],"description":{"partial_text":"so","start_idx":0}},{"attribution":[0.6,1,2],"description":{"partial_text":"good","start_idx":3}}],"feature_type":"text"},{"feature_header":"stars","attributions":[{"attribution":[4,5,6]}],"feature_type":"numerical"},{"feature_header":"gone","attributions":[{"attribution":[0,0,0]}]}]]}}"#
        ),
        "{body}"
    );
}

#[test]
fn json_lines_are_rows() {
    let headers = [("content-type", "application/jsonlines")];
    let (asked, _) = call(
        &head("POST", PATH, &headers),
        "{\"a\":1.10}\n{\"a\":2}\n",
        |_, _| answered(200, "{}"),
    );
    assert_eq!(asked, [r#"POST /invocations [{"a":1.10},{"a":2}]"#]);
    let (asked, answer) = call(
        &head("POST", PATH, &headers),
        "{}\n{",
        |_, _| unreachable!(),
    );
    assert!(asked.is_empty());
    assert!(text(&answer).contains("line 2 of the body is no JSON"));
}

#[test]
fn what_the_function_refuses_is_a_model_error() {
    let refusal = r#"{"error_code":"BAD_REQUEST","message":"row 0, feature `age`: missing","error":"row 0, feature `age`: missing"}"#;
    let (_, answer) = call(&head("POST", PATH, &[]), "{}", |_, _| {
        answered(400, refusal)
    });
    assert_eq!(
        text(&answer),
        "424\ncontent-type: application/json\nx-amzn-errortype: ModelError\nx-amzn-invoked-production-variant: 3\nx-amzn-requestid: r-1\n\
         {\"Message\":\"the model answered with status 400: row 0, feature `age`: missing\",\"OriginalMessage\":\"row 0, feature `age`: missing\",\"OriginalStatusCode\":400}"
    );
    let failed = || {
        refused(Refusal::Failed {
            kind: FailureKind::Deadline,
            message: "too slow".into(),
        })
    };
    let (_, answer) = call(&head("POST", PATH, &[]), "{}", |_, _| failed());
    assert!(text(&answer).ends_with(r#"{"Message":"the model answered with status 504: too slow","OriginalMessage":"too slow","OriginalStatusCode":504}"#));
    // Between the two questions, too.
    let headers = [("x-amzn-sagemaker-enable-explanations", "`true`")];
    let (asked, answer) = call(
        &head("POST", PATH, &headers),
        "1\n2\n3",
        |path, body| match path {
            "/explain" => answered(501, r#"{"error":"no method"}"#),
            _ => classifier(path, body),
        },
    );
    assert_eq!(asked.len(), 2);
    assert_eq!(answer.status(), 424);
}

#[test]
fn answers_that_break_the_functions_own_contract_are_internal_failures() {
    let headers = [("x-amzn-sagemaker-enable-explanations", "`true`")];
    for (predicted, explained, words) in [
        (
            "{}",
            "",
            "the function's predictions cannot be read: missing field `predictions`",
        ),
        ("no JSON", "", "the function's predictions cannot be read"),
        (
            r#"{"predictions":[{"value":1}]}"#,
            "{}",
            "the function's explanations cannot be read",
        ),
        (
            r#"{"predictions":[{"value":1}]}"#,
            r#"{"explanations":[]}"#,
            "the function explained 0 of 1 records",
        ),
    ] {
        let (_, answer) = call(&head("POST", PATH, &headers), "1", |path, _| {
            answered(
                200,
                if path == "/predict" {
                    predicted
                } else {
                    explained
                },
            )
        });
        let answer = text(&answer);
        assert!(
            answer.starts_with("500\n")
                && answer.contains("InternalFailure")
                && answer.contains(words),
            "{answer}"
        );
    }
}

#[test]
fn what_an_endpoint_of_one_model_cannot_do_is_refused() {
    for (path, headers, words) in [
        (
            PATH,
            &[("x-amzn-sagemaker-target-model", "a.tar.gz")][..],
            "leave TargetModel out",
        ),
        (
            PATH,
            &[("x-amzn-sagemaker-session-id", "NEW_SESSION")],
            "leave SessionId out",
        ),
        (
            "/endpoints/credit/async-invocations",
            &[],
            "objects of S3, which this host does not have",
        ),
        (
            "/endpoints/credit/invocations-response-stream",
            &[],
            "answer at once and not in parts",
        ),
    ] {
        let (_, answer) = call(&head("POST", path, headers), "1", |_, _| unreachable!());
        let answer = text(&answer);
        assert!(
            answer.starts_with("400\n")
                && answer.contains("ValidationError")
                && answer.contains(words),
            "{answer}"
        );
    }
    let (_, answer) = call(&head("PUT", PATH, &[]), "", |_, _| unreachable!());
    assert_eq!(answer.status(), 405);
}

#[test]
fn the_runtimes_own_errors() {
    let found: Vec<String> = examples()
        .iter()
        .map(|refusal| {
            let answer = door(&head("POST", PATH, &[])).refuse(refusal, "r-1");
            let header = |name: &str| {
                answer
                    .headers()
                    .get(name)
                    .map_or("", |value| value.to_str().unwrap())
            };
            format!(
                "{} {}{}",
                answer.status().as_u16(),
                header("x-amzn-errortype"),
                header("retry-after")
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            "400 ValidationError",
            "400 ValidationError",
            "400 ValidationError",
            "400 ValidationError",
            "402 ServiceQuotaExceededException",
            "429 ThrottlingException2",
            "429 ThrottlingException3",
            "429 ThrottlingException",
            "403 UnrecognizedClientException",
            "403 AccessDeniedException",
            "400 ValidationError",
            "413 ValidationError",
            "424 ModelError",
            "424 ModelError",
            "503 ServiceUnavailable",
        ]
    );
}
