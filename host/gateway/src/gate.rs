//! Whether a call is let in.

use std::sync::Arc;

use http::StatusCode;
use http::header::{HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyaline_control::{Access, CallerName, FunctionName, KeySource};
use jiff::Timestamp;

use crate::caller::Caller;
use crate::credential::{Credential, Malformed, credential};
use crate::key::{Key, Keys, is_secret};
use crate::token::{AccessError, Issuer, Issuers, TokenError, Verified};

/// Who may call a function, ready for calls.
pub struct Gate {
    required: bool,
    issuers: Vec<Issuer>,
    shared: Arc<Issuers>,
}

/// Why a call is not let in yet.
#[derive(Debug)]
pub enum Refused {
    /// It is not. Answer with [`Denied::status`], [`Denied::write`] and its words.
    Denied(Denied),
    /// The keys of its token's issuer must be read first. Read them (one reader is enough, however many calls wait), give
    /// them to [`Issuers::provide`] or say [`Issuers::failed`], and ask again: the next answer is another one.
    NeedsKeys(KeySource),
}

/// Why a call is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// It has no credential, and needs one.
    #[error("this takes an API key (x-api-key: ... or Authorization: Bearer ...){}", if *.tokens { " or a token" } else { "" })]
    Missing {
        /// Whether tokens are taken, too.
        tokens: bool,
    },
    /// Its credentials cannot be understood.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// What it shows is not the form of an API key.
    #[error("this is not an API key; check for missing or mistyped characters")]
    NotAKey,
    /// There is no such API key.
    #[error("this API key is not known here; it may have been revoked")]
    UnknownKey,
    /// The API key has stopped working.
    #[error("the API key {name} has expired")]
    ExpiredKey {
        /// Its name.
        name: CallerName,
    },
    /// Its token is not good.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The keys of its token's issuer cannot be had.
    #[error("the keys of the token's issuer cannot be read at the moment")]
    NoKeys,
    /// The API key is not for this.
    #[error("the API key {name} may not call {function}")]
    Scope {
        /// The key.
        name: CallerName,
        /// The function.
        function: FunctionName,
    },
    /// The API key does not open the control plane.
    #[error("the API key {name} does not open the control plane")]
    NotControl {
        /// The key.
        name: CallerName,
    },
    /// Nothing opens the control plane.
    #[error(
        "no API key opens the control plane, and it is open without one on a loopback address only; stop the host and make one: `hyaline keys new \
         NAME --control --state DIRECTORY`"
    )]
    Sealed,
    /// What opened the control plane has expired.
    #[error(
        "every API key that opens the control plane has expired; stop the host and make another: `hyaline keys new NAME \
         --control --state DIRECTORY`"
    )]
    Lapsed,
    /// A page of a web site, and not somebody at this machine, sends it.
    #[error(
        "without an API key, the control plane answers only requests to localhost that no foreign web page sent"
    )]
    Foreign,
}

impl Denied {
    /// The status of the answer: 400, 401, 403 or 503.
    pub fn status(&self) -> StatusCode {
        match self {
            Denied::Malformed(_) => StatusCode::BAD_REQUEST,
            Denied::Missing { .. }
            | Denied::NotAKey
            | Denied::UnknownKey
            | Denied::ExpiredKey { .. }
            | Denied::Token(_) => StatusCode::UNAUTHORIZED,
            Denied::NoKeys => StatusCode::SERVICE_UNAVAILABLE,
            Denied::Scope { .. }
            | Denied::NotControl { .. }
            | Denied::Sealed
            | Denied::Lapsed
            | Denied::Foreign => StatusCode::FORBIDDEN,
        }
    }

    /// The error code of RFC 6750 (3.1), where it has one.
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Denied::Malformed(_) => Some("invalid_request"),
            Denied::NotAKey | Denied::UnknownKey | Denied::ExpiredKey { .. } | Denied::Token(_) => {
                Some("invalid_token")
            }
            Denied::Scope { .. } | Denied::NotControl { .. } => Some("insufficient_scope"),
            // RFC 6750: a request without credentials learns how to bring some, and no error.
            Denied::Missing { .. }
            | Denied::NoKeys
            | Denied::Sealed
            | Denied::Lapsed
            | Denied::Foreign => None,
        }
    }

    /// Adds `WWW-Authenticate` (RFC 6750, 3) or `Retry-After` to an answer.
    pub fn write(&self, headers: &mut HeaderMap) {
        let challenge = match (self, self.code()) {
            (_, Some(code)) => format!(
                "Bearer realm=\"hyaline\", error=\"{code}\", error_description=\"{}\"",
                described(&self.to_string())
            ),
            (Denied::Missing { .. }, None) => "Bearer realm=\"hyaline\"".into(),
            (Denied::NoKeys, None) => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("60"));
                return;
            }
            (_, None) => return,
        };
        if let Ok(challenge) = HeaderValue::try_from(challenge) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
    }
}

/// The characters that RFC 6750 allows in `error_description`.
fn described(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            ' '..='~' if character != '"' && character != '\\' => character,
            _ => '\'',
        })
        .collect()
}

impl Gate {
    /// # Errors
    /// [`AccessError`]: an issuer that cannot be.
    pub fn new(access: &Access, issuers: &Arc<Issuers>) -> Result<Self, AccessError> {
        Ok(Gate {
            required: access.required,
            issuers: access
                .jwt
                .iter()
                .map(|rules| issuers.issuer(rules))
                .collect::<Result<_, _>>()?,
            shared: issuers.clone(),
        })
    }

    /// Lets a call in, or not.
    ///
    /// A credential that is shown must be good even where none is required: a call with a revoked key is not an anonymous
    /// call. `x-api-key` is always a credential of this host. So is `Authorization: Bearer` with something that begins
    /// like an API key, or anything where tokens are taken or access is required; elsewhere it belongs to the function,
    /// and the call is anonymous. Other schemes (`Basic`) are the function's as well.
    ///
    /// A preflight of CORS has no credentials by design: answer it before this is asked.
    ///
    /// About 0.3 µs with an API key, 1 µs with a token that came before, 50 to 500 µs with a new one. No lock for keys.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn admit(
        &self,
        keys: &Keys,
        headers: &HeaderMap,
        function: &FunctionName,
        now: Timestamp,
    ) -> Result<Caller, Refused> {
        let denied = |denied| Refused::Denied(denied);
        match credential(headers).map_err(|error| denied(error.into()))? {
            Credential::None if !self.required => Ok(Caller::ANONYMOUS),
            Credential::Token(_) if self.issuers.is_empty() && !self.required => {
                Ok(Caller::ANONYMOUS)
            }
            Credential::None => Err(denied(Denied::Missing {
                tokens: !self.issuers.is_empty(),
            })),
            Credential::Token(_) if self.issuers.is_empty() => Err(denied(Denied::NotAKey)),
            Credential::Secret(secret) => {
                let key = find(keys, secret, now).map_err(denied)?;
                if !key.may_call(function) {
                    return Err(denied(Denied::Scope {
                        name: key.name().clone(),
                        function: function.clone(),
                    }));
                }
                Ok(Caller::of_key(key))
            }
            Credential::Token(token) => match self.shared.verify(&self.issuers, token, now) {
                Ok(Verified::Caller(name)) => Ok(Caller::of_token(name)),
                Ok(Verified::NeedsKeys(source)) => Err(Refused::NeedsKeys(source)),
                Ok(Verified::NoKeys) => Err(denied(Denied::NoKeys)),
                Err(error) => Err(denied(error.into())),
            },
        }
    }
}

/// The key of a secret that works now.
pub(crate) fn find(keys: &Keys, secret: &str, now: Timestamp) -> Result<Arc<Key>, Denied> {
    let key = keys.find(secret).ok_or_else(|| {
        if is_secret(secret) {
            Denied::UnknownKey
        } else {
            Denied::NotAKey
        }
    })?;
    if key.has_expired(now) {
        return Err(Denied::ExpiredKey {
            name: key.name().clone(),
        });
    }
    Ok(key)
}
