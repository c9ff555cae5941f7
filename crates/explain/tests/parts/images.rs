//! Segments against the enumerations of `models/digits`, LIME against its library, pixels against a direct computation.

use hyaline_explain::{
    ExplainError, Filling, ImageExplanation, ImageMethod, ImageRequest, OutputSpace, PartMethod,
    Segmentation, explain_image, picture_feature,
};
use hyaline_model::{
    Batch, Column, FeatureKind, ImageKind, Method, Model, Schema, TensorKind, Tensors,
};
use serde_json::Value;

use super::{assert_near, json, lines, numbers};

/// The digits model, with its feature known as a picture.
fn digits() -> Model {
    let mut parts = super::model("models/digits/model.onnx").into_parts();
    let mut features = parts.schema.features().to_vec();
    features[0].kind = FeatureKind::Tensor(TensorKind {
        extents: vec![1, 8, 8],
        image: Some(ImageKind {
            height: 8,
            width: 8,
            channels: 1,
            channels_first: true,
            black: vec![0.0],
            white: vec![16.0],
        }),
    });
    parts.schema = Schema::new(features).expect("a schema");
    Model::new(parts).expect("a model")
}

fn row(model: &Model, image: &Value) -> Batch {
    let numbers = numbers(image)
        .into_iter()
        .map(|number| number as f32)
        .collect();
    let tensors = Tensors::new(64, numbers).expect("a picture");
    Batch::new(model.schema(), vec![Column::Tensors(tensors)]).expect("a row")
}

fn request(method: ImageMethod) -> ImageRequest {
    ImageRequest {
        method,
        space: Some(OutputSpace::Probability),
        seed: 0,
        samples: None,
        tolerance: None,
        segmentation: Segmentation::Grid(4, 4),
        filling: Filling::Black,
        class: None,
    }
}

fn explained(model: &Model, image: &Value, request: &ImageRequest) -> ImageExplanation {
    explain_image(model, &row(model, image), 0, request).expect("an explanation")
}

#[test]
fn squares_of_digits_are_within_their_errors_of_exact_values() {
    let model = digits();
    for line in lines("models/digits/golden.jsonl").iter().take(3) {
        let class: usize = line["label"]
            .as_str()
            .and_then(|label| label.parse().ok())
            .expect("a digit");
        let told = &line["grid"]["probability"];
        let column = |values: &Value| numbers(&values[class])[0];
        let exact: Vec<f64> = told["attributions"]
            .as_array()
            .expect("values")
            .iter()
            .map(column)
            .collect();
        let mut request = request(ImageMethod::Segments(Some(PartMethod::Shapley(
            Method::Leverage,
        ))));
        request.samples = Some(3000);
        let made = explained(&model, &line["row"]["image"], &request);
        assert_near(
            &[made.base_value],
            &[column(&told["base"])],
            1e-5,
            "base value",
        );
        let segments = made.segments.expect("segments");
        assert_eq!(segments.values.len(), 16);
        for ((value, error), exact) in segments
            .values
            .iter()
            .zip(&segments.standard_errors)
            .zip(&exact)
        {
            assert!(
                (value - exact).abs() < 6.0 * error + 1e-4,
                "{value} ± {error}, exact {exact}"
            );
            assert!(*error < 0.02, "{error}");
        }
        assert_eq!(made.heat[18], segments.values[5]);
        let sum: f64 = segments.values.iter().sum();
        assert!((made.prediction - made.base_value - sum).abs() < 1e-9);
    }
}

#[test]
fn few_segments_are_enumerated() {
    let model = digits();
    let line = &lines("models/digits/golden.jsonl")[0];
    let mut request = request(ImageMethod::Segments(None));
    request.segmentation = Segmentation::Grid(2, 4);
    let made = explained(&model, &line["row"]["image"], &request);
    assert!(made.exact);
    assert_eq!(
        (made.method, made.evaluations, made.seed),
        ("enumeration", 256, None)
    );
    request.class = Some(3);
    let other = explained(&model, &line["row"]["image"], &request);
    assert_eq!(other.output, (3, 10));
    assert_near(
        &[other.prediction],
        &[line["values"][3].as_f64().expect("a number")],
        1e-6,
        "prediction",
    );
}

#[test]
fn lime_says_of_squares_what_its_library_says() {
    let model = digits();
    let fixture = json("tests/fixtures/local/lime_digits.json");
    let run = &fixture["runs"][0];
    for case in run["cases"].as_array().expect("cases") {
        let mut request = request(ImageMethod::Segments(Some(PartMethod::Lime)));
        request.samples = run["samples"].as_u64().map(|samples| samples as u32);
        request.class = case["class"].as_str().and_then(|class| class.parse().ok());
        let segments = explained(&model, &case["row"]["image"], &request)
            .segments
            .expect("segments");
        let near = |what: &str, found: &[f64], told: &Value| {
            for ((found, mean), deviation) in found
                .iter()
                .zip(numbers(&told["mean"]))
                .zip(numbers(&told["sd"]))
            {
                assert!(
                    (found - mean).abs() < 5.0 * deviation,
                    "{what}: {found}, {mean} ± {deviation} by the library"
                );
            }
        };
        near("weights", &segments.values, &case["weights"]);
        let [intercept, prediction, score] = segments.fit.expect("LIME has a model");
        near("intercept", &[intercept], &case["intercept"]);
        near("prediction", &[prediction], &case["prediction"]);
        near("score", &[score], &case["score"]);
    }
}

#[test]
fn windows_and_random_masks_are_those_of_a_direct_computation() {
    let model = digits();
    for case in json("tests/fixtures/images/digits.json")["cases"]
        .as_array()
        .expect("cases")
    {
        let filling = |told: &Value| {
            Filling::from_name(told["filling"].as_str().expect("a name")).expect("a filling")
        };
        let whole = |told: &Value, name: &str| told[name].as_u64().expect("a number") as usize;
        for told in case["occlusion"].as_array().expect("windows") {
            let mut request = request(ImageMethod::Occlusion {
                size: whole(told, "size"),
                stride: whole(told, "stride"),
            });
            request.filling = filling(told);
            let made = explained(&model, &case["row"]["image"], &request);
            assert_near(&made.heat, &numbers(&told["heat"]), 1e-5, "occlusion");
        }
        for told in case["rise"].as_array().expect("masks") {
            let mut request = request(ImageMethod::Rise {
                cells: whole(told, "cells"),
            });
            request.samples = Some(whole(told, "masks") as u32);
            request.seed = whole(told, "seed") as u64;
            request.filling = filling(told);
            let made = explained(&model, &case["row"]["image"], &request);
            assert_near(&made.heat, &numbers(&told["heat"]), 1e-5, "RISE");
        }
    }
}

#[test]
fn integrated_gradients_are_those_of_the_framework() {
    let model = digits();
    for line in lines("models/digits/golden.jsonl").iter().take(3) {
        let made = explained(
            &model,
            &line["row"]["image"],
            &request(ImageMethod::IntegratedGradients),
        );
        // The golden values are of 4000 points, these of 50.
        assert_near(
            &made.heat,
            &numbers(&line["gradients"]["probability"]["integrated"]),
            5e-3,
            "integrated gradients",
        );
        let sum: f64 = made.heat.iter().sum();
        assert!(
            (made.prediction - made.base_value - sum).abs() < 1e-2,
            "{sum}"
        );
    }
}

#[test]
fn what_does_not_fit_a_picture_is_refused_in_words() {
    let model = digits();
    assert_eq!(picture_feature(&model).expect("a picture").0, 0);
    let image = &lines("models/digits/golden.jsonl")[0]["row"]["image"];
    let refused = |model: &Model, method: ImageMethod| match explain_image(
        model,
        &row(model, image),
        0,
        &request(method),
    ) {
        Err(ExplainError::Unsupported(text)) => text,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        refused(&model, ImageMethod::Occlusion { size: 9, stride: 1 }),
        "a window of 9 pixels moved by 1 on a picture of 8x8; expected 1 to 8 pixels, moved by 1 to as many"
    );
    assert_eq!(
        refused(&model, ImageMethod::Rise { cells: 1 }),
        "masks of 1x1 cells on a picture of 8x8; expected 2 to 8 cells"
    );
    assert_eq!(
        refused(
            &super::model("models/digits/model.onnx"),
            ImageMethod::Segments(None)
        ),
        "the model takes no picture; say in the recipe that a feature is an image"
    );
}
