//! The public keys of an issuer: a JSON Web Key Set (RFC 7517).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

use crate::token::{TokenError, quoted};

/// The longest key set that is read, in bytes.
pub const LONGEST_SET: usize = 1024 * 1024;

/// The most keys that a set may have.
const MOST_KEYS: usize = 256;

/// Key sets that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JwkError {
    /// It is too long.
    #[error("a key set of {bytes} bytes is too long; it takes at most {LONGEST_SET}")]
    Long {
        /// Its length.
        bytes: usize,
    },
    /// It is not a JSON Web Key Set.
    #[error("this is not a JSON Web Key Set (RFC 7517), such as {{\"keys\": [...]}}")]
    Json(#[source] serde_json::Error),
    /// It has too many keys.
    #[error("the key set has {keys} keys; it takes at most {MOST_KEYS}")]
    Many {
        /// How many.
        keys: usize,
    },
    /// No key can be used, and this one claims to be for RS256, ES256 or EdDSA, but is no such key.
    #[error("the key {kid} of the key set cannot be used: {rule}")]
    Key {
        /// Its name, or its place.
        kid: String,
        /// What is wrong with it.
        rule: &'static str,
    },
    /// No key can check a signature with RS256, ES256 or EdDSA.
    #[error(
        "none of the {keys} keys of the key set can check signatures with RS256, ES256 or EdDSA"
    )]
    Useless {
        /// How many keys there are.
        keys: usize,
    },
}

/// The keys of an issuer that can check signatures. What else a set has is passed over, as RFC 7517 (5) asks: keys of
/// other kinds, for encryption, for other algorithms, without a member that they need, or out of range (an RSA modulus
/// below 2048 bits, which RFC 7518 3.3 forbids, or above 4096; coordinates that are not 32 bytes).
#[derive(Debug)]
pub struct JwkSet {
    keys: Vec<PublicKey>,
}

#[derive(Debug)]
struct PublicKey {
    kid: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

#[derive(Deserialize)]
struct SetDocument {
    keys: Vec<KeyDocument>,
}

#[derive(Deserialize)]
struct KeyDocument {
    kty: Option<String>,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl JwkSet {
    /// Reads a key set.
    ///
    /// # Errors
    /// [`JwkError`]: not a key set, too large, or without a usable key.
    pub fn parse(bytes: &[u8]) -> Result<Self, JwkError> {
        if bytes.len() > LONGEST_SET {
            return Err(JwkError::Long { bytes: bytes.len() });
        }
        let document: SetDocument = serde_json::from_slice(bytes).map_err(JwkError::Json)?;
        let count = document.keys.len();
        if count > MOST_KEYS {
            return Err(JwkError::Many { keys: count });
        }
        let mut keys = Vec::new();
        let mut refusal = None;
        for (place, key) in document.keys.into_iter().enumerate() {
            let kid = key
                .kid
                .as_deref()
                .map_or_else(|| format!("at place {place}"), quoted);
            match public_key(key) {
                Ok(Some(key)) => keys.push(key),
                Ok(None) => {}
                Err(rule) => {
                    refusal.get_or_insert(JwkError::Key { kid, rule });
                }
            }
        }
        if keys.is_empty() {
            return Err(refusal.unwrap_or(JwkError::Useless { keys: count }));
        }
        Ok(JwkSet { keys })
    }

    /// How many keys can be used.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Never: a set without a usable key is refused.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key that a token names, or the only one when it names none.
    pub(crate) fn choose(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<&DecodingKey, TokenError> {
        let wrong = || TokenError::WrongKey {
            algorithm: match algorithm {
                Algorithm::RS256 => "RS256",
                Algorithm::ES256 => "ES256",
                _ => "EdDSA",
            },
        };
        let Some(kid) = kid else {
            return match &self.keys[..] {
                [only] if only.algorithm == algorithm => Ok(&only.key),
                [_] => Err(wrong()),
                several => Err(TokenError::NoKey {
                    keys: several.len(),
                }),
            };
        };
        let mut named = self
            .keys
            .iter()
            .filter(|key| key.kid.as_deref() == Some(kid))
            .peekable();
        if named.peek().is_none() {
            return Err(TokenError::UnknownKey { kid: quoted(kid) });
        }
        // Keys of different kinds may share a name (RFC 7517, 4.5).
        named
            .find(|key| key.algorithm == algorithm)
            .map(|key| &key.key)
            .ok_or_else(wrong)
    }
}

/// `None` for a key that is not for signatures of the three algorithms.
fn public_key(document: KeyDocument) -> Result<Option<PublicKey>, &'static str> {
    if document
        .purpose
        .as_deref()
        .is_some_and(|purpose| purpose != "sig")
    {
        return Ok(None);
    }
    if let Some(operations) = &document.key_ops
        && !operations.iter().any(|operation| operation == "verify")
    {
        return Ok(None);
    }
    let (algorithm, name) = match (
        document.kty.as_deref().unwrap_or_default(),
        document.crv.as_deref(),
    ) {
        ("RSA", _) => (Algorithm::RS256, "RS256"),
        ("EC", Some("P-256")) => (Algorithm::ES256, "ES256"),
        ("OKP", Some("Ed25519")) => (Algorithm::EdDSA, "EdDSA"),
        _ => return Ok(None),
    };
    if document.alg.as_deref().is_some_and(|alg| alg != name) {
        return Ok(None);
    }
    let key = match algorithm {
        Algorithm::RS256 => {
            let n = bytes(document.n.as_deref(), "`n` is missing or not base64url")?;
            let e = bytes(document.e.as_deref(), "`e` is missing or not base64url")?;
            let n = trimmed(&n);
            let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
            if !(2048..=4096).contains(&bits) {
                return Err("an RSA modulus has 2048 to 4096 bits");
            }
            let e = trimmed(&e);
            if e.len() > 4 || e == [1] || e.last().is_none_or(|last| last % 2 == 0) {
                return Err("an RSA exponent is odd, at least 3 and below 2^32");
            }
            DecodingKey::from_rsa_raw_components(n, e)
        }
        Algorithm::ES256 => {
            let x = coordinate(document.x.as_deref())?;
            let y = coordinate(document.y.as_deref())?;
            let point = [&[4], &x[..], &y[..]].concat();
            DecodingKey::from_ec_der(&point)
        }
        _ => DecodingKey::from_ed_der(&coordinate(document.x.as_deref())?),
    };
    // Whether a point lies on its curve is found out here, not when a token comes. No signature is all zeros.
    let zeros = URL_SAFE_NO_PAD.encode([0; 64]);
    if jsonwebtoken::crypto::verify(&zeros, b"", &key, algorithm).is_err() {
        return Err("it is not a point of its curve");
    }
    Ok(Some(PublicKey {
        kid: document.kid,
        algorithm,
        key,
    }))
}

fn bytes(text: Option<&str>, rule: &'static str) -> Result<Vec<u8>, &'static str> {
    let text = text.ok_or(rule)?;
    // 4096 bits and a leading zero are 684 digits; more is refused before it is decoded.
    if text.len() > 1024 {
        return Err("a part of it is too long");
    }
    URL_SAFE_NO_PAD.decode(text).map_err(|_| rule)
}

fn coordinate(text: Option<&str>) -> Result<[u8; 32], &'static str> {
    const RULE: &str = "its coordinates are 32 bytes each, in base64url";
    bytes(text, RULE)?.try_into().map_err(|_| RULE)
}

/// Without leading zeros, which some issuers write.
fn trimmed(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_8037_is_verified() {
        let set = br#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        let set = JwkSet::parse(set).unwrap();
        let key = set.choose(None, Algorithm::EdDSA).unwrap();
        let signed = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        let verify = |signed: &[u8]| {
            jsonwebtoken::crypto::verify(signature, signed, key, Algorithm::EdDSA).unwrap()
        };
        assert!(verify(signed));
        assert!(!verify(&signed[1..]));
    }
}
