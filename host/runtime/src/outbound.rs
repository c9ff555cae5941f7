//! Where a function may send HTTP requests.

use http::Uri;
use http::uri::Scheme;

/// The hosts a function may send HTTP requests to; none by default.
///
/// Written as Spin writes `allowed_outbound_hosts`: `scheme://host[:port]`, where scheme is `http`, `https` or `*`,
/// host is a name, `*.name` or `*`, and port is a number or `*` (absent: the scheme's own).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedHosts(Vec<Pattern>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    scheme: Option<Scheme>,
    host: HostPattern,
    port: PortPattern,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum HostPattern {
    Any,
    /// Ends with this, and has at least one more label before it.
    Below(String),
    Exactly(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PortPattern {
    Any,
    OfScheme,
    Exactly(u16),
}

/// A text that is not a host pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{pattern}` is not an outbound host: {reason}; write it as `https://example.com` or `http://localhost:8080`"
)]
pub struct AllowedHostsError {
    pattern: String,
    reason: &'static str,
}

impl AllowedHosts {
    /// No host at all.
    pub fn none() -> Self {
        AllowedHosts::default()
    }

    /// # Errors
    ///
    /// The first text that is not a pattern: no `://`, a scheme other than `http`, `https` or `*`, an empty host, a `*`
    /// inside a host, a port that is not a number, or anything after the port.
    pub fn parse<S: AsRef<str>>(
        patterns: impl IntoIterator<Item = S>,
    ) -> Result<Self, AllowedHostsError> {
        patterns
            .into_iter()
            .map(|pattern| Pattern::parse(pattern.as_ref()))
            .collect::<Result<_, _>>()
            .map(AllowedHosts)
    }

    /// Whether a request to `uri` may leave. A URI without scheme or host may not.
    pub fn allows(&self, uri: &Uri) -> bool {
        let (Some(scheme), Some(host)) = (uri.scheme(), uri.host()) else {
            return false;
        };
        let of_scheme = if *scheme == Scheme::HTTPS { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(of_scheme);
        let host = host.to_ascii_lowercase();
        self.0.iter().any(|pattern| {
            pattern
                .scheme
                .as_ref()
                .is_none_or(|allowed| allowed == scheme)
                && match &pattern.host {
                    HostPattern::Any => true,
                    HostPattern::Below(suffix) => host
                        .strip_suffix(suffix.as_str())
                        .is_some_and(|sub| sub.len() > 1 && sub.ends_with('.')),
                    HostPattern::Exactly(name) => *name == host,
                }
                && match pattern.port {
                    PortPattern::Any => true,
                    PortPattern::OfScheme => port == of_scheme,
                    PortPattern::Exactly(number) => port == number,
                }
        })
    }
}

impl Pattern {
    fn parse(pattern: &str) -> Result<Self, AllowedHostsError> {
        let refuse = |reason| AllowedHostsError {
            pattern: pattern.into(),
            reason,
        };
        let (scheme, rest) = pattern
            .split_once("://")
            .ok_or(refuse("it has no `scheme://`"))?;
        let scheme = match scheme {
            "http" => Some(Scheme::HTTP),
            "https" => Some(Scheme::HTTPS),
            "*" => None,
            _ => return Err(refuse("functions send only `http` and `https`")),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#', '@']) {
            return Err(refuse("it must end after the port"));
        }
        let colon = rest
            .rfind(':')
            .filter(|&colon| !rest[colon..].contains(']'));
        let (host, port) = match colon {
            None => (rest, PortPattern::OfScheme),
            Some(colon) => {
                let port = match &rest[colon + 1..] {
                    "*" => PortPattern::Any,
                    number => PortPattern::Exactly(
                        number
                            .parse()
                            .map_err(|_| refuse("its port is not a number"))?,
                    ),
                };
                (&rest[..colon], port)
            }
        };
        let host = host.to_ascii_lowercase();
        let host = match host.strip_prefix("*.") {
            _ if host.is_empty() => return Err(refuse("it names no host")),
            _ if host == "*" => HostPattern::Any,
            Some(suffix) if !suffix.is_empty() && !suffix.contains('*') => {
                HostPattern::Below(suffix.into())
            }
            None if !host.contains('*') => HostPattern::Exactly(host),
            _ => {
                return Err(refuse(
                    "a `*` can stand only for the whole host or its first labels",
                ));
            }
        };
        Ok(Pattern { scheme, host, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_what_the_patterns_say_and_nothing_else() {
        let check = |pattern: &str, uri: &str, expected: bool| {
            let hosts = AllowedHosts::parse([pattern]).unwrap();
            assert_eq!(
                hosts.allows(&uri.parse().unwrap()),
                expected,
                "{pattern} {uri}"
            );
        };
        check("https://example.com", "https://example.com/a", true);
        check("https://example.com", "https://EXAMPLE.com:443/a", true);
        check("https://example.com", "http://example.com/a", false);
        check("https://example.com", "https://example.com:8443/a", false);
        check(
            "https://example.com",
            "https://example.com.evil.test/",
            false,
        );
        check("https://*.example.com", "https://api.example.com/", true);
        check("https://*.example.com", "https://example.com/", false);
        check("https://*.example.com", "https://evilexample.com/", false);
        check("*://localhost:*", "http://localhost:9/", true);
        check("http://*", "http://anything.test/", true);
        check("http://*", "http://anything.test:81/", false);
        check("http://[::1]:8080", "http://[::1]:8080/", true);
        check("http://127.0.0.1:8080/", "http://127.0.0.1:8080/x", true);
        assert!(!AllowedHosts::none().allows(&"http://localhost/".parse().unwrap()));
        assert!(
            !AllowedHosts::parse(["*://*:*"])
                .unwrap()
                .allows(&"/relative".parse().unwrap())
        );
    }

    #[test]
    fn refusals_name_the_pattern_and_the_fault() {
        let check = |pattern: &str, reason: &str| {
            let error = AllowedHosts::parse([pattern]).unwrap_err().to_string();
            let remedy = "write it as `https://example.com` or `http://localhost:8080`";
            assert_eq!(
                error,
                format!("`{pattern}` is not an outbound host: {reason}; {remedy}")
            );
        };
        check("example.com", "it has no `scheme://`");
        check(
            "redis://localhost",
            "functions send only `http` and `https`",
        );
        check("http://", "it names no host");
        check(
            "http://a*b.test",
            "a `*` can stand only for the whole host or its first labels",
        );
        check("http://localhost:http", "its port is not a number");
        check("http://user@host", "it must end after the port");
        check("http://host/path", "it must end after the port");
    }
}
