//! The record of an invocation says what it used, and is complete.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyaline_runtime::{Failure, Function, Invocation, Limits, Outcome};

use crate::{get, guests, load, metered, post, text};

/// Calls with a receiver of its own and gives what that was given, once the answer has been read.
async fn recorded(function: &Function, body: &'static str) -> Invocation {
    let (sender, records) = mpsc::channel();
    let request = Request::post("/").body(Full::<Bytes>::from(body)).unwrap();
    let answer = function
        .handle_metered(request, move |record| sender.send(record).unwrap())
        .await;
    if let Ok(response) = answer {
        // Either way it has ended then.
        let _ = response.into_body().collect().await;
    }
    let record = records.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(records.recv().is_err(), "one call, one record");
    record
}

/// The record, when the task that writes it has had its turn.
async fn told(records: &mpsc::Receiver<Invocation>) -> Invocation {
    let patience = Instant::now() + Duration::from_secs(10);
    loop {
        match records.try_recv() {
            Ok(record) => return record,
            Err(mpsc::TryRecvError::Empty) if Instant::now() < patience => {
                tokio::task::yield_now().await;
            }
            Err(error) => panic!("no record came: {error}"),
        }
    }
}

#[tokio::test]
async fn bytes_are_counted_in_and_out() {
    let record = recorded(&load(&guests::echo(), Limits::default()), "seven b").await;
    assert_eq!((record.bytes_in, record.bytes_out), (7, 7));
    let record = recorded(&load(&guests::hello(), Limits::default()), "not read").await;
    assert_eq!((record.bytes_in, record.bytes_out), (0, 6));
    assert_eq!(
        (&*record.function, &record.outcome, record.reused),
        ("guest", &Outcome::Answered, false)
    );
    assert_eq!(
        (record.fuel, record.stdout, record.stderr),
        (None, None, None)
    );
}

#[tokio::test]
async fn meter_and_receiver_get_the_same_record() {
    let (function, ledger) = metered(&guests::echo(), Limits::default());
    let record = recorded(&function, "abc").await;
    assert_eq!(*ledger.0.lock().unwrap(), [record]);
}

#[tokio::test]
async fn cpu_time_is_the_functions_own_and_not_that_of_others_on_the_thread() {
    let limits = Limits {
        deadline: Duration::from_millis(300),
        ..Limits::default()
    };
    let spins = load(&guests::http("(loop $forever (br $forever))"), limits);
    let hello = load(&guests::hello(), Limits::default());
    let (spun, said) = tokio::join!(recorded(&spins, ""), recorded(&hello, ""));
    assert!(spun.cpu > Duration::from_millis(20), "{:?}", spun.cpu);
    assert!(spun.cpu <= spun.wall, "{spun:?}");
    assert!(
        said.cpu > Duration::ZERO && said.cpu < spun.cpu / 2,
        "{said:?}"
    );
}

#[tokio::test]
async fn calls_that_compute_for_long_share_the_processors() {
    let limits = Limits {
        deadline: Duration::from_millis(250),
        ..Limits::default()
    };
    let spins = load(&guests::http("(loop $forever (br $forever))"), limits);
    let processors = std::thread::available_parallelism().unwrap().get();
    let mut calls = tokio::task::JoinSet::new();
    // As many as the engine of these tests has places for, at most.
    for _ in 0..(2 * processors).min(8) {
        let spins = spins.clone();
        calls.spawn(async move { recorded(&spins, "").await.cpu });
    }
    let times = calls.join_all().await;
    let (least, most) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    assert!(*least > *most / 8, "{times:?}");
}

#[tokio::test]
async fn a_streamed_answer_is_recorded_when_it_has_been_read() {
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
    let (sender, records) = mpsc::channel();
    let request = Request::new(Full::<Bytes>::default());
    let response = long
        .handle_metered(request, move |record| sender.send(record).unwrap())
        .await
        .unwrap();
    let mut body = response.into_body();
    let mut read = 0;
    while read < 4096 * 999 {
        read += body
            .frame()
            .await
            .unwrap()
            .unwrap()
            .into_data()
            .unwrap()
            .len();
        assert!(records.try_recv().is_err(), "after {read} bytes");
    }
    drop(body.collect().await);
    let record = records.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(
        (record.bytes_out, record.outcome),
        (4096 * 1000, Outcome::Answered)
    );
}

#[tokio::test]
async fn a_streamed_answer_that_nobody_reads_on_is_recorded_as_abandoned() {
    let endless = load(
        &guests::http(
            "(call $begin (local.get $out) (i32.const 200))
             (loop $again (call $write (i32.const 4096) (i32.const 4096)) (br $again))",
        ),
        Limits::default(),
    );
    let (sender, records) = mpsc::channel();
    let response = endless
        .handle_metered(Request::new(Full::<Bytes>::default()), move |record| {
            sender.send(record).unwrap()
        })
        .await
        .unwrap();
    let mut body = response.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    drop(body);
    let record = told(&records).await;
    assert_eq!(record.outcome, Outcome::Abandoned);
    assert_eq!(record.bytes_out, first.len() as u64);
}

#[tokio::test]
async fn a_streamed_answer_that_is_broken_off_is_recorded_as_a_failure() {
    for more in ["", "(loop $forever (br $forever))"] {
        let breaks_off = load(
            &guests::http(&format!(
                "(call $begin (local.get $out) (i32.const 200))
                 (loop $again
                   (call $write (i32.const 4096) (i32.const 4096))
                   (local.set $a (i32.add (local.get $a) (i32.const 1)))
                   (br_if $again (i32.lt_u (local.get $a) (i32.const 1000))))
                 (call $abort)
                 {more}"
            )),
            Limits::default(),
        );
        let (sender, records) = mpsc::channel();
        let response = breaks_off
            .handle_metered(Request::new(Full::<Bytes>::default()), move |record| {
                sender.send(record).unwrap()
            })
            .await
            .unwrap();
        let failure = response.into_body().collect().await.unwrap_err();
        assert!(matches!(failure, Failure::ErrorCode(_)), "{failure}");
        assert_eq!(told(&records).await.outcome, Outcome::Failed(failure));
    }
}

#[tokio::test]
async fn every_way_to_fail_has_its_record() {
    let fails = |handle: &str| load(&guests::http(handle), crate::tight());
    let trap = recorded(&fails("(unreachable)"), "").await;
    assert!(matches!(trap.outcome, Outcome::Failed(Failure::Trap(_))));
    let silent = recorded(&fails(""), "").await;
    assert_eq!(silent.outcome, Outcome::Failed(Failure::NoResponse));
    let refused = recorded(
        &fails(
            "(call $set (local.get $out) (i32.const 1) (i32.const 38)
               (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))",
        ),
        "",
    )
    .await;
    assert!(
        matches!(&refused.outcome, Outcome::Failed(Failure::ErrorCode(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn what_a_function_says_is_in_its_record() {
    let talks = load(
        &guests::http(
            "(call $say (call $stdout) (i32.const 1024) (i32.const 6))
             (call $say (call $stderr) (i32.const 1040) (i32.const 2))
             (call $say (call $stdout) (i32.const 1024) (i32.const 5))
             (call $begin (local.get $out) (i32.const 200))
             (call $end)",
        ),
        Limits::default(),
    );
    let record = recorded(&talks, "").await;
    let (stdout, stderr) = (record.stdout.unwrap(), record.stderr.unwrap());
    assert_eq!((stdout.text().as_str(), stdout.total), ("hello\nhello", 11));
    assert_eq!((stderr.text().as_str(), stderr.total), (": ", 2));
}

#[tokio::test]
async fn of_a_function_that_says_much_the_end_is_kept_and_it_goes_on() {
    let talks = load(
        &guests::http(
            "(loop $again
               (call $say (call $stderr) (i32.const 1024) (i32.const 6))
               (local.set $a (i32.add (local.get $a) (i32.const 1)))
               (br_if $again (i32.lt_u (local.get $a) (i32.const 5000))))
             (call $begin (local.get $out) (i32.const 200))
             (call $end)",
        ),
        Limits::default(),
    );
    let record = recorded(&talks, "").await;
    assert_eq!(record.outcome, Outcome::Answered);
    let stderr = record.stderr.unwrap();
    assert_eq!((stderr.total, stderr.tail.len()), (30_000, 4096));
    assert!(stderr.text().ends_with("hello\nhello\n"));
}

#[tokio::test]
async fn a_trap_tells_the_last_line() {
    let dies = load(
        &guests::http("(call $say (call $stderr) (i32.const 1024) (i32.const 6)) (unreachable)"),
        Limits::default(),
    );
    let failure = get(&dies).await.err().unwrap().to_string();
    assert!(
        failure.ends_with("in `handle`; it said: hello"),
        "{failure}"
    );
}

#[tokio::test]
async fn two_calls_at_once_have_records_of_their_own() {
    let echo = load(&guests::echo(), Limits::default());
    let (one, two) = tokio::join!(recorded(&echo, "one"), recorded(&echo, "twotwo"));
    assert_eq!((one.bytes_out, two.bytes_out), (3, 6));
    assert_eq!(text(post(&echo, "x").await.unwrap()).await.unwrap(), "x");
}
