//! Branches: a question per node, and the split that sends every value the same way.

use hyaline_model::trees::Test;

use crate::forest::{Forest, SourceNode};

/// Where a branch's question comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    AtMost,
    Below,
    AtLeast,
    Above,
    Equal,
    NotEqual,
    Member,
}

impl Mode {
    pub(super) fn named(name: &str) -> Option<Mode> {
        Some(match name {
            "BRANCH_LEQ" => Mode::AtMost,
            "BRANCH_LT" => Mode::Below,
            "BRANCH_GTE" => Mode::AtLeast,
            "BRANCH_GT" => Mode::Above,
            "BRANCH_EQ" => Mode::Equal,
            "BRANCH_NEQ" => Mode::NotEqual,
            _ => return None,
        })
    }

    pub(super) fn numbered(number: i64) -> Option<Mode> {
        const MODES: [Mode; 7] = [
            Mode::AtMost,
            Mode::Below,
            Mode::AtLeast,
            Mode::Above,
            Mode::Equal,
            Mode::NotEqual,
            Mode::Member,
        ];
        usize::try_from(number)
            .ok()
            .and_then(|number| MODES.get(number).copied())
    }
}

/// A branch before it becomes a split.
pub(super) struct Branch {
    pub(super) feature: i64,
    pub(super) mode: Mode,
    pub(super) threshold: f64,
    /// Members of a [`Mode::Member`] set.
    pub(super) members: Vec<f64>,
    pub(super) missing_goes_true: bool,
    pub(super) when_true: usize,
    pub(super) when_false: usize,
}

impl Branch {
    /// The split that sends every value the same way.
    pub(super) fn split(self, forest: &mut Forest) -> Result<SourceNode, String> {
        let column = u32::try_from(self.feature)
            .map_err(|_| format!("feature {} is no column", self.feature))?;
        let (test, negated) = match self.mode {
            Mode::AtMost => (Test::AtMost(self.threshold), false),
            Mode::Below => (Test::Below(self.threshold), false),
            Mode::AtLeast => (Test::Below(self.threshold), true),
            Mode::Above => (Test::AtMost(self.threshold), true),
            Mode::Equal => (Test::Equal(self.threshold), false),
            Mode::NotEqual => (Test::Equal(self.threshold), true),
            Mode::Member => (Test::Member(forest.set(self.members)), false),
        };
        if self.mode != Mode::Member && self.threshold.is_nan() {
            return Err("it compares with NaN".to_owned());
        }
        let missing_goes_true = self.missing_goes_true || self.mode == Mode::NotEqual;
        let (yes, no) = if negated {
            (self.when_false, self.when_true)
        } else {
            (self.when_true, self.when_false)
        };
        Ok(SourceNode::Split {
            column,
            test,
            missing_goes_yes: missing_goes_true != negated,
            zero_is_missing: false,
            yes,
            no,
        })
    }
}

/// More outputs than this are refused before memory is spent on them.
const MAX_OUTPUTS: usize = 65_536;

pub(super) fn outputs(what: &str, number: i64) -> Result<usize, String> {
    match usize::try_from(number) {
        Ok(outputs) if (1..=MAX_OUTPUTS).contains(&outputs) => Ok(outputs),
        _ => Err(format!(
            "{what} is {number}; 1 to {MAX_OUTPUTS} are supported"
        )),
    }
}

pub(super) fn output(id: i64, outputs: usize) -> Result<u32, String> {
    match u32::try_from(id) {
        Ok(output) if (output as usize) < outputs => Ok(output),
        _ => Err(format!("a leaf speaks about output {id} of {outputs}")),
    }
}

pub(super) fn same_lengths<const N: usize>(
    expected: usize,
    lengths: [(&str, usize); N],
) -> Result<(), String> {
    match lengths.iter().find(|(_, length)| *length != expected) {
        Some((name, length)) => Err(format!("{name} has {length} entries, expected {expected}")),
        None => Ok(()),
    }
}

pub(super) fn optional_lengths(
    nodes: usize,
    tracks: &[i64],
    hitrates: &[f64],
) -> Result<(), String> {
    for (name, length) in [
        ("nodes_missing_value_tracks_true", tracks.len()),
        ("nodes_hitrates", hitrates.len()),
    ] {
        if length != 0 && length != nodes {
            return Err(format!("{name} has {length} entries, expected {nodes}"));
        }
    }
    Ok(())
}
