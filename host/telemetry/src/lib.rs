//! What a host shows of itself: Prometheus metrics, OTLP traces and metrics, structured logs.

#![forbid(unsafe_code)]
