//! `/explain` of models that take free text: a value per token.

use std::borrow::Cow;

use hyaline_explain::{
    OutputSpace, Part, PartMethod, PartRequest, Source, TextExplanation, TextRequest, Token,
    explain_text,
};
use hyaline_model::FeatureKind;

use crate::function::refusal;
use crate::json::JsonWriter;
use crate::native::read_rows;
use crate::options::space_name;
use crate::parameters::{Parameters, unexpected};
use crate::render::{explained_names, write_predictions};
use crate::rows::Rows;
use crate::{Body, Function, Refusal, Request, Response};

/// What the query may say.
const KNOWN: &[&str] = &[
    "method",
    "space",
    "seed",
    "samples",
    "tolerance",
    "mask",
    "words",
    "top",
];

/// Most rows explained in one request.
const MOST_ROWS: usize = 64;

/// Most samples a request may ask for.
pub(crate) const MOST_SAMPLES: u64 = 100_000;

/// `{"predictions": […], "explanations": […]}`.
pub(crate) fn explain<'f>(
    function: &'f Function,
    request: &Request<'_>,
    query: &str,
) -> Result<Response<'f>, Refusal> {
    let parameters = Parameters::read(query, "an explanation of text", KNOWN)?;
    let text = TextRequest {
        parts: PartRequest {
            method: method(&parameters)?,
            ..part_request(&parameters)?
        },
        mask: parameters.text("mask").map(str::to_owned),
        words: parameters.truth("words")?.unwrap_or(false),
    };
    let top = parameters.whole("top", 1..=u64::MAX)?;
    let rows = read_rows(function, request)?;
    if rows.batch().rows() > MOST_ROWS {
        return Err(Refusal::too_much(format!(
            "{} rows to explain; texts are explained at most {MOST_ROWS} in one request",
            rows.batch().rows()
        )));
    }
    let predictions = function.predict(&rows)?;
    let mut json = JsonWriter::new();
    json.begin_object();
    write_predictions(&mut json, function.model(), &predictions);
    json.key("explanations").begin_array();
    for row in 0..rows.batch().rows() {
        let made = explain_text(function.model(), rows.batch(), row, &text).map_err(refusal)?;
        write(&mut json, function, &rows, row, &made, &text, top);
    }
    json.end_array();
    json.end_object();
    Ok(Response::json(200, Body::Owned(json.finish())))
}

fn method(parameters: &Parameters<'_>) -> Result<Option<PartMethod>, Refusal> {
    match parameters.text("method") {
        None | Some("auto") => Ok(None),
        Some(name) => PartMethod::from_name(name).map(Some).ok_or_else(|| {
            let known: Vec<&str> = PartMethod::ALL.into_iter().map(PartMethod::name).collect();
            unexpected("method", name, &format!("auto, {}", known.join(", ")))
        }),
    }
}

/// The parameters that explanations of parts share, but for the method: `space`, `seed`, `samples`, `tolerance`.
///
/// # Errors
/// For an unknown value, with what is known.
pub(crate) fn part_request(parameters: &Parameters<'_>) -> Result<PartRequest, Refusal> {
    let space = match parameters.text("space") {
        None => None,
        Some("margin") => Some(OutputSpace::Margin),
        Some("probability") => Some(OutputSpace::Probability),
        Some(other) => return Err(unexpected("space", other, "margin, probability")),
    };
    let samples = parameters.whole("samples", 1..=MOST_SAMPLES)?;
    Ok(PartRequest {
        method: None,
        space,
        seed: parameters.whole("seed", 0..=u64::MAX)?.unwrap_or(0),
        samples: samples.map(|samples| samples as u32),
        tolerance: parameters.number("tolerance", "a number between 0 and 1", |tolerance| {
            tolerance > 0.0 && tolerance < 1.0
        })?,
    })
}

/// One explanation. `attributions` lists every feature, a text's attribution being the sum of its tokens' (and its
/// variance the sum of theirs); `tokens` lists the tokens, by `start` and `end` in Unicode scalar values.
fn write(
    json: &mut JsonWriter,
    function: &Function,
    rows: &Rows,
    row: usize,
    explanation: &TextExplanation,
    request: &TextRequest,
    top: Option<u64>,
) {
    let model = function.model();
    let values = &explanation.values;
    let outputs = values.outputs;
    let names = explained_names(model, outputs, explanation.space);
    let per_output = |json: &mut JsonWriter, key: &str, numbers: &[f64]| {
        write_per_output(json, &names, key, numbers);
    };
    json.begin_object();
    json.key("method").text(values.method.name());
    json.key("exact").boolean(values.exact);
    json.key("space").text(space_name(explanation.space));
    if let [name] = names.as_slice() {
        json.key("output").text(name);
    }
    per_output(json, "base_value", &values.base_values);
    per_output(json, "prediction", &values.predictions);
    let of = |numbers: &[f64], part: usize| numbers[part * outputs..][..outputs].to_vec();

    json.key("attributions").begin_array();
    for (position, feature) in model.schema().features().iter().enumerate() {
        let mut sums = vec![0.0; outputs];
        for (at, part) in explanation.parts.iter().enumerate() {
            let own = match part {
                Part::Feature(feature) => *feature == position,
                Part::Tokens(tokens) => tokens[0].feature == position,
            };
            if own {
                for (sum, value) in sums.iter_mut().zip(of(&values.values, at)) {
                    *sum += value;
                }
            }
        }
        json.begin_object();
        json.key("feature").text(&feature.name);
        json.key("value");
        rows.seen(model, row, position).write(json);
        per_output(json, "attribution", &sums);
        if feature.kind != FeatureKind::Text && !values.standard_errors.is_empty() {
            let part = explanation
                .parts
                .iter()
                .position(|part| *part == Part::Feature(position));
            if let Some(part) = part {
                per_output(json, "standard_error", &of(&values.standard_errors, part));
            }
        }
        json.end_object();
    }
    json.end_array();

    let tokens: Vec<(usize, &[Token])> = explanation
        .parts
        .iter()
        .enumerate()
        .filter_map(|(at, part)| match part {
            Part::Tokens(tokens) => Some((at, tokens.as_slice())),
            Part::Feature(_) => None,
        })
        .collect();
    let shown = strongest(&tokens, &values.values, outputs, top);
    json.key("tokens").begin_array();
    for &(at, occurrences) in &shown {
        let first = &occurrences[0];
        json.begin_object();
        json.key("feature")
            .text(&model.schema().features()[first.feature].name);
        json.key("token").text(&first.text);
        json.key("start").integer(first.characters.0 as u64);
        json.key("end").integer(first.characters.1 as u64);
        if request.words {
            json.key("starts").begin_array();
            for token in occurrences {
                json.integer(token.characters.0 as u64);
            }
            json.end_array();
        }
        per_output(json, "attribution", &of(&values.values, at));
        if !values.standard_errors.is_empty() {
            per_output(json, "standard_error", &of(&values.standard_errors, at));
        }
        json.end_object();
    }
    json.end_array();
    json.key("offsets").text("Unicode scalar values");
    json.key("tokens_by")
        .texts(explanation.sources.iter().map(|source| match source {
            Source::Model => "model",
            Source::Words => "words",
        }));
    json.key("absent");
    match &request.mask {
        None => json.text("removed"),
        Some(mask) => json.text(mask),
    };
    if let Some(fit) = &values.fit {
        per_output(json, "intercept", &fit.intercepts);
        per_output(json, "local_prediction", &fit.predictions);
        per_output(json, "score", &fit.scores);
    }

    let residuals: Vec<f64> = (0..outputs)
        .map(|output| {
            let sum: f64 = values.values.iter().skip(output).step_by(outputs).sum();
            values.predictions[output] - values.base_values[output] - sum
        })
        .collect();
    per_output(json, "residual", &residuals);
    json.key("evaluations").integer(values.evaluations);
    json.key("seed");
    match values.seed {
        Some(seed) => json.integer(seed),
        None => json.null(),
    };
    if values.seed.is_some() {
        json.key("converged").boolean(values.converged);
    }
    json.key("background");
    let others = explanation
        .parts
        .iter()
        .any(|part| matches!(part, Part::Feature(_)));
    match function.background_digest().filter(|_| others) {
        Some(digest) => json.text(digest),
        None => json.null(),
    };
    json.key("model").text(function.model_digest());
    json.end_object();
}

/// A number, or an object by the outputs' names where there are several.
pub(crate) fn write_per_output(
    json: &mut JsonWriter,
    names: &[Cow<'_, str>],
    key: &str,
    numbers: &[f64],
) {
    json.key(key);
    if let &[number] = numbers {
        json.number(number);
        return;
    }
    json.begin_object();
    for (name, &number) in names.iter().zip(numbers) {
        json.key(name).number(number);
    }
    json.end_object();
}

/// The `top` tokens by magnitude, summed over outputs, in the order of the text; all of them without a limit.
fn strongest<'t>(
    tokens: &[(usize, &'t [Token])],
    values: &[f64],
    outputs: usize,
    top: Option<u64>,
) -> Vec<(usize, &'t [Token])> {
    let magnitude = |at: usize| -> f64 {
        values[tokens[at].0 * outputs..][..outputs]
            .iter()
            .map(|value| value.abs())
            .sum()
    };
    let order = hyaline_model::sorted_positions(tokens.len(), &|a, b| {
        magnitude(b).total_cmp(&magnitude(a))
    });
    let most = top.map_or(tokens.len(), |top| {
        usize::try_from(top).unwrap_or(usize::MAX)
    });
    let mut shown = vec![false; tokens.len()];
    order.into_iter().take(most).for_each(|at| shown[at] = true);
    tokens
        .iter()
        .zip(shown)
        .filter(|(_, shown)| *shown)
        .map(|(token, _)| *token)
        .collect()
}
