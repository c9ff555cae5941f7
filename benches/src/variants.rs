//! Thousands of models from one: the packed wine model, a linear one, with another coefficient in each.

use anyhow::{Context, Result};
use hyaline_formats::ImportOptions;
use hyaline_model::graph::Op;

use crate::arguments::Arguments;

/// The model that is varied.
pub const MODEL: &str = "wine";

/// A packed linear model, and where one of its coefficients lies in it.
pub struct Variants {
    component: Vec<u8>,
    places: Vec<usize>,
    coefficient: f64,
}

impl Variants {
    /// Finds a coefficient of the model file in the packed function: the largest, of which the answers depend most.
    ///
    /// # Errors
    /// The model is not linear, or no coefficient of it lies in the function as the eight bytes of a number.
    pub fn new(arguments: &Arguments) -> Result<Variants> {
        let model = arguments.repository.join("models").join(MODEL);
        let onnx = std::fs::read(model.join("model.onnx"))
            .with_context(|| format!("read the model of {}", model.display()))?;
        let imported = hyaline_formats::import(&onnx, &ImportOptions::default())?;
        let component = arguments.component(MODEL)?;
        let linear = imported
            .graph
            .nodes
            .iter()
            .filter_map(|node| match &node.op {
                Op::Linear(linear) => Some(linear),
                _ => None,
            });
        let mut coefficients: Vec<f64> = linear
            .flat_map(|linear| (0..linear.outputs()).flat_map(|output| linear.weights(output)))
            .copied()
            .collect();
        coefficients.sort_by(|left, right| right.abs().total_cmp(&left.abs()));
        let found = coefficients.iter().find_map(|&coefficient| {
            let bytes = coefficient.to_le_bytes();
            let places = component
                .windows(bytes.len())
                .enumerate()
                .filter_map(|(place, window)| (*window == bytes).then_some(place));
            let places: Vec<usize> = places.collect();
            (!places.is_empty() && coefficient != 0.0).then_some((places, coefficient))
        });
        let (places, coefficient) = found.with_context(|| {
            format!(
                "none of the {} coefficients of {MODEL} lies in its function as a number",
                coefficients.len()
            )
        })?;
        Ok(Variants {
            component,
            places,
            coefficient,
        })
    }

    /// The function with the coefficient of this number: larger by 1/16384 of it for each, so that answers differ.
    pub fn component(&self, number: usize) -> Vec<u8> {
        let mut component = self.component.clone();
        let coefficient = self.coefficient * (1.0 + number as f64 / 16384.0);
        for place in &self.places {
            component[*place..][..8].copy_from_slice(&coefficient.to_le_bytes());
        }
        component
    }

    /// Bytes of each.
    pub fn size(&self) -> usize {
        self.component.len()
    }
}
