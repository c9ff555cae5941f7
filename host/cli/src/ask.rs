//! `hyaline predict` and `hyaline explain`: a packed function, asked through its typed door.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::ValueEnum;
use hyaline_pack::card::{Card, Cells, Row, columns};
use hyaline_runtime::model::{Column, Method, Options, Space};
use hyaline_runtime::{Engine, EngineConfig, Function, Instance, Policy};

use crate::answers::{Explained, Predicted};
use crate::progress::Progress;
use crate::{chart, inspect, rows, serve, table};

/// Rows asked at once: enough for the engine's inner loops, little memory.
const BATCH: usize = 256;

#[derive(clap::Args)]
pub(crate) struct Question {
    /// A packed function
    function: PathBuf,
    /// Rows as JSON, JSON lines or CSV; standard input when absent or `-`; the card's example row with --example
    rows: Option<PathBuf>,
    /// Ask about the example row of the card
    #[arg(long, conflicts_with = "rows")]
    example: bool,
    /// How to print the answers
    #[arg(short, long, value_enum, default_value_t = Form::Table)]
    output: Form,
}

#[derive(clap::Args)]
pub(crate) struct Predict {
    #[command(flatten)]
    question: Question,
}

#[derive(clap::Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    question: Question,
    /// How to compute; the function's own default when absent
    #[arg(long, value_enum)]
    method: Option<MethodName>,
    /// The unit in which attributions add up; the method's own when absent
    #[arg(long, value_enum)]
    space: Option<SpaceName>,
    /// Reasons to show in a table, the largest first; the rest is summed up
    #[arg(long, value_name = "REASONS", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    top: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For reading: a table, or a bar chart of reasons per row
    Table,
    /// One JSON object per line and row, every digit kept
    Json,
    /// A header and one line per row, every digit kept
    Csv,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MethodName {
    Interventional,
    PathDependent,
    Linear,
    Enumeration,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SpaceName {
    Margin,
    Probability,
}

/// A function ready to be asked, and the rows to ask.
struct Asked {
    card: Card,
    instance: Instance,
    rows: Vec<Row>,
    progress: Progress,
}

fn open(question: &Question) -> Result<Asked> {
    let (component, place) = inspect::read(&question.function)?;
    let card = hyaline_pack::read_card(&component).context(place)?;
    let rows = match question.example {
        true => vec![card.example.clone()],
        false => rows::parse(&rows::bytes(question.rows.as_deref())?, &card.features)?,
    };
    let mut progress = Progress::new();
    progress.step(format_args!("compiling `{}`", card.name));
    let engine = Engine::new(EngineConfig {
        concurrency: 1,
        cache: serve::cache_folder(),
    })?;
    let function = Function::load(&engine, &card.name, &component, Policy::default())?;
    let instance = function
        .instance()
        .with_context(|| format!("`{}` does not start", card.name))?;
    progress.step(format_args!(
        "asking `{}` about {} rows",
        card.name,
        rows.len()
    ));
    Ok(Asked {
        card,
        instance,
        rows,
        progress,
    })
}

/// Asks about `rows` batch by batch; `ask` gets the columns and the position of the first row.
fn in_batches(
    asked: &mut Asked,
    mut ask: impl FnMut(&mut Instance, &[Column], usize) -> Result<()>,
) -> Result<()> {
    for (index, rows) in asked.rows.chunks(BATCH).enumerate() {
        let first = index * BATCH;
        let cells = columns(&asked.card.features, rows).map_err(|mut error| {
            error.row += first;
            error
        })?;
        let columns: Vec<Column> = cells.into_iter().map(column).collect();
        ask(&mut asked.instance, &columns, first).with_context(|| {
            format!(
                "`{}` gives no answer for rows {} to {}",
                asked.card.name,
                first + 1,
                first + rows.len()
            )
        })?;
    }
    Ok(())
}

fn column(cells: Cells) -> Column {
    match cells {
        Cells::Numbers(values) => Column::Numbers(values),
        Cells::Texts(values) => Column::Texts(values),
    }
}

pub(crate) fn predict(arguments: &Predict) -> Result<()> {
    let mut asked = open(&arguments.question)?;
    let mut predicted = Predicted::new(&asked.card);
    in_batches(&mut asked, |instance, columns, _| {
        predicted.add(instance.predict(columns)?);
        Ok(())
    })?;
    drop(asked.progress);
    match arguments.question.output {
        Form::Table => {
            let (header, lines) = predicted.table(table::number);
            print(&table::render(&header, &lines))
        }
        Form::Json => print(&predicted.json_lines()),
        Form::Csv => {
            let (header, lines) = predicted.table(|value| value.to_string());
            print(&csv(&header, &lines)?)
        }
    }
}

pub(crate) fn explain(arguments: &Explain) -> Result<()> {
    let mut asked = open(&arguments.question)?;
    let options = Options {
        method: match arguments.method {
            None => Method::Auto,
            Some(MethodName::Interventional) => Method::Interventional,
            Some(MethodName::PathDependent) => Method::PathDependent,
            Some(MethodName::Linear) => Method::Linear,
            Some(MethodName::Enumeration) => Method::Enumeration,
        },
        space: arguments.space.map(|space| match space {
            SpaceName::Margin => Space::Margin,
            SpaceName::Probability => Space::Probability,
        }),
    };
    let mut explained = Explained::new(&asked.card);
    let mut predicted = Predicted::new(&asked.card);
    in_batches(&mut asked, |instance, columns, _| {
        predicted.add(instance.predict(columns)?);
        explained.add(instance.explain(columns, options)?);
        Ok(())
    })?;
    drop(asked.progress);
    match arguments.question.output {
        Form::Table => print(&chart::page(
            &explained,
            &predicted,
            &asked.rows,
            usize::from(arguments.top),
        )),
        Form::Json => print(&explained.json_lines(&predicted)),
        Form::Csv => {
            let (header, lines) = explained.table();
            print(&csv(&header, &lines)?)
        }
    }
}

fn csv(header: &[String], lines: &[Vec<String>]) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header)?;
    for line in lines {
        writer.write_record(line)?;
    }
    Ok(String::from_utf8(
        writer
            .into_inner()
            .context("the answers cannot be written")?,
    )?)
}

fn print(text: &str) -> Result<()> {
    use std::io::Write;
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}
