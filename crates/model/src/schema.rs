//! What one row looks like: the raw input features, in the order in which explanations list them.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::sorted_positions;

/// Whether a feature may be missing (JSON `null`, empty CSV cell, NaN).
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Missing {
    /// A missing value is refused.
    Refused,
    /// A missing number reaches the model as NaN, a missing text as the model's own missing marker (the empty text).
    Accepted,
}

/// What happens to a category the training data did not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Unseen {
    /// Refused, with the list of known categories.
    Refused,
    /// Passed on; the model's own encoder has a rule for it.
    Accepted,
}

/// The known values of a category feature.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Categories {
    /// Known values, without repeats, in display order. Empty: any text.
    pub values: Vec<String>,
    /// The rule for all other texts.
    pub unseen: Unseen,
}

/// The type of a feature.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub enum FeatureKind {
    /// A real number.
    Number,
    /// A whole number of magnitude at most 2^53.
    Integer,
    /// True or false; the model sees 1 or 0.
    Boolean,
    /// A text out of a set.
    Category(Categories),
}

/// One raw input feature: one player of every explanation.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Feature {
    /// Unique, non-empty name.
    pub name: String,
    /// Type of the values.
    pub kind: FeatureKind,
    /// Whether the value may be missing.
    pub missing: Missing,
    /// One sentence for people, from the recipe; may be empty.
    pub description: String,
    /// Smallest and largest finite value seen in the reference data, for forms and warnings; numbers only.
    pub range: Option<(f64, f64)>,
    /// A typical value (reference median), for forms and example requests; numbers only.
    pub typical: Option<f64>,
    /// The most frequent category in the reference data, for forms and example requests; categories only.
    pub typical_category: Option<String>,
}

impl Feature {
    /// A feature with nothing known but its name and kind; missing values are refused.
    pub fn new(name: impl Into<String>, kind: FeatureKind) -> Feature {
        Feature {
            name: name.into(),
            kind,
            missing: Missing::Refused,
            description: String::new(),
            range: None,
            typical: None,
            typical_category: None,
        }
    }
}

/// Why a list of features is no schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// No features.
    #[error("a schema needs at least one feature")]
    Empty,
    /// An unnamed feature.
    #[error("feature {index} has no name")]
    Unnamed {
        /// Position in the list.
        index: usize,
    },
    /// Two features of one name.
    #[error("two features are named `{name}`")]
    Repeated {
        /// The name.
        name: String,
    },
    /// Two equal categories.
    #[error("feature `{feature}` lists the category `{category}` twice")]
    RepeatedCategory {
        /// The feature.
        feature: String,
        /// The category.
        category: String,
    },
}

/// The features of a row, in order. Names are unique and non-empty; there is at least one.
#[derive(Clone, Debug, PartialEq, BorshSerialize)]
pub struct Schema {
    features: Vec<Feature>,
    #[borsh(skip)]
    by_name: Vec<u32>,
}

impl Schema {
    /// Checks the names and categories.
    ///
    /// # Errors
    /// [`SchemaError`] when there is no feature, or a name is empty or repeated, or a category is repeated.
    pub fn new(features: Vec<Feature>) -> Result<Schema, SchemaError> {
        if features.is_empty() {
            return Err(SchemaError::Empty);
        }
        if let Some(index) = features.iter().position(|f| f.name.is_empty()) {
            return Err(SchemaError::Unnamed { index });
        }
        let by_name = sorted_positions(features.len(), &|a, b| {
            features[a].name.cmp(&features[b].name)
        });
        let by_name: Vec<u32> = by_name
            .into_iter()
            .map(|position| position as u32)
            .collect();
        for pair in by_name.windows(2) {
            let (a, b) = (&features[pair[0] as usize], &features[pair[1] as usize]);
            if a.name == b.name {
                return Err(SchemaError::Repeated {
                    name: a.name.clone(),
                });
            }
        }
        for feature in &features {
            if let FeatureKind::Category(categories) = &feature.kind {
                let values = &categories.values;
                let order = sorted_positions(values.len(), &|a, b| values[a].cmp(&values[b]));
                if let Some(pair) = order
                    .windows(2)
                    .find(|pair| values[pair[0]] == values[pair[1]])
                {
                    return Err(SchemaError::RepeatedCategory {
                        feature: feature.name.clone(),
                        category: values[pair[0]].clone(),
                    });
                }
            }
        }
        Ok(Schema { features, by_name })
    }

    /// The features, in order.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// How many features a row has; at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a schema is never empty")]
    pub fn len(&self) -> usize {
        self.features.len()
    }

    /// Position of the feature called `name`. O(log n).
    pub fn position(&self, name: &str) -> Option<usize> {
        self.by_name
            .binary_search_by(|&i| self.features[i as usize].name.as_str().cmp(name))
            .ok()
            .map(|at| self.by_name[at] as usize)
    }
}

impl BorshDeserialize for Schema {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
        let features = Vec::<Feature>::deserialize_reader(reader)?;
        Schema::new(features).map_err(|error| {
            borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, error.to_string())
        })
    }
}
