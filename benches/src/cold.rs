//! (a) A fresh instance to its first prediction and first explanation, in process, through the typed door.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use hyaline_runtime::model::{Column, Options};
use serde_json::Value;

use crate::arguments::Arguments;
use crate::clock::median_us;
use crate::functions::{self, NAMES};
use crate::report::{Report, us};

/// Instantiates, predicts or explains one row, and discards the instance, many times.
pub fn measure(arguments: &Arguments, report: &mut Report) -> Result<()> {
    report.section(
        "Fresh instance, in process (goals for credit: ≤ 40 µs to a prediction, ≤ 120 µs to an explained prediction)",
        &["function", "instance alone", "to first prediction", "to first explanation"],
    );
    for name in NAMES {
        let function = functions::load(arguments, name)?;
        let row = golden_row(arguments, name)?;
        let options = Options::default();
        function.predict(&row)?;
        function.explain(&row, &options)?;
        let budget = Duration::from_secs(2);
        let instance = median_us(200, budget, || drop(function.instance()));
        let predict = median_us(200, budget, || drop(function.predict(&row)));
        let explain = median_us(200, budget, || drop(function.explain(&row, &options)));
        report.row(&[name.to_owned(), us(instance), us(predict), us(explain)]);
    }
    Ok(())
}

/// The first golden row of a demonstration model, as columns in schema order.
fn golden_row(arguments: &Arguments, name: &str) -> Result<Vec<Column>> {
    let path = arguments
        .repository
        .join("models")
        .join(name)
        .join("golden.jsonl");
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let golden: Value = serde_json::from_str(text.lines().next().context("no golden row")?)?;
    let row = golden["row"]
        .as_object()
        .context("a golden row is an object")?;
    let header = std::fs::read_to_string(path.with_file_name("reference.csv"))?;
    let header = header
        .lines()
        .next()
        .context("the reference data has a header")?
        .to_owned();
    // The schema's order is the reference data's; the golden row may be sorted.
    let names = header
        .split(',')
        .map(|name| name.trim_matches('"'))
        .filter(|name| row.contains_key(*name));
    names
        .map(|name| match &row[name] {
            Value::String(text) => Ok(Column::Texts(vec![Some(text.clone())])),
            Value::Number(number) => {
                Ok(Column::Numbers(vec![number.as_f64().context("a number")?]))
            }
            Value::Null => Ok(Column::Numbers(vec![f64::NAN])),
            other => Err(anyhow!("{name} is {other}")),
        })
        .collect()
}
