//! Loads real hyper servers on loopback and compares the report with what they saw.

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyaline_load::{LoadError, Options, Plan, Report, run};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// What a server has seen.
#[derive(Default)]
struct Seen {
    connections: AtomicU64,
    requests: AtomicU64,
    body_bytes: AtomicU64,
}

/// A server whose answers `answer` makes of the number and the body of the request.
async fn server<F, A>(answer: F) -> (SocketAddr, Arc<Seen>)
where
    F: Fn(u64, Bytes) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Full<Bytes>>> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let seen = Arc::new(Seen::default());
    let all = seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            seen.connections.fetch_add(1, Ordering::Relaxed);
            let (seen, answer) = (seen.clone(), answer.clone());
            let service = service_fn(move |request: Request<Incoming>| {
                let (seen, answer) = (seen.clone(), answer.clone());
                async move {
                    let number = seen.requests.fetch_add(1, Ordering::Relaxed);
                    let body = request.into_body().collect().await.expect("a body");
                    let body = body.to_bytes();
                    seen.body_bytes
                        .fetch_add(body.len() as u64, Ordering::Relaxed);
                    Ok::<_, Infallible>(answer(number, body).await)
                }
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    (address, all)
}

fn answer(status: u16, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response
}

fn options(address: SocketAddr) -> Options {
    let mut options = Options::new(format!("http://{address}/path"));
    options.connections = 4;
    options.warm_up = Duration::ZERO;
    options.duration = Duration::from_secs(20);
    options.threads = Some(2);
    options
}

async fn load(options: Options) -> Report {
    let plan = Plan::new(options).expect("a possible plan");
    run(plan, pending()).await.expect("a report")
}

#[tokio::test]
async fn every_request_of_a_limited_run_reaches_the_target_and_is_counted() {
    let (address, seen) = server(|_, body| async move { answer(200, body) }).await;
    let mut options = options(address);
    options.method = Method::POST;
    options.bodies = vec![
        Bytes::from_static(b"a"),
        Bytes::from_static(b"bbbbb"),
        Bytes::from(vec![b'c'; 100_000]),
    ];
    options.requests = Some(300);
    let report = load(options).await;
    assert_eq!(seen.requests.load(Ordering::Relaxed), 300);
    assert_eq!(seen.body_bytes.load(Ordering::Relaxed), 100 * 100_006);
    // One connection more: the one that finds out whether anybody listens.
    assert_eq!(seen.connections.load(Ordering::Relaxed), 5);
    assert_eq!((report.answers, report.errors.total()), (300, 0));
    assert_eq!(Vec::from_iter(report.status.clone()), [(200, 300)]);
    assert!(report.bytes.read > 100 * 100_006 && report.bytes.written > 100 * 100_006);
    assert!(
        report.seconds < 20.0 && report.per_second > 15.0,
        "{report}"
    );
    let latencies = report.latency_us.expect("latencies");
    assert!(latencies.min <= latencies.p50 && latencies.p50 <= latencies.p99);
    assert!(latencies.p99 <= latencies.max && latencies.max <= report.seconds * 1e6 * 1.01);
}

#[tokio::test]
async fn answers_that_refuse_are_told_apart() {
    let (address, _) = server(|number, _| async move {
        if number % 4 == 3 {
            answer(503, "later")
        } else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            answer(200, "ok")
        }
    })
    .await;
    let mut options = options(address);
    options.connections = 1;
    options.requests = Some(40);
    let report = load(options).await;
    assert_eq!(
        Vec::from_iter(report.status.clone()),
        [(200, 30), (503, 10)]
    );
    let good = report.latency_2xx_us.expect("good answers");
    assert!(good.min >= 20_000.0, "{report}");
    assert!(
        report.latency_us.expect("all answers").min < 20_000.0,
        "{report}"
    );
    assert!(report.to_string().contains("200: 30  503: 10"), "{report}");
    assert!(report.to_string().contains("of 2xx"), "{report}");
}

/// The target stalls once, for half a second, while 100 requests per second are due: with one connection about 50
/// requests had to wait, the first of them for the whole stall. A generator that counts from the sending sees one slow
/// request.
#[tokio::test]
async fn waiting_for_a_stalled_target_counts_from_the_moment_a_request_was_due() {
    let stall = Duration::from_millis(500);
    let (address, _) = server(move |number, _| async move {
        if number == 20 {
            tokio::time::sleep(stall).await;
        }
        answer(200, "ok")
    })
    .await;
    let mut options = options(address);
    options.connections = 1;
    options.rate = Some(100.0);
    options.requests = Some(100);
    let report = load(options).await;
    assert_eq!((report.answers, report.unsent), (100, 0));
    let latencies = report.latency_us.expect("latencies");
    assert!(latencies.max >= 500_000.0, "{report}");
    // A fifth of all requests waited for at least 0.3 s: those due in the first 0.2 s of the stall.
    assert!(latencies.p90 >= 300_000.0, "{report}");
}

#[tokio::test]
async fn an_open_load_keeps_its_rate() {
    let (address, seen) = server(|_, _| async move { answer(200, "ok") }).await;
    let mut options = options(address);
    options.rate = Some(50.0);
    options.duration = Duration::from_secs(2);
    options.warm_up = Duration::from_millis(400);
    let begun = Instant::now();
    let report = load(options).await;
    assert!(begun.elapsed() >= Duration::from_millis(2380));
    // A machine that is busy with other things may be too late for some, which says so.
    assert_eq!(report.answers + report.unsent, 100, "{report}");
    let seen = seen.requests.load(Ordering::Relaxed);
    assert!(
        (report.answers..=20 + report.answers).contains(&seen),
        "{seen}: {report}"
    );
    assert!(report.answers > 0, "{report}");
}

#[tokio::test]
async fn requests_that_a_slow_target_left_no_connection_for_are_counted_with_their_wait() {
    let (address, seen) = server(|_, _| async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        answer(200, "ok")
    })
    .await;
    let mut options = options(address);
    options.connections = 1;
    options.rate = Some(1000.0);
    options.duration = Duration::from_millis(500);
    let report = load(options).await;
    assert_eq!(report.answers + report.unsent, 500, "{report}");
    assert_eq!(report.answers, seen.requests.load(Ordering::Relaxed));
    assert!(report.answers <= 2, "{report}");
    let latencies = report.latency_us.expect("latencies");
    // Due evenly over half a second and given up 0.1 s after it, at the earliest.
    assert!(latencies.p50 >= 340_000.0, "{report}");
    assert_ne!(report.latency_us, report.latency_2xx_us, "{report}");
    assert!(report.to_string().contains("did not keep up"), "{report}");
}

/// The one connection is taken from the warm-up until after the end: of the measurement nothing was sent, and of the
/// warm-up nothing counts.
#[tokio::test]
async fn unsent_requests_of_the_warm_up_do_not_count() {
    let (address, _) = server(|_, _| async move {
        tokio::time::sleep(Duration::from_millis(800)).await;
        answer(200, "ok")
    })
    .await;
    let mut options = options(address);
    options.connections = 1;
    options.rate = Some(1000.0);
    options.warm_up = Duration::from_millis(200);
    options.duration = Duration::from_millis(300);
    let report = load(options).await;
    assert_eq!(report.answers, 0, "{report}");
    // The request that is due when the measurement begins, or the one when it ends, may fall on either side of it.
    assert!((299..=301).contains(&report.unsent), "{report}");
    assert_eq!(report.latency_2xx_us, None);
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_an_error() {
    let (address, _) = server(|number, _| async move {
        if number % 2 == 1 {
            pending::<()>().await;
        }
        answer(200, "ok")
    })
    .await;
    let mut options = options(address);
    options.connections = 1;
    options.timeout = Duration::from_secs(1);
    options.requests = Some(4);
    let report = load(options).await;
    assert_eq!((report.answers, report.errors.timeout), (2, 2), "{report}");
    assert!(report.latency_us.expect("latencies").max >= 1_000_000.0);
    assert!(report.to_string().contains("timed out: 2"), "{report}");
}

#[tokio::test]
async fn a_connection_is_opened_again_when_the_target_closes_it() {
    let (address, seen) = server(|number, _| async move {
        let mut response = answer(200, "ok");
        if number % 10 == 9 {
            response
                .headers_mut()
                .insert("connection", "close".parse().expect("a value"));
        }
        response
    })
    .await;
    let mut options = options(address);
    options.connections = 1;
    options.requests = Some(100);
    let report = load(options.clone()).await;
    assert_eq!(
        (report.answers, report.errors.total()),
        (100, 0),
        "{report}"
    );
    assert_eq!(seen.connections.load(Ordering::Relaxed), 11);
    options.keep_alive = false;
    let report = load(options).await;
    assert_eq!(
        (report.answers, report.errors.total()),
        (100, 0),
        "{report}"
    );
    assert_eq!(seen.connections.load(Ordering::Relaxed), 11 + 101);
}

/// A target that closes idle connections without a word, as every server does after a while.
#[tokio::test]
async fn a_kept_alive_connection_that_was_closed_while_idle_is_no_error() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            if stream.read(&mut request).await.is_ok_and(|count| count > 0) {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(answer).await.expect("a reader");
            }
        }
    });
    let mut options = options(address);
    options.connections = 1;
    options.requests = Some(20);
    let report = load(options).await;
    assert_eq!((report.answers, report.errors.total()), (20, 0), "{report}");
    assert_eq!(report.reconnects, 19, "{report}");
}

#[tokio::test]
async fn a_target_that_is_not_there_is_refused_before_the_run() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    drop(listener);
    let plan = Plan::new(options(address)).expect("a possible plan");
    let error = run(plan, pending()).await.expect_err("nobody listens");
    assert!(matches!(error, LoadError::Connect { .. }));
    assert_eq!(
        error.to_string(),
        format!("cannot connect to {address}; is the server running?")
    );
}

#[tokio::test]
async fn a_run_that_is_stopped_reports_what_it_saw() {
    let (address, _) = server(|_, _| async move { answer(200, "ok") }).await;
    let plan = Plan::new(options(address)).expect("a possible plan");
    let begun = Instant::now();
    let stop = tokio::time::sleep(Duration::from_secs(2));
    let report = run(plan, stop).await.expect("a report");
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(report.stopped && report.answers > 0, "{report}");
    assert!((1.9..10.0).contains(&report.seconds), "{report}");
    let document = serde_json::to_value(&report).expect("JSON");
    assert_eq!(document["status"]["200"], report.answers);
    assert_eq!(document["errors"]["timeout"], 0);
}
