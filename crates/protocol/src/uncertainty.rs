//! `coverage`: what else than the predicted answer has to be reckoned with.

use hyaline_model::Predictions;
use hyaline_trust::conformal::{ConformalError, Regions, regions, score_name};

use crate::json::JsonWriter;
use crate::parameters::Parameters;
use crate::render::{write_label, write_prediction_members};
use crate::{Function, Refusal};

/// The coverage that a prediction's query asks for.
///
/// # Errors
/// For any other parameter, or a coverage that is no share of rows.
pub(crate) fn coverage(query: &str) -> Result<Option<f64>, Refusal> {
    let parameters = Parameters::read(query, "a prediction", &["coverage"])?;
    parameters.number(
        "coverage",
        "a number above 0 and below 1, such as 0.9",
        |x| x > 0.0 && x < 1.0,
    )
}

/// `"predictions": […]` with the `interval` or the `set` of each, and under `uncertainty` what they follow from.
///
/// # Errors
/// When the function keeps no scores of held-out rows, or too few for the coverage.
pub(crate) fn write_predictions_with_regions(
    json: &mut JsonWriter,
    function: &Function,
    predictions: &Predictions,
    coverage: f64,
) -> Result<(), Refusal> {
    let model = function.model();
    let regions = regions(model, predictions, coverage).map_err(refusal)?;
    json.key("predictions").begin_array();
    for row in 0..predictions.rows {
        json.begin_object();
        write_prediction_members(json, model, predictions, row);
        match &regions {
            Regions::Intervals(intervals) => {
                json.key("interval").numbers(intervals[row]);
            }
            Regions::Sets(sets) => {
                json.key("set").begin_array();
                for &class in &sets[row] {
                    write_label(json, &model.labels()[class]);
                }
                json.end_array();
            }
        }
        json.end_object();
    }
    json.end_array();
    if let Some(conformity) = &model.parts().conformity {
        json.key("uncertainty").begin_object();
        json.key("method").text("split-conformal");
        json.key("score").text(score_name(conformity.score));
        json.key("coverage").number(coverage);
        json.key("held_out_rows")
            .integer(conformity.scores.len() as u64);
        json.key("model").text(function.model_digest());
        json.end_object();
    }
    Ok(())
}

fn refusal(error: ConformalError) -> Refusal {
    match error {
        ConformalError::Coverage { .. } => Refusal::bad_request(error.to_string()),
        _ => Refusal::unsupported(error.to_string()),
    }
}
