//! The official JMESPath compliance suite, from the sources of the `jmespath` crate as cargo has them.
//!
//! The suite is not copied here: cargo says where the crate lies. No case is left out.

use std::path::PathBuf;
use std::process::Command;

use hyaline_gateway::Expression;
use serde_json::Value;

fn suites() -> Vec<(String, Value)> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages
        .iter()
        .find(|package| package["name"] == "jmespath")
        .unwrap();
    let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap());
    let folder = manifest.with_file_name("tests").join("compliance");
    let mut suites = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        suites.push((
            name,
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap(),
        ));
    }
    suites.sort_by(|one, other| one.0.cmp(&other.0));
    suites
}

/// Whether two values are the same, numbers by their value: the suite writes 2 for what may be 2.0.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(name, one)| other.get(name).is_some_and(|other| same(one, other)))
        }
        _ => one == other,
    }
}

#[test]
fn the_official_suite_holds() {
    let suites = suites();
    assert!(suites.len() >= 16, "{}", suites.len());
    let mut count = 0;
    let mut wrong = Vec::new();
    for (suite, groups) in &suites {
        for group in groups.as_array().unwrap() {
            let given = &group["given"];
            for case in group["cases"].as_array().unwrap() {
                let text = case["expression"].as_str().unwrap();
                let made = Expression::new(text)
                    .map_err(|error| error.to_string())
                    .and_then(|expression| {
                        expression
                            .evaluate(given, 1 << 20)
                            .map_err(|error| error.to_string())
                    })
                    .map(|bytes| serde_json::from_slice::<Value>(&bytes).unwrap());
                let right = match (&made, case.get("result"), case.get("error")) {
                    (Ok(made), Some(result), _) => same(made, result),
                    (Err(_), None, Some(_)) => true,
                    // Benchmarks say what is timed and no result; two of them are no expressions at all.
                    (_, None, None) => case.get("bench").is_some(),
                    _ => false,
                };
                count += 1;
                if !right {
                    wrong.push(format!("{suite}: {text} on {given}: {made:?}, not {case}"));
                }
            }
        }
    }
    assert!(count > 800, "{count}");
    assert!(wrong.is_empty(), "{} of {count}: {wrong:#?}", wrong.len());
}

#[test]
fn conditions_of_sagemaker_are_asked_per_record() {
    let holds = |expression: &str, record: &str| {
        let value: Value = serde_json::from_str(record).unwrap();
        Expression::new(expression)
            .unwrap()
            .is_true(&value)
            .map_err(|error| error.to_string())
    };
    assert_eq!(holds("`true`", "0.9"), Ok(true));
    assert_eq!(holds("`false`", "0.9"), Ok(false));
    assert_eq!(holds("[0]>`0.8`", "[0.9, 0.1]"), Ok(true));
    assert_eq!(holds("[0]>`0.8`", "[0.8, 0.1]"), Ok(false));
    assert_eq!(holds("[0]>`0.8`", "{}"), Ok(false));
    assert_eq!(
        holds(
            "label=='bad' && score >= `0.5`",
            r#"{"label":"bad","score":0.5}"#
        ),
        Ok(true)
    );
    assert_eq!(
        holds("contains(labels, 'a')", r#"{"labels":["b","a"]}"#),
        Ok(true)
    );
    assert_eq!(
        holds("[0]", "[0.9]"),
        Err("the expression is no condition: it gave number, and not true, false or null".into())
    );
    assert_eq!(
        holds("length([0]) > `1`", "[0.9]"),
        Err("length() takes a string, an array or an object, and was given number".into())
    );
}

#[test]
fn expressions_that_are_none_are_refused_with_their_place() {
    let words = |text: &str| Expression::new(text).unwrap_err().to_string();
    assert_eq!(
        words("a[::0]"),
        "`a[::0]` is not a JMESPath expression: a slice cannot have the step 0 (line 1, column 6)"
    );
    assert_eq!(
        words("a.\nlenght(b)"),
        "`a.\nlenght(b)` is not a JMESPath expression: there is no function lenght() (line 2, column 7)"
    );
    assert!(words("sum(a, b)").contains("sum() takes 1 arguments, not 2"));
    assert!(words("max_by(a, b)").contains("max_by() takes an expression there, such as &name"));
    assert!(words("length(&a)").contains("length() takes a value there, not an expression (&)"));
    assert!(words("a | &b").contains("an expression with & is an argument of a function only"));
    assert!(words("").contains("(line 1, column 1)"));
}

#[test]
fn integers_are_compared_and_added_exactly() {
    let made = |expression: &str, body: &str| {
        String::from_utf8(
            Expression::new(expression)
                .unwrap()
                .map(body.as_bytes(), 1000)
                .unwrap(),
        )
        .unwrap()
    };
    assert_eq!(
        made("a == b", r#"{"a":9007199254740993,"b":9007199254740992}"#),
        "false"
    );
    assert_eq!(
        made("a > b", r#"{"a":9007199254740993,"b":9007199254740992}"#),
        "true"
    );
    assert_eq!(made("a == b", r#"{"a":1,"b":1.0}"#), "true");
    assert_eq!(made("sum(@)", "[9007199254740993, 2]"), "9007199254740995");
    assert_eq!(
        made("sum(@)", "[9223372036854775807, 9223372036854775807]"),
        "18446744073709551614"
    );
    assert_eq!(made("sum(@)", "[0.5, 1]"), "1.5");
    assert_eq!(
        made("max(@)", "[9007199254740992, 9007199254740993]"),
        "9007199254740993"
    );
    assert_eq!(
        made("sort(@)", "[2.5, 9007199254740993, -1, 9007199254740992]"),
        "[-1,2.5,9007199254740992,9007199254740993]"
    );
    assert_eq!(
        made("abs(@)", "-9223372036854775808"),
        "9223372036854775808"
    );
    assert_eq!(
        made("[ceil(`1.2`), floor(`-1.2`), ceil(@)]", "9007199254740993"),
        "[2,-2,9007199254740993]"
    );
    assert_eq!(
        made("to_number('18446744073709551615')", "0"),
        "18446744073709551615"
    );
    assert_eq!(
        made("to_string(@)", "18446744073709551615"),
        "\"18446744073709551615\""
    );
    assert_eq!(made("`18446744073709551615`", "0"), "18446744073709551615");
    assert_eq!(made("[1:2147483647:2147483647]", "[1,2,3]"), "[2]");
    assert_eq!(
        made("[-2147483647:2147483647:-2147483647]", "[1,2,3]"),
        "[]"
    );
}

/// Runs on a thread with three eighths of the stack of a worker of the server, so that recursion shows.
fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new()
        .stack_size(768 * 1024)
        .spawn(work)
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn hostile_expressions_end_soon() {
    on_a_small_stack(|| {
        let value: Value = serde_json::from_str(r#"{"a":[1,[2,"x"],{"b":null}],"b":"y"}"#).unwrap();
        let shapes: [&dyn Fn(usize) -> String; 16] = [
            &|n| "(".repeat(n) + "a" + &")".repeat(n),
            &|n| "[".repeat(n) + "a" + &"]".repeat(n),
            &|n| "{a:".repeat(n) + "a" + &"}".repeat(n),
            &|n| "!".repeat(n) + "a",
            &|n| "&".repeat(n) + "a",
            &|n| String::from("a") + ".a".repeat(n).as_str(),
            &|n| String::from("a") + "[]".repeat(n).as_str(),
            &|n| String::from("a") + "[*]".repeat(n).as_str(),
            &|n| String::from("a") + "[?a]".repeat(n).as_str(),
            &|n| String::from("a") + "[0]".repeat(n).as_str(),
            &|n| "*".to_owned() + &".*".repeat(n),
            &|n| "a".to_owned() + &"||a".repeat(n),
            &|n| "a".to_owned() + &"|a".repeat(n),
            &|n| "a".to_owned() + &"==a".repeat(n),
            &|n| "not_null(".repeat(n) + "a" + &")".repeat(n),
            &|n| format!("`{}1{}`", "[".repeat(n), "]".repeat(n)),
        ];
        for shape in shapes {
            for size in [
                1, 10, 60, 100, 127, 128, 200, 255, 400, 511, 512, 1000, 2000, 100_000,
            ] {
                if let Ok(expression) = Expression::new(&shape(size)) {
                    let _ = expression.is_true(&value);
                    let _ = expression.evaluate(&value, 1 << 16);
                }
            }
        }
        for amplified in [
            "[@,@][]",
            "[@,@]",
            "{a:@,b:@}.[a,b][]",
            "join('',[to_string(@),to_string(@)])",
            "map(&[@,@],@)[][]",
        ] {
            let text = vec![amplified; 40].join("|");
            let expression = Expression::new(&text).unwrap();
            assert!(expression.is_true(&value).is_err(), "{amplified}");
        }
        let equal = "[@,@]|".repeat(40) + "@ == @";
        assert!(Expression::new(&equal).unwrap().is_true(&value).is_err());
    });
}

#[test]
fn random_expressions_never_panic() {
    on_a_small_stack(|| {
        let pieces = [
            "a",
            "b",
            "\"a\"",
            "'x'",
            "`1`",
            "`[1,2]`",
            "`\"",
            "@",
            "*",
            ".",
            "|",
            "||",
            "&&",
            "!",
            "==",
            "<",
            ">=",
            "(",
            ")",
            "[",
            "]",
            "[]",
            "[?",
            "{",
            "}",
            ":",
            ",",
            "&",
            "0",
            "-1",
            "99999999999",
            "2147483647",
            "-2147483648",
            "length(",
            "sort_by(",
            "map(",
            "merge(",
            "ä",
            "\u{0}",
            "\\",
            "\n",
            " ",
            "-",
            "😀",
            "٣",
            "`",
            "'",
        ];
        let value: Value = serde_json::from_str(r#"{"a":[1,[2,"x"],{"b":null}],"b":"y"}"#).unwrap();
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        let mut next = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        };
        let mut sound = 0;
        for _ in 0..60_000 {
            let text: String = (0..1 + next(9))
                .map(|_| pieces[next(pieces.len())])
                .collect();
            if let Ok(expression) = Expression::new(&text) {
                sound += 1;
                let _ = expression.is_true(&value);
            }
        }
        assert!(sound > 1000, "{sound}");
    });
}
