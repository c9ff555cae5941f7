//! The issuers that functions trust, and the check of a token against one of them.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use hyaline_control::{Jwt, KeySource};
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::token::cache::{Cache, Checked};
use crate::token::jwk::JwkError;
use crate::token::source::Source;
use crate::token::{Token, TokenError, quoted};

/// Access settings that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// A text that must say something is empty.
    #[error("`{member}` of a token issuer is empty")]
    Empty {
        /// Which.
        member: &'static str,
    },
    /// The keys would travel where anybody can change them.
    #[error(
        "the keys of the issuer `{issuer}` are at `{url}`; it takes an https:// URL, or http:// on this machine"
    )]
    Insecure {
        /// The issuer.
        issuer: String,
        /// Where its keys are.
        url: String,
    },
    /// The leeway is not about clocks any more.
    #[error(
        "a leeway of {seconds} s for the issuer `{issuer}` is too much; it takes at most {LONGEST_LEEWAY} s"
    )]
    Leeway {
        /// The issuer.
        issuer: String,
        /// The leeway.
        seconds: u64,
    },
}

const LONGEST_LEEWAY: u64 = 3600;

/// The longest subject that is taken, in bytes. OpenID Connect allows 255.
const LONGEST_SUBJECT: usize = 255;

/// An issuer and what its tokens must say.
pub(crate) struct Issuer {
    /// The SHA-256 of the rules: functions with the same ones share the tokens that were checked by them.
    digest: [u8; 32],
    rules: Jwt,
    source: Arc<Source>,
}

/// What the check of a token gave.
pub(crate) enum Verified {
    Caller(Arc<str>),
    /// The keys are not there, or were read too long ago, or the token names one that is not among them. They may be
    /// asked for now.
    NeedsKeys(KeySource),
    /// There are no keys, and they were asked for a moment ago.
    NoKeys,
}

/// The token issuers of a host: their keys, and the tokens that were checked. Functions that trust the same issuer
/// share the keys, those that also want the same of its tokens the tokens. All methods may be called from any thread.
///
/// It fetches nothing. The server reads the file or the URL when [`Gate::admit`](crate::Gate::admit) or
/// [`Issuers::due`] says so, and hands over the bytes.
pub struct Issuers {
    sources: Mutex<Vec<Weak<Source>>>,
    cache: Cache,
}

impl Default for Issuers {
    fn default() -> Self {
        Self::new()
    }
}

impl Issuers {
    /// No issuers.
    pub fn new() -> Self {
        Issuers {
            sources: Mutex::new(Vec::new()),
            cache: Cache::new(),
        }
    }

    /// Takes the keys that were read from a file or a URL. Tokens checked with former keys are checked again. A source
    /// that no function names any more is passed over.
    ///
    /// # Errors
    /// [`JwkError`]: the bytes are no usable key set; former keys stay. The next attempt is due in a minute.
    pub fn provide(&self, place: &KeySource, bytes: &[u8], now: Timestamp) -> Result<(), JwkError> {
        match self.find(place) {
            Some(source) => source.provide(bytes, now),
            None => Ok(()),
        }
    }

    /// Notes that the keys could not be read. The next attempt is due in a minute.
    pub fn failed(&self, place: &KeySource, now: Timestamp) {
        if let Some(source) = self.find(place) {
            source.failed(now);
        }
    }

    /// The sources whose keys should be read now: those never read, and those read more than ten minutes ago, so that a
    /// key which its issuer has withdrawn stops working. Meant to be asked about once a minute while calls come, so that
    /// none of them has to wait for keys that are due.
    pub fn due(&self, now: Timestamp) -> Vec<KeySource> {
        let sources = self.sources();
        sources
            .iter()
            .filter_map(Weak::upgrade)
            .filter(|source| source.is_due(now))
            .map(|source| source.place.clone())
            .collect()
    }

    /// # Errors
    /// [`AccessError`]: an empty member, an insecure URL, a leeway above an hour.
    pub(crate) fn issuer(&self, rules: &Jwt) -> Result<Issuer, AccessError> {
        for (member, text) in [
            ("issuer", &rules.issuer),
            ("audience", &rules.audience),
            ("caller_claim", &rules.caller_claim),
        ] {
            if text.is_empty() {
                return Err(AccessError::Empty { member });
            }
        }
        match &rules.keys {
            KeySource::File(path) if path.is_empty() => {
                return Err(AccessError::Empty { member: "keys" });
            }
            KeySource::Url(url) if !is_secure(url) => {
                return Err(AccessError::Insecure {
                    issuer: rules.issuer.clone(),
                    url: url.clone(),
                });
            }
            _ => {}
        }
        if rules.leeway_seconds > LONGEST_LEEWAY {
            return Err(AccessError::Leeway {
                issuer: rules.issuer.clone(),
                seconds: rules.leeway_seconds,
            });
        }
        let source = self.find(&rules.keys).unwrap_or_else(|| {
            let source = Arc::new(Source::new(rules.keys.clone()));
            let mut sources = self.sources();
            sources.retain(|source| source.strong_count() > 0);
            sources.push(Arc::downgrade(&source));
            source
        });
        let text = serde_json::to_vec(rules).expect("the rules of an issuer are JSON");
        Ok(Issuer {
            digest: Sha256::digest(text).into(),
            rules: rules.clone(),
            source,
        })
    }

    /// Checks a token against those of some issuers that it claims to be from.
    pub(crate) fn verify(
        &self,
        issuers: &[Issuer],
        text: &str,
        now: Timestamp,
    ) -> Result<Verified, TokenError> {
        let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        for issuer in issuers {
            if let Some(checked) = self.cache.get(&digest, &issuer.digest)
                && checked.generation == issuer.source.generation()
            {
                if issuer.source.is_due(now) {
                    return Ok(Verified::NeedsKeys(issuer.source.place.clone()));
                }
                let second = now.as_second();
                if second >= checked.until {
                    return Err(TokenError::Expired);
                }
                if second >= checked.from {
                    return Ok(Verified::Caller(checked.name));
                }
            }
        }
        let token = Token::parse(text)?;
        let claimed = match token.claims.get("iss") {
            None => {
                return Err(TokenError::Missing {
                    claim: "iss".into(),
                });
            }
            Some(Value::String(claimed)) => claimed,
            Some(_) => {
                return Err(TokenError::Claim {
                    claim: "iss".into(),
                    what: "a text",
                });
            }
        };
        let mut refusal = TokenError::Issuer {
            issuer: quoted(claimed),
        };
        for issuer in issuers {
            if issuer.rules.issuer != *claimed {
                continue;
            }
            let generation = issuer.source.generation();
            match issuer.check(&token, now) {
                Ok(Outcome::Good(checked)) => {
                    let checked = Checked {
                        generation,
                        ..checked
                    };
                    self.cache.put(&digest, &issuer.digest, checked.clone());
                    return Ok(Verified::Caller(checked.name));
                }
                Ok(Outcome::Other(verified)) => return Ok(verified),
                // The same issuer may be named twice, for two audiences.
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }

    fn find(&self, place: &KeySource) -> Option<Arc<Source>> {
        let sources = self.sources();
        sources
            .iter()
            .filter_map(Weak::upgrade)
            .find(|source| source.place == *place)
    }

    fn sources(&self) -> MutexGuard<'_, Vec<Weak<Source>>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Outcome {
    Good(Checked),
    Other(Verified),
}

impl Issuer {
    fn check(&self, token: &Token<'_>, now: Timestamp) -> Result<Outcome, TokenError> {
        let needs_keys = || Outcome::Other(Verified::NeedsKeys(self.source.place.clone()));
        if self.source.is_due(now) {
            return Ok(needs_keys());
        }
        let Some(set) = self.source.set() else {
            return Ok(Outcome::Other(Verified::NoKeys));
        };
        let key = match set.choose(token.kid.as_deref(), token.algorithm) {
            Ok(key) => key,
            Err(TokenError::UnknownKey { .. }) if self.source.may_ask(now) => {
                return Ok(needs_keys());
            }
            Err(error) => return Err(error),
        };
        let signed = token.signed.as_bytes();
        match jsonwebtoken::crypto::verify(token.signature, signed, key, token.algorithm) {
            Ok(true) => {}
            Ok(false) | Err(_) => return Err(TokenError::Signature),
        }
        self.believe(token, now).map(Outcome::Good)
    }

    /// What the claims say, now that the signature is right.
    fn believe(&self, token: &Token<'_>, now: Timestamp) -> Result<Checked, TokenError> {
        let claims = &token.claims;
        let rules = &self.rules;
        let meant = match claims.get("aud") {
            None => {
                return Err(TokenError::Missing {
                    claim: "aud".into(),
                });
            }
            Some(Value::String(audience)) => *audience == rules.audience,
            Some(Value::Array(audiences)) if audiences.iter().all(Value::is_string) => audiences
                .iter()
                .any(|audience| audience.as_str() == Some(&rules.audience)),
            Some(_) => {
                return Err(TokenError::Claim {
                    claim: "aud".into(),
                    what: "a text or a list of texts",
                });
            }
        };
        if !meant {
            return Err(TokenError::Audience {
                audience: quoted(&rules.audience),
            });
        }
        let leeway = i64::try_from(rules.leeway_seconds).unwrap_or(i64::MAX);
        let until = match claims.get("exp") {
            None => {
                return Err(TokenError::Missing {
                    claim: "exp".into(),
                });
            }
            Some(value) => date(value, "exp")?.saturating_add(leeway),
        };
        let from = match claims.get("nbf") {
            None => i64::MIN,
            Some(value) => date(value, "nbf")?.saturating_sub(leeway),
        };
        // RFC 7519, 4.1.4: the current time must be *before* `exp`.
        if now.as_second() >= until {
            return Err(TokenError::Expired);
        }
        if now.as_second() < from {
            return Err(TokenError::NotYet);
        }
        let subject = match claims.get(&rules.caller_claim) {
            None => {
                return Err(TokenError::Missing {
                    claim: quoted(&rules.caller_claim),
                });
            }
            Some(Value::String(subject)) => subject,
            Some(_) => {
                return Err(TokenError::Claim {
                    claim: quoted(&rules.caller_claim),
                    what: "a text",
                });
            }
        };
        if subject.is_empty()
            || subject.len() > LONGEST_SUBJECT
            || subject.chars().any(char::is_control)
        {
            return Err(TokenError::Claim {
                claim: quoted(&rules.caller_claim),
                what: "a text of 1 to 255 bytes without control characters",
            });
        }
        Ok(Checked {
            name: format!("{}|{subject}", rules.issuer).into(),
            from,
            until,
            generation: 0,
        })
    }
}

/// A NumericDate (RFC 7519, 2): seconds since 1970, which may have a fraction.
fn date(value: &Value, claim: &'static str) -> Result<i64, TokenError> {
    match value {
        Value::Number(number) => {
            let seconds = number.as_i64();
            // A float beyond the range becomes the end of the range, which is just as far away.
            seconds
                .or_else(|| number.as_f64().map(|seconds| seconds as i64))
                .filter(|seconds| *seconds >= 0)
        }
        _ => None,
    }
    .ok_or_else(|| TokenError::Claim {
        claim: claim.into(),
        what: "a number of seconds since 1970",
    })
}

/// Whether nobody on the way can change what a URL gives.
fn is_secure(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else {
        return false;
    };
    let Some(host) = uri.host().filter(|host| !host.is_empty()) else {
        return false;
    };
    match uri.scheme_str() {
        Some("https") => true,
        Some("http") => {
            let address = host.trim_start_matches('[').trim_end_matches(']');
            host == "localhost"
                || address
                    .parse::<IpAddr>()
                    .is_ok_and(|address| address.to_canonical().is_loopback())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_with_the_same_rules_share_the_tokens_that_were_checked() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../tests/vectors/tokens.json")).unwrap();
        let now = Timestamp::from_second(vectors["now"].as_i64().unwrap()).unwrap();
        let issuers = Issuers::new();
        let made = |audience: &str| {
            let rules: Jwt = serde_json::from_value(serde_json::json!({
                "issuer": vectors["issuer"],
                "audience": audience,
                "keys": {"file": "jwks.json"},
            }))
            .unwrap();
            issuers.issuer(&rules).unwrap()
        };
        let audience = vectors["audience"].as_str().unwrap();
        let first = [made(audience)];
        let set = serde_json::to_vec(&vectors["sets"]["all"]).unwrap();
        let place = KeySource::File("jwks.json".into());
        issuers.provide(&place, &set, now).unwrap();
        let token = vectors["cases"][0]["token"].as_str().unwrap();
        let digest: [u8; 32] = Sha256::digest(token).into();
        assert!(matches!(
            issuers.verify(&first, token, now),
            Ok(Verified::Caller(_))
        ));
        let remembered = |issuer: &Issuer| issuers.cache.get(&digest, &issuer.digest).is_some();
        assert!(remembered(&made(audience)));
        assert!(!remembered(&made("other")));
    }
}
