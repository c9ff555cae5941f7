//! Text and tensor features, and what the image keeps of the data: what is carried, and what is refused in which words.

use hyaline_model::graph::{GraphInput, GraphParts, ValueId};
use hyaline_model::{
    Batch, Column, Conformity, ConformityScore, Core, Data, ElementType, Feature, FeatureGroup,
    FeatureKind, Head, ImageError, ImageKind, Model, ModelParts, Reference, Schema, Symbols,
    TensorKind, Tensors,
};

fn pixels(image: Option<ImageKind>) -> FeatureKind {
    FeatureKind::Tensor(TensorKind {
        extents: vec![1, 2, 2],
        image,
    })
}

fn grey() -> ImageKind {
    ImageKind {
        height: 2,
        width: 2,
        channels: 1,
        channels_first: true,
        black: vec![0.0],
        white: vec![16.0],
    }
}

fn input(
    name: &str,
    element_type: ElementType,
    first: u32,
    extents: Option<Vec<u32>>,
) -> GraphInput {
    GraphInput {
        name: name.to_owned(),
        element_type,
        first_feature: first,
        features: 1,
        flat: extents.is_none(),
        extents,
    }
}

/// A model that answers its number and takes a text and an image besides.
fn parts() -> ModelParts {
    let schema = Schema::new(vec![
        Feature::new("x", FeatureKind::Number),
        Feature::new("note", FeatureKind::Text),
        Feature::new("photo", pixels(Some(grey()))),
    ])
    .expect("a schema");
    let graph = GraphParts {
        inputs: vec![
            input("x", ElementType::F64, 0, None),
            input("note", ElementType::Text, 1, None),
            input("photo", ElementType::F32, 2, Some(vec![1, 2, 2])),
        ],
        ..GraphParts::default()
    };
    let head = Head::Regression {
        value: ValueId(0),
        targets: vec!["y".to_owned()],
    };
    ModelParts::new(
        "mixed",
        schema,
        Symbols::default(),
        graph,
        head,
        Core::Opaque,
    )
}

fn rows(x: &[f64]) -> Batch {
    let notes = x.iter().map(|x| format!("note {x}")).collect();
    let photos = x.iter().flat_map(|&x| [x as f32, 1.0, 2.0, 3.0]).collect();
    Batch::new(
        &parts().schema,
        vec![
            Column::Numbers(x.to_vec()),
            Column::Texts(notes),
            Column::Tensors(Tensors::new(4, photos).expect("whole rows")),
        ],
    )
    .expect("a column of the right kind per feature")
}

fn refusal(change: impl FnOnce(&mut ModelParts)) -> String {
    let mut parts = parts();
    change(&mut parts);
    match Model::new(parts) {
        Err(ImageError::Inconsistent(reason)) => reason,
        other => panic!("expected a refusal, found {other:?}"),
    }
}

#[test]
fn the_image_carries_texts_tensors_and_kept_rows() {
    let kept = ModelParts {
        reference: Some(Reference {
            rows: rows(&[1.0, 2.0]),
            answers: vec![3.0, f64::NAN],
        }),
        groups: vec![FeatureGroup {
            name: "words".to_owned(),
            features: vec![1, 2],
        }],
        conformity: Some(Conformity {
            score: ConformityScore::AbsoluteError,
            scores: vec![0.0, 0.5, 0.5],
        }),
        ..parts()
    };
    let model = Model::new(kept).expect("the parts fit");
    let again = Model::from_image(&model.to_image()).expect("the image reads back");
    assert_eq!(again.to_image(), model.to_image());
    let answers = again.predict(&rows(&[4.0, 5.0])).expect("a prediction");
    assert_eq!(answers.values, [4.0, 5.0]);
    let photo = again
        .graph()
        .run(&rows(&[4.0, 5.0]), &[ValueId(2)])
        .expect("the input");
    assert_eq!(photo[0].shape(), [2, 1, 2, 2]);
    assert_eq!(
        photo[0].data(),
        &Data::F32(vec![4.0, 1.0, 2.0, 3.0, 5.0, 1.0, 2.0, 3.0])
    );
}

#[test]
fn many_rows_with_tensors_are_answered_in_their_order() {
    let model = Model::new(parts()).expect("the parts fit");
    let numbers: Vec<f64> = (0..19).map(f64::from).collect();
    let answers = model.predict(&rows(&numbers)).expect("a prediction");
    assert_eq!((answers.rows, answers.values), (19, numbers));
}

#[test]
fn rows_are_mixed_feature_by_feature_whatever_their_kind() {
    let (own, background) = (rows(&[7.0]), rows(&[1.0, 2.0]));
    // Two coalitions, {x, note} and {photo}, each with both background rows.
    let mixed = own.mix(0, &background, &[0, 1, 0, 1], &|feature, marks| {
        let first = feature < 2;
        marks.copy_from_slice(&[first, first, !first, !first]);
    });
    assert_eq!(
        mixed.columns()[0],
        Column::Numbers(vec![7.0, 7.0, 1.0, 2.0])
    );
    let Column::Texts(notes) = &mixed.columns()[1] else {
        panic!("texts stay texts")
    };
    assert_eq!(notes, &["note 7", "note 7", "note 1", "note 2"]);
    let Column::Tensors(photos) = &mixed.columns()[2] else {
        panic!("tensors stay tensors")
    };
    let first: Vec<f32> = (0..4).map(|row| photos.row(row)[0]).collect();
    assert_eq!(first, [1.0, 2.0, 7.0, 7.0]);
}

#[test]
fn a_column_of_another_kind_is_refused() {
    let columns = |note: Column, photo: Column| {
        let made = Batch::new(
            &parts().schema,
            vec![Column::Numbers(vec![1.0]), note, photo],
        );
        made.expect_err("a refusal").to_string()
    };
    let tensors = |width| Column::Tensors(Tensors::new(width, vec![0.0; width]).expect("one row"));
    assert_eq!(
        columns(Column::Numbers(vec![1.0]), tensors(4)),
        "column `note` holds numbers, the schema expects texts"
    );
    assert_eq!(
        columns(Column::Texts(vec![String::new()]), tensors(3)),
        "column `photo` holds tensors, the schema expects tensors of its own extents"
    );
    assert!(Tensors::new(3, vec![0.0; 4]).is_none());
    assert!(Tensors::new(0, Vec::new()).is_none());
}

#[test]
fn a_tensor_that_cannot_be_is_refused() {
    let schema = |kind| {
        Schema::new(vec![Feature::new("photo", kind)])
            .expect_err("a refusal")
            .to_string()
    };
    let empty = FeatureKind::Tensor(TensorKind {
        extents: vec![3, 0],
        image: None,
    });
    assert_eq!(
        schema(empty),
        "feature `photo` is a tensor of [3, 0]: it has no numbers, or more than 2^24"
    );
    let said = |change: fn(&mut ImageKind)| {
        let mut image = grey();
        change(&mut image);
        schema(pixels(Some(image)))
    };
    assert_eq!(
        said(|image| image.width = 3),
        "feature `photo` is a tensor of [1, 2, 2]: the image has another number of values"
    );
    assert_eq!(
        said(|image| (image.channels, image.width) = (2, 1)),
        "feature `photo` is a tensor of [1, 2, 2]: an image has 1, 3 or 4 channels"
    );
    assert_eq!(
        said(|image| image.white = vec![f32::NAN]),
        "feature `photo` is a tensor of [1, 2, 2]: black and white need one finite number per channel"
    );
}

#[test]
fn what_does_not_fit_the_model_is_refused() {
    let reference = |answers| {
        move |parts: &mut ModelParts| {
            parts.reference = Some(Reference {
                rows: rows(&[1.0, 2.0]),
                answers,
            });
        }
    };
    assert_eq!(
        refusal(reference(vec![1.0])),
        "1 answers for 2 reference rows"
    );
    assert_eq!(
        refusal(|parts| parts.background = Some(rows(&[]))),
        "the background has no rows"
    );
    let groups = |groups: &[(&str, &[u32])]| {
        let made = groups.iter().map(|(name, features)| FeatureGroup {
            name: (*name).to_owned(),
            features: features.to_vec(),
        });
        let made = made.collect();
        refusal(|parts| parts.groups = made)
    };
    assert_eq!(
        groups(&[("a", &[0]), ("b", &[0])]),
        "feature 0 of group `b` is in another group, or does not exist"
    );
    assert_eq!(
        groups(&[("a", &[3])]),
        "feature 3 of group `a` is in another group, or does not exist"
    );
    assert_eq!(
        groups(&[("a", &[0]), ("a", &[1])]),
        "two groups are named `a`"
    );
    assert_eq!(groups(&[("", &[0])]), "group 0 has no name or no features");
    for scores in [vec![], vec![1.0, 0.5], vec![f64::NAN]] {
        let said = refusal(|parts| {
            parts.conformity = Some(Conformity {
                score: ConformityScore::Adaptive,
                scores,
            });
        });
        assert_eq!(
            said,
            "the conformity scores are not ascending finite numbers"
        );
    }
    assert_eq!(
        refusal(|parts| parts.graph.inputs[2].extents = Some(vec![4])),
        "the input `photo` does not take the feature `photo`"
    );
    assert_eq!(
        refusal(|parts| parts.graph.inputs[1].element_type = ElementType::Symbol),
        "the input `note` does not take the feature `note`"
    );
}
