//! The document CatBoost saves as JSON: only the keys a prediction needs.

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
pub(super) struct Document {
    pub(super) features_info: FeaturesInfo,
    #[serde(default)]
    pub(super) model_info: ModelInfo,
    /// Trees that ask the same question on a whole level.
    pub(super) oblivious_trees: Option<Vec<ObliviousTree>>,
    /// Trees of `grow_policy` `Depthwise` or `Lossguide`.
    pub(super) trees: Option<Vec<Node>>,
    /// What the sum over trees is multiplied by, and what is added then.
    pub(super) scale_and_bias: (f64, Numbers),
}

#[derive(Debug, Deserialize)]
pub(super) struct FeaturesInfo {
    #[serde(default)]
    pub(super) float_features: Vec<FloatFeature>,
    #[serde(default)]
    pub(super) categorical_features: Vec<CategoricalFeature>,
    #[serde(default)]
    pub(super) text_features: Vec<OtherFeature>,
    #[serde(default)]
    pub(super) embedding_features: Vec<OtherFeature>,
    #[serde(default)]
    pub(super) ctrs: Vec<Ctr>,
}

#[derive(Debug, Deserialize)]
pub(super) struct FloatFeature {
    #[serde(default)]
    pub(super) feature_id: String,
    /// The number by which splits know it.
    pub(super) feature_index: usize,
    /// Column of a row.
    pub(super) flat_feature_index: usize,
    #[serde(default)]
    pub(super) nan_value_treatment: NanTreatment,
}

/// What a comparison with NaN counts as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) enum NanTreatment {
    /// NaN is above no border.
    #[default]
    #[serde(rename = "AsIs")]
    Unordered,
    /// NaN is below every border (`nan_mode=Min`).
    #[serde(rename = "AsFalse")]
    Lowest,
    /// NaN is above every border (`nan_mode=Max`).
    #[serde(rename = "AsTrue")]
    Highest,
}

#[derive(Debug, Deserialize)]
pub(super) struct CategoricalFeature {
    #[serde(default)]
    pub(super) feature_id: String,
    pub(super) feature_index: usize,
    pub(super) flat_feature_index: usize,
}

#[derive(Debug, Deserialize)]
pub(super) struct OtherFeature {
    #[serde(default)]
    pub(super) feature_id: String,
    #[serde(default)]
    pub(super) flat_feature_index: usize,
}

/// A statistic of the target per category.
#[derive(Debug, Deserialize)]
pub(super) struct Ctr {
    #[serde(default)]
    pub(super) elements: Vec<CtrElement>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CtrElement {
    pub(super) cat_feature_index: Option<usize>,
}

/// What training left behind. Some versions write the values as texts that hold JSON.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ModelInfo {
    #[serde(default)]
    pub(super) params: Value,
    /// Beside `params`, in a sum of models.
    #[serde(default)]
    pub(super) loss_function: Value,
    #[serde(default)]
    pub(super) class_params: Value,
    #[serde(default)]
    pub(super) binclass_probability_threshold: Value,
}

#[derive(Debug, Deserialize)]
pub(super) struct ObliviousTree {
    /// The question of each level, the leaves' level first; absent in a constant tree.
    pub(super) splits: Option<Vec<Split>>,
    /// `[2^splits, outputs]`; bit `i` of a leaf's number is the answer to split `i`.
    pub(super) leaf_values: Vec<f64>,
    /// Training weight per leaf.
    #[serde(default)]
    pub(super) leaf_weights: Vec<f64>,
}

/// A node of a tree that is not oblivious.
#[derive(Debug, Deserialize)]
pub(super) struct Node {
    pub(super) split: Option<Split>,
    /// Where a "no" goes.
    pub(super) left: Option<Box<Node>>,
    /// Where a "yes" goes.
    pub(super) right: Option<Box<Node>>,
    /// What a leaf adds.
    pub(super) value: Option<Numbers>,
    /// Training weight of a leaf.
    pub(super) weight: Option<f64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Split {
    pub(super) split_type: String,
    pub(super) border: Option<f64>,
    pub(super) float_feature_index: Option<usize>,
    pub(super) cat_feature_index: Option<usize>,
    /// Hash of a category, as a signed number.
    pub(super) value: Option<i64>,
}

/// One number, or a list.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Numbers {
    One(f64),
    Many(Vec<f64>),
}

impl Numbers {
    pub(super) fn as_slice(&self) -> &[f64] {
        match self {
            Numbers::One(number) => std::slice::from_ref(number),
            Numbers::Many(numbers) => numbers,
        }
    }
}

impl ModelInfo {
    /// The loss function's name.
    pub(super) fn loss(&self) -> Option<String> {
        let parameters = unpacked(&self.params);
        let loss = match parameters.get("loss_function") {
            Some(loss) => unpacked(loss),
            None => unpacked(&self.loss_function),
        };
        let name = loss.get("type").unwrap_or(&loss).as_str()?;
        Some(name.split(':').next().unwrap_or(name).to_owned())
    }

    /// The classes in the model's order, as JSON; none for a regressor.
    pub(super) fn class_names(&self) -> Vec<Value> {
        match unpacked(&self.class_params).get("class_names") {
            Some(Value::Array(names)) => names.clone(),
            _ => Vec::new(),
        }
    }

    /// Least probability of the second class that is answered by it; `None` when it is one half.
    pub(super) fn threshold(&self) -> Option<f64> {
        let threshold = unpacked(&self.binclass_probability_threshold);
        threshold.as_f64().filter(|&threshold| threshold != 0.5)
    }
}

/// The value, taken out of its text where it stands in one.
fn unpacked(value: &Value) -> Value {
    match value.as_str().map(serde_json::from_str) {
        Some(Ok(inner)) => inner,
        _ => value.clone(),
    }
}
