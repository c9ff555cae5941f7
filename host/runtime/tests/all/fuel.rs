//! Fuel is counted exactly, and a limit on it holds.

use std::sync::Arc;

use hyaline_runtime::model::Column;
use hyaline_runtime::{CallError, Engine, EngineConfig, Failure, Function, Limits, Policy};

use crate::{Ledger, get, guests, post, text};

/// Works in proportion to the length of the request's body.
const WORKS: &str = "
    (call $consume (local.get $request) (i32.const 64))
    (call $stream (i32.load (i32.const 68)) (i32.const 64))
    (call $read (i32.load (i32.const 68)) (i64.const 4096) (i32.const 256))
    (loop $again
      (local.set $a (i32.add (local.get $a) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $a) (i32.mul (i32.load (i32.const 264)) (i32.const 1000)))))
    (call $begin (local.get $out) (i32.const 200))
    (call $write (i32.load (i32.const 260)) (i32.load (i32.const 264)))
    (call $end)";

fn engine(share_code: bool) -> Engine {
    Engine::new(EngineConfig {
        concurrency: 4,
        fuel: true,
        share_code,
        ..EngineConfig::default()
    })
    .unwrap()
}

fn function(engine: &Engine, component: &[u8], fuel: Option<u64>) -> (Function, Arc<Ledger>) {
    let ledger = Arc::new(Ledger::default());
    let policy = Policy {
        limits: Limits {
            fuel,
            ..Limits::default()
        },
        meter: Some(ledger.clone()),
        ..Policy::default()
    };
    (
        Function::load(engine, "guest", component, policy).unwrap(),
        ledger,
    )
}

#[tokio::test]
async fn the_same_request_burns_the_same_fuel_and_more_work_burns_more() {
    let mut of_both = Vec::new();
    for share_code in [true, false] {
        let (function, ledger) = function(&engine(share_code), &guests::http(WORKS), None);
        for body in ["four", "four", "eight888", "four"] {
            let response = post(&function, body).await.unwrap();
            assert_eq!(text(response).await.unwrap(), body);
        }
        let records = ledger.0.lock().unwrap();
        let fuel: Vec<u64> = records.iter().map(|record| record.fuel.unwrap()).collect();
        assert_eq!((fuel[0], fuel[0]), (fuel[1], fuel[3]));
        assert!(fuel[0] > 4000 * 5, "{fuel:?}");
        let more = fuel[2] - fuel[0];
        assert!((4000 * 5..4000 * 20).contains(&more), "{fuel:?}");
        of_both.push(fuel);
    }
    assert_eq!(of_both[0], of_both[1]);
}

#[tokio::test]
async fn a_function_that_burns_more_than_its_limit_is_stopped_and_the_record_says_so() {
    let spin = guests::http("(loop $forever (br $forever))");
    let (spinning, ledger) = function(&engine(true), &spin, Some(10_000));
    let failure = get(&spinning).await.err().unwrap();
    assert_eq!(failure, Failure::Fuel { limit: 10_000 });
    assert_eq!(
        failure.to_string(),
        "the function used up its 10000 units of fuel; ask for less at once, or have its operator raise `limits.fuel`"
    );
    assert_eq!(ledger.0.lock().unwrap()[0].fuel, Some(10_000));
}

#[test]
fn every_call_through_the_typed_door_has_all_of_its_fuel() {
    let typed = guests::typed("(call $first_number (local.get $columns))");
    let (typed, ledger) = function(&engine(true), &typed, Some(1000));
    let mut instance = typed.instance().unwrap();
    for _ in 0..100 {
        instance.predict(&[Column::Numbers(vec![1.0])]).unwrap();
    }
    let records = ledger.0.lock().unwrap();
    assert!(records[1].fuel.is_some_and(|fuel| fuel > 10));
    // The first one has the instance in it, too.
    assert!(
        records[1..]
            .iter()
            .all(|record| record.fuel == records[1].fuel)
    );

    let spin = guests::typed("(loop $forever (br $forever)) (unreachable)");
    let (spin, _) = function(&engine(true), &spin, Some(1000));
    assert_eq!(
        spin.predict(&[]),
        Err(CallError::Failed(Failure::Fuel { limit: 1000 }))
    );
}

#[test]
fn a_limit_on_an_engine_that_does_not_count_is_refused() {
    let policy = || Policy {
        limits: Limits {
            fuel: Some(5),
            ..Limits::default()
        },
        ..Policy::default()
    };
    let engine = crate::engine();
    let words = "`guest` has a limit of 5 units of fuel, and its engine does not count fuel; load it with an engine that \
                 does, or leave the limit away";
    let refused = Function::load(&engine, "guest", &guests::hello(), policy()).unwrap_err();
    assert_eq!(refused.to_string(), words);
    let function = Function::load(&engine, "guest", &guests::hello(), Policy::default()).unwrap();
    assert_eq!(
        function.with_policy(policy()).unwrap_err().to_string(),
        words
    );
}
