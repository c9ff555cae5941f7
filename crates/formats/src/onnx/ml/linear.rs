//! `LinearClassifier` and `LinearRegressor`.

use hyaline_model::ElementType;
use hyaline_model::graph::Linear;
use hyaline_model::graph::dense::Cast;
use hyaline_model::graph::ml::{
    ClassLabel, ClassScores, Decision, Labels, PostTransform, SecondScore,
};

use super::{Builder, ClassLabels, Node, Value, as_f32, class_labels, post_transform};
use crate::ImportError;

/// Labels and scores. A classifier of two classes is lowered to the one margin that decides between them wherever its two
/// are a function of their difference, so that its explanation speaks of log-odds.
pub(super) fn classifier(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    let transform = post_transform(node)?;
    let ClassLabels { labels, names } = class_labels(node, "classlabels_ints")?;
    let intercepts = node.floats("intercepts")?;
    let mut margins = Margins::new(node.floats("coefficients")?, intercepts);
    let x = as_f32(node, graph)?;
    let columns = graph.columns(node, x)?;
    let (scores, decision, labels) = match (intercepts.len(), labels.len()) {
        (1, 0) => (
            ClassScores::new(transform, SecondScore::Absent),
            Decision::Above {
                column: 0,
                threshold: 0.0,
            },
            Labels::Integers(vec![0, 1]),
        ),
        (1, 2) => (
            ClassScores::new(transform, SecondScore::Complement),
            Decision::Above {
                column: 0,
                threshold: 0.0,
            },
            labels,
        ),
        (found, classes) if found != classes || classes == 0 => {
            return Err(node.invalid(format!("{found} intercepts for {classes} class labels")));
        }
        (2, 2) if margins.merge(transform) => {
            let transform = if transform == PostTransform::Softmax {
                PostTransform::Logistic
            } else {
                transform
            };
            (
                ClassScores::new(transform, SecondScore::Opposite),
                Decision::Above {
                    column: 0,
                    threshold: 0.0,
                },
                labels,
            )
        }
        _ => (
            ClassScores::new(transform, SecondScore::Absent),
            Decision::Largest,
            labels,
        ),
    };
    let scores = scores.map_err(|reason| node.invalid(reason))?;
    let label = ClassLabel::new(decision, labels).map_err(|reason| node.invalid(reason))?;
    let margins = graph.push(node, margins.linear(node, columns)?, &[x])?;
    let label = graph.push(node, label, &[margins])?;
    if !names.is_empty() {
        graph.set_labels(label, names);
    }
    Ok(vec![label, graph.push(node, scores, &[margins])?])
}

/// Values, as f32.
pub(super) fn regressor(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    let transform = post_transform(node)?;
    let targets = match node.int("targets", 1)? {
        targets @ 1..=65536 => targets as usize,
        other => {
            return Err(node.invalid(format!(
                "attribute `targets` is {other}, expected 1 to 65536"
            )));
        }
    };
    let intercepts = match node.floats("intercepts")? {
        [] => vec![0.0; targets],
        // ONNX Runtime would leave them out.
        intercepts if intercepts.len() != targets => {
            return Err(node.invalid(format!(
                "{} intercepts for {targets} targets",
                intercepts.len()
            )));
        }
        intercepts => intercepts.to_vec(),
    };
    let margins = Margins::new(node.floats("coefficients")?, &intercepts);
    let x = as_f32(node, graph)?;
    let columns = graph.columns(node, x)?;
    let margins = graph.push(node, margins.linear(node, columns)?, &[x])?;
    Ok(vec![transformed(node, graph, transform, margins)?])
}

/// The margins as f32, transformed; without a transform they stay recognisable as the margins.
pub(super) fn transformed(
    node: &Node<'_>,
    graph: &mut Builder,
    transform: PostTransform,
    margins: Value,
) -> Result<Value, ImportError> {
    match transform {
        PostTransform::None => graph.push(
            node,
            Cast {
                to: ElementType::F32,
            },
            &[margins],
        ),
        _ => {
            let scores = ClassScores::new(transform, SecondScore::Absent)
                .map_err(|reason| node.invalid(reason))?;
            graph.push(node, scores, &[margins])
        }
    }
}

/// Coefficients by margin, and intercepts.
struct Margins {
    weights: Vec<f64>,
    intercepts: Vec<f64>,
}

impl Margins {
    fn new(coefficients: &[f32], intercepts: &[f32]) -> Margins {
        let widened = |numbers: &[f32]| numbers.iter().map(|&number| f64::from(number)).collect();
        Margins {
            weights: widened(coefficients),
            intercepts: widened(intercepts),
        }
    }

    /// Replaces two margins by the one the scores and the label depend on: the second of opposite ones, or under softmax
    /// the difference. Says whether that was possible.
    fn merge(&mut self, transform: PostTransform) -> bool {
        let (first, second) = self.weights.split_at(self.weights.len() / 2);
        if first.len() != second.len() {
            return false;
        }
        let first = first.iter().chain(&self.intercepts[..1]);
        let second = second.iter().chain(&self.intercepts[1..]);
        let merged: Vec<f64> = match transform {
            PostTransform::Softmax => first
                .zip(second)
                .map(|(first, second)| second - first)
                .collect(),
            PostTransform::None | PostTransform::Logistic
                if first.clone().zip(second.clone()).all(|(a, b)| *a == -b) =>
            {
                second.copied().collect()
            }
            _ => return false,
        };
        let (intercept, weights) = merged.split_last().expect("the intercept is the last");
        self.intercepts = vec![*intercept];
        self.weights = weights.to_vec();
        true
    }

    fn linear(self, node: &Node<'_>, columns: u32) -> Result<Linear, ImportError> {
        Linear::new(columns, self.weights, self.intercepts).map_err(|reason| node.invalid(reason))
    }
}
