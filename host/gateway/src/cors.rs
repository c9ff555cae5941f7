//! Which web pages may call a function: the CORS protocol (Fetch standard, 3.3).

use std::collections::HashSet;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};
use http::{Method, StatusCode};
use hyaline_control::Cors;

/// [`Cors`] settings that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CorsError {
    /// There is no origin.
    #[error("`origins` is empty; name the origins whose pages may call, or leave `cors` out")]
    Nobody,
    /// `*` stands beside other origins.
    #[error("`*` allows every origin; leave the others out, or leave `*` out")]
    All,
    /// `*` and credentials exclude each other.
    #[error(
        "`*` in `{member}` does not go with `credentials`: browsers refuse it (Fetch standard, 3.3.5); name them one by one"
    )]
    Credentials {
        /// Where `*` stands.
        member: &'static str,
    },
    /// The origin `null` is that of every sandboxed frame and local file.
    #[error("the origin `null` cannot be allowed: any page can have it, in a sandboxed frame")]
    Null,
    /// An origin is not written as browsers write it.
    #[error(
        "`{origin}` is not an origin; write `scheme://host` or `scheme://host:port` in lower case, without a path and without the scheme's own port"
    )]
    Origin {
        /// The text.
        origin: String,
    },
    /// A header's name is not one.
    #[error("`{name}` in `{member}` is not the name of a header")]
    Header {
        /// The text.
        name: String,
        /// Where it stands.
        member: &'static str,
    },
}

/// The methods a page may use. Functions answer those they know with what they are, and the others with 405.
const METHODS: HeaderValue =
    HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
const VARY_ORIGIN: HeaderValue = HeaderValue::from_static("Origin");
const VARY_PREFLIGHT: HeaderValue = HeaderValue::from_static(
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
);
const ANY: HeaderValue = HeaderValue::from_static("*");
const TRUE: HeaderValue = HeaderValue::from_static("true");

/// Header fields of answers that are this protocol's.
const FIELDS: [HeaderName; 6] = [
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
];

/// Which web pages may call a function, ready for calls.
#[derive(Debug)]
pub struct CrossOrigin {
    /// `None` for all.
    origins: Option<HashSet<Box<[u8]>>>,
    credentials: bool,
    headers: HeaderValue,
    expose: Option<HeaderValue>,
    max_age: HeaderValue,
}

impl CrossOrigin {
    /// # Errors
    /// [`CorsError`].
    pub fn new(settings: &Cors) -> Result<Self, CorsError> {
        let Cors {
            origins,
            headers,
            expose,
            credentials,
            max_age_seconds,
        } = settings;
        let origins = if origins.is_empty() {
            return Err(CorsError::Nobody);
        } else if origins.iter().any(|origin| origin == "*") {
            if origins.len() > 1 {
                return Err(CorsError::All);
            }
            if *credentials {
                return Err(CorsError::Credentials { member: "origins" });
            }
            None
        } else {
            let origins = origins.iter().map(|origin| serialized(origin));
            Some(origins.collect::<Result<_, _>>()?)
        };
        let allowed = names(headers, "headers", *credentials)?;
        // The name `content-type` is safelisted, JSON as its value is not: without it no page could send JSON.
        let allowed = match allowed {
            Some(names) if names.iter().any(|name| name == "content-type") => names,
            Some(mut names) => {
                names.insert(0, "content-type".into());
                names
            }
            None => vec!["content-type".into()],
        };
        let exposed = names(expose, "expose", *credentials)?;
        let list = |names: Vec<String>| {
            HeaderValue::try_from(names.join(", ")).expect("names of headers make a header's value")
        };
        Ok(CrossOrigin {
            origins,
            credentials: *credentials,
            headers: list(allowed),
            expose: exposed.map(list),
            max_age: HeaderValue::from(*max_age_seconds),
        })
    }

    /// The answer to a preflight: a status of 204 and its header fields. `None` for a request that is none. A page that
    /// may not call gets an answer, too, but no permission.
    pub fn preflight(
        &self,
        method: &Method,
        headers: &HeaderMap,
    ) -> Option<(StatusCode, HeaderMap)> {
        if method != Method::OPTIONS
            || !headers.contains_key(ORIGIN)
            || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
        {
            return None;
        }
        let mut answer = HeaderMap::with_capacity(8);
        answer.insert(VARY, VARY_PREFLIGHT);
        if let Some(origin) = self.allowed(headers) {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            answer.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, self.headers.clone());
            answer.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
            if self.credentials {
                answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
            }
        }
        Some((StatusCode::NO_CONTENT, answer))
    }

    /// Adds to an answer what its request's page may do with it, refusals included: a page that may call must be able to
    /// read that it called too often. Fields of this protocol that the function itself set are replaced.
    pub fn write(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        for field in FIELDS {
            answer.remove(field);
        }
        if self.origins.is_some() && !varies(answer) {
            answer.append(VARY, VARY_ORIGIN);
        }
        if let Some(origin) = self.allowed(request) {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            if self.credentials {
                answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
            }
            if let Some(expose) = &self.expose {
                answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
            }
        }
    }

    /// The value of `Access-Control-Allow-Origin` for a request. Origins are compared byte by byte, as browsers do.
    fn allowed(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let mut origins = request.get_all(ORIGIN).iter();
        let (Some(origin), None) = (origins.next(), origins.next()) else {
            return None;
        };
        match &self.origins {
            None => Some(ANY),
            Some(known) => known.contains(origin.as_bytes()).then(|| origin.clone()),
        }
    }
}

/// Whether an answer says already that it depends on the origin.
fn varies(answer: &HeaderMap) -> bool {
    answer.get_all(VARY).iter().any(|value| {
        value.as_bytes().split(|byte| *byte == b',').any(|name| {
            let name = name.trim_ascii();
            name == b"*" || name.eq_ignore_ascii_case(b"origin")
        })
    })
}

/// An origin as browsers serialise it (HTML standard, 7.1.1), or an error.
fn serialized(origin: &str) -> Result<Box<[u8]>, CorsError> {
    if origin == "null" {
        return Err(CorsError::Null);
    }
    let error = || CorsError::Origin {
        origin: origin.chars().take(256).collect(),
    };
    let (scheme, rest) = origin.split_once("://").ok_or_else(error)?;
    let scheme_is_sound = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte)
        });
    let (host, port) = match rest.rsplit_once(':') {
        // The colons inside the brackets of an IPv6 address divide no port.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let host_is_sound = match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        Some(address) => address
            .parse::<std::net::Ipv6Addr>()
            .is_ok_and(|parsed| parsed.to_string() == address),
        None => {
            !host.is_empty()
                && host.bytes().all(|byte| {
                    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte)
                })
        }
    };
    let port_is_sound = match (scheme, port) {
        (_, None) => true,
        ("http", Some("80")) | ("https", Some("443")) => false,
        (_, Some(port)) => port
            .parse::<u16>()
            .is_ok_and(|parsed| parsed.to_string() == port),
    };
    if scheme_is_sound && host_is_sound && port_is_sound {
        Ok(origin.as_bytes().into())
    } else {
        Err(error())
    }
}

/// Names of headers in lower case; `None` for an empty list.
fn names(
    names: &[String],
    member: &'static str,
    credentials: bool,
) -> Result<Option<Vec<String>>, CorsError> {
    let mut all = Vec::with_capacity(names.len());
    for name in names {
        if name == "*" && credentials {
            return Err(CorsError::Credentials { member });
        }
        // `*` is an allowed character of names, so it passes here as itself.
        let Ok(name) = name.parse::<HeaderName>() else {
            return Err(CorsError::Header {
                name: name.chars().take(256).collect(),
                member,
            });
        };
        all.push(name.as_str().to_owned());
    }
    Ok((!all.is_empty()).then_some(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str]) -> Cors {
        Cors {
            origins: origins.iter().map(|origin| (*origin).into()).collect(),
            headers: vec![],
            expose: vec![],
            credentials: false,
            max_age_seconds: 600,
        }
    }

    fn request(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    fn shown(headers: &HeaderMap) -> Vec<String> {
        let mut lines: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        lines
    }

    const PREFLIGHT: [(&str, &str); 3] = [
        ("origin", "https://shop.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type, x-api-key"),
    ];

    #[test]
    fn a_page_that_may_call_learns_how() {
        let settings = Cors {
            headers: vec!["X-API-Key".into()],
            expose: vec!["RateLimit".into()],
            credentials: true,
            ..cors(&["https://shop.example"])
        };
        let policy = CrossOrigin::new(&settings).unwrap();
        let (status, headers) = policy
            .preflight(&Method::OPTIONS, &request(&PREFLIGHT))
            .unwrap();
        assert_eq!(status, 204);
        assert_eq!(
            shown(&headers),
            [
                "access-control-allow-credentials: true",
                "access-control-allow-headers: content-type, x-api-key",
                "access-control-allow-methods: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
                "access-control-allow-origin: https://shop.example",
                "access-control-max-age: 600",
                "vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
            ]
        );
        let mut answer = request(&[
            ("access-control-allow-origin", "*"),
            ("access-control-max-age", "1"),
            ("vary", "Accept"),
        ]);
        policy.write(&request(&PREFLIGHT[..1]), &mut answer);
        assert_eq!(
            shown(&answer),
            [
                "access-control-allow-credentials: true",
                "access-control-allow-origin: https://shop.example",
                "access-control-expose-headers: ratelimit",
                "vary: Accept",
                "vary: Origin",
            ]
        );
    }

    #[test]
    fn other_pages_get_no_permission() {
        let policy = CrossOrigin::new(&cors(&["https://shop.example"])).unwrap();
        for origin in [
            "null",
            "https://shop.example.evil.example",
            "https://SHOP.example",
            "http://shop.example",
            "https://shop.example:443",
            "https://shop.example/",
            "https://shop.example, https://shop.example",
            "*",
            "",
            "ä",
        ] {
            let asked = request(&[("origin", origin), PREFLIGHT[1]]);
            let (status, headers) = policy.preflight(&Method::OPTIONS, &asked).unwrap();
            assert_eq!(status, 204);
            assert_eq!(
                shown(&headers),
                ["vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers"],
                "{origin}"
            );
            let mut answer = request(&[("access-control-allow-origin", "*")]);
            policy.write(&asked, &mut answer);
            assert_eq!(shown(&answer), ["vary: Origin"], "{origin}");
        }
        let twice = request(&[PREFLIGHT[0], PREFLIGHT[0]]);
        let mut answer = HeaderMap::new();
        policy.write(&twice, &mut answer);
        assert_eq!(shown(&answer), ["vary: Origin"]);
    }

    #[test]
    fn requests_that_ask_nothing_are_no_preflights() {
        let policy = CrossOrigin::new(&cors(&["*"])).unwrap();
        assert!(
            policy
                .preflight(&Method::POST, &request(&PREFLIGHT))
                .is_none()
        );
        assert!(
            policy
                .preflight(&Method::OPTIONS, &request(&PREFLIGHT[..1]))
                .is_none()
        );
        assert!(
            policy
                .preflight(&Method::OPTIONS, &request(&PREFLIGHT[1..]))
                .is_none()
        );
    }

    #[test]
    fn every_page_may_call_where_every_origin_is_allowed() {
        let policy = CrossOrigin::new(&cors(&["*"])).unwrap();
        for origin in ["https://a.example", "null"] {
            let mut answer = HeaderMap::new();
            policy.write(&request(&[("origin", origin)]), &mut answer);
            assert_eq!(
                shown(&answer),
                ["access-control-allow-origin: *"],
                "{origin}"
            );
        }
        let mut answer = HeaderMap::new();
        policy.write(&HeaderMap::new(), &mut answer);
        assert!(answer.is_empty(), "a request of no page gets nothing");
        let settings = Cors {
            headers: vec!["*".into(), "authorization".into()],
            ..cors(&["*"])
        };
        let (_, headers) = CrossOrigin::new(&settings)
            .unwrap()
            .preflight(&Method::OPTIONS, &request(&PREFLIGHT))
            .unwrap();
        assert_eq!(
            headers[ACCESS_CONTROL_ALLOW_HEADERS],
            "content-type, *, authorization"
        );
    }

    #[test]
    fn vary_is_said_once() {
        let policy = CrossOrigin::new(&cors(&["https://a.example"])).unwrap();
        for said in ["Origin", "accept , origin", "*"] {
            let mut answer = request(&[("vary", said)]);
            policy.write(&HeaderMap::new(), &mut answer);
            assert_eq!(answer.get_all(VARY).iter().count(), 1, "{said}");
        }
    }

    #[test]
    fn origins_are_written_as_browsers_write_them() {
        for sound in [
            "https://a.example",
            "http://localhost:3000",
            "http://127.0.0.1",
            "http://[::1]:8080",
            "http://[2001:db8::1]",
            "chrome-extension://abcdefghijklmnop",
        ] {
            assert!(CrossOrigin::new(&cors(&[sound])).is_ok(), "{sound}");
        }
        for wrong in [
            "",
            "a.example",
            "https://",
            "https://a.example/",
            "https://a.example/x",
            "https://A.example",
            "HTTPS://a.example",
            "https://a.example:443",
            "http://a.example:080",
            "http://a.example:",
            "http://a.example:99999",
            "https://u@a.example",
            "https://*.example",
            "https://ä.example",
            "https://a.example\r\nx: y",
            "http://[::1",
            "http://[0:0:0:0:0:0:0:1]",
        ] {
            assert!(CrossOrigin::new(&cors(&[wrong])).is_err(), "{wrong}");
        }
    }

    #[test]
    fn settings_that_cannot_be_are_refused_in_words() {
        let refused = |settings| CrossOrigin::new(&settings).unwrap_err().to_string();
        let with = Cors {
            credentials: true,
            ..cors(&["*"])
        };
        assert_eq!(
            refused(with.clone()),
            "`*` in `origins` does not go with `credentials`: browsers refuse it (Fetch standard, 3.3.5); name them one by one"
        );
        let headers = Cors {
            headers: vec!["*".into()],
            ..with.clone()
        };
        let origins = vec!["https://a.example".into()];
        assert!(refused(Cors { origins, ..headers }).starts_with("`*` in `headers`"));
        assert_eq!(
            refused(cors(&["null"])),
            "the origin `null` cannot be allowed: any page can have it, in a sandboxed frame"
        );
        assert_eq!(
            refused(cors(&["*", "https://a.example"])),
            CorsError::All.to_string()
        );
        assert_eq!(refused(cors(&[])), CorsError::Nobody.to_string());
        let headers = Cors {
            headers: vec!["x y".into()],
            ..cors(&["*"])
        };
        assert_eq!(
            refused(headers),
            "`x y` in `headers` is not the name of a header"
        );
    }
}
