//! LIME for rows of numbers and categories: the weights of a linear model that answers like the black box near a row
//! (Ribeiro, Singh & Guestrin 2016, doi:10.1145/2939672.2939778), with the definitions of the Python package `lime`.
//!
//! Samples are drawn feature by feature from the distribution of the reference rows, not near the row; nearness is in
//! their weight, `exp(−d² / 2w²)` with `d` the Euclidean distance of the representations and `w` the kernel width. By
//! default a number is represented by whether it falls into the row's quartile bin, a category by whether it is the row's;
//! without bins a number is represented by its distance from the mean in standard deviations.

mod normal;
mod rule;
mod sampling;
mod surrogate;

use hyaline_model::Batch;

pub use rule::Rule;
pub use surrogate::{Centred, Moments, Selection, Surrogate};

use crate::reference_statistics::ReferenceView;
use crate::{ExplainError, OutputSpace, Predict};
use sampling::Sampling;

/// What a caller asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LimeRequest {
    /// Rows the model answers, the explained one among them; at least 2.
    pub samples: usize,
    /// Whether numbers are represented by quartile bins.
    pub discretize: bool,
    /// Most features in the linear model of an output; `None` keeps all.
    pub features: Option<usize>,
    /// Width of the kernel; `None` for 0.75 · √features.
    pub kernel_width: Option<f64>,
    /// Seed of the samples.
    pub seed: u64,
    /// Which numbers of the model are explained.
    pub space: OutputSpace,
}

impl Default for LimeRequest {
    /// 5000 samples, quartile bins, all features, probabilities.
    fn default() -> LimeRequest {
        LimeRequest {
            samples: 5000,
            discretize: true,
            features: None,
            kernel_width: None,
            seed: 0,
            space: OutputSpace::Probability,
        }
    }
}

/// The linear model of one output.
#[derive(Clone, Debug, PartialEq)]
pub struct LimeOutput {
    /// The linear model; components are features.
    pub surrogate: Surrogate,
    /// Standard error of each weight over the draw of samples (White 1980, doi:10.2307/1912934).
    pub standard_errors: Vec<f64>,
    /// What the linear model answers to the row.
    pub local_prediction: f64,
    /// What the model answers to it.
    pub prediction: f64,
}

/// The explanation of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Lime {
    /// `[features]`: what a weight speaks about.
    pub rules: Vec<Rule>,
    /// `[features]`: the row as the linear model takes it; 1 where a rule is a condition.
    pub own: Vec<f64>,
    /// One per explained output.
    pub outputs: Vec<LimeOutput>,
    /// The width used.
    pub kernel_width: f64,
    /// Rows the model was asked about.
    pub evaluations: u64,
}

/// Samples the model answers at a time: enough for its inner loops, small in memory.
const BATCH: usize = 1024;

/// Explains row `row` of `rows`.
///
/// O(samples · features²) time beside the model's, less where samples share little with the row.
///
/// # Errors
/// [`ExplainError::Evaluation`] when the model refuses a row.
///
/// # Panics
/// If there is no such row, the reference is of another schema, or fewer than 2 samples are asked for.
pub fn lime(
    model: &dyn Predict,
    reference: ReferenceView<'_>,
    rows: &Batch,
    row: usize,
    request: LimeRequest,
) -> Result<Lime, ExplainError> {
    assert!(request.samples > 1, "a line goes through two points");
    let features = model.schema().len();
    let kernel_width = request
        .kernel_width
        .unwrap_or(0.75 * (features as f64).sqrt());
    let mut sampling = Sampling::new(reference, rows, row, request.discretize, request.seed);
    let mut drawn = Drawn {
        present: Vec::new(),
        ends: Vec::with_capacity(request.samples),
        weights: Vec::with_capacity(request.samples),
        answers: Vec::new(),
    };
    let mut outputs = 0;
    while drawn.ends.len() < request.samples {
        let count = BATCH.min(request.samples - drawn.ends.len());
        let samples = sampling.next(model.schema(), count);
        let answers = model.answers(&samples.rows, request.space)?;
        outputs = answers.outputs;
        drawn.answers.extend(answers.values);
        drawn.add(&samples.components, sampling.own(), kernel_width);
    }
    let mut moments = Moments::new(features, outputs);
    for sample in 0..request.samples {
        let answers = &drawn.answers[sample * outputs..][..outputs];
        moments.add(drawn.weights[sample], drawn.present(sample), answers);
    }
    let centred = moments.centred();
    let selection = request.features.map_or(Selection::All, Selection::Best);
    let explained = (0..outputs).map(|output| {
        let surrogate = centred.fit(output, selection, sampling.own());
        LimeOutput {
            standard_errors: centred
                .standard_errors(&surrogate, &drawn.scores(features, &surrogate, output)),
            local_prediction: surrogate.answer(sampling.own()),
            prediction: drawn.answers[output],
            surrogate,
        }
    });
    Ok(Lime {
        outputs: explained.collect(),
        rules: rule::rules(reference.statistics, rows, row, request.discretize),
        own: sampling.own().iter().copied().map(f64::from).collect(),
        kernel_width,
        evaluations: request.samples as u64,
    })
}

/// Samples with their weights and answers, kept for the standard errors.
struct Drawn {
    /// Components that are not 0, as (position, value), sample after sample.
    present: Vec<(u32, f32)>,
    /// Where each sample's end.
    ends: Vec<usize>,
    weights: Vec<f64>,
    /// `[samples, outputs]`.
    answers: Vec<f64>,
}

impl Drawn {
    /// Adds samples, `[rows, features]`.
    fn add(&mut self, components: &[f32], own: &[f32], kernel_width: f64) {
        let scale = -0.5 / (kernel_width * kernel_width);
        // Neighbouring samples often have the same distance.
        let mut last = (0.0, 1.0);
        for sample in components.chunks_exact(own.len()) {
            let mut distance = 0.0;
            for (at, (&component, &own)) in sample.iter().zip(own).enumerate() {
                let difference = f64::from(component - own);
                distance += difference * difference;
                if component != 0.0 {
                    self.present.push((at as u32, component));
                }
            }
            if distance != last.0 {
                last = (distance, libm::exp(distance * scale));
            }
            self.weights.push(last.1);
            self.ends.push(self.present.len());
        }
    }

    fn present(&self, sample: usize) -> &[(u32, f32)] {
        let from = sample.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.present[from..self.ends[sample]]
    }

    /// The samples with what `surrogate` leaves of their answers, squared, in their weights.
    fn scores(&self, features: usize, surrogate: &Surrogate, output: usize) -> Moments {
        let outputs = self.answers.len() / self.ends.len();
        let mut weights = vec![0.0; features];
        for (&at, &weight) in surrogate.components.iter().zip(&surrogate.weights) {
            weights[at] = weight;
        }
        let mut scores = Moments::new(features, 0);
        for sample in 0..self.ends.len() {
            let present = self.present(sample);
            let terms = present
                .iter()
                .map(|&(at, value)| weights[at as usize] * f64::from(value));
            let answer = surrogate.intercept + terms.sum::<f64>();
            let score = self.weights[sample] * (self.answers[sample * outputs + output] - answer);
            scores.add(score * score, present, &[]);
        }
        scores
    }
}
