//! Reading the keys of token issuers, from files and over HTTP.

use std::io::Read as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyaline_control::KeySource;
use jiff::Timestamp;
use tokio::sync::watch;

use super::Platform;

/// How long an issuer may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of the longest key set.
const LONGEST: u64 = 1 << 20;

/// The sources that are being read. Each has one reader, however many calls wait for it; its end is the end of the sender.
#[derive(Default)]
pub(super) struct Readers(Mutex<Vec<(KeySource, watch::Receiver<()>)>>);

impl Platform {
    /// Reads the keys of an issuer and hands them to the gates, or notes that they cannot be had. Whoever asks while they
    /// are being read waits for that.
    pub(crate) async fn read_issuer(self: &Arc<Self>, source: KeySource) {
        let mut reader = self.reader(source);
        while reader.changed().await.is_ok() {}
    }

    fn reader(self: &Arc<Self>, source: KeySource) -> watch::Receiver<()> {
        let mut readers = self
            .readers
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        readers.retain(|(_, reader)| reader.has_changed().is_ok());
        if let Some((_, reader)) = readers.iter().find(|(place, _)| *place == source) {
            return reader.clone();
        }
        let (reading, reader) = watch::channel(());
        readers.push((source.clone(), reader.clone()));
        let platform = self.clone();
        tokio::spawn(async move {
            platform.read_now(source).await;
            drop(reading);
        });
        reader
    }

    async fn read_now(&self, source: KeySource) {
        let place = source.clone();
        let read = tokio::task::spawn_blocking(move || read(&place)).await;
        let now = Timestamp::now();
        let failed = match read {
            Ok(Ok(bytes)) => match self.issuers.provide(&source, &bytes, now) {
                Ok(()) => None,
                Err(error) => Some(error.to_string()),
            },
            Ok(Err(error)) => {
                self.issuers.failed(&source, now);
                Some(error)
            }
            Err(_lost) => {
                self.issuers.failed(&source, now);
                Some("reading was interrupted".into())
            }
        };
        if let Some(error) = failed {
            tracing::warn!(?source, error, "the keys of a token issuer cannot be read");
        }
    }

    /// Begins to read again what was read long ago.
    pub(super) fn refresh_issuers(self: &Arc<Self>) {
        for source in self.issuers.due(Timestamp::now()) {
            self.reader(source);
        }
    }
}

fn read(source: &KeySource) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    match source {
        KeySource::File(path) => std::fs::File::open(path)
            .and_then(|file| file.take(LONGEST).read_to_end(&mut bytes))
            .map_err(|error| error.to_string())?,
        KeySource::Url(url) => {
            let agent: ureq::Agent = ureq::Agent::config_builder()
                .timeout_global(Some(PATIENCE))
                .max_redirects(0)
                .build()
                .into();
            let mut answer = agent.get(url).call().map_err(|error| error.to_string())?;
            let mut body = answer.body_mut().as_reader().take(LONGEST);
            body.read_to_end(&mut bytes)
                .map_err(|error| error.to_string())?
        }
    };
    Ok(bytes)
}
