//! `hyaline inspect`

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hyaline_pack::card::{Card, FeatureCard};
use serde_json::Value;

use crate::table::{bytes, number, render};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A packed function
    function: PathBuf,
    /// Print the card as it stands in the component, JSON with golden rows
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let (component, place) = read(&arguments.function)?;
    let mut output = std::io::stdout().lock();
    if arguments.json {
        output.write_all(hyaline_pack::card_bytes(&component).context(place)?)?;
        writeln!(output)?;
        return Ok(());
    }
    let card = hyaline_pack::read_card(&component).context(place)?;
    write!(output, "{}", page(&card, component.len() as u64))?;
    Ok(())
}

/// A component and the words that name it in an error.
pub(crate) fn read(path: &Path) -> Result<(Vec<u8>, String)> {
    let component =
        std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok((component, format!("{} is not a function", path.display())))
}

fn page(card: &Card, size: u64) -> String {
    let mut text = format!("{} {} · {}\n", card.name, card.version, card.title);
    if !card.description.is_empty() {
        text += &format!("{}\n", card.description);
    }
    text.push('\n');
    let mut fact = |name: &str, value: String| text += &format!("{name:<12}{value}\n");
    let labels = card.labels.iter().map(shown).collect::<Vec<_>>().join(", ");
    let target = card
        .target
        .as_ref()
        .map_or(String::new(), |target| format!(" of {target}"));
    match card.task.as_str() {
        "classification" => fact("task", format!("classification{target}: {labels}")),
        task => fact("task", format!("{task}{target}")),
    }
    if let Some(positive) = &card.positive {
        fact("positive", shown(positive));
    }
    let explainer = &card.explainer;
    let exact = if explainer.exact { ", exact" } else { "" };
    let space = explainer
        .space
        .as_ref()
        .map_or(String::new(), |space| format!(", in {space} space"));
    fact(
        "explainer",
        format!("{}{exact}{space}: {}", explainer.method, explainer.reason),
    );
    fact("size", bytes(size));
    for (name, value) in &card.metrics {
        fact("metric", format!("{name} {}", number(*value)));
    }
    for (part, licence) in &card.licence {
        fact("licence", format!("{part}: {licence}"));
    }
    for (part, digest) in &card.digests {
        fact("digest", format!("{part} {digest}"));
    }
    for (tool, version) in &card.tools {
        fact("made by", format!("{tool} {version}"));
    }
    if let Some(golden) = &card.golden {
        fact(
            "golden rows",
            format!("{} (`hyaline verify` asks them again)", golden.rows.len()),
        );
    }
    fact("example", Value::Object(card.example.clone()).to_string());
    text.push('\n');
    let header = ["feature", "kind", "missing", "values", "description"].map(str::to_owned);
    text += &render(
        &header,
        &card.features.iter().map(feature).collect::<Vec<_>>(),
    );
    text
}

fn feature(feature: &FeatureCard) -> Vec<String> {
    let values = match (feature.range, feature.categories.as_slice()) {
        (Some((low, high)), _) => format!("{} to {}", number(low), number(high)),
        (None, []) => String::new(),
        (None, categories) => categories.join(", "),
    };
    let missing = if feature.missing {
        "accepted"
    } else {
        "refused"
    };
    vec![
        feature.name.clone(),
        feature.kind.clone(),
        missing.to_owned(),
        values,
        feature.description.clone(),
    ]
}

/// A label without the quotes of JSON.
pub(crate) fn shown(label: &Value) -> String {
    label
        .as_str()
        .map_or_else(|| label.to_string(), str::to_owned)
}
