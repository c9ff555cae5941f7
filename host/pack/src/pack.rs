//! The way from a recipe to a component.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hyaline_explain::{ExplainError, Explainer, Method};
use hyaline_formats::ImportError;
use hyaline_model::{Batch, Core, ImageError, Model, ModelParts};
use serde_json::Value;

use crate::card::{self, Card, ExplainerCard, Golden};
use crate::covers::{self, Covers};
use crate::describe::{DescribeError, describe, golden_rows};
use crate::digest::sha256;
use crate::engine::{Engine, TABULAR};
use crate::import::import;
use crate::json;
use crate::mlflow::{self, MlflowError, MlflowModel};
use crate::proof::{ProofError, golden, prove};
use crate::recipe::{Data, Recipe};
use crate::reference::{Reference, ReferenceError};
use crate::report::{Report, Step, Steps};
use crate::sandbox::{Cause, Sandbox};
use crate::snapshot::{self, SnapshotError};
use crate::stamp::{memory_bytes, stamp};

/// The files a recipe names.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// The model file.
    pub model: Vec<u8>,
    /// The reference data, CSV with a header.
    pub reference: Option<Vec<u8>>,
    /// What an MLflow model folder says of the model, where it came from one.
    pub mlflow: Option<MlflowModel>,
}

/// Files that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The file system refuses.
    #[error("{what} {} cannot be read", .path.display())]
    Unreadable {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The folder has no model to pack.
    #[error(transparent)]
    Mlflow(#[from] MlflowError),
}

impl Inputs {
    /// Reads the files of `recipe`. A model path that is an MLflow folder stands for the best of the folder's files.
    ///
    /// # Errors
    /// [`InputError`] naming the file.
    pub fn read(recipe: &Recipe) -> Result<Inputs, InputError> {
        let read = |what, path: &Path| {
            std::fs::read(path).map_err(|source| InputError::Unreadable {
                what,
                path: path.to_owned(),
                source,
            })
        };
        let path = &recipe.model.path;
        let mlflow = mlflow::is_model(path)
            .then(|| MlflowModel::read(path))
            .transpose()?;
        let model = mlflow.as_ref().map_or(path, |mlflow| &mlflow.path);
        Ok(Inputs {
            model: read("the model", model)?,
            reference: recipe
                .data
                .as_ref()
                .map(|data| read("the reference data", &data.path))
                .transpose()?,
            mlflow,
        })
    }
}

/// A packed function.
#[derive(Clone, Debug)]
pub struct Packed {
    /// The component: what is deployed.
    pub component: Vec<u8>,
    /// Its card.
    pub card: Card,
    /// How it came about.
    pub report: Report,
}

/// Why nothing was packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The model file is refused.
    #[error("the model cannot be packed")]
    Import(#[source] ImportError),
    /// The reference data is refused.
    #[error("the reference data cannot be used")]
    Reference(#[source] ReferenceError),
    /// Recipe, data and model do not fit.
    #[error("recipe, data and model do not fit each other")]
    Describe(#[source] DescribeError),
    /// The parts make no model.
    #[error("the function cannot be made")]
    Model(#[source] ImageError),
    /// The model has no such explainer.
    #[error("the explainer cannot be prepared")]
    Explainer(#[source] ExplainError),
    /// The engine cannot run the model.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The sandbox does not start.
    #[error("the sandbox cannot be started")]
    Sandbox(#[source] Cause),
    /// The answers differ.
    #[error("the proof failed")]
    Proof(#[source] ProofError),
    /// The snapshot is no component.
    #[error("the packed component is damaged")]
    Damaged(#[source] Cause),
}

/// Packs a model. Equal recipes and inputs give equal bytes. `announce` is told each step as it begins.
///
/// # Errors
/// [`PackError`] when anything is refused, or the packed function would answer otherwise than the model does.
pub fn pack(
    recipe: &Recipe,
    inputs: &Inputs,
    announce: &mut dyn FnMut(Step),
) -> Result<Packed, PackError> {
    let mut steps = Steps::new(announce);
    steps.begin(Step::Import);
    let target = recipe.data.as_ref().and_then(|data| data.target.as_deref());
    let reference = inputs
        .reference
        .as_deref()
        .map(Reference::parse)
        .transpose()
        .map_err(PackError::Reference)?;
    let names = reference
        .as_ref()
        .map(|reference| reference.feature_names(target))
        .transpose();
    let names = names.map_err(PackError::Reference)?;
    let signature = inputs
        .mlflow
        .as_ref()
        .map_or(&[][..], |mlflow| &mlflow.columns);
    let mut imported = import(
        recipe,
        &inputs.model,
        reference.as_ref(),
        names.as_deref(),
        signature,
    )
    .map_err(PackError::Import)?;
    let mut notes = inputs
        .mlflow
        .as_ref()
        .map_or_else(Vec::new, |mlflow| mlflow.notes.clone());
    notes.append(&mut imported.notes);

    steps.begin(Step::Describe);
    let mut parts =
        describe(imported, recipe, reference.as_ref(), signature).map_err(PackError::Describe)?;
    let mut model = Model::new(parts.clone()).map_err(PackError::Model)?;
    let rows = reference
        .as_ref()
        .map(|reference| reference.batch(&parts.schema, &parts.symbols))
        .transpose();
    let rows = rows.map_err(PackError::Reference)?;
    let covers = covers::count(&mut parts, &model, rows.as_ref())
        .map_err(|error| PackError::Explainer(error.into()))?;
    if covers != Covers::File {
        model = Model::new(parts.clone()).map_err(PackError::Model)?;
    }

    steps.begin(Step::Answer);
    let explainer = Explainer::new(&model).map_err(PackError::Explainer)?;
    let (batch, rows) = match (&reference, &recipe.data) {
        (Some(reference), Some(data)) => {
            golden_rows(&model, reference, data.golden).map_err(PackError::Reference)?
        }
        _ => example_rows(&model, inputs.mlflow.as_ref(), &mut notes),
    };
    let golden = golden(&model, &explainer, &batch, rows).map_err(PackError::Proof)?;
    let explainer = explainer_card(model.parts(), &explainer, covers, &golden);
    let mut card = draft(recipe, &model, explainer, &inputs.model);
    parts.card = card.to_json();
    let image = Model::new(parts).map_err(PackError::Model)?.to_image();

    steps.begin(Step::Load);
    let engine = TABULAR;
    let sandbox = Sandbox::new().map_err(PackError::Sandbox)?;
    let mut snapshot = snapshot::take(&sandbox, engine.component, &image)?;

    steps.begin(Step::Prove);
    prove(
        &mut snapshot.loaded,
        "the loaded engine",
        "the model",
        &card.features,
        &golden,
    )
    .map_err(PackError::Proof)?;
    let mut fresh = sandbox
        .instantiate(&snapshot.component)
        .map_err(PackError::Damaged)?;
    prove(
        &mut fresh,
        "the packed component",
        "the model",
        &card.features,
        &golden,
    )
    .map_err(PackError::Proof)?;

    steps.begin(Step::Stamp);
    seal(&mut card, engine, &image, golden);
    let memory_bytes =
        memory_bytes(&snapshot.component).map_err(|error| PackError::Damaged(error.into()))?;
    let component = stamp(snapshot.component, &card.to_json());
    let report = Report {
        engine: engine.name,
        engine_bytes: engine.component.len() as u64,
        image_bytes: image.len() as u64,
        component_bytes: component.len() as u64,
        memory_bytes,
        explainer: card.explainer.clone(),
        golden_rows: batch.rows(),
        notes,
        steps: steps.finish(),
    };
    Ok(Packed {
        component,
        card,
        report,
    })
}

/// Golden rows without reference data: those of an MLflow input example, else the model's example row.
fn example_rows(
    model: &Model,
    mlflow: Option<&MlflowModel>,
    notes: &mut Vec<String>,
) -> (Batch, Vec<card::Row>) {
    let example = mlflow.and_then(|mlflow| mlflow.example.as_deref());
    let rows = example.map(|example| {
        let example = Reference::parse(example)?;
        golden_rows(model, &example, Data::default_golden())
    });
    match rows {
        Some(Ok(rows)) => return rows,
        Some(Err(error)) => {
            notes.push(format!("the input example does not fit the model: {error}"));
        }
        None => {}
    }
    let example = model.example();
    let row = card::row(model, &example, 0, |_| None);
    (example, vec![row])
}

/// The card as the model image carries it: everything but what is known only afterwards.
fn draft(recipe: &Recipe, model: &Model, explainer: ExplainerCard, file: &[u8]) -> Card {
    let parts = model.parts();
    let labels = card::labels(&parts.head);
    let binary = card::task(&parts.head) == "classification" && labels.len() == 2;
    let mut digests = BTreeMap::from([("model".to_owned(), sha256(file))]);
    if let Some(background) = &parts.background {
        let rows = (0..background.rows())
            .map(|row| card::row(model, background, row, |_| None).into())
            .collect();
        digests.insert(
            "background".to_owned(),
            sha256(json::canonical(&Value::Array(rows)).as_bytes()),
        );
    }
    Card {
        name: parts.name.clone(),
        version: parts.version.clone(),
        title: recipe
            .function
            .title
            .clone()
            .unwrap_or_else(|| parts.name.clone()),
        description: recipe.function.description.clone(),
        task: card::task(&parts.head).to_owned(),
        target: recipe.output.target.clone(),
        positive: binary
            .then(|| labels.get(parts.positive as usize).cloned())
            .flatten(),
        labels,
        features: model
            .schema()
            .features()
            .iter()
            .map(card::feature)
            .collect(),
        explainer,
        metrics: recipe.metrics.clone(),
        licence: recipe.licence.clone(),
        digests,
        tools: BTreeMap::from([
            ("hyaline".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            (
                "wasmtime".to_owned(),
                env!("HYALINE_WASMTIME_VERSION").to_owned(),
            ),
        ]),
        example: card::row(model, &model.example(), 0, |_| None),
        golden: None,
    }
}

fn seal(card: &mut Card, engine: Engine, image: &[u8], golden: Golden) {
    card.digests
        .insert("engine".to_owned(), sha256(engine.component));
    card.digests.insert("image".to_owned(), sha256(image));
    card.golden = Some(golden);
}

fn explainer_card(
    parts: &ModelParts,
    explainer: &Explainer,
    covers: Covers,
    golden: &Golden,
) -> ExplainerCard {
    let background_rows = parts.background.as_ref().map_or(0, Batch::rows);
    let features = parts.schema.len();
    let answered = golden.answers.explanations.as_ref().ok();
    let reason = match (explainer.default_method(), &golden.answers.explanations) {
        (Some(Method::Interventional), _) => {
            format!("trees, exactly, against the {background_rows} background rows of the reference data")
        }
        (Some(Method::PathDependent), _) => match covers {
            Covers::Counted(rows) => format!(
                "trees, exactly, by covers counted from the {rows} rows of the reference data (the model file has none)"
            ),
            Covers::File if parts.background.is_some() => {
                "trees, exactly, by the covers that the model file carries, as the recipe asks".to_owned()
            }
            Covers::File => "trees, exactly, by the covers that the model file carries; with reference data the method \
                             would be interventional"
                .to_owned(),
        },
        (Some(Method::Linear), _) => {
            format!("a linear model in closed form, against the {background_rows} background rows of the reference data")
        }
        (Some(Method::Enumeration), _) => match parts.core {
            Core::Additive { .. } => format!("all coalitions of its {features} features, exactly"),
            Core::Opaque => format!(
                "the model is neither a tree ensemble nor linear in its encoded columns; all coalitions of its \
                 {features} features are few enough to be exact"
            ),
        },
        (Some(Method::Leverage | Method::Kernel | Method::Permutation), _) => format!(
            "sampled coalitions of its {features} features against the {background_rows} background rows, with a standard \
             error for every value"
        ),
        (None, Err(refusal)) => refusal.clone(),
        (None, Ok(_)) => "the method is chosen by each request".to_owned(),
    };
    ExplainerCard {
        method: explainer
            .default_method()
            .map_or("none", Method::name)
            .to_owned(),
        reason,
        exact: answered.is_some_and(|explanations| explanations.exact),
        space: answered.map(|explanations| explanations.space.clone()),
        background_rows,
        table_budget: explainer.settings().table_budget,
        enumeration_limit: explainer.settings().enumeration_limit,
    }
}
