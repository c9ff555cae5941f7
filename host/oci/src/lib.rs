//! Functions as OCI artefacts: push and pull.

#![forbid(unsafe_code)]
