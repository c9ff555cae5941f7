//! A policy is changed without loading the function again.

use std::sync::Arc;
use std::time::Duration;

use hyaline_runtime::{Failure, Limits, Policy};

use crate::{Ledger, get, guests, load, text};

#[tokio::test]
async fn limits_and_meter_are_exchanged_and_the_old_ones_stay_with_the_old_function() {
    let old = load(&guests::hello(), Limits::default());
    let ledger = Arc::new(Ledger::default());
    let new = old
        .with_policy(Policy {
            limits: Limits {
                memory: 1 << 16,
                ..Limits::default()
            },
            meter: Some(ledger.clone()),
            ..Policy::default()
        })
        .unwrap();
    assert_eq!(
        get(&new).await.err().unwrap(),
        Failure::Memory {
            asked: 2 << 16,
            limit: 1 << 16
        }
    );
    assert_eq!(text(get(&old).await.unwrap()).await.unwrap(), "hello\n");
    assert_eq!(ledger.0.lock().unwrap().len(), 1);
    assert_eq!((new.name(), new.digest()), (old.name(), old.digest()));
    assert_eq!(old.limits().memory, 128 << 20);
}

#[tokio::test]
async fn a_request_that_runs_goes_on_under_its_policy() {
    let waits = load(
        &guests::http("(loop $forever (br $forever))"),
        Limits {
            deadline: Duration::from_millis(200),
            ..Limits::default()
        },
    );
    let request = tokio::spawn({
        let waits = waits.clone();
        async move { get(&waits).await.err() }
    });
    let longer = waits.with_policy(Policy::default()).unwrap();
    drop((waits, longer));
    assert_eq!(
        request.await.unwrap(),
        Some(Failure::Deadline {
            limit: Duration::from_millis(200)
        })
    );
}
