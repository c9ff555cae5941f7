//! (g) Explanations by example and rule, one row through the function's HTTP door with a fresh instance each: LIME beside
//! `lime`, anchors beside `alibi`, counterfactuals beside `dice-ml`.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyaline_runtime::Function;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::arguments::Arguments;
use crate::clock::median_us;
use crate::functions;
use crate::report::{Report, ratio, us};
use crate::rival;

/// Golden rows that are asked about, as many as the rivals take.
const ROWS: usize = 10;

/// Model, path, the rival's script, what it calls the same work, and what an answer says of its quality.
const WHAT: [Question; 6] = [
    Question {
        model: "credit",
        path: "/counterfactual?count=4",
        script: "counterfactuals.py",
        what: "counterfactuals genetic",
        quality: &["changed", "distance", "valid"],
    },
    Question {
        model: "credit",
        path: "/anchor",
        script: "anchors.py",
        what: "anchors",
        quality: &["precision", "coverage", "length"],
    },
    Question {
        model: "wine",
        path: "/anchor",
        script: "anchors.py",
        what: "anchors",
        quality: &["precision", "coverage", "length"],
    },
    Question {
        model: "credit",
        path: "/explain?method=lime",
        script: "lime_tabular.py",
        what: "lime quartiles",
        quality: &["samples"],
    },
    Question {
        model: "credit",
        path: "/explain?method=lime&discretize=false",
        script: "lime_tabular.py",
        what: "lime continuous",
        quality: &["samples"],
    },
    Question {
        model: "wine",
        path: "/explain?method=lime",
        script: "lime_tabular.py",
        what: "lime quartiles",
        quality: &["samples"],
    },
];

struct Question {
    model: &'static str,
    path: &'static str,
    script: &'static str,
    what: &'static str,
    quality: &'static [&'static str],
}

/// Asks every question about the first golden rows.
pub fn measure(arguments: &Arguments, report: &mut Report) -> Result<()> {
    report.section(
        "Explanations by example and rule, one row, HTTP door, fresh instance (goals: counterfactuals ≤ 5 ms and ≥ 50×, \
         anchors ≥ 30×, LIME ≥ 10×)",
        &["model", "request", "ours", "our answers", "rival", "its time", "its answers", "ratio"],
    );
    let runtime = Runtime::new()?;
    let mut rivals: Vec<(&str, Vec<Value>)> = Vec::new();
    for question in &WHAT {
        if let Some(python) = &arguments.local
            && !rivals.iter().any(|(script, _)| *script == question.script)
        {
            let script = arguments
                .repository
                .join("benches/rivals")
                .join(question.script);
            rivals.push((question.script, rival::run(python, &script, &[])?));
        }
        let function = functions::load(arguments, question.model)?;
        let rows = golden(arguments, question.model)?;
        let answers = rows
            .iter()
            .map(|row| runtime.block_on(ask(&function, question.path, row)))
            .collect::<Result<Vec<Value>>>()?;
        let mut next = 0;
        let ours = median_us(ROWS, Duration::from_secs(2), || {
            let row = &rows[next % rows.len()];
            next += 1;
            // The same requests were answered above.
            drop(runtime.block_on(ask(&function, question.path, row)));
        });
        let mut theirs = rivals
            .iter()
            .filter(|(script, _)| *script == question.script);
        let theirs = theirs.next().and_then(|(_, lines)| {
            let same =
                |line: &&Value| line["model"] == question.model && line["what"] == question.what;
            lines.iter().find(same)
        });
        let quality = |of: &dyn Fn(&str) -> Option<f64>| {
            let figures = question.quality.iter();
            let figures = figures.filter_map(|key| Some(format!("{key} {:.3}", of(key)?)));
            figures.collect::<Vec<_>>().join(", ")
        };
        let time = theirs.and_then(|line| line["us_per_row"].as_f64());
        report.row(&[
            question.model.to_owned(),
            question.path.to_owned(),
            us(ours),
            quality(&|key| mean(&answers, key)),
            theirs.map_or("not measured".to_owned(), |line| {
                line["library"].as_str().unwrap_or("?").to_owned()
            }),
            time.map_or(String::new(), us),
            quality(&|key| theirs?[key].as_f64()),
            time.map_or(String::new(), |time| ratio(time, ours)),
        ]);
    }
    Ok(())
}

/// A figure of our answers, over all counterfactuals or explanations.
fn mean(answers: &[Value], key: &str) -> Option<f64> {
    let explanations = || answers.iter().map(|answer| &answer["explanations"][0]);
    let counterfactuals = || {
        explanations()
            .filter_map(|one| one["counterfactuals"].as_array())
            .flatten()
    };
    let figures: Vec<f64> = match key {
        "changed" => counterfactuals()
            .filter_map(|one| one["sparsity"].as_f64())
            .collect(),
        "distance" => counterfactuals()
            .filter_map(|one| one["distance"]["mad"].as_f64())
            .collect(),
        "valid" => answers
            .iter()
            .flat_map(|answer| {
                let own = &answer["predictions"][0]["label"];
                let found = answer["explanations"][0]["counterfactuals"].as_array();
                let found = found.into_iter().flatten();
                found.map(move |one| f64::from(u8::from(one["prediction"]["label"] != *own)))
            })
            .collect(),
        "length" => explanations()
            .filter_map(|one| Some(one["anchor"].as_array()?.len() as f64))
            .collect(),
        key => explanations().filter_map(|one| one[key].as_f64()).collect(),
    };
    let count = figures.len() as f64;
    (count > 0.0).then(|| figures.iter().sum::<f64>() / count)
}

/// The first golden rows as request bodies.
fn golden(arguments: &Arguments, model: &str) -> Result<Vec<String>> {
    let path = arguments
        .repository
        .join("models")
        .join(model)
        .join("golden.jsonl");
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let row = |line: &str| -> Result<String> {
        let golden: Value = serde_json::from_str(line)?;
        Ok(golden["row"].to_string())
    };
    text.lines().take(ROWS).map(row).collect()
}

/// One request to a fresh instance.
fn ask<'f>(
    function: &'f Function,
    path: &str,
    body: &str,
) -> impl Future<Output = Result<Value>> + use<'f> {
    let request = Request::post(path)
        .header("content-type", "application/json")
        .body(Full::<Bytes>::from(body.to_owned()));
    async move {
        let response = function.handle(request?).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            bail!("{status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(serde_json::from_slice(&body)?)
    }
}
