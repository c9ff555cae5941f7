//! The recipe: everything `hyaline pack` needs to know besides the model and the data, as `function.toml` or as flags.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hyaline_model::ExplainerSettings;
pub use hyaline_model::Method;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// Name of a recipe in its folder.
pub const FILE_NAME: &str = "function.toml";

/// What to pack, and how. Unknown keys are refused.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// `[function]`: what the function is called.
    pub function: Function,
    /// `[model]`: the trained model.
    pub model: Source,
    /// `[data]`: reference rows; without them there are no statistics, no background and no golden rows.
    pub data: Option<Data>,
    /// `[explainer]`: how explanations are prepared.
    #[serde(default)]
    pub explainer: Explainer,
    /// `[features."name"]`: what is known of a feature beyond model and data.
    #[serde(default)]
    pub features: BTreeMap<String, FeatureNote>,
    /// `[uncertainty]`: prediction intervals and sets from held-out rows; none without it.
    pub uncertainty: Option<Uncertainty>,
    /// `[calibration]`: calibrated probabilities; the model's own without it.
    pub calibration: Option<Calibration>,
    /// `[output]`: names of the answers.
    #[serde(default)]
    pub output: Output,
    /// `[metrics]`: figures on held-out data, copied to the card.
    #[serde(default)]
    pub metrics: BTreeMap<String, f64>,
    /// `[licence]`: licences of the parts (`data`, `model`), copied to the card.
    #[serde(default)]
    pub licence: BTreeMap<String, String>,
}

/// `[function]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// Name in routes and protocols: letters, digits, `.`, `_`, `-`.
    pub name: String,
    /// A line for people; the name when absent.
    pub title: Option<String>,
    /// What the function decides, from what, for whom.
    #[serde(default)]
    pub description: String,
    /// Version text; `1` when absent.
    pub version: Option<String>,
}

/// `[model]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The model file; relative paths start at the recipe's folder.
    pub path: PathBuf,
    /// The label that explanations of a binary classifier speak about; the second label when absent.
    pub positive: Option<String>,
}

/// `[data]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// A CSV file with a header, or an .npy file of shape `[rows, …]`; relative paths start at the recipe's folder.
    pub path: PathBuf,
    /// The column that is the answer, not a feature; beside an .npy file the .npy file of the answers.
    pub target: Option<String>,
    /// Rows kept in the function with their answers, for explanations of the data as a whole; 0 keeps none. Chosen like the
    /// background.
    #[serde(default = "Data::default_reference")]
    pub reference: usize,
    /// A CSV file of rows that neither trained nor tuned the model, with the target, for `[uncertainty]` and
    /// `[calibration]`; half of the reference rows when absent.
    pub calibration: Option<PathBuf>,
    /// Rows of the background: row `floor(i * n / background)` of the `n` rows, for each `i`.
    #[serde(default = "Data::default_background")]
    pub background: usize,
    /// Rows kept on the card with their expected answers, chosen in the same way.
    #[serde(default = "Data::default_golden")]
    pub golden: usize,
}

impl Data {
    /// Rows of `path` with everything else as a recipe that does not mention it.
    pub fn new(path: PathBuf) -> Data {
        Data {
            path,
            target: None,
            reference: Data::default_reference(),
            calibration: None,
            background: Data::default_background(),
            golden: Data::default_golden(),
        }
    }

    /// The .npy file of the answers, where the data is one, too.
    pub fn target_file(&self) -> Option<&Path> {
        let array = |path: &Path| path.extension().is_some_and(|extension| extension == "npy");
        let target = Path::new(self.target.as_deref()?);
        (array(&self.path) && array(target)).then_some(target)
    }

    /// Rows kept in the function unless the recipe says otherwise.
    pub fn default_reference() -> usize {
        1000
    }

    /// Rows of the background unless the recipe says otherwise.
    pub fn default_background() -> usize {
        100
    }

    /// Golden rows unless the recipe says otherwise.
    pub fn default_golden() -> usize {
        8
    }
}

/// `[explainer]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Explainer {
    /// The method a request gets that names none; chosen by the model when absent.
    #[serde(default, deserialize_with = "method")]
    pub method: Option<Method>,
    /// Most MiB that tables of the tree methods may take.
    pub table_mib: Option<u16>,
}

impl Explainer {
    /// What the model image carries of it.
    pub(crate) fn settings(&self) -> ExplainerSettings {
        let default = ExplainerSettings::default();
        ExplainerSettings {
            method: self.method,
            table_budget: self
                .table_mib
                .map_or(default.table_budget, |mib| u64::from(mib) << 20),
            ..default
        }
    }
}

/// A method by its name.
fn method<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Method>, D::Error> {
    let name = String::deserialize(deserializer)?;
    let known = || {
        let names = Method::ALL.map(|method| format!("`{}`", method.name()));
        format!(
            "unknown method `{name}`, expected one of {}",
            names.join(", ")
        )
    };
    Method::from_name(&name)
        .map(Some)
        .ok_or_else(|| D::Error::custom(known()))
}

/// Type of a feature in a recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A real number.
    Number,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// A text out of a set.
    Category,
    /// Free text.
    Text,
    /// A tensor that is a picture.
    Image,
}

/// `[features."name"]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureNote {
    /// One sentence for people.
    #[serde(default)]
    pub description: String,
    /// The type; the model's own when absent.
    pub kind: Option<Kind>,
    /// Unit of the values, e.g. `months`.
    pub unit: Option<String>,
    /// Values of a category in display order.
    pub categories: Option<Vec<String>>,
    /// Whether no counterfactual may change it.
    #[serde(default)]
    pub immutable: bool,
    /// What a counterfactual may change it to: a smallest and a largest number, or a list of categories.
    pub allowed: Option<Allowed>,
    /// The way in which a counterfactual may change it; both when absent.
    pub direction: Option<Direction>,
    /// Name of the features that are explained as one with this one.
    pub group: Option<String>,
    /// Pixels of an image from top to bottom.
    pub height: Option<u32>,
    /// Pixels of an image from left to right.
    pub width: Option<u32>,
    /// Numbers per pixel of an image: 1 when absent.
    pub channels: Option<u32>,
    /// How the numbers of an image stand; `chw` when absent.
    pub layout: Option<Layout>,
    /// The model's number for byte 0, one for all channels or one for each; 0 when absent.
    pub black: Option<Vec<f32>>,
    /// The model's number for byte 255, likewise; 1 when absent.
    pub white: Option<Vec<f32>>,
    /// In place of black and white: the model's number is `(byte · scale − mean) / std`; 1/255 when absent.
    pub scale: Option<f32>,
    /// See `scale`; 0 when absent.
    pub mean: Option<Vec<f32>>,
    /// See `scale`; 1 when absent.
    pub std: Option<Vec<f32>>,
}

/// What a feature may become.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Allowed {
    /// A number from the first to the second.
    Range([f64; 2]),
    /// One of these categories.
    Categories(Vec<String>),
}

/// The way a number can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Up only.
    Increase,
    /// Down only.
    Decrease,
}

/// How the numbers of an image stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// All pixels of a channel together.
    Chw,
    /// All channels of a pixel together.
    Hwc,
}

/// `[uncertainty]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uncertainty {
    /// `absolute-error`, `least-ambiguous` or `adaptive`; chosen by the model when absent.
    pub score: Option<String>,
    /// The share of rows for which the card says how wide intervals or how large sets are.
    #[serde(default = "Uncertainty::default_coverage")]
    pub coverage: f64,
}

impl Default for Uncertainty {
    fn default() -> Uncertainty {
        Uncertainty {
            score: None,
            coverage: Uncertainty::default_coverage(),
        }
    }
}

impl Uncertainty {
    /// The coverage on the card unless the recipe says otherwise.
    pub fn default_coverage() -> f64 {
        0.9
    }
}

/// `[calibration]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The family of curves.
    pub method: CalibrationMethod,
}

/// A family of calibration curves by its name in recipes and flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CalibrationMethod {
    /// A sigmoid: for some dozens of rows.
    Platt,
    /// Any ascending curve: for a thousand rows and more.
    Isotonic,
}

impl From<CalibrationMethod> for hyaline_trust::calibration::CalibrationMethod {
    fn from(method: CalibrationMethod) -> Self {
        match method {
            CalibrationMethod::Platt => hyaline_trust::calibration::CalibrationMethod::Platt,
            CalibrationMethod::Isotonic => hyaline_trust::calibration::CalibrationMethod::Isotonic,
        }
    }
}

/// `[output]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Names of the classes, in the model's order, where the model knows only numbers.
    pub labels: Option<Vec<String>>,
    /// What is predicted, e.g. `risk`.
    pub target: Option<String>,
}

/// Why a file is no recipe.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// The file cannot be read.
    #[error("the recipe {} cannot be read", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text breaks a rule; line and key are in the cause.
    #[error("the recipe {} is not valid", .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A number of rows that selects nothing.
    #[error("`data.background` is 0; give at least 1 row, or leave [data] out")]
    EmptyBackground,
    /// Something that needs rows without any.
    #[error(
        "[{0}] needs held-out rows with their answers: name them by `data.path` and `data.target`"
    )]
    NoHeldOut(&'static str),
}

impl Recipe {
    /// Reads a recipe and resolves its paths against its folder.
    ///
    /// # Errors
    /// [`RecipeError`] naming the file, the line and the key.
    pub fn read(path: &Path) -> Result<Recipe, RecipeError> {
        let text = std::fs::read_to_string(path).map_err(|source| RecipeError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let mut recipe = Recipe::parse(&text).map_err(|error| match error {
            RecipeError::Invalid { source, .. } => RecipeError::Invalid {
                path: path.to_owned(),
                source,
            },
            other => other,
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        recipe.model.path = folder.join(&recipe.model.path);
        if let Some(data) = &mut recipe.data {
            data.path = folder.join(&data.path);
            if let Some(calibration) = &mut data.calibration {
                *calibration = folder.join(&*calibration);
            }
            if let Some(file) = data.target_file() {
                data.target = Some(folder.join(file).to_string_lossy().into_owned());
            }
        }
        Ok(recipe)
    }

    /// Parses a recipe; its paths stay as written.
    ///
    /// # Errors
    /// [`RecipeError`] naming the line and the key.
    pub fn parse(text: &str) -> Result<Recipe, RecipeError> {
        let recipe: Recipe = toml::from_str(text).map_err(|source| RecipeError::Invalid {
            path: FILE_NAME.into(),
            source: Box::new(source),
        })?;
        recipe.check()?;
        Ok(recipe)
    }

    /// Refuses what its parts cannot be together.
    ///
    /// # Errors
    /// [`RecipeError`] naming the key.
    pub fn check(&self) -> Result<(), RecipeError> {
        if let Some(Data { background: 0, .. }) = &self.data {
            return Err(RecipeError::EmptyBackground);
        }
        let answered = self.data.as_ref().is_some_and(|data| data.target.is_some());
        match (&self.uncertainty, &self.calibration) {
            (Some(_), _) if !answered => Err(RecipeError::NoHeldOut("uncertainty")),
            (_, Some(_)) if !answered => Err(RecipeError::NoHeldOut("calibration")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        match Recipe::parse(text).expect_err("the recipe is refused") {
            RecipeError::Invalid { source, .. } => source.to_string(),
            other => other.to_string(),
        }
    }

    #[test]
    fn a_short_recipe_has_defaults() {
        let recipe = Recipe::parse(
            "[function]\nname = \"credit\"\n[model]\npath = \"model.onnx\"\n[data]\npath = \"reference.csv\"\ntarget = \"risk\"\n",
        )
        .expect("the recipe is valid");
        let data = recipe.data.expect("there is data");
        assert_eq!(
            (data.background, data.golden, data.target.as_deref()),
            (100, 8, Some("risk"))
        );
        assert_eq!(recipe.function.version, None);
    }

    #[test]
    fn refusals_name_the_key() {
        let base = "[function]\nname = \"a\"\n[model]\npath = \"m\"\n";
        for (addition, words) in [
            ("positiv = \"bad\"\n", "unknown field `positiv`"),
            (
                "[data]\npath = \"r.csv\"\nbackgrounds = 3\n",
                "unknown field `backgrounds`",
            ),
            (
                "[features.age]\nkind = \"float\"\n",
                "unknown variant `float`",
            ),
            (
                "[metrics]\nauc = \"high\"\n",
                "invalid type: string \"high\", expected f64",
            ),
            (
                "[data]\npath = \"r.csv\"\nbackground = 0\n",
                "`data.background` is 0",
            ),
            ("[serving]\n", "unknown field `serving`"),
            (
                "[features.age]\ndirection = \"up\"\n",
                "unknown variant `up`, expected `increase` or `decrease`",
            ),
            (
                "[features.age]\nallowed = 3\n",
                "data did not match any variant of untagged enum Allowed",
            ),
            (
                "[explainer]\nmethod = \"guess\"\n",
                "unknown method `guess`, expected one of `interventional`, `path-dependent`, `linear`, ",
            ),
            (
                "[calibration]\nmethod = \"beta\"\n",
                "unknown variant `beta`, expected `platt` or `isotonic`",
            ),
            (
                "[uncertainty]\n[data]\npath = \"r.csv\"\n",
                "[uncertainty] needs held-out rows with their answers: name them by `data.path` and `data.target`",
            ),
        ] {
            let said = refusal(&format!("{base}{addition}"));
            assert!(said.contains(words), "{said}");
        }
    }
}
