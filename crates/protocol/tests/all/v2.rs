//! Open Inference Protocol V2.

use serde_json::{Value, json};

use crate::functions::{credit, price, wine};
use crate::{header, json, send, send_with, text};

const PATH: &str = "/v2/models/credit/infer";

fn credit_inputs() -> Value {
    json!([
        {"name": "amount", "shape": [2, 1], "datatype": "FP32", "data": [[2048], [1024]]},
        {"name": "duration", "shape": [2], "datatype": "INT64", "data": [16, 8]},
        {"name": "foreign", "shape": [2, 1], "datatype": "BOOL", "data": [true, false]},
        {"name": "housing", "shape": [2, 1], "datatype": "BYTES", "data": ["own", "free"]},
        {"name": "purpose", "shape": [2, 1], "datatype": "BYTES", "data": ["car", "tv"]},
    ])
}

fn output<'a>(answer: &'a Value, name: &str) -> &'a Value {
    answer["outputs"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|output| output["name"] == name)
        .expect("the output is there")
}

#[test]
fn metadata_states_every_tensor() {
    let function = credit();
    let metadata = json(&send(&function, "GET", "/v2/models/credit", b""));
    assert_eq!(
        metadata["inputs"],
        json!([
            {"name": "amount", "datatype": "FP64", "shape": [-1, 1]},
            {"name": "duration", "datatype": "INT64", "shape": [-1, 1]},
            {"name": "foreign", "datatype": "BOOL", "shape": [-1, 1]},
            {"name": "housing", "datatype": "BYTES", "shape": [-1, 1]},
            {"name": "purpose", "datatype": "BYTES", "shape": [-1, 1]},
        ])
    );
    assert_eq!(
        metadata["outputs"],
        json!([
            {"name": "label", "datatype": "BYTES", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP64", "shape": [-1, 2]},
            {"name": "margin", "datatype": "FP64", "shape": [-1, 1]},
            {"name": "attributions", "datatype": "FP32", "shape": [-1, 5]},
            {"name": "base_values", "datatype": "FP32", "shape": [1]},
            {"name": "explanation", "datatype": "BYTES", "shape": [-1, 1]},
        ])
    );
    assert_eq!(
        (&metadata["name"], &metadata["versions"]),
        (&json!("credit"), &json!(["3"]))
    );
    let server = json(&send(&function, "GET", "/v2", b""));
    assert_eq!(
        server["extensions"],
        json!(["binary_tensor_data", "model_repository"])
    );
    assert_eq!(
        text(&send(&function, "POST", "/v2/repository/index", b"{}")),
        r#"[{"name":"credit","version":"3","state":"READY","reason":""}]"#
    );
}

/// The shapes that the metadata states are the shapes that come.
#[test]
fn answers_keep_what_the_metadata_says() {
    for (function, row) in [
        (credit(), "2048,16,true,own,car"),
        (wine(), "1,3"),
        (price(), "2"),
    ] {
        let name = function.name().to_owned();
        let metadata = json(&send(&function, "GET", &format!("/v2/models/{name}"), b""));
        let inputs: Vec<Value> = metadata["inputs"]
            .as_array()
            .expect("a list")
            .iter()
            .zip(row.split(','))
            .map(|(input, value)| {
                let value = if input["datatype"] == "BYTES" { json!(value) } else { value.parse().expect("a number or boolean") };
                json!({"name": input["name"], "datatype": input["datatype"], "shape": [3, 1], "data": [value, value, value]})
            })
            .collect();
        let body = json!({"inputs": inputs, "outputs": metadata["outputs"]}).to_string();
        let answer = json(&send(
            &function,
            "POST",
            &format!("/v2/models/{name}/infer"),
            body.as_bytes(),
        ));
        for (stated, given) in metadata["outputs"]
            .as_array()
            .expect("a list")
            .iter()
            .zip(answer["outputs"].as_array().expect("a list"))
        {
            let shape: Vec<Value> = stated["shape"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|extent| {
                    if *extent == -1 {
                        json!(3)
                    } else {
                        extent.clone()
                    }
                })
                .collect();
            assert_eq!(
                (&given["name"], &given["datatype"], &given["shape"]),
                (&stated["name"], &stated["datatype"], &json!(shape)),
                "{name}"
            );
            let elements: u64 = shape
                .iter()
                .map(|extent| extent.as_u64().expect("an extent"))
                .product();
            assert_eq!(
                given["data"].as_array().map(|data| data.len() as u64),
                Some(elements),
                "{name} {}",
                given["name"]
            );
        }
    }
}

#[test]
fn one_tensor_per_feature() {
    // kserve's client adds `model_name`, which the protocol does not have.
    let body = json!({"id": "a7", "model_name": "credit", "inputs": credit_inputs()}).to_string();
    let answer = json(&send(
        &credit(),
        "POST",
        "/v2/models/credit/versions/3/infer",
        body.as_bytes(),
    ));
    assert_eq!(
        (
            &answer["model_name"],
            &answer["model_version"],
            &answer["id"]
        ),
        (&json!("credit"), &json!("3"), &json!("a7"))
    );
    assert_eq!(answer["outputs"].as_array().map(Vec::len), Some(3));
    assert_eq!(
        *output(&answer, "label"),
        json!({"name": "label", "datatype": "BYTES", "shape": [2], "data": ["good", "bad"]})
    );
    assert_eq!(
        *output(&answer, "margin"),
        json!({"name": "margin", "datatype": "FP64", "shape": [2, 1], "data": [3.5, -1.5]})
    );
    assert_eq!(output(&answer, "probabilities")["shape"], json!([2, 2]));
}

#[test]
fn one_matrix() {
    let function = wine();
    for data in [json!([[1, 3], [2, -5]]), json!([1, 3, 2, -5])] {
        let body = json!({"inputs": [{"name": "input-0", "shape": [2, 2], "datatype": "FP64", "data": data}]}).to_string();
        let answer = json(&send(
            &function,
            "POST",
            "/v2/models/wine/infer",
            body.as_bytes(),
        ));
        assert_eq!(
            *output(&answer, "label"),
            json!({"name": "label", "datatype": "INT64", "shape": [2], "data": [20, 30]})
        );
    }
}

#[test]
fn explanations_are_tensors() {
    let body = json!({
        "inputs": credit_inputs(),
        "outputs": [{"name": "attributions"}, {"name": "base_values"}, {"name": "explanation"}],
        "parameters": {"explain_parameters": {"top": 1, "space": "margin"}},
    })
    .to_string();
    let answer = json(&send(&credit(), "POST", PATH, body.as_bytes()));
    assert_eq!(answer["outputs"].as_array().map(Vec::len), Some(3));
    let attributions = output(&answer, "attributions");
    assert_eq!(
        (&attributions["datatype"], &attributions["shape"]),
        (&json!("FP32"), &json!([2, 5]))
    );
    assert_eq!(
        attributions["data"],
        json!([0.5, -0.5, 2, 1, 0.5, -0.5, 0.5, 0, -1, -0.5])
    );
    assert_eq!(output(&answer, "base_values")["data"], json!([0]));
    let explanation = output(&answer, "explanation");
    assert_eq!(
        (&explanation["shape"], &explanation["parameters"]),
        (&json!([2, 1]), &json!({"content_type": "str"}))
    );
    let document: Value =
        serde_json::from_str(explanation["data"][0].as_str().expect("a text")).expect("a document");
    assert_eq!(
        document["attributions"],
        json!([{"feature": "foreign", "value": true, "attribution": 2}])
    );
}

#[test]
fn binary_tensors_go_both_ways() {
    let function = credit();
    let texts = |values: [&str; 2]| {
        values
            .iter()
            .flat_map(|value| [&(value.len() as u32).to_le_bytes()[..], value.as_bytes()].concat())
            .collect::<Vec<u8>>()
    };
    let tails: [(&str, &str, Vec<u8>); 5] = [
        // 2048 and 1024 as binary16.
        ("amount", "FP16", vec![0x00, 0x68, 0x00, 0x64]),
        ("duration", "UINT8", vec![16, 8]),
        ("foreign", "BOOL", vec![1, 0]),
        ("housing", "BYTES", texts(["own", "free"])),
        ("purpose", "BYTES", texts(["car", "tv"])),
    ];
    let inputs: Vec<Value> = tails
        .iter()
        .map(|(name, datatype, tail)| {
            json!({"name": name, "shape": [2, 1], "datatype": datatype, "parameters": {"binary_data_size": tail.len()}})
        })
        .collect();
    let head = json!({
        "id": "b", "inputs": inputs,
        "outputs": [{"name": "margin"}, {"name": "label"}, {"name": "attributions", "parameters": {"binary_data": false}}],
        "parameters": {"binary_data_output": true},
    })
    .to_string();
    let mut body = head.clone().into_bytes();
    tails.iter().for_each(|(_, _, tail)| body.extend(tail));
    let length = head.len().to_string();
    let response = send_with(
        &function,
        "POST",
        PATH,
        &[("inference-header-content-length", &length)],
        &body,
    );
    assert_eq!(response.status, 200, "{}", text(&response));
    assert_eq!(
        header(&response, "content-type"),
        Some("application/octet-stream")
    );
    let length: usize = header(&response, "inference-header-content-length")
        .expect("there are binary tensors")
        .parse()
        .expect("a length");
    let answer: Value = serde_json::from_slice(&response.body[..length]).expect("the head is JSON");
    assert_eq!(
        answer["outputs"],
        json!([
            {"name": "margin", "datatype": "FP64", "shape": [2, 1], "parameters": {"binary_data_size": 16}},
            {"name": "label", "datatype": "BYTES", "shape": [2], "parameters": {"binary_data_size": 15}},
            {"name": "attributions", "datatype": "FP32", "shape": [2, 5], "data": [0.5, -0.5, 2, 1, 0.5, -0.5, 0.5, 0, -1, -0.5]},
        ])
    );
    let mut tail = 3.5f64.to_le_bytes().to_vec();
    tail.extend((-1.5f64).to_le_bytes());
    tail.extend(texts(["good", "bad"]));
    assert_eq!(response.body[length..], tail);
}

#[test]
fn a_raw_body_is_the_matrix() {
    let body: Vec<u8> = [1.0f64, 3.0]
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let response = send_with(
        &wine(),
        "POST",
        "/v2/models/wine/infer",
        &[("Inference-Header-Content-Length", "0")],
        &body,
    );
    let length: usize = header(&response, "inference-header-content-length")
        .expect("binary in, binary out")
        .parse()
        .expect("a length");
    assert_eq!(response.body[length..length + 8], 20i64.to_le_bytes());
    let response = send_with(
        &credit(),
        "POST",
        PATH,
        &[("Inference-Header-Content-Length", "0")],
        &body,
    );
    assert_eq!(
        text(&response),
        r#"{"error":"a raw body needs features of one datatype; this model has several, send JSON with binary tensors"}"#
    );
}

#[test]
fn a_request_without_an_id_has_the_same_one_every_time() {
    let function = credit();
    let body = json!({"inputs": credit_inputs()}).to_string();
    let first = json(&send(&function, "POST", PATH, body.as_bytes()));
    assert_eq!(
        first["id"],
        json(&send(
            &function,
            "POST",
            &format!("/mounted{PATH}"),
            body.as_bytes()
        ))["id"]
    );
    assert_eq!(first["id"].as_str().map(str::len), Some(36));
    assert_ne!(
        first["id"],
        json(&send(
            &function,
            "POST",
            PATH,
            format!("{body} ").as_bytes()
        ))["id"]
    );
}

#[test]
fn refusals() {
    let function = wine();
    let tensor = |tensor: Value| json!({"inputs": [tensor]});
    for (body, words) in [
        (
            json!({}),
            "the request needs a non-empty list `inputs` of tensors",
        ),
        (
            json!([]),
            "the body is an array; expected an object with `inputs`",
        ),
        (tensor(json!({})), "input 0 has no `name`"),
        (
            tensor(json!({"name": "x", "datatype": "FLOAT"})),
            "input `x` has the datatype `FLOAT`; the protocol has BOOL, UINT8-64, INT8-64, FP16-64, BYTES",
        ),
        (
            tensor(json!({"name": "x", "datatype": "FP64"})),
            "input `x` has no `shape`; expected a list of extents",
        ),
        (
            tensor(json!({"name": "x", "datatype": "FP64", "shape": [-1], "data": []})),
            "input `x` has the extent the number -1; expected a whole number from 0",
        ),
        (
            tensor(json!({"name": "x", "datatype": "FP64", "shape": [1]})),
            "input `x` has neither `data` nor `parameters.binary_data_size`",
        ),
        (
            tensor(json!({"name": "x", "datatype": "FP64", "shape": [2], "data": [1]})),
            "input `x` of shape [2] has 1 elements",
        ),
        (
            tensor(
                json!({"name": "x", "datatype": "FP64", "shape": [4294967295u32, 4294967295u32, 4294967295u32], "data": [1]}),
            ),
            "input `x` of shape [4294967295, 4294967295, 4294967295] has 1 elements",
        ),
        (
            tensor(json!({"name": "x", "datatype": "UINT8", "shape": [1], "data": [256]})),
            "input `x`, element 0: the number 256 is no UINT8",
        ),
        (
            tensor(json!({"name": "x", "datatype": "FP64", "shape": [1], "data": ["1"]})),
            "input `x`, element 0: the text \"1\" is no FP64",
        ),
        (
            tensor(json!({"name": "x", "datatype": "FP64", "shape": [1], "data": [1]})),
            "row 0, feature `y`: the feature is not in the row and may not be missing",
        ),
        (
            tensor(json!({"name": "m", "datatype": "FP64", "shape": [1, 3], "data": [1, 2, 3]})),
            "input `m` has the shape [1, 3]; expected [rows, 2], or one input per feature by name",
        ),
        (
            tensor(json!({"name": "m", "datatype": "FP64", "shape": [0, 2], "data": []})),
            "the request has no rows; send at least one",
        ),
        (
            tensor(json!({"name": "m", "datatype": "FP64", "shape": [1, 2], "data": [null, 2]})),
            "row 0, feature `x`: expected a number, found nothing; this model takes no missing value here",
        ),
        (
            tensor(json!({"name": "m", "datatype": "BYTES", "shape": [1, 2], "data": ["a", "b"]})),
            "row 0, feature `x`: expected a number, found the text \"a\"",
        ),
        (
            tensor(
                json!({"name": "m", "datatype": "FP64", "shape": [1, 2], "parameters": {"binary_data_size": 16}}),
            ),
            "input `m` claims 16 bytes of binary data; 0 are left",
        ),
        (
            json!({"inputs": [{"name": "m", "datatype": "FP64", "shape": [1, 2], "data": [1, 2]}], "outputs": [{"name": "shap"}]}),
            "there is no output `shap`; this function has `label`, `probabilities`, `margin`, `attributions`, `base_values`, `explanation`",
        ),
    ] {
        let response = send(
            &function,
            "POST",
            "/v2/models/wine/infer",
            body.to_string().as_bytes(),
        );
        let answer: Value = serde_json::from_slice(&response.body).expect("refusals are JSON");
        assert_eq!(
            (response.status, answer["error"].as_str().unwrap_or("")),
            (400, words),
            "{body}"
        );
    }
    let response = send_with(
        &function,
        "POST",
        "/v2/models/wine/infer",
        &[("inference-header-content-length", "99")],
        b"{}",
    );
    assert_eq!(
        text(&response),
        r#"{"error":"the header `Inference-Header-Content-Length` is `99`; the body has 2 bytes"}"#
    );
}
