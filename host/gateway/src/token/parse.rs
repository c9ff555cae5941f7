//! A token taken apart, before anything of it is believed.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;

use crate::token::{TokenError, quoted};

/// A token taken apart.
#[derive(Debug)]
pub(crate) struct Token<'a> {
    pub algorithm: Algorithm,
    pub kid: Option<String>,
    pub claims: Members,
    /// What is signed: header, dot, claims, as they were sent.
    pub signed: &'a str,
    /// The signature, in base64url.
    pub signature: &'a str,
}

impl<'a> Token<'a> {
    /// # Errors
    /// [`TokenError`]: not three parts, not base64url, not JSON, a name twice, an algorithm, type or critical header that
    /// is not taken.
    pub(crate) fn parse(text: &'a str) -> Result<Self, TokenError> {
        let parts = text.split('.').count();
        let (Some((signed, signature)), 3) = (text.rsplit_once('.'), parts) else {
            return Err(TokenError::Parts { parts });
        };
        let (header, claims) = signed.split_once('.').unwrap_or((signed, ""));
        let header = members(header, "header")?;
        let algorithm = match header.text("alg") {
            Some("RS256") => Algorithm::RS256,
            Some("ES256") => Algorithm::ES256,
            Some("EdDSA") => Algorithm::EdDSA,
            other => {
                return Err(TokenError::Algorithm {
                    algorithm: other.map_or_else(|| "nothing".into(), quoted),
                });
            }
        };
        if header.get("crit").is_some() {
            return Err(TokenError::Critical);
        }
        if let Some(kind) = header.get("typ") {
            let kind = kind.as_str().unwrap_or("?");
            let name = kind.to_ascii_lowercase();
            // RFC 7515, 4.1.9: `application/` may be left out. Other types are other kinds of tokens (RFC 8725, 3.11).
            let name = name.strip_prefix("application/").unwrap_or(&name);
            if !matches!(name, "jwt" | "at+jwt") {
                return Err(TokenError::Type { kind: quoted(kind) });
            }
        }
        let kid = match header.get("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid.clone()),
            Some(_) => {
                return Err(TokenError::Claim {
                    claim: "kid".into(),
                    what: "a text",
                });
            }
        };
        URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| TokenError::Encoding { part: "signature" })?;
        Ok(Token {
            algorithm,
            kid,
            claims: members(claims, "claim set")?,
            signed,
            signature,
        })
    }
}

fn members(text: &str, part: &'static str) -> Result<Members, TokenError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| TokenError::Encoding { part })?;
    let members: Members = serde_json::from_slice(&bytes).map_err(|_| TokenError::Json { part })?;
    match &members.twice {
        Some(name) => Err(TokenError::Twice {
            part,
            name: quoted(name),
        }),
        None => Ok(members),
    }
}

/// The members of a JSON object, and the first name that comes twice.
#[derive(Debug, Default)]
pub(crate) struct Members {
    members: Vec<(String, Value)>,
    twice: Option<String>,
}

impl Members {
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.members
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut all = Members::default();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if all.members.len() == 256 {
                        return Err(A::Error::custom(
                            "an object of a token has at most 256 members",
                        ));
                    }
                    if all.twice.is_none() && all.get(&name).is_some() {
                        all.twice = Some(name.clone());
                    }
                    all.members.push((name, value));
                }
                Ok(all)
            }
        }

        deserializer.deserialize_map(Object)
    }
}
