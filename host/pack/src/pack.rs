//! The way from a recipe to a component.

use std::path::{Path, PathBuf};

use hyaline_explain::{ExplainError, Explainer};
use hyaline_formats::ImportError;
use hyaline_model::{Batch, ImageError, Model, ModelParts};

use crate::card::{self, Card, EngineCard, Golden};
use crate::covers::{self, Covers};
use crate::describe::{DescribeError, describe, golden_rows};
use crate::digest::sha256;
use crate::draft::{Findings, draft, explainer_card};
use crate::engine::{self, Engine};
use crate::held_out::{self, HeldOutError, Trusted};
use crate::import::import;
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
    /// The reference data, CSV with a header or an .npy file.
    pub reference: Option<Vec<u8>>,
    /// The answers beside reference data that is an .npy file.
    pub answers: Option<Vec<u8>>,
    /// Held-out rows, CSV with a header.
    pub calibration: Option<Vec<u8>>,
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
        let data = recipe.data.as_ref();
        let path = &recipe.model.path;
        let mlflow = mlflow::is_model(path)
            .then(|| MlflowModel::read(path))
            .transpose()?;
        let model = mlflow.as_ref().map_or(path, |mlflow| &mlflow.path);
        Ok(Inputs {
            model: read("the model", model)?,
            reference: data
                .map(|data| read("the reference data", &data.path))
                .transpose()?,
            answers: data
                .and_then(Data::target_file)
                .map(|path| read("the answers", path))
                .transpose()?,
            calibration: data
                .and_then(|data| data.calibration.as_deref())
                .map(|path| read("the calibration data", path))
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
    /// Held-out rows do not give what the recipe asks of them.
    #[error("the model cannot be calibrated or its uncertainty measured")]
    HeldOut(#[source] HeldOutError),
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
        .map(|rows| Reference::parse(rows, inputs.answers.as_deref()))
        .transpose()
        .map_err(PackError::Reference)?;
    let names = reference
        .as_ref()
        .map(|reference| reference.feature_names(target))
        .transpose();
    let names = names.map_err(PackError::Reference)?.flatten();
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
    let parts =
        describe(imported, recipe, reference.as_ref(), signature).map_err(PackError::Describe)?;
    let Trusted {
        mut parts,
        calibration,
        uncertainty,
    } = held_out::apply(parts, recipe, inputs.calibration.as_deref())
        .map_err(PackError::HeldOut)?;
    note_fewer_rows(recipe, reference.as_ref(), &parts, &mut notes);
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
    let (engine, reason) = engine::choose(model.graph());
    let mut card = draft(
        recipe,
        &model,
        &inputs.model,
        Findings {
            engine: EngineCard {
                name: engine.name.to_owned(),
                reason: reason.clone(),
            },
            explainer: explainer_card(model.parts(), &explainer, covers, &golden),
            calibration,
            uncertainty,
        },
    );
    parts.card = card.to_json();
    let image = Model::new(parts).map_err(PackError::Model)?.to_image();

    steps.begin(Step::Load);
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
        engine_reason: reason,
        engine_bytes: engine.component.len() as u64,
        image_bytes: image.len() as u64,
        component_bytes: component.len() as u64,
        memory_bytes,
        explainer: card.explainer.clone(),
        calibration: card.calibration.clone(),
        uncertainty: card.uncertainty.clone(),
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

/// Says so when tensors are so large that fewer rows are kept than the recipe asks for.
fn note_fewer_rows(
    recipe: &Recipe,
    reference: Option<&Reference>,
    parts: &ModelParts,
    notes: &mut Vec<String>,
) {
    let (Some(data), Some(reference)) = (&recipe.data, reference) else {
        return;
    };
    let background = parts.background.as_ref().map_or(0, Batch::rows);
    let kept = parts.reference.as_ref().map_or(0, |kept| kept.rows.rows());
    for (what, asked, found) in [
        ("background", data.background, background),
        ("reference", data.reference, kept),
    ] {
        let asked = asked.min(reference.rows());
        if found < asked {
            notes.push(format!(
                "{found} {what} rows are kept, not {asked}: their tensors would make the function too large"
            ));
        }
    }
}

/// Golden rows without reference data: those of an MLflow input example, else the model's example row.
fn example_rows(
    model: &Model,
    mlflow: Option<&MlflowModel>,
    notes: &mut Vec<String>,
) -> (Batch, Vec<card::Row>) {
    let example = mlflow.and_then(|mlflow| mlflow.example.as_deref());
    let rows = example.map(|example| {
        let example = Reference::parse(example, None)?;
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

/// What is known only once it is packed.
fn seal(card: &mut Card, engine: Engine, image: &[u8], golden: Golden) {
    card.digests
        .insert("engine".to_owned(), sha256(engine.component));
    card.digests.insert("image".to_owned(), sha256(image));
    card.golden = Some(golden);
}
