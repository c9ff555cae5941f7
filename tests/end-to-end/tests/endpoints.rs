//! Every question beyond prediction and exact reasons, asked over HTTP of `hyaline up`: what is answered keeps its own
//! promises, and the same question gets the same bytes.

use anyhow::{Context, Result};
use end_to_end::{NAMES, Server, assert_close, golden, numbers, packed};
use serde_json::Value;

/// Functions of numbers and categories.
const TABULAR: [&str; 5] = [
    "breast-cancer",
    "credit",
    "credit-network",
    "diabetes",
    "wine",
];

/// Asks about the first golden row, twice; the answer.
fn ask(server: &Server, name: &str, path: &str) -> Result<Value> {
    let row = &golden(name)?[0]["row"];
    let path = format!("/{name}{path}");
    let answer = server.post_json(&path, row)?;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    assert_eq!(
        answer.body,
        server.post_json(&path, row)?.body,
        "{path}, asked again"
    );
    answer.json()
}

/// Asks about the function as a whole.
fn overview(server: &Server, name: &str, path: &str) -> Result<Value> {
    let path = format!("/{name}{path}");
    let answer = server.get(&path)?;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[test]
fn sampled_reasons_add_up_and_lie_near_the_exact_ones() -> Result<()> {
    NAMES.iter().for_each(|name| drop(packed(name)));
    let server = Server::up()?;
    for name in ["credit", "credit-network"] {
        let exact = ask(&server, name, "/explain?method=enumeration")?;
        let exact = &exact["explanations"][0];
        for method in ["leverage", "kernel", "permutation"] {
            let place = format!("{name} by {method}");
            let path = format!("/explain?method={method}&samples=400&seed=7");
            let sampled = ask(&server, name, &path)?;
            let sampled = &sampled["explanations"][0];
            assert_eq!(
                (&sampled["method"], &sampled["exact"], &sampled["seed"]),
                (&method.into(), &false.into(), &7.into()),
                "{place}"
            );
            let parts = list(&sampled["attributions"]);
            let sum: f64 = parts
                .iter()
                .flat_map(|part| numbers(&part["attribution"]))
                .chain(numbers(&sampled["base_value"]))
                .chain(numbers(&sampled["residual"]))
                .sum();
            assert_close(&place, &[sum], &numbers(&sampled["prediction"]), 1e-9);
            for (part, truth) in parts.iter().zip(list(&exact["attributions"])) {
                let [ours, truth] = [part, truth].map(|part| numbers(&part["attribution"])[0]);
                let error = numbers(&part["standard_error"])[0];
                assert!(
                    (ours - truth).abs() <= 6.0 * error + 1e-6,
                    "{place}: {ours} ± {error} against {truth}"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn every_counterfactual_has_another_answer_and_only_allowed_changes() -> Result<()> {
    let server = Server::up()?;
    let answer = ask(&server, "credit", "/counterfactual?count=3")?;
    let label = &answer["predictions"][0]["label"];
    let explanation = &answer["explanations"][0];
    let found = list(&explanation["counterfactuals"]);
    assert!(!found.is_empty(), "{explanation}");
    for counterfactual in found {
        let mut row = golden("credit")?[0]["row"].clone();
        for change in list(&counterfactual["changes"]) {
            let feature = change["feature"].as_str().context("a feature")?;
            assert_eq!(row[feature], change["from"], "{feature}");
            assert!(
                !["age", "sex"].contains(&feature),
                "the recipe lets nobody change their {feature}"
            );
            row[feature] = change["to"].clone();
        }
        let again = server.post_json("/credit/predict", &row)?.json()?;
        assert_eq!(
            again["predictions"][0], counterfactual["prediction"],
            "the model is asked about the changed row"
        );
        assert_ne!(&again["predictions"][0]["label"], label);
    }
    Ok(())
}

#[test]
fn rules_local_models_and_quality_are_answered() -> Result<()> {
    let server = Server::up()?;
    for name in ["credit", "wine"] {
        let anchor = ask(&server, name, "/anchor")?;
        let anchor = &anchor["explanations"][0];
        let precision = anchor["precision"].as_f64().context("a precision")?;
        assert!((0.0..=1.0).contains(&precision), "{name}: {anchor}");
        let lime = ask(&server, name, "/explain?method=lime&samples=500")?;
        let lime = &lime["explanations"][0];
        assert_eq!(lime["method"], "lime");
        for part in list(&lime["attributions"]) {
            assert!(part["rule"].is_string(), "{name}: {part}");
        }
        let checked = ask(&server, name, "/explain?check=true")?;
        let quality = &checked["explanations"][0]["quality"];
        assert!(quality["deletion"].is_number(), "{name}: {quality}");
    }
    Ok(())
}

#[test]
fn functions_tell_of_their_data_as_a_whole() -> Result<()> {
    let server = Server::up()?;
    for name in TABULAR {
        let card = server.get(&format!("/{name}/card"))?.json()?;
        let features: Vec<&str> = list(&card["features"])
            .iter()
            .filter_map(|feature| feature["name"].as_str())
            .collect();
        let importance = overview(&server, name, "/importance?repeats=2")?;
        assert_eq!(list(&importance["importances"]).len(), features.len());
        let path = format!("/dependence?feature={}&grid=4", features[0]);
        let dependence = overview(&server, name, &path)?;
        let points = list(&dependence["grid"]).len();
        assert!((2..=4).contains(&points), "{name}: {dependence}");
        assert_eq!(numbers(&dependence["values"]).len() % points, 0, "{name}");
        let prototypes = overview(&server, name, "/prototypes?count=2")?;
        for class in list(&prototypes["examples"]) {
            assert!(!list(&class["prototypes"]).is_empty(), "{name}: {class}");
        }
    }
    Ok(())
}

#[test]
fn every_word_of_a_text_has_a_value_at_its_place() -> Result<()> {
    let server = Server::up()?;
    let text = "Great sound 👍 but a terrible battery.";
    let answer = server.post_json("/reviews/explain", &serde_json::json!({ "text": text }))?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json()?;
    let explanation = &answer["explanations"][0];
    let characters: Vec<char> = text.chars().collect();
    let mut sum = numbers(&explanation["base_value"])[0] + numbers(&explanation["residual"])[0];
    let mut words = Vec::new();
    for token in list(&explanation["tokens"]) {
        let at = |name: &str| token[name].as_u64().map_or(0, |place| place as usize);
        words.push(
            characters[at("start")..at("end")]
                .iter()
                .collect::<String>(),
        );
        sum += numbers(&token["attribution"])[0];
    }
    assert_eq!(words, ["Great", "sound", "but", "a", "terrible", "battery"]);
    assert_close(text, &[sum], &numbers(&explanation["prediction"]), 1e-9);
    Ok(())
}

#[test]
fn every_pixel_of_a_picture_belongs_to_a_segment_and_the_reasons_are_drawn() -> Result<()> {
    let server = Server::up()?;
    let answer = ask(&server, "digits", "/explain?segments=grid:4x4&samples=400")?;
    let explanation = &answer["explanations"][0];
    let segments = list(&explanation["segments"]).len() as f64;
    let map = numbers(&explanation["map"]);
    assert_eq!((map.len(), segments), (64, 16.0));
    assert!(map.iter().all(|segment| (0.0..segments).contains(segment)));
    let row = golden("digits")?[0]["row"].to_string();
    let headers = [
        ("content-type", "application/json"),
        ("accept", "image/png"),
    ];
    let drawing = server.post("/digits/explain", &headers, row.as_bytes())?;
    assert_eq!(
        (drawing.status, drawing.content_type.as_str()),
        (200, "image/png"),
        "{}",
        drawing.text()
    );
    assert!(drawing.body.starts_with(b"\x89PNG\r\n\x1a\n"));
    Ok(())
}
