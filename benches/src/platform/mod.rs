//! (h) The host as a platform: its speed beside other servers, thousands of functions, bad neighbours, changes under load,
//! money and its metering.

pub mod budget;
pub mod density;
pub mod http;
pub mod metering;
pub mod neighbours;
pub mod updates;

use crate::report::{Report, us};

/// What a figure should be.
#[derive(Clone, Copy)]
enum Goal {
    AtMost(f64),
    AtLeast(f64),
    /// It is told, not judged.
    Open,
}

/// Starts a section of figures with goals.
fn section(report: &mut Report, title: &str) {
    report.section(
        title,
        &["figure", "goal", "measured", "measured / goal", ""],
    );
}

/// Adds a figure and judges it.
fn figure(
    report: &mut Report,
    what: impl Into<String>,
    goal: Goal,
    measured: f64,
    show: impl Fn(f64) -> String,
) {
    let (wanted, target, met) = match goal {
        Goal::AtMost(most) => (format!("≤ {}", show(most)), most, measured <= most),
        Goal::AtLeast(least) => (format!("≥ {}", show(least)), least, measured >= least),
        Goal::Open => (String::new(), 0.0, true),
    };
    let ratio = if target == 0.0 {
        String::new()
    } else {
        format!("{:.2}", measured / target)
    };
    let judgement = match goal {
        Goal::Open => "",
        _ if met => "reached",
        _ => "missed",
    };
    report.row(&[
        what.into(),
        wanted,
        show(measured),
        ratio,
        judgement.to_owned(),
    ]);
}

fn times(ratio: f64) -> String {
    format!("{ratio:.2}×")
}

fn per_cent(value: f64) -> String {
    format!("{value:.1} %")
}

fn count(value: f64) -> String {
    format!("{value:.0}")
}

fn per_second(value: f64) -> String {
    format!("{value:.0}/s")
}

fn seconds(value: f64) -> String {
    format!("{value:.2} s")
}

fn milliseconds(value: f64) -> String {
    us(value * 1e3)
}

fn bytes(value: f64) -> String {
    match value {
        value if value >= 1024.0 * 1024.0 * 1024.0 => format!("{:.2} GiB", value / 1024f64.powi(3)),
        value if value >= 1024.0 * 1024.0 => format!("{:.2} MiB", value / 1024f64.powi(2)),
        value => format!("{:.1} KiB", value / 1024.0),
    }
}
