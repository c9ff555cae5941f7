//! Calls from the gate to the limits, as a server puts them through.

use std::sync::Arc;

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use http::uri::Uri;
use hyaline_control::{Access, FunctionName, KeyRequest, Rate};
use hyaline_gateway::{
    Caller, CallerKind, ControlDoor, Denied, FunctionLimit, Gate, Issuers, Keys, Refused, spend,
};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

struct Host {
    directory: tempfile::TempDir,
    keys: Keys,
}

fn now() -> Timestamp {
    "2026-11-27T23:59:00Z".parse().unwrap()
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

fn request(document: Value) -> KeyRequest {
    serde_json::from_value(document).unwrap()
}

fn credit() -> FunctionName {
    FunctionName::new("credit").unwrap()
}

fn gate(access: Value) -> Gate {
    let access: Access = serde_json::from_value(access).unwrap();
    Gate::new(&access, &Arc::new(Issuers::new())).unwrap()
}

impl Host {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let keys = Keys::open(&directory.path().join("keys.redb")).unwrap();
        Host { directory, keys }
    }

    fn again(self) -> Self {
        let Host { directory, keys } = self;
        drop(keys);
        let keys = Keys::open(&directory.path().join("keys.redb")).unwrap();
        Host { directory, keys }
    }

    fn issue(&self, document: Value) -> String {
        self.keys.issue(request(document), now()).unwrap().secret
    }

    fn ask(&self, gate: &Gate, pairs: &[(&str, &str)]) -> Result<Caller, Denied> {
        match gate.admit(&self.keys, &headers(pairs), &credit(), now()) {
            Ok(caller) => Ok(caller),
            Err(Refused::Denied(denied)) => Err(denied),
            Err(Refused::NeedsKeys(source)) => panic!("{source:?}"),
        }
    }

    fn caller(&self, secret: &str) -> Caller {
        self.ask(&gate(json!({})), &[("x-api-key", secret)])
            .unwrap()
    }
}

fn said(denied: &Denied) -> (u16, String) {
    let mut answer = HeaderMap::new();
    denied.write(&mut answer);
    let challenge = answer.get("www-authenticate");
    let challenge = challenge.map_or("", |value| value.to_str().unwrap());
    (denied.status().as_u16(), challenge.to_owned())
}

#[test]
fn an_open_function_takes_anybody_but_no_bad_key() {
    let host = Host::new();
    let gate = gate(json!({}));
    let secret = host.issue(json!({"name": "mobile"}));
    let anonymous = host.ask(&gate, &[]).unwrap();
    assert_eq!(
        (anonymous.name(), anonymous.kind()),
        ("", CallerKind::Anonymous)
    );
    let known = host.ask(&gate, &[("x-api-key", &secret)]).unwrap();
    assert_eq!((known.name(), known.kind()), ("mobile", CallerKind::Key));
    let bearer = format!("bearer {secret}");
    assert_eq!(
        host.ask(&gate, &[("authorization", &bearer)])
            .unwrap()
            .name(),
        "mobile"
    );
    // What is not the host's business is the function's.
    for value in ["Basic dTpw", "Bearer something.of.the-function", "Digest x"] {
        let caller = host.ask(&gate, &[("authorization", value)]).unwrap();
        assert_eq!(caller.kind(), CallerKind::Anonymous);
    }
    for pairs in [
        [("x-api-key", "x")],
        [("x-api-key", "hyk_x")],
        [("authorization", "Bearer hyk_x")],
    ] {
        assert_eq!(host.ask(&gate, &pairs).unwrap_err(), Denied::NotAKey);
    }
    host.keys.revoke(&"mobile".parse().unwrap()).unwrap();
    assert_eq!(
        host.ask(&gate, &[("x-api-key", &secret)]).unwrap_err(),
        Denied::UnknownKey
    );
}

#[test]
fn refusals_say_what_rfc_6750_asks_for() {
    let host = Host::new();
    let gate = gate(json!({"required": true}));
    let scoped = host.issue(json!({"name": "scoped", "functions": ["other"]}));
    let brief = host.issue(json!({"name": "brief", "expires": "2026-11-27T23:59:01Z"}));
    let refused = |pairs: &[(&str, &str)]| said(&host.ask(&gate, pairs).unwrap_err());
    assert_eq!(refused(&[]), (401, "Bearer realm=\"hyaline\"".into()));
    assert_eq!(refused(&[("authorization", "Basic dTpw")]).0, 401);
    assert_eq!(
        refused(&[("authorization", "Bearer a.b.c")]),
        (
            401,
            "Bearer realm=\"hyaline\", error=\"invalid_token\", error_description=\"this is not an API key; check for \
             missing or mistyped characters\""
                .into()
        )
    );
    assert_eq!(
        refused(&[("x-api-key", &scoped)]),
        (
            403,
            "Bearer realm=\"hyaline\", error=\"insufficient_scope\", error_description=\"the API key scoped may not call \
             credit\""
                .into()
        )
    );
    assert_eq!(
        refused(&[("x-api-key", "a"), ("x-api-key", "b")]),
        (
            400,
            "Bearer realm=\"hyaline\", error=\"invalid_request\", error_description=\"the header x-api-key comes more than \
             once\""
                .into()
        )
    );
    assert!(host.ask(&gate, &[("x-api-key", &brief)]).is_ok());
    let later = gate.admit(
        &host.keys,
        &headers(&[("x-api-key", &brief)]),
        &credit(),
        now() + 1.second(),
    );
    let Err(Refused::Denied(denied)) = later else {
        panic!("{later:?}");
    };
    assert_eq!(denied.to_string(), "the API key brief has expired");
    assert_eq!(
        host.ask(&gate, &[]).unwrap_err().to_string(),
        "this takes an API key (x-api-key: ... or Authorization: Bearer ...)"
    );
}

#[test]
fn a_function_does_not_see_the_key_of_its_caller() {
    let host = Host::new();
    let caller = host.caller(&host.issue(json!({"name": "mobile"})));
    let sent = [
        ("x-api-key", "s"),
        ("authorization", "Bearer s"),
        ("accept", "x"),
    ];
    let mut concealed = headers(&sent);
    caller.conceal_credential(&mut concealed);
    assert_eq!(concealed, headers(&sent[2..]));
    let mut kept = headers(&[("authorization", "Basic dTpw")]);
    Caller::ANONYMOUS.conceal_credential(&mut kept);
    assert_eq!(kept.len(), 1);
}

fn shown(headers: &HeaderMap) -> Vec<String> {
    headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect()
}

fn allowed(function: Option<&FunctionLimit>, caller: &Caller, now: Timestamp) -> Vec<String> {
    let mut answer = HeaderMap::new();
    spend(function, caller, now).unwrap().write(&mut answer);
    shown(&answer)
}

fn throttled(
    function: Option<&FunctionLimit>,
    caller: &Caller,
    now: Timestamp,
) -> (String, Vec<String>) {
    let refusal = spend(function, caller, now).unwrap_err();
    let mut answer = HeaderMap::new();
    refusal.write(&mut answer);
    (refusal.to_string(), shown(&answer))
}

fn limit(requests: u32, seconds: u32) -> FunctionLimit {
    FunctionLimit::new(Rate {
        requests,
        seconds,
        burst: None,
    })
    .unwrap()
}

#[test]
fn answers_tell_what_is_left() {
    let host = Host::new();
    let caller = host.caller(&host.issue(json!({
        "name": "mobile",
        "rate": {"requests": 2, "seconds": 10},
        "quotas": [{"requests": 3, "period": "day"}, {"requests": 100, "period": "month"}, {"requests": 1000, "period": "total"}],
    })));
    let function = limit(50, 1);
    let policies = [
        "ratelimit-policy: \"key\";q=2;w=10, \"day\";q=3;w=86400, \"month\";q=100, \"total\";q=1000",
        "ratelimit-policy: \"function\";q=50;w=1",
    ];
    assert_eq!(
        allowed(Some(&function), &caller, now()),
        [
            policies[0],
            policies[1],
            "ratelimit: \"key\";r=1;t=5, \"day\";r=2;t=60, \"month\";r=99;t=259260, \"total\";r=999, \"function\";r=49;t=1",
        ]
    );
    allowed(Some(&function), &caller, now());
    assert_eq!(
        throttled(Some(&function), &caller, now()),
        (
            "this API key may call 2 times in 10 s; try again in 5 s".into(),
            vec![
                "retry-after: 5".into(),
                policies[0].into(),
                policies[1].into(),
                "ratelimit: \"key\";r=0;t=5".into(),
            ]
        )
    );
    // A client that waits as it is told gets through, until its day is used up; then until midnight.
    allowed(Some(&function), &caller, now() + 5.seconds());
    assert_eq!(
        throttled(Some(&function), &caller, now() + 10.seconds()),
        (
            "this API key may call 3 times a day (UTC), and has; try again in 50 s".into(),
            vec![
                "retry-after: 50".into(),
                policies[0].into(),
                policies[1].into(),
                "ratelimit: \"day\";r=0;t=50".into(),
            ]
        )
    );
    allowed(Some(&function), &caller, now() + 60.seconds());
}

#[test]
fn a_call_that_one_limit_refuses_is_charged_to_none() {
    let host = Host::new();
    let caller = host.caller(&host.issue(json!({
        "name": "mobile",
        "rate": {"requests": 2, "seconds": 60},
        "quotas": [{"requests": 2, "period": "total"}],
    })));
    let function = limit(1, 1);
    allowed(Some(&function), &caller, now());
    for _ in 0..10 {
        let (words, answer) = throttled(Some(&function), &caller, now());
        assert_eq!(
            words,
            "this function may be called 1 times in 1 s, all callers together; try again in 1 s"
        );
        assert_eq!(answer.last().unwrap(), "ratelimit: \"function\";r=0;t=1");
    }
    assert_eq!(
        allowed(Some(&function), &caller, now() + 1.second())
            .last()
            .unwrap(),
        "ratelimit: \"key\";r=0;t=59, \"total\";r=0, \"function\";r=0;t=1"
    );
    let (words, answer) = throttled(Some(&function), &caller, now() + 1.hour());
    assert_eq!(
        words,
        "this API key may call 2 times in total, and has; it takes a new key, or a larger quota"
    );
    assert!(
        !answer.iter().any(|line| line.starts_with("retry-after")),
        "{answer:?}"
    );
    // The refused call left the function's only call to somebody else.
    allowed(Some(&function), &Caller::ANONYMOUS, now() + 1.hour());
}

#[test]
fn nothing_is_said_where_nothing_is_limited() {
    let host = Host::new();
    assert!(allowed(None, &Caller::ANONYMOUS, now()).is_empty());
    assert!(allowed(None, &host.caller(&host.issue(json!({"name": "a"}))), now()).is_empty());
}

#[test]
fn quotas_survive_the_end_of_the_host_and_rates_survive_new_keys() {
    let host = Host::new();
    let secret = host.issue(json!({"name": "a", "quotas": [{"requests": 3, "period": "day"}]}));
    let rated = host.issue(json!({"name": "b", "rate": {"requests": 1, "seconds": 60}}));
    allowed(None, &host.caller(&secret), now());
    host.keys.flush().unwrap();
    host.keys.flush().unwrap();
    allowed(None, &host.caller(&secret), now());
    allowed(None, &host.caller(&rated), now());
    host.issue(json!({"name": "c"}));
    throttled(None, &host.caller(&rated), now());

    // The second call was not flushed, so it is forgotten, in the caller's favour.
    let host = host.again();
    let answer = allowed(None, &host.caller(&secret), now());
    assert_eq!(answer.last().unwrap(), "ratelimit: \"day\";r=1;t=60");
    host.keys.flush().unwrap();
    let host = host.again();
    allowed(None, &host.caller(&secret), now());
    throttled(None, &host.caller(&secret), now());

    // Another key of the same name begins anew.
    host.keys.flush().unwrap();
    host.keys.revoke(&"a".parse().unwrap()).unwrap();
    let secret = host.issue(json!({"name": "a", "quotas": [{"requests": 3, "period": "day"}]}));
    let host = host.again();
    let answer = allowed(None, &host.caller(&secret), now());
    assert_eq!(answer.last().unwrap(), "ratelimit: \"day\";r=2;t=60");
}

#[test]
fn time_alone_does_not_open_the_control_plane_again() {
    let host = Host::new();
    let local = ControlDoor::at("127.0.0.1:0".parse().unwrap(), &host.keys, now()).unwrap();
    let expires = now() + 1.hour();
    host.issue(json!({"name": "root", "control": true, "expires": expires.to_string()}));
    let ask = |time| {
        let here = headers(&[("host", "localhost")]);
        local.admit(&host.keys, &Uri::from_static("/functions"), &here, time)
    };
    assert_eq!(ask(now()).unwrap_err(), Denied::Missing { tokens: false });
    let lapsed = ask(expires).unwrap_err();
    assert_eq!(said(&lapsed).0, 403);
    assert_eq!(
        lapsed.to_string(),
        "every API key that opens the control plane has expired; stop the host and make another: `hyaline keys new NAME \
         --control --state DIRECTORY`"
    );
    host.keys.revoke(&"root".parse().unwrap()).unwrap();
    assert!(ask(expires).is_ok(), "revoking is somebody's will");
}

#[test]
fn the_control_plane_is_open_without_a_key_on_this_machine_only() {
    let host = Host::new();
    let local: Vec<ControlDoor> = [
        "127.0.0.1:0",
        "127.9.9.9:80",
        "[::1]:0",
        "[::ffff:127.0.0.1]:0",
    ]
    .map(|address| ControlDoor::at(address.parse().unwrap(), &host.keys, now()).unwrap())
    .into();
    for address in [
        "0.0.0.0:80",
        "[::]:80",
        "192.0.2.1:80",
        "[2001:db8::1]:80",
        "[::ffff:0.0.0.0]:80",
    ] {
        let refused = ControlDoor::at(address.parse().unwrap(), &host.keys, now()).unwrap_err();
        assert!(
            refused
                .to_string()
                .starts_with("the control plane would be open to everybody who reaches "),
            "{address}"
        );
    }
    let uri = Uri::from_static("/functions");
    let ask = |door: &ControlDoor, pairs: &[(&str, &str)]| {
        door.admit(&host.keys, &uri, &headers(pairs), now())
    };
    for door in &local {
        assert!(ask(door, &[("host", "localhost:8080")]).is_ok());
        assert_eq!(
            ask(door, &[("host", "evil.example")]).unwrap_err(),
            Denied::Foreign
        );
        let page = [("host", "localhost"), ("origin", "https://evil.example")];
        assert_eq!(ask(door, &page).unwrap_err(), Denied::Foreign);
    }

    let control = host.issue(json!({"name": "root", "control": true}));
    let other = host.issue(json!({"name": "mobile"}));
    let public = ControlDoor::at("0.0.0.0:80".parse().unwrap(), &host.keys, now()).unwrap();
    for door in [&public, &local[0]] {
        assert_eq!(
            ask(door, &[("host", "localhost")]).unwrap_err(),
            Denied::Missing { tokens: false },
            "once there is a key, it is needed everywhere"
        );
        let from_elsewhere = [("host", "evil.example"), ("x-api-key", &control)];
        assert_eq!(ask(door, &from_elsewhere).unwrap().name(), "root");
        let denied = ask(door, &[("x-api-key", &other)]).unwrap_err();
        assert_eq!(said(&denied).0, 403);
        assert_eq!(
            denied.to_string(),
            "the API key mobile does not open the control plane"
        );
        assert_eq!(
            ask(door, &[("authorization", "Bearer a.b.c")]).unwrap_err(),
            Denied::NotAKey
        );
    }

    host.keys.revoke(&"root".parse().unwrap()).unwrap();
    assert_eq!(
        ask(&public, &[("host", "localhost")]).unwrap_err(),
        Denied::Sealed
    );
    assert_eq!(
        ask(&public, &[("x-api-key", &control)]).unwrap_err(),
        Denied::UnknownKey
    );
    assert!(ask(&local[0], &[("host", "localhost")]).is_ok());
}
