//! A hostile function harms its own request only, and the failure says what it did.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hyaline_runtime::{CallError, Failure, Function, Invocation, Limits, Outcome, Policy};

use crate::{engine, get, guests, load, metered, text, tight};

const SPIN: &str = "(loop $forever (br $forever))";

async fn failure_of(handle: impl AsRef<str>) -> String {
    failure_within(tight(), handle).await
}

async fn failure_within(limits: Limits, handle: impl AsRef<str>) -> String {
    let (function, ledger) = metered(&guests::http(handle.as_ref()), limits);
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
async fn a_body_that_is_broken_off_is_a_failure_even_if_the_function_goes_on() {
    let broken_within = |limits, more: &str| {
        let handle = format!(
            "(call $begin (local.get $out) (i32.const 200))
             (call $write (i32.const 1024) (i32.const 6))
             (call $abort)
             {more}"
        );
        failure_within(limits, handle)
    };
    let words = "the function answered with the error HTTP protocol error in the middle of its response body";
    assert_eq!(broken_within(tight(), "").await, words);
    // Longer than a tick of the clock, so that it is looked at what there is of the answer meanwhile.
    let pauses = "(loop $again
           (local.set $a (i32.add (local.get $a) (i32.const 1)))
           (br_if $again (i32.lt_u (local.get $a) (i32.const 40000000))))";
    let patient = broken_within(Limits::default(), pauses);
    assert_eq!(patient.await, words);
    assert_eq!(
        broken_within(tight(), SPIN).await,
        "the function did not finish within its deadline of 100ms"
    );
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
async fn a_function_cannot_hand_over_texts_without_end() {
    let failure = failure_of(
        "(drop (call $set_method (call $new_request (call $fields))
           (i32.const 9) (i32.const 1024) (i32.const 100000)))",
    )
    .await;
    assert_eq!(
        failure,
        "the function crashed: too much data is being copied between the host and the guest: fuel allocated for hostcalls has been exhausted"
    );
}

/// Runs this very test in a process of its own, whose memory nobody else changes.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn requests_that_are_never_sent_hold_little_of_the_hosts_memory() {
    const ALONE: &str = "HYALINE_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let alone = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "misbehaviour::requests_that_are_never_sent_hold_little_of_the_hosts_memory",
            ])
            .env(ALONE, "1")
            .output()
            .unwrap();
        assert!(
            alone.status.success(),
            "{}",
            String::from_utf8_lossy(&alone.stdout)
        );
        return;
    }
    let peak = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap();
        let kib = line.split_whitespace().nth(1).unwrap();
        kib.parse::<u64>().unwrap() << 10
    };
    // Methods as long as can be, bodies as full as can be, all but their requests dropped again.
    let hoards = load(
        &guests::http(
            "(memory.fill (i32.const 4096) (i32.const 97) (i32.const 126976))
             (loop $again
               (local.set $b (call $new_request (call $fields)))
               (drop (call $set_method (local.get $b) (i32.const 9) (i32.const 4096) (i32.const 60000)))
               (call $request_body (local.get $b) (i32.const 64))
               (global.set $body (i32.load (i32.const 68)))
               (call $body_write (global.get $body) (i32.const 64))
               (global.set $out_stream (i32.load (i32.const 68)))
               (block $full
                 (loop $more
                   (call $check_write (global.get $out_stream) (i32.const 64))
                   (br_if $full (i32.eqz (i32.load (i32.const 72))))
                   (call $write_now (global.get $out_stream) (i32.const 4096) (i32.load (i32.const 72)) (i32.const 128))
                   (br $more)))
               (call $abort)
               (local.set $a (i32.add (local.get $a) (i32.const 1)))
               (br_if $again (i32.lt_u (local.get $a) (i32.const 450))))
             (call $begin (local.get $out) (i32.const 200))
             (call $write (i32.const 1024) (i32.const 6))
             (call $end)",
        ),
        Limits::default(),
    );
    let before = peak();
    assert_eq!(text(get(&hoards).await.unwrap()).await.unwrap(), "hello\n");
    let more = peak() - before;
    assert!(more < 96 << 20, "{more} bytes");
}

#[tokio::test]
async fn an_abandoned_request_stops_and_is_recorded() {
    let (function, ledger) = metered(&guests::http(SPIN), Limits::default());
    let waited = tokio::time::timeout(Duration::from_millis(50), get(&function)).await;
    assert!(waited.is_err());
    // It computes on a thread of its own, and stops there when it has its next turn.
    let started = Instant::now();
    while ledger.0.lock().unwrap().is_empty() {
        assert!(started.elapsed() < Duration::from_secs(20));
        tokio::task::yield_now().await;
    }
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
