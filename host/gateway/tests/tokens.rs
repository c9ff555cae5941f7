//! Tokens and key sets made elsewhere: by PyJWT and cryptography, and those of the RFCs.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderValue};
use hyaline_control::{Access, FunctionName, Jwt, KeySource};
use hyaline_gateway::{CallerKind, Denied, Gate, Issuers, JwkSet, Keys, Refused};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

struct Host {
    _directory: tempfile::TempDir,
    keys: Keys,
    issuers: Arc<Issuers>,
    gate: Gate,
    source: KeySource,
}

fn jwt(rules: &Value) -> Jwt {
    let mut document = json!({
        "issuer": "https://issuer.example",
        "audience": "hyaline",
        "keys": {"url": "https://issuer.example/jwks.json"},
    });
    for (name, value) in rules.as_object().unwrap() {
        document[name] = value.clone();
    }
    serde_json::from_value(document).unwrap()
}

impl Host {
    fn new(rules: Vec<Jwt>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let keys = Keys::open(&directory.path().join("keys.redb")).unwrap();
        let issuers = Arc::new(Issuers::new());
        let source = rules[0].keys.clone();
        let access = Access {
            required: true,
            jwt: rules,
        };
        Host {
            keys,
            gate: Gate::new(&access, &issuers).unwrap(),
            issuers,
            source,
            _directory: directory,
        }
    }

    fn provide(&self, set: &Value, now: Timestamp) {
        let bytes = serde_json::to_vec(set).unwrap();
        self.issuers.provide(&self.source, &bytes, now).unwrap();
    }

    /// Who is let in, or the words of the refusal, or what must be read first.
    fn ask(&self, token: &str, now: Timestamp) -> String {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
        headers.insert(AUTHORIZATION, value);
        let function = FunctionName::new("credit").unwrap();
        match self.gate.admit(&self.keys, &headers, &function, now) {
            Ok(caller) => {
                assert_eq!(caller.kind(), CallerKind::Token);
                caller.name().to_owned()
            }
            Err(Refused::Denied(denied)) => {
                let mut answer = HeaderMap::new();
                denied.write(&mut answer);
                if matches!(denied, Denied::Token(_)) {
                    assert_eq!(denied.status(), 401);
                    let challenge = answer["www-authenticate"].to_str().unwrap();
                    let start =
                        "Bearer realm=\"hyaline\", error=\"invalid_token\", error_description=\"";
                    assert!(challenge.starts_with(start), "{challenge}");
                }
                denied.to_string()
            }
            Err(Refused::NeedsKeys(source)) => {
                assert_eq!(source, self.source);
                "needs keys".into()
            }
        }
    }
}

fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors/tokens.json")).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

#[test]
fn tokens_of_pyjwt_are_taken_or_refused_in_clear_words() {
    let vectors = vectors();
    let now = at(vectors["now"].as_i64().unwrap());
    let cases = vectors["cases"].as_array().unwrap();
    assert!(cases.len() > 60);
    let mut wrong = Vec::new();
    for case in cases {
        let host = Host::new(vec![jwt(&case["rules"])]);
        host.provide(&vectors["sets"][case["set"].as_str().unwrap()], now);
        for round in ["first", "again"] {
            let said = host.ask(case["token"].as_str().unwrap(), now);
            if said != case["expected"].as_str().unwrap() {
                wrong.push(format!("{} ({round}): {said}", case["name"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn keys_are_asked_for_at_most_once_a_minute() {
    let vectors = vectors();
    let now = at(vectors["now"].as_i64().unwrap());
    let case = |name: &str| {
        let cases = vectors["cases"].as_array().unwrap().iter();
        let case = cases.clone().find(|case| case["name"] == name).unwrap();
        case["token"].as_str().unwrap().to_owned()
    };
    let (good, unknown) = (case("RS256"), case("kid unknown"));
    let host = Host::new(vec![jwt(&json!({"leeway_seconds": 3600}))]);
    let all = &vectors["sets"]["all"];
    assert_eq!(host.issuers.due(now), std::slice::from_ref(&host.source));
    assert_eq!(host.ask(&good, now), "needs keys");
    assert_eq!(
        host.ask(&good, now),
        "needs keys",
        "every waiting call learns what it waits for"
    );
    let patient = Host::new(vec![jwt(&json!({"leeway_seconds": 3600}))]);
    patient.provide(&vectors["sets"]["all"], now + 5.seconds());
    assert_eq!(
        patient.ask(&good, now),
        "https://issuer.example|alice",
        "the keys are newer than the call that waited for them"
    );

    host.issuers.failed(&host.source, now);
    assert_eq!(host.issuers.due(now), []);
    assert_eq!(
        host.ask(&good, now + 59.seconds()),
        "the keys of the token's issuer cannot be read at the moment"
    );
    assert_eq!(host.ask(&good, now + 60.seconds()), "needs keys");

    let later = now + 60.seconds();
    assert!(
        host.issuers
            .provide(&host.source, b"<html>", later)
            .is_err()
    );
    assert_eq!(
        host.ask(&good, later),
        "the keys of the token's issuer cannot be read at the moment"
    );
    host.provide(all, later);
    assert_eq!(host.ask(&good, later), "https://issuer.example|alice");
    assert!(host.ask(&unknown, later).contains("`r2`"));
    assert!(host.ask(&unknown, later + 59.seconds()).contains("`r2`"));
    assert_eq!(host.ask(&unknown, later + 60.seconds()), "needs keys");
    assert_eq!(
        host.ask(&good, later + 60.seconds()),
        "https://issuer.example|alice"
    );

    assert_eq!(host.issuers.due(later + 599.seconds()), []);
    assert_eq!(
        host.issuers.due(later + 600.seconds()),
        std::slice::from_ref(&host.source)
    );
    assert!(
        host.issuers
            .provide(&host.source, b"{\"keys\":[]}", later + 600.seconds())
            .is_err()
    );
    assert_eq!(
        host.ask(&good, later + 601.seconds()),
        "https://issuer.example|alice",
        "former keys stay when new ones cannot be read"
    );
}

#[test]
fn keys_read_long_ago_are_read_again_before_a_token_is_believed() {
    let vectors = vectors();
    let now = at(vectors["now"].as_i64().unwrap());
    let good = vectors["cases"][0]["token"].as_str().unwrap();
    let host = Host::new(vec![jwt(&json!({"leeway_seconds": 3600}))]);
    let idle = now + 600.seconds();
    for checked_before in [true, false] {
        host.provide(&vectors["sets"]["all"], now);
        if checked_before {
            let late = host.ask(good, idle - 1.second());
            assert_eq!(late, "https://issuer.example|alice");
        }
        assert_eq!(host.ask(good, idle), "needs keys");
        host.issuers.failed(&host.source, idle);
        assert_eq!(
            host.ask(good, idle),
            "https://issuer.example|alice",
            "an issuer that is down is asked once a minute"
        );
        assert_eq!(host.ask(good, idle + 60.seconds()), "needs keys");
        host.provide(&vectors["sets"]["ec"], idle + 60.seconds());
        assert_eq!(
            host.ask(good, idle + 60.seconds()),
            "the token is signed with the key `r1`, which its issuer does not have"
        );
    }
}

#[test]
fn a_token_checked_with_the_keys_of_a_source_that_is_gone_is_checked_again() {
    let vectors = vectors();
    let now = at(vectors["now"].as_i64().unwrap());
    let good = vectors["cases"][0]["token"].as_str().unwrap();
    let mut host = Host::new(vec![jwt(&json!({}))]);
    host.provide(&vectors["sets"]["all"], now);
    assert_eq!(host.ask(good, now), "https://issuer.example|alice");
    let access = |jwt| Access {
        required: true,
        jwt,
    };
    host.gate = Gate::new(&access(vec![]), &host.issuers).unwrap();
    host.gate = Gate::new(&access(vec![jwt(&json!({}))]), &host.issuers).unwrap();
    assert_eq!(host.ask(good, now), "needs keys");
    host.provide(&vectors["sets"]["ec"], now);
    assert_eq!(
        host.ask(good, now),
        "the token is signed with the key `r1`, which its issuer does not have"
    );
}

#[test]
fn a_token_that_was_checked_stops_with_its_key_and_with_its_time() {
    let vectors = vectors();
    let now = at(vectors["now"].as_i64().unwrap());
    let good = vectors["cases"][0]["token"].as_str().unwrap();
    let host = Host::new(vec![jwt(&json!({}))]);
    host.provide(&vectors["sets"]["all"], now);
    assert_eq!(host.ask(good, now), "https://issuer.example|alice");
    host.provide(&vectors["sets"]["all"], now + 599.seconds());
    assert_eq!(
        host.ask(good, now + 659.seconds()),
        "https://issuer.example|alice"
    );
    assert_eq!(host.ask(good, now + 660.seconds()), "the token has expired");
    host.provide(&vectors["sets"]["ec"], now);
    assert_eq!(
        host.ask(good, now),
        "the token is signed with the key `r1`, which its issuer does not have"
    );
}

#[test]
fn one_issuer_may_have_two_audiences() {
    let vectors = vectors();
    let now = at(vectors["now"].as_i64().unwrap());
    let good = vectors["cases"][0]["token"].as_str().unwrap();
    let host = Host::new(vec![jwt(&json!({"audience": "other"})), jwt(&json!({}))]);
    host.provide(&vectors["sets"]["all"], now);
    for _ in 0..2 {
        assert_eq!(host.ask(good, now), "https://issuer.example|alice");
    }
}

/// The signatures of RFC 7515 (A.2: RS256, A.3: ES256) with the keys printed beside them. Their claims have no `aud`, so a
/// right signature shows in the refusal that comes after it.
#[test]
fn the_examples_of_the_rfcs_are_verified() {
    let claims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let rs256 = json!({"kty": "RSA", "e": "AQAB", "n": concat!(
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR",
        "T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXB",
        "dQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9ia",
        "GNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ")});
    let rs256_signature = concat!(
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9",
        "uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB",
        "_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rq",
        "Vt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
    );
    let es256 = json!({"kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
    let es256_signature =
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    for (algorithm, key, header, payload, signature, after) in [
        (
            "RS256",
            rs256,
            "eyJhbGciOiJSUzI1NiJ9",
            claims,
            rs256_signature,
            "the token lacks the claim aud",
        ),
        (
            "ES256",
            es256,
            "eyJhbGciOiJFUzI1NiJ9",
            claims,
            es256_signature,
            "the token lacks the claim aud",
        ),
    ] {
        let set = JwkSet::parse(json!({"keys": [key]}).to_string().as_bytes()).unwrap();
        assert_eq!(set.len(), 1);
        let token = format!("{header}.{payload}.{signature}");
        let mut broken = URL_SAFE_NO_PAD.decode(signature).unwrap();
        broken[7] ^= 1;
        let broken = format!("{header}.{payload}.{}", URL_SAFE_NO_PAD.encode(broken));
        let host = Host::new(vec![jwt(&json!({"issuer": "joe"}))]);
        let now = at(1_300_819_379);
        host.provide(&json!({"keys": [key]}), now);
        assert_eq!(host.ask(&token, now), after, "{algorithm}");
        assert_eq!(
            host.ask(&broken, now),
            "the signature of the token is wrong",
            "{algorithm}"
        );
    }
}

#[test]
fn key_sets_that_cannot_be_used_are_refused_in_words() {
    let parse = |text: &str| JwkSet::parse(text.as_bytes()).map(|set| set.len());
    let words = |text: &str| parse(text).unwrap_err().to_string();
    for text in [
        "",
        "[]",
        "{}",
        "{\"keys\": 1}",
        "{\"keys\":[],\"keys\":[]}",
        "\u{0}",
    ] {
        assert!(
            words(text).starts_with("this is not a JSON Web Key Set"),
            "{text}"
        );
    }
    assert_eq!(
        words("{\"keys\": [{\"kty\": \"oct\", \"k\": \"AAAA\"}]}"),
        "none of the 1 keys of the key set can check signatures with RS256, ES256 or EdDSA"
    );
    assert_eq!(
        words("{\"keys\": [{}]}"),
        "none of the 1 keys of the key set can check signatures with RS256, ES256 or EdDSA"
    );
    let number = |bytes: usize| URL_SAFE_NO_PAD.encode(vec![255; bytes]);
    let key = |key: Value| words(&json!({"keys": [key]}).to_string());
    for (document, rule) in [
        (
            json!({"kty": "RSA", "kid": "a", "n": number(255), "e": "AQAB"}),
            "the key `a` of the key set cannot be used: an RSA modulus has 2048 to 4096 bits",
        ),
        (
            json!({"kty": "RSA", "n": number(513), "e": "AQAB"}),
            "the key at place 0 of the key set cannot be used: an RSA modulus has 2048 to 4096 bits",
        ),
        (
            json!({"kty": "RSA", "n": number(256), "e": "AQ"}),
            "an RSA exponent is odd, at least 3 and below 2^32",
        ),
        (
            json!({"kty": "RSA", "n": number(256), "e": ""}),
            "an RSA exponent is odd, at least 3 and below 2^32",
        ),
        (
            json!({"kty": "RSA", "n": number(256)}),
            "`e` is missing or not base64url",
        ),
        (
            json!({"kty": "RSA", "n": "+/+/", "e": "AQAB"}),
            "`n` is missing or not base64url",
        ),
        (
            json!({"kty": "EC", "crv": "P-256", "x": number(31), "y": number(32)}),
            "its coordinates are 32 bytes each, in base64url",
        ),
        (
            json!({"kty": "EC", "crv": "P-256", "x": number(32), "y": number(32)}),
            "it is not a point of its curve",
        ),
        (
            json!({"kty": "OKP", "crv": "Ed25519", "x": number(16)}),
            "its coordinates are 32 bytes each, in base64url",
        ),
        (
            json!({"kty": "OKP", "crv": "Ed25519", "x": "AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}),
            "it is not a point of its curve",
        ),
    ] {
        let beside = json!({"keys": [document, {"kty": "RSA", "n": number(256), "e": "AQAB"}]});
        assert_eq!(
            JwkSet::parse(beside.to_string().as_bytes()).unwrap().len(),
            1,
            "a key that cannot be used does not spoil the others"
        );
        let said = key(document);
        assert!(said.ends_with(rule), "{said}");
    }
    let many = json!({"keys": vec![json!({"kty": "oct"}); 257]}).to_string();
    assert_eq!(
        words(&many),
        "the key set has 257 keys; it takes at most 256"
    );
    let long = format!("{{\"keys\": []}}{}", " ".repeat(1 << 20));
    assert_eq!(
        words(&long),
        "a key set of 1048588 bytes is too long; it takes at most 1048576"
    );
}

#[test]
fn issuers_that_cannot_be_are_refused_in_words() {
    let issuers = Arc::new(Issuers::new());
    let words = |rules: Value| {
        let access = Access {
            required: true,
            jwt: vec![jwt(&rules)],
        };
        Gate::new(&access, &issuers)
            .err()
            .map(|error| error.to_string())
    };
    assert_eq!(
        words(json!({"issuer": ""})).unwrap(),
        "`issuer` of a token issuer is empty"
    );
    assert_eq!(
        words(json!({"keys": {"url": "http://issuer.example/k"}})).unwrap(),
        "the keys of the issuer `https://issuer.example` are at `http://issuer.example/k`; it takes an https:// URL, or \
         http:// on this machine"
    );
    for url in [
        "ftp://a/",
        "https://",
        "file:///etc/passwd",
        "http://127.0.0.1.evil.example/",
        "x",
        "",
    ] {
        assert!(words(json!({"keys": {"url": url}})).is_some(), "{url}");
    }
    for url in [
        "https://a/",
        "http://127.0.0.1:8080/k",
        "http://[::1]/k",
        "http://localhost/k",
    ] {
        assert_eq!(words(json!({"keys": {"url": url}})), None, "{url}");
    }
    assert_eq!(words(json!({"keys": {"file": "jwks.json"}})), None);
    assert_eq!(
        words(json!({"leeway_seconds": 3601})).unwrap(),
        "a leeway of 3601 s for the issuer `https://issuer.example` is too much; it takes at most 3600 s"
    );
}
