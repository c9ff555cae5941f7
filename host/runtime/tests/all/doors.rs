//! Both doors answer, each request in an instance of its own.

use hyaline_runtime::model::{Column, Error};
use hyaline_runtime::{CallError, Failure, Limits, Outcome};

use crate::{get, guests, load, metered, post, text};

#[tokio::test]
async fn the_http_door_answers() {
    let response = get(&load(&guests::hello(), Limits::default()))
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(text(response).await.unwrap(), "hello\n");
}

#[tokio::test]
async fn the_request_body_reaches_the_function() {
    let response = post(&load(&guests::echo(), Limits::default()), "a row")
        .await
        .unwrap();
    assert_eq!(text(response).await.unwrap(), "a row");
}

#[tokio::test]
async fn every_request_gets_a_fresh_instance() {
    let counter = load(
        &guests::http(
            "(i32.store8 (i32.const 2048) (i32.add (i32.load8_u (i32.const 2048)) (i32.const 1)))
             (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
             (call $begin (local.get $out)
               (i32.add (i32.const 200) (i32.add (global.get $calls) (i32.load8_u (i32.const 2048)))))
             (call $end)",
        ),
        Limits::default(),
    );
    for _ in 0..20 {
        assert_eq!(get(&counter).await.unwrap().status(), 202);
    }
}

/// More requests than a task may make before tokio wants it to yield: its channels then pretend to be empty.
#[tokio::test]
async fn answers_do_not_get_lost_in_a_task_that_never_yields() {
    let hello = load(&guests::hello(), Limits::default());
    for request in 0..500 {
        let response = get(&hello)
            .await
            .unwrap_or_else(|failure| panic!("request {request}: {failure}"));
        assert_eq!(text(response).await.unwrap(), "hello\n");
    }
}

#[tokio::test]
async fn a_long_answer_arrives_whole() {
    let long = load(
        &guests::http(
            "(call $begin (local.get $out) (i32.const 200))
             (loop $again
               (call $write (i32.const 4096) (i32.const 4096))
               (local.set $a (i32.add (local.get $a) (i32.const 1)))
               (br_if $again (i32.lt_u (local.get $a) (i32.const 1000))))
             (call $end)",
        ),
        Limits::default(),
    );
    assert_eq!(
        text(get(&long).await.unwrap()).await.unwrap().len(),
        4096 * 1000
    );
}

#[tokio::test]
async fn a_record_is_kept_of_every_invocation() {
    let (function, ledger) = metered(&guests::hello(), Limits::default());
    get(&function).await.unwrap();
    get(&function).await.unwrap();
    let records = ledger.0.lock().unwrap();
    assert_eq!(records.len(), 2);
    for record in records.iter() {
        assert_eq!(
            (&*record.function, &record.outcome),
            ("guest", &Outcome::Answered)
        );
        assert_eq!(record.peak_memory, 2 << 16);
        assert!(record.wall.as_nanos() > 0);
    }
}

#[test]
fn the_typed_door_predicts() {
    let function = load(
        &guests::typed("(call $first_number (local.get $columns))"),
        Limits::default(),
    );
    let predictions = function.predict(&[Column::Numbers(vec![0.25])]).unwrap();
    assert_eq!(
        (predictions.rows, predictions.outputs, predictions.values),
        (1, 1, vec![0.25])
    );
    assert_eq!(
        function.instance().unwrap().card().unwrap(),
        r#"{"name":"typed"}"#
    );
}

#[test]
fn an_instance_answers_many_calls_and_each_is_recorded() {
    let (function, ledger) = metered(
        &guests::typed("(call $first_number (local.get $columns))"),
        Limits::default(),
    );
    let mut instance = function.instance().unwrap();
    for value in [1.0, 2.0, 3.0] {
        assert_eq!(
            instance
                .predict(&[Column::Numbers(vec![value])])
                .unwrap()
                .values,
            [value]
        );
    }
    drop(instance);
    assert_eq!(ledger.0.lock().unwrap().len(), 3);
}

#[test]
fn a_refusal_of_the_function_is_not_a_failure() {
    let function = load(
        &guests::typed("(call $refuse (local.get $columns))"),
        Limits::default(),
    );
    let refused = function
        .predict(&[Column::Numbers(vec![-1.0])])
        .unwrap_err();
    assert_eq!(refused.to_string(), "row 0, feature `age`: -1 is below 0");
    assert!(matches!(refused, CallError::Refused(Error::Invalid(_))));
}

#[tokio::test]
async fn a_door_that_is_not_there_is_named() {
    let typed = load(&guests::typed("(unreachable)"), Limits::default());
    let failure = get(&typed).await.err().unwrap();
    assert_eq!(
        failure.to_string(),
        "the function does not export `wasi:http/incoming-handler`"
    );
    let http = load(&guests::hello(), Limits::default());
    let failure = http.instance().err().unwrap();
    assert_eq!(
        failure,
        Failure::NoDoor {
            door: "hyaline:function/model"
        }
    );
}
