//! One API key: as it is kept on disk, and as calls meet it.

use hyaline_control::{ApiKey, CallerName, FunctionName, KeyRequest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::key::store::KeyError;
use crate::limit::{Bucket, Counter, Moment, Policies, counters};

/// An API key as it is kept on disk.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    pub grant: KeyRequest,
    pub prefix: String,
    pub created: Timestamp,
    /// The SHA-256 of the secret, in hexadecimal digits.
    pub digest: String,
}

/// An API key, ready for calls. Its rate and its quotas are counted in here.
#[derive(Debug)]
pub struct Key {
    api: ApiKey,
    digest: [u8; 32],
    bucket: Option<Bucket>,
    counters: Vec<Counter>,
    policies: Policies,
}

impl Key {
    /// # Errors
    /// [`KeyError::Contradiction`], [`KeyError::Rate`] or [`KeyError::Quota`]: what is granted cannot be.
    pub(crate) fn new(api: ApiKey, digest: [u8; 32]) -> Result<Self, KeyError> {
        let KeyRequest {
            name,
            functions,
            control,
            rate,
            quotas,
            ..
        } = &api.grant;
        let contradiction = |rule| KeyError::Contradiction {
            name: name.clone(),
            rule,
        };
        match functions {
            Some(_) if *control => {
                return Err(contradiction(
                    "a key that opens the control plane may do everything; leave `functions` out",
                ));
            }
            Some(functions) if functions.is_empty() => {
                return Err(contradiction(
                    "`functions` is empty; name the functions it may call, or leave it out for all",
                ));
            }
            _ => {}
        }
        let bucket = rate.map(Bucket::new).transpose()?;
        let counters = counters(quotas)?;
        let policies = Policies::new("key", bucket.as_ref(), &counters);
        Ok(Key {
            api,
            digest,
            bucket,
            counters,
            policies,
        })
    }

    pub(crate) fn record(&self) -> Record {
        Record {
            grant: self.api.grant.clone(),
            prefix: self.api.prefix.clone(),
            created: self.api.created,
            digest: self
                .digest
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        }
    }

    /// What its calls are recorded under.
    pub fn name(&self) -> &CallerName {
        &self.api.grant.name
    }

    /// What it may do, and what people see of it.
    pub fn api(&self) -> &ApiKey {
        &self.api
    }

    /// Whether it may call a function.
    pub fn may_call(&self, function: &FunctionName) -> bool {
        match &self.api.grant.functions {
            None => true,
            Some(functions) => functions.contains(function),
        }
    }

    /// Whether it has stopped working.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.api.grant.expires.is_some_and(|expires| expires <= now)
    }

    /// Calls counted by its quotas, in the periods that `now` lies in.
    pub fn used(&self, now: Timestamp) -> Vec<(hyaline_control::Period, u64)> {
        let now = Moment::of(now);
        self.counters
            .iter()
            .map(|counter| (counter.period(), counter.count(now)))
            .collect()
    }

    pub(crate) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    pub(crate) fn bucket(&self) -> Option<&Bucket> {
        self.bucket.as_ref()
    }

    pub(crate) fn counters(&self) -> &[Counter] {
        &self.counters
    }

    pub(crate) fn policies(&self) -> &Policies {
        &self.policies
    }
}
