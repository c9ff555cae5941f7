//! The same bytes on another host: every function on V8 (`jco serve`) answers byte for byte what our host answers.

use anyhow::Result;
use end_to_end::{Answer, NAMES, Server, golden, packed};

/// Golden rows asked about.
const ROWS: usize = 4;

/// Pages, documents, answers and refusals of one function.
fn conversation(server: &Server, name: &str, prefix: &str) -> Result<Vec<(String, Answer)>> {
    let mut answers = Vec::new();
    for path in [
        "/card",
        "/schema",
        "/openapi.json",
        "/healthz",
        "/",
        "/v2",
        "/v2/health/ready",
        "/v1/models",
        "/ping",
        "/nothing",
        "/importance?repeats=2",
        "/importance?method=shap",
        "/dependence?feature=age&grid=5",
        "/dependence?feature=age&kind=accumulated",
        "/prototypes?count=2",
    ] {
        answers.push((
            format!("GET {path}"),
            server.get(&format!("{prefix}{path}"))?,
        ));
    }
    let html = [("accept", "text/html")];
    answers.push((
        "GET / as a browser".to_owned(),
        server.get_with(&format!("{prefix}/"), &html)?,
    ));
    let json = [("content-type", "application/json")];
    for (index, golden) in golden(name)?.iter().take(ROWS).enumerate() {
        let body = golden["row"].to_string();
        for path in [
            "/predict",
            "/predict?coverage=0.9",
            "/explain",
            "/explain?method=leverage&samples=400&seed=3",
            "/explain?method=permutation&samples=400",
            "/explain?method=lime&samples=300",
            "/counterfactual",
            "/anchor",
            "/invocations",
            &format!("/v1/models/{name}:explain"),
        ] {
            let body = if path.starts_with("/v1") || path == "/invocations" {
                format!("{{\"instances\":[{body}]}}")
            } else {
                body.clone()
            };
            answers.push((
                format!("POST {path} row {index}"),
                server.post(&format!("{prefix}{path}"), &json, body.as_bytes())?,
            ));
        }
    }
    let nonsense: [&[u8]; 7] = [
        b"",
        b"{",
        b"[]",
        b"{\"no_such_feature\": 1}",
        b"[[1, 2], [3]]",
        b"\xff\xfe",
        b"{\"instances\": \"x\"}",
    ];
    for body in nonsense {
        let what = format!("POST /predict {}", String::from_utf8_lossy(body));
        answers.push((
            what,
            server.post(&format!("{prefix}/predict"), &json, body)?,
        ));
    }
    Ok(answers)
}

#[test]
fn every_function_answers_the_same_bytes_on_v8() -> Result<()> {
    let ours = Server::up()?;
    for name in NAMES {
        let theirs = Server::on_v8(&packed(name))?;
        let here = conversation(&ours, name, &format!("/{name}"))?;
        let there = conversation(&theirs, name, "")?;
        assert_eq!(here.len(), there.len());
        for ((what, here), (_, there)) in here.iter().zip(&there) {
            assert_eq!(
                here.status,
                there.status,
                "{name}: {what}: {} against {}",
                here.text(),
                there.text()
            );
            assert!(
                here.body == there.body,
                "{name}: {what}: {} against {}",
                here.text(),
                there.text()
            );
            assert_eq!(here.content_type, there.content_type, "{name}: {what}");
            // A function that cannot do what another can says so.
            assert!(
                here.status < 500 || here.status == 501,
                "{name}: {what}: {}",
                here.text()
            );
        }
    }
    Ok(())
}
