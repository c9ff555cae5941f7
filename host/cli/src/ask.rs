//! What a packed function is asked: predictions, explanations, and what it says of its data as a whole.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde_json::{Map, Value};

use crate::door::Door;
use crate::question::{Path, Question, Whole};
use crate::{answers, chart, overview};

#[derive(clap::Args)]
pub(crate) struct Predict {
    #[command(flatten)]
    question: Question,
    /// Add to each answer the interval, or the set of classes, that holds the truth this often, e.g. 0.9
    #[arg(long, value_name = "SHARE")]
    coverage: Option<f64>,
}

#[derive(clap::Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    question: Question,
    /// How to explain, e.g. interventional, linear, enumeration, leverage, kernel, permutation, lime, anchor,
    /// counterfactual; the function's own way when absent
    #[arg(long)]
    method: Option<String>,
    /// The unit in which attributions add up; the method's own when absent
    #[arg(long, value_enum)]
    space: Option<Space>,
    /// What a sampling method draws from
    #[arg(long)]
    seed: Option<u64>,
    /// Most coalitions or neighbours that a sampling method draws for a row
    #[arg(long, value_name = "COUNT")]
    samples: Option<u32>,
    /// Draw until no standard error is above this part of the largest attribution
    #[arg(long, value_name = "SHARE")]
    tolerance: Option<f64>,
    /// Reasons to show in a table, the largest first; the rest is summed up
    #[arg(long, value_name = "REASONS", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    top: u16,
    /// Measure how faithful and how stable each explanation is
    #[arg(long)]
    check: bool,
    /// Write the picture with its reasons drawn over it to this PNG file
    #[arg(long, value_name = "FILE")]
    overlay: Option<PathBuf>,
}

#[derive(clap::Args)]
pub(crate) struct Counterfactual {
    #[command(flatten)]
    question: Question,
    /// How many to find for a row
    #[arg(long)]
    count: Option<u32>,
    /// The class to reach; any other than the predicted one when absent
    #[arg(long, value_name = "CLASS")]
    target: Option<String>,
    /// The least value to reach, of a regressor
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    at_least: Option<f64>,
    /// The greatest value to reach, of a regressor
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    at_most: Option<f64>,
    /// What the search draws from
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(clap::Args)]
pub(crate) struct Anchor {
    #[command(flatten)]
    question: Question,
    /// How often the answer must stay while the rule holds, e.g. 0.95
    #[arg(long, value_name = "SHARE")]
    precision: Option<f64>,
    /// How far another answer may be and still be the same, of a regressor
    #[arg(long, value_name = "DISTANCE")]
    tolerance: Option<f64>,
    /// Rules that are grown side by side
    #[arg(long, value_name = "RULES")]
    beam: Option<u32>,
    /// What the search draws from
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(clap::Args)]
pub(crate) struct Importance {
    #[command(flatten)]
    question: Whole,
    /// How to measure: what shuffling a feature costs, or the mean size of its attributions
    #[arg(long, value_enum)]
    method: Option<Measure>,
    /// What a feature is important for, e.g. accuracy
    #[arg(long)]
    metric: Option<String>,
    /// How often each feature is shuffled
    #[arg(long)]
    repeats: Option<u32>,
    /// What the shuffles are drawn from
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(clap::Args)]
pub(crate) struct Dependence {
    #[command(flatten)]
    question: Whole,
    /// The feature to vary
    #[arg(long)]
    feature: String,
    /// Whether to average over all rows, to show rows one by one, or to add up local changes
    #[arg(long, value_enum)]
    kind: Option<Curve>,
    /// Most values of a number to try
    #[arg(long, value_name = "VALUES")]
    grid: Option<u32>,
    /// The unit of the answers
    #[arg(long, value_enum)]
    space: Option<Space>,
}

#[derive(clap::Args)]
pub(crate) struct Prototypes {
    #[command(flatten)]
    question: Whole,
    /// How many typical and how many untypical rows of each class
    #[arg(long)]
    count: Option<u32>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Measure {
    Permutation,
    Shap,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Curve {
    Partial,
    Individual,
    Accumulated,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Space {
    Margin,
    Probability,
}

/// The word for a choice, in requests as on the command line.
fn word(choice: Option<impl ValueEnum>) -> Option<String> {
    let choice = choice?.to_possible_value()?;
    Some(choice.get_name().to_owned())
}

pub(crate) fn predict(arguments: &Predict) -> Result<()> {
    let mut door = Door::open(&arguments.question.function)?;
    let subject = arguments.question.subject(&door.card)?;
    let path = Path::new("/predict").with("coverage", arguments.coverage);
    let answer = door.ask(path.as_str(), &subject)?;
    drop(door);
    let table = || answers::predictions(&answer);
    let output = &arguments.question.output;
    output.print(&answer, table, || table().text())
}

pub(crate) fn explain(arguments: &Explain) -> Result<()> {
    // Rules and changed rows are explanations to a user and endpoints to a function.
    let path = match arguments.method.as_deref() {
        Some("anchor") => Path::new("/anchor"),
        Some("counterfactual") => Path::new("/counterfactual"),
        method => Path::new("/explain").with("method", method),
    };
    let path = path
        .with("space", word(arguments.space))
        .with("seed", arguments.seed)
        .with("samples", arguments.samples)
        .with("tolerance", arguments.tolerance)
        .with("check", arguments.check.then_some(true));
    let overlay = arguments.overlay.as_deref();
    reasons(
        &arguments.question,
        &path,
        usize::from(arguments.top),
        overlay,
    )
}

pub(crate) fn counterfactual(arguments: &Counterfactual) -> Result<()> {
    let path = Path::new("/counterfactual")
        .with("count", arguments.count)
        .with("target", arguments.target.as_ref())
        .with("target_low", arguments.at_least)
        .with("target_high", arguments.at_most)
        .with("seed", arguments.seed);
    reasons(&arguments.question, &path, usize::MAX, None)
}

pub(crate) fn anchor(arguments: &Anchor) -> Result<()> {
    let path = Path::new("/anchor")
        .with("precision", arguments.precision)
        .with("tolerance", arguments.tolerance)
        .with("beam", arguments.beam)
        .with("seed", arguments.seed);
    reasons(&arguments.question, &path, usize::MAX, None)
}

pub(crate) fn importance(arguments: &Importance) -> Result<()> {
    let path = Path::new("/importance")
        .with("method", word(arguments.method))
        .with("metric", arguments.metric.as_ref())
        .with("repeats", arguments.repeats)
        .with("seed", arguments.seed);
    let answer = whole(&arguments.question, &path)?;
    arguments.question.output.print(
        &answer,
        || overview::importances(&answer),
        || overview::importance_page(&answer),
    )
}

pub(crate) fn dependence(arguments: &Dependence) -> Result<()> {
    let path = Path::new("/dependence")
        .with("feature", Some(&arguments.feature))
        .with("kind", word(arguments.kind))
        .with("grid", arguments.grid)
        .with("space", word(arguments.space));
    let answer = whole(&arguments.question, &path)?;
    arguments.question.output.print(
        &answer,
        || overview::curves(&answer),
        || overview::curve_page(&answer),
    )
}

pub(crate) fn prototypes(arguments: &Prototypes) -> Result<()> {
    let path = Path::new("/prototypes").with("count", arguments.count);
    let answer = whole(&arguments.question, &path)?;
    let table = || overview::examples(&answer);
    let output = &arguments.question.output;
    output.print(&answer, table, || table().text())
}

/// Asks at `path` about the function as a whole.
fn whole(question: &Whole, path: &Path) -> Result<Map<String, Value>> {
    Door::open(&question.function)?.get(path.as_str())
}

/// Asks at `path` for an explanation of every row and prints it.
fn reasons(
    question: &Question,
    path: &Path,
    top: usize,
    overlay: Option<&std::path::Path>,
) -> Result<()> {
    let mut door = Door::open(&question.function)?;
    let subject = question.subject(&door.card)?;
    let answer = door.ask(path.as_str(), &subject)?;
    if let Some(file) = overlay {
        let drawing = door.draw(path.as_str(), &subject)?;
        std::fs::write(file, drawing)
            .with_context(|| format!("the drawing {} cannot be written", file.display()))?;
    }
    drop(door);
    question.output.print(
        &answer,
        || answers::explanations(&answer),
        || chart::page(&answer, top),
    )
}
