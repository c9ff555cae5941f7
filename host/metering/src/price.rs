//! Price tables: what a platform charges for what an invocation used.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::money::{Money, multiply_divide};
use crate::record::{Start, Usage, nanoseconds};

/// What a platform charges. Prices are US dollars; a free tier belongs to an account, not to a call, and is not here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Document", into = "Document")]
pub struct PriceTable {
    name: Box<str>,
    per_request: Money,
    /// Atto-dollars.
    per_gigabyte_second: u64,
    /// Nanoseconds, not 0.
    granularity: u64,
    /// Nanoseconds.
    minimum: u64,
    memory: MemoryBasis,
    bill_init: bool,
    gigabyte: Gigabyte,
}

/// Which memory is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemoryBasis {
    /// What the invocation was allowed to hold.
    Configured,
    /// The most it held.
    Peak,
}

/// How many bytes a price list means by a gigabyte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gigabyte {
    /// 2³⁰, as AWS, which divides its megabytes by 1024.
    #[default]
    Binary,
    /// 10⁹.
    Decimal,
}

/// A price table that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// It is not TOML or JSON, or a member is missing, misspelt or of the wrong type.
    #[error("not a price table: {reason}")]
    Syntax {
        /// Where and what, as the parser says it.
        reason: String,
    },
    /// The name is empty or too long.
    #[error("the name of a price table takes 1 to 63 bytes, `{name}` has {length}")]
    Name {
        /// Its beginning.
        name: String,
        /// Its bytes.
        length: usize,
    },
    /// A price is out of range.
    #[error("`{member}` is {found}; a price is from 0 to {MOST_DOLLARS} US dollars")]
    Price {
        /// The member.
        member: &'static str,
        /// What it says.
        found: String,
    },
    /// A time is out of range.
    #[error("`{member}` is {found}; it takes {least} to {LONGEST} microseconds")]
    Time {
        /// The member.
        member: &'static str,
        /// What it says.
        found: u64,
        /// The least it may say.
        least: u64,
    },
}

/// Highest price: the highest whole number of dollars whose atto-dollars have 64 bits is 18.
const MOST_DOLLARS: u64 = 10;

/// Longest granularity and minimum in microseconds: an hour.
const LONGEST: u64 = 3_600_000_000;

/// A price table as it is written down.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    name: String,
    per_request_usd: f64,
    per_gb_second_usd: f64,
    granularity_us: u64,
    #[serde(default)]
    minimum_us: u64,
    memory: MemoryBasis,
    bill_init: bool,
    #[serde(default)]
    gigabyte: Gigabyte,
}

impl PriceTable {
    /// AWS Lambda, x86, first tier, US East (N. Virginia): $0.20 per million requests, $0.0000166667 per GB-s of
    /// configured memory, whole milliseconds, INIT billed (since 1 August 2025).
    ///
    /// Source: AWS's pricing page of Lambda and "AWS Lambda standardizes billing for INIT Phase" (AWS Compute blog).
    pub fn aws_lambda_x86() -> Self {
        PriceTable {
            name: "aws-lambda-x86".into(),
            per_request: Money::from_attos(200_000_000_000),
            per_gigabyte_second: 16_666_700_000_000,
            granularity: 1_000_000,
            minimum: 0,
            memory: MemoryBasis::Configured,
            bill_init: true,
            gigabyte: Gigabyte::Binary,
        }
    }

    /// AWS Lambda on Graviton: as [`PriceTable::aws_lambda_x86`], at $0.0000133334 per GB-s.
    pub fn aws_lambda_arm() -> Self {
        PriceTable {
            name: "aws-lambda-arm".into(),
            per_gigabyte_second: 13_333_400_000_000,
            ..PriceTable::aws_lambda_x86()
        }
    }

    /// Every started microsecond at the memory really held, at AWS's x86 price per GB-s; no fee per request, and loading
    /// is the host's own affair.
    pub fn per_microsecond() -> Self {
        PriceTable {
            name: "per-microsecond".into(),
            per_request: Money::ZERO,
            granularity: 1000,
            memory: MemoryBasis::Peak,
            bill_init: false,
            ..PriceTable::aws_lambda_x86()
        }
    }

    /// The tables above.
    pub fn built_in() -> [PriceTable; 3] {
        [
            PriceTable::aws_lambda_x86(),
            PriceTable::aws_lambda_arm(),
            PriceTable::per_microsecond(),
        ]
    }

    /// The built-in table of that name.
    pub fn named(name: &str) -> Option<Self> {
        PriceTable::built_in()
            .into_iter()
            .find(|table| table.name() == name)
    }

    /// Reads a table. Members: `name`, `per_request_usd`, `per_gb_second_usd`, `granularity_us` (1 and more: durations
    /// are rounded up to multiples), `minimum_us` (0 unless given), `memory` (`configured` or `peak`), `bill_init`,
    /// `gigabyte` (`binary` unless given, or `decimal`).
    ///
    /// # Errors
    /// [`PriceError`]: a member is missing, unknown, or out of range.
    pub fn from_toml(text: &str) -> Result<Self, PriceError> {
        let document: Document = toml::from_str(text).map_err(|error| PriceError::Syntax {
            reason: error.to_string().trim_end().to_owned(),
        })?;
        document.try_into()
    }

    /// Reads a table with the members of [`PriceTable::from_toml`].
    ///
    /// # Errors
    /// [`PriceError`]: a member is missing, unknown, or out of range.
    pub fn from_json(text: &str) -> Result<Self, PriceError> {
        let document: Document =
            serde_json::from_str(text).map_err(|error| PriceError::Syntax {
                reason: error.to_string(),
            })?;
        document.try_into()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The fee for a request.
    pub fn per_request(&self) -> Money {
        self.per_request
    }

    /// The price of a gigabyte held for a second.
    pub fn per_gb_second(&self) -> Money {
        Money::from_attos(u128::from(self.per_gigabyte_second))
    }

    /// Wall time times the memory really held, to the nanosecond and the byte, at this table's price per GB-s and without
    /// its fee per request.
    pub fn exact(&self, usage: &Usage) -> Money {
        self.amount(nanoseconds(usage.wall), usage.peak_memory)
    }

    /// What this table charges.
    pub fn billed(&self, usage: &Usage) -> Money {
        let memory = match self.memory {
            MemoryBasis::Configured => usage.memory_limit,
            MemoryBasis::Peak => usage.peak_memory,
        };
        self.per_request + self.amount(self.billed_nanoseconds(usage), memory)
    }

    /// How long this table says it took: wall time, and loading where that is billed, at least the minimum, rounded up
    /// to the granularity.
    pub fn billed_duration(&self, usage: &Usage) -> Duration {
        Duration::from_nanos(self.billed_nanoseconds(usage))
    }

    fn billed_nanoseconds(&self, usage: &Usage) -> u64 {
        let init = match usage.start {
            Start::Cold { init } if self.bill_init => nanoseconds(init),
            _ => 0,
        };
        let used = nanoseconds(usage.wall)
            .saturating_add(init)
            .max(self.minimum);
        used.checked_next_multiple_of(self.granularity)
            .unwrap_or(u64::MAX)
    }

    fn amount(&self, nanoseconds: u64, bytes: u64) -> Money {
        let gigabyte_second = match self.gigabyte {
            Gigabyte::Binary => (1 << 30) * 1_000_000_000,
            Gigabyte::Decimal => 1_000_000_000 * 1_000_000_000,
        };
        let held = u128::from(nanoseconds) * u128::from(bytes);
        Money::from_attos(multiply_divide(
            held,
            self.per_gigabyte_second,
            gigabyte_second,
        ))
    }
}

fn price(member: &'static str, usd: f64) -> Result<u64, PriceError> {
    let attos = Money::from_usd(usd)
        .ok()
        .filter(|price| price.usd() <= MOST_DOLLARS as f64)
        .and_then(|price| u64::try_from(price.attos()).ok());
    attos.ok_or_else(|| PriceError::Price {
        member,
        found: usd.to_string(),
    })
}

fn time(member: &'static str, found: u64, least: u64) -> Result<u64, PriceError> {
    if (least..=LONGEST).contains(&found) {
        Ok(found * 1000)
    } else {
        Err(PriceError::Time {
            member,
            found,
            least,
        })
    }
}

impl TryFrom<Document> for PriceTable {
    type Error = PriceError;
    fn try_from(document: Document) -> Result<Self, PriceError> {
        if !(1..=63).contains(&document.name.len()) {
            return Err(PriceError::Name {
                name: document.name.chars().take(63).collect(),
                length: document.name.len(),
            });
        }
        let per_request = price("per_request_usd", document.per_request_usd)?;
        Ok(PriceTable {
            per_request: Money::from_attos(u128::from(per_request)),
            per_gigabyte_second: price("per_gb_second_usd", document.per_gb_second_usd)?,
            granularity: time("granularity_us", document.granularity_us, 1)?,
            minimum: time("minimum_us", document.minimum_us, 0)?,
            memory: document.memory,
            bill_init: document.bill_init,
            gigabyte: document.gigabyte,
            name: document.name.into(),
        })
    }
}

impl From<PriceTable> for Document {
    fn from(table: PriceTable) -> Document {
        Document {
            per_request_usd: table.per_request.usd(),
            per_gb_second_usd: table.per_gb_second().usd(),
            granularity_us: table.granularity / 1000,
            minimum_us: table.minimum / 1000,
            memory: table.memory,
            bill_init: table.bill_init,
            gigabyte: table.gigabyte,
            name: table.name.into(),
        }
    }
}
