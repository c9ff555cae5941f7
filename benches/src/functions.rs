//! (d) What each function weighs: bytes, time to pack, time to compile.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use hyaline_runtime::{Engine, EngineConfig, Function, Policy};

use crate::arguments::Arguments;
use crate::report::Report;

/// The demonstration functions.
pub const NAMES: [&str; 4] = ["credit", "breast-cancer", "diabetes", "wine"];

/// Packs and compiles each function.
pub fn measure(arguments: &Arguments, report: &mut Report) -> Result<()> {
    report.section(
        "Functions (goal: pack of credit ≤ 2 s)",
        &["function", "bytes", "pack", "compile", "load from cache"],
    );
    for name in NAMES {
        let component = arguments.functions.join(name).with_extension("wasm");
        let started = Instant::now();
        let output = Command::new(&arguments.hyaline)
            .arg("pack")
            .arg(arguments.repository.join("models").join(name))
            .arg("-o")
            .arg(&component)
            .output()
            .with_context(|| format!("start {}", arguments.hyaline.display()))?;
        if !output.status.success() {
            bail!(
                "packing {name} failed:\n{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let pack = started.elapsed();
        let bytes =
            std::fs::read(&component).with_context(|| format!("read {}", component.display()))?;
        let cache =
            std::env::temp_dir().join(format!("hyaline-bench-cache-{}", std::process::id()));
        let mut seconds = [0.0; 2];
        for seconds in &mut seconds {
            let engine = Engine::new(EngineConfig {
                cache: Some(cache.clone()),
                ..EngineConfig::default()
            })?;
            let started = Instant::now();
            Function::load(&engine, name, &bytes, Policy::default())?;
            *seconds = started.elapsed().as_secs_f64();
        }
        std::fs::remove_dir_all(&cache).with_context(|| format!("remove {}", cache.display()))?;
        report.row(&[
            name.to_owned(),
            bytes.len().to_string(),
            format!("{:.2} s", pack.as_secs_f64()),
            format!("{:.2} s", seconds[0]),
            format!("{:.1} ms", seconds[1] * 1e3),
        ]);
    }
    Ok(())
}

/// Loads a packed demonstration function without a cache.
pub fn load(arguments: &Arguments, name: &str) -> Result<Function> {
    let component = arguments.functions.join(name).with_extension("wasm");
    let bytes =
        std::fs::read(&component).with_context(|| format!("read {}", component.display()))?;
    let engine = Engine::new(EngineConfig {
        cache: None,
        ..EngineConfig::default()
    })?;
    Ok(Function::load(&engine, name, &bytes, Policy::default())?)
}
