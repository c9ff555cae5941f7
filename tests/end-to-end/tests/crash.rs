//! `kill -9` at any moment: what the host has acknowledged is there when it comes back.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use end_to_end::{Host, golden, packed, patiently};
use serde_json::Value;

const ROUNDS: usize = 5;
const DEPLOYERS: usize = 2;

/// Versions that were acknowledged: their digests, by function and number.
type Acknowledged = BTreeMap<(String, u64), String>;

#[test]
fn what_was_acknowledged_survives_a_kill_in_the_middle_of_deploying() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let state = folder.path().join("state");
    let components = [
        std::fs::read(packed("credit"))?,
        std::fs::read(packed("wine"))?,
    ];
    let row = golden("credit")?[0]["row"].clone();
    let mut acknowledged = Acknowledged::new();
    let mut answer = None;
    for round in 0..ROUNDS {
        let host = Host::up(&state, &[])?;
        check(&host, &acknowledged)?;
        // One that was deployed just before the kill answers as the very first one did.
        if let Some((name, _)) = acknowledged.keys().rfind(|(_, version)| *version == 1) {
            let url = format!("{}/{name}/predict", host.url);
            let headers = [
                ("content-type", "application/json"),
                ("x-hyaline-qualifier", "1"),
            ];
            let predicted = end_to_end::ask("POST", &url, &headers, row.to_string().as_bytes())?;
            ensure!(predicted.status == 200, "{}", predicted.text());
            assert_eq!(
                answer.get_or_insert_with(|| predicted.body.clone()),
                &predicted.body
            );
        }
        let known = Mutex::new(acknowledged);
        let (count, over) = (AtomicUsize::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| -> Result<()> {
            for deployer in 0..DEPLOYERS {
                let (host, known, count, over, components) =
                    (&host, &known, &count, &over, &components);
                scope.spawn(move || {
                    for step in 0.. {
                        let name = format!("f-{round}-{deployer}-{}", step / components.len());
                        let path = format!("/api/functions/{name}/versions");
                        let answer = host.api("POST", &path, &components[step % components.len()]);
                        // The host is gone, or says why not; neither is an acknowledgement.
                        let Ok(answer) = answer else { return };
                        let Ok(version) = answer.json() else { return };
                        if answer.status == 201 {
                            let digest = version["digest"].as_str().unwrap_or_default();
                            let number = version["version"].as_u64().unwrap_or_default();
                            let mut known = known.lock().expect("nobody panics with it");
                            known.insert((name, number), digest.into());
                            count.fetch_add(1, Ordering::SeqCst);
                        }
                        if over.load(Ordering::SeqCst) {
                            return;
                        }
                    }
                });
            }
            // Never after the same number of deployments, and never between two of them on purpose.
            let enough = patiently("deployments are acknowledged", || {
                Ok((count.load(Ordering::SeqCst) > 2 * round).then_some(()))
            });
            let killed = host.signal("KILL");
            over.store(true, Ordering::SeqCst);
            enough.and(killed)
        })?;
        host.ended()?;
        acknowledged = known.into_inner().expect("nobody panicked with it");
    }
    let host = Host::up(&state, &[])?;
    check(&host, &acknowledged)
}

/// Every acknowledged version is there, with its component.
fn check(host: &Host, acknowledged: &Acknowledged) -> Result<()> {
    let listed = host.api("GET", "/api/functions", &[])?.json()?;
    let mut found = Acknowledged::new();
    for function in listed.as_array().context("a list of functions")? {
        for version in function["versions"].as_array().into_iter().flatten() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let number = version["version"].as_u64().unwrap_or_default();
            found.insert((text(&function["name"]), number), text(&version["digest"]));
        }
    }
    for (version, digest) in acknowledged {
        assert_eq!(
            found.get(version),
            Some(digest),
            "{version:?} was acknowledged"
        );
    }
    Ok(())
}
