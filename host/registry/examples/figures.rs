//! Measures a registry: `cargo run -p hyaline-registry --example figures -- [functions] [clients] [directory]`.
//!
//! Deploys that many functions of distinct components from that many threads, then opens the registry in a process of
//! its own and says how long that takes and how much memory the catalog needs. `figures open <directory>` does only the
//! second part, with a registry that was left in the directory named.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use hyaline_control::FunctionName;
use hyaline_registry::{Deployment, Registry};
use jiff::Timestamp;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, directory] = &arguments[..]
        && first == "open"
    {
        return open(Path::new(directory));
    }
    let count = |index: usize, default: u32| -> Result<u32, std::num::ParseIntError> {
        arguments
            .get(index)
            .map_or(Ok(default), |text| text.parse())
    };
    let (functions, clients) = (count(0, 10_000)?, count(1, 8)?);
    let own = tempfile::tempdir()?;
    let directory = arguments.get(2).map_or(own.path(), Path::new);
    deploy(directory, functions, clients)?;
    let opened = Command::new(std::env::current_exe()?)
        .arg("open")
        .arg(directory)
        .status()?;
    assert!(opened.success());
    Ok(())
}

fn deploy(
    directory: &Path,
    functions: u32,
    clients: u32,
) -> Result<(), Box<dyn std::error::Error>> {
    let registry = Registry::open(directory)?;
    let transactions = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&transactions);
    registry.observe(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let next = AtomicU32::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= functions {
                        break;
                    }
                    let bytes = number.to_le_bytes().repeat(16 << 10);
                    let component = registry.put_component(&bytes).expect("room for components");
                    let deployment = Deployment {
                        summary: serde_json::json!({
                            "task": "classification",
                            "features": (0..20).map(|index| format!("feature {index}")).collect::<Vec<_>>(),
                        }),
                        ..Deployment::of(*component.digest())
                    };
                    let name = FunctionName::new(&format!("function-{number}")).expect("a name");
                    registry
                        .deploy(&name, deployment, Timestamp::now())
                        .expect("room for functions");
                }
            });
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{functions} functions of 64 KiB deployed by {clients} clients in {seconds:.1} s: {:.0} deployments/s, {} transactions",
        f64::from(functions) / seconds,
        transactions.load(Ordering::Relaxed)
    );
    Ok(())
}

fn open(directory: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let before = resident()?;
    let start = Instant::now();
    let registry = Registry::open(directory)?;
    let opened = start.elapsed();
    let grown = resident()?.saturating_sub(before);
    let functions = registry.catalog().len();
    println!(
        "opened in {:.0} ms; the process grew by {} KiB, {} bytes per function; state.redb has {} KiB",
        opened.as_secs_f64() * 1000.0,
        grown >> 10,
        grown / functions.max(1) as u64,
        std::fs::metadata(directory.join("state.redb"))?.len() >> 10,
    );
    let name = FunctionName::new("function-0")?;
    let start = Instant::now();
    const CHANGES: u32 = 100;
    for change in 0..CHANGES {
        if change % 2 == 0 {
            registry.disable(&name, Timestamp::now())?;
        } else {
            registry.enable(&name, Timestamp::now())?;
        }
    }
    println!(
        "one change after the other: {:.2} ms each",
        start.elapsed().as_secs_f64() * 1000.0 / f64::from(CHANGES)
    );
    Ok(())
}

/// Bytes of this process that are in memory and its own.
fn resident() -> Result<u64, Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup")?;
    let line = text.lines().find(|line| line.starts_with("Private_Dirty:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(kib.ok_or("the kernel does not say")?.parse::<u64>()? << 10)
}
