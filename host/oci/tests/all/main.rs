//! Functions pushed to and pulled from Debian's `docker-registry`, started here on 127.0.0.1 and stopped again.

mod authentication;
mod component;
mod interoperation;
mod refusals;
mod registry;
mod round_trip;
mod tls;
