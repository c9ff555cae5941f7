//! Explanations of pictures: a value per segment, or a value per pixel.
//!
//! The players are segments of the picture (squares of a grid, or superpixels); a filling stands in the place of absent
//! ones. Sliding windows and random masks value pixels instead. All other features of the row stay as they are.

mod fill;
mod masks;
mod picture;
mod segments;
mod slopes;

use hyaline_model::graph::EvalError;
use hyaline_model::{Batch, Column, FeatureKind, ImageKind, Model, Tensors};

use crate::coalitional::space;
use crate::game::{Coalitions, Game};
use crate::presence::{self, Draw, MOST_PARTS};
use crate::{ExplainError, OutputSpace, PartMethod, PartRequest, PartValues, Predict};
pub use fill::Filling;
pub use picture::Picture;
pub use segments::{Segmentation, Segments};

/// How a picture is valued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageMethod {
    /// Segments, as parts of an input; `None` chooses by their number. Never [`PartMethod::Occlusion`].
    Segments(Option<PartMethod>),
    /// What the answer loses when a window of `size` pixels is filled in, moved by `stride` pixels; a pixel's value is the
    /// mean over the windows it lies in (Zeiler & Fergus 2014, arXiv:1311.2901).
    Occlusion {
        /// Height and width of the window.
        size: usize,
        /// Pixels from one window to the next.
        stride: usize,
    },
    /// The mean answer to random masks that show the pixel (RISE; Petsiuk, Das & Saenko 2018, arXiv:1806.07421): `cells`
    /// by `cells` coins of probability ½, enlarged bilinearly and shifted.
    Rise {
        /// Cells of a mask, along each axis.
        cells: usize,
    },
    /// Integrated gradients from the filling to the picture, where the model has a backward pass.
    IntegratedGradients,
}

/// What a caller asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageRequest {
    /// How to value.
    pub method: ImageMethod,
    /// In which unit; `None` leaves it to the function.
    pub space: Option<OutputSpace>,
    /// What is drawn from.
    pub seed: u64,
    /// Coalitions or masks a sampling method may spend.
    pub samples: Option<u32>,
    /// As [`PartRequest::tolerance`].
    pub tolerance: Option<f64>,
    /// The players.
    pub segmentation: Segmentation,
    /// What stands in the place of what is absent.
    pub filling: Filling,
    /// The explained class, in score order; `None`: the predicted one. A classifier of two classes is explained by its
    /// positive one, a regressor by its first target, whatever is asked for.
    pub class: Option<usize>,
}

/// Values of one picture.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageExplanation {
    /// How they were computed.
    pub method: &'static str,
    /// Whether they are exact Shapley values of the stated game, up to rounding.
    pub exact: bool,
    /// Their unit.
    pub space: OutputSpace,
    /// The explained output among those of the space, and how many there are.
    pub output: (usize, usize),
    /// The answer to the filling alone.
    pub base_value: f64,
    /// The explained answer.
    pub prediction: f64,
    /// The segments and `[segments]` values, with standard errors where the method has them; `None` for methods that
    /// value pixels.
    pub segments: Option<SegmentValues>,
    /// `[height, width]`: a value per pixel, of its segment where there are segments.
    pub heat: Vec<f64>,
    /// Rows the model answered.
    pub evaluations: u64,
    /// What was drawn from; `None` when nothing was drawn.
    pub seed: Option<u64>,
    /// Whether the tolerance was reached; true when there was none.
    pub converged: bool,
}

/// Values of segments.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentValues {
    /// Which pixel belongs to which.
    pub segments: Segments,
    /// One per segment.
    pub values: Vec<f64>,
    /// One per segment, or none.
    pub standard_errors: Vec<f64>,
    /// Intercept, local prediction and score of LIME's linear model.
    pub fit: Option<[f64; 3]>,
}

/// Masks of RISE when the request does not say how many.
const MASKS: u32 = 2000;

/// The picture feature of `model`: its position and what it shows. `None` when it has none; the first of several.
pub fn picture_feature(model: &Model) -> Option<(usize, &ImageKind)> {
    let mut features = model.schema().features().iter().enumerate();
    features.find_map(|(position, feature)| match &feature.kind {
        FeatureKind::Tensor(kind) => kind.image.as_ref().map(|image| (position, image)),
        _ => None,
    })
}

/// Explains row `row` of `batch`.
///
/// # Errors
/// [`ExplainError::Unsupported`] when the model takes no picture or the request does not fit it,
/// [`ExplainError::Evaluation`] when the model refuses a picture.
///
/// # Panics
/// If there is no such row or class.
pub fn explain_image(
    model: &Model,
    batch: &Batch,
    row: usize,
    request: &ImageRequest,
) -> Result<ImageExplanation, ExplainError> {
    let (feature, kind) = picture_feature(model).ok_or_else(|| {
        ExplainError::Unsupported(
            "the model takes no picture; say in the recipe that a feature is an image".to_owned(),
        )
    })?;
    let space = space(model, request.space)?;
    let row = batch.select(&[row]);
    let Column::Tensors(own) = &row.columns()[feature] else {
        unreachable!("a picture is a tensor");
    };
    let picture = Picture::new(kind, own.row(0).to_vec());
    let filled = request.filling.of(&picture);
    let outputs = model.answers(&row, space)?.outputs;
    let output = match (outputs, model.labels().len()) {
        (1, _) | (_, 0) => 0,
        _ => match request.class {
            Some(class) => class,
            None => model.predict(&row)?.labels[0] as usize,
        },
    };
    let stage = Stage {
        model,
        row: &row,
        feature,
        picture: &picture,
        filled: &filled,
        space,
        output,
    };
    let pixels = picture.height() * picture.width();
    match request.method {
        ImageMethod::Segments(method) => {
            let segments = request.segmentation.of(&picture)?;
            if segments.count() > MOST_PARTS {
                return Err(ExplainError::Unsupported(format!(
                    "{} segments; at most {MOST_PARTS} are explained, ask for fewer",
                    segments.count()
                )));
            }
            let game = SegmentGame {
                stage: &stage,
                segments: &segments,
            };
            let parts = PartRequest {
                method,
                space: request.space,
                seed: request.seed,
                samples: request.samples,
                tolerance: request.tolerance,
            };
            let made = presence::explain(&game, &parts, Draw::Coins)?;
            Ok(of_segments(made, segments, space, (output, outputs)))
        }
        ImageMethod::Occlusion { size, stride } => {
            let (heat, evaluations) = masks::occlusion(&stage, size, stride)?;
            let ends = stage.ends()?;
            Ok(of_pixels(
                "occlusion",
                heat,
                ends,
                space,
                (output, outputs),
                evaluations + 2,
                None,
            ))
        }
        ImageMethod::IntegratedGradients => {
            let heat = slopes::integrated(&stage)?;
            let ends = stage.ends()?;
            let evaluations = slopes::POINTS as u64 + 2;
            let output = (output, outputs);
            Ok(of_pixels(
                "integrated-gradients",
                heat,
                ends,
                space,
                output,
                evaluations,
                None,
            ))
        }
        ImageMethod::Rise { cells } => {
            let count = request.samples.unwrap_or(MASKS);
            let heat = masks::rise(&stage, cells, count, request.seed)?;
            debug_assert_eq!(heat.len(), pixels);
            let ends = stage.ends()?;
            Ok(of_pixels(
                "rise",
                heat,
                ends,
                space,
                (output, outputs),
                u64::from(count) + 2,
                Some(request.seed),
            ))
        }
    }
}

fn of_segments(
    made: PartValues,
    segments: Segments,
    space: OutputSpace,
    output: (usize, usize),
) -> ImageExplanation {
    ImageExplanation {
        method: made.method.name(),
        exact: made.exact,
        space,
        output,
        base_value: made.base_values[0],
        prediction: made.predictions[0],
        heat: segments
            .of_pixels()
            .iter()
            .map(|&segment| made.values[segment as usize])
            .collect(),
        evaluations: made.evaluations,
        seed: made.seed,
        converged: made.converged,
        segments: Some(SegmentValues {
            segments,
            values: made.values,
            standard_errors: made.standard_errors,
            fit: made
                .fit
                .map(|fit| [fit.intercepts[0], fit.predictions[0], fit.scores[0]]),
        }),
    }
}

fn of_pixels(
    method: &'static str,
    heat: Vec<f64>,
    (base_value, prediction): (f64, f64),
    space: OutputSpace,
    output: (usize, usize),
    evaluations: u64,
    seed: Option<u64>,
) -> ImageExplanation {
    ImageExplanation {
        method,
        exact: false,
        space,
        output,
        base_value,
        prediction,
        segments: None,
        heat,
        evaluations,
        seed,
        converged: true,
    }
}

/// Numbers in one model call: enough for a model's inner loops, small in memory.
const NUMBERS_PER_CALL: usize = 1 << 18;

/// A picture, what fills it in, and who answers.
struct Stage<'a> {
    model: &'a dyn Predict,
    row: &'a Batch,
    feature: usize,
    picture: &'a Picture,
    /// The numbers in place of absent ones.
    filled: &'a [f32],
    space: OutputSpace,
    output: usize,
}

impl Stage<'_> {
    /// The explained answers to `count` pictures, of which `paint` gives the numbers one by one.
    fn answers(
        &self,
        count: usize,
        paint: &mut dyn FnMut(usize, &mut Vec<f32>),
    ) -> Result<Vec<f64>, EvalError> {
        let width = self.filled.len();
        let per_call = (NUMBERS_PER_CALL / width).clamp(1, 512);
        let mut answers = Vec::with_capacity(count);
        let mut next = 0;
        while next < count {
            let rows = per_call.min(count - next);
            let mut numbers = Vec::with_capacity(rows * width);
            for at in next..next + rows {
                paint(at, &mut numbers);
            }
            let mut columns = self.row.select(&vec![0; rows]).into_columns();
            let painted = Tensors::new(width, numbers).expect("a painter gives a whole picture");
            columns[self.feature] = Column::Tensors(painted);
            let batch = Batch::new(self.model.schema(), columns).expect("as many pictures as rows");
            let made = self.model.answers(&batch, self.space)?;
            answers.extend(made.values.iter().skip(self.output).step_by(made.outputs));
            next += rows;
        }
        Ok(answers)
    }

    /// The answers to the filling and to the picture.
    fn ends(&self) -> Result<(f64, f64), EvalError> {
        let answers = self.answers(2, &mut |at, numbers| {
            numbers.extend(if at == 0 {
                self.filled
            } else {
                self.picture.numbers()
            });
        })?;
        Ok((answers[0], answers[1]))
    }
}

/// The game of segments: `v(S)` is the answer to the picture with all other segments filled in.
struct SegmentGame<'a> {
    stage: &'a Stage<'a>,
    segments: &'a Segments,
}

impl Game for SegmentGame<'_> {
    fn players(&self) -> usize {
        self.segments.count()
    }

    fn outputs(&self) -> usize {
        1
    }

    fn worths(&self, coalitions: &Coalitions) -> Result<Vec<f64>, EvalError> {
        let Stage {
            picture, filled, ..
        } = *self.stage;
        let of_pixels = self.segments.of_pixels();
        self.stage
            .answers(coalitions.len(), &mut |coalition, numbers| {
                let start = numbers.len();
                numbers.extend_from_slice(filled);
                for (pixel, &segment) in of_pixels.iter().enumerate() {
                    if coalitions.contains(coalition, segment as usize) {
                        for channel in 0..picture.channels() {
                            let place = picture.place(pixel, channel);
                            numbers[start + place] = picture.numbers()[place];
                        }
                    }
                }
            })
    }

    fn evaluations_per_coalition(&self) -> u64 {
        1
    }
}
