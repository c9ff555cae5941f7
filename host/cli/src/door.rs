//! A function's own HTTP door, opened in this process: what is asked here is answered as the same request to a server is.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyaline_pack::card::{Card, Row};
use hyaline_runtime::{Engine, EngineConfig, Failure, Function, Limits, Policy};
use serde_json::{Map, Value};
use tokio::runtime::Runtime;

use crate::progress::Progress;
use crate::question::Subject;
use crate::{host, inspect};

/// Rows in one request: enough for the engine's inner loops, little memory. Where the function answers fewer in one
/// request, it is asked about fewer.
const BATCH: usize = 256;

/// What a question may use. Nobody else waits for this process, so both only stop what would never end.
const DEADLINE: Duration = Duration::from_secs(3600);
const MEMORY: u64 = 1 << 30;

const JSON: &str = "application/json";
const PNG: &str = "image/png";

/// A function that can be asked.
pub(crate) struct Door {
    pub(crate) card: Card,
    function: Function,
    runtime: Runtime,
    progress: Progress,
}

/// What a function answered.
struct Answer {
    status: StatusCode,
    content_type: Vec<u8>,
    body: Bytes,
}

impl Door {
    /// Compiles the function at `path`, or finds it compiled.
    pub(crate) fn open(path: &Path) -> Result<Door> {
        let (component, place) = inspect::read(path)?;
        let card = hyaline_pack::read_card(&component).context(place)?;
        let mut progress = Progress::new();
        progress.step(format_args!("compiling `{}`", card.name));
        let engine = Engine::new(EngineConfig {
            concurrency: 1,
            cache: host::cache_folder(),
            ..EngineConfig::default()
        })?;
        let policy = Policy {
            limits: Limits {
                deadline: DEADLINE,
                memory: MEMORY,
                ..Limits::default()
            },
            ..Policy::default()
        };
        let function = Function::load(&engine, &card.name, &component, policy)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .context("there is no thread to ask in")?;
        Ok(Door {
            card,
            function,
            runtime,
            progress,
        })
    }

    /// Asks at `path` about `subject`; about many rows as often as it takes, and the answers become one, lists appended to
    /// lists.
    pub(crate) fn ask(&mut self, path: &str, subject: &Subject) -> Result<Map<String, Value>> {
        let rows = match subject {
            Subject::Rows(rows) => rows,
            Subject::Picture(file) => {
                self.step();
                return self
                    .send(Request::post(path), PNG, file.clone())?
                    .members(0);
            }
        };
        let (mut whole, mut first, mut most) = (Map::new(), 0, BATCH);
        while first < rows.len() {
            let batch = &rows[first..rows.len().min(first + most)];
            self.progress.step(format_args!(
                "asking `{}` about rows {} to {} of {}",
                self.card.name,
                first + 1,
                first + batch.len(),
                rows.len()
            ));
            let answer = self.send(Request::post(path), JSON, instances(batch))?;
            if answer.status == StatusCode::PAYLOAD_TOO_LARGE && batch.len() > 1 {
                most = batch.len() / 2;
                continue;
            }
            append(&mut whole, answer.members(first)?);
            first += batch.len();
        }
        Ok(whole)
    }

    /// Asks at `path` for the drawing of an explanation, a PNG file.
    pub(crate) fn draw(&mut self, path: &str, subject: &Subject) -> Result<Bytes> {
        self.step();
        let request = Request::post(path).header("accept", PNG);
        let answer = match subject {
            Subject::Rows(rows) => self.send(request, JSON, instances(rows)),
            Subject::Picture(file) => self.send(request, PNG, file.clone()),
        }?;
        if !answer.status.is_success() {
            bail!(answer.refusal(0));
        }
        if answer.content_type != PNG.as_bytes() {
            bail!(
                "`{}` draws nothing; only explanations of pictures are drawn",
                self.card.name
            );
        }
        Ok(answer.body)
    }

    /// Asks at `path` about nothing in particular.
    pub(crate) fn get(&mut self, path: &str) -> Result<Map<String, Value>> {
        self.step();
        self.send(Request::get(path), JSON, Bytes::new())?
            .members(0)
    }

    fn step(&mut self) {
        self.progress
            .step(format_args!("asking `{}`", self.card.name));
    }

    fn send(
        &self,
        request: http::request::Builder,
        content_type: &str,
        body: Bytes,
    ) -> Result<Answer> {
        let request = request
            .header(CONTENT_TYPE, content_type)
            .body(Full::new(body))
            .context("the question does not make a request")?;
        let answer = self.runtime.block_on(async {
            let (head, body) = self.function.handle(request).await?.into_parts();
            let content_type = head.headers.get(CONTENT_TYPE);
            Ok::<_, Failure>(Answer {
                status: head.status,
                content_type: content_type.map_or(Vec::new(), |value| value.as_bytes().to_vec()),
                body: body.collect().await?.to_bytes(),
            })
        });
        answer.with_context(|| format!("`{}` gives no answer", self.card.name))
    }
}

impl Answer {
    /// The members of an answer that is no refusal. A refusal counts rows of the request from 0; people count rows of the
    /// input from 1, and the request began with row `first`.
    fn members(self, first: usize) -> Result<Map<String, Value>> {
        if !self.status.is_success() {
            bail!(self.refusal(first));
        }
        serde_json::from_slice(&self.body)
            .with_context(|| format!("the answer is no JSON object: {}", shortened(&self.body)))
    }

    fn refusal(&self, first: usize) -> anyhow::Error {
        let Ok(said) = serde_json::from_slice::<Value>(&self.body) else {
            return anyhow!("status {}: {}", self.status, shortened(&self.body));
        };
        let text = said["error"].as_str().unwrap_or_default();
        let renumbered = said["row"].as_u64().and_then(|row| {
            let rest = text.strip_prefix(&format!("row {row}"))?;
            Some(format!("row {}{rest}", first as u64 + row + 1))
        });
        anyhow!(renumbered.unwrap_or_else(|| text.to_owned()))
    }
}

/// Rows as the body of a request.
fn instances(rows: &[Row]) -> Bytes {
    serde_json::json!({ "instances": rows }).to_string().into()
}

fn shortened(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(200).collect()
}

/// Appends the lists of `more` to those of `whole`; what is no list is what it was.
fn append(whole: &mut Map<String, Value>, more: Map<String, Value>) {
    for (name, value) in more {
        match (whole.get_mut(&name), value) {
            (Some(Value::Array(items)), Value::Array(more)) => items.extend(more),
            (Some(_), _) => {}
            (None, value) => drop(whole.insert(name, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str, first: usize) -> String {
        let answer = Answer {
            status: StatusCode::BAD_REQUEST,
            content_type: Vec::new(),
            body: Bytes::copy_from_slice(text.as_bytes()),
        };
        answer.members(first).expect_err("refused").to_string()
    }

    #[test]
    fn rows_of_a_refusal_are_counted_as_people_count_them() {
        let said = r#"{"error":"row 2, feature `age`: expected a number","row":2,"feature":"age"}"#;
        assert_eq!(
            refused(said, 256),
            "row 259, feature `age`: expected a number"
        );
        assert_eq!(refused(r#"{"error":"no model"}"#, 256), "no model");
        assert_eq!(refused("<html>", 0), "status 400 Bad Request: <html>");
    }

    #[test]
    fn answers_about_batches_become_one() {
        let object = |text: &str| serde_json::from_str::<Map<String, Value>>(text).expect("JSON");
        let mut whole = object(r#"{"predictions":[1,2],"model":"m"}"#);
        append(&mut whole, object(r#"{"predictions":[3],"model":"m"}"#));
        assert_eq!(whole, object(r#"{"predictions":[1,2,3],"model":"m"}"#));
    }
}
