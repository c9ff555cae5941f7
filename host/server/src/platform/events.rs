//! What happened on the control plane: kept in a file, shown by the API, written to the log.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use hyaline_control::{Event, EventKind};
use jiff::Timestamp;

/// Events kept in memory, and so the most that the API shows.
const KEPT: usize = 1000;

/// The events of a host, the latest in memory, all of them in a file, one JSON document a line.
pub(crate) struct Events(Mutex<Inner>);

struct Inner {
    latest: VecDeque<Event>,
    next: u64,
    path: PathBuf,
    file: Option<File>,
}

impl Events {
    /// Goes on after the events in the file; makes it if there is none. Lines that are no events (one may be cut off by
    /// a crash) are passed over.
    ///
    /// # Errors
    /// The file cannot be opened or read.
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        let mut latest = VecDeque::new();
        let mut whole = true;
        for line in BufReader::new(&mut file).split(b'\n') {
            let parsed = serde_json::from_slice::<Event>(&line?);
            whole = parsed.is_ok();
            if let Ok(event) = parsed {
                if latest.len() == KEPT {
                    latest.pop_front();
                }
                latest.push_back(event);
            }
        }
        if !whole {
            // What comes next begins on a line of its own.
            file.write_all(b"\n")?;
        }
        let next = latest.back().map_or(1, |event: &Event| event.id + 1);
        Ok(Events(Mutex::new(Inner {
            latest,
            next,
            path: path.into(),
            file: Some(file),
        })))
    }

    /// Adds an event. If the file cannot take it, it is still shown and logged.
    pub(crate) fn add(&self, kind: EventKind, subject: &str, message: String) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let event = Event {
            id: inner.next,
            time: Timestamp::now(),
            kind,
            subject: subject.into(),
            message,
        };
        inner.next += 1;
        tracing::info!(target: "hyaline::event", id = event.id, kind = ?event.kind, subject, "{}", event.message);
        inner.write(&event);
        if inner.latest.len() == KEPT {
            inner.latest.pop_front();
        }
        inner.latest.push_back(event);
    }

    /// The events after `id`, the earliest first, as far as they are in memory.
    pub(crate) fn after(&self, id: u64) -> Vec<Event> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let events = inner.latest.iter().filter(|event| event.id > id);
        events.cloned().collect()
    }

    /// The latest events, at most `count`, the earliest first.
    pub(crate) fn latest(&self, count: usize) -> Vec<Event> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let skipped = inner.latest.len().saturating_sub(count);
        inner.latest.iter().skip(skipped).cloned().collect()
    }
}

impl Inner {
    fn write(&mut self, event: &Event) {
        let Some(file) = &mut self.file else {
            return;
        };
        let mut line = serde_json::to_vec(event).expect("an event is JSON");
        line.push(b'\n');
        if let Err(error) = file.write_all(&line) {
            tracing::error!(file = %self.path.display(), %error, "an event could not be kept");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_there_after_a_restart_even_behind_a_torn_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let events = Events::open(&path).unwrap();
        events.add(EventKind::Deployed, "credit", "version 1".into());
        events.add(EventKind::Disabled, "credit", "by an operator".into());
        drop(events);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"id\":3,\"time").unwrap();
        drop(file);

        let events = Events::open(&path).unwrap();
        events.add(EventKind::Enabled, "credit", "by an operator".into());
        drop(events);
        let events = Events::open(&path).unwrap();
        let ids: Vec<u64> = events.after(0).iter().map(|event| event.id).collect();
        assert_eq!(ids, [1, 2, 3]);
        assert_eq!(events.after(2)[0].kind, EventKind::Enabled);
        assert_eq!(events.latest(1).len(), 1);
    }
}
