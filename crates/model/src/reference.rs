//! What the image keeps of the data beside the background: rows with known answers, groups of features, scores of
//! held-out rows.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::Batch;

/// Rows like those the model was made for, for everything that asks about the data as a whole: global explanations,
/// nearest examples, value statistics.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Reference {
    /// The rows; at least one.
    pub rows: Batch,
    /// What was observed for each row: the index of a class, or a number. Empty when nothing is known.
    #[borsh(
        serialize_with = "crate::floats::write",
        deserialize_with = "crate::floats::read"
    )]
    pub answers: Vec<f64>,
}

/// Features that belong together and are explained as one: the players of Owen values.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct FeatureGroup {
    /// Unique, non-empty name.
    pub name: String,
    /// Positions in the schema; at least one, and no feature in two groups.
    pub features: Vec<u32>,
}

/// How far an answer is from what was observed, by which score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum ConformityScore {
    /// `|y − ŷ|` of a regressor with one target.
    AbsoluteError,
    /// `1 − p(y)` of a classifier: least ambiguous sets (Sadinle, Lei, Wasserman 2019, doi:10.1080/01621459.2017.1395341).
    LeastAmbiguous,
    /// Probability summed from the most likely class down to `y`: adaptive sets (Romano, Sesia, Candès 2020,
    /// arXiv:2006.02544), without randomisation.
    Adaptive,
}

/// Scores of rows that neither trained nor tuned the model, from which split-conformal intervals and sets follow.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Conformity {
    /// What the scores are.
    pub score: ConformityScore,
    /// One finite score per row, ascending; at least one.
    #[borsh(
        serialize_with = "crate::floats::write",
        deserialize_with = "crate::floats::read"
    )]
    pub scores: Vec<f64>,
}
