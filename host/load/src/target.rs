//! Where the load goes.

use std::net::SocketAddr;

use http::Uri;
use http::uri::Authority;

/// A URL that cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It is no URL.
    #[error("`{url}` is not a URL such as `http://127.0.0.1:3000/credit/predict`: {reason}")]
    Syntax {
        /// The text.
        url: String,
        /// What the parser says.
        reason: String,
    },
    /// It is not plain HTTP.
    #[error(
        "`{url}`: the load generator speaks `http://` only; load the listener behind the TLS one, or put a proxy that ends TLS beside the generator"
    )]
    Scheme {
        /// The URL.
        url: String,
    },
    /// It carries a user name or a password.
    #[error("`{url}` names a user; give credentials as a header, such as `authorization: Basic …`")]
    User {
        /// The URL.
        url: String,
    },
}

/// An `http://` URL with a host.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    authority: Authority,
    path: String,
}

impl Target {
    pub(crate) fn new(url: &str) -> Result<Target, TargetError> {
        let syntax = |reason: String| TargetError::Syntax {
            url: url.to_owned(),
            reason,
        };
        if !url.contains("://") {
            return Err(syntax("it does not begin with `http://`".into()));
        }
        let parts = url
            .parse::<Uri>()
            .map_err(|error| syntax(error.to_string()))?
            .into_parts();
        match parts.scheme.as_ref().map(|scheme| scheme.as_str()) {
            Some("http") => {}
            Some(_) => {
                return Err(TargetError::Scheme {
                    url: url.to_owned(),
                });
            }
            None => return Err(syntax("it does not begin with `http://`".into())),
        }
        let authority = parts
            .authority
            .ok_or_else(|| syntax("it names no host".into()))?;
        if authority.as_str().contains('@') {
            return Err(TargetError::User {
                url: url.to_owned(),
            });
        }
        // Not `as_str`, which leaves out the slash of `http://host?query`.
        let path = parts
            .path_and_query
            .map_or("/".into(), |path| path.to_string());
        Ok(Target { authority, path })
    }

    /// What the `host` header says.
    pub(crate) fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// What the request line asks for.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Asks the resolver, once.
    pub(crate) async fn addresses(&self) -> std::io::Result<Vec<SocketAddr>> {
        let host = self.authority.host();
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let port = self.authority.port_u16().unwrap_or(80);
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_host_and_a_path() {
        for (url, authority, path) in [
            (
                "http://127.0.0.1:3000/credit/predict?top=3",
                "127.0.0.1:3000",
                "/credit/predict?top=3",
            ),
            ("http://[::1]:80", "[::1]:80", "/"),
            ("HTTP://localhost?x", "localhost", "/?x"),
        ] {
            let target = Target::new(url).expect(url);
            assert_eq!((target.authority(), target.path()), (authority, path));
        }
    }

    #[test]
    fn other_urls_are_refused_with_the_remedy() {
        for (url, words) in [
            ("https://example.org/", "speaks `http://` only"),
            ("localhost:3000/x", "does not begin with `http://`"),
            ("/credit", "does not begin with `http://`"),
            (
                "http://me:secret@localhost/",
                "give credentials as a header",
            ),
            ("http:// x", "is not a URL such as"),
        ] {
            let error = Target::new(url).expect_err(url).to_string();
            assert!(error.contains(words), "{url}: {error}");
        }
    }
}
