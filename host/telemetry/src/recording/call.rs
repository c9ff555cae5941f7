//! What is recorded of one invocation.

use std::time::Duration;

/// One invocation of a function, as the host measured it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// What caused it.
    pub trigger: Trigger,
    /// What was asked of the function.
    pub phase: Phase,
    /// How long it waited for a place to run. Zero costs nothing to record.
    pub queued: Duration,
    /// Wall time the function ran.
    pub wall: Duration,
    /// How long it took to load the function, when it had to be loaded for this call: a cold start.
    pub init: Option<Duration>,
    /// CPU time the function ran; `None` when it was not measured.
    pub cpu: Option<Duration>,
    /// The most memory it held, in bytes.
    pub peak_memory: u64,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the response's body.
    pub bytes_out: u64,
    /// How it ended.
    pub outcome: Outcome,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// All of them, in the order of their declaration.
            pub const ALL: [$name; [$($word),*].len()] = [$($name::$variant),*];

            /// The word for it in metrics, traces and logs.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }
        }
    };
}
pub(crate) use words;

words! {
    /// What causes invocations: `faas.trigger` of the OpenTelemetry semantic conventions.
    Trigger {
        /// A request that is answered.
        Http = "http",
        /// Messages, events without an answer, batches of a queue or stream.
        PubSub = "pubsub",
        /// A change in a store of data.
        DataSource = "datasource",
        /// A schedule.
        Timer = "timer",
        /// Anything else, shadow traffic included.
        Other = "other",
    }
}

words! {
    /// What is asked of a function.
    Phase {
        /// Predictions.
        Predict = "predict",
        /// Explanations.
        Explain = "explain",
        /// Anything else, such as its description.
        Other = "other",
    }
}

words! {
    /// Why a function gave no answer: `error.type` of the OpenTelemetry semantic conventions.
    Fault {
        /// It ran longer than its limit. Counted as a timeout, too.
        Deadline = "deadline",
        /// It asked for more memory than its limit.
        Memory = "memory",
        /// It asked for more table elements than its limit.
        Table = "table",
        /// It burnt more fuel than its limit.
        Fuel = "fuel",
        /// It crashed.
        Trap = "trap",
        /// It returned without a response.
        NoResponse = "no_response",
        /// It set an error instead of a response.
        ErrorCode = "error_code",
        /// No slot for another instance was free.
        Capacity = "capacity",
        /// It could not be loaded.
        Load = "load",
        /// Nobody waited for it any more, and it was stopped.
        Abandoned = "abandoned",
        /// Anything else.
        Other = "_OTHER",
    }
}

/// How an invocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The function answered with this HTTP status. From 500 on it is an error of the function.
    Answered(u16),
    /// It did not answer.
    Failed(Fault),
}

/// Kinds of [`Outcome`]s that are counted apart.
pub(crate) const OUTCOMES: usize = 2 + Fault::ALL.len();

impl Outcome {
    /// Whether it counts as an error.
    pub fn is_error(self) -> bool {
        self.error_type().is_some()
    }

    /// What it is called when it is an error: the fault, or `5xx` for answers from 500 on.
    pub fn error_type(self) -> Option<&'static str> {
        match self {
            Outcome::Answered(status) if status < 500 => None,
            Outcome::Answered(_) => Some("5xx"),
            Outcome::Failed(fault) => Some(fault.as_str()),
        }
    }

    /// Its place among the outcomes that are counted apart.
    pub(crate) fn index(self) -> usize {
        match self {
            Outcome::Answered(status) => usize::from(status >= 500),
            Outcome::Failed(fault) => 2 + fault as usize,
        }
    }

    /// The outcomes in the order of [`Outcome::index`].
    pub(crate) fn all() -> impl Iterator<Item = Outcome> {
        [Outcome::Answered(200), Outcome::Answered(500)]
            .into_iter()
            .chain(Fault::ALL.into_iter().map(Outcome::Failed))
    }
}

/// Nanoseconds; 584 years at most.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_counted_at_its_own_place() {
        let places: Vec<usize> = Outcome::all().map(Outcome::index).collect();
        assert_eq!(places, (0..OUTCOMES).collect::<Vec<_>>());
    }

    #[test]
    fn an_answer_that_blames_the_caller_is_no_error() {
        assert_eq!(Outcome::Answered(422).error_type(), None);
        assert_eq!(Outcome::Answered(500).error_type(), Some("5xx"));
        assert_eq!(
            Outcome::Failed(Fault::Deadline).error_type(),
            Some("deadline")
        );
    }
}
