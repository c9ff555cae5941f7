//! Who may use the control plane, and on which address it may be.

use std::net::{IpAddr, SocketAddr};

use http::header::{HOST, HeaderMap, ORIGIN};
use http::uri::{Authority, Uri};
use jiff::Timestamp;

use crate::caller::Caller;
use crate::credential::{Credential, credential};
use crate::gate::{Denied, find};
use crate::key::Keys;

/// An address that other machines reach, for a control plane that asks for no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the control plane would be open to everybody who reaches {address}: make an API key that opens it first (`hyaline \
     keys new NAME --control --state DIRECTORY`), or bind it to a loopback address such as 127.0.0.1"
)]
pub struct Exposed {
    /// The address.
    pub address: SocketAddr,
}

/// The door of the control plane at one address. It exists only where the control plane may be bound.
#[derive(Clone, Copy, Debug)]
pub struct ControlDoor {
    is_loopback: bool,
}

impl ControlDoor {
    /// Asked before the address is bound. A loopback address is always allowed, any other one while a key opens the
    /// control plane.
    ///
    /// # Errors
    /// [`Exposed`].
    pub fn at(address: SocketAddr, keys: &Keys, now: Timestamp) -> Result<Self, Exposed> {
        let is_loopback = is_loopback(address.ip());
        if is_loopback || keys.has_control_key(now) {
            Ok(ControlDoor { is_loopback })
        } else {
            Err(Exposed { address })
        }
    }

    /// Lets a request to the control plane in, or not.
    ///
    /// It takes an API key that opens the control plane. While there is none, requests to a loopback address are let in
    /// without: if their `Host` is this machine (so a name that an attacker points at 127.0.0.1 does not help) and their
    /// `Origin`, which browsers send, is too. When the last such key is revoked, a door on any other address lets nobody
    /// in; while every such key has expired, no door does: time alone opens nothing.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn admit(
        &self,
        keys: &Keys,
        uri: &Uri,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Caller, Denied> {
        match credential(headers)? {
            Credential::Secret(secret) => {
                let key = find(keys, secret, now)?;
                if !key.api().grant.control {
                    return Err(Denied::NotControl {
                        name: key.name().clone(),
                    });
                }
                Ok(Caller::of_key(key))
            }
            Credential::Token(_) => Err(Denied::NotAKey),
            Credential::None if keys.has_control_key(now) => Err(Denied::Missing { tokens: false }),
            Credential::None if keys.has_any_control_key() => Err(Denied::Lapsed),
            Credential::None if !self.is_loopback => Err(Denied::Sealed),
            Credential::None if comes_from_here(uri, headers) => Ok(Caller::ANONYMOUS),
            Credential::None => Err(Denied::Foreign),
        }
    }
}

fn comes_from_here(uri: &Uri, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let host = match (uri.authority(), hosts.next(), hosts.next()) {
        (Some(authority), _, None) => is_here(authority),
        (None, Some(host), None) => {
            Authority::try_from(host.as_bytes()).is_ok_and(|host| is_here(&host))
        }
        _ => false,
    };
    let origin = headers.get_all(ORIGIN).iter().all(|origin| {
        Uri::try_from(origin.as_bytes()).is_ok_and(|origin| origin.authority().is_some_and(is_here))
    });
    host && origin
}

fn is_here(authority: &Authority) -> bool {
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(is_loopback)
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::HeaderValue;

    #[test]
    fn only_this_machine_is_here() {
        for (uri, host, origin, here) in [
            ("/", Some("localhost"), None, true),
            ("/", Some("LOCALHOST:8080"), None, true),
            (
                "/",
                Some("127.0.0.1:8080"),
                Some("http://127.0.0.1:8080"),
                true,
            ),
            ("/", Some("[::1]:8080"), Some("http://[::1]:8080"), true),
            ("http://127.0.0.1/", None, None, true),
            ("/", None, None, false),
            ("/", Some(""), None, false),
            ("/", Some("evil.example"), None, false),
            ("/", Some("localhost.evil.example"), None, false),
            ("/", Some("127.0.0.1.evil.example"), None, false),
            (
                "/",
                Some("evil.example@localhost"),
                Some("https://evil.example"),
                false,
            ),
            ("http://evil.example/", Some("localhost"), None, false),
            ("/", Some("localhost"), Some("https://evil.example"), false),
            ("/", Some("localhost"), Some("null"), false),
            ("/", Some("192.0.2.1"), None, false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(host) = host {
                headers.insert(HOST, HeaderValue::from_str(host).unwrap());
            }
            if let Some(origin) = origin {
                headers.insert(ORIGIN, HeaderValue::from_str(origin).unwrap());
            }
            let uri: Uri = uri.parse().unwrap();
            assert_eq!(
                comes_from_here(&uri, &headers),
                here,
                "{uri} {host:?} {origin:?}"
            );
        }
    }

    #[test]
    fn two_hosts_are_no_host() {
        let mut headers = HeaderMap::new();
        headers.append(HOST, HeaderValue::from_static("localhost"));
        headers.append(HOST, HeaderValue::from_static("evil.example"));
        assert!(!comes_from_here(&Uri::from_static("/"), &headers));
    }
}
