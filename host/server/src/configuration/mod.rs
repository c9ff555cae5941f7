//! The configuration of a host: one document, from a file, the environment and flags, with one precedence.

mod document;
mod layers;

use std::path::Path;
use std::time::Duration;

use hyaline_runtime::{Limits, MOST_TABLE_ELEMENTS};

pub use document::{
    ConnectionsDocument, ControlAddress, Document, LimitsDocument, LogDocument, LogFormat,
    LogInvocations, MemoryDocument, OtlpDocument, PricesDocument, TlsDocument,
};
pub use layers::{ConfigurationError, Entry, Origin};

use layers::Layers;

/// A configuration whose every value is sound, and who said each.
#[derive(Clone, Debug, PartialEq)]
pub struct Configuration {
    document: Document,
    entries: Vec<Entry>,
}

/// A flag that sets a member: the flag as written, the member, the value.
pub type Flag = (String, String, String);

impl Configuration {
    /// Puts the layers together: a flag beats the environment, that beats the file, that beats the default. `own` are
    /// defaults of a command that wants others than the host's. Environment variables that name no member are passed over.
    ///
    /// # Errors
    /// [`ConfigurationError`] names the value, who said it, and what is expected.
    pub fn assemble(
        own: impl IntoIterator<Item = (String, String)>,
        file: Option<(&Path, &str)>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: impl IntoIterator<Item = Flag>,
    ) -> Result<Self, ConfigurationError> {
        let mut layers = Layers::of_defaults();
        for (key, value) in own {
            layers.default(&key, &value)?;
        }
        if let Some((path, text)) = file {
            layers.file(path, text)?;
        }
        layers.environment(environment)?;
        for (flag, key, value) in flags {
            layers.flag(&flag, &key, &value)?;
        }
        let (document, entries) = layers.into_document()?;
        let configuration = Configuration { document, entries };
        configuration.judge()?;
        Ok(configuration)
    }

    /// The values.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Every member in order, its value and who said it.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Ranges that types do not express.
    fn judge(&self) -> Result<(), ConfigurationError> {
        let document = &self.document;
        let whole = |key: &str, value: u64, low: u64, high: u64| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(self.refusal(key, &format!("it must lie between {low} and {high}")))
            }
        };
        whole("concurrency", document.concurrency.into(), 1, 10_000)?;
        whole("queue", document.queue.into(), 0, 1_000_000)?;
        whole("queue_wait_ms", document.queue_wait_ms, 0, 3_600_000)?;
        whole("drain_ms", document.drain_ms, 0, 3_600_000)?;
        let limits = &document.limits;
        whole("limits.deadline_ms", limits.deadline_ms, 1, 900_000)?;
        whole("limits.memory_mib", limits.memory_mib, 1, 4096)?;
        whole(
            "limits.table_elements",
            limits.table_elements,
            1,
            MOST_TABLE_ELEMENTS,
        )?;
        whole("limits.body_bytes", limits.body_bytes, 1, 1 << 30)?;
        whole("limits.concurrency", limits.concurrency.into(), 1, 10_000)?;
        let connections = &document.connections;
        whole("connections.most", connections.most.into(), 1, 1_000_000)?;
        whole(
            "connections.head_bytes",
            connections.head_bytes.into(),
            8192,
            1 << 20,
        )?;
        whole("connections.headers", connections.headers.into(), 1, 10_000)?;
        whole("connections.bodies_mib", connections.bodies_mib, 0, 1 << 20)?;
        whole(
            "connections.head_wait_ms",
            connections.head_wait_ms,
            1,
            3_600_000,
        )?;
        whole(
            "connections.body_wait_ms",
            connections.body_wait_ms,
            1,
            3_600_000,
        )?;
        whole(
            "connections.write_wait_ms",
            connections.write_wait_ms,
            1,
            3_600_000,
        )?;
        whole("memory.loaded", document.memory.loaded.into(), 1, 1_000_000)?;
        whole(
            "otlp.metrics_seconds",
            document.otlp.metrics_seconds,
            1,
            86_400,
        )?;
        if !(0.0..=1.0).contains(&document.otlp.ratio) {
            return Err(self.refusal("otlp.ratio", "it must lie between 0 and 1"));
        }
        let tls = &document.tls;
        match (
            tls.certificate.as_os_str().is_empty(),
            tls.key.as_os_str().is_empty(),
        ) {
            (false, true) => Err(self.refusal("tls.key", "a certificate needs its key")),
            (true, false) => Err(self.refusal("tls.certificate", "a key needs its certificate")),
            _ => Ok(()),
        }
    }

    fn refusal(&self, key: &str, reason: &str) -> ConfigurationError {
        let entry = self
            .entries
            .iter()
            .find(|entry| entry.key == key)
            .expect("only members are judged");
        ConfigurationError::Value {
            key: key.into(),
            value: entry.value.clone(),
            origin: entry.origin.clone(),
            reason: reason.into(),
        }
    }
}

impl Default for Configuration {
    fn default() -> Self {
        Configuration::assemble([], None, [], []).expect("the defaults are sound")
    }
}

impl LimitsDocument {
    /// What a request may use, in the runtime's terms.
    pub(crate) fn runtime(&self) -> Limits {
        Limits {
            deadline: Duration::from_millis(self.deadline_ms),
            memory: self.memory_mib << 20,
            table_elements: self.table_elements,
            ..Limits::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flag(key: &str, value: &str) -> Flag {
        ("--set".into(), key.into(), value.into())
    }

    fn variable(name: &str, value: &str) -> (String, String) {
        (name.into(), value.into())
    }

    #[test]
    fn a_flag_beats_the_environment_that_beats_the_file_that_beats_the_default() {
        let file = "queue = 1\nconcurrency = 2\n[limits]\ndeadline_ms = 3\nmemory_mib = 4\n[otlp]\nratio = 1\n";
        let environment = [
            variable("HYALINE_CONCURRENCY", "20"),
            variable("HYALINE_LIMITS_DEADLINE_MS", "30"),
            variable("HYALINE_UNRELATED", "x"),
        ];
        let configuration = Configuration::assemble(
            [],
            Some((Path::new("hyaline.toml"), file)),
            environment,
            [flag("limits.deadline_ms", "300")],
        )
        .unwrap();
        let document = configuration.document();
        assert_eq!(
            (
                document.queue,
                document.concurrency,
                document.limits.deadline_ms,
                document.limits.memory_mib
            ),
            (1, 20, 300, 4)
        );
        let origin = |key: &str| {
            let entry = configuration
                .entries()
                .iter()
                .find(|entry| entry.key == key);
            entry.unwrap().origin.to_string()
        };
        assert_eq!(origin("queue"), "hyaline.toml");
        assert_eq!(origin("concurrency"), "HYALINE_CONCURRENCY");
        assert_eq!(origin("limits.deadline_ms"), "--set");
        assert_eq!(origin("drain_ms"), "default");
    }

    #[test]
    fn refusals_name_the_value_and_who_said_it() {
        let check =
            |file: &str, environment: &[(String, String)], flags: &[Flag], expected: &str| {
                let refused = Configuration::assemble(
                    [],
                    Some((Path::new("h.toml"), file)),
                    environment.to_vec(),
                    flags.to_vec(),
                );
                assert_eq!(refused.unwrap_err().to_string(), expected);
            };
        check(
            "[limits]\nmemory = 4",
            &[],
            &[],
            "h.toml: `limits.memory` cannot be configured; `hyaline config check` lists what can",
        );
        check(
            "",
            &[variable("HYALINE_QUEUE", "many")],
            &[],
            "HYALINE_QUEUE: `queue` is `many`: expected a whole number",
        );
        check(
            "control = \"nowhere\"",
            &[],
            &[],
            "h.toml: `control` is `nowhere`: `nowhere` is neither an address with a port, such as 127.0.0.1:3001, nor `off`",
        );
        check(
            "",
            &[],
            &[flag("concurrency", "0")],
            "--set: `concurrency` is 0: it must lie between 1 and 10000",
        );
        check(
            "[tls]\ncertificate = \"a.pem\"",
            &[],
            &[],
            "default: `tls.key` is \"\": a certificate needs its key",
        );
        check(
            "[log]\nformat = \"xml\"",
            &[],
            &[],
            "h.toml: `log.format` is `xml`: unknown variant `xml`, expected one of `auto`, `json`, `text`",
        );
        check(
            "",
            &[],
            &[flag("nothing.at.all", "1")],
            "--set: `nothing.at.all` cannot be configured; `hyaline config check` lists what can",
        );
    }
}
