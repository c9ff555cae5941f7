//! Servers as processes: started, watched, and gone when the measurement is over, however it ends.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::clock::pause;

/// How long a server may take until it answers, and until it has stopped.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often is looked whether it has.
const GLANCE: Duration = Duration::from_millis(1);
/// Ticks of `/proc/<pid>/stat` in a second: Linux has told programs this number for as long as there is the file.
const TICKS_PER_SECOND: f64 = 100.0;
/// Bytes of a server's log that an error shows.
const TAIL: usize = 2000;

/// A process that is killed when this is dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
    started: Instant,
}

impl Process {
    /// Starts `command`; what it prints goes to the file `log`.
    ///
    /// # Errors
    /// The program is not there, or the file cannot be written.
    pub fn start(command: &mut Command, log: PathBuf) -> Result<Process> {
        let program = command.get_program().to_string_lossy().into_owned();
        let file = File::create(&log).with_context(|| format!("write {}", log.display()))?;
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let started = Instant::now();
        let child = command
            .spawn()
            .with_context(|| format!("start {program}"))?;
        Ok(Process {
            child,
            log,
            started,
        })
    }

    /// Waits until the server answers an HTTP request on `address`, whatever the answer; how long that took from the
    /// start of the process.
    ///
    /// # Errors
    /// The process ended, with the end of what it printed, or a minute has passed.
    pub fn wait_for(&mut self, address: &str) -> Result<Duration> {
        loop {
            if answers(address) {
                return Ok(self.started.elapsed());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "the server ended before it answered: {status}\n{}",
                    self.tail()
                );
            }
            if self.started.elapsed() > PATIENCE {
                bail!("nobody answers on {address}\n{}", self.tail());
            }
            pause(GLANCE);
        }
    }

    /// Tells the process to stop and waits until it has.
    ///
    /// # Errors
    /// It does not within a minute; it is killed then.
    pub fn stop(mut self) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("a process has a number")?, Signal::TERM)?;
        let told = Instant::now();
        while self.child.try_wait()?.is_none() {
            if told.elapsed() > PATIENCE {
                bail!("the server does not stop\n{}", self.tail());
            }
            pause(GLANCE);
        }
        Ok(())
    }

    /// Proportional set size in bytes: memory, of which what several processes share counts by its parts.
    ///
    /// # Errors
    /// The process is gone, or this is no Linux.
    pub fn memory(&self) -> Result<f64> {
        let path = format!("/proc/{}/smaps_rollup", self.child.id());
        let rollup = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB"));
        let kib: f64 = kib
            .context("the system does not tell the PSS")?
            .trim()
            .parse()?;
        Ok(kib * 1024.0)
    }

    /// Per cent of one CPU that the process takes in the next `span`, by the system's ticks.
    ///
    /// # Errors
    /// The process is gone, or this is no Linux.
    pub fn cpu_percent(&self, span: Duration) -> Result<f64> {
        let before = self.ticks()?;
        pause(span);
        let seconds = (self.ticks()? - before) / TICKS_PER_SECOND;
        Ok(100.0 * seconds / span.as_secs_f64())
    }

    /// CPU time in ticks, of the process and in the kernel.
    fn ticks(&self) -> Result<f64> {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        // The name of the program may hold anything; what follows is behind the last parenthesis.
        let fields = stat.rsplit_once(')').map(|(_, fields)| fields);
        let mut fields = fields
            .context("the file has a program's name")?
            .split_ascii_whitespace();
        let user: f64 = fields.nth(11).context("the user's ticks")?.parse()?;
        let system: f64 = fields.next().context("the kernel's ticks")?.parse()?;
        Ok(user + system)
    }

    /// The end of what the server printed.
    fn tail(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(TAIL)..]).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A loopback address nobody listens on.
///
/// # Errors
/// There is none.
pub fn free_address() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

fn answers(address: &str) -> bool {
    let ask = || -> std::io::Result<usize> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "GET /healthz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
        )?;
        stream.read(&mut [0; 12])
    };
    ask().is_ok_and(|bytes| bytes > 0)
}
