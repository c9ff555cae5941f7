//! One request to a collector, and what to do when it fails.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::watch;

use super::config::OtlpConfig;

/// Attempts per message, the first included.
const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;

pub(crate) struct Collector {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    headers: HeaderMap,
    timeout: Duration,
}

/// Why a message did not arrive.
#[derive(Debug)]
enum Failed {
    /// It may arrive later; not before the pause, if the collector named one.
    Later(Option<Duration>, String),
    /// It never will.
    Never(String),
}

impl Collector {
    pub(crate) fn new(config: &OtlpConfig) -> Self {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config.tls.clone())
            .https_or_http()
            .enable_http1()
            .build();
        let mut headers = config.headers.clone();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-protobuf"),
        );
        let agent = concat!("hyaline/", env!("CARGO_PKG_VERSION"));
        headers
            .entry(USER_AGENT)
            .or_insert(HeaderValue::from_static(agent));
        Collector {
            client: Client::builder(TokioExecutor::new()).build(connector),
            headers,
            timeout: config.timeout,
        }
    }

    /// Sends a message, again and again with growing pauses when the collector is away or asks for it (as OTLP's
    /// specification says), and returns its answer; the reason when it gives up. Once `stop` is set there are no more
    /// pauses.
    pub(crate) async fn send(
        &self,
        uri: &Uri,
        message: Vec<u8>,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Bytes, String> {
        let message = Bytes::from(message);
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let (asked, reason) = match self.attempt(uri, message.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(Failed::Never(reason)) => return Err(reason),
                Err(Failed::Later(asked, reason)) => (asked, reason),
            };
            if attempt == ATTEMPTS || *stop.borrow() {
                return Err(reason);
            }
            // Between half of the pause and all of it, so that many hosts do not come back at once.
            let part = pause.mul_f64(0.5 + rand::random::<f64>() / 2.0);
            let wait = asked.unwrap_or(part).min(LONGEST_PAUSE);
            // Ends early when the host stops, for one last attempt.
            let _ = tokio::time::timeout(wait, stop.wait_for(|stop| *stop)).await;
            pause *= 2;
        }
        unreachable!("the last attempt returns")
    }

    async fn attempt(&self, uri: &Uri, message: Bytes) -> Result<Bytes, Failed> {
        let mut request = Request::new(Full::new(message));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = self.headers.clone();
        let exchange = async {
            let answer = self
                .client
                .request(request)
                .await
                .map_err(|error| Failed::Later(None, with_causes(&error)))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, LONGEST_ANSWER).collect().await;
            let body = body.map(http_body_util::Collected::to_bytes);
            match head.status {
                status if status.is_success() => {
                    body.map_err(|error| Failed::Never(error.to_string()))
                }
                StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT => Err(Failed::Later(
                    retry_after(&head.headers),
                    format!("the collector answered {}", head.status),
                )),
                status => Err(Failed::Never(format!("the collector answered {status}"))),
            }
        };
        tokio::time::timeout(self.timeout, exchange)
            .await
            .unwrap_or_else(|_| {
                Err(Failed::Later(
                    None,
                    format!("the collector did not answer within {:?}", self.timeout),
                ))
            })
    }
}

/// Seconds only: collectors send no dates.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
