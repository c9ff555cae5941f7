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

/// The numbers of `value`, by output where there are several.
fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Object(values) => values.values().filter_map(Value::as_f64).collect(),
        Value::Array(values) => values.iter().filter_map(Value::as_f64).collect(),
        value => value.as_f64().into_iter().collect(),
    }
}

fn assert_close(place: &str, found: &Value, expected: &Value) {
    let (found, expected) = (numbers(found), numbers(expected));
    assert_eq!(found.len(), expected.len(), "{place}");
    for (found, expected) in found.iter().zip(&expected) {
        assert!(close(*found, *expected), "{place}: {found} for {expected}");
    }
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
        let answer = answer(
            &["explain", &packed(name), "--json"],
            rows.to_string().as_bytes(),
        );
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        let list = |member: &str| answer[member].as_array().expect("a list").clone();
        let (predictions, explanations) = (list("predictions"), list("explanations"));
        assert_eq!(
            (predictions.len(), explanations.len()),
            (golden.len(), golden.len())
        );
        for (index, expected) in golden.iter().enumerate() {
            let place = format!("{name}, golden row {index}");
            let (prediction, explanation) = (&predictions[index], &explanations[index]);
            if expected["label"].is_string() {
                assert_eq!(prediction["label"], expected["label"], "{place}");
            }
            let values = prediction
                .get("probabilities")
                .unwrap_or(&prediction["value"]);
            assert_close(&place, values, &expected["values"]);
            assert_eq!(
                (&explanation["exact"], &explanation["space"]),
                (&Value::from(true), &Value::from("margin")),
                "{place}"
            );
            assert_close(&place, &explanation["base_value"], &expected["base"]);
            for part in explanation["attributions"].as_array().expect("a list") {
                let feature = part["feature"].as_str().expect("a name");
                let expected = &expected["attributions"][feature];
                assert_close(
                    &format!("{place}, `{feature}`"),
                    &part["attribution"],
                    expected,
                );
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
    let example_csv = {
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
        &example_csv,
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
        csv.starts_with("row,output,base_value,prediction,residual,reason,attribution,standard_error\n1,barbera,"),
        "{csv}"
    );
    // A line for each of 13 features and 3 cultivars.
    assert_eq!(csv.lines().count(), 1 + 13 * 3);
    let data = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rows.csv");
    std::fs::write(&data, &example_csv).expect("a file");
    let named = [
        "predict",
        &wine,
        "--data",
        data.to_str().unwrap(),
        "-o",
        "csv",
    ];
    assert_eq!(answer(&named, b""), expected);
}

#[test]
fn estimates_rules_changes_and_overviews_are_shown() {
    let credit = packed("credit");
    let asked = |arguments: &[&str], words: &[&str]| {
        let mut whole = vec![arguments[0], &credit];
        whole.extend(&arguments[1..]);
        let said = answer(&whole, b"");
        for word in words {
            assert!(
                said.contains(word),
                "hyaline {whole:?}: no {word:?} in\n{said}"
            );
        }
        // The same question has the same answer, to the last digit.
        assert_eq!(said, answer(&whole, b""));
    };
    asked(
        &[
            "explain",
            "--example",
            "--method",
            "leverage",
            "--samples",
            "300",
            "--seed",
            "7",
        ],
        &["(estimated, leverage, ", "seed 7", " ± ", "█"],
    );
    asked(
        &["explain", "--example", "--method", "lime"],
        &["(estimated, lime, ", "checking_account=not_known"],
    );
    asked(
        &["counterfactual", "--example", "--count", "2"],
        &["row 1: good", "counterfactual  feature", "bad ("],
    );
    asked(
        &[
            "explain",
            "--example",
            "--method",
            "counterfactual",
            "-o",
            "csv",
        ],
        &["row,counterfactual,feature,from,to,prediction\n1,1,"],
    );
    asked(
        &["anchor", "--example"],
        &["the answer stays while ", " of the reference rows meet it"],
    );
    asked(
        &["importance", "--repeats", "2"],
        &["when a feature is shuffled", "checking_account"],
    );
    asked(
        &[
            "dependence",
            "--feature",
            "duration",
            "--grid",
            "4",
            "-o",
            "csv",
        ],
        &["duration,good\n"],
    );
    asked(
        &["dependence", "--feature", "housing"],
        &["partial dependence on housing", "rent"],
    );
    asked(&["prototypes", "--count", "1"], &["typical", "untypical"]);
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
            "row 1, feature `age`: expected a whole number, found the text \"old\"",
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
            "the closed form needs a linear model",
        ),
        (
            vec!["explain", &credit, "--method", "guess"],
            "EXAMPLE",
            1,
            "parameter `method` is `guess`; expected one of `auto`, ",
        ),
        (
            vec!["dependence", &credit, "--feature", "agee"],
            "",
            1,
            "the model has no feature `agee`; did you mean `age`?",
        ),
        (
            vec!["counterfactual", &credit, "--target", "excellent"],
            "EXAMPLE",
            1,
            "parameter `target` is `excellent`; expected one of `bad`, `good`",
        ),
        (
            vec!["predict", &credit, "--text", "hello"],
            "",
            1,
            "`credit` takes no text; send it rows",
        ),
        (
            vec!["predict", &credit, "--example", "--text", "hello"],
            "",
            2,
            "cannot be used with",
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

#[test]
fn exported_files_hold_the_component_that_was_exported_where_the_platform_reads_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let [credit, wine] = ["credit", "wine"].map(|name| {
        std::fs::create_dir(path(name)).expect("a folder");
        let file = path(&format!("{name}/model.wasm"));
        std::fs::copy(packed(name), &file).expect("a copy");
        file
    });
    let export = |function: &str, target: &str, more: &[&str]| {
        let output = path(target);
        let image = "registry.example/model:1";
        let arguments = [
            "export", function, "--target", target, "-o", &output, "--image", image,
        ];
        hyaline(&[&arguments[..], more].concat(), b"")
    };
    let beside = |target: &str| std::fs::read(path(target) + "/model.wasm").ok();
    let bytes = |function: &str| Some(std::fs::read(function).expect("a file"));
    for target in ["spin", "kubernetes", "container"] {
        let made = export(&credit, target, &[]);
        assert!(made.status.success(), "{target}: {}", text(&made.stderr));
        assert!(beside(target) == bytes(&credit), "{target}");
        let made = export(&wine, target, &["--force"]);
        assert!(made.status.success(), "{target}: {}", text(&made.stderr));
        assert!(beside(target) == bytes(&wine), "{target}: the other one");
    }
    assert!(export(&credit, "spinkube", &[]).status.success());
    assert_eq!(beside("spinkube"), None, "SpinKube fetches it");
    // A component of somebody else's is kept, too.
    std::fs::create_dir(path("systemd")).expect("a folder");
    std::fs::copy(&wine, path("systemd") + "/model.wasm").expect("a copy");
    let refused = export(&credit, "systemd", &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        text(&refused.stderr).contains("model.wasm` is there already; replace it with `--force`"),
        "{}",
        text(&refused.stderr)
    );
    assert!(beside("systemd") == bytes(&wine));
}
