//! Support vector classification (`SVMClassifier`): one decision per pair of classes, votes, and probabilities coupled
//! from the pairs as libsvm does.

use borsh::{BorshDeserialize, BorshSerialize};

use super::post_transform::logistic;
use super::{ClassScores, Labels, SupportVectors, all_finite, number, read_checked};
use crate::graph::operator::{
    Arity, Flow, Operands, Operator, as_f32, element_count, matrix_rows, operand, operand_type,
    tensor,
};
use crate::{Data, ElementType, Tensor};

/// The attributes of a classifier of `k` classes, not yet checked. Its `k(k−1)/2` pairs are ordered (0,1), (0,2), …, (1,2), ….
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct SvmClassifierParts {
    /// The vectors, class by class.
    pub vectors: SupportVectors,
    /// How many vectors each class has.
    pub vectors_per_class: Vec<u32>,
    /// `[k − 1, vectors]`: in row `r`, what a vector of class `c` weighs against class `r` (or `r + 1` if `r ≥ c`).
    #[borsh(
        serialize_with = "crate::floats::write",
        deserialize_with = "crate::floats::read"
    )]
    pub coefficients: Vec<f32>,
    /// Constant term of each pair.
    #[borsh(
        serialize_with = "crate::floats::write",
        deserialize_with = "crate::floats::read"
    )]
    pub rho: Vec<f32>,
    /// Slope of each pair's logistic calibration; empty when there are no probabilities.
    #[borsh(
        serialize_with = "crate::floats::write",
        deserialize_with = "crate::floats::read"
    )]
    pub prob_a: Vec<f32>,
    /// Offset of each pair's logistic calibration.
    #[borsh(
        serialize_with = "crate::floats::write",
        deserialize_with = "crate::floats::read"
    )]
    pub prob_b: Vec<f32>,
    /// The classes.
    pub labels: Labels,
    /// What happens to the probabilities of the classes, or else to the decisions of the pairs.
    pub scores: ClassScores,
}

/// `[rows, columns]` → labels `[rows]`, and f32 scores: `[rows, k]` probabilities, or `[rows, pairs]` decisions (one
/// decision becomes two scores as [`ClassScores`] says). The label is the class most pairs vote for, the first of equal
/// ones, whatever the probabilities.
#[derive(Clone, Debug, PartialEq, BorshSerialize)]
pub struct SvmClassifier {
    parts: SvmClassifierParts,
}

impl SvmClassifier {
    /// # Errors
    /// When there are fewer than two classes, a list is of another length than the classes and vectors ask for, or a
    /// number is not finite.
    pub fn new(parts: SvmClassifierParts) -> Result<SvmClassifier, String> {
        let classes = parts.labels.len();
        if !(2..65536).contains(&classes) || parts.vectors_per_class.len() != classes {
            return Err(format!(
                "{classes} class labels and {} vectors_per_class, expected one of each for at least two classes",
                parts.vectors_per_class.len()
            ));
        }
        let vectors: u64 = parts
            .vectors_per_class
            .iter()
            .map(|&count| u64::from(count))
            .sum();
        if vectors != parts.vectors.count() as u64 {
            return Err(format!(
                "vectors_per_class adds up to {vectors}, there are {} support vectors",
                parts.vectors.count()
            ));
        }
        let pairs = classes * (classes - 1) / 2;
        let lengths = [
            (
                "coefficients",
                &parts.coefficients,
                (classes - 1) * parts.vectors.count(),
            ),
            ("rho", &parts.rho, pairs),
            (
                "prob_a",
                &parts.prob_a,
                if parts.prob_a.is_empty() { 0 } else { pairs },
            ),
            (
                "prob_b",
                &parts.prob_b,
                if parts.prob_a.is_empty() { 0 } else { pairs },
            ),
        ];
        for (name, numbers, expected) in lengths {
            if numbers.len() != expected {
                return Err(format!(
                    "{} {name} for {classes} classes, expected {expected}",
                    numbers.len()
                ));
            }
            all_finite(name, numbers)?;
        }
        Ok(SvmClassifier { parts })
    }

    /// The labels, in score order.
    pub fn labels(&self) -> &Labels {
        &self.parts.labels
    }

    fn classes(&self) -> usize {
        self.parts.labels.len()
    }

    /// Decisions of all pairs; positive speaks for the first class.
    fn decisions(&self, similarities: &[f32], decisions: &mut Vec<f32>) {
        decisions.clear();
        let count = self.parts.vectors.count();
        let ends = self.parts.vectors_per_class.iter().scan(0, |end, &count| {
            *end += count as usize;
            Some(*end - count as usize..*end)
        });
        let ranges: Vec<_> = ends.collect();
        let weighed = |row: usize, range: &std::ops::Range<usize>| {
            let coefficients = &self.parts.coefficients[row * count..][range.clone()];
            coefficients
                .iter()
                .zip(&similarities[range.clone()])
                .map(|(c, k)| f64::from(c * k))
        };
        for (first, of_first) in ranges.iter().enumerate() {
            for (second, of_second) in ranges.iter().enumerate().skip(first + 1) {
                let terms = weighed(second - 1, of_first).chain(weighed(first, of_second));
                let rho = f64::from(self.parts.rho[decisions.len()]);
                decisions.push((terms.fold(0.0, |sum, term| sum + term) + rho) as f32);
            }
        }
    }

    /// The class with most votes.
    fn vote(&self, decisions: &[f32]) -> usize {
        let mut votes = vec![0u32; self.classes()];
        let mut decisions = decisions.iter();
        for first in 0..self.classes() {
            for (second, decision) in (first + 1..self.classes()).zip(&mut decisions) {
                votes[if *decision > 0.0 { first } else { second }] += 1;
            }
        }
        (1..votes.len()).fold(0, |best, class| {
            if votes[class] > votes[best] {
                class
            } else {
                best
            }
        })
    }

    fn probabilities(&self, decisions: &[f32]) -> Vec<f32> {
        const MARGIN: f32 = 1e-7;
        let classes = self.classes();
        let mut pairwise = vec![0.0; classes * classes];
        let mut pairs = decisions
            .iter()
            .zip(self.parts.prob_a.iter().zip(&self.parts.prob_b));
        for first in 0..classes {
            for (second, (decision, (a, b))) in (first + 1..classes).zip(&mut pairs) {
                let probability = (1.0 - logistic(decision * a + b)).clamp(MARGIN, 1.0 - MARGIN);
                pairwise[first * classes + second] = probability;
                pairwise[second * classes + first] = 1.0 - probability;
            }
        }
        couple(&pairwise, classes)
    }
}

/// Class probabilities from pairwise ones, `r[i, j]` = P(i | i or j), by the second method of Wu, Lin and Weng, "Probability
/// estimates for multi-class classification by pairwise coupling" (JMLR 5, 2004), Algorithm 2 with libsvm's stopping rule,
/// in f32.
fn couple(r: &[f32], classes: usize) -> Vec<f32> {
    let mut q = vec![0.0f32; classes * classes];
    for i in 0..classes {
        for j in 0..classes {
            if j != i {
                let against = r[j * classes + i];
                q[i * classes + i] += against * against;
                q[i * classes + j] = if j < i {
                    q[j * classes + i]
                } else {
                    -against * r[i * classes + j]
                };
            }
        }
    }
    let mut p = vec![1.0 / classes as f32; classes];
    let tolerance = 0.005 / classes as f32;
    for _ in 0..100 {
        let dot = |row: usize| (0..classes).fold(0.0, |sum, j| sum + q[row * classes + j] * p[j]);
        let mut qp: Vec<f32> = (0..classes).map(dot).collect();
        let mut pqp = p.iter().zip(&qp).fold(0.0, |sum, (p, qp)| sum + p * qp);
        if qp.iter().all(|qp| (qp - pqp).abs() < tolerance) {
            break;
        }
        for i in 0..classes {
            let diagonal = q[i * classes + i];
            let step = (-qp[i] + pqp) / diagonal;
            p[i] += step;
            pqp = (pqp + step * (step * diagonal + 2.0 * qp[i])) / (1.0 + step) / (1.0 + step);
            for j in 0..classes {
                qp[j] = (qp[j] + step * q[i * classes + j]) / (1.0 + step);
                p[j] /= 1.0 + step;
            }
        }
    }
    p
}

impl Operator for SvmClassifier {
    fn name(&self) -> &'static str {
        "SVMClassifier"
    }

    fn arity(&self) -> Arity {
        Arity {
            operands: 1..=1,
            outputs: 2..=2,
        }
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        number(operand_type(operands, 0)?)?;
        Ok(vec![self.parts.labels.element_type(), ElementType::F32])
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let rows = matrix_rows(x, self.parts.vectors.columns())?;
        let pairs = self.parts.rho.len();
        let columns = if self.parts.prob_a.is_empty() {
            pairs
        } else {
            self.classes()
        };
        let mut scores = Vec::with_capacity(element_count(&[rows, columns])?);
        let mut classes = Vec::with_capacity(rows);
        let (mut similarities, mut decisions) = (Vec::new(), Vec::with_capacity(pairs));
        for row in as_f32(x)?.chunks_exact(self.parts.vectors.columns()) {
            self.parts.vectors.similarities(row, &mut similarities);
            self.decisions(&similarities, &mut decisions);
            classes.push(self.vote(&decisions));
            match self.parts.prob_a.is_empty() {
                true => scores.extend_from_slice(&decisions),
                false => scores.extend(self.probabilities(&decisions)),
            }
        }
        let scores = self.parts.scores.scores(&scores, columns);
        let labels = tensor(vec![rows], self.parts.labels.at(&classes))?;
        Ok(vec![
            labels,
            tensor(
                vec![rows, self.parts.scores.outputs(columns)],
                Data::F32(scores),
            )?,
        ])
    }

    fn flow(&self) -> Flow {
        Flow::Rows
    }
}

read_checked!(SvmClassifier, reader => SvmClassifier::new(SvmClassifierParts::deserialize_reader(reader)?));
