//! An OTLP collector on loopback that does what a test asks for.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

/// A request as it came.
pub struct Received {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Received {
    pub fn traces(&self) -> ExportTraceServiceRequest {
        assert_eq!(self.path, "/v1/traces");
        ExportTraceServiceRequest::decode(self.body.clone()).unwrap()
    }

    pub fn metrics(&self) -> ExportMetricsServiceRequest {
        assert_eq!(self.path, "/v1/metrics");
        ExportMetricsServiceRequest::decode(self.body.clone()).unwrap()
    }

    pub fn spans(&self) -> Vec<Span> {
        let spans = self
            .traces()
            .resource_spans
            .into_iter()
            .flat_map(|spans| spans.scope_spans);
        spans.flat_map(|spans| spans.spans).collect()
    }
}

/// What it answers: the first once, the second once, and so on, the last for ever.
pub type Answers = Vec<(StatusCode, Option<&'static str>, Vec<u8>)>;

pub struct Collector {
    pub address: SocketAddr,
    received: mpsc::UnboundedReceiver<Received>,
}

impl Collector {
    pub async fn start(answers: Answers) -> Self {
        Self::listen(answers, None).await
    }

    pub async fn start_tls(answers: Answers, tls: TlsAcceptor) -> Self {
        Self::listen(answers, Some(tls)).await
    }

    async fn listen(answers: Answers, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, received) = mpsc::unbounded_channel();
        let answers = Arc::new(Mutex::new(answers));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (sender, answers, tls) = (sender.clone(), Arc::clone(&answers), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, sender, answers).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, sender, answers).await;
                            }
                        }
                    }
                });
            }
        });
        Collector { address, received }
    }

    /// The next request on this path.
    pub async fn next(&mut self, path: &str) -> Received {
        let next = async {
            loop {
                let received = self.received.recv().await.unwrap();
                if received.path == path {
                    return received;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), next)
            .await
            .expect("the exporter sends")
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    sender: mpsc::UnboundedSender<Received>,
    answers: Arc<Mutex<Answers>>,
) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let (sender, answers) = (sender.clone(), Arc::clone(&answers));
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let path = head.uri.path().to_owned();
            let _ = sender.send(Received {
                path: path.clone(),
                headers: head.headers,
                body,
            });
            let (status, retry_after, body) = {
                let mut answers = answers.lock().unwrap();
                match answers.len() {
                    // Metrics are always taken, so that a test of spans knows which answer is next.
                    _ if path != "/v1/traces" => (StatusCode::OK, None, Vec::new()),
                    1 => answers[0].clone(),
                    _ => answers.remove(0),
                }
            };
            let mut response = Response::builder().status(status);
            if let Some(seconds) = retry_after {
                response = response.header("retry-after", seconds);
            }
            Ok::<_, Infallible>(response.body(Full::new(Bytes::from(body))).unwrap())
        }
    });
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), answer)
        .await;
}
