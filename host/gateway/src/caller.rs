//! Who calls.

use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::credential::API_KEY;
use crate::key::Key;

/// Who calls, known for certain. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Caller(Identity);

#[derive(Clone, Debug)]
enum Identity {
    Anonymous,
    Key(Arc<Key>),
    Token(Arc<str>),
}

/// How a [`Caller`] is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerKind {
    /// It is not.
    Anonymous,
    /// By an API key.
    Key,
    /// By a token of an issuer.
    Token,
}

impl Caller {
    /// Somebody who said nothing about who it is.
    pub const ANONYMOUS: Caller = Caller(Identity::Anonymous);

    pub(crate) fn of_key(key: Arc<Key>) -> Self {
        Caller(Identity::Key(key))
    }

    pub(crate) fn of_token(name: Arc<str>) -> Self {
        Caller(Identity::Token(name))
    }

    /// What its calls are recorded under: empty for an anonymous caller, the name of the key, or `<issuer>|<subject>` of
    /// a token. A key's name has no `|`, so none can pass for another. No control characters; at most 1,280 bytes.
    pub fn name(&self) -> &str {
        match &self.0 {
            Identity::Anonymous => "",
            Identity::Key(key) => key.name().as_str(),
            Identity::Token(name) => name,
        }
    }

    /// How it is known.
    pub fn kind(&self) -> CallerKind {
        match &self.0 {
            Identity::Anonymous => CallerKind::Anonymous,
            Identity::Key(_) => CallerKind::Key,
            Identity::Token(_) => CallerKind::Token,
        }
    }

    /// The API key, if it is known by one; for its budget.
    pub fn key(&self) -> Option<&Arc<Key>> {
        match &self.0 {
            Identity::Key(key) => Some(key),
            Identity::Anonymous | Identity::Token(_) => None,
        }
    }

    /// Takes the credential by which this caller is known out of a request, so that the function, which runs the
    /// deployer's code and not the host's, cannot use it. What an anonymous caller sent stays: it is not the host's.
    pub fn conceal_credential(&self, headers: &mut HeaderMap) {
        match self.kind() {
            CallerKind::Anonymous => {}
            CallerKind::Key | CallerKind::Token => {
                headers.remove(&API_KEY);
                headers.remove(AUTHORIZATION);
            }
        }
    }
}
