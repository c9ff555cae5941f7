//! A host that is killed at any moment has everything it acknowledged.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{alias, at, check, deploy, name, number, split};
use hyaline_registry::Promote;

/// Names the directory to the process that is going to be killed.
const DIRECTORY: &str = "HYALINE_TEST_REGISTRY";
const ROUNDS: u32 = 40;
const CLIENTS: u32 = 4;

/// What was acknowledged of one function: its latest version, and where its alias `canary` leads.
type Acknowledged = HashMap<String, (u32, u32)>;

#[test]
fn nothing_acknowledged_is_lost_when_the_host_is_killed() {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        change_until_killed(Path::new(&directory));
    }
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = Acknowledged::new();
    let mut changes = 0;
    for round in 0..ROUNDS {
        // A different moment in each round, from the making of the directory to well within the changes.
        let life = Duration::from_micros(u64::from(round * round) * 211 % 120_000 + 500);
        changes += live_and_die(directory.path(), life, &mut acknowledged);
        let registry = crate::reopened(directory.path());
        check(&registry);
        assert_eq!(
            std::fs::read_dir(directory.path().join("partial"))
                .unwrap()
                .count(),
            0
        );
        let catalog = registry.catalog();
        for (function, (version, canary)) in &mut acknowledged {
            let found = catalog.function_named(function).expect(function);
            let latest = found.latest().unwrap().number().get();
            // The last change may have been made without anybody having heard of it.
            assert!(
                latest == *version || latest == *version + 1,
                "{function}: {latest}, {version}"
            );
            let leads = found.alias(&alias("canary"));
            let leads = leads.map_or(0, |alias| alias.traffic.shares()[0].version.get());
            assert!(
                leads == *canary || leads == latest,
                "{function}: {leads}, {canary}"
            );
            (*version, *canary) = (latest, leads);
        }
    }
    assert!(
        changes > ROUNDS as usize,
        "only {changes} changes in {ROUNDS} rounds"
    );
}

/// Lets a host change the registry for a while, kills it, and notes what it had acknowledged.
fn live_and_die(directory: &Path, life: Duration, acknowledged: &mut Acknowledged) -> usize {
    let mut child: Child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "crash::nothing_acknowledged_is_lost_when_the_host_is_killed",
            "--nocapture",
        ])
        .env(DIRECTORY, directory)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert_eq!(first, "started");
    let reader = std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>());
    let end = Instant::now() + life;
    while Instant::now() < end {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let lines = reader.join().unwrap();
    for line in &lines {
        let words: Vec<&str> = line.split(' ').collect();
        let [what, function, version, "."] = words[..] else {
            // The last line may be cut off; anything else is a failure of the child.
            assert_eq!(Some(line), lines.last(), "{line}");
            continue;
        };
        let version = version.parse().unwrap();
        let entry = acknowledged.entry(function.to_owned()).or_default();
        match what {
            "deployed" => entry.0 = version,
            "led" => entry.1 = version,
            _ => panic!("{line}"),
        }
    }
    lines.len()
}

/// The host that is killed: several clients, each with a function of its own.
fn change_until_killed(directory: &Path) -> ! {
    eprintln!("started");
    let registry = crate::reopened(directory);
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let registry = &registry;
            scope.spawn(move || {
                let function = format!("f{client}");
                let mut count = registry.catalog().generation();
                loop {
                    count += 1;
                    let bytes = format!("{function} {count} ").repeat(2000);
                    let version = deploy(registry, &function, bytes.as_bytes(), Promote::Live);
                    eprintln!("deployed {function} {version} .");
                    let traffic = split(&[(version, 1)]);
                    let canary = alias("canary");
                    registry
                        .set_alias(&name(&function), &canary, traffic, at(0))
                        .unwrap();
                    eprintln!("led {function} {version} .");
                    if version > 3 {
                        registry
                            .delete_version(&name(&function), number(version - 3), at(0))
                            .unwrap();
                        registry.collect_garbage().unwrap();
                    }
                }
            });
        }
    });
    unreachable!("the clients only end when they are killed")
}
