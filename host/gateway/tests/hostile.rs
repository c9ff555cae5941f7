//! Headers that an attacker would send: whatever they are, each question has an answer.

use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};
use http::uri::Uri;
use http::{HeaderMap, Method};
use hyaline_control::{Access, Cors, FunctionName, KeySource};
use hyaline_gateway::{ControlDoor, CrossOrigin, Gate, Issuers, Keys, Refused, RequestId};
use jiff::Timestamp;
use serde_json::{Value, json};

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most))
            .map(|_| self.below(256) as u8)
            .collect()
    }
}

struct Doors {
    _directory: tempfile::TempDir,
    keys: Keys,
    gates: Vec<Gate>,
    control: ControlDoor,
    cors: CrossOrigin,
    now: Timestamp,
}

fn doors() -> (Doors, Vec<String>) {
    let vectors: Value = serde_json::from_str(include_str!("vectors/tokens.json")).unwrap();
    let now = Timestamp::from_second(vectors["now"].as_i64().unwrap()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let keys = Keys::open(&directory.path().join("keys.redb")).unwrap();
    let request = json!({"name": "known", "control": true});
    let secret = keys
        .issue(serde_json::from_value(request).unwrap(), now)
        .unwrap()
        .secret;
    let issuers = Arc::new(Issuers::new());
    let source = KeySource::File("jwks.json".into());
    let jwt =
        json!({"issuer": vectors["issuer"], "audience": "hyaline", "keys": {"file": "jwks.json"}});
    let gates = [
        json!({}),
        json!({"required": true}),
        json!({"required": true, "jwt": [jwt]}),
        json!({"jwt": [jwt, jwt]}),
    ]
    .map(|access| {
        let access: Access = serde_json::from_value(access).unwrap();
        Gate::new(&access, &issuers).unwrap()
    })
    .into();
    let set = serde_json::to_vec(&vectors["sets"]["all"]).unwrap();
    issuers.provide(&source, &set, now).unwrap();
    let settings = Cors {
        origins: vec!["https://shop.example".into()],
        headers: vec![],
        expose: vec![],
        credentials: true,
        max_age_seconds: 0,
    };
    let mut sound: Vec<String> = vec![secret];
    for case in vectors["cases"].as_array().unwrap() {
        let is_sound = case["expected"].as_str().unwrap().contains('|');
        if is_sound && case["set"] == "all" && case["rules"] == json!({}) {
            sound.push(case["token"].as_str().unwrap().into());
        }
    }
    let doors = Doors {
        control: ControlDoor::at("127.0.0.1:0".parse().unwrap(), &keys, now).unwrap(),
        cors: CrossOrigin::new(&settings).unwrap(),
        keys,
        gates,
        now,
        _directory: directory,
    };
    (doors, sound)
}

impl Doors {
    /// Whether any door lets these headers in as somebody.
    fn ask(&self, headers: &HeaderMap) -> bool {
        let function = FunctionName::new("credit").unwrap();
        let mut known = false;
        for gate in &self.gates {
            match gate.admit(&self.keys, headers, &function, self.now) {
                Ok(caller) => known |= !caller.name().is_empty(),
                Err(Refused::Denied(denied)) => {
                    let mut answer = HeaderMap::new();
                    denied.write(&mut answer);
                    assert!((400..=503).contains(&denied.status().as_u16()));
                    assert!(denied.to_string().len() < 400, "{denied}");
                    if denied.status() == 401 {
                        let challenge = answer["www-authenticate"].to_str().unwrap();
                        assert!(challenge.starts_with("Bearer realm=\"hyaline\""));
                    }
                }
                Err(Refused::NeedsKeys(_)) => {}
            }
        }
        known |= self
            .control
            .admit(&self.keys, &Uri::from_static("/"), headers, self.now)
            .is_ok();
        let id = RequestId::of(headers, self.now);
        assert!((1..=128).contains(&id.as_str().len()));
        let mut answer = headers.clone();
        id.write(&mut answer);
        self.cors.write(headers, &mut answer);
        let _ = self.cors.preflight(&Method::OPTIONS, headers);
        known
    }
}

const NAMES: [&str; 8] = [
    "x-api-key",
    "authorization",
    "x-request-id",
    "origin",
    "host",
    "access-control-request-method",
    "vary",
    "cookie",
];

#[test]
fn random_headers_let_nobody_in() {
    let (doors, _) = doors();
    let mut random = Random(0x1234_5678_9ABC_DEF1);
    let starts = [
        "",
        "Bearer ",
        "bearer hyk_",
        "hyk_",
        "Bearer eyJ",
        "Bearer ..",
        "Basic ",
    ];
    for _ in 0..20_000 {
        let mut headers = HeaderMap::new();
        for _ in 0..random.below(6) {
            let name = HeaderName::from_static(NAMES[random.below(NAMES.len())]);
            let mut value = starts[random.below(starts.len())].as_bytes().to_vec();
            value.extend(random.bytes(80));
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.append(name, value);
            }
        }
        assert!(!doors.ask(&headers), "{headers:?}");
    }
}

#[test]
fn a_credential_with_one_byte_changed_lets_nobody_in() {
    let (doors, sound) = doors();
    let mut random = Random(0xFEED_5EED_0BAD_F00D);
    for credential in &sound {
        let ask = |value: &[u8]| {
            let mut headers = HeaderMap::new();
            let value = [b"Bearer ", value].concat();
            headers.insert("authorization", HeaderValue::from_bytes(&value).unwrap());
            doors.ask(&headers)
        };
        assert!(ask(credential.as_bytes()), "{credential}");
        for _ in 0..20 {
            let mut changed = credential.clone().into_bytes();
            let place = random.below(changed.len());
            changed[place] = b"AZaz09-_.~"[random.below(10)];
            if changed != credential.as_bytes() {
                assert!(!ask(&changed), "{}", String::from_utf8_lossy(&changed));
            }
        }
        assert!(!ask(&credential.as_bytes()[1..]));
        assert!(!ask(&credential.as_bytes()[..credential.len() - 1]));
    }
}

#[test]
fn long_and_many_headers_let_nobody_in() {
    let (doors, sound) = doors();
    for size in [8 * 1024, 64 * 1024, 256 * 1024] {
        for start in ["", "Bearer ", "Bearer a.b.", "Bearer hyk_"] {
            for filling in ["a", ".", "="] {
                let value = format!("{start}{}", filling.repeat(size));
                for name in NAMES {
                    let mut headers = HeaderMap::new();
                    headers.insert(name, HeaderValue::try_from(&value).unwrap());
                    assert!(!doors.ask(&headers));
                }
            }
        }
    }
    let mut headers = HeaderMap::new();
    for _ in 0..10_000 {
        headers.append(
            "authorization",
            HeaderValue::try_from(format!("Bearer {}", sound[0])).unwrap(),
        );
        headers.append("x-request-id", HeaderValue::from_static("a"));
        headers.append("origin", HeaderValue::from_static("https://shop.example"));
        headers.append("vary", HeaderValue::from_static("accept"));
    }
    assert!(
        !doors.ask(&headers),
        "a credential that comes 10,000 times is none"
    );
}
