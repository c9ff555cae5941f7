//! MLflow model folders: which of its files is packed, and what its `MLmodel` says of the columns.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// Name of the file that makes a folder an MLflow model.
pub const FILE_NAME: &str = "MLmodel";

/// What is packed of a folder.
#[derive(Clone, Debug, PartialEq)]
pub struct MlflowModel {
    /// The model file.
    pub path: PathBuf,
    /// The columns of the signature, in order; none when the folder has no signature of named columns.
    pub columns: Vec<SignatureColumn>,
    /// The rows of the input example as CSV with a header; none when the folder has no table for an example.
    pub example: Option<Vec<u8>>,
    /// What a user should know: which flavour was taken.
    pub notes: Vec<String>,
}

/// A column of a signature.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SignatureColumn {
    /// Name in a row.
    pub name: String,
    /// MLflow's type: `double`, `float`, `long`, `integer`, `boolean`, `string`, …
    #[serde(rename = "type")]
    pub kind: String,
}

/// Why a folder gives no model.
#[derive(Debug, thiserror::Error)]
pub enum MlflowError {
    /// A file of the folder cannot be read.
    #[error("{} cannot be read", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The description breaks a rule; the place is in the words.
    #[error("{} is no description of an MLflow model: {reason}", .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// No flavour has a file that can be packed.
    #[error("the MLflow model {} has no file that can be packed: {reason}", .folder.display())]
    Flavour {
        /// The folder.
        folder: PathBuf,
        /// What there is, and the way out.
        reason: String,
    },
}

#[derive(Debug, Deserialize)]
struct Description {
    flavors: BTreeMap<String, Flavour>,
    signature: Option<Signature>,
    saved_input_example_info: Option<ExampleInfo>,
}

#[derive(Debug, Default, Deserialize)]
struct Flavour {
    /// The model file; some flavours write more than a path.
    #[serde(default)]
    data: Value,
}

#[derive(Debug, Deserialize)]
struct Signature {
    /// JSON in a text.
    inputs: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ExampleInfo {
    artifact_path: String,
    pandas_orient: Option<String>,
}

/// A table as pandas writes it with `orient="split"`.
#[derive(Debug, Deserialize)]
struct Table {
    columns: Vec<String>,
    data: Vec<Vec<Value>>,
}

/// Flavours whose files can be read, the one first that is taken first.
const FLAVOURS: [&str; 4] = ["onnx", "lightgbm", "xgboost", "catboost"];

/// Names under which a pickled scikit-learn model can have its ONNX form beside it.
const ONNX_BESIDE: &str = "model.onnx";

/// Whether `path` is an MLflow model: a folder with an `MLmodel`.
pub fn is_model(path: &Path) -> bool {
    path.join(FILE_NAME).is_file()
}

impl MlflowModel {
    /// Reads the description of `folder` and chooses the file to pack.
    ///
    /// # Errors
    /// [`MlflowError`] naming the file, or the flavours there are and what to save instead.
    pub fn read(folder: &Path) -> Result<MlflowModel, MlflowError> {
        let path = folder.join(FILE_NAME);
        let text = std::fs::read_to_string(&path).map_err(|source| MlflowError::Unreadable {
            path: path.clone(),
            source,
        })?;
        let invalid = |reason: String| MlflowError::Invalid {
            path: path.clone(),
            reason,
        };
        let description: Description =
            serde_saphyr::from_str(&text).map_err(|error| invalid(error.to_string()))?;
        let (model, mut notes) = choose(folder, &description.flavors)?;
        let columns = description
            .signature
            .and_then(|signature| signature.inputs)
            .map_or(Ok(Vec::new()), |inputs| signature_columns(&inputs))
            .map_err(|error| invalid(format!("signature.inputs: {error}")))?;
        let example = match description.saved_input_example_info {
            None => None,
            Some(info) => {
                let rows = example(folder, &info);
                if rows.is_none() {
                    notes.push(format!(
                        "the input example `{}` is no table of named columns and is not used",
                        info.artifact_path
                    ));
                }
                rows
            }
        };
        Ok(MlflowModel {
            path: model,
            columns,
            example,
            notes,
        })
    }
}

/// The file of the first flavour that has one to read.
fn choose(
    folder: &Path,
    flavours: &BTreeMap<String, Flavour>,
) -> Result<(PathBuf, Vec<String>), MlflowError> {
    let refuse = |reason: String| {
        Err(MlflowError::Flavour {
            folder: folder.to_owned(),
            reason,
        })
    };
    let mut why_not = None;
    for name in FLAVOURS {
        let Some(flavour) = flavours.get(name) else {
            continue;
        };
        let Some(file) = flavour.data.as_str().and_then(|data| inside(folder, data)) else {
            why_not = why_not.or(Some(format!(
                "the flavour `{name}` names no file in the folder (data is {})",
                flavour.data
            )));
            continue;
        };
        if let Some(remedy) = unreadable(name, &file) {
            why_not = why_not.or(Some(remedy));
            continue;
        }
        let others: Vec<String> = flavours
            .keys()
            .filter(|other| *other != name && *other != "python_function")
            .map(|other| format!("`{other}`"))
            .collect();
        let mut note = format!("MLflow flavour `{name}`");
        if !others.is_empty() {
            note += &format!(
                ": the first that can be read of the folder's flavours (also {})",
                others.join(", ")
            );
        }
        return Ok((file, vec![note]));
    }
    let onnx = folder.join(ONNX_BESIDE);
    if onnx.is_file() {
        let note = format!("the ONNX form `{ONNX_BESIDE}` beside the pickled model");
        return Ok((onnx, vec![note]));
    }
    if let Some(reason) = why_not {
        return refuse(reason);
    }
    if flavours.contains_key("sklearn") {
        return refuse(format!(
            "the flavour `sklearn` is a pickle, which runs code when it is opened; export the model and save it beside \
             the pickle: `from skl2onnx import to_onnx; \
             open(\"{ONNX_BESIDE}\", \"wb\").write(to_onnx(model, X[:1], options={{\"zipmap\": False}}).SerializeToString())`"
        ));
    }
    let names: Vec<String> = flavours.keys().map(|name| format!("`{name}`")).collect();
    refuse(format!(
        "its flavours are {}; save the model with the flavour onnx, lightgbm, xgboost or catboost, or put its ONNX form \
         into the folder as `{ONNX_BESIDE}`",
        names.join(", ")
    ))
}

/// Why the file of a flavour is not read, and what to save instead.
fn unreadable(flavour: &str, file: &Path) -> Option<String> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let pickled = [".pkl", ".skops", ".pickle", ".joblib", ".cloudpickle"]
        .iter()
        .any(|ending| name.ends_with(ending));
    match flavour {
        "lightgbm" if pickled => Some(format!(
            "`{name}` holds the scikit-learn interface of LightGBM as Python objects; save the booster itself: \
             `mlflow.lightgbm.save_model(model.booster_, path, signature=signature)`"
        )),
        "xgboost" if pickled => Some(format!(
            "`{name}` holds Python objects; save XGBoost's own format: \
             `mlflow.xgboost.save_model(model, path, model_format=\"ubj\")`"
        )),
        "catboost" if std::fs::read(file).is_ok_and(|bytes| bytes.starts_with(b"CBM1")) => {
            Some(format!(
                "`{name}` is CatBoost's binary format; save its JSON: \
                 `mlflow.catboost.save_model(model, path, format=\"json\")`"
            ))
        }
        _ => None,
    }
}

/// The file `data` of the folder; `None` when the path leaves it or there is no such file.
fn inside(folder: &Path, data: &str) -> Option<PathBuf> {
    let relative = Path::new(data);
    let plain = relative
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let file = folder.join(relative);
    (plain && file.is_file()).then_some(file)
}

/// The named columns of a signature; none for tensors.
fn signature_columns(inputs: &str) -> Result<Vec<SignatureColumn>, serde_json::Error> {
    let columns: Vec<Value> = serde_json::from_str(inputs)?;
    if columns
        .iter()
        .any(|column| column.get("name").is_none() || !column["type"].is_string())
    {
        return Ok(Vec::new());
    }
    columns.into_iter().map(serde_json::from_value).collect()
}

/// The rows of an input example as CSV.
fn example(folder: &Path, info: &ExampleInfo) -> Option<Vec<u8>> {
    if info.pandas_orient.as_deref() != Some("split") {
        return None;
    }
    let file = inside(folder, &info.artifact_path)?;
    let table: Table = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&table.columns).ok()?;
    for row in &table.data {
        let cells: Option<Vec<String>> = row.iter().map(cell).collect();
        writer.write_record(cells?).ok()?;
    }
    writer.into_inner().ok()
}

fn cell(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../tests/fixtures/mlflow")
            .join(name)
    }

    fn taken(name: &str) -> (String, Vec<String>) {
        let model = MlflowModel::read(&fixture(name)).unwrap_or_else(|error| panic!("{error}"));
        let file = model.path.strip_prefix(fixture(name)).expect("inside");
        assert_eq!(
            model
                .columns
                .iter()
                .map(|column| (&*column.name, &*column.kind))
                .collect::<Vec<_>>(),
            [
                ("length", "double"),
                ("width", "double"),
                ("weight", "double"),
                ("doors", "long")
            ]
        );
        let example = model.example.expect("an example");
        assert!(
            example.starts_with(b"length,width,weight,doors\n"),
            "{name}"
        );
        (file.to_string_lossy().into_owned(), model.notes)
    }

    #[test]
    fn the_file_of_each_flavour_is_found() {
        for (folder, file, note) in [
            ("onnx", "model.onnx", "MLflow flavour `onnx`"),
            ("lightgbm", "model.lgb", "MLflow flavour `lightgbm`"),
            ("xgboost", "model.ubj", "MLflow flavour `xgboost`"),
            ("catboost", "model.cb", "MLflow flavour `catboost`"),
            (
                "sklearn_with_onnx",
                "model.onnx",
                "the ONNX form `model.onnx` beside the pickled model",
            ),
            (
                "several_flavours",
                "model.onnx",
                "MLflow flavour `onnx`: the first that can be read of the folder's flavours (also `xgboost`)",
            ),
        ] {
            assert_eq!(
                taken(folder),
                (file.to_owned(), vec![note.to_owned()]),
                "{folder}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_what_to_save_instead() {
        for (folder, words) in [
            (
                "lightgbm_pickled",
                "`model.skops` holds the scikit-learn interface of LightGBM as Python objects; save the booster itself: \
                 `mlflow.lightgbm.save_model(model.booster_, path, signature=signature)`",
            ),
            (
                "catboost_binary",
                "`model.cb` is CatBoost's binary format; save its JSON: \
                 `mlflow.catboost.save_model(model, path, format=\"json\")`",
            ),
            (
                "sklearn",
                "the flavour `sklearn` is a pickle, which runs code when it is opened; export the model and save it \
                 beside the pickle: `from skl2onnx import to_onnx; open(\"model.onnx\", \"wb\").write(to_onnx(model, \
                 X[:1], options={\"zipmap\": False}).SerializeToString())`",
            ),
        ] {
            let error = MlflowModel::read(&fixture(folder)).expect_err("refused");
            let said = error.to_string();
            assert!(said.ends_with(words) && said.contains(folder), "{said}");
        }
    }

    fn chosen(text: &str) -> String {
        let description: Description = serde_saphyr::from_str(text).expect("a description");
        match choose(Path::new("folder"), &description.flavors) {
            Ok((file, _)) => file.display().to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn other_flavours_and_paths_outside_are_refused() {
        let torch =
            "flavors:\n  pytorch:\n    model_data: data\n  python_function:\n    data: data\n";
        assert_eq!(
            chosen(torch),
            "the MLflow model folder has no file that can be packed: its flavours are `python_function`, `pytorch`; save \
             the model with the flavour onnx, lightgbm, xgboost or catboost, or put its ONNX form into the folder as \
             `model.onnx`"
        );
        let outside = "flavors:\n  onnx:\n    data: ../../Cargo.toml\n";
        assert_eq!(
            chosen(outside),
            "the MLflow model folder has no file that can be packed: the flavour `onnx` names no file in the folder \
             (data is \"../../Cargo.toml\")"
        );
    }

    #[test]
    fn a_signature_of_tensors_has_no_columns() {
        let tensors =
            r#"[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 4]}}]"#;
        assert_eq!(signature_columns(tensors).expect("JSON"), []);
        assert!(signature_columns("[").is_err());
    }
}
