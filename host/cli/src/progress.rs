//! A line on standard error for a step that takes longer than a second.

use std::fmt::Display;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(1);

/// Tells what is being done once it has taken a second; says nothing about quicker steps.
pub(crate) struct Progress {
    steps: Option<Sender<String>>,
    teller: Option<JoinHandle<()>>,
}

impl Progress {
    pub(crate) fn new() -> Progress {
        let (steps, received) = channel::<String>();
        let teller = std::thread::spawn(move || {
            let mut current = received.recv().ok();
            while let Some(step) = current.take() {
                current = match received.recv_timeout(PATIENCE) {
                    Ok(next) => Some(next),
                    Err(RecvTimeoutError::Timeout) => {
                        eprintln!("{step} …");
                        received.recv().ok()
                    }
                    Err(RecvTimeoutError::Disconnected) => None,
                };
            }
        });
        Progress {
            steps: Some(steps),
            teller: Some(teller),
        }
    }

    /// A new step begins; the one before it is done.
    pub(crate) fn step(&mut self, step: impl Display) {
        if let Some(steps) = &self.steps {
            // The teller ends only after this sender is gone.
            let _ = steps.send(step.to_string());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.steps.take());
        if let Some(teller) = self.teller.take() {
            let _ = teller.join();
        }
    }
}
