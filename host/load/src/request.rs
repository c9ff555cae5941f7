//! Requests as they go over the wire, laid out once.

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use http::{HeaderName, Method};

use crate::plan::{Options, PlanError};
use crate::target::Target;

/// One request for every body, or one without a body.
pub(crate) fn lay_out(target: &Target, options: &Options) -> Result<Vec<Bytes>, PlanError> {
    for (name, _) in &options.headers {
        let hint = match name {
            name if *name == CONNECTION => {
                "; a connection takes one request when it is not kept alive"
            }
            name if [CONTENT_LENGTH, TRANSFER_ENCODING, EXPECT, UPGRADE].contains(name) => "",
            _ => continue,
        };
        return Err(PlanError::Header {
            name: name.clone(),
            hint,
        });
    }
    let mut head = Vec::with_capacity(256);
    head.extend_from_slice(options.method.as_str().as_bytes());
    head.push(b' ');
    head.extend_from_slice(target.path().as_bytes());
    head.extend_from_slice(b" HTTP/1.1\r\n");
    let named = |header: &HeaderName| options.headers.iter().any(|(name, _)| name == header);
    if !named(&HOST) {
        line(&mut head, HOST.as_str(), target.authority().as_bytes());
    }
    if !named(&USER_AGENT) {
        let agent = concat!("hyaline-load/", env!("CARGO_PKG_VERSION"));
        line(&mut head, USER_AGENT.as_str(), agent.as_bytes());
    }
    for (name, value) in &options.headers {
        line(&mut head, name.as_str(), value.as_bytes());
    }
    if !options.keep_alive {
        line(&mut head, CONNECTION.as_str(), b"close");
    }
    if options.bodies.is_empty() {
        // Without a length some servers wait for a body of a method that usually has one.
        if [Method::POST, Method::PUT, Method::PATCH].contains(&options.method) {
            line(&mut head, CONTENT_LENGTH.as_str(), b"0");
        }
        head.extend_from_slice(b"\r\n");
        return Ok(vec![head.into()]);
    }
    let with = |body: &Bytes| {
        let mut request = Vec::with_capacity(head.len() + body.len() + 32);
        request.extend_from_slice(&head);
        line(
            &mut request,
            CONTENT_LENGTH.as_str(),
            body.len().to_string().as_bytes(),
        );
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(body);
        Bytes::from(request)
    };
    Ok(options.bodies.iter().map(with).collect())
}

fn line(head: &mut Vec<u8>, name: &str, value: &[u8]) {
    head.extend_from_slice(name.as_bytes());
    head.extend_from_slice(b": ");
    head.extend_from_slice(value);
    head.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::plan::Plan;

    fn wire(options: Options) -> Vec<String> {
        let plan = Plan::new(options).expect("a possible plan");
        let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        plan.requests().iter().map(text).collect()
    }

    #[test]
    fn every_body_gets_a_request_of_its_own() {
        let mut options = Options::new("http://127.0.0.1:3000/credit/predict?top=3");
        options.method = Method::POST;
        options.headers = vec![
            (USER_AGENT, HeaderValue::from_static("me")),
            (HOST, HeaderValue::from_static("credit.example")),
        ];
        options.bodies = vec![Bytes::from_static(b"{}"), Bytes::from_static(b"[1,2,3]")];
        let expected = |length, body| {
            format!(
                "POST /credit/predict?top=3 HTTP/1.1\r\nuser-agent: me\r\nhost: credit.example\r\ncontent-length: {length}\r\n\r\n{body}"
            )
        };
        assert_eq!(wire(options), [expected(2, "{}"), expected(7, "[1,2,3]")]);
    }

    #[test]
    fn a_post_without_a_body_says_so() {
        let mut options = Options::new("http://127.0.0.1:3000");
        options.method = Method::POST;
        options.keep_alive = false;
        let agent = env!("CARGO_PKG_VERSION");
        assert_eq!(
            wire(options),
            [format!(
                "POST / HTTP/1.1\r\nhost: 127.0.0.1:3000\r\nuser-agent: hyaline-load/{agent}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            )]
        );
    }

    #[test]
    fn headers_of_the_connection_are_the_generators() {
        let mut options = Options::new("http://127.0.0.1:3000");
        options.headers = vec![(CONTENT_LENGTH, HeaderValue::from_static("9"))];
        let error = Plan::new(options).expect_err("a wrong length");
        assert_eq!(
            error.to_string(),
            "the header `content-length` is set by the load generator; leave it out"
        );
    }
}
