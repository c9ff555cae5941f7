//! Keys that are made while no host runs.

use std::path::Path;

use hyaline_control::{IssuedKey, KeyRequest};
use hyaline_gateway::Keys;
use hyaline_registry::Registry;
use jiff::Timestamp;

use super::KEYS;
use crate::error::StartError;

/// Makes an API key in the state directory of a host that does not run: the first one, before the host starts on an
/// address that others reach, or another one when those that opened its control plane have expired. A directory that is
/// not there is made. The key is on disk when this returns.
///
/// # Errors
///
/// [`StartError::Registry`]: a host runs there (it can be asked itself), or the directory cannot be used;
/// [`StartError::Keys`]: there is a key of that name, the request contradicts itself, or the disk fails.
pub fn issue_key(state: &Path, request: KeyRequest) -> Result<IssuedKey, StartError> {
    // Held meanwhile, so that no host starts.
    let registry = Registry::open(state)?;
    let keys = Keys::open(&registry.directory().join(KEYS))?;
    Ok(keys.issue(request, Timestamp::now())?)
}
