//! Bad requests and the words they get.

use hyaline_protocol::Refusal;

use crate::functions::{credit, credit_without_background, price, wine};
use crate::{send, text};

/// Every refusal of a `/predict` body, over the credit model.
#[test]
fn bodies() {
    let function = credit();
    let long = format!("[{}]", ["[1]"; 3].join(","));
    let deep = "[".repeat(40) + &"]".repeat(40);
    for (body, words) in [
        ("", "the body is empty; send at least one row"),
        (" \n", "the body is empty; send at least one row"),
        ("[]", "the body has no rows; send at least one"),
        (
            r#"{"instances":[]}"#,
            "`instances` has no rows; send at least one",
        ),
        (
            r#"{"instances":3}"#,
            "`instances` is the number 3; expected a list of rows, each an object by feature name or a list in schema order",
        ),
        (
            r#"{"instances":[],"inputs":[]}"#,
            "the body has both `instances` and `inputs`; send exactly one of `instances`, `inputs`, `dataframe_split`, `dataframe_records`",
        ),
        (
            r#"{"dataframe_split":{"columns":["amount"]}}"#,
            "`dataframe_split` needs the lists `columns` and `data`",
        ),
        (
            r#"{"dataframe_split":{"columns":["amount","amount"],"data":[]}}"#,
            "two columns are named `amount`",
        ),
        (
            r#"{"amuont":1}"#,
            "row 0, feature `amuont`: the model has no such feature; did you mean `amount`?",
        ),
        (
            r#"{"zzz":1}"#,
            "row 0, feature `zzz`: the model has no such feature; GET schema lists the features",
        ),
        (
            r#"{"amount":1}"#,
            "row 0, feature `duration`: the feature is not in the row and may not be missing",
        ),
        (
            r#"{"amount":"12"}"#,
            "row 0, feature `amount`: expected a number, found the text \"12\"; write numbers without quotes",
        ),
        (
            r#"{"amount":true}"#,
            "row 0, feature `amount`: expected a number, found true",
        ),
        (
            r#"{"amount":null}"#,
            "row 0, feature `amount`: expected a number, found nothing; this model takes no missing value here",
        ),
        (
            r#"{"amount":[1]}"#,
            "row 0, feature `amount`: expected a number, found an array",
        ),
        (
            r#"[{"duration":1.5}]"#,
            "row 0, feature `duration`: expected a whole number, found the number 1.5",
        ),
        (
            r#"{"duration":1e16}"#,
            "row 0, feature `duration`: expected a whole number, found the number 10000000000000000",
        ),
        (
            r#"{"foreign":2}"#,
            "row 0, feature `foreign`: expected true or false, found the number 2",
        ),
        (
            r#"{"foreign":"yes"}"#,
            "row 0, feature `foreign`: expected true or false, found the text \"yes\"",
        ),
        (
            r#"{"housing":"rented"}"#,
            "row 0, feature `housing`: expected one of \"own\", \"rent\", \"free\", found the text \"rented\"; did you mean \"rent\"?",
        ),
        (
            r#"{"housing":3}"#,
            "row 0, feature `housing`: expected one of \"own\", \"rent\", \"free\", found the number 3; write \"3\"",
        ),
        (
            r#"{"amount":1,"amount":2}"#,
            "the body is not valid JSON: the key \"amount\" appears twice in one object at line 1 column 20",
        ),
        (
            r#"{"amount":NaN}"#,
            "JSON has no `NaN` (line 1, column 11); write null for a missing value",
        ),
        (
            "{\"amount\":\n-Infinity}",
            "JSON has no `-Infinity` (line 2, column 1); write null for a missing value",
        ),
        (
            r#"{"amount":1e999}"#,
            "the body is not valid JSON: number out of range at line 1 column 15",
        ),
        (
            r#"{"amount":1} x"#,
            "the body is not valid JSON: trailing characters at line 1 column 14",
        ),
        (
            &deep,
            "the body is not valid JSON: nested deeper than 32 levels at line 1 column 33",
        ),
        (&long, "row 0 has 1 values, expected 5"),
        (
            r#"[[1,2,true,"own","car"],{"amount":1}]"#,
            "row 1 is an object; row 0 is a list",
        ),
        (
            "amount,duration\n1,2\n",
            "row 0, feature `foreign`: the feature is not in the row and may not be missing",
        ),
        ("1,2\n", "row 0 has 2 values, expected 5"),
        (
            "x,2,true,own,car\n",
            "row 0, feature `amount`: expected a number, found the text \"x\"",
        ),
        (
            "1,2,true,own,car\nnan,2,true,own,car\n",
            "row 1, feature `amount`: expected a number, found the text \"nan\"; leave the field empty for a missing value",
        ),
        (
            "amount,size\n1,2\n",
            "row 0, feature `size`: the model has no such feature; GET schema lists the features",
        ),
        ("\n\n", "the body is empty; send at least one row"),
        (
            "amount,duration,foreign,housing,purpose\n",
            "the request has no rows; send at least one",
        ),
    ] {
        let response = send(&function, "POST", "/predict", body.as_bytes());
        let answer: serde_json::Value =
            serde_json::from_slice(&response.body).expect("refusals are JSON");
        assert_eq!(
            (response.status, answer["error"].as_str().unwrap_or("")),
            (400, words),
            "{body}"
        );
    }
}

#[test]
fn a_refusal_names_its_place_for_programs_too() {
    let response = send(&credit(), "POST", "/predict", br#"[{"amount":"x"}]"#);
    assert_eq!(
        text(&response),
        r#"{"error":"row 0, feature `amount`: expected a number, found the text \"x\"","row":0,"feature":"amount"}"#
    );
}

#[test]
fn bytes_that_are_no_text() {
    let response = send(&credit(), "POST", "/predict", b"{\"amount\":\"\xff\"}");
    assert_eq!(
        text(&response),
        r#"{"error":"the body is not UTF-8: byte 0xff at offset 11"}"#
    );
}

#[test]
fn too_much_at_once() {
    let price = price();
    let values = format!("[{}]", vec!["1"; 1 << 20].join(","));
    let response = send(&price, "POST", "/predict", values.as_bytes());
    let words = "more than 1048576 values in one body; send the rows in several requests";
    assert!(text(&response).contains(words), "{}", text(&response));
    let rows = "1\n".repeat((1 << 18) + 1);
    let response = send(&price, "POST", "/predict", rows.as_bytes());
    assert_eq!(
        (response.status, text(&response).as_str()),
        (
            413,
            r#"{"error":"more than 262144 rows in one request; send them in several requests"}"#
        )
    );
    let rows = "1,2\n".repeat(174_763);
    let response = send(&wine(), "POST", "/explain", rows.as_bytes());
    assert_eq!(
        (response.status, text(&response).as_str()),
        (
            413,
            r#"{"error":"174763 rows to explain; this function explains at most 174762 in one request"}"#
        )
    );
    assert_eq!(
        Refusal::too_large(16).into_response().body,
        br#"{"error":"the body is longer than 16 bytes; send the rows in several requests"}"#
            .as_slice()
    );
}

#[test]
fn parameters() {
    let row = br#"{"amount":2048,"duration":16,"foreign":true,"housing":"own","purpose":"car"}"#;
    for (path, status, words) in [
        (
            "/predict?top=3",
            400,
            "unknown parameter `top`; a prediction takes `coverage`",
        ),
        (
            "/explain?topp=3",
            400,
            "unknown parameter `topp`; an explanation takes `method`, `space`, `top`, `interactions`, `seed`, `samples`, \
             `tolerance`, `check`",
        ),
        (
            "/explain?top=0",
            400,
            "parameter `top` is `0`; expected a whole number from 1",
        ),
        (
            "/explain?seed=-1",
            400,
            "parameter `seed` is `-1`; expected a whole number from 0",
        ),
        (
            "/explain?method=shap",
            400,
            "parameter `method` is `shap`; expected one of `auto`, `interventional`, `path-dependent`, `linear`, `enumeration`, `leverage`, `kernel`, \
             `regression-adjusted`, `permutation`, `owen`, `integrated-gradients`, `lime`",
        ),
        (
            "/explain?space=logit",
            400,
            "parameter `space` is `logit`; expected one of `margin`, `probability`",
        ),
    ] {
        let response = send(&credit(), "POST", path, row);
        let answer: serde_json::Value =
            serde_json::from_slice(&response.body).expect("refusals are JSON");
        assert_eq!(
            (response.status, answer["error"].as_str().unwrap_or("")),
            (status, words),
            "{path}"
        );
    }
    let response = send(
        &credit_without_background(),
        "POST",
        "/explain?method=enumeration",
        row,
    );
    assert_eq!(response.status, 501);
}

/// No cut and no flipped byte of a request brings the router down.
#[test]
fn damaged_requests_are_answered() {
    let function = credit();
    let bodies: [&[u8]; 3] = [
        br#"{"instances":[{"amount":2048,"duration":16,"foreign":true,"housing":"own","purpose":"c\u00e4r"}]}"#,
        b"amount,duration,foreign,housing,purpose\n2048,16,true,\"o\"\"wn\",car\n",
        br#"{"inputs":[{"name":"amount","shape":[1],"datatype":"FP64","data":[1]}],"outputs":[{"name":"label"}]}"#,
    ];
    for body in bodies {
        for path in [
            "/predict",
            "/explain",
            "/v2/models/credit/infer",
            "/v1/models/credit:explain",
            "/invocations",
        ] {
            for end in 0..body.len() {
                assert!(send(&function, "POST", path, &body[..end]).status >= 200);
                for bit in 0..8 {
                    let mut flipped = body.to_vec();
                    flipped[end] ^= 1 << bit;
                    assert!(send(&function, "POST", path, &flipped).status >= 200);
                }
            }
        }
    }
}
