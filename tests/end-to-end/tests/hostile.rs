//! Hostile clients: each is answered or cut off, and the host goes on as if nothing had been.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use end_to_end::{Host, golden};
use serde_json::Value;

/// Connections the host of these tests takes on each port.
const MOST: usize = 64;
/// Milliseconds it waits for a request to arrive.
const WAIT_MS: u64 = 1500;
/// Bytes by which all of it may let the host's memory grow, the room that its allocator keeps included.
const ROOM: u64 = 64 << 20;

struct Besieged {
    host: Host,
    row: Value,
    answer: Vec<u8>,
    memory: u64,
    _folder: tempfile::TempDir,
}

impl Besieged {
    fn new() -> Result<Besieged> {
        let folder = tempfile::tempdir()?;
        let host = Host::up(
            &folder.path().join("state"),
            &[
                "--set",
                &format!("connections.most={MOST}"),
                "--set",
                &format!("connections.head_wait_ms={WAIT_MS}"),
                "--set",
                &format!("connections.body_wait_ms={WAIT_MS}"),
            ],
        )?;
        host.deploy(&["credit"])?;
        let row = golden("credit")?[0]["row"].clone();
        let mut answer = Vec::new();
        for _ in 0..50 {
            answer = host.predict("credit", &row)?.body;
        }
        let memory = host.resident()?;
        Ok(Besieged {
            host,
            row,
            answer,
            memory,
            _folder: folder,
        })
    }

    /// The data and the control port.
    fn ports(&self) -> [&str; 2] {
        [&self.host.url, &self.host.control]
    }

    /// The host answers on both ports, the same as ever, and has not grown.
    fn goes_on(&self) -> Result<()> {
        let answer = self.host.predict("credit", &self.row)?;
        assert_eq!(
            (answer.status, &answer.body),
            (200, &self.answer),
            "{}",
            answer.text()
        );
        assert_eq!(
            self.host.api("GET", "/api/functions/credit", &[])?.status,
            200
        );
        let grown = self.host.resident()?.saturating_sub(self.memory);
        assert!(grown < ROOM, "the host has grown by {grown} bytes");
        Ok(())
    }
}

fn connect(url: &str) -> Result<TcpStream> {
    let stream = TcpStream::connect(url.trim_start_matches("http://"))?;
    let patience = Some(Duration::from_secs(30));
    stream.set_read_timeout(patience)?;
    stream.set_write_timeout(patience)?;
    Ok(stream)
}

/// What comes back until the host ends the connection, or until it waits for more: half a minute is too long.
fn said(url: &str, request: &[u8]) -> Result<String> {
    let mut stream = connect(url)?;
    // A host that has seen enough may close before it has read everything.
    let _ = stream.write_all(request);
    let _ = stream.shutdown(Shutdown::Write);
    heard(&mut stream)
}

fn heard(stream: &mut TcpStream) -> Result<String> {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => return Err(error).context("the host neither answers nor closes"),
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Status codes of the answers on a connection.
fn statuses(answers: &str) -> Vec<u16> {
    answers
        .split("HTTP/1.1 ")
        .skip(1)
        .filter_map(|answer| answer.get(..3)?.parse().ok())
        .collect()
}

/// Closed without a word, or refused as the client's own fault.
fn is_refused(answers: &str) -> bool {
    let statuses = statuses(answers);
    statuses.len() <= 1 && statuses.iter().all(|status| (400..500).contains(status))
}

#[test]
fn malformed_and_oversized_requests_are_refused_and_do_no_harm() -> Result<()> {
    let besieged = Besieged::new()?;
    let head = "POST /credit/predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let long = "a".repeat(4 << 20);
    let many: String = (0..100_000).map(|n| format!("x-{n}: 1\r\n")).collect();
    let requests: Vec<(&str, Vec<u8>)> = vec![
        (
            "a long header",
            format!("{head}x-long: {long}\r\n\r\n").into(),
        ),
        ("many headers", format!("{head}{many}\r\n").into()),
        (
            "a long path",
            format!("GET /{long} HTTP/1.1\r\nhost: x\r\n\r\n").into(),
        ),
        (
            "a long method",
            format!("{long} / HTTP/1.1\r\nhost: x\r\n\r\n").into(),
        ),
        (
            "no HTTP",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and so on\r\n\r\n".into(),
        ),
        (
            "noise",
            (0..65_536u32)
                .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
                .collect(),
        ),
        (
            "noise after an HTTP/2 preface",
            [
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
                vec![0xff; 65_536],
            ]
            .concat(),
        ),
        (
            "a chunk of no size",
            format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n").into(),
        ),
        (
            "a chunk longer than memory",
            format!("{head}transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc").into(),
        ),
        (
            "chunk extensions without end",
            format!("{head}transfer-encoding: chunked\r\n\r\n1;{long}\r\na\r\n0\r\n\r\n").into(),
        ),
        (
            "trailers without end",
            format!("{head}transfer-encoding: chunked\r\n\r\n0\r\n{many}\r\n").into(),
        ),
        (
            "a body of ten gigabytes",
            format!("{head}content-length: 10000000000\r\n\r\n{long}").into(),
        ),
        (
            "a length that is none",
            format!("{head}content-length: -1\r\n\r\n").into(),
        ),
        (
            "a length beyond 64 bits",
            format!("{head}content-length: 99999999999999999999\r\n\r\n").into(),
        ),
        (
            "a zero in a header",
            format!("{head}x-zero: a\0b\r\n\r\n").into(),
        ),
        (
            "a header on two lines",
            format!("{head}x-folded: a\r\n b\r\n\r\n").into(),
        ),
        (
            "bytes that are no text in a path",
            b"GET /credit/\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n".into(),
        ),
    ];
    for (what, request) in &requests {
        for url in besieged.ports() {
            let answers = said(url, request).with_context(|| format!("{what}, {url}"))?;
            let frames = what.contains("HTTP/2");
            assert!(
                frames || is_refused(&answers),
                "{what}, {url}: {answers:.300}"
            );
        }
        besieged
            .goes_on()
            .with_context(|| format!("after {what}"))?;
    }
    Ok(())
}

#[test]
fn bodies_that_no_model_takes_are_the_callers_fault() -> Result<()> {
    let besieged = Besieged::new()?;
    let deep = [b"[".repeat(1 << 18), b"]".repeat(1 << 18)].concat();
    let bodies: [(&str, &[u8]); 6] = [
        ("application/json", b"\xff\xfe\xfd"),
        ("application/json", &deep),
        ("application/json", b"{\"age\": 1e999999}"),
        ("text/csv", b"\"age\n\0\0\0"),
        ("application/octet-stream", b"\0\0\0\0"),
        ("\u{e4}", b"{}"),
    ];
    for (content_type, body) in bodies {
        let headers = [("content-type", content_type)];
        let url = format!("{}/credit/predict", besieged.host.url);
        let answer = end_to_end::ask("POST", &url, &headers, body)?;
        ensure!(
            (400..500).contains(&answer.status),
            "{content_type}: {} {}",
            answer.status,
            answer.text()
        );
        for path in ["versions", "settings"] {
            let path = format!("/api/functions/credit/{path}");
            let answer = besieged.host.api("POST", &path, body)?;
            ensure!(
                (400..500).contains(&answer.status),
                "{path}: {}",
                answer.text()
            );
        }
    }
    besieged.goes_on()
}

#[test]
fn no_path_leads_out_of_the_host() -> Result<()> {
    let besieged = Besieged::new()?;
    let paths = [
        "/../../../../etc/passwd",
        "/credit/../../../etc/passwd",
        "/credit/%2e%2e/%2e%2e/etc/passwd",
        "/credit/..%2f..%2fetc%2fpasswd",
        "//etc/passwd",
        "/credit/..\\..\\etc\\passwd",
        "/api/functions/../../../etc/passwd",
        "/api/functions/..%2f..%2f..%2fetc%2fpasswd",
        "/api/functions/%2e%2e/versions",
        "/api/functions/a%00b",
        "/api/functions/credit/versions/..%2f1",
        "/api/functions/credit/aliases/..%2flive",
        "/2015-03-31/functions/..%2f..%2fetc%2fpasswd/invocations",
        "/v2/models/..%2f..%2fetc/infer",
        "/endpoints/..%2f..%2fetc/invocations",
    ];
    for path in paths {
        for url in besieged.ports() {
            for (method, body) in [("GET", ""), ("POST", "{}"), ("DELETE", "")] {
                let request = format!(
                    "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\nconnection: close\r\n\
                     content-length: {}\r\n\r\n{body}",
                    url.trim_start_matches("http://"),
                    body.len()
                );
                let answers = said(url, request.as_bytes())?;
                assert!(
                    is_refused(&answers),
                    "{method} {path}, {url}: {answers:.300}"
                );
                assert!(!answers.contains("root:"), "{path}");
            }
        }
    }
    besieged.goes_on()
}

#[test]
fn no_request_hides_in_another() -> Result<()> {
    let besieged = Besieged::new()?;
    let hidden = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let length = hidden.len();
    // RFC 9112, 6.1 to 6.3: refused, or the connection ends with the answer, so that what follows is nobody's request.
    let requests = [
        format!(
            "content-length: {}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}",
            length + 5
        ),
        format!("transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n{hidden}"),
        format!("content-length: 0\r\ncontent-length: {length}\r\n\r\n{hidden}"),
        format!("content-length: 0, {length}\r\n\r\n{hidden}"),
        format!("content-length: +0\r\n\r\n{hidden}"),
        format!("transfer-encoding : chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("transfer-encoding: xchunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n{hidden}"),
        format!("transfer-encoding:\x0bchunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("x: y\rtransfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
    ];
    for request in requests {
        for url in besieged.ports() {
            let host = url.trim_start_matches("http://");
            let whole = format!("POST /credit/predict HTTP/1.1\r\nhost: {host}\r\n{request}");
            let answers = said(url, whole.as_bytes())?;
            let statuses = statuses(&answers);
            assert!(
                statuses.len() <= 1,
                "{url} answers {statuses:?} to\n{request}\n{answers}"
            );
        }
    }
    besieged.goes_on()
}

#[test]
fn slow_clients_are_cut_off_and_delay_nobody() -> Result<()> {
    let besieged = Besieged::new()?;
    let started = Instant::now();
    let mut slow = Vec::new();
    for url in besieged.ports() {
        for (what, begun) in [
            ("head", "POST /credit/predict HTTP/1.1\r\nhost: "),
            (
                "body",
                "POST /credit/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n",
            ),
            (
                "chunks",
                "POST /credit/predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n",
            ),
            ("silence", ""),
        ] {
            for _ in 0..4 {
                let mut stream = connect(url)?;
                stream.write_all(begun.as_bytes())?;
                slow.push((what, stream));
            }
        }
    }
    // A byte now and then, for longer than the host waits.
    while started.elapsed() < Duration::from_millis(2 * WAIT_MS) {
        for (what, stream) in &mut slow {
            let byte: &[u8] = if *what == "silence" {
                b""
            } else if *what == "chunks" {
                b"1\r\na\r\n"
            } else {
                b"a"
            };
            let _ = stream.write_all(byte);
        }
        let asked = Instant::now();
        besieged.goes_on()?;
        assert!(
            asked.elapsed() < Duration::from_secs(1),
            "others are delayed"
        );
        std::thread::park_timeout(Duration::from_millis(50));
    }
    for (what, stream) in &mut slow {
        let answers = heard(stream).with_context(|| format!("a slow {what}"))?;
        assert!(is_refused(&answers), "a slow {what}: {answers}");
    }
    besieged.goes_on()
}

#[test]
fn more_connections_than_places_are_told_so_and_the_places_come_back() -> Result<()> {
    let besieged = Besieged::new()?;
    for url in besieged.ports() {
        let taken = (0..MOST)
            .map(|_| connect(url))
            .collect::<Result<Vec<_>>>()?;
        // Every place is taken once the last of them is in.
        end_to_end::patiently("the places are taken", || {
            let mut stream = connect(url)?;
            let _ =
                stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            Ok(heard(&mut stream)?
                .starts_with("HTTP/1.1 503 ")
                .then_some(()))
        })?;
        drop(taken);
        end_to_end::patiently("the places are free again", || {
            Ok(end_to_end::ask("GET", &format!("{url}/healthz"), &[], &[])
                .is_ok_and(|answer| answer.status == 200)
                .then_some(()))
        })?;
    }
    end_to_end::patiently("both ports take calls again", || {
        Ok(besieged.goes_on().ok())
    })
}
