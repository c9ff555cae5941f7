//! Tokens against the enumerations of `models/reviews`, LIME against its library, and rows of several kinds against the
//! definition.

use hyaline_explain::{
    OutputSpace, Part, PartMethod, PartRequest, Predict, TextExplanation, TextRequest, explain_text,
};
use hyaline_model::{Batch, Column, FeatureKind, Method, Model};

use super::{assert_near, json, lines, model, numbers};

fn text_row(model: &Model, text: &str) -> Batch {
    Batch::new(model.schema(), vec![Column::Texts(vec![text.to_owned()])]).expect("a row")
}

fn request(method: Option<PartMethod>, space: OutputSpace) -> TextRequest {
    TextRequest {
        parts: PartRequest {
            method,
            space: Some(space),
            ..PartRequest::default()
        },
        ..TextRequest::default()
    }
}

fn explained(model: &Model, text: &str, request: &TextRequest) -> TextExplanation {
    explain_text(model, &text_row(model, text), 0, request).expect("an explanation")
}

#[test]
fn tokens_of_reviews_have_their_exact_values() {
    let model = model("models/reviews/model.onnx");
    let mut checked = 0;
    for line in lines("models/reviews/golden.jsonl") {
        let text = line["row"]["text"].as_str().expect("a text");
        let Some(tokens) = line["words"]["tokens"].as_array() else {
            continue;
        };
        for (space, name) in [
            (OutputSpace::Probability, "probability"),
            (OutputSpace::Margin, "margin"),
        ] {
            let method = Some(PartMethod::Shapley(Method::Enumeration));
            let made = explained(&model, text, &request(method, space));
            let spans: Vec<(String, usize, usize)> = made
                .parts
                .iter()
                .map(|part| match part {
                    Part::Tokens(tokens) => (
                        tokens[0].text.clone(),
                        tokens[0].characters.0,
                        tokens[0].characters.1,
                    ),
                    Part::Feature(_) => unreachable!("there is only text"),
                })
                .collect();
            let expected: Vec<(String, usize, usize)> = tokens
                .iter()
                .map(|token| {
                    let at = |name: &str| token[name].as_u64().expect("an offset") as usize;
                    (
                        token["token"].as_str().expect("a text").to_owned(),
                        at("start"),
                        at("end"),
                    )
                })
                .collect();
            assert_eq!(spans, expected, "{text:?}");
            let told = &line["words"][name];
            assert_near(
                &made.values.base_values,
                &numbers(&told["base"]),
                1e-5,
                text,
            );
            assert_near(
                &made.values.values,
                &numbers(&told["attributions"]),
                1e-5,
                text,
            );
            assert!(made.values.exact);
            checked += 1;
        }
    }
    assert!(checked >= 40, "{checked}");
}

#[test]
fn sampled_tokens_are_within_their_errors_and_add_up() {
    let model = model("models/reviews/model.onnx");
    let line = &lines("models/reviews/golden.jsonl")[2];
    let text = line["row"]["text"].as_str().expect("a text");
    let exact = numbers(&line["words"]["margin"]["attributions"]);
    for method in [Method::Leverage, Method::Kernel, Method::Permutation] {
        let mut request = request(Some(PartMethod::Shapley(method)), OutputSpace::Margin);
        request.parts.samples = Some(400);
        let made = explained(&model, text, &request).values;
        assert_eq!(made.standard_errors.len(), exact.len());
        for ((value, error), exact) in made.values.iter().zip(&made.standard_errors).zip(&exact) {
            assert!(
                (value - exact).abs() < 6.0 * error + 1e-5,
                "{}: {value} ± {error}, exact {exact}",
                method.name()
            );
        }
        let sum: f64 = made.values.iter().sum();
        assert!(
            (made.predictions[0] - made.base_values[0] - sum).abs() < 1e-9,
            "{}",
            method.name()
        );
        assert_eq!(
            made,
            explained(&model, text, &request).values,
            "the same seed"
        );
        request.parts.seed = 1;
        assert_ne!(
            made.values,
            explained(&model, text, &request).values.values,
            "another seed"
        );
    }
}

#[test]
fn lime_says_of_words_what_its_library_says() {
    let model = model("models/reviews/model.onnx");
    let fixture = json("tests/fixtures/local/lime_reviews.json");
    let run = &fixture["runs"][0];
    for case in run["cases"].as_array().expect("cases") {
        let text = case["row"]["text"].as_str().expect("a text");
        let mut request = request(Some(PartMethod::Lime), OutputSpace::Probability);
        request.parts.samples = run["samples"].as_u64().map(|samples| samples as u32);
        request.words = true;
        let made = explained(&model, text, &request);
        let words = case["words"].as_array().expect("words");
        assert_eq!(made.parts.len(), words.len());
        let (means, deviations) = (
            numbers(&case["weights"]["mean"]),
            numbers(&case["weights"]["sd"]),
        );
        for (at, word) in words.iter().enumerate() {
            assert!(matches!(&made.parts[at], Part::Tokens(tokens) if tokens[0].text == *word));
            let (found, mean, deviation) = (made.values.values[at], means[at], deviations[at]);
            assert!(
                (found - mean).abs() < 5.0 * deviation,
                "{word} in {text:?}: {found}, {mean} ± {deviation} by the library"
            );
        }
        let fit = made.values.fit.expect("LIME has a model");
        for (found, name) in [
            (&fit.intercepts, "intercept"),
            (&fit.predictions, "prediction"),
            (&fit.scores, "score"),
        ] {
            let (mean, deviation) = (
                numbers(&case[name]["mean"])[0],
                numbers(&case[name]["sd"])[0],
            );
            assert!(
                (found[0] - mean).abs() < 5.0 * deviation,
                "{name}: {}, {mean} ± {deviation}",
                found[0]
            );
        }
    }
}

#[test]
fn occlusion_is_what_the_answer_loses() {
    let model = model("models/reviews/model.onnx");
    let answer = |text: &str| {
        let answers = model.answers(&text_row(&model, text), OutputSpace::Margin);
        answers.expect("an answer").values[0]
    };
    let made = explained(
        &model,
        "bad sound, good price",
        &request(Some(PartMethod::Occlusion), OutputSpace::Margin),
    );
    let whole = answer("bad sound, good price");
    let expected = [
        " sound, good price",
        "bad , good price",
        "bad sound,  price",
        "bad sound, good ",
    ];
    let expected: Vec<f64> = expected.iter().map(|text| whole - answer(text)).collect();
    assert_eq!(made.values.values, expected);
    assert!(!made.values.exact);
    let mut masked = request(Some(PartMethod::Occlusion), OutputSpace::Margin);
    masked.mask = Some("good".to_owned());
    let made = explained(&model, "bad sound", &masked);
    assert_eq!(
        made.values.values[0],
        answer("bad sound") - answer("good sound")
    );
    assert_eq!(made.values.base_values, [answer("good good")]);
}

#[test]
fn a_text_without_tokens_has_nothing_to_explain() {
    let model = model("models/reviews/model.onnx");
    let made = explained(&model, " ?! ", &request(None, OutputSpace::Margin));
    assert!(made.values.values.is_empty());
    assert_eq!(made.values.base_values, made.values.predictions);
}

/// A model of text, numbers and a category, with background rows.
fn mixed() -> (Model, Batch) {
    let folder = "tests/fixtures/text/columns_text_numbers_categories";
    let first = model(&format!("{folder}/model.onnx"));
    let io = json(&format!("{folder}/io.json"));
    let columns = first
        .schema()
        .features()
        .iter()
        .zip(io["inputs"].as_array().expect("inputs"));
    let columns = columns.map(|(feature, input)| {
        let cells = input["data"].as_array().expect("data").iter();
        match feature.kind {
            FeatureKind::Text => Column::Texts(
                cells
                    .map(|cell| cell.as_str().expect("a text").to_owned())
                    .collect(),
            ),
            FeatureKind::Category(_) => {
                let symbol = |cell: &serde_json::Value| {
                    first.symbols().symbol(cell.as_str().expect("a text"))
                };
                Column::Symbols(cells.map(symbol).collect())
            }
            _ => Column::Numbers(cells.map(|cell| cell.as_f64().expect("a number")).collect()),
        }
    });
    let rows = Batch::new(first.schema(), columns.collect()).expect("rows");
    let mut parts = first.into_parts();
    parts.background = Some(rows.select(&[3, 8, 21]));
    (Model::new(parts).expect("a model"), rows)
}

#[test]
fn tokens_and_features_share_the_answer_by_definition() {
    let (model, rows) = mixed();
    let background = model.parts().background.clone().expect("background rows");
    let mut columns = rows.select(&[0]).into_columns();
    let position = model.schema().position("review").expect("the text");
    columns[position] = Column::Texts(vec!["Great phone, slow".to_owned()]);
    let row = Batch::new(model.schema(), columns).expect("a row");
    let spans = ["Great", " phone", ", ", "slow"];
    let others: Vec<usize> = (0..model.schema().len())
        .filter(|&feature| feature != position)
        .collect();
    let players = 3 + others.len();

    let worth = |members: u32| -> f64 {
        let there = |player: usize| members >> player & 1 == 1;
        let mut text = String::new();
        for (player, piece) in [
            (Some(0), "Great"),
            (None, " "),
            (Some(1), "phone"),
            (None, ", "),
            (Some(2), "slow"),
        ] {
            if player.is_none_or(there) {
                text.push_str(piece);
            }
        }
        let mut sum = 0.0;
        for other in 0..background.rows() {
            let (own, away) = (
                row.clone().into_columns(),
                background.select(&[other]).into_columns(),
            );
            let mut columns: Vec<Column> = own
                .into_iter()
                .zip(away)
                .enumerate()
                .map(|(feature, (own, away))| {
                    match others.iter().position(|&known| known == feature) {
                        Some(at) if !there(3 + at) => away,
                        _ => own,
                    }
                })
                .collect();
            columns[position] = Column::Texts(vec![text.clone()]);
            let batch = Batch::new(model.schema(), columns).expect("a row");
            sum += model
                .answers(&batch, OutputSpace::Probability)
                .expect("an answer")
                .values[0];
        }
        sum / background.rows() as f64
    };
    assert_eq!(spans.concat(), "Great phone, slow");
    let worths: Vec<f64> = (0..1u32 << players).map(worth).collect();
    let mut expected = vec![0.0; players];
    let mut orders = 0.0;
    every_order(&mut (0..players).collect(), 0, &mut |order| {
        let mut members = 0usize;
        for &player in order {
            expected[player] += worths[members | 1 << player] - worths[members];
            members |= 1 << player;
        }
        orders += 1.0;
    });
    expected.iter_mut().for_each(|value| *value /= orders);

    let made = explain_text(&model, &row, 0, &request(None, OutputSpace::Probability))
        .expect("an explanation");
    assert_near(&made.values.values, &expected, 1e-9, "values");
    assert_near(&made.values.base_values, &worths[..1], 1e-12, "base value");
    assert_eq!(made.values.evaluations, (1 << players) * 3);
}

fn every_order(order: &mut Vec<usize>, from: usize, visit: &mut dyn FnMut(&[usize])) {
    if from == order.len() {
        return visit(order);
    }
    for other in from..order.len() {
        order.swap(from, other);
        every_order(order, from + 1, visit);
        order.swap(from, other);
    }
}

#[test]
fn what_cannot_be_explained_is_refused_in_words() {
    let (model, rows) = mixed();
    let mut parts = model.clone().into_parts();
    parts.background = None;
    let bare = Model::new(parts).expect("a model");
    let refused = |model: &Model, rows: &Batch, request: TextRequest| {
        explain_text(model, rows, 0, &request)
            .expect_err("a refusal")
            .to_string()
    };
    assert_eq!(
        refused(&bare, &rows, TextRequest::default()),
        "features beside text need background rows to be explained by (pack with --data)"
    );
    let reviews = super::model("models/reviews/model.onnx");
    let long = text_row(&reviews, &"word ".repeat(1001));
    assert_eq!(
        refused(&reviews, &long, TextRequest::default()),
        "1001 tokens and features in one row; at most 1000 are explained, shorten the text"
    );
    let seventeen = text_row(&reviews, &"word ".repeat(17));
    assert_eq!(
        refused(
            &reviews,
            &seventeen,
            request(
                Some(PartMethod::Shapley(Method::Enumeration)),
                OutputSpace::Margin
            )
        ),
        "enumeration takes at most 16 parts, this input has 17; ask for method=permutation"
    );
}

#[test]
fn characters_are_explained_by_words_and_offsets_count_characters() {
    let model = model("tests/fixtures/text/characters_logistic/model.onnx");
    let made = explained(
        &model,
        "É great\u{1f642} phone",
        &request(None, OutputSpace::Probability),
    );
    let spans: Vec<(usize, usize)> = made
        .parts
        .iter()
        .filter_map(|part| match part {
            Part::Tokens(tokens) => Some(tokens[0].characters),
            Part::Feature(_) => None,
        })
        .collect();
    assert_eq!(spans, [(0, 1), (2, 7), (9, 14)]);
    assert_eq!(made.sources, [hyaline_explain::Source::Words]);
}
