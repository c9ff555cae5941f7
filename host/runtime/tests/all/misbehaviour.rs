//! A hostile function harms its own request only, and the failure says what it did.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hyaline_runtime::{CallError, Failure, Function, Invocation, Limits, Outcome, Policy};

use crate::{engine, get, guests, load, metered, text, tight};

const SPIN: &str = "(loop $forever (br $forever))";

async fn failure_of(handle: &str) -> String {
    let (function, ledger) = metered(&guests::http(handle), tight());
    let failure = get(&function).await.err().expect("the guest misbehaves");
    let records = ledger.0.lock().unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].outcome, Outcome::Failed(failure.clone()));
    failure.to_string()
}

#[tokio::test]
async fn a_trap_is_a_failure() {
    let failure = failure_of("(unreachable)").await;
    assert_eq!(
        failure,
        "the function crashed: wasm `unreachable` instruction executed in `handle`"
    );
}

#[tokio::test]
async fn a_trap_after_the_response_was_begun_is_a_failure_and_not_half_an_answer() {
    let failure = failure_of(
        "(call $begin (local.get $out) (i32.const 200))
         (call $write (i32.const 1024) (i32.const 6))
         (unreachable)",
    )
    .await;
    assert!(
        failure.starts_with("the function crashed: wasm `unreachable`"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_trap_in_a_streamed_answer_ends_the_body_with_an_error() {
    let function = load(
        &guests::http(
            "(call $begin (local.get $out) (i32.const 200))
             (loop $again
               (call $write (i32.const 4096) (i32.const 4096))
               (local.set $a (i32.add (local.get $a) (i32.const 1)))
               (br_if $again (i32.lt_u (local.get $a) (i32.const 1000))))
             (unreachable)",
        ),
        Limits::default(),
    );
    let response = get(&function)
        .await
        .expect("the head is sent before the trap");
    assert!(matches!(text(response).await, Err(Failure::Trap(_))));
}

#[tokio::test]
async fn spinning_forever_ends_at_the_deadline() {
    let started = Instant::now();
    let failure = failure_of(SPIN).await;
    assert_eq!(
        failure,
        "the function did not finish within its deadline of 100ms"
    );
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test(flavor = "current_thread")]
async fn a_spinning_function_lets_its_neighbours_run_on_the_same_thread() {
    let engine = engine();
    let load = |component: &[u8], deadline| {
        let limits = Limits {
            deadline,
            ..Limits::default()
        };
        Function::load(
            &engine,
            "guest",
            component,
            Policy {
                limits,
                ..Policy::default()
            },
        )
        .unwrap()
    };
    let spinning = load(&guests::http(SPIN), Duration::from_secs(60));
    let hello = load(&guests::hello(), Duration::from_secs(60));
    tokio::select! {
        biased;
        _ = get(&spinning) => panic!("it spins"),
        answered = async {
            for _ in 0..3 {
                get(&hello).await.unwrap();
            }
        } => answered,
    }
}

/// Where a call's record is written is where the call ran.
#[tokio::test]
async fn a_call_that_computes_for_long_leaves_the_threads_of_short_ones() {
    let threads: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = threads.clone();
    let policy = Policy {
        limits: Limits {
            deadline: Duration::from_millis(100),
            ..Limits::default()
        },
        meter: Some(Arc::new(move |_: &Invocation| {
            let name = std::thread::current().name().unwrap_or_default().to_owned();
            seen.lock().unwrap().push(name);
        })),
        ..Policy::default()
    };
    let engine = engine();
    for guest in [guests::hello(), guests::http(SPIN)] {
        let function = Function::load(&engine, "guest", &guest, policy.clone()).unwrap();
        let _ = get(&function).await;
    }
    let threads = threads.lock().unwrap();
    let here = std::thread::current().name().unwrap_or_default().to_owned();
    assert_eq!(*threads, [here.as_str(), "hyaline-long"]);
}

#[tokio::test]
async fn growing_memory_without_end_is_stopped_at_the_limit() {
    let failure = failure_of("(loop $again (drop (memory.grow (i32.const 1))) (br $again))").await;
    assert_eq!(
        failure,
        "the function asked for 1114112 bytes of memory; its limit is 1048576"
    );
}

#[tokio::test]
async fn a_function_that_starts_above_its_memory_limit_does_not_start() {
    let limits = Limits {
        memory: 1 << 16,
        ..Limits::default()
    };
    let failure = get(&load(&guests::hello(), limits)).await.err().unwrap();
    assert_eq!(
        failure,
        Failure::Memory {
            asked: 2 << 16,
            limit: 1 << 16
        }
    );
}

#[tokio::test]
async fn returning_without_a_response_is_a_failure() {
    assert_eq!(
        failure_of("").await,
        "the function returned without setting a response"
    );
}

#[tokio::test]
async fn an_endless_recursion_is_a_trap() {
    let failure = failure_of("(call $begin (local.get $out) (call $deep (i32.const 0)))) (func $deep (param i32) (result i32) (i32.add (call $deep (local.get 0)) (i32.const 1))").await;
    assert!(
        failure.starts_with("the function crashed: call stack exhausted"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_function_cannot_hold_host_objects_without_end() {
    let failure = failure_of("(loop $again (drop (call $fields)) (br $again))").await;
    assert!(failure.starts_with("the function crashed: "), "{failure}");
    assert!(!failure.contains("deadline"), "{failure}");
}

#[tokio::test]
async fn an_abandoned_request_stops_and_is_recorded() {
    let (function, ledger) = metered(&guests::http(SPIN), Limits::default());
    let waited = tokio::time::timeout(Duration::from_millis(50), get(&function)).await;
    assert!(waited.is_err());
    assert_eq!(ledger.0.lock().unwrap()[0].outcome, Outcome::Abandoned);
}

#[test]
fn more_instances_than_slots_is_a_failure_that_passes() {
    let function = load(&guests::typed("(unreachable)"), Limits::default());
    let held: Vec<_> = (0..8).map(|_| function.instance().unwrap()).collect();
    let failure = function.instance().err().unwrap();
    assert_eq!(failure.to_string(), "all 8 instance slots are in use");
    drop(held);
    assert!(function.instance().is_ok());
}

#[test]
fn the_typed_door_has_the_same_limits() {
    let failure = |predict: &str| match load(&guests::typed(predict), tight())
        .predict(&[])
        .unwrap_err()
    {
        CallError::Failed(failure) => failure.to_string(),
        CallError::Refused(error) => panic!("{error:?}"),
    };
    assert_eq!(
        failure(&format!("{SPIN} (unreachable)")),
        "the function did not finish within its deadline of 100ms"
    );
    assert_eq!(
        failure("(loop $again (drop (memory.grow (i32.const 1))) (br $again)) (unreachable)"),
        "the function asked for 1114112 bytes of memory; its limit is 1048576"
    );
}

#[test]
fn after_a_failure_an_instance_takes_no_further_call() {
    let function = load(&guests::typed("(unreachable)"), Limits::default());
    let mut instance = function.instance().unwrap();
    assert!(matches!(
        instance.predict(&[]),
        Err(CallError::Failed(Failure::Trap(_)))
    ));
    assert!(matches!(
        instance.predict(&[]),
        Err(CallError::Failed(Failure::Trap(_)))
    ));
}
