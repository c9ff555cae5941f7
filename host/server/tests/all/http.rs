//! The server on a free port, with good, bad and slow clients.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hyaline_server::{Application, Drained, Server};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::guests;
use crate::host::configuration;

const SPIN: &str = "(loop $forever (br $forever))";

/// The handler of a guest that answers with the headers it was given, one `name: value` a line.
pub const TELL_HEADERS: &str =
    "(call $entries (call $headers (local.get $request)) (i32.const 256))
         (local.set $a (i32.load (i32.const 256)))
         (local.set $b (i32.add (local.get $a) (i32.shl (i32.load (i32.const 260)) (i32.const 4))))
         (call $begin (local.get $out) (i32.const 200))
         (block $done (loop $next
           (br_if $done (i32.eq (local.get $a) (local.get $b)))
           (call $write (i32.load (local.get $a)) (i32.load offset=4 (local.get $a)))
           (call $write (i32.const 1040) (i32.const 2))
           (call $write (i32.load offset=8 (local.get $a)) (i32.load offset=12 (local.get $a)))
           (call $write (i32.const 1044) (i32.const 1))
           (local.set $a (i32.add (local.get $a) (i32.const 16)))
           (br $next)))
         (call $end)";

/// Answers with the headers it was given.
fn headers() -> Vec<u8> {
    guests::http(TELL_HEADERS)
}

/// A server with these guests, each at `/<name>/...`.
struct Running {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<Drained>,
    _files: TempDir,
}

impl Running {
    async fn start(guests: &[(&str, Vec<u8>)], members: &[(&str, &str)]) -> Self {
        let files = tempfile::tempdir().unwrap();
        let mut manifest =
            String::from("spin_manifest_version = 2\n[application]\nname = \"test\"\n");
        for (name, component) in guests {
            std::fs::write(files.path().join(format!("{name}.wasm")), component).unwrap();
            manifest.push_str(&format!(
                "[[trigger.http]]\nroute = \"/{name}/...\"\ncomponent = \"{name}\"\n[component.{name}]\nsource = \"{name}.wasm\"\n"
            ));
        }
        let path = files.path().join("spin.toml");
        std::fs::write(&path, manifest).unwrap();
        let application = Application::from_manifest(&path).unwrap();
        let server = Server::start(&configuration(members), &application)
            .await
            .unwrap();
        let address = server
            .startup()
            .base_url
            .strip_prefix("http://")
            .unwrap()
            .parse()
            .unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(server.serve(async {
            let _ = stopped.await;
        }));
        Running {
            address,
            stop: Some(stop),
            served,
            _files: files,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends a request as written, on a connection of its own, and takes all that comes back.
    async fn raw(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn get(&self, path: &str) -> String {
        self.raw(&format!(
            "GET {path} HTTP/1.1\r\nHost: models.test\r\nConnection: close\r\n\r\n"
        ))
        .await
    }

    async fn post(&self, path: &str, body: &str) -> String {
        let length = body.len();
        self.raw(&format!(
            "POST {path} HTTP/1.1\r\nHost: models.test\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
        .await
    }
}

#[track_caller]
fn assert_refused(answer: &str, status: &str, error: &str) {
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status}")),
        "{answer}"
    );
    assert!(
        answer.contains("content-type: application/json"),
        "{answer}"
    );
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"));
    assert_eq!(body["error"], error);
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_answer_under_their_routes() {
    let server = Running::start(&[("hello", guests::hello()), ("echo", guests::echo())], &[]).await;
    let answer = server.get("/hello/anything").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-length: 6\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nhello\n"), "{answer}");
    assert!(
        server
            .post("/echo", "a row")
            .await
            .ends_with("\r\n\r\na row")
    );
    let chunked = "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    assert!(server.raw(chunked).await.ends_with("\r\n\r\nabcde"));
    assert_refused(
        &server.get("/nowhere").await,
        "404 Not Found",
        "no function is served at `/nowhere`; the routes are: /echo/..., /hello/...",
    );
    assert!(
        server
            .get("/.well-known/spin/health")
            .await
            .ends_with("\r\n\r\nOK")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_told_what_spin_would_tell_it_and_clients_cannot_forge_it() {
    let server = Running::start(&[("headers", headers())], &[]).await;
    let request = "GET /headers/a/b?x=1 HTTP/1.1\r\nHost: models.test:80\r\nConnection: close\r\nspin-path-info: /forged\r\n\
                   Spin-Client-Addr: 6.6.6.6:6\r\nspin-anything: forged\r\nx-own: kept\r\n\r\n";
    let answer = server.raw(request).await;
    let lines: Vec<&str> = answer.split("\r\n\r\n").nth(1).unwrap().lines().collect();
    for expected in [
        "spin-path-info: /a/b",
        "spin-full-url: http://models.test:80/headers/a/b?x=1",
        "spin-matched-route: /headers/...",
        "spin-raw-component-route: /headers/...",
        "spin-component-route: /headers",
        "spin-base-path: /",
        "x-own: kept",
    ] {
        assert!(lines.contains(&expected), "{expected} in {lines:?}");
    }
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("spin-client-addr: 127.0.0.1:")),
        "{lines:?}"
    );
    assert!(
        !answer.contains("forged") && !answer.contains("6.6.6.6"),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn misbehaving_functions_get_their_status_and_their_neighbours_go_on() {
    let limits = [("limits.deadline_ms", "200"), ("limits.memory_mib", "1")];
    let guests = [
        ("trap", guests::http("(unreachable)")),
        ("spin", guests::http(SPIN)),
        (
            "grow",
            guests::http("(loop $again (drop (memory.grow (i32.const 1))) (br $again))"),
        ),
        ("silent", guests::http("")),
        ("hello", guests::hello()),
    ];
    let server = Running::start(&guests, &limits).await;
    assert_refused(
        &server.get("/trap").await,
        "500",
        "the function crashed: wasm `unreachable` instruction executed in `handle`",
    );
    assert_refused(
        &server.get("/silent").await,
        "500",
        "the function returned without setting a response",
    );
    assert_refused(
        &server.get("/spin").await,
        "504",
        "the function did not finish within its deadline of 200ms",
    );
    assert_refused(
        &server.get("/grow").await,
        "507",
        "the function asked for 1114112 bytes of memory; its limit is 1048576",
    );
    // More spinning functions than there are threads: the others still get their turns.
    let (_, _, _, answer) = tokio::join!(
        server.get("/spin"),
        server.get("/spin"),
        server.get("/spin"),
        server.get("/hello")
    );
    assert!(answer.ends_with("hello\n"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_sends_is_bounded() {
    let bounds = [
        ("limits.body_bytes", "1000"),
        ("connections.body_wait_ms", "200"),
    ];
    let server = Running::start(&[("echo", guests::echo())], &bounds).await;
    let too_long = "the request body is longer than 1000 bytes, the limit of this function; send fewer rows at a time";
    assert_refused(
        &server.post("/echo", &"x".repeat(1001)).await,
        "413",
        too_long,
    );
    let chunk = format!("258\r\n{}\r\n", "x".repeat(600));
    let chunked = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n"
    );
    assert_refused(&server.raw(&chunked).await, "413", too_long);
    assert!(
        server
            .post("/echo", &"x".repeat(1000))
            .await
            .ends_with(&"x".repeat(1000))
    );
    assert_refused(
        &server.raw("POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 10\r\n\r\nabc").await,
        "408",
        "the request body did not arrive within 0.2 seconds",
    );
    let head = format!(
        "GET /echo HTTP/1.1\r\nHost: a\r\nx: {}\r\n\r\n",
        "x".repeat(100 << 10)
    );
    assert!(server.raw(&head).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_are_refused() {
    let server = Running::start(&[("hello", guests::hello())], &[]).await;
    let close = "Connection: close\r\n\r\n";
    let check = async |request: &str, status: &str, error: &str| {
        assert_refused(
            &server.raw(&format!("{request}{close}")).await,
            status,
            error,
        );
    };
    check(
        "GET /hello HTTP/1.1\r\n",
        "400",
        "the request names no host; send a `Host` header",
    )
    .await;
    check(
        "GET /hello HTTP/1.1\r\nHost: a b\r\n",
        "400",
        "the `Host` header is not a host name",
    )
    .await;
    check(
        "GET http://a/hello HTTP/1.1\r\nHost: b\r\n",
        "400",
        "the request names one host in its URL and another in its `Host` header",
    )
    .await;
    check(
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n",
        "400",
        "`*` is not a path: it does not start with `/`",
    )
    .await;
    check(
        "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n",
        "405",
        "this server is not a proxy: CONNECT is not served",
    )
    .await;
    assert!(
        server
            .raw("nonsense\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 400")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_places_are_taken_clients_are_told_to_come_back() {
    let bounds = [
        ("concurrency", "2"),
        ("queue", "0"),
        ("limits.concurrency", "2"),
        ("limits.queue", "0"),
        ("limits.deadline_ms", "6000"),
    ];
    let server = Running::start(
        &[("spin", guests::http(SPIN)), ("hello", guests::hello())],
        &bounds,
    )
    .await;
    let (_, _, (busy, throttled)) = tokio::join!(server.get("/spin"), server.get("/spin"), async {
        tokio::time::sleep(Duration::from_millis(2000)).await;
        (server.get("/hello").await, server.get("/spin").await)
    });
    assert_refused(
        &busy,
        "503",
        "all 2 places of this server are taken; try again in a second",
    );
    assert!(busy.contains("retry-after: 1\r\n"), "{busy}");
    assert_refused(
        &throttled,
        "429",
        "2 calls of the function `spin` run already, the most that may at once; try again in a second",
    );
    assert!(throttled.contains("retry-after: 1\r\n"), "{throttled}");
    assert!(server.get("/hello").await.ends_with("hello\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_flight_are_answered_before_the_server_stops() {
    let mut server = Running::start(
        &[("spin", guests::http(SPIN))],
        &[("limits.deadline_ms", "500")],
    )
    .await;
    let stop = server.stop.take().unwrap();
    let (answer, ()) = tokio::join!(server.get("/spin"), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        stop.send(()).unwrap();
    });
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    assert!(
        TcpStream::connect(server.address).await.is_err(),
        "no new connection is taken"
    );
    assert_eq!(server.served.await.unwrap(), Drained::Completely);
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_is_bounded() {
    let mut server = Running::start(&[("spin", guests::http(SPIN))], &[("drain_ms", "200")]).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /spin HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let stopped = Instant::now();
    server.stop.take().unwrap().send(()).unwrap();
    assert_eq!((&mut server.served).await.unwrap(), Drained::CutOff);
    assert!(stopped.elapsed() < Duration::from_secs(5));
}

fn shown(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

#[tokio::test]
async fn what_cannot_be_served_is_refused_at_the_start() {
    let files = tempfile::tempdir().unwrap();
    let start = async |name: &str| {
        let application = Application::single(files.path().join(name));
        let error = Server::start(&configuration(&[]), &application)
            .await
            .err()
            .unwrap();
        shown(&error)
    };
    let path: PathBuf = files.path().join("gone.wasm");
    let said = start("gone.wasm").await;
    let expected = format!(
        "component `gone`: cannot read `{}`; make it with `hyaline pack`",
        path.display()
    );
    assert!(said.starts_with(&expected), "{said}");
    std::fs::write(files.path().join("text.wasm"), "not wasm").unwrap();
    let said = start("text.wasm").await;
    assert!(
        said.starts_with("component `text` cannot be served: `text` is not WebAssembly"),
        "{said}"
    );
    std::fs::write(
        files.path().join("typed.wasm"),
        guests::typed("(unreachable)"),
    )
    .unwrap();
    assert_eq!(
        start("typed.wasm").await,
        "component `typed` cannot be served: the component does not export `wasi:http/incoming-handler@0.2`, so it cannot \
         answer requests; a function made by `hyaline pack` does"
    );
}

#[tokio::test]
async fn a_port_in_use_is_an_error_with_the_remedy() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    let configuration = configuration(&[("listen", &listen.to_string())]);
    let error = Server::start(&configuration, &Application::nothing())
        .await
        .err()
        .unwrap();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot listen on {listen}: the port is in use; choose another with `--listen` (or `--control`), or port 0 for \
             any free one"
        )
    );
}

/// The kernel holds a few MiB of what a client sends; this is more, so a client that is refused while it sends is not done.
const LONGER_THAN_ANY_BUFFER: usize = 32 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_refused_while_it_still_sends_hears_why() {
    let server = Running::start(&[("hello", guests::hello())], &[]).await;
    for (path, status, text) in [
        ("/hello", "413", "the request body is longer than "),
        ("/nowhere", "404", "no function is served at "),
    ] {
        let mut stream = server.connect().await;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {LONGER_THAN_ANY_BUFFER}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..LONGER_THAN_ANY_BUFFER >> 20 {
            stream.write_all(&piece).await.expect("nobody resets it");
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(answer.contains(text), "{answer}");
    }
}
