//! `SVMClassifier` and `SVMRegressor`.

use hyaline_model::graph::Linear;
use hyaline_model::graph::ml::{
    ClassLabel, ClassScores, Decision, Kernel, Labels, PostTransform, SecondScore, SupportVectors,
    SvmClassifier, SvmClassifierParts, SvmRegressor,
};

use super::linear::transformed;
use super::{Builder, ClassLabels, Node, Value, as_f32, class_labels, post_transform, size};
use crate::ImportError;

/// Labels and scores.
pub(super) fn classifier(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    let transform = post_transform(node)?;
    let kernel = kernel(node)?;
    let ClassLabels { labels, names } = class_labels(node, "classlabels_ints")?;
    if labels.is_empty() {
        return Err(node.invalid("no class labels"));
    }
    let vectors_per_class = node.ints("vectors_per_class")?;
    let x = as_f32(node, graph)?;
    let columns = graph.columns(node, x)?;
    let made = if vectors_per_class.is_empty() {
        without_vectors(node, graph, transform, labels, (x, columns))?
    } else {
        let counts = vectors_per_class
            .iter()
            .map(|&count| size(node, "vectors_per_class", count));
        let counts = counts.collect::<Result<Vec<u32>, ImportError>>()?;
        let vectors = counts
            .iter()
            .try_fold(0u32, |sum, &count| sum.checked_add(count))
            .unwrap_or(u32::MAX);
        let prob_a = node.floats("prob_a")?.to_vec();
        let second = match (labels.len(), prob_a.len(), transform) {
            (2, 0, PostTransform::None) => SecondScore::Opposite,
            (2, 0, _) => SecondScore::Complement,
            _ => SecondScore::Absent,
        };
        let parts = SvmClassifierParts {
            vectors: support_vectors(node, kernel, vectors, columns)?,
            vectors_per_class: counts,
            coefficients: node.floats("coefficients")?.to_vec(),
            rho: node.floats("rho")?.to_vec(),
            prob_a,
            prob_b: node.floats("prob_b")?.to_vec(),
            labels,
            scores: ClassScores::new(transform, second).map_err(|reason| node.invalid(reason))?,
        };
        let decision =
            (kernel == Kernel::Linear && second != SecondScore::Absent).then(|| parts.clone());
        let machine = SvmClassifier::new(parts).map_err(|reason| node.invalid(reason))?;
        match decision {
            Some(parts) => linear_decision(node, graph, parts, x)?,
            None => graph.push_many(node, machine, &[Some(x)], 2)?,
        }
    };
    graph.set_labels(made[0], names);
    Ok(made)
}

/// A machine of linear coefficients, one row per class, as liblinear makes them. ONNX Runtime adds the first `rho` to every
/// score.
fn without_vectors(
    node: &Node<'_>,
    graph: &mut Builder,
    transform: PostTransform,
    labels: Labels,
    (x, columns): (Value, u32),
) -> Result<Vec<Value>, ImportError> {
    let coefficients = node.floats("coefficients")?;
    let rho = *node
        .floats("rho")?
        .first()
        .ok_or_else(|| node.invalid("attribute `rho` is empty"))?;
    let calibrated = !node.floats("prob_a")?.is_empty();
    let decision = match labels.len() {
        2 if !calibrated && coefficients.iter().all(|&weight| weight >= 0.0) => {
            Decision::AnyAbove {
                threshold: 0.5,
                inclusive: true,
            }
        }
        2 if !calibrated => Decision::AnyAbove {
            threshold: 0.0,
            inclusive: false,
        },
        _ => Decision::Largest,
    };
    let weights = coefficients
        .iter()
        .map(|&weight| f64::from(weight))
        .collect();
    let linear = Linear::new(columns, weights, vec![f64::from(rho); labels.len()])
        .map_err(|reason| node.invalid(reason))?;
    let label = ClassLabel::new(decision, labels).map_err(|reason| node.invalid(reason))?;
    let margins = graph.push(node, linear, &[x])?;
    Ok(vec![
        graph.push(node, label, &[margins])?,
        transformed(node, graph, transform, margins)?,
    ])
}

/// The decision between two classes under the linear kernel is an affine function of the row. Positive speaks for the
/// first class.
fn linear_decision(
    node: &Node<'_>,
    graph: &mut Builder,
    parts: SvmClassifierParts,
    x: Value,
) -> Result<Vec<Value>, ImportError> {
    let linear = affine(node, &parts.coefficients, parts.rho[0])?;
    let reversed = match parts.labels {
        Labels::Integers(labels) => Labels::Integers(labels.into_iter().rev().collect()),
        Labels::Symbols(labels) => Labels::Symbols(labels.into_iter().rev().collect()),
    };
    let label = ClassLabel::new(
        Decision::Above {
            column: 0,
            threshold: 0.0,
        },
        reversed,
    )
    .map_err(|reason| node.invalid(reason))?;
    let margin = graph.push(node, linear, &[x])?;
    Ok(vec![
        graph.push(node, label, &[margin])?,
        graph.push(node, parts.scores, &[margin])?,
    ])
}

/// Values, or 1 and -1 for a one-class machine. ONNX Runtime applies no post-transform here.
pub(super) fn regressor(node: &Node<'_>, graph: &mut Builder) -> Result<Vec<Value>, ImportError> {
    post_transform(node)?;
    let kernel = kernel(node)?;
    let count = size(node, "n_supports", node.int("n_supports", 0)?)?;
    let coefficients = node.floats("coefficients")?.to_vec();
    let rho = *node
        .floats("rho")?
        .first()
        .ok_or_else(|| node.invalid("attribute `rho` is empty"))?;
    let one_class = node.int("one_class", 0)? != 0;
    let x = as_f32(node, graph)?;
    let columns = graph.columns(node, x)?;
    let (kernel, vectors, coefficients) = if count > 0 {
        (
            kernel,
            support_vectors(node, kernel, count, columns)?,
            coefficients,
        )
    } else {
        // The coefficients are the one vector of a linear machine.
        let one = SupportVectors::new(Kernel::Linear, 1, &coefficients)
            .map_err(|reason| node.invalid(reason))?;
        (Kernel::Linear, one, vec![1.0])
    };
    if vectors.columns() != columns as usize {
        return Err(node.invalid(format!(
            "{} coefficients for an operand of {columns} columns",
            vectors.columns()
        )));
    }
    let machine = SvmRegressor::new(vectors, coefficients.clone(), rho, one_class)
        .map_err(|reason| node.invalid(reason))?;
    if kernel != Kernel::Linear || one_class {
        return Ok(vec![graph.push(node, machine, &[x])?]);
    }
    let linear = if count > 0 {
        affine(node, &coefficients, rho)?
    } else {
        let weights = node
            .floats("coefficients")?
            .iter()
            .map(|&weight| f64::from(weight))
            .collect();
        Linear::new(columns, weights, vec![f64::from(rho)])
            .map_err(|reason| node.invalid(reason))?
    };
    let margins = graph.push(node, linear, &[x])?;
    Ok(vec![transformed(
        node,
        graph,
        PostTransform::None,
        margins,
    )?])
}

/// `rho + Σ coefficient · (vector · x)` over the node's support vectors, whose number has been checked.
fn affine(node: &Node<'_>, coefficients: &[f32], rho: f32) -> Result<Linear, ImportError> {
    let vectors = node.floats("support_vectors")?;
    let columns = vectors.len() / coefficients.len();
    let weight = |column: usize| {
        let terms = coefficients.iter().zip(vectors.chunks_exact(columns));
        terms
            .map(|(coefficient, vector)| f64::from(*coefficient) * f64::from(vector[column]))
            .sum::<f64>()
    };
    Linear::new(
        columns as u32,
        (0..columns).map(weight).collect(),
        vec![f64::from(rho)],
    )
    .map_err(|reason| node.invalid(reason))
}

fn support_vectors(
    node: &Node<'_>,
    kernel: Kernel,
    count: u32,
    columns: u32,
) -> Result<SupportVectors, ImportError> {
    let vectors = SupportVectors::new(kernel, count, node.floats("support_vectors")?)
        .map_err(|reason| node.invalid(reason))?;
    if vectors.columns() != columns as usize {
        let reason = format!(
            "support vectors of {} columns for an operand of {columns}",
            vectors.columns()
        );
        return Err(node.invalid(reason));
    }
    Ok(vectors)
}

/// The kernel with its parameters gamma, coef0 and degree.
fn kernel(node: &Node<'_>) -> Result<Kernel, ImportError> {
    let (gamma, coef0, degree) = match (
        node.text("kernel_type")?.unwrap_or("LINEAR"),
        node.floats("kernel_params")?,
    ) {
        ("LINEAR", []) => (0.0, 0.0, 0.0),
        (_, &[gamma, coef0, degree]) => (gamma, coef0, degree),
        (_, parameters) => {
            let found = parameters.len();
            return Err(node.invalid(format!(
                "attribute `kernel_params` holds {found} numbers, expected gamma, coef0 and degree"
            )));
        }
    };
    if let Some(parameter) = [gamma, coef0, degree]
        .into_iter()
        .find(|parameter| !parameter.is_finite())
    {
        return Err(node.invalid(format!(
            "attribute `kernel_params` holds {parameter}, expected finite numbers"
        )));
    }
    match node.text("kernel_type")?.unwrap_or("LINEAR") {
        "LINEAR" => Ok(Kernel::Linear),
        "POLY" => Ok(Kernel::Poly {
            gamma,
            coef0,
            degree,
        }),
        "RBF" => Ok(Kernel::Rbf { gamma }),
        "SIGMOID" => Ok(Kernel::Sigmoid { gamma, coef0 }),
        other => {
            let other = crate::onnx::shorten(other);
            Err(node.invalid(format!(
                "attribute `kernel_type` is `{other}`, expected LINEAR, POLY, RBF or SIGMOID"
            )))
        }
    }
}
