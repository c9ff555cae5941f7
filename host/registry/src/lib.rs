//! Functions, versions and aliases of a host, in one directory that a crash cannot damage.

#![forbid(unsafe_code)]
