//! Texts explained by tokens and pictures by segments and pixels, over the models of the repository.

use std::fs;
use std::path::Path;

use hyaline_explain::Explainer;
use hyaline_formats::{ImportOptions, import};
use hyaline_model::{FeatureKind, ImageKind, Model, ModelParts, Schema, TensorKind};
use hyaline_protocol::Function;
use serde_json::Value;

use crate::{header, json, send, send_with, text};

fn parts(name: &str) -> ModelParts {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../models")
        .join(name)
        .join("model.onnx");
    let imported = import(&fs::read(path).expect("a model"), &ImportOptions::default())
        .expect("a model that runs");
    ModelParts::new(
        name,
        imported.schema,
        imported.symbols,
        imported.graph,
        imported.head,
        imported.core,
    )
}

fn function(parts: ModelParts) -> Function {
    let model = Model::new(parts).expect("a model");
    let explainer = Explainer::new(&model).expect("an explainer");
    Function::new(model, explainer)
}

fn reviews() -> Function {
    function(parts("reviews"))
}

fn digits() -> Function {
    let mut parts = parts("digits");
    let mut features = parts.schema.features().to_vec();
    features[0].kind = FeatureKind::Tensor(TensorKind {
        extents: vec![1, 8, 8],
        image: Some(ImageKind {
            height: 8,
            width: 8,
            channels: 1,
            channels_first: true,
            black: vec![0.0],
            white: vec![16.0],
        }),
    });
    parts.schema = Schema::new(features).expect("a schema");
    function(parts)
}

fn golden(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../models")
        .join(name)
        .join("golden.jsonl");
    let text = fs::read_to_string(path).expect("golden rows");
    serde_json::from_str(text.lines().next().expect("a line")).expect("JSON")
}

fn refused(function: &Function, path: &str, headers: &[(&str, &str)], body: &[u8]) -> String {
    let response = send_with(function, "POST", path, headers, body);
    assert!(response.status >= 400, "{}", text(&response));
    let answer: Value = serde_json::from_slice(&response.body).expect("JSON");
    answer["error"].as_str().expect("a text").to_owned()
}

/// A grey PNG of 8 by 8 pixels.
fn picture() -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, 8, 8);
    encoder.set_color(png::ColorType::Grayscale);
    let numbers = golden("digits")["row"]["image"].to_string();
    let bytes: Vec<u8> = numbers
        .split(|letter: char| !letter.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .map(|part| (part.parse::<f64>().expect("a number") / 16.0 * 255.0).round() as u8)
        .collect();
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&bytes).expect("pixels");
    writer.finish().expect("a file");
    file
}

#[test]
fn tokens_of_a_text_are_listed_with_their_places() {
    let function = reviews();
    let body = r#"{"text": "Not bad, not BAD at all"}"#.as_bytes();
    let answer = json(&send(&function, "POST", "/explain?space=margin", body));
    let explanation = &answer["explanations"][0];
    assert_eq!(explanation["method"], "enumeration");
    assert_eq!(explanation["exact"], true);
    assert_eq!(explanation["offsets"], "Unicode scalar values");
    assert_eq!(explanation["tokens_by"], serde_json::json!(["model"]));
    let tokens = explanation["tokens"].as_array().expect("tokens");
    let places: Vec<(&str, u64, u64)> = tokens
        .iter()
        .map(|token| {
            let at = |name: &str| token[name].as_u64().expect("a place");
            (
                token["token"].as_str().expect("a text"),
                at("start"),
                at("end"),
            )
        })
        .collect();
    assert_eq!(
        places,
        [
            ("Not", 0, 3),
            ("bad", 4, 7),
            ("not", 9, 12),
            ("BAD", 13, 16),
            ("at", 17, 19),
            ("all", 20, 23)
        ]
    );
    let sum: f64 = tokens
        .iter()
        .map(|token| token["attribution"].as_f64().expect("a number"))
        .sum();
    let whole = explanation["attributions"][0]["attribution"]
        .as_f64()
        .expect("a number");
    assert!((sum - whole).abs() < 1e-12);
    let (base, prediction) = (&explanation["base_value"], &explanation["prediction"]);
    let gain = prediction.as_f64().expect("a number") - base.as_f64().expect("a number");
    assert!((gain - whole).abs() < 1e-9);
    assert_eq!(
        explanation["attributions"][0]["value"],
        "Not bad, not BAD at all"
    );
}

#[test]
fn sampled_tokens_name_their_seed_and_errors() {
    let function = reviews();
    let body = r#"{"text": "Not bad, not BAD at all"}"#.as_bytes();
    let path = "/explain?method=permutation&seed=5&samples=60&top=2&mask=word";
    let answer = json(&send(&function, "POST", path, body));
    let explanation = &answer["explanations"][0];
    assert_eq!(explanation["seed"], 5);
    assert_eq!(explanation["converged"], true);
    assert_eq!(explanation["absent"], "word");
    assert_eq!(explanation["tokens"].as_array().expect("tokens").len(), 2);
    assert!(explanation["tokens"][0]["standard_error"].is_number());
    assert_eq!(
        answer,
        json(&send(&function, "POST", path, body)),
        "the same seed"
    );
    let lime = json(&send(
        &function,
        "POST",
        "/explain?method=lime&words=true",
        body,
    ));
    let lime = &lime["explanations"][0];
    assert!(lime["intercept"].is_number() && lime["score"].is_number());
    assert_eq!(lime["tokens"][0]["starts"], serde_json::json!([0]));
    assert_eq!(
        refused(&function, "/explain?method=interventional", &[], body),
        "parameter `method` is `interventional`; expected auto, enumeration, leverage, kernel, permutation, lime, occlusion"
    );
    assert_eq!(
        refused(&function, "/explain?overlay=true", &[], body),
        "unknown parameter `overlay`; an explanation of text takes `method`, `space`, `seed`, `samples`, `tolerance`, `mask`, `words`, `top`"
    );
    assert_eq!(
        refused(
            &function,
            "/predict",
            &[("content-type", "image/png")],
            &picture()
        ),
        "the body is a picture; this function takes none, send JSON or CSV"
    );
}

#[test]
fn a_picture_is_one_row_in_every_form() {
    let function = digits();
    let file = picture();
    let line = golden("digits");
    let by_numbers = json(&send(
        &function,
        "POST",
        "/predict",
        line["row"].to_string().as_bytes(),
    ));
    let close = |answer: &Value| {
        assert_eq!(
            answer["predictions"][0]["label"],
            by_numbers["predictions"][0]["label"]
        );
        let of = |answer: &Value| {
            answer["predictions"][0]["probabilities"]["0"]
                .as_f64()
                .expect("a number")
        };
        assert!((of(answer) - of(&by_numbers)).abs() < 1e-3);
    };
    close(&json(&send_with(
        &function,
        "POST",
        "/predict",
        &[("content-type", "image/png")],
        &file,
    )));
    close(&json(&send(&function, "POST", "/predict", &file)));
    let encoded = base64(&file);
    for text in [encoded.clone(), format!("data:image/png;base64,{encoded}")] {
        let body = serde_json::json!({ "image": text }).to_string();
        close(&json(&send(&function, "POST", "/predict", body.as_bytes())));
    }
    assert_eq!(
        refused(
            &function,
            "/predict",
            &[("content-type", "image/jpeg")],
            b"\xff\xd8\xff\xe0"
        ),
        "the body is a JPEG file; this function reads PNG, convert it"
    );
    assert!(
        refused(&function, "/predict", &[], &file[..60])
            .starts_with("the body is a broken PNG file: ")
    );
    assert!(
        refused(&function, "/predict", &[], br#"{"image": "a cat"}"#)
            .contains("expected a picture, found a text that is no base64")
    );
}

#[test]
fn segments_and_pixels_are_answered_with_a_map_and_a_drawing() {
    let function = digits();
    let file = picture();
    let answer = json(&send(
        &function,
        "POST",
        "/explain?segments=grid:2x4&overlay=true&heat=true",
        &file,
    ));
    let explanation = &answer["explanations"][0];
    assert_eq!(explanation["method"], "enumeration");
    assert_eq!(explanation["output"], "0");
    assert_eq!(explanation["segmentation"], "grid:2x4");
    assert_eq!(explanation["absent"], "black");
    assert_eq!(
        explanation["segments"].as_array().expect("segments").len(),
        8
    );
    assert_eq!(
        explanation["map"][7],
        serde_json::json!([4, 4, 5, 5, 6, 6, 7, 7])
    );
    assert_eq!(
        explanation["heat"][7][0],
        explanation["segments"][4]["attribution"]
    );
    assert!(explanation["residual"].as_f64().expect("a number").abs() < 1e-9);
    assert!(
        explanation["overlay"]
            .as_str()
            .expect("base64")
            .starts_with("iVBORw0KGgo")
    );

    let drawn = send_with(
        &function,
        "POST",
        "/explain?method=rise&samples=50&output=3",
        &[("accept", "image/png")],
        &file,
    );
    assert_eq!(drawn.status, 200);
    assert_eq!(header(&drawn, "content-type"), Some("image/png"));
    assert!(drawn.body.starts_with(b"\x89PNG"));

    let answer = json(&send(
        &function,
        "POST",
        "/explain?method=occlusion&window=3&stride=1&mask=mean&output=3",
        &file,
    ));
    let explanation = &answer["explanations"][0];
    assert_eq!(
        (
            &explanation["output"],
            &explanation["window"],
            &explanation["stride"]
        ),
        (&"3".into(), &3.into(), &1.into())
    );
    assert_eq!(explanation["evaluations"], 36 + 3);
    assert_eq!(explanation["heat"].as_array().expect("rows").len(), 8);

    for (query, words) in [
        (
            "segments=grid",
            "parameter `segments` is `grid`; expected grid:ROWSxCOLUMNS or slic:COUNT",
        ),
        (
            "segments=grid:9x9",
            "a grid of 9x9 on a picture of 8x8 pixels",
        ),
        (
            "mask=grey",
            "parameter `mask` is `grey`; expected black, white, mean, blur",
        ),
        (
            "output=11",
            "parameter `output` is `11`; expected 0, 1, 2, 3, 4, 5, 6, 7, 8, 9",
        ),
        (
            "method=magic",
            "parameter `method` is `magic`; expected auto, enumeration, leverage, kernel, permutation, lime, occlusion, rise, integrated-gradients",
        ),
    ] {
        assert_eq!(
            refused(&function, &format!("/explain?{query}"), &[], &file),
            words
        );
    }
}

#[test]
fn documents_say_what_texts_and_pictures_are() {
    for (function, component, methods) in [
        (reviews(), "TextExplanation", 7),
        (digits(), "PictureExplanation", 9),
    ] {
        let document = json(&send(&function, "GET", "/openapi.json", b""));
        let answer =
            "/responses/200/content/application~1json/schema/properties/explanations/items/$ref";
        let explain = &document["paths"]["/explain"]["post"];
        let target = explain
            .pointer(answer)
            .and_then(Value::as_str)
            .expect("a schema");
        assert_eq!(target, format!("#/components/schemas/{component}"));
        assert!(document["components"]["schemas"][component].is_object());
        let known = &document["components"]["parameters"]["method"]["schema"]["enum"];
        assert_eq!(known.as_array().expect("methods").len(), methods);
        // What is offered is taken.
        let example =
            explain.pointer("/requestBody/content/application~1json/examples/example/value");
        let example = example.expect("an example").to_string();
        for parameter in explain["parameters"].as_array().expect("parameters") {
            let Some(name) = parameter["name"].as_str() else {
                continue;
            };
            for value in parameter["schema"]["enum"].as_array().into_iter().flatten() {
                let path = format!(
                    "/explain?samples=20&{name}={}",
                    value.as_str().expect("a text")
                );
                let response = send(&function, "POST", &path, example.as_bytes());
                assert_eq!(response.status, 200, "{path}: {}", text(&response));
            }
        }
        for method in known.as_array().expect("methods") {
            let path = format!(
                "/explain?samples=20&space=probability&segments=grid:2x2&method={}",
                method.as_str().expect("a name")
            );
            let path = if component == "TextExplanation" {
                path.replace("segments=grid:2x2&", "")
            } else {
                path
            };
            let response = send(&function, "POST", &path, example.as_bytes());
            assert_eq!(response.status, 200, "{path}: {}", text(&response));
        }
    }
    let document = json(&send(&digits(), "GET", "/openapi.json", b""));
    for path in ["/predict", "/explain"] {
        let content = &document["paths"][path]["post"]["requestBody"]["content"];
        assert!(content["image/png"].is_object(), "{path}");
    }
    let metadata = json(&send(&digits(), "GET", "/v2/models/digits", b""));
    assert_eq!(
        metadata["inputs"][0]["shape"],
        serde_json::json!([-1, 1, 8, 8])
    );
}

#[test]
fn tensors_travel_by_the_open_inference_protocol() {
    let function = digits();
    let image = golden("digits")["row"]["image"].clone();
    let expected = json(&send(
        &function,
        "POST",
        "/predict",
        golden("digits")["row"].to_string().as_bytes(),
    ));
    let label = &expected["predictions"][0]["label"];
    let numbers: Vec<f32> = image
        .to_string()
        .split(|letter: char| !letter.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().expect("a number"))
        .collect();
    let request = |shape: Value| {
        serde_json::json!({"inputs": [{"name": "image", "shape": shape, "datatype": "FP32", "data": numbers}]}).to_string()
    };
    let path = "/v2/models/digits/infer";
    let answer = json(&send(
        &function,
        "POST",
        path,
        request(serde_json::json!([1, 1, 8, 8])).as_bytes(),
    ));
    let outputs = answer["outputs"].as_array().expect("outputs");
    assert!(
        outputs.iter().any(|output| output["data"][0] == *label),
        "{answer}"
    );
    assert_eq!(
        refused(
            &function,
            path,
            &[],
            request(serde_json::json!([1, 64])).as_bytes()
        ),
        "input `image` has the shape [1, 64]; expected [rows, 1, 8, 8]"
    );

    let bytes: Vec<u8> = numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    let head = serde_json::json!({"inputs": [{
        "name": "image", "shape": [1, 1, 8, 8], "datatype": "FP32", "parameters": {"binary_data_size": bytes.len()},
    }]})
    .to_string();
    let body = [head.as_bytes(), &bytes].concat();
    let length = head.len().to_string();
    let binary = json(&send_with(
        &function,
        "POST",
        path,
        &[("inference-header-content-length", &length)],
        &body,
    ));
    assert_eq!(binary["outputs"], answer["outputs"]);
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = (0..3).fold(0u32, |word, at| {
            word << 8 | u32::from(chunk.get(at).copied().unwrap_or(0))
        });
        for at in 0..4 {
            text.push(if at <= chunk.len() {
                char::from(ALPHABET[(word >> (18 - 6 * at) & 63) as usize])
            } else {
                '='
            });
        }
    }
    text
}
