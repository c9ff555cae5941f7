//! Which versions get which calls.

use serde::{Deserialize, Serialize};

use crate::name::VersionNumber;

/// Part of the calls that a version gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// The version.
    pub version: VersionNumber,
    /// Its weight; a version gets `weight` of every `sum of the weights` calls.
    pub weight: u32,
}

/// Where calls go: to one version, or to several by weight; and to whom they are repeated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Document", into = "Document")]
pub struct Traffic {
    shares: Vec<Share>,
    sticky: Option<StickyKey>,
    shadow: Option<VersionNumber>,
}

/// What of a call decides its version, so that calls that agree in it go to the same version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StickyKey {
    /// Who calls.
    Caller,
    /// The address of the client.
    Address,
    /// The value of a request header; calls without it are split at random.
    Header(String),
}

/// Traffic that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrafficError {
    /// There is no share.
    #[error("traffic must lead to at least one version")]
    Nowhere,
    /// All weights are 0, or their sum exceeds 32 bits.
    #[error("the weights of the versions add up to {sum}; they must add up to 1 to 4294967295")]
    Sum {
        /// The sum.
        sum: u64,
    },
    /// A version is named twice.
    #[error("version {version} is named twice")]
    Twice {
        /// The version.
        version: VersionNumber,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    shares: Vec<Share>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sticky: Option<StickyKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shadow: Option<VersionNumber>,
}

impl Traffic {
    /// # Errors
    /// [`TrafficError`]: no share, a version named twice, or weights whose sum is 0 or above 2³² − 1.
    pub fn new(
        shares: Vec<Share>,
        sticky: Option<StickyKey>,
        shadow: Option<VersionNumber>,
    ) -> Result<Self, TrafficError> {
        if shares.is_empty() {
            return Err(TrafficError::Nowhere);
        }
        let sum: u64 = shares.iter().map(|share| u64::from(share.weight)).sum();
        if sum == 0 || sum > u64::from(u32::MAX) {
            return Err(TrafficError::Sum { sum });
        }
        for (index, share) in shares.iter().enumerate() {
            if shares[..index]
                .iter()
                .any(|other| other.version == share.version)
            {
                return Err(TrafficError::Twice {
                    version: share.version,
                });
            }
        }
        Ok(Traffic {
            shares,
            sticky,
            shadow,
        })
    }

    /// Every call to one version.
    pub fn all_to(version: VersionNumber) -> Self {
        Traffic {
            shares: vec![Share { version, weight: 1 }],
            sticky: None,
            shadow: None,
        }
    }

    /// The versions and their weights.
    pub fn shares(&self) -> &[Share] {
        &self.shares
    }

    /// What keeps calls together.
    pub fn sticky(&self) -> Option<&StickyKey> {
        self.sticky.as_ref()
    }

    /// The version that every call is repeated to; its answers are compared and counted, never returned.
    pub fn shadow(&self) -> Option<VersionNumber> {
        self.shadow
    }

    /// Every version named, the shadow included.
    pub fn versions(&self) -> impl Iterator<Item = VersionNumber> + '_ {
        self.shares
            .iter()
            .map(|share| share.version)
            .chain(self.shadow)
    }

    /// The version for a number that is uniform over all 64-bit numbers: random for calls without a key, a hash of the
    /// key for the others. The same number always gets the same version.
    pub fn choose(&self, uniform: u64) -> VersionNumber {
        let sum: u64 = self
            .shares
            .iter()
            .map(|share| u64::from(share.weight))
            .sum();
        let mut place = ((u128::from(uniform) * u128::from(sum)) >> 64) as u64;
        for share in &self.shares {
            match place.checked_sub(u64::from(share.weight)) {
                None => return share.version,
                Some(rest) => place = rest,
            }
        }
        unreachable!("a place below the sum of the weights lies in one of them")
    }
}

impl TryFrom<Document> for Traffic {
    type Error = TrafficError;
    fn try_from(document: Document) -> Result<Self, TrafficError> {
        Traffic::new(document.shares, document.sticky, document.shadow)
    }
}

impl From<Traffic> for Document {
    fn from(traffic: Traffic) -> Document {
        Document {
            shares: traffic.shares,
            sticky: traffic.sticky,
            shadow: traffic.shadow,
        }
    }
}

/// An alias: a name for where calls go, and where they went before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alias {
    /// Where calls go now.
    pub traffic: Traffic,
    /// Where they went before, latest first; what a rollback goes back to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Traffic>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u32) -> VersionNumber {
        VersionNumber::new(number).unwrap()
    }

    fn share(number: u32, weight: u32) -> Share {
        Share {
            version: version(number),
            weight,
        }
    }

    #[test]
    fn calls_are_split_by_weight() {
        let traffic =
            Traffic::new(vec![share(1, 90), share(2, 0), share(3, 10)], None, None).unwrap();
        let mut counts = [0; 4];
        for step in 0..1000u64 {
            let uniform = step * (u64::MAX / 1000) + u64::MAX / 2000;
            counts[traffic.choose(uniform).get() as usize] += 1;
        }
        assert_eq!(counts, [0, 900, 0, 100]);
        assert_eq!(traffic.choose(0), version(1));
        assert_eq!(traffic.choose(u64::MAX), version(3));
    }

    #[test]
    fn impossible_traffic_is_refused() {
        assert_eq!(Traffic::new(vec![], None, None), Err(TrafficError::Nowhere));
        assert_eq!(
            Traffic::new(vec![share(1, 0)], None, None),
            Err(TrafficError::Sum { sum: 0 })
        );
        assert_eq!(
            Traffic::new(vec![share(1, 1), share(1, 2)], None, None),
            Err(TrafficError::Twice {
                version: version(1)
            })
        );
        let read = serde_json::from_str::<Traffic>(r#"{"shares":[]}"#).unwrap_err();
        assert!(
            read.to_string()
                .starts_with("traffic must lead to at least one version"),
            "{read}"
        );
    }

    #[test]
    fn traffic_survives_its_document() {
        let sticky = Some(StickyKey::Header("x-user".into()));
        let traffic =
            Traffic::new(vec![share(1, 9), share(2, 1)], sticky, Some(version(3))).unwrap();
        let text = serde_json::to_string(&traffic).unwrap();
        assert_eq!(
            text,
            r#"{"shares":[{"version":1,"weight":9},{"version":2,"weight":1}],"sticky":{"header":"x-user"},"shadow":3}"#
        );
        assert_eq!(serde_json::from_str::<Traffic>(&text).unwrap(), traffic);
    }
}
