//! A service manager's view: it is told when the host is ready and when it stops, and a stop cuts nobody off.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use anyhow::{Context, Result};
use end_to_end::{Host, golden, hyaline};

#[test]
fn readiness_and_the_stop_are_told_and_a_slow_request_is_still_answered() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let manager = UnixDatagram::bind(folder.path().join("notify"))?;
    manager.set_read_timeout(Some(Duration::from_secs(60)))?;
    let told = || -> Result<String> {
        let mut message = [0; 256];
        let length = manager
            .recv(&mut message)
            .context("the host tells nothing")?;
        Ok(String::from_utf8_lossy(&message[..length]).into_owned())
    };
    let mut command = hyaline();
    Host::arguments(&mut command, &folder.path().join("state"))
        .env("NOTIFY_SOCKET", folder.path().join("notify"));
    let host = Host::start(command)?;
    assert!(told()?.contains("READY=1"));
    host.deploy(&["credit"])?;
    let row = golden("credit")?[0]["row"].to_string();
    let (first, rest) = row.split_at(row.len() / 2);

    let address = host.url.trim_start_matches("http://").to_owned();
    let mut slow = TcpStream::connect(&address)?;
    slow.set_read_timeout(Some(Duration::from_secs(60)))?;
    write!(
        slow,
        "POST /credit/predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        row.len()
    )?;
    // The host asks for the body: the request is in flight.
    let mut continued = [0; 25];
    slow.read_exact(&mut continued)?;
    assert_eq!(&continued, b"HTTP/1.1 100 Continue\r\n\r\n");
    slow.write_all(first.as_bytes())?;
    host.signal("TERM")?;
    assert!(told()?.contains("STOPPING=1"));
    std::thread::park_timeout(Duration::from_millis(200));
    assert!(
        TcpStream::connect(&address).is_err(),
        "whoever comes now is sent elsewhere"
    );
    slow.write_all(rest.as_bytes())?;
    let mut answer = String::new();
    slow.read_to_string(&mut answer)?;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("probabilities"), "{answer}");
    assert!(host.ended()?.success());
    Ok(())
}
