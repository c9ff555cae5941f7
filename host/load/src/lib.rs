//! A load generator for HTTP: drives a URL and reports latencies.

#![forbid(unsafe_code)]
