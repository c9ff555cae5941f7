//! Clients that are there and do nothing: they take no answer, or ask nothing.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use crate::guests;
use crate::host::Host;

/// An answer of 32 MiB, which no buffer of the system between two sockets holds.
fn long() -> Vec<u8> {
    guests::http(
        "(call $begin (local.get $out) (i32.const 200))
         (loop $again
           (call $write (i32.const 8192) (i32.const 4096))
           (local.set $a (i32.add (local.get $a) (i32.const 1)))
           (br_if $again (i32.lt_u (local.get $a) (i32.const 8192))))
         (call $end)",
    )
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().unwrap()
}

/// An HTTP/2 connection whose client gives answers a window of so many bytes and answers pings; the task ends with it.
async fn connect(
    host: &Host,
    window: u32,
) -> (h2::client::SendRequest<bytes::Bytes>, JoinHandle<bool>) {
    let stream = TcpStream::connect(host.address()).await.unwrap();
    let (client, mut connection) = h2::client::Builder::new()
        .initial_window_size(window)
        .handshake(stream)
        .await
        .unwrap();
    let mut pings = connection.ping_pong().unwrap();
    let pinging = tokio::spawn(async move {
        while pings.ping(h2::Ping::opaque()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let ended = tokio::spawn(async move {
        let ended = connection.await;
        pinging.abort();
        ended.is_ok()
    });
    (client, ended)
}

async fn ask(
    client: &h2::client::SendRequest<bytes::Bytes>,
    host: &Host,
    path: &str,
) -> http::Response<h2::RecvStream> {
    let request = http::Request::get(format!("http://{}{path}", host.address()));
    let mut ready = client.clone().ready().await.unwrap();
    let (answer, _) = ready.send_request(request.body(()).unwrap(), true).unwrap();
    answer.await.unwrap()
}

/// Waits until the one call of the host is written down, as one that nobody waited for.
fn assert_abandoned(host: &Host) {
    let started = Instant::now();
    loop {
        let usage = host.control("/api/usage?by=function").get().json();
        if usage[0]["invocations"] == 1 {
            assert_eq!(usage[0]["failures"], 1, "{usage}");
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{usage}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn a_client_that_opens_no_window_is_cut_off_and_its_call_written_down() {
    let host = Host::start(&[("connections.write_wait_ms", "400")]);
    host.deploy("long", &long());
    runtime().block_on(async {
        let (client, ended) = connect(&host, 0).await;
        let answer = ask(&client, &host, "/long").await;
        assert_eq!(answer.status(), 200);
        let ended = tokio::time::timeout(Duration::from_secs(20), ended).await;
        assert!(ended.is_ok(), "pings do not keep the connection");
        drop(answer);
    });
    assert_abandoned(&host);
}

#[test]
fn a_client_that_takes_a_byte_now_and_then_is_cut_off() {
    let host = Host::start(&[("connections.write_wait_ms", "400")]);
    host.deploy("long", &long());
    runtime().block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let address = host.address().parse().unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        stream
            .write_all(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .unwrap();
        let reading = tokio::spawn(async move {
            while stream.read_u8().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        tokio::task::block_in_place(|| assert_abandoned(&host));
        reading.abort();
    });
}

#[test]
fn a_client_that_takes_its_answer_slowly_gets_all_of_it() {
    let host = Host::start(&[
        ("connections.write_wait_ms", "300"),
        ("connections.head_wait_ms", "300"),
    ]);
    host.deploy("long", &long());
    let taken = runtime().block_on(async {
        let (client, _ended) = connect(&host, 1 << 20).await;
        let mut body = ask(&client, &host, "/long").await.into_body();
        let mut taken = 0;
        while let Some(data) = body.data().await {
            let length = data.unwrap().len();
            taken += length;
            // Thirty times the patience in all.
            if taken % (1 << 20) < length {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            body.flow_control().release_capacity(length).unwrap();
        }
        taken
    });
    assert_eq!(taken, 32 << 20);
}

#[test]
fn a_connection_on_which_nothing_is_asked_is_ended_in_good_order() {
    let host = Host::start(&[("connections.head_wait_ms", "300")]);
    host.deploy("f", &guests::hello());
    runtime().block_on(async {
        let (client, ended) = connect(&host, 1 << 16).await;
        for _ in 0..3 {
            assert_eq!(ask(&client, &host, "/f").await.status(), 200);
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        let ended = tokio::time::timeout(Duration::from_secs(20), ended).await;
        assert!(ended.unwrap().unwrap(), "the client is told");
    });
}
