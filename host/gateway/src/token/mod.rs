//! JSON Web Tokens (RFC 7519) signed with RS256, ES256 or EdDSA, and nothing else.
//!
//! Signatures are checked by the `jsonwebtoken` crate. What is around them is read here, more strictly than it does
//! (RFC 8725): a name that comes twice, a critical header, an algorithm that is not the key's, a token without an end
//! are all refused.

mod cache;
mod issuer;
mod jwk;
mod parse;
mod source;

pub use issuer::{AccessError, Issuers};
pub use jwk::{JwkError, JwkSet, LONGEST_SET};

pub(crate) use issuer::{Issuer, Verified};
pub(crate) use parse::Token;

/// Why a token lets nobody in. What it says of the token is cut short and free of control characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It does not have three parts. Five parts are an encrypted token.
    #[error("a token has three parts between dots, this one has {parts}")]
    Parts {
        /// How many it has.
        parts: usize,
    },
    /// A part is not base64url without padding.
    #[error("the {part} of the token is not base64url without padding")]
    Encoding {
        /// Which.
        part: &'static str,
    },
    /// A part is not a JSON object.
    #[error("the {part} of the token is not a JSON object")]
    Json {
        /// Which.
        part: &'static str,
    },
    /// A part names a member twice, so that two readers could understand different things.
    #[error("the {part} of the token says {name} twice")]
    Twice {
        /// Which.
        part: &'static str,
        /// The member.
        name: String,
    },
    /// It is not signed, or with another algorithm.
    #[error("the token is signed with {algorithm}; this host takes RS256, ES256 and EdDSA")]
    Algorithm {
        /// What its header says.
        algorithm: String,
    },
    /// Its header must be understood, and is not.
    #[error("the token has critical headers (crit), and this host understands none")]
    Critical,
    /// It is another kind of token.
    #[error("the token is of the type {kind}; this host takes JWT and at+jwt")]
    Type {
        /// What its header says.
        kind: String,
    },
    /// A claim is not what it should be.
    #[error("the claim {claim} of the token is not {what}")]
    Claim {
        /// The claim.
        claim: String,
        /// What it should be.
        what: &'static str,
    },
    /// A claim is missing.
    #[error("the token lacks the claim {claim}")]
    Missing {
        /// The claim.
        claim: String,
    },
    /// It is of an issuer whose tokens are not taken.
    #[error("tokens of the issuer {issuer} are not taken here")]
    Issuer {
        /// What it says.
        issuer: String,
    },
    /// It does not say which of several keys signed it.
    #[error("the token names no key (kid), and its issuer has {keys}")]
    NoKey {
        /// How many the issuer has.
        keys: usize,
    },
    /// Its issuer has no such key.
    #[error("the token is signed with the key {kid}, which its issuer does not have")]
    UnknownKey {
        /// What it says.
        kid: String,
    },
    /// The key it names is for something else.
    #[error("the token is signed with {algorithm}, but its key is not for that")]
    WrongKey {
        /// The algorithm.
        algorithm: &'static str,
    },
    /// Its signature is not right.
    #[error("the signature of the token is wrong")]
    Signature,
    /// It is for somebody else.
    #[error("the token is not for {audience} (aud)")]
    Audience {
        /// What the host expects.
        audience: String,
    },
    /// It is too old.
    #[error("the token has expired")]
    Expired,
    /// It is not valid yet.
    #[error("the token is not valid yet (nbf)")]
    NotYet,
}

/// A text of a token, short and harmless enough for a message.
pub(crate) fn quoted(text: &str) -> String {
    let mut short: String = text
        .chars()
        .take(64)
        .map(|character| {
            if character.is_ascii_graphic() {
                character
            } else {
                '?'
            }
        })
        .collect();
    if text.chars().nth(64).is_some() {
        short.push_str("...");
    }
    format!("`{short}`")
}
