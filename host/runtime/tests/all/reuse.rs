//! An instance answers several requests in a row where the policy says so, and never after a failure.

use std::sync::Arc;
use std::time::Duration;

use hyaline_runtime::{Engine, EngineConfig, Function, Limits, Outcome, Policy, Reuse};

use crate::{Ledger, get, guests, post, text};

/// Answers with a status that counts the requests of its instance, from 201. `before` comes first in its handler.
fn counter(before: &str) -> Vec<u8> {
    guests::http(&format!(
        "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
         (call $drop_request (local.get $request))
         {before}
         (call $begin (local.get $out) (i32.add (i32.const 200) (global.get $calls)))
         (call $write (i32.const 1024) (i32.const 6))
         (call $end)"
    ))
}

fn load(
    engine: &Engine,
    component: &[u8],
    requests: u32,
    idle: Duration,
) -> (Function, Arc<Ledger>) {
    let ledger = Arc::new(Ledger::default());
    let policy = Policy {
        limits: Limits {
            deadline: Duration::from_millis(500),
            memory: 1 << 20,
            ..Limits::default()
        },
        meter: Some(ledger.clone()),
        reuse: Some(Reuse { requests, idle }),
        ..Policy::default()
    };
    (
        Function::load(engine, "guest", component, policy).unwrap(),
        ledger,
    )
}

async fn statuses(function: &Function, calls: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..calls {
        let response = get(function).await.unwrap();
        statuses.push(response.status().as_u16());
        assert_eq!(text(response).await.unwrap(), "hello\n");
    }
    statuses
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn an_instance_answers_as_many_requests_as_it_may() {
    let (function, ledger) = load(&crate::engine(), &counter(""), 3, LONG);
    assert_eq!(
        statuses(&function, 7).await,
        [201, 202, 203, 201, 202, 203, 201]
    );
    let records = ledger.0.lock().unwrap();
    let reused: Vec<bool> = records.iter().map(|record| record.reused).collect();
    assert_eq!(reused, [false, true, true, false, true, true, false]);
}

#[tokio::test]
async fn one_request_per_instance_is_no_reuse() {
    for requests in [0, 1] {
        let (function, _) = load(&crate::engine(), &counter(""), requests, LONG);
        assert_eq!(statuses(&function, 3).await, [201, 201, 201]);
    }
}

#[tokio::test]
async fn requests_at_once_have_an_instance_each() {
    let (function, _) = load(&crate::engine(), &counter(""), 10, LONG);
    let (one, two) = tokio::join!(get(&function), tokio::task::unconstrained(get(&function)));
    let mut statuses = [
        one.unwrap().status().as_u16(),
        two.unwrap().status().as_u16(),
    ];
    statuses.sort();
    assert!(
        statuses == [201, 201] || statuses == [201, 202],
        "{statuses:?}"
    );
}

#[tokio::test]
async fn an_instance_that_waited_too_long_is_gone() {
    let idle = Duration::from_millis(50);
    let (function, _) = load(&crate::engine(), &counter(""), 10, idle);
    assert_eq!(statuses(&function, 2).await, [201, 202]);
    tokio::time::sleep(4 * idle).await;
    assert_eq!(statuses(&function, 1).await, [201]);
}

#[tokio::test]
async fn instances_that_wait_make_room_for_other_functions() {
    let engine = Engine::new(EngineConfig {
        concurrency: 1,
        ..EngineConfig::default()
    })
    .unwrap();
    let (function, _) = load(&engine, &counter(""), 10, LONG);
    let (other, _) = load(&engine, &counter(""), 10, LONG);
    assert_eq!(statuses(&function, 2).await, [201, 202]);
    assert_eq!(statuses(&other, 2).await, [201, 202]);
    assert_eq!(statuses(&function, 1).await, [201]);
    let typed = Function::load(
        &engine,
        "typed",
        &guests::typed("(unreachable)"),
        Policy::default(),
    );
    assert!(typed.unwrap().instance().is_ok());
}

#[tokio::test]
async fn after_a_failure_comes_a_fresh_instance() {
    let fails_on_two = |how: &str| {
        counter(&format!(
            "(block $well (br_if $well (i32.ne (global.get $calls) (i32.const 2))) {how})"
        ))
    };
    for how in [
        "(unreachable)",
        "(loop $forever (br $forever))",
        "(loop $again (drop (memory.grow (i32.const 1))) (br $again))",
        "(return)",
    ] {
        let (function, ledger) = load(&crate::engine(), &fails_on_two(how), 10, LONG);
        assert_eq!(statuses(&function, 1).await, [201]);
        assert!(get(&function).await.is_err(), "{how}");
        assert_eq!(statuses(&function, 1).await, [201], "{how}");
        let records = ledger.0.lock().unwrap();
        assert!(matches!(records[1].outcome, Outcome::Failed(_)), "{how}");
        assert!(records[1].reused && !records[2].reused);
    }
}

#[tokio::test]
async fn an_abandoned_instance_is_not_used_again() {
    let spins = counter(
        "(block $well (br_if $well (i32.ne (global.get $calls) (i32.const 2))) (loop $forever (br $forever)))",
    );
    let (function, _) = load(&crate::engine(), &spins, 10, LONG);
    assert_eq!(statuses(&function, 1).await, [201]);
    let waited = tokio::time::timeout(Duration::from_millis(30), get(&function)).await;
    assert!(waited.is_err());
    assert_eq!(statuses(&function, 1).await, [201]);
}

#[tokio::test]
async fn every_request_has_the_whole_deadline_and_its_own_record() {
    let busy = counter(
        "(loop $again
           (local.set $a (i32.add (local.get $a) (i32.const 1)))
           (br_if $again (i32.lt_u (local.get $a) (i32.const 1000))))
         (call $say (call $stdout) (i32.const 1024) (i32.const 6))",
    );
    let (function, ledger) = load(&crate::engine(), &busy, 10, LONG);
    for _ in 0..3 {
        statuses(&function, 1).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    for record in ledger.0.lock().unwrap().iter() {
        assert_eq!(record.outcome, Outcome::Answered);
        assert!(record.wall < Duration::from_millis(300), "{record:?}");
        assert_eq!(record.stdout.as_ref().unwrap().total, 6);
        assert_eq!((record.bytes_in, record.bytes_out), (0, 6));
        assert_eq!(record.peak_memory, 2 << 16);
    }
}

#[tokio::test]
async fn an_instance_that_piles_up_host_objects_is_replaced() {
    let hoards = counter(
        "(loop $again
           (drop (call $fields))
           (local.set $a (i32.add (local.get $a) (i32.const 1)))
           (br_if $again (i32.lt_u (local.get $a) (i32.const 3))))",
    );
    let (function, _) = load(&crate::engine(), &hoards, 100, LONG);
    assert_eq!(statuses(&function, 6).await, [201, 202, 203, 201, 202, 203]);
}

#[tokio::test]
async fn an_instance_that_has_not_finished_its_answer_is_replaced() {
    let forgets = guests::http(
        "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
         (call $drop_request (local.get $request))
         (call $begin (local.get $out) (i32.add (i32.const 200) (global.get $calls)))
         (call $write (i32.const 1024) (i32.const 6))",
    );
    let (function, _) = load(&crate::engine(), &forgets, 10, LONG);
    let answered = tokio::time::timeout(Duration::from_secs(10), statuses(&function, 3)).await;
    assert_eq!(answered.expect("nobody is kept waiting"), [201, 201, 201]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_that_need_room_at_once_find_it() {
    let engine = Engine::new(EngineConfig {
        concurrency: 8,
        ..EngineConfig::default()
    })
    .unwrap();
    let functions = [(); 2].map(|()| load(&engine, &counter(""), 1000, LONG).0);
    for round in 0..300 {
        let function = &functions[round % 2];
        let calls = [(); 8].map(|()| {
            let function = function.clone();
            tokio::spawn(async move { get(&function).await.map(|_| ()) })
        });
        for call in calls {
            assert_eq!(call.await.unwrap(), Ok(()), "round {round}");
        }
    }
}

#[tokio::test]
async fn a_new_policy_begins_with_fresh_instances() {
    let (function, _) = load(&crate::engine(), &counter(""), 10, LONG);
    assert_eq!(statuses(&function, 2).await, [201, 202]);
    let other = function
        .with_policy(Policy {
            reuse: Some(Reuse {
                requests: 10,
                idle: LONG,
            }),
            ..Policy::default()
        })
        .unwrap();
    assert_eq!(statuses(&other, 1).await, [201]);
    assert_eq!(statuses(&function, 1).await, [203]);
}

#[tokio::test]
async fn a_body_reaches_a_used_instance_and_its_answer_comes_whole() {
    let echo = guests::http(
        "(call $consume (local.get $request) (i32.const 64))
         (local.set $a (i32.load (i32.const 68)))
         (call $stream (local.get $a) (i32.const 64))
         (local.set $b (i32.load (i32.const 68)))
         (call $read (local.get $b) (i64.const 4096) (i32.const 256))
         (call $begin (local.get $out) (i32.const 200))
         (call $write (i32.load (i32.const 260)) (i32.load (i32.const 264)))
         (call $end)
         (call $drop_input (local.get $b))
         (call $drop_body (local.get $a))
         (call $drop_request (local.get $request))",
    );
    let (function, ledger) = load(&crate::engine(), &echo, 10, LONG);
    for body in ["one", "two", "and three"] {
        let response = post(&function, body).await.unwrap();
        assert_eq!(text(response).await.unwrap(), body);
    }
    let records = ledger.0.lock().unwrap();
    assert!(records[1].reused && records[2].reused);
    assert_eq!(records[2].bytes_in, 9);
}
