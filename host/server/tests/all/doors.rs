//! The doors of other platforms lead to the same functions, gates and records.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyaline_server::Drained;
use serde_json::{Value, json};

use crate::guests;
use crate::host::{Answer, Host};

const INVOKE: &str = "/2015-03-31/functions";

/// Runs for some hundred milliseconds, then answers 200 and nothing.
fn slow() -> Vec<u8> {
    guests::http(
        "(local.set $a (i32.const 500000000))
         (loop $on
           (local.set $a (i32.sub (local.get $a) (i32.const 1)))
           (br_if $on (local.get $a)))
         (call $drop_request (local.get $request))
         (call $begin (local.get $out) (i32.const 200))
         (call $end)",
    )
}

fn event(host: &Host, function: &str) -> Answer {
    host.call(&format!("{INVOKE}/{function}/invocations"))
        .header("x-amz-invocation-type", "Event")
        .post(b"{}")
}

/// What was used of all functions.
fn usage(host: &Host) -> Value {
    host.control("/api/usage?by=total").get().json()[0].clone()
}

/// Waits until so many calls have ended.
#[track_caller]
fn wait_for_calls(host: &Host, calls: u64) {
    let started = Instant::now();
    while usage(host)["invocations"] != calls {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{calls} calls in {}",
            usage(host)
        );
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn lambda_invoke_answers_as_lambda_does() {
    let host = Host::start(&[]);
    host.deploy("echo", &guests::echo());
    let invoke = |name: &str| host.call(&format!("{INVOKE}/{name}/invocations"));
    let answer = invoke("echo")
        .header("x-amz-log-type", "Tail")
        .post(br#"{"age": 39}"#);
    assert_eq!((answer.status, answer.json()), (200, json!({"age": 39})));
    assert_eq!(answer.header("x-amz-executed-version"), "1");
    assert!(!answer.header("x-amz-log-result").is_empty());
    let event = invoke("echo")
        .header("x-amz-invocation-type", "Event")
        .post(b"{}");
    assert_eq!((event.status, event.body.len()), (202, 0));
    wait_for_calls(&host, 2);
    let dry = invoke("echo")
        .header("x-amz-invocation-type", "DryRun")
        .post(b"{}");
    assert_eq!(dry.status, 204);
    let unknown = invoke("nobody").post(b"{}");
    assert_eq!(
        (unknown.status, unknown.header("x-amzn-errortype")),
        (404, "ResourceNotFoundException")
    );
    host.deploy("echo", &guests::http("(unreachable)"));
    let failed = invoke("echo").post(b"{}");
    assert_eq!(
        (failed.status, failed.header("x-amz-function-error")),
        (200, "Unhandled"),
        "{}",
        failed.text()
    );
    assert_eq!(
        invoke("echo:1")
            .post(b"{}")
            .header("x-amz-executed-version"),
        "1"
    );
    let only = host
        .call(&format!("{INVOKE}/function/invocations"))
        .header("x-amz-invocation-type", "DryRun")
        .post(b"{}");
    assert_eq!(only.status, 204, "the only function of the host");
}

#[test]
fn gates_and_budgets_stand_before_every_door() {
    let host = Host::start(&[]);
    host.deploy("f", &guests::echo());
    host.patch("f", json!({"access": {"required": true}}));
    let path = format!("{INVOKE}/f/invocations");
    assert_eq!(host.call(&path).post(b"{}").status, 403);
    let key = host
        .control("/api/keys")
        .json("POST", json!({"name": "ada"}))
        .json();
    let secret = key["secret"].as_str().unwrap();
    assert_eq!(
        host.call(&path)
            .header("x-api-key", secret)
            .post(b"{}")
            .status,
        200
    );
    let usage = host.control("/api/usage?by=caller").get().json();
    assert_eq!(
        (&usage[0]["caller"], &usage[0]["invocations"]),
        (&json!("ada"), &json!(1))
    );
    host.control("/api/functions/f/disable").post(b"");
    assert!(
        host.call(&path)
            .header("x-api-key", secret)
            .post(b"{}")
            .status
            >= 400
    );
    assert_eq!(
        host.call("/v2/models").get().json(),
        json!({"models": []}),
        "names are told to who may call them"
    );
}

#[test]
fn kserve_clients_find_every_function_by_name() {
    let host = Host::start(&[]);
    host.deploy("f", &guests::http(crate::http::TELL_HEADERS));
    assert_eq!(
        host.call("/v2/models").get().json(),
        json!({"models": ["f"]})
    );
    assert_eq!(host.call("/v2/health/ready").get().status, 200);
    assert_eq!(host.call("/v2/models/f/ready").get().status, 200);
    assert_eq!(host.call("/v2/models/nobody/ready").get().status, 404);
    let told = host.call("/v1/models/f:predict").post(b"{}").text();
    assert!(
        told.contains("spin-path-info: /v1/models/f:predict"),
        "{told}"
    );
}

#[test]
fn azures_custom_handler_calls_functions_by_name() {
    let host = Host::start(&[]);
    host.deploy("f", &guests::echo());
    let body = json!({
        "Data": {"req": {"Url": "http://localhost/api/f", "Method": "POST", "Headers": {}, "Body": "{}"}},
        "Metadata": {}
    });
    let answer = host
        .call("/f")
        .header("x-azure-functions-invocationid", "1")
        .json("POST", body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(
        answer.json()["Outputs"]["res"].is_object(),
        "{}",
        answer.text()
    );
}

#[test]
fn requests_that_azures_host_hands_on_are_for_the_function_whose_route_takes_them() {
    let host = Host::start(&[]);
    host.deploy("f", &guests::echo());
    assert_eq!(host.patch("f", json!({"routes": ["/..."]})).status, 200);
    let post = |path: &str| {
        host.call(path)
            .header("x-azure-functions-invocationid", "1")
            .post(b"a row")
    };
    assert_eq!(post("/predict").text(), "a row");
    assert!(
        post("/f").text().contains("no HTTP trigger"),
        "the name of a function leads through the door"
    );
}

#[test]
fn events_wait_for_a_place_as_long_as_it_takes() {
    let host = Host::start(&[]);
    host.deploy("f", &slow());
    let limits = json!({"limits": {"concurrency": 1, "queue": 2, "queue_wait_ms": 1}});
    assert_eq!(host.patch("f", limits).status, 200);
    for _ in 0..3 {
        assert_eq!(event(&host, "f").status, 202);
    }
    let full = event(&host, "f");
    assert_eq!(
        (
            full.status,
            full.header("x-amzn-errortype"),
            full.header("retry-after")
        ),
        (429, "TooManyRequestsException", "1"),
        "{}",
        full.text()
    );
    assert_eq!(
        full.json()["Reason"],
        "ReservedFunctionConcurrentInvocationLimitExceeded"
    );
    wait_for_calls(&host, 3);
    assert_eq!(usage(&host)["cold_starts"], 1);
}

#[test]
fn an_event_needs_a_place_in_the_hosts_line_too() {
    let bounds = [
        ("concurrency", "1"),
        ("queue", "0"),
        ("limits.concurrency", "1"),
    ];
    let host = Host::start(&bounds);
    host.deploy("f", &slow());
    host.deploy("g", &guests::hello());
    assert_eq!(event(&host, "f").status, 202);
    let full = event(&host, "g");
    assert_eq!(
        (full.status, full.json()["Message"].as_str()),
        (
            500,
            Some(
                "the host cannot take the call now: all 1 places of this server are taken; try again in a second"
            )
        )
    );
    wait_for_calls(&host, 1);
}

#[test]
fn events_that_were_taken_on_run_before_a_host_stops_and_are_counted() {
    let state = tempfile::tempdir().unwrap();
    let host = Host::at(state.path(), &[]);
    host.deploy("f", &slow());
    host.patch("f", json!({"limits": {"concurrency": 1}}));
    for _ in 0..3 {
        assert_eq!(event(&host, "f").status, 202);
    }
    assert_eq!(host.stop(), Drained::Completely);
    let host = Host::at(state.path(), &[]);
    assert_eq!(usage(&host)["invocations"], 3);
}

#[test]
fn events_that_do_not_end_in_time_are_said_to_be_cut_off() {
    let host = Host::start(&[("drain_ms", "100")]);
    host.deploy("f", &guests::http("(loop $for_ever (br $for_ever))"));
    assert_eq!(event(&host, "f").status, 202);
    assert_eq!(host.stop(), Drained::CutOff);
}

#[test]
fn the_call_that_a_function_is_loaded_for_is_a_cold_one() {
    let host = Host::start(&[]);
    host.deploy("f", &guests::echo());
    let report = || {
        let answer = host
            .call(&format!("{INVOKE}/f/invocations"))
            .header("x-amz-log-type", "Tail")
            .post(b"{}");
        let log = STANDARD.decode(answer.header("x-amz-log-result")).unwrap();
        String::from_utf8(log).unwrap()
    };
    let (first, second) = (report(), report());
    assert!(first.contains("Init Duration: "), "{first}");
    assert!(!second.contains("Init Duration: "), "{second}");
    assert_eq!(usage(&host)["cold_starts"], 1);
}

#[test]
fn shadows_see_what_comes_through_doors() {
    let host = Host::start(&[]);
    for answer in ["same", "other"] {
        host.deploy("f", &guests::says(answer));
    }
    let traffic = json!({"shares": [{"version": 1, "weight": 1}], "shadow": 2});
    let led = host
        .control("/api/functions/f/aliases/live")
        .json("PUT", traffic);
    assert_eq!(led.status, 200);
    let answer = host.call("/v1/models/f:predict").post(b"{}");
    assert_eq!(answer.text(), "same");
    assert_eq!(event(&host, "f").status, 202);
    wait_for_calls(&host, 4);
    let started = Instant::now();
    loop {
        let overview = host.control("/api/overview").get().json();
        let counts = &overview["functions"][0]["shadow"];
        if *counts == json!({"equal": 0, "different": 2}) {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{counts}");
    }
}

#[test]
fn questions_about_a_function_take_nothing_of_its_rate() {
    let host = Host::start(&[]);
    host.deploy("f", &guests::hello());
    host.patch("f", json!({"rate": {"requests": 1, "seconds": 3600}}));
    for _ in 0..3 {
        assert_eq!(host.call("/v2/models/f/ready").get().status, 200);
        for verb in ["load", "unload"] {
            let path = format!("/v2/repository/models/f/{verb}");
            assert_eq!(host.call(&path).post(b"").status, 200, "{verb}");
        }
    }
    assert_eq!(host.call("/v2/models/f/infer").post(b"{}").status, 200);
    let throttled = host.call("/v2/models/f/infer").post(b"{}");
    assert_eq!(
        (throttled.status, throttled.refusal().as_str()),
        (
            429,
            "the function is called more often than it may be; try again later"
        )
    );
    assert!(throttled.header("retry-after").parse::<u32>().unwrap() > 1);
    let throttled = host
        .call(&format!("{INVOKE}/f/invocations"))
        .post(b"{}")
        .json();
    assert_eq!(throttled["Reason"], "FunctionInvocationRateLimitExceeded");
}

#[test]
fn questions_about_a_function_do_not_move_its_split() {
    let answers = |questions: usize| {
        let host = Host::start(&[]);
        for answer in ["one", "two"] {
            host.deploy("f", &guests::says(answer));
        }
        let traffic = json!({"shares": [{"version": 1, "weight": 1}, {"version": 2, "weight": 1}]});
        host.control("/api/functions/f/aliases/live")
            .json("PUT", traffic);
        let answers: Vec<String> = (0..8)
            .map(|_| {
                for _ in 0..questions {
                    assert_eq!(host.call("/v2/models/f/ready").get().status, 200);
                }
                host.call("/f").get().text()
            })
            .collect();
        answers
    };
    assert_eq!(answers(0), answers(1));
}

#[test]
fn a_quota_that_is_used_up_for_good_does_not_ask_to_come_again() {
    let host = Host::start(&[]);
    host.deploy("f", &guests::hello());
    let key = json!({"name": "ada", "quotas": [{"requests": 1, "period": "total"}]});
    let key = host.control("/api/keys").json("POST", key).json();
    let secret = key["secret"].as_str().unwrap();
    let call = |path: &str| host.call(path).header("x-api-key", secret).post(b"{}");
    let invoke = format!("{INVOKE}/f/invocations");
    assert_eq!(call(&invoke).status, 200);
    let refused = call(&invoke);
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (429, ""),
        "{}",
        refused.text()
    );
    assert_eq!(refused.json()["Reason"], "CallerRateLimitExceeded");
    let refused = call("/f");
    assert_eq!((refused.status, refused.header("retry-after")), (429, ""));
}

#[test]
fn a_version_that_is_not_there_is_named_in_the_refusal() {
    let host = Host::start(&[]);
    host.deploy("f", &guests::hello());
    let kserve = host.call("/v2/models/f/versions/7/infer").post(b"{}");
    assert_eq!(
        (kserve.status, kserve.refusal().as_str()),
        (404, "the function `f` has no version or alias `7`")
    );
    let sagemaker = host
        .call("/endpoints/f/invocations")
        .header("x-amzn-sagemaker-target-variant", "7")
        .post(b"{}");
    assert_eq!(
        sagemaker.json()["Message"],
        "Endpoint f has no variant 7; a variant is a version or an alias"
    );
}

#[test]
fn what_the_client_did_wrong_is_not_said_to_be_the_hosts_fault() {
    let host = Host::start(&[("connections.body_wait_ms", "200")]);
    host.deploy("f", &guests::hello());
    let invoke = format!("{INVOKE}/f/invocations");
    let answer = host
        .call(&invoke)
        .header("x-api-key", "one")
        .header("authorization", "Bearer another")
        .post(b"{}");
    assert_eq!(
        (answer.status, answer.header("x-amzn-errortype")),
        (400, "InvalidRequestContentException")
    );
    assert_eq!(
        answer.json()["message"],
        "x-api-key and Authorization: Bearer say different things; send one of them"
    );
    let mut stalled = TcpStream::connect(host.address()).unwrap();
    write!(
        stalled,
        "POST {invoke} HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\nconnection: close\r\n\r\n{{"
    )
    .unwrap();
    let mut answer = String::new();
    stalled.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 400 ")
            && answer.contains("InvalidRequestContentException")
            && answer.contains("the request body did not arrive within 0.2 seconds"),
        "{answer}"
    );
    let index = host
        .call("/v2/repository/index")
        .post(&vec![b' '; (64 << 10) + 1]);
    assert_eq!(
        (index.status, index.refusal().as_str()),
        (413, "the request's body is longer than 65536 bytes")
    );
}

/// Takes what is exported and answers 200 to all of it, until the test is over.
fn collector() -> (String, std::sync::mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, received) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (sender, mut stream) = (sender.clone(), stream.unwrap());
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                let mut part = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut part) {
                    bytes.extend_from_slice(&part[..count]);
                    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n")
                    else {
                        continue;
                    };
                    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
                    let length: usize = head
                        .lines()
                        .find_map(|line| line.strip_prefix("content-length: "))
                        .map_or(0, |length| length.parse().unwrap());
                    if bytes.len() < end + 4 + length {
                        continue;
                    }
                    let rest = bytes.split_off(end + 4 + length);
                    sender.send(std::mem::replace(&mut bytes, rest)).unwrap();
                    stream
                        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                        .unwrap();
                }
            });
        }
    });
    (format!("http://{address}"), received)
}

#[test]
fn a_call_through_a_door_has_a_span_that_the_function_is_below() {
    let (endpoint, received) = collector();
    let host = Host::start(&[("otlp.endpoint", &endpoint)]);
    host.deploy("f", &guests::http(crate::http::TELL_HEADERS));
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let told = host
        .call("/v1/models/f:predict")
        .header("traceparent", &parent)
        .post(b"{}")
        .text();
    let context = told
        .lines()
        .find_map(|line| line.strip_prefix("traceparent: "))
        .unwrap_or_else(|| panic!("{told}"));
    assert!(
        context.starts_with(&format!("00-{TRACE}-")) && context != parent,
        "{context}"
    );
    let span: Vec<u8> = (0..8)
        .map(|byte| u8::from_str_radix(&context[36 + 2 * byte..38 + 2 * byte], 16).unwrap())
        .collect();
    assert_eq!(host.stop(), Drained::Completely);
    let exported: Vec<Vec<u8>> = received.try_iter().collect();
    let has = |request: &[u8], bytes: &[u8]| request.windows(bytes.len()).any(|part| part == bytes);
    let traces: Vec<&Vec<u8>> = exported
        .iter()
        .filter(|request| request.starts_with(b"POST /v1/traces"))
        .collect();
    assert_eq!(traces.len(), 1);
    for part in [&span[..], b"http.route", b"kserve", b"/v1/models/f:predict"] {
        assert!(has(traces[0], part), "{part:?}");
    }
}
