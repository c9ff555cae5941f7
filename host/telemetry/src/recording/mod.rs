//! What the host counts while it serves: atomics, and the tables that hold them.

mod call;
mod histogram;
mod host;
mod route;
mod series;
mod table;
mod window;

pub(crate) use call::words;
pub use call::{Call, Fault, Outcome, Phase, Trigger};
pub(crate) use histogram::Counts;
pub(crate) use host::HostCounters;
pub use host::{Budget, HostReading, Rejection};
pub use route::RouteSeries;
pub use series::{Series, Waiting};
pub(crate) use series::{SeriesReading, TallyReading};
pub(crate) use table::Table;
pub(crate) use window::{SLICE, Totals, WINDOW};
