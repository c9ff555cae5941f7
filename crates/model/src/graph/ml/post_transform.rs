//! From margins to the scores a model shows: the `post_transform` attribute shared by linear models, support vector
//! machines and tree ensembles.

use borsh::{BorshDeserialize, BorshSerialize};

use super::{number, read_checked, rows_and_columns};
use crate::graph::operator::{Flow, Operands, Operator, as_f32, operand, operand_type, tensor};
use crate::{Data, ElementType, Tensor};

/// The function applied to the scores of one row, in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum PostTransform {
    /// Nothing.
    None,
    /// `exp(s_k) / Σ exp(s_j)`.
    Softmax,
    /// `1 / (1 + exp(-s))`, score by score.
    Logistic,
    /// Softmax over the scores that are not zero (`|s| > 1e-7`); zero scores stay zero.
    SoftmaxZero,
    /// The quantile of the normal distribution at `s`, by Winitzki's approximation; NaN outside (0, 1).
    Probit,
}

impl PostTransform {
    /// Transforms the two or more scores of one row.
    fn apply(self, scores: &mut [f32]) {
        match self {
            PostTransform::None => {}
            PostTransform::Softmax => softmax(scores),
            PostTransform::Logistic => scores
                .iter_mut()
                .for_each(|score| *score = logistic(*score)),
            PostTransform::SoftmaxZero => softmax_zero(scores),
            PostTransform::Probit => scores.iter_mut().for_each(|score| *score = probit(*score)),
        }
    }
}

/// What a single score per row says of the other class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum SecondScore {
    /// Nothing: one column comes out.
    Absent,
    /// The scores are `1 - s` and `s`; under [`PostTransform::Logistic`] the logistic of `-s` and `s`.
    Complement,
    /// The scores are `-s` and `s`; under [`PostTransform::Logistic`] the logistic of `-s` and `s`.
    Opposite,
}

/// Margins `[rows, outputs]` → f32 scores, `[rows, outputs]` or, from one margin, as [`SecondScore`] says.
///
/// A single margin is changed by [`PostTransform::Probit`] and, together with a second score, by
/// [`PostTransform::Logistic`]; every other transform leaves it as it is, as in ONNX Runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize)]
pub struct ClassScores {
    transform: PostTransform,
    second: SecondScore,
}

impl ClassScores {
    /// # Errors
    /// When a second score is asked of [`PostTransform::Probit`], for which ONNX Runtime's answer is undefined.
    pub fn new(transform: PostTransform, second: SecondScore) -> Result<ClassScores, String> {
        if transform == PostTransform::Probit && second != SecondScore::Absent {
            return Err("post_transform PROBIT of one score for two classes is undefined; give one score per class".to_owned());
        }
        Ok(ClassScores { transform, second })
    }

    /// The transform.
    pub fn transform(&self) -> PostTransform {
        self.transform
    }

    /// What becomes of a single margin.
    pub fn second(&self) -> SecondScore {
        self.second
    }

    /// Scores per row from `margins` margins per row.
    pub fn outputs(&self, margins: usize) -> usize {
        if margins == 1 && self.second != SecondScore::Absent {
            2
        } else {
            margins
        }
    }

    /// Scores of whole rows of `columns` margins.
    pub(super) fn scores(&self, margins: &[f32], columns: usize) -> Vec<f32> {
        if columns == 1 {
            return self.scores_of_single(margins);
        }
        let mut scores = margins.to_vec();
        if columns > 0 {
            scores
                .chunks_exact_mut(columns)
                .for_each(|row| self.transform.apply(row));
        }
        scores
    }

    fn scores_of_single(&self, margins: &[f32]) -> Vec<f32> {
        let logistic_pair = |&margin: &f32| [logistic(-margin), logistic(margin)];
        match (self.transform, self.second) {
            (PostTransform::Probit, _) => margins.iter().map(|&margin| probit(margin)).collect(),
            (_, SecondScore::Absent) => margins.to_vec(),
            (PostTransform::Logistic, _) => margins.iter().flat_map(logistic_pair).collect(),
            (_, SecondScore::Complement) => margins
                .iter()
                .flat_map(|&margin| [1.0 - margin, margin])
                .collect(),
            (_, SecondScore::Opposite) => margins
                .iter()
                .flat_map(|&margin| [-margin, margin])
                .collect(),
        }
    }
}

impl Operator for ClassScores {
    fn name(&self) -> &'static str {
        "ClassScores"
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        number(operand_type(operands, 0)?)?;
        Ok(vec![ElementType::F32])
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let margins = operand(operands, 0)?;
        let (rows, columns) = rows_and_columns(margins)?;
        let scores = self.scores(&as_f32(margins)?, columns);
        Ok(vec![tensor(
            vec![rows, self.outputs(columns)],
            Data::F32(scores),
        )?])
    }

    fn flow(&self) -> Flow {
        Flow::Rows
    }
}

read_checked!(ClassScores, reader => ClassScores::new(
    PostTransform::deserialize_reader(reader)?,
    SecondScore::deserialize_reader(reader)?,
));

/// `1 / (1 + exp(-s))` without overflow.
pub(super) fn logistic(score: f32) -> f32 {
    let of_magnitude = 1.0 / (1.0 + libm::expf(-score.abs()));
    if score < 0.0 {
        1.0 - of_magnitude
    } else {
        of_magnitude
    }
}

fn largest(scores: &[f32]) -> f32 {
    scores.iter().fold(
        -f32::MAX,
        |largest, &score| if score > largest { score } else { largest },
    )
}

fn softmax(scores: &mut [f32]) {
    let largest = largest(scores);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = libm::expf(*score - largest);
        sum += *score;
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}

fn softmax_zero(scores: &mut [f32]) {
    let largest = largest(scores);
    let of_zero = libm::expf(-largest);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        if score.abs() > 1e-7 {
            *score = libm::expf(*score - largest);
            sum += *score;
        } else {
            *score *= of_zero;
        }
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}

/// `√2 · erf⁻¹(2p − 1)`, with Winitzki's closed form of the inverse error function (a = 0.147).
fn probit(p: f32) -> f32 {
    const A: f32 = 0.147;
    let x = 2.0 * p - 1.0;
    let log = libm::logf((1.0 - x) * (1.0 + x));
    let half = 2.0 / (std::f32::consts::PI * A) + 0.5 * log;
    let magnitude = (-half + (half * half - 1.0 / A * log).sqrt()).sqrt();
    std::f32::consts::SQRT_2 * if x < 0.0 { -magnitude } else { magnitude }
}
