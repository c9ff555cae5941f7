//! What is set for a function holds from the next call on.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::guests;
use crate::host::Host;

#[test]
fn a_patch_changes_what_it_names_and_a_mistake_changes_nothing() {
    let host = Host::start(&[]);
    host.deploy("f", &guests::echo());
    assert_eq!(
        host.patch(
            "f",
            json!({"limits": {"body_bytes": 10}, "description": "an echo"})
        )
        .status,
        200
    );
    assert_eq!(host.patch("f", json!({"limits": {"queue": 3}})).status, 200);
    let settings = host.control("/api/functions/f/settings").get().json();
    assert_eq!(settings["limits"], json!({"body_bytes": 10, "queue": 3}));
    assert_eq!(settings["description"], "an echo");
    let too_long = host.call("/f").post(b"more than ten bytes");
    assert_eq!(too_long.status, 413);
    assert_eq!(
        too_long.refusal(),
        "the request body is longer than 10 bytes, the limit of this function; send fewer rows at a time"
    );
    for (patch, status, words) in [
        (
            json!({"limits": {"memory": 3}}),
            400,
            "unknown field `memory`",
        ),
        (
            json!({"limits": {"deadline_ms": 0}}),
            422,
            "`limits.deadline_ms` is 0; it must lie between 1 and 900000",
        ),
        (
            json!({"limits": {"table_elements": 2_400_001}}),
            422,
            "`limits.table_elements` is 2400001; it must lie between 1 and 2400000",
        ),
        (
            json!({"limits": {"concurrency": 99}}),
            422,
            "`limits.concurrency` is 99; it must lie between 1 and 8",
        ),
        (
            json!({"routes": ["/a*"]}),
            422,
            "a wildcard can only be at its end",
        ),
        (
            json!({"allowed_outbound_hosts": ["example.org"]}),
            422,
            "is not an outbound host",
        ),
        (
            json!({"cors": {"origins": ["*"], "credentials": true}}),
            422,
            "`cors`",
        ),
        (
            json!({"mapping": {"request": {"/": "a["}}}),
            422,
            "`mapping`",
        ),
        (
            json!({"rate": {"requests": 0, "seconds": 1}}),
            422,
            "`rate`",
        ),
        (
            json!({"budget": {"usd": -1.0, "period": "day"}}),
            422,
            "a budget of -1 US dollars is impossible",
        ),
    ] {
        let refused = host.patch("f", patch.clone());
        assert_eq!(refused.status, status, "{patch}: {}", refused.text());
        assert!(
            refused.refusal().contains(words),
            "{patch}: {}",
            refused.refusal()
        );
    }
    assert_eq!(
        host.control("/api/functions/f/settings").get().json(),
        settings
    );
    let not_json = host
        .control("/api/functions/f/settings")
        .header("content-type", "text/plain")
        .send("PUT", b"{}");
    assert_eq!(not_json.status, 400);
}

#[test]
fn a_change_that_expects_another_state_is_refused() {
    let host = Host::start(&[]);
    host.deploy("f", &guests::hello());
    let tag = host
        .control("/api/functions/f")
        .get()
        .header("etag")
        .to_owned();
    let put = |tag: &str| {
        let request = host
            .control("/api/functions/f/settings")
            .header("if-match", tag);
        request.json("PUT", json!({"description": "x"})).status
    };
    assert_eq!(put(&tag), 200);
    assert_eq!(put(&tag), 412, "the function has changed since");
}

#[test]
fn rates_are_told_and_kept() {
    let host = Host::start(&[]);
    host.deploy("f", &guests::hello());
    assert_eq!(
        host.patch("f", json!({"rate": {"requests": 2, "seconds": 3600}}))
            .status,
        200
    );
    let first = host.call("/f").get();
    assert_eq!(
        (first.status, first.header("ratelimit-policy")),
        (200, "\"function\";q=2;w=3600")
    );
    assert!(
        first.header("ratelimit").starts_with("\"function\";r=1"),
        "{}",
        first.header("ratelimit")
    );
    assert_eq!(host.call("/f").get().status, 200);
    let refused = host.call("/f").get();
    assert_eq!(refused.status, 429);
    assert!(refused.header("retry-after").parse::<u32>().unwrap() > 0);
    assert!(
        refused
            .refusal()
            .contains("may be called 2 times in 3600 s"),
        "{}",
        refused.refusal()
    );
    // A new version, or another setting, does not fill the bucket again.
    host.deploy("f", &guests::says("x"));
    host.patch("f", json!({"description": "y"}));
    assert_eq!(host.call("/f").get().status, 429);
}

#[test]
fn pages_of_allowed_origins_may_call() {
    let host = Host::start(&[]);
    host.deploy("f", &guests::hello());
    let cors = json!({"cors": {"origins": ["https://app.example"], "headers": ["x-own"]}});
    assert_eq!(host.patch("f", cors).status, 200);
    let preflight = |origin: &str| {
        host.call("/f")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "x-own")
            .send("OPTIONS", b"")
    };
    let allowed = preflight("https://app.example");
    assert_eq!(
        (
            allowed.status,
            allowed.header("access-control-allow-origin")
        ),
        (204, "https://app.example")
    );
    assert_eq!(
        preflight("https://evil.example").header("access-control-allow-origin"),
        ""
    );
    let answer = host
        .call("/f")
        .header("origin", "https://app.example")
        .get();
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "https://app.example"
    );
    host.patch("f", json!({"rate": {"requests": 1, "seconds": 3600}}));
    host.call("/f").get();
    let refused = host
        .call("/f")
        .header("origin", "https://app.example")
        .get();
    assert_eq!(
        (
            refused.status,
            refused.header("access-control-allow-origin")
        ),
        (429, "https://app.example")
    );
}

#[test]
fn bodies_are_mapped_both_ways() {
    let host = Host::start(&[]);
    host.deploy("f", &guests::echo());
    let mapping = json!({"mapping": {"request": {"/x": "{instances: rows}"}, "response": {"/x": "instances[0]"}}});
    assert_eq!(host.patch("f", mapping).status, 200);
    let body = br#"{"rows": [[1, 9007199254740993, 0.1]], "other": true}"#;
    assert_eq!(
        host.call("/f/x").post(body).text(),
        "[1,9007199254740993,0.1]"
    );
    assert_eq!(host.call("/f/y").post(body).body, body);
    let refused = host.call("/f/x").post(b"no JSON");
    assert_eq!(refused.status, 400);
    assert!(
        refused.refusal().starts_with("the body is not JSON"),
        "{}",
        refused.refusal()
    );
}

#[test]
fn an_instance_is_fresh_for_each_call_unless_reuse_is_allowed() {
    // Counts its own calls in memory: `1`, `2`, … while it lives.
    let counter = guests::http(
        "(i32.store (i32.const 8192) (i32.add (i32.load (i32.const 8192)) (i32.const 1)))
         (i32.store8 (i32.const 8200) (i32.add (i32.load (i32.const 8192)) (i32.const 48)))
         (call $drop_request (local.get $request))
         (call $begin (local.get $out) (i32.const 200))
         (call $write (i32.const 8200) (i32.const 1))
         (call $end)",
    );
    let host = Host::start(&[]);
    host.deploy("f", &counter);
    let call = || host.call("/f").get().text();
    assert_eq!([call(), call(), call()], ["1", "1", "1"]);
    assert_eq!(
        host.patch("f", json!({"reuse": {"requests": 2, "idle_ms": 60000}}))
            .status,
        200
    );
    assert_eq!([call(), call(), call(), call()], ["1", "2", "1", "2"]);
    assert_eq!(host.patch("f", json!({"reuse": null})).status, 200);
    assert_eq!([call(), call()], ["1", "1"]);
}

#[test]
fn fuel_is_metered_alike_every_time_and_bounded() {
    let host = Host::start(&[]);
    host.deploy("f", &guests::http(
        "(local.set $a (i32.const 1000))
         (loop $again (local.set $a (i32.sub (local.get $a) (i32.const 1))) (br_if $again (local.get $a)))
         (call $drop_request (local.get $request))
         (call $begin (local.get $out) (i32.const 200))
         (call $end)",
    ));
    assert_eq!(
        host.patch("f", json!({"limits": {"fuel": 1_000_000}}))
            .status,
        200
    );
    let fuel = || {
        host.control("/api/usage?by=total").get().json()[0]["fuel"]
            .as_u64()
            .unwrap()
    };
    assert_eq!(host.call("/f").get().status, 200);
    let first = fuel();
    assert!(first > 1000, "{first}");
    assert_eq!(host.call("/f").get().status, 200);
    assert_eq!(fuel(), 2 * first);
    assert_eq!(
        host.patch("f", json!({"limits": {"fuel": 500}})).status,
        200
    );
    let refused = host.call("/f").get();
    assert_eq!(refused.status, 507);
    assert!(
        refused.refusal().contains("500 units of fuel"),
        "{}",
        refused.refusal()
    );
    let metrics = host.control("/metrics").get().text();
    assert!(
        metrics
            .lines()
            .any(|line| line.starts_with("faas_errors_total{")
                && line.contains(r#"error_type="fuel""#)
                && line.ends_with(" 1")),
        "{metrics}"
    );
}

#[test]
fn a_function_that_works_on_after_its_answer_keeps_its_place() {
    let host = Host::start(&[]);
    host.deploy(
        "busy",
        &guests::http(
            "(call $begin (local.get $out) (i32.const 200))
             (call $write (i32.const 1024) (i32.const 6))
             (call $end)
             (loop $forever (br $forever))",
        ),
    );
    host.deploy("other", &guests::hello());
    let limits = json!({"limits": {"concurrency": 1, "queue": 0, "deadline_ms": 3000}});
    assert_eq!(host.patch("busy", limits).status, 200);
    let first = host.call("/busy").get();
    assert_eq!((first.status, first.text().as_str()), (200, "hello\n"));
    // More often than the host has places.
    for _ in 0..10 {
        let refused = host.call("/busy").get();
        assert_eq!(
            (refused.status, refused.refusal().as_str()),
            (
                429,
                "1 calls of the function `busy` run already, the most that may at once; try again in a second"
            )
        );
    }
    assert_eq!(host.call("/other").get().text(), "hello\n");
    let patience = Instant::now() + Duration::from_secs(30);
    while host.call("/busy").get().status != 200 {
        assert!(Instant::now() < patience, "it is stopped at its deadline");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// A call whose request has been let in, and whose body has not been sent.
fn let_in(host: &Host, path: &str, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(host.address()).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

/// Waits until a function has its place, without asking for one.
fn until_one_runs(host: &Host) {
    let metrics = || host.control("/metrics").get().text();
    let started = Instant::now();
    while !metrics().contains("hyaline_invocations_running 1") {
        assert!(started.elapsed() < Duration::from_secs(20), "{}", metrics());
    }
}

fn rest(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_call_let_in_before_a_change_does_not_bring_the_old_settings_back() {
    let host = Host::start(&[("limits.deadline_ms", "60000")]);
    host.deploy("f", &guests::http("(loop $forever (br $forever))"));
    let mut early = let_in(&host, "/f", 1);
    assert_eq!(
        host.patch("f", json!({"limits": {"deadline_ms": 200}}))
            .status,
        200
    );
    early.write_all(b"x").unwrap();
    let answer = rest(early);
    assert!(answer.contains("within its deadline of 200ms"), "{answer}");
    assert_eq!(
        host.call("/f").get().refusal(),
        "the function did not finish within its deadline of 200ms"
    );
}

#[test]
fn a_body_is_mapped_only_when_its_call_has_a_place() {
    let host = Host::start(&[]);
    host.deploy("f", &guests::http("(loop $forever (br $forever))"));
    let settings = json!({
        "limits": {"deadline_ms": 3000, "concurrency": 1, "queue": 0},
        "mapping": {"request": {"/f": "@"}},
    });
    let answer = host.patch("f", settings);
    assert_eq!(answer.status, 200, "{}", answer.text());
    std::thread::scope(|scope| {
        let running = scope.spawn(|| host.call("/f").json("POST", json!({})).status);
        until_one_runs(&host);
        // No JSON: it cannot be mapped, and is not looked at.
        assert_eq!(host.call("/f").post(b"{").status, 429);
        assert_eq!(running.join().unwrap(), 504);
    });
    assert_eq!(host.call("/f").post(b"{").status, 400);
}

#[test]
fn the_bodies_of_all_calls_have_one_bound() {
    let host = Host::start(&[("connections.bodies_mib", "1")]);
    host.deploy("busy", &guests::http("(loop $forever (br $forever))"));
    host.deploy("echo", &guests::echo());
    host.patch("busy", json!({"limits": {"deadline_ms": 5000}}));
    let mut large = let_in(&host, "/busy", 900 << 10);
    large.write_all(&vec![b'x'; 900 << 10]).unwrap();
    until_one_runs(&host);
    let call = || host.call("/echo").post(&vec![b'y'; 300 << 10]);
    let refused = call();
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"));
    assert_eq!(
        refused.refusal(),
        "the request bodies that this server holds take the 1 MiB that they may; try again in a second, or have its operator \
         raise `connections.bodies_mib`"
    );
    assert!(rest(large).starts_with("HTTP/1.1 504"));
    assert_eq!(call().status, 200);
}
