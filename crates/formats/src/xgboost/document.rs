//! The document XGBoost saves as JSON or UBJSON: only the keys a prediction needs.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, SeqAccess, Visitor};

#[derive(Debug, Deserialize)]
pub(super) struct Document {
    pub(super) learner: Learner,
    #[serde(default)]
    pub(super) version: Vec<u32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Learner {
    #[serde(default)]
    pub(super) attributes: Attributes,
    #[serde(default)]
    pub(super) feature_names: Vec<String>,
    #[serde(default)]
    pub(super) feature_types: Vec<String>,
    pub(super) gradient_booster: GradientBooster,
    pub(super) learner_model_param: LearnerModelParam,
    pub(super) objective: Objective,
}

/// Free texts; those that change what the library predicts.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Attributes {
    /// Set by early stopping, counted from 0.
    pub(super) best_iteration: Option<String>,
    /// Set by the scikit-learn interface, which stops at `best_iteration` when it predicts.
    pub(super) scikit_learn: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct LearnerModelParam {
    pub(super) base_score: String,
    pub(super) num_class: String,
    pub(super) num_feature: String,
    pub(super) num_target: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Objective {
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct GradientBooster {
    pub(super) name: String,
    pub(super) model: Option<Model>,
    /// The trees of a `dart` booster.
    pub(super) gbtree: Option<Gbtree>,
    /// One factor per tree of a booster with dropout.
    pub(super) weight_drop: Option<Numbers>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Gbtree {
    pub(super) model: Model,
    pub(super) weight_drop: Option<Numbers>,
}

/// Trees, or the weights of `gblinear`.
#[derive(Debug, Deserialize)]
pub(super) struct Model {
    pub(super) trees: Option<Vec<Tree>>,
    /// The output each tree adds to.
    pub(super) tree_info: Option<Vec<u32>>,
    /// First tree of each iteration, and one past the last.
    pub(super) iteration_indptr: Option<Vec<u32>>,
    pub(super) weight_drop: Option<Numbers>,
    pub(super) gbtree_model_param: Option<GbtreeModelParam>,
    pub(super) cats: Option<Cats>,
    /// `[features + 1, outputs]`, the biases last.
    pub(super) weights: Option<Numbers>,
}

#[derive(Debug, Deserialize)]
pub(super) struct GbtreeModelParam {
    pub(super) num_parallel_tree: Option<String>,
}

/// Category values of every feature (XGBoost 3.1 and later).
#[derive(Debug, Deserialize)]
pub(super) struct Cats {
    #[serde(default)]
    pub(super) enc: Vec<Encoding>,
}

/// The values of one feature in code order: texts as `offsets` into UTF-8 bytes, or numbers; both empty for a feature
/// without categories.
#[derive(Debug, Deserialize)]
pub(super) struct Encoding {
    pub(super) offsets: Option<Vec<u32>>,
    #[serde(default)]
    pub(super) values: Numbers,
}

/// The arrays of one tree, one entry per node.
#[derive(Debug, Deserialize)]
pub(super) struct Tree {
    pub(super) tree_param: TreeParam,
    pub(super) left_children: Vec<i64>,
    pub(super) right_children: Vec<i64>,
    pub(super) split_indices: Vec<u32>,
    /// Threshold of a split, value of a leaf.
    pub(super) split_conditions: Numbers,
    pub(super) default_left: Numbers,
    #[serde(default)]
    pub(super) split_type: Numbers,
    #[serde(default)]
    pub(super) categories: Vec<i64>,
    #[serde(default)]
    pub(super) categories_nodes: Vec<i64>,
    #[serde(default)]
    pub(super) categories_segments: Vec<u64>,
    #[serde(default)]
    pub(super) categories_sizes: Vec<u64>,
    #[serde(default)]
    pub(super) sum_hessian: Numbers,
    #[serde(default)]
    pub(super) base_weights: Numbers,
    /// `[leaves, size_leaf_vector]`; `right_children` of a leaf is its row.
    pub(super) leaf_weights: Option<Numbers>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TreeParam {
    pub(super) size_leaf_vector: Option<String>,
}

/// A list of numbers; booleans are 0 and 1, null is NaN.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Numbers(pub(super) Vec<f64>);

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Numbers, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Numbers;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of numbers")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Numbers, A::Error> {
                let mut numbers = Vec::new();
                while let Some(Number(number)) = list.next_element()? {
                    numbers.push(number);
                }
                Ok(Numbers(numbers))
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// One number or boolean; null is NaN.
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
        struct One;
        impl Visitor<'_> for One {
            type Value = Number;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a number")
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Number, E> {
                Ok(Number(f64::from(u8::from(value))))
            }
            fn visit_unit<E: de::Error>(self) -> Result<Number, E> {
                Ok(Number(f64::NAN))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Number, E> {
                Ok(Number(value))
            }
        }
        deserializer.deserialize_any(One)
    }
}
