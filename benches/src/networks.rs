//! (e) Networks in the sandbox beside ONNX Runtime on one thread, and what of a model's weights a function keeps.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hyaline_runtime::model::{Column, Tensors};
use hyaline_runtime::{Engine, EngineConfig, Function, Limits, Policy};

use crate::arguments::Arguments;
use crate::clock::median_us;
use crate::report::{Report, us};
use crate::rival;

/// A network of tests/fixtures/networks, the numbers of a row, and the goal: our time per ONNX Runtime's.
struct Subject {
    name: &'static str,
    width: usize,
    image: bool,
    rows: usize,
    goal: &'static str,
}

const SUBJECTS: [Subject; 4] = [
    subject("dense", 20, false, 1, "1.2"),
    subject("dense", 20, false, 1000, "5"),
    subject("digits", 64, true, 1, "4"),
    subject("digits", 64, true, 100, "4"),
];

const fn subject(
    name: &'static str,
    width: usize,
    image: bool,
    rows: usize,
    goal: &'static str,
) -> Subject {
    Subject {
        name,
        width,
        image,
        rows,
        goal,
    }
}

/// Packs every network, then measures one row and many, and the first prediction of a fresh instance.
pub fn measure(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let fixtures = arguments.repository.join("tests/fixtures/networks");
    let script = arguments
        .repository
        .join("benches/rivals/onnxruntime_networks.py");
    let rivals = rival::run(arguments.python()?, &script, &[&fixtures])?;
    report.section(
        "Networks in the sandbox, one thread",
        &[
            "network",
            "rows",
            "ours",
            "onnxruntime",
            "our time / its time",
            "goal",
            "fresh instance and first prediction",
        ],
    );
    for subject in &SUBJECTS {
        let path = pack(arguments, subject)?;
        let bytes = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        let engine = Engine::new(EngineConfig {
            cache: None,
            ..EngineConfig::default()
        })?;
        let policy = Policy {
            limits: Limits {
                deadline: Duration::from_secs(60),
                ..Limits::default()
            },
            ..Policy::default()
        };
        let function = Function::load(&engine, subject.name, &bytes, policy)?;
        let batch = subject.batch()?;
        let mut failed = None;
        let mut instance = function.instance()?;
        let budget = Duration::from_secs(2);
        let ours = median_us(5, budget, || {
            failed = instance.predict(&batch).err().or(failed.take());
        });
        let fresh = median_us(5, Duration::from_millis(500), || {
            let answer = function.predict(&batch);
            failed = answer.err().or(failed.take());
        });
        if let Some(error) = failed {
            return Err(error.into());
        }
        let rival = rivals
            .iter()
            .find(|rival| {
                rival["model"] == subject.name
                    && rival["rows"].as_u64() == Some(subject.rows as u64)
            })
            .and_then(|rival| rival["us_per_call"].as_f64())
            .context("onnxruntime was measured")?;
        report.row(&[
            subject.name.to_owned(),
            subject.rows.to_string(),
            us(ours),
            us(rival),
            format!("{:.2}×", ours / rival),
            format!("≤ {}×", subject.goal),
            us(fresh),
        ]);
    }
    Ok(())
}

fn pack(arguments: &Arguments, subject: &Subject) -> Result<PathBuf> {
    let output = arguments
        .models()?
        .join(format!("network-{}.wasm", subject.name));
    let packed = Command::new(&arguments.hyaline)
        .arg("pack")
        .arg(
            arguments
                .repository
                .join(format!("tests/fixtures/networks/{}.onnx", subject.name)),
        )
        .args(["--name", subject.name, "-o"])
        .arg(&output)
        .output()
        .with_context(|| format!("start {}", arguments.hyaline.display()))?;
    if !packed.status.success() {
        bail!(
            "packing {} failed:\n{}",
            subject.name,
            String::from_utf8_lossy(&packed.stderr)
        );
    }
    Ok(output)
}

impl Subject {
    fn batch(&self) -> Result<Vec<Column>> {
        let number = |at: usize| ((at * 7919) % 2003) as f32 / 1001.0 - 1.0;
        if self.image {
            let values = (0..self.rows * self.width).map(number).collect();
            let width = u32::try_from(self.width)?;
            return Ok(vec![Column::Tensors(Tensors { width, values })]);
        }
        let column = |column: usize| {
            let cells = (0..self.rows).map(|row| f64::from(number(row * self.width + column)));
            Column::Numbers(cells.collect())
        };
        Ok((0..self.width).map(column).collect())
    }
}
