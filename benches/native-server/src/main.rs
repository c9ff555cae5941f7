//! A rival: the credit model behind axum and ONNX Runtime, the fastest server a team would write by hand. No sandbox, no
//! instance per request, one numeric thread per request.
//!
//! ```text
//! hyaline-native-server --listen 127.0.0.1:8098 --library libonnxruntime.so --model models/credit/model.onnx
//! ```
//!
//! `POST /predict` takes one row as a JSON object and answers `{"predictions": [{"label", "probabilities"}]}` as a packed
//! function does; `GET /healthz` says when it is ready.

#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::extract::{Json, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use ort::environment::Environment;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session, SessionInputValue};
use ort::value::Tensor;
use serde::{Deserialize, Serialize};

/// A row, as people write it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    age: f32,
    sex: String,
    job: String,
    housing: String,
    saving_accounts: String,
    checking_account: String,
    credit_amount: f32,
    duration: f32,
    purpose: String,
}

/// What is answered.
#[derive(Serialize)]
struct Answer {
    predictions: [Prediction; 1],
}

#[derive(Serialize)]
struct Prediction {
    label: String,
    probabilities: Probabilities,
}

#[derive(Serialize)]
struct Probabilities {
    bad: f32,
    good: f32,
}

/// A cell of a row.
enum Cell {
    Number(f32),
    Text(String),
}

impl Row {
    fn into_cell(mut self, name: &str) -> Option<(Self, Cell)> {
        let text = |text: &mut String| Cell::Text(std::mem::take(text));
        let cell = match name {
            "age" => Cell::Number(self.age),
            "credit_amount" => Cell::Number(self.credit_amount),
            "duration" => Cell::Number(self.duration),
            "sex" => text(&mut self.sex),
            "job" => text(&mut self.job),
            "housing" => text(&mut self.housing),
            "saving_accounts" => text(&mut self.saving_accounts),
            "checking_account" => text(&mut self.checking_account),
            "purpose" => text(&mut self.purpose),
            _ => return None,
        };
        Some((self, cell))
    }
}

/// The model, once per thread of the server: a session runs one request at a time.
struct Model {
    sessions: Vec<Mutex<Session>>,
    next: AtomicUsize,
}

impl Model {
    fn new(environment: &Environment, file: &Path, sessions: usize) -> Result<Model> {
        let open = || -> Result<Mutex<Session>> {
            let builder = Session::builder(environment)?;
            let builder = builder
                .with_optimization_level(GraphOptimizationLevel::All)
                .map_err(ort::Error::<()>::from)?;
            let builder = builder
                .with_intra_threads(1)
                .map_err(ort::Error::<()>::from)?;
            let mut builder = builder
                .with_inter_threads(1)
                .map_err(ort::Error::<()>::from)?;
            Ok(Mutex::new(builder.commit_from_file(file)?))
        };
        Ok(Model {
            sessions: (0..sessions).map(|_| open()).collect::<Result<_>>()?,
            next: AtomicUsize::new(0),
        })
    }

    /// Runs `work` with a session that nobody uses; there are as many as threads, so there is one.
    fn with<T>(&self, work: impl FnOnce(&mut Session) -> T) -> T {
        for session in &self.sessions {
            match session.try_lock() {
                Ok(mut session) => return work(&mut session),
                Err(TryLockError::Poisoned(session)) => return work(&mut session.into_inner()),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        let place = self.next.fetch_add(1, Relaxed) % self.sessions.len();
        let session = self.sessions[place].lock();
        work(&mut session.unwrap_or_else(PoisonError::into_inner))
    }

    fn predict(&self, row: Row) -> Result<Prediction> {
        self.with(|session| {
            let mut row = row;
            let mut cells = Vec::with_capacity(session.inputs().len());
            for input in session.inputs() {
                let name = input.name().to_owned();
                let (rest, cell) = row
                    .into_cell(&name)
                    .with_context(|| format!("a row has no `{name}`"))?;
                row = rest;
                let value: SessionInputValue<'_> = match cell {
                    Cell::Number(number) => Tensor::from_array(([1usize, 1], vec![number]))?.into(),
                    Cell::Text(text) => {
                        Tensor::from_string_array(([1usize, 1], [text].as_slice()))?.into()
                    }
                };
                cells.push((name, value));
            }
            let outputs = session.run(cells)?;
            let (_, labels) = outputs[0].try_extract_strings()?;
            let (_, probabilities) = outputs[1].try_extract_tensor::<f32>()?;
            let (Some(label), [bad, good]) = (labels.into_iter().next(), probabilities) else {
                bail!("the model answers a label and two probabilities");
            };
            Ok(Prediction {
                label,
                probabilities: Probabilities {
                    bad: *bad,
                    good: *good,
                },
            })
        })
    }
}

async fn predict(
    State(model): State<Arc<Model>>,
    Json(row): Json<Row>,
) -> Result<Json<Answer>, (StatusCode, String)> {
    // A prediction is shorter than the way to another thread and back.
    match model.predict(row) {
        Ok(prediction) => Ok(Json(Answer {
            predictions: [prediction],
        })),
        Err(error) => Err((StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}"))),
    }
}

struct Arguments {
    listen: SocketAddr,
    library: PathBuf,
    model: PathBuf,
}

impl Arguments {
    fn parse(words: impl Iterator<Item = String>) -> Result<Arguments> {
        let (mut listen, mut library, mut model) = (None, None, None);
        let mut words = words;
        while let Some(word) = words.next() {
            let slot = match word.as_str() {
                "--listen" => &mut listen,
                "--library" => &mut library,
                "--model" => &mut model,
                _ => bail!("`{word}` is none of --listen, --library and --model"),
            };
            *slot = Some(
                words
                    .next()
                    .with_context(|| format!("{word} needs a value"))?,
            );
        }
        Ok(Arguments {
            listen: listen.context("--listen is missing")?.parse()?,
            library: library.context("--library is missing")?.into(),
            model: model.context("--model is missing")?.into(),
        })
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let environment = ort::init_from(&arguments.library)
        .with_context(|| format!("load {}", arguments.library.display()))?
        .build()?;
    let threads = std::thread::available_parallelism()?.get();
    let model = Model::new(&environment, &arguments.model, threads)
        .with_context(|| format!("load {}", arguments.model.display()))?;
    let routes = Router::new()
        .route("/predict", post(predict))
        .route("/healthz", get(async || "ready"))
        .with_state(Arc::new(model));
    let listener = tokio::net::TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("listen on {}", arguments.listen))?;
    Ok(axum::serve(listener, routes).await?)
}
