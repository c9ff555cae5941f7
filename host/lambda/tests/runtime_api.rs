//! The bootstrap against a runtime API: a server on the loopback address that hands out events and keeps what comes back,
//! as AWS documents the API of 2018-06-01.

#[path = "../../runtime/tests/guests/mod.rs"]
#[expect(dead_code, reason = "the runtime's own tests use more of them")]
mod guests;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

/// What the bootstrap sent: path, body, the header that names the kind of error.
type Post = (String, String, Option<String>);

/// An event, and how long the function may take.
struct Event {
    payload: &'static str,
    milliseconds: u64,
}

/// A runtime API and the bootstrap that asks it.
struct Lambda {
    posts: mpsc::UnboundedReceiver<Post>,
    bootstrap: Child,
    _folder: tempfile::TempDir,
}

/// An answer that never comes holds a test no longer than this.
const PATIENCE: Duration = Duration::from_secs(60);

const TRACE: &str = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1";

impl Lambda {
    /// Starts both. The events are handed out one after the other; then the API waits, as Lambda's does.
    async fn start(component: &[u8], memory: &str, events: Vec<Event>) -> Lambda {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("credit.wasm"), component)
            .expect("the component is written");
        let (sender, posts) = mpsc::unbounded_channel();
        let address = serve(events, sender).await;
        let bootstrap = Command::new(bootstrap())
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "credit")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory)
            .env("LAMBDA_TASK_ROOT", folder.path())
            .env("_HANDLER", "bootstrap")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the bootstrap starts");
        Lambda {
            posts,
            bootstrap,
            _folder: folder,
        }
    }

    async fn post(&mut self) -> Post {
        tokio::time::timeout(PATIENCE, self.posts.recv())
            .await
            .expect("the bootstrap posts in time")
            .expect("the server lives as long as the test")
    }

    /// The answer to event `number`.
    async fn answer(&mut self, number: usize) -> String {
        let (path, body, _) = self.post().await;
        assert_eq!(
            path,
            format!("/2018-06-01/runtime/invocation/event-{number}/response"),
            "{body}"
        );
        body
    }

    /// The error of event `number`.
    async fn error(&mut self, number: usize) -> Value {
        let (path, body, _) = self.post().await;
        assert_eq!(
            path,
            format!("/2018-06-01/runtime/invocation/event-{number}/error"),
            "{body}"
        );
        serde_json::from_str(&body).expect("an error is JSON")
    }
}

/// The example that is built beside these tests.
fn bootstrap() -> PathBuf {
    let test = std::env::current_exe().expect("a test is a program");
    let built = test.ancestors().nth(2).expect("it lies in `deps`");
    built.join("examples/bootstrap")
}

async fn serve(events: Vec<Event>, posts: mpsc::UnboundedSender<Post>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let events = Arc::new(Mutex::new(VecDeque::from_iter(
        events.into_iter().enumerate(),
    )));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let (events, posts) = (events.clone(), posts.clone());
            let service =
                service_fn(move |request| respond(request, events.clone(), posts.clone()));
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    address
}

async fn respond(
    request: Request<Incoming>,
    events: Arc<Mutex<VecDeque<(usize, Event)>>>,
    posts: mpsc::UnboundedSender<Post>,
) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    let (head, body) = request.into_parts();
    if head.uri.path() == "/2018-06-01/runtime/invocation/next" {
        assert_eq!(head.method, "GET");
        let next = events.lock().expect("no test panics here").pop_front();
        let Some((number, event)) = next else {
            return std::future::pending().await;
        };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a clock");
        let deadline = now.as_millis() as u64 + event.milliseconds;
        return Ok(Response::builder()
            .header("lambda-runtime-aws-request-id", format!("event-{number}"))
            .header("lambda-runtime-deadline-ms", deadline.to_string())
            .header(
                "lambda-runtime-invoked-function-arn",
                "arn:aws:lambda:eu-central-1:123456789012:function:credit",
            )
            .header("lambda-runtime-trace-id", TRACE)
            .body(event.payload.into())
            .expect("a response"));
    }
    assert_eq!(head.method, "POST");
    let body = body.collect().await.expect("a whole body").to_bytes();
    let kind = head.headers.get("lambda-runtime-function-error-type");
    let post = (
        head.uri.path().to_owned(),
        String::from_utf8_lossy(&body).into_owned(),
        kind.map(|kind| kind.to_str().expect("a text").to_owned()),
    );
    // Nobody listens any more when a test is over.
    let _ = posts.send(post);
    let mut response = Response::new(r#"{"status":"OK"}"#.into());
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

fn event(payload: &'static str) -> Event {
    Event {
        payload,
        milliseconds: 30_000,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_go_to_the_function_and_come_back_with_their_numbers_untouched() {
    let events = vec![
        event(r#"{"age": 39.10, "id": 12345678901234567890123}"#),
        event(r#"{"httpMethod":"POST","path":"/explain","body":"{\"age\": 1}"}"#),
        event(
            r#"{"version":"2.0","rawPath":"/predict","requestContext":{"http":{"method":"POST"}},"body":"YQ==","isBase64Encoded":true}"#,
        ),
        event("null"),
    ];
    let mut lambda = Lambda::start(&guests::echo(), "256", events).await;
    assert_eq!(
        lambda.answer(0).await,
        r#"{"age": 39.10, "id": 12345678901234567890123}"#
    );
    assert_eq!(
        lambda.answer(1).await,
        r#"{"statusCode":200,"headers":{},"body":"{\"age\": 1}","isBase64Encoded":false}"#
    );
    assert_eq!(
        lambda.answer(2).await,
        r#"{"statusCode":200,"headers":{},"body":"a","isBase64Encoded":false}"#
    );
    assert_eq!(lambda.answer(3).await, "null");
    assert!(
        lambda.bootstrap.try_wait().expect("a process").is_none(),
        "it waits for the next event"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_function_learns_the_request_id_and_the_trace() {
    // Answers with the names and values of its request's headers, a line each.
    let headers = guests::http(
        "(local.set $a (call $headers (local.get $request)))
         (call $entries (local.get $a) (i32.const 64))
         (local.set $a (i32.load (i32.const 64)))
         (local.set $b (i32.load (i32.const 68)))
         (call $begin (local.get $out) (i32.const 200))
         (block $done (loop $next
           (br_if $done (i32.eqz (local.get $b)))
           (call $write (i32.load (local.get $a)) (i32.load offset=4 (local.get $a)))
           (call $write (i32.const 1040) (i32.const 2))
           (call $write (i32.load offset=8 (local.get $a)) (i32.load offset=12 (local.get $a)))
           (call $write (i32.const 1044) (i32.const 1))
           (local.set $a (i32.add (local.get $a) (i32.const 16)))
           (local.set $b (i32.sub (local.get $b) (i32.const 1)))
           (br $next)))
         (call $end)",
    );
    let own = r#"{"httpMethod":"GET","path":"/","headers":{"X-Amzn-Trace-Id":"Root=own"}}"#;
    let mut lambda = Lambda::start(&headers, "256", vec![event("{}"), event(own)]).await;
    let lines: String = serde_json::from_str(&lambda.answer(0).await).expect("a text");
    for line in [
        "x-amzn-requestid: event-0",
        &format!("x-amzn-trace-id: {TRACE}"),
        "content-type: application/json",
    ] {
        assert!(
            lines.lines().any(|found| found == line),
            "{line} in {lines}"
        );
    }
    let answer: Value = serde_json::from_str(&lambda.answer(1).await).expect("an answer");
    let lines = answer["body"].as_str().expect("a text");
    assert!(lines.contains("x-amzn-trace-id: Root=own\n"), "{lines}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_and_crashes_are_errors_and_the_next_event_is_answered() {
    // Refuses an empty list, crashes on anything longer.
    let picky = guests::http(
        "(call $consume (local.get $request) (i32.const 64))
         (call $stream (i32.load (i32.const 68)) (i32.const 64))
         (call $read (i32.load (i32.const 68)) (i64.const 4096) (i32.const 256))
         (if (i32.gt_u (i32.load (i32.const 264)) (i32.const 2)) (then unreachable))
         (call $begin (local.get $out) (i32.const 400))
         (call $write (i32.load (i32.const 260)) (i32.load (i32.const 264)))
         (call $end)",
    );
    let events = vec![
        event("[]"),
        event("[1]"),
        event(r#"{"httpMethod":"POST","path":"/predict","body":"[]"}"#),
    ];
    let mut lambda = Lambda::start(&picky, "256", events).await;
    assert_eq!(
        lambda.error(0).await,
        json!({"errorType": "BadRequest", "errorMessage": "[]"})
    );
    let crash = lambda.error(1).await;
    assert_eq!(crash["errorType"], "Runtime.ExitError");
    let message = crash["errorMessage"].as_str().expect("a text");
    assert!(
        message.starts_with("RequestId: event-1 Error: the function crashed: "),
        "{message}"
    );
    assert_eq!(
        lambda.answer(2).await,
        r#"{"statusCode":400,"headers":{},"body":"[]","isBase64Encoded":false}"#
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_runs_into_the_deadline_of_its_event_is_stopped_before_it() {
    // Spins on lists, answers everything else.
    let spinning = guests::http(
        "(call $consume (local.get $request) (i32.const 64))
         (call $stream (i32.load (i32.const 68)) (i32.const 64))
         (call $read (i32.load (i32.const 68)) (i64.const 4096) (i32.const 256))
         (if (i32.eq (i32.load8_u (i32.load (i32.const 260))) (i32.const 91)) (then (loop $for_ever (br $for_ever))))
         (call $begin (local.get $out) (i32.const 200))
         (call $write (i32.load (i32.const 260)) (i32.load (i32.const 264)))
         (call $end)",
    );
    let short = Event {
        payload: "[]",
        milliseconds: 1000,
    };
    let mut lambda = Lambda::start(&spinning, "256", vec![event("{}"), short, event("{}")]).await;
    assert_eq!(lambda.answer(0).await, "{}");
    let started = SystemTime::now();
    let error = lambda.error(1).await;
    assert_eq!(error["errorType"], "Sandbox.Timedout");
    let message = error["errorMessage"].as_str().expect("a text");
    assert!(
        message.starts_with(
            "RequestId: event-1 Error: the function did not finish within its deadline of 9"
        ),
        "{message}"
    );
    // The box may be busy; the function itself would never end.
    assert!(started.elapsed().expect("a clock") < Duration::from_secs(20));
    assert_eq!(lambda.answer(2).await, "{}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_does_not_load_is_an_error_of_the_initialisation() {
    let mut lambda = Lambda::start(b"no component", "256", vec![event("{}")]).await;
    let (path, body, kind) = lambda.post().await;
    assert_eq!(path, "/2018-06-01/runtime/init/error");
    assert_eq!(kind.as_deref(), Some("Runtime.LoadError"));
    let error: Value = serde_json::from_str(&body).expect("an error is JSON");
    assert_eq!(error["errorType"], "Runtime.LoadError");
    assert!(
        error["errorMessage"]
            .as_str()
            .is_some_and(|text| text.contains("credit")),
        "{error}"
    );
    let status = tokio::time::timeout(PATIENCE, lambda.bootstrap.wait()).await;
    let status = status.expect("the bootstrap ends").expect("a process");
    assert!(
        !status.success(),
        "Lambda sees that the initialisation failed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_what_the_lambda_function_was_given() {
    // Grows by 100 MiB.
    let hungry = guests::http(
        "(drop (memory.grow (i32.const 1600)))
         (call $begin (local.get $out) (i32.const 200))
         (call $write (i32.const 1024) (i32.const 6))
         (call $end)",
    );
    let mut lambda = Lambda::start(&hungry, "128", vec![event("{}")]).await;
    let error = lambda.error(0).await;
    assert_eq!(error["errorType"], "Runtime.OutOfMemory");
    let message = error["errorMessage"].as_str().expect("a text");
    assert!(message.ends_with("its limit is 67108864"), "{message}");
    let mut lambda = Lambda::start(&hungry, "512", vec![event("{}")]).await;
    assert_eq!(lambda.answer(0).await, r#""hello\n""#);
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_of_lambda_the_bootstrap_says_so_and_ends() {
    let output = Command::new(bootstrap())
        .env_clear()
        .output()
        .await
        .expect("the bootstrap starts");
    assert!(!output.status.success());
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(
        words.contains("the environment variable `AWS_LAMBDA_RUNTIME_API` is not set"),
        "{words}"
    );
}
