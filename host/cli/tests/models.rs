//! Every function of `models/`, packed by the command and compared with ONNX Runtime, LightGBM and shap (`golden.jsonl`).

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

const MODELS: [&str; 4] = ["breast-cancer", "credit", "diabetes", "wine"];

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models")
}

fn hyaline(arguments: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hyaline"));
    command
        .args(arguments)
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    // A command that refuses its arguments does not read.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    child.wait_with_output().expect("the command ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn answer(arguments: &[&str], input: &[u8]) -> String {
    let output = hyaline(arguments, input);
    assert!(
        output.status.success(),
        "hyaline {arguments:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// What the command says when it refuses: exit code and standard error. Standard output stays empty.
fn refusal(arguments: &[&str], input: &[u8]) -> (i32, String) {
    let output = hyaline(arguments, input);
    assert_eq!(text(&output.stdout), "", "hyaline {arguments:?}");
    (
        output.status.code().expect("an exit code"),
        text(&output.stderr),
    )
}

/// The packed functions, made once for all tests.
fn packed(name: &str) -> String {
    static PACKED: OnceLock<PathBuf> = OnceLock::new();
    let folder = PACKED.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("functions");
        for name in MODELS {
            let output = folder.join(name).with_extension("wasm");
            let recipe = models().join(name);
            answer(
                &[
                    "pack",
                    recipe.to_str().expect("UTF-8"),
                    "-o",
                    output.to_str().expect("UTF-8"),
                ],
                b"",
            );
        }
        folder
    });
    folder
        .join(name)
        .with_extension("wasm")
        .to_str()
        .expect("UTF-8")
        .to_owned()
}

fn close(one: f64, two: f64) -> bool {
    (one - two).abs() <= 1e-5 * two.abs().max(1.0)
}

#[test]
fn functions_answer_as_the_reference_libraries_do() {
    for name in MODELS {
        let golden =
            std::fs::read_to_string(models().join(name).join("golden.jsonl")).expect("golden rows");
        let golden: Vec<Value> = golden
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        let rows: Value = golden.iter().map(|line| line["row"].clone()).collect();
        let answers = answer(
            &["explain", &packed(name), "--output", "json"],
            rows.to_string().as_bytes(),
        );
        let answers: Vec<Value> = answers
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(answers.len(), golden.len());
        for (index, (found, expected)) in answers.iter().zip(&golden).enumerate() {
            let place = format!("{name}, golden row {index}");
            if expected["label"].is_string() {
                assert_eq!(found["label"], expected["label"], "{place}");
            }
            let values = found["values"].as_object().expect("values").values();
            for (found, expected) in values.zip(expected["values"].as_array().expect("values")) {
                assert!(
                    close(found.as_f64().unwrap(), expected.as_f64().unwrap()),
                    "{place}: {found} for {expected}"
                );
            }
            assert_eq!(
                (&found["exact"], &found["space"]),
                (&Value::from(true), &Value::from("margin")),
                "{place}"
            );
            for (output, explanation) in found["explanations"]
                .as_array()
                .expect("explanations")
                .iter()
                .enumerate()
            {
                let base = (
                    explanation["base_value"].as_f64().unwrap(),
                    expected["base"][output].as_f64().unwrap(),
                );
                assert!(
                    close(base.0, base.1),
                    "{place}: base {} for {}",
                    base.0,
                    base.1
                );
                for (feature, expected) in
                    expected["attributions"].as_object().expect("attributions")
                {
                    let found = explanation["attributions"][feature]
                        .as_f64()
                        .expect("an attribution");
                    let expected = expected[output].as_f64().expect("an attribution");
                    assert!(
                        close(found, expected),
                        "{place}, `{feature}`: {found} for {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn functions_verify_and_packing_twice_gives_equal_bytes() {
    for name in MODELS {
        let said = answer(&["verify", &packed(name)], b"");
        assert!(
            said.contains("to the bit, predictions and explanations; imports: wasi:"),
            "{said}"
        );
    }
    let again = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wine-again.wasm");
    let recipe = models().join("wine/function.toml");
    answer(
        &[
            "pack",
            recipe.to_str().unwrap(),
            "-o",
            again.to_str().unwrap(),
            "--quiet",
        ],
        b"",
    );
    let bytes = |path: &str| std::fs::read(path).expect("a function");
    assert!(bytes(again.to_str().unwrap()) == bytes(&packed("wine")));
}

#[test]
fn a_changed_function_is_not_verified() {
    let wine = packed("wine");
    let mut bytes = std::fs::read(&wine).expect("a function");
    let card = hyaline_pack::card_bytes(&bytes).expect("a card");
    let start = card.as_ptr() as usize - bytes.as_ptr() as usize;
    let golden =
        start + text(card).find("\"values\":[").expect("golden answers") + "\"values\":[0.".len();
    bytes[golden] = if bytes[golden] == b'1' { b'2' } else { b'1' };
    let changed = Path::new(env!("CARGO_TARGET_TMPDIR")).join("changed.wasm");
    std::fs::write(&changed, bytes).expect("a file");
    let (code, said) = refusal(&["verify", changed.to_str().unwrap()], b"");
    assert_eq!(code, 1);
    assert!(said.contains("changed.wasm is not verified"), "{said}");
    assert!(
        said.contains("the component differs from its card at `predictions.values[0]`"),
        "{said}"
    );
}

#[test]
fn every_form_of_input_and_output_says_the_same() {
    let wine = packed("wine");
    let card: Value = serde_json::from_str(&answer(&["inspect", &wine, "--json"], b""))
        .expect("the card is JSON");
    let example = card["example"].to_string();
    let csv = {
        let row = card["example"].as_object().expect("a row");
        let names: Vec<&str> = row.keys().map(String::as_str).collect();
        let values: Vec<String> = row.values().map(Value::to_string).collect();
        format!("{}\n{}\n", names.join(","), values.join(","))
    };
    let expected = answer(&["predict", &wine, "--example", "-o", "csv"], b"");
    assert!(
        expected.starts_with("row,label,barbera,barolo,grignolino\n1,"),
        "{expected}"
    );
    for input in [
        example.as_str(),
        &format!("[{example}]"),
        &format!("{{\"instances\":[{example}]}}"),
        &csv,
    ] {
        assert_eq!(
            answer(&["predict", &wine, "-o", "csv"], input.as_bytes()),
            expected
        );
    }
    let table = answer(&["predict", &wine, "-"], example.as_bytes());
    assert!(table.starts_with("row  label"), "{table}");
    let chart = answer(&["explain", &wine, "--example", "--top", "3"], b"");
    assert!(
        chart.contains("10 others") && chart.contains('█') && chart.contains("exact, linear"),
        "{chart}"
    );
    let csv = answer(&["explain", &wine, "--example", "-o", "csv"], b"");
    assert!(
        csv.starts_with("row,output,base_value,prediction,residual,alcohol,"),
        "{csv}"
    );
    assert_eq!(csv.lines().count(), 4);
}

#[test]
fn refusals_are_one_clear_line_with_their_causes() {
    let credit = packed("credit");
    let folder = models();
    let model = folder.join("credit/model.onnx");
    let model = model.to_str().unwrap();
    let data = folder.join("wine/reference.csv");
    let (wine, nothing) = (data.to_str().unwrap(), folder.join("nothing.onnx"));
    for (arguments, input, code, words) in [
        (
            vec!["pack", nothing.to_str().unwrap()],
            "",
            1,
            "nothing.onnx cannot be read",
        ),
        (vec!["pack", wine], "", 1, "the model cannot be packed"),
        (
            vec!["pack", model, "--target", "risk"],
            "",
            1,
            "speak about reference data; name it with --data",
        ),
        (
            vec!["pack", model, "--data", wine, "--target", "cultivar"],
            "",
            1,
            "the model cannot be packed",
        ),
        (
            vec!["pack", model, "--data", wine, "--target", "risk"],
            "",
            1,
            "the reference data has no column `risk`",
        ),
        (
            vec!["pack", model, "--metric", "auc=high"],
            "",
            2,
            "`high` is not a finite number",
        ),
        (
            vec!["inspect", model],
            "",
            1,
            "the file is not a WebAssembly component",
        ),
        (
            vec!["predict", &credit],
            "{\"agee\": 1}",
            1,
            "row 1: `agee` is no feature; the features are `age`, ",
        ),
        (
            vec!["predict", &credit],
            "{\"age\": \"old\"}",
            1,
            "row 1, feature `age`: \"old\" is no integer",
        ),
        (
            vec!["predict", &credit],
            "",
            1,
            "there are no rows: the input is empty",
        ),
        (
            vec!["explain", &credit, "--method", "linear"],
            "EXAMPLE",
            1,
            "`credit` gives no answer for rows 1 to 1",
        ),
        (
            vec!["forecast"],
            "",
            2,
            "unrecognized subcommand 'forecast'",
        ),
    ] {
        let example = || {
            let card: Value =
                serde_json::from_str(&answer(&["inspect", &credit, "--json"], b"")).expect("JSON");
            card["example"].to_string()
        };
        let input = if input == "EXAMPLE" {
            example()
        } else {
            input.to_owned()
        };
        let (found, said) = refusal(&arguments, input.as_bytes());
        assert!(
            said.starts_with("error: ") && said.contains(words),
            "hyaline {arguments:?}: {said}"
        );
        assert_eq!(found, code, "hyaline {arguments:?}: {said}");
    }
}
