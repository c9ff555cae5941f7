//! The commands that speak to a host, against a server that answers as the control API's contract says and writes down
//! what it was asked.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// A request as it came.
#[derive(Clone, Debug)]
struct Asked {
    line: String,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Asked {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

type Answers = Vec<(&'static str, u16, Value)>;

/// A server on loopback. `answers` are by request line, such as `GET /api/functions`; the first that fits is taken.
struct Host {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Host {
    fn new(answers: Answers) -> Host {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = serve(stream, &answers, &seen);
            }
        });
        Host { address, asked }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        run(&format!("http://{}", self.address), arguments)
    }

    /// What the command prints.
    fn answer(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    /// What it was asked since the last time.
    fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().expect("no panic"))
    }

    fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

fn serve(stream: TcpStream, answers: &Answers, seen: &Mutex<Vec<Asked>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
        let mut headers = HashMap::new();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            match header.trim_end().split_once(':') {
                Some((name, value)) => {
                    headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
                }
                None => break,
            }
        }
        let length = headers
            .get("content-length")
            .map_or(0, |value| value.parse().expect("a length"));
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let found = answers.iter().find(|(asked, ..)| line.starts_with(asked));
        let (status, answer) = found.map_or((404, json!({})), |(_, status, answer)| {
            (*status, answer.clone())
        });
        seen.lock().expect("no panic").push(Asked {
            line,
            headers,
            body,
        });
        let body = match answer {
            Value::String(text) => text,
            Value::Null => String::new(),
            document => document.to_string(),
        };
        write!(
            &stream,
            "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
    }
}

fn run(host: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hyaline"))
        .args(arguments)
        .env("HYALINE_HOST", host)
        .env_remove("HYALINE_KEY")
        .output()
        .expect("the command ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn version(number: u32) -> Value {
    json!({
        "version": number, "digest": format!("sha256:{}", "ab".repeat(32)), "size": 1_572_864,
        "description": "with \u{1b}[31mred", "created": "2026-11-27T09:00:00Z",
    })
}

fn function() -> Value {
    json!({
        "name": "credit", "state": "out-of-budget", "settings": {"limits": {}, "access": {"required": false}},
        "versions": [version(3), version(4)],
        "aliases": {
            "live": {"traffic": {"shares": [{"version": 3, "weight": 90}, {"version": 4, "weight": 10}], "shadow": 5}},
            "canary": {"traffic": {"shares": [{"version": 4, "weight": 1}]}},
        },
        "created": "2026-11-27T09:00:00Z", "changed": "2026-11-27T10:00:00Z",
    })
}

fn alias() -> Value {
    json!({"traffic": {"shares": [{"version": 3, "weight": 1}]}})
}

/// A file that begins as a component does.
fn component() -> String {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("component.wasm");
    std::fs::write(&path, b"\0asm\x0d\0\x01\0 and more").expect("a file");
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn a_function_is_deployed_with_its_description_and_promoted() {
    let host = Host::new(vec![(
        "POST /api/functions/credit/versions",
        201,
        version(4),
    )]);
    let said = host.answer(&["deploy", "credit", &component(), "--description", "a&b c"]);
    assert!(
        said.starts_with("credit version 4 deployed: 1.50 MiB, sha256:ab"),
        "{said}"
    );
    assert!(said.ends_with(", live\n"), "{said}");
    let asked = host.asked();
    assert_eq!(
        asked[0].line,
        "POST /api/functions/credit/versions?promote=true&description=a%26b%20c"
    );
    assert_eq!(asked[0].headers["content-type"], "application/wasm");
    assert_eq!(asked[0].body, b"\0asm\x0d\0\x01\0 and more");
}

/// A version must not get a single call under settings that were meant to change with it.
#[test]
fn settings_are_made_before_calls_go_to_the_version() {
    let host = Host::new(vec![
        ("POST /api/functions/credit/versions", 201, version(4)),
        (
            "PATCH /api/functions/credit/settings",
            200,
            json!({"limits": {}, "access": {"required": false}}),
        ),
        ("PUT /api/functions/credit/aliases/live", 200, alias()),
    ]);
    let file = component();
    host.answer(&[
        "deploy",
        "credit",
        &file,
        "--set",
        "limits.deadline_ms=500",
        "--set",
        "description=",
    ]);
    let asked = host.asked();
    let lines: Vec<&str> = asked.iter().map(|asked| asked.line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "POST /api/functions/credit/versions?promote=false",
            "PATCH /api/functions/credit/settings",
            "PUT /api/functions/credit/aliases/live",
        ]
    );
    assert_eq!(
        asked[1].json(),
        json!({"limits": {"deadline_ms": 500}, "description": null})
    );
    assert_eq!(
        asked[1].headers["content-type"],
        "application/merge-patch+json"
    );
    assert_eq!(
        asked[2].json(),
        json!({"shares": [{"version": 4, "weight": 1}]})
    );
    host.answer(&["deploy", "credit", &file, "--no-promote"]);
    assert_eq!(
        host.lines(),
        ["POST /api/functions/credit/versions?promote=false"]
    );
}

#[test]
fn what_is_no_component_is_not_sent() {
    let host = Host::new(vec![]);
    let output = host.run(&["deploy", "credit", env!("CARGO_MANIFEST_PATH")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("is not a WebAssembly component; `hyaline pack` makes one")
    );
    assert_eq!(
        host.run(&["deploy", "Not-A-Name", "x"]).status.code(),
        Some(2)
    );
    assert!(host.asked().is_empty());
}

#[test]
fn functions_and_versions_are_listed() {
    let host = Host::new(vec![
        ("GET /api/functions/credit", 200, function()),
        ("GET /api/functions", 200, json!([function()])),
    ]);
    assert_eq!(
        host.answer(&["functions"]),
        "function  state          live                    versions  size      changed (UTC)\n\
         credit    out of budget  3 90%, 4 10%, shadow 5         2  1.50 MiB  2026-11-27 10:00:00\n"
    );
    let versions = host.answer(&["versions", "credit"]);
    let lines: Vec<&str> = versions.lines().collect();
    assert!(
        lines[1].contains("live") && !lines[1].contains("canary"),
        "{versions}"
    );
    assert!(lines[2].contains("canary, live"), "{versions}");
    // Who describes a version does not command the terminal of who lists it.
    assert!(lines[1].contains("with \u{fffd}[31mred"), "{versions}");
    let documents: Value =
        serde_json::from_str(&host.answer(&["functions", "--json"])).expect("JSON");
    assert_eq!(documents[0]["name"], "credit");
}

#[test]
fn traffic_is_split_shown_and_rolled_back() {
    let host = Host::new(vec![
        (
            "PUT /api/functions/credit/aliases/",
            200,
            function()["aliases"]["live"].clone(),
        ),
        (
            "POST /api/functions/credit/aliases/live/rollback",
            200,
            alias(),
        ),
        (
            "GET /api/functions/credit/aliases",
            200,
            function()["aliases"].clone(),
        ),
    ]);
    let arguments = [
        "traffic",
        "credit",
        "3=90",
        "4=10",
        "--sticky",
        "header:X-User",
        "--shadow",
        "5",
    ];
    let said = host.answer(&arguments);
    assert_eq!(said, "credit@live goes to 3 90%, 4 10%, shadow 5\n");
    let asked = host.asked();
    assert_eq!(asked[0].line, "PUT /api/functions/credit/aliases/live");
    assert_eq!(
        asked[0].json(),
        json!({
            "shares": [{"version": 3, "weight": 90}, {"version": 4, "weight": 10}],
            "sticky": {"header": "x-user"}, "shadow": 5,
        })
    );
    assert_eq!(
        host.answer(&["rollback", "credit"]),
        "credit@live goes to 3\n"
    );
    assert_eq!(
        host.answer(&["alias", "credit", "canary"]),
        "credit@canary goes to 4\n"
    );
    host.asked();
    host.answer(&["alias", "credit", "canary", "3"]);
    let asked = host.asked();
    assert_eq!(asked[0].line, "PUT /api/functions/credit/aliases/canary");
    assert_eq!(
        asked[0].json(),
        json!({"shares": [{"version": 3, "weight": 1}]})
    );
    let output = host.run(&["traffic", "credit", "3=1", "3=2"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("version 3 is named twice"));
    let output = host.run(&["alias", "credit", "blue"]);
    assert!(text(&output.stderr).contains("credit has no alias `blue`; it has: canary, live"));
}

#[test]
fn things_are_removed_disabled_enabled_and_resumed() {
    let host = Host::new(vec![
        ("DELETE ", 204, Value::Null),
        ("POST /api/functions/credit/", 200, function()),
        ("POST /api/callers/mobile/resume", 204, Value::Null),
    ]);
    for arguments in [
        &["rm", "credit"][..],
        &["rm", "credit@4"],
        &["rm", "credit@canary"],
        &["keys", "revoke", "mobile"],
        &["disable", "credit"],
        &["enable", "credit"],
        &["resume", "credit"],
        &["resume", "caller:mobile"],
    ] {
        assert_eq!(host.answer(arguments), "", "{arguments:?}");
    }
    assert_eq!(
        host.lines(),
        [
            "DELETE /api/functions/credit",
            "DELETE /api/functions/credit/versions/4",
            "DELETE /api/functions/credit/aliases/canary",
            "DELETE /api/keys/mobile",
            "POST /api/functions/credit/disable",
            "POST /api/functions/credit/enable",
            "POST /api/functions/credit/resume",
            "POST /api/callers/mobile/resume",
        ]
    );
}

#[test]
fn a_new_keys_secret_is_all_that_goes_to_standard_output() {
    let issued = json!({
        "name": "mobile", "control": false, "prefix": "hyk_ab", "created": "2026-11-27T09:00:00Z", "secret": "hyk_abc",
    });
    let host = Host::new(vec![("POST /api/keys", 201, issued)]);
    let arguments = [
        "keys",
        "new",
        "mobile",
        "--functions",
        "credit,wine",
        "--rate",
        "100/60+20",
        "--quota",
        "1000/day",
        "--budget",
        "5/month",
        "--expires",
        "2027-01-01",
    ];
    let output = host.run(&arguments);
    assert_eq!(text(&output.stdout), "hyk_abc\n");
    assert!(text(&output.stderr).contains("cannot be shown again"));
    assert_eq!(
        host.asked()[0].json(),
        json!({
            "name": "mobile", "functions": ["credit", "wine"], "control": false,
            "rate": {"requests": 100, "seconds": 60, "burst": 20}, "quotas": [{"requests": 1000, "period": "day"}],
            "budget": {"usd": 5.0, "period": "month", "warn_at": 0.8}, "expires": "2027-01-01T00:00:00Z",
        })
    );
}

#[test]
fn usage_is_a_table_or_the_hosts_own_csv() {
    let row = json!({
        "function": "credit", "hour": "2026-11-27T09:00:00Z", "invocations": 12, "failures": 1, "cold_starts": 1,
        "wall_us": 1500, "cpu_us": 900, "gb_seconds": 0.0001, "bytes_in": 10, "bytes_out": 2048, "fuel": 0,
        "exact_usd": 0.000_000_002, "billed_usd": 0.000_002_4,
    });
    let host = Host::new(vec![("GET /api/usage", 200, json!([row]))]);
    let said = host.answer(&[
        "usage",
        "--by",
        "function,hour",
        "--from",
        "2026-11-27",
        "--function",
        "credit",
        "--caller",
        "https://issuer.example|ada",
    ]);
    assert_eq!(
        host.lines(),
        [
            "GET /api/usage?by=function,hour&function=credit&caller=https%3A%2F%2Fissuer%2Eexample%7Cada&from=2026%2D11%2D27T00%3A00%3A00Z"
        ]
    );
    let cells: Vec<&str> = said
        .lines()
        .nth(1)
        .expect("a row")
        .split("  ")
        .map(str::trim)
        .filter(|cell| !cell.is_empty())
        .collect();
    assert_eq!(cells[..3], ["credit", "2026-11-27 09:00", "12"]);
    assert_eq!(cells[cells.len() - 2..], ["0.000000002", "0.0000024"]);
    let host = Host::new(vec![(
        "GET /api/usage",
        200,
        json!("function,invocations\ncredit,12\n"),
    )]);
    assert_eq!(
        host.answer(&["usage", "--csv"]),
        "function,invocations\ncredit,12\n"
    );
    assert_eq!(host.asked()[0].headers["accept"], "text/csv");
}

#[test]
fn budgets_and_events_are_told() {
    let budget = json!([{
        "subject": "function:credit", "budget": {"usd": 1.0, "period": "month", "warn_at": 0.8}, "spent_usd": 0.85,
        "since": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z", "state": "warned",
    }, {
        "subject": "caller:ada", "budget": {"usd": 1.0, "period": "total", "warn_at": 0.8}, "spent_usd": 0.000_000_4,
        "state": "open",
    }]);
    let event = json!([{
        "id": 7, "time": "2026-11-27T09:00:00Z", "type": "budget-warning", "subject": "function:credit",
        "message": "80 %\nof it",
    }]);
    let host = Host::new(vec![
        ("GET /api/budgets", 200, budget.clone()),
        ("GET /api/events", 200, event),
    ]);
    assert_eq!(
        host.answer(&["budgets"]),
        "subject          state   spent USD  of USD  %     each   since (UTC)\n\
         function:credit  warned       0.85       1  85    month  2026-11-01 00:00:00\n\
         caller:ada       open    0.0000004       1  <0.1  total  -\n"
    );
    let printed: Value = serde_json::from_str(&host.answer(&["budgets", "--json"])).expect("JSON");
    assert_eq!(printed, budget, "nothing is left out");
    assert_eq!(
        host.answer(&["events", "--after", "3"]),
        "2026-11-27 09:00:00  budget-warning    function:credit  80 %\u{fffd}of it\n"
    );
    assert_eq!(
        host.lines(),
        [
            "GET /api/budgets",
            "GET /api/budgets",
            "GET /api/events?after=3"
        ]
    );
}

#[test]
fn settings_are_read_patched_and_replaced() {
    let settings =
        json!({"description": "Scores", "limits": {"fuel": 5}, "access": {"required": false}});
    let host = Host::new(vec![
        ("GET /api/functions/credit/settings", 200, settings.clone()),
        (
            "PATCH /api/functions/credit/settings",
            200,
            settings.clone(),
        ),
        ("PUT /api/functions/credit/settings", 200, settings.clone()),
    ]);
    let printed = host.answer(&["settings", "credit"]);
    assert_eq!(
        serde_json::from_str::<Value>(&printed).expect("JSON"),
        settings
    );
    host.answer(&["settings", "credit", "set", "limits.fuel=6", "reuse="]);
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("settings.json");
    std::fs::write(&file, printed).expect("a file");
    let file = file.to_str().expect("UTF-8");
    host.answer(&["settings", "credit", "edit-from", file]);
    let asked = host.asked();
    assert_eq!(
        asked[1].json(),
        json!({"limits": {"fuel": 6}, "reuse": null})
    );
    assert_eq!(asked[2].line, "PUT /api/functions/credit/settings");
    assert_eq!(asked[2].json(), settings);
    // A misspelled setting does not reach the host.
    std::fs::write(file, r#"{"limit": {}}"#).expect("a file");
    let output = host.run(&["settings", "credit", "edit-from", file]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("unknown field `limit`"));
    assert!(host.asked().is_empty());
}

#[test]
fn refusals_say_what_the_host_says() {
    let problem = |status: u16, detail: &str| json!({"type": "urn:hyaline:problem:x", "title": "X", "status": status, "detail": detail});
    let host = Host::new(vec![
        (
            "GET /api/functions/credit",
            404,
            problem(404, "there is no function `credit`"),
        ),
        (
            "GET /api/functions",
            401,
            problem(401, "the control plane needs a key"),
        ),
        ("GET /api/budgets", 200, json!("<html>")),
        ("GET /api/events", 502, json!("<html>\u{1b}[2J")),
    ]);
    for (arguments, words) in [
        (
            &["versions", "credit"][..],
            "error: there is no function `credit`\n",
        ),
        (
            &["functions"],
            "error: the control plane needs a key; give a control key with `--key-file` or HYALINE_KEY\n",
        ),
        (&["budgets"], "is it the control address?"),
        (
            &["events"],
            "answers 502 Bad Gateway, not as a Hyaline host does: <html>\u{fffd}[2J",
        ),
    ] {
        let output = host.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert_eq!(text(&output.stdout), "");
        let said = text(&output.stderr);
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}

#[test]
fn a_host_that_does_not_run_is_said_to() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let host = format!("http://{}", listener.local_addr().expect("its address"));
    drop(listener);
    let output = run(&host, &["functions"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stderr),
        format!(
            "error: no host runs at {host}; start one with `hyaline up`, or name another with `--host` or HYALINE_HOST\n"
        )
    );
    for wrong in ["localhost:3001", "ftp://x", "http://a@b", "http://x/?y"] {
        let output = run(wrong, &["functions"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            text(&output.stderr).contains("is not the address of a host"),
            "{wrong}"
        );
    }
}

#[test]
fn the_first_key_is_made_without_a_host() {
    let state = tempfile::tempdir().expect("a folder");
    let state = state.path().to_str().expect("UTF-8");
    let new = |name| {
        let nowhere = "http://127.0.0.1:1";
        run(
            nowhere,
            &["keys", "new", name, "--control", "--state", state],
        )
    };
    let made = new("root");
    assert!(text(&made.stdout).starts_with("hyk_"), "{made:?}");
    assert_eq!(text(&made.stdout).lines().count(), 1);
    let refused = new("root");
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(
        said.contains(&format!(
            "no key was made in `{state}`; while a host runs there, ask it, without `--state`"
        )) && said.contains("there is an API key `root` already"),
        "{said}"
    );
}

#[test]
fn the_key_comes_from_the_command_line_a_file_or_the_environment() {
    let host = Host::new(vec![("GET /api/keys", 200, json!([]))]);
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("control.key");
    std::fs::write(&file, "of-the-file\n").expect("a file");
    let file = file.to_str().expect("UTF-8");
    let sent = |arguments: &[&str], environment: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hyaline"));
        command.args(["keys", "list"]).args(arguments);
        command.args(["--host", &format!("http://{}/", host.address)]);
        command.env_remove("HYALINE_KEY");
        if let Some(key) = environment {
            command.env("HYALINE_KEY", key);
        }
        let output = command.output().expect("the command ends");
        assert!(output.status.success(), "{}", text(&output.stderr));
        host.asked()[0].headers.get("authorization").cloned()
    };
    assert_eq!(sent(&[], None), None);
    assert_eq!(
        sent(&["--key", "mine"], Some("other")).as_deref(),
        Some("Bearer mine")
    );
    assert_eq!(
        sent(&["--key-file", file], Some("other")).as_deref(),
        Some("Bearer of-the-file")
    );
    assert_eq!(
        sent(&[], Some("of-the-environment")).as_deref(),
        Some("Bearer of-the-environment")
    );
}

#[test]
fn a_url_is_loaded_and_the_report_printed() {
    let host = Host::new(vec![("POST /predict", 200, json!({"label": "good"}))]);
    let rows = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("rows.jsonl");
    std::fs::write(&rows, "{\"a\":1}\n\n{\"a\":2}\n").expect("a file");
    let url = format!("http://{}/predict", host.address);
    let rows = rows.to_str().expect("UTF-8");
    let arguments = [
        "bench",
        &url,
        "-c",
        "1",
        "-n",
        "10",
        "--warm-up",
        "0",
        "-d",
        "20",
        "--body-file",
        rows,
        "--json",
    ];
    let report: Value = serde_json::from_str(&host.answer(&arguments)).expect("JSON");
    assert_eq!(
        (&report["answers"], &report["status"]["200"]),
        (&json!(10), &json!(10))
    );
    let asked = host.asked();
    assert_eq!(asked.len(), 10);
    assert!(
        asked
            .iter()
            .all(|asked| asked.headers["content-type"] == "application/json")
    );
    assert_eq!(asked[0].json(), json!({"a": 1}));
    assert_eq!(asked[3].json(), json!({"a": 2}));
    let output = host.run(&["bench", &url, "-d", "2h"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("a run takes at most 3600 s"));
    let output = host.run(&["bench", "https://127.0.0.1/"]);
    assert!(text(&output.stderr).contains("speaks `http://` only"));
}
