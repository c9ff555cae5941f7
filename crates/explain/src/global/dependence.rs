//! How the answer depends on one feature.

use hyaline_model::{Batch, Column, Symbols};

use super::grid::grid;
use super::{ROWS, evenly_spaced, unsupported, with_column};
use crate::{ExplainError, OutputSpace, Predict};

/// What is held fixed while the feature takes the values of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DependenceKind {
    /// Nothing: the mean answer over rows in which the feature has the value (Friedman 2001, doi:10.1214/aos/1013203451).
    Partial,
    /// All other features, row by row (Goldstein et al. 2015, doi:10.1080/10618600.2014.907095).
    Individual,
    /// The rows whose value is near: local differences, added up from the left and centred over the rows, so that rows
    /// which do not occur are not asked about (Apley & Zhu 2020, doi:10.1111/rssb.12377). For numbers only.
    Accumulated,
}

impl DependenceKind {
    /// Every kind.
    pub const ALL: [DependenceKind; 3] = [
        DependenceKind::Partial,
        DependenceKind::Individual,
        DependenceKind::Accumulated,
    ];

    /// The kind's name in requests and answers.
    pub fn name(self) -> &'static str {
        match self {
            DependenceKind::Partial => "partial",
            DependenceKind::Individual => "individual",
            DependenceKind::Accumulated => "accumulated",
        }
    }

    /// The kind called `name`.
    pub fn from_name(name: &str) -> Option<DependenceKind> {
        DependenceKind::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// Which curve is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DependenceRequest {
    /// Position of the feature in the schema.
    pub feature: usize,
    /// What is held fixed.
    pub kind: DependenceKind,
    /// Most values of a number on the grid, at least 2.
    pub points: usize,
    /// Most rows with a curve of their own ([`DependenceKind::Individual`]), evenly spaced among all.
    pub curves: usize,
    /// The unit of the answers.
    pub space: OutputSpace,
}

/// Curves over one feature.
#[derive(Clone, Debug, PartialEq)]
pub struct Dependence {
    /// What was asked for.
    pub request: DependenceRequest,
    /// The values of the feature.
    pub grid: Column,
    /// Numbers per point.
    pub outputs: usize,
    /// `[points, outputs]`; of individual curves `[curves, points, outputs]`.
    pub values: Vec<f64>,
    /// The reference rows with a curve of their own; empty for other kinds.
    pub rows: Vec<usize>,
    /// Rows above each point and up to the next ([`DependenceKind::Accumulated`]; those at the first point count as above
    /// it); empty for other kinds.
    pub counts: Vec<usize>,
    /// `[outputs]`: the mean answer of all rows as they are, the level around which accumulated values are centred.
    pub mean: Vec<f64>,
    /// Model evaluations spent.
    pub evaluations: u64,
}

/// The curves of `request` over `rows`. Memory is that of a few thousand rows, however many points and curves there are.
///
/// # Errors
/// [`ExplainError::Unsupported`] when the feature is text or a tensor, has no value in any row, or has no order
/// ([`DependenceKind::Accumulated`] of categories), or the model has no margin; [`ExplainError::Evaluation`] when it
/// refuses a row.
///
/// # Panics
/// If the feature does not exist, `points` is below 2, or `rows` has no rows or another schema.
pub fn dependence(
    model: &dyn Predict,
    symbols: &Symbols,
    rows: &Batch,
    request: DependenceRequest,
) -> Result<Dependence, ExplainError> {
    assert!(request.points >= 2, "a curve has two ends");
    let grid = grid(
        model.schema(),
        symbols,
        rows,
        request.feature,
        request.points,
    )?;
    dependence_at(model, rows, request, grid)
}

/// The same at values of the caller's choice: numbers ascending and without repeats.
///
/// # Errors
/// As [`dependence`].
///
/// # Panics
/// If the feature does not exist or holds other values, there are none, or `rows` has no rows or another schema.
pub fn dependence_at(
    model: &dyn Predict,
    rows: &Batch,
    request: DependenceRequest,
    grid: Column,
) -> Result<Dependence, ExplainError> {
    assert!(!grid.is_empty() && rows.rows() > 0, "a curve over rows");
    let mut answered = Asked {
        model,
        space: request.space,
        evaluations: 0,
    };
    let all = answered.answers(rows)?;
    let outputs = all.len() / rows.rows();
    if outputs == 0 {
        return unsupported("this model has no margin; ask for space=probability".to_owned());
    }
    let mut dependence = Dependence {
        request,
        outputs,
        values: Vec::new(),
        rows: Vec::new(),
        counts: Vec::new(),
        mean: means(&all, outputs),
        grid,
        evaluations: 0,
    };
    match request.kind {
        DependenceKind::Partial => {
            let curves = answered.curves(rows, request.feature, &dependence.grid)?;
            let points = curves.chunks_exact(rows.rows() * outputs);
            dependence.values = points.flat_map(|point| means(point, outputs)).collect();
        }
        DependenceKind::Individual => {
            dependence.rows = evenly_spaced(rows.rows(), request.curves);
            let chosen = rows.select(&dependence.rows);
            let curves = answered.curves(&chosen, request.feature, &dependence.grid)?;
            let count = dependence.rows.len();
            for row in 0..count {
                for point in 0..dependence.grid.len() {
                    let at = (point * count + row) * outputs;
                    dependence.values.extend(&curves[at..at + outputs]);
                }
            }
        }
        DependenceKind::Accumulated => accumulate(&mut answered, rows, &mut dependence)?,
    }
    dependence.evaluations = answered.evaluations;
    Ok(dependence)
}

/// A model that counts what it is asked.
struct Asked<'m> {
    model: &'m dyn Predict,
    space: OutputSpace,
    evaluations: u64,
}

impl Asked<'_> {
    fn answers(&mut self, rows: &Batch) -> Result<Vec<f64>, ExplainError> {
        self.evaluations += rows.rows() as u64;
        Ok(self.model.answers(rows, self.space)?.values)
    }

    /// The answers of every row with every value, `[points, rows, outputs]`.
    fn curves(
        &mut self,
        rows: &Batch,
        feature: usize,
        grid: &Column,
    ) -> Result<Vec<f64>, ExplainError> {
        let count = rows.rows();
        let points: Vec<usize> = (0..grid.len()).collect();
        let mut curves = Vec::new();
        for points in points.chunks((ROWS / count).max(1)) {
            let repeated: Vec<usize> = points.iter().flat_map(|_| 0..count).collect();
            let values: Vec<usize> = points
                .iter()
                .flat_map(|&point| std::iter::repeat_n(point, count))
                .collect();
            let batch = with_column(
                self.model.schema(),
                &rows.select(&repeated),
                feature,
                grid.select(&values),
            );
            curves.extend(self.answers(&batch)?);
        }
        Ok(curves)
    }
}

/// The mean of each output.
fn means(answers: &[f64], outputs: usize) -> Vec<f64> {
    let mut means = vec![0.0; outputs];
    for row in answers.chunks_exact(outputs) {
        means.iter_mut().zip(row).for_each(|(mean, x)| *mean += x);
    }
    let rows = (answers.len() / outputs) as f64;
    means.iter_mut().for_each(|mean| *mean /= rows);
    means
}

/// Fills the accumulated values of the curve, and drops points that no row is at or below.
fn accumulate(
    answered: &mut Asked<'_>,
    rows: &Batch,
    dependence: &mut Dependence,
) -> Result<(), ExplainError> {
    let feature = dependence.request.feature;
    let (Column::Numbers(points), Column::Numbers(values)) =
        (&mut dependence.grid, &rows.columns()[feature])
    else {
        let name = &answered.model.schema().features()[feature].name;
        return unsupported(format!(
            "feature `{name}` is a category and has no order to accumulate in; ask for kind=partial"
        ));
    };
    let present: Vec<usize> = (0..values.len())
        .filter(|&row| values[row].is_finite())
        .collect();
    let above = |points: &[f64], row: usize| {
        points.partition_point(|&point| point < values[row]).max(1) - 1
    };
    let mut counts = vec![0; points.len().saturating_sub(1)];
    if counts.is_empty() {
        dependence.values = vec![0.0; dependence.outputs];
        return Ok(());
    }
    for &row in &present {
        counts[above(points, row)] += 1;
    }
    let mut kept = vec![points[0]];
    kept.extend(
        (0..counts.len())
            .filter(|&at| counts[at] > 0)
            .map(|at| points[at + 1]),
    );
    counts.retain(|&count| count > 0);
    *points = kept;

    let outputs = dependence.outputs;
    let schema = answered.model.schema();
    let mut differences = vec![0.0; counts.len() * outputs];
    for rows_of_chunk in present.chunks(ROWS) {
        let chosen = rows.select(rows_of_chunk);
        let mut end = |high: usize| {
            let ends = rows_of_chunk
                .iter()
                .map(|&row| points[above(points, row) + high]);
            let column = Column::Numbers(ends.collect());
            answered.answers(&with_column(schema, &chosen, feature, column))
        };
        let (low, high) = (end(0)?, end(1)?);
        for (at, &row) in rows_of_chunk.iter().enumerate() {
            let interval = above(points, row) * outputs;
            for output in 0..outputs {
                differences[interval + output] +=
                    high[at * outputs + output] - low[at * outputs + output];
            }
        }
    }
    let mut effect = vec![0.0; outputs];
    let mut centre = vec![0.0; outputs];
    let mut effects = effect.clone();
    for (differences, &count) in differences.chunks_exact(outputs).zip(&counts) {
        for output in 0..outputs {
            let step = differences[output] / count as f64;
            centre[output] += (effect[output] + step / 2.0) * count as f64;
            effect[output] += step;
        }
        effects.extend(&effect);
    }
    for point in effects.chunks_exact_mut(outputs) {
        for (value, centre) in point.iter_mut().zip(&centre) {
            *value -= centre / present.len() as f64;
        }
    }
    dependence.values = effects;
    dependence.counts = counts;
    Ok(())
}
