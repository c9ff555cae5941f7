//! The recipe: everything `hyaline pack` needs to know besides the model and the data, as `function.toml` or as flags.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hyaline_model::ExplainerSettings;
use serde::Deserialize;

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
    /// A CSV file with a header; relative paths start at the recipe's folder.
    pub path: PathBuf,
    /// The column that is the answer, not a feature.
    pub target: Option<String>,
    /// Rows of the background: row `floor(i * n / background)` of the `n` rows, for each `i`.
    #[serde(default = "Data::default_background")]
    pub background: usize,
    /// Rows kept on the card with their expected answers, chosen in the same way.
    #[serde(default = "Data::default_golden")]
    pub golden: usize,
}

impl Data {
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
    pub method: Option<Method>,
    /// Most MiB that tables of the tree methods may take.
    pub table_mib: Option<u16>,
}

impl Explainer {
    /// What the model image carries of it.
    pub(crate) fn settings(&self) -> ExplainerSettings {
        let default = ExplainerSettings::default();
        ExplainerSettings {
            method: self.method.map(Into::into),
            table_budget: self
                .table_mib
                .map_or(default.table_budget, |mib| u64::from(mib) << 20),
            ..default
        }
    }
}

/// A method by its name in recipes and flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Exact TreeSHAP against the background.
    Interventional,
    /// Exact TreeSHAP by covers; counted from the reference data when the model file has none.
    PathDependent,
    /// Closed form of a linear model.
    Linear,
    /// Every coalition, against the background.
    Enumeration,
}

impl From<Method> for hyaline_model::Method {
    fn from(method: Method) -> Self {
        match method {
            Method::Interventional => hyaline_model::Method::Interventional,
            Method::PathDependent => hyaline_model::Method::PathDependent,
            Method::Linear => hyaline_model::Method::Linear,
            Method::Enumeration => hyaline_model::Method::Enumeration,
        }
    }
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
        match &recipe.data {
            Some(Data { background: 0, .. }) => Err(RecipeError::EmptyBackground),
            _ => Ok(recipe),
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
        ] {
            let said = refusal(&format!("{base}{addition}"));
            assert!(said.contains(words), "{said}");
        }
    }
}
