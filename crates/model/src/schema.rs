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
    /// Free text.
    Text,
    /// Numbers in a fixed shape: an image, a series, a list of token ids.
    Tensor(TensorKind),
}

/// The shape of a tensor feature, and what it shows.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct TensorKind {
    /// Extents of one row, outermost first; each at least 1.
    pub extents: Vec<u32>,
    /// How its numbers are an image, where they are one.
    pub image: Option<ImageKind>,
}

impl TensorKind {
    /// Numbers per row; 0 when the extents are absurd.
    pub fn elements(&self) -> usize {
        let product = |product: u32, &extent: &u32| product.checked_mul(extent);
        self.extents.iter().try_fold(1u32, product).unwrap_or(0) as usize
    }
}

/// How the numbers of a tensor are an image.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct ImageKind {
    /// Pixels from top to bottom.
    pub height: u32,
    /// Pixels from left to right.
    pub width: u32,
    /// Numbers per pixel: 1 grey, 3 red, green and blue, 4 with opacity.
    pub channels: u32,
    /// Whether all pixels of a channel stand together (`[channels, height, width]`), or all channels of a pixel.
    pub channels_first: bool,
    /// The model's number for byte 0, per channel.
    #[borsh(
        serialize_with = "crate::floats::write",
        deserialize_with = "crate::floats::read"
    )]
    pub black: Vec<f32>,
    /// The model's number for byte 255, per channel; bytes between are mapped linearly.
    #[borsh(
        serialize_with = "crate::floats::write",
        deserialize_with = "crate::floats::read"
    )]
    pub white: Vec<f32>,
}

/// How a person can change a feature; what counterfactuals keep to.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Recourse {
    /// It cannot be changed at all: age, place of birth.
    pub immutable: bool,
    /// Smallest and largest number it may become.
    pub range: Option<(f64, f64)>,
    /// The categories it may become; empty: any that is known.
    pub categories: Vec<String>,
    /// The way it can go.
    pub direction: Direction,
}

/// The way a number can go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Direction {
    /// Both ways.
    #[default]
    Any,
    /// Up only: years of experience.
    Increase,
    /// Down only.
    Decrease,
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
    /// The most frequent category in the reference data, for forms and example requests; categories only. A short text
    /// of the reference data for text features.
    pub typical_category: Option<String>,
    /// How the value may be changed to reach another answer.
    pub recourse: Recourse,
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
            recourse: Recourse::default(),
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
    /// A tensor feature without numbers, or an image that is not of its tensor's size.
    #[error("feature `{feature}` is a tensor of {extents:?}: {reason}")]
    Shape {
        /// The feature.
        feature: String,
        /// Extents given.
        extents: Vec<u32>,
        /// What is wrong.
        reason: &'static str,
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
            if let FeatureKind::Tensor(kind) = &feature.kind {
                check_tensor(feature, kind)?;
            }
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

/// Most numbers in one tensor of one row.
const TENSOR_LIMIT: usize = 1 << 24;

fn check_tensor(feature: &Feature, kind: &TensorKind) -> Result<(), SchemaError> {
    let fail = |reason| {
        Err(SchemaError::Shape {
            feature: feature.name.clone(),
            extents: kind.extents.clone(),
            reason,
        })
    };
    if !(1..=TENSOR_LIMIT).contains(&kind.elements()) {
        return fail("it has no numbers, or more than 2^24");
    }
    if let Some(image) = &kind.image {
        let pixels = u64::from(image.height) * u64::from(image.width);
        if pixels.checked_mul(u64::from(image.channels)) != Some(kind.elements() as u64) {
            return fail("the image has another number of values");
        }
        let channels = image.channels as usize;
        if !matches!(channels, 1 | 3 | 4) {
            return fail("an image has 1, 3 or 4 channels");
        }
        let finite = |values: &[f32]| {
            values.len() == channels && values.iter().all(|value| value.is_finite())
        };
        if !finite(&image.black) || !finite(&image.white) {
            return fail("black and white need one finite number per channel");
        }
    }
    Ok(())
}

impl BorshDeserialize for Schema {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
        let features = Vec::<Feature>::deserialize_reader(reader)?;
        Schema::new(features).map_err(|error| {
            borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, error.to_string())
        })
    }
}
