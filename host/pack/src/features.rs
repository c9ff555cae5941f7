//! `[features."name"]`: what the recipe says of a feature, checked against what the model takes.

use hyaline_model::{
    Direction, Feature, FeatureGroup, FeatureKind, ImageKind, Recourse, Schema, Symbols, TensorKind,
};

use crate::recipe::{self, Allowed, FeatureNote, Kind, Layout, Recipe};

/// A note that does not fit its feature.
#[derive(Debug, thiserror::Error)]
pub enum FeatureError {
    /// Text where the model computes, or the reverse.
    #[error("the recipe calls the feature `{feature}` {wanted}, but the model takes it as {found}")]
    Kind {
        /// The feature.
        feature: String,
        /// Kind in the recipe.
        wanted: &'static str,
        /// Kind in the model.
        found: &'static str,
    },
    /// A key that says nothing of a feature of this kind, or contradicts the model.
    #[error("the recipe says `{key}` of the feature `{feature}`: {reason}")]
    Key {
        /// The feature.
        feature: String,
        /// The key.
        key: &'static str,
        /// What is wrong, and the remedy.
        reason: String,
    },
}

/// Writes `note` onto `feature`.
///
/// # Errors
/// [`FeatureError`] naming feature and key.
pub(crate) fn annotate(
    feature: &mut Feature,
    note: &FeatureNote,
    symbols: &Symbols,
) -> Result<(), FeatureError> {
    feature.description = match (&*note.description, &note.unit) {
        (description, None) => description.to_owned(),
        ("", Some(unit)) => unit.clone(),
        (description, Some(unit)) => format!("{description} ({unit})"),
    };
    if let Some(wanted) = note.kind {
        feature.kind = kind(feature, note, wanted)?;
    }
    let picture = [
        ("height", note.height.is_some()),
        ("width", note.width.is_some()),
        ("channels", note.channels.is_some()),
        ("layout", note.layout.is_some()),
        ("black", note.black.is_some()),
        ("white", note.white.is_some()),
        ("scale", note.scale.is_some()),
        ("mean", note.mean.is_some()),
        ("std", note.std.is_some()),
    ];
    if note.kind != Some(Kind::Image)
        && let Some((key, _)) = picture.into_iter().find(|(_, given)| *given)
    {
        return Err(key_error(
            feature,
            key,
            "only an image has it; add `kind = \"image\"`",
        ));
    }
    feature.recourse = recourse(feature, note, symbols)?;
    Ok(())
}

fn key_error(feature: &Feature, key: &'static str, reason: impl Into<String>) -> FeatureError {
    FeatureError::Key {
        feature: feature.name.clone(),
        key,
        reason: reason.into(),
    }
}

/// The kind that the recipe wants, if the model can take it.
fn kind(feature: &Feature, note: &FeatureNote, wanted: Kind) -> Result<FeatureKind, FeatureError> {
    match (wanted, &feature.kind) {
        (Kind::Category, FeatureKind::Category(_)) | (Kind::Text, FeatureKind::Text) => {
            Ok(feature.kind.clone())
        }
        (Kind::Image, FeatureKind::Tensor(tensor)) => image(feature, note, tensor),
        (
            Kind::Number | Kind::Integer | Kind::Boolean,
            FeatureKind::Number | FeatureKind::Integer | FeatureKind::Boolean,
        ) => Ok(match wanted {
            Kind::Integer => FeatureKind::Integer,
            Kind::Boolean => FeatureKind::Boolean,
            _ => FeatureKind::Number,
        }),
        _ => Err(FeatureError::Kind {
            feature: feature.name.clone(),
            wanted: match wanted {
                Kind::Number => "a number",
                Kind::Integer => "an integer",
                Kind::Boolean => "a boolean",
                Kind::Category => "a category",
                Kind::Text => "a text",
                Kind::Image => "an image",
            },
            found: match feature.kind {
                FeatureKind::Category(_) => "a category",
                FeatureKind::Text => "a text",
                FeatureKind::Tensor(_) => "a tensor",
                FeatureKind::Number | FeatureKind::Integer | FeatureKind::Boolean => "a number",
            },
        }),
    }
}

/// The tensor of an image: its size from the recipe, or from extents `[channels, height, width]` (`[height, width, channels]`
/// for `hwc`).
fn image(
    feature: &Feature,
    note: &FeatureNote,
    tensor: &TensorKind,
) -> Result<FeatureKind, FeatureError> {
    let channels_first = note.layout != Some(Layout::Hwc);
    let (channels, height, width) = match (&tensor.extents[..], channels_first) {
        (&[channels, height, width], true) | (&[height, width, channels], false) => {
            (channels, height, width)
        }
        (&[height, width], _) => (1, height, width),
        _ => (note.channels.unwrap_or(1), 0, 0),
    };
    let height = note.height.unwrap_or(height);
    let width = note.width.unwrap_or(width);
    let channels = note.channels.unwrap_or(channels);
    let per_channel = |key, list: &Option<Vec<f32>>, default: f32| match list.as_deref() {
        None => Ok(vec![default; channels as usize]),
        Some([one]) => Ok(vec![*one; channels as usize]),
        Some(list) if list.len() == channels as usize => Ok(list.to_vec()),
        Some(list) => {
            let reason = format!("{} numbers for {channels} channels", list.len());
            Err(key_error(feature, key, reason))
        }
    };
    // Before the lists, whose length it is.
    if !matches!(channels, 1 | 3 | 4) {
        let reason = format!("an image has 1, 3 or 4 channels, not {channels}");
        return Err(key_error(feature, "channels", reason));
    }
    let normalised = note.scale.is_some() || note.mean.is_some() || note.std.is_some();
    let (black, white) = if normalised {
        if note.black.is_some() || note.white.is_some() {
            let reason = "give either black and white, or scale, mean and std";
            return Err(key_error(feature, "scale", reason));
        }
        let scale = note.scale.unwrap_or(1.0 / 255.0);
        let mean = per_channel("mean", &note.mean, 0.0)?;
        let std = per_channel("std", &note.std, 1.0)?;
        let number = |byte: f32| {
            let channels = mean.iter().zip(&std);
            channels
                .map(|(mean, std)| (byte * scale - mean) / std)
                .collect()
        };
        (number(0.0), number(255.0))
    } else {
        (
            per_channel("black", &note.black, 0.0)?,
            per_channel("white", &note.white, 1.0)?,
        )
    };
    Ok(FeatureKind::Tensor(TensorKind {
        extents: tensor.extents.clone(),
        image: Some(ImageKind {
            height,
            width,
            channels,
            channels_first,
            black,
            white,
        }),
    }))
}

fn recourse(
    feature: &Feature,
    note: &FeatureNote,
    symbols: &Symbols,
) -> Result<Recourse, FeatureError> {
    let mut recourse = Recourse {
        immutable: note.immutable,
        ..Recourse::default()
    };
    let numeric = matches!(
        feature.kind,
        FeatureKind::Number | FeatureKind::Integer | FeatureKind::Boolean
    );
    match (&note.allowed, &feature.kind) {
        (None, _) => {}
        (Some(Allowed::Range([low, high])), _) if numeric => {
            if !(low.is_finite() && high.is_finite() && low <= high) {
                let reason =
                    format!("[{low}, {high}] is no range from a smaller to a larger number");
                return Err(key_error(feature, "allowed", reason));
            }
            recourse.range = Some((*low, *high));
        }
        (Some(Allowed::Categories(texts)), FeatureKind::Category(_)) => {
            let unknown = |text: &&String| symbols.symbol(text).index().is_none();
            if let Some(text) = texts.iter().find(unknown) {
                let reason = format!("the model does not know `{text}`");
                return Err(key_error(feature, "allowed", reason));
            }
            recourse.categories.clone_from(texts);
        }
        (Some(_), FeatureKind::Category(_)) => {
            return Err(key_error(
                feature,
                "allowed",
                "a category takes a list of texts",
            ));
        }
        (Some(_), _) => {
            let reason = if numeric {
                "a number takes [smallest, largest]"
            } else {
                "only numbers and categories are changed"
            };
            return Err(key_error(feature, "allowed", reason));
        }
    }
    recourse.direction = match note.direction {
        None => Direction::Any,
        Some(_) if !numeric => {
            return Err(key_error(
                feature,
                "direction",
                "only a number goes up or down",
            ));
        }
        Some(recipe::Direction::Increase) => Direction::Increase,
        Some(recipe::Direction::Decrease) => Direction::Decrease,
    };
    Ok(recourse)
}

/// The groups that the recipe names, in the order in which the schema first mentions them.
pub(crate) fn groups(schema: &Schema, recipe: &Recipe) -> Vec<FeatureGroup> {
    let mut groups: Vec<FeatureGroup> = Vec::new();
    for (position, feature) in (0..).zip(schema.features()) {
        let note = recipe.features.get(&feature.name);
        let Some(name) = note.and_then(|note| note.group.as_ref()) else {
            continue;
        };
        match groups.iter_mut().find(|group| group.name == *name) {
            Some(group) => group.features.push(position),
            None => groups.push(FeatureGroup {
                name: name.clone(),
                features: vec![position],
            }),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyaline_model::{Categories, Unseen};

    fn feature(kind: FeatureKind) -> Feature {
        Feature::new("x", kind)
    }

    fn picture(extents: Vec<u32>) -> Feature {
        feature(FeatureKind::Tensor(TensorKind {
            extents,
            image: None,
        }))
    }

    fn category() -> Feature {
        feature(FeatureKind::Category(Categories {
            values: vec!["a".to_owned(), "b".to_owned()],
            unseen: Unseen::Refused,
        }))
    }

    fn note(text: &str) -> FeatureNote {
        toml::from_str(text).expect("a note")
    }

    fn annotated(mut feature: Feature, text: &str) -> Result<Feature, String> {
        let symbols = Symbols::new(vec!["a".to_owned(), "b".to_owned()]);
        annotate(&mut feature, &note(text), &symbols).map_err(|error| error.to_string())?;
        Ok(feature)
    }

    #[test]
    fn an_image_has_its_size_from_the_tensor_and_its_range_from_the_recipe() {
        let plain = annotated(picture(vec![1, 8, 6]), "kind = \"image\"\nwhite = [16.0]");
        let FeatureKind::Tensor(TensorKind {
            image: Some(image), ..
        }) = plain.expect("an image").kind
        else {
            panic!("no image")
        };
        assert_eq!((image.height, image.width, image.channels), (8, 6, 1));
        assert_eq!(
            (image.channels_first, image.black, image.white),
            (true, vec![0.0], vec![16.0])
        );
        let colours =
            "kind = \"image\"\nlayout = \"hwc\"\nscale = 0.5\nmean = [0.5, 1.5, 2.5]\nstd = [2.0]";
        let FeatureKind::Tensor(TensorKind {
            image: Some(image), ..
        }) = annotated(picture(vec![4, 5, 3]), colours)
            .expect("an image")
            .kind
        else {
            panic!("no image")
        };
        assert_eq!((image.height, image.width, image.channels), (4, 5, 3));
        assert_eq!(image.black, [-0.25, -0.75, -1.25]);
        assert_eq!(image.white, [63.5, 63.0, 62.5]);
    }

    #[test]
    fn recourse_is_what_the_recipe_allows() {
        let number = annotated(
            feature(FeatureKind::Number),
            "allowed = [1, 5.5]\ndirection = \"increase\"",
        );
        let recourse = number.expect("a number").recourse;
        assert_eq!(recourse.range, Some((1.0, 5.5)));
        assert_eq!(recourse.direction, Direction::Increase);
        let fixed = annotated(category(), "immutable = true\nallowed = [\"b\"]");
        let recourse = fixed.expect("a category").recourse;
        assert!(recourse.immutable && recourse.categories == ["b"]);
    }

    #[test]
    fn refusals_name_the_feature_and_the_key() {
        let number = || feature(FeatureKind::Number);
        for (feature, text, words) in [
            (
                number(),
                "kind = \"image\"",
                "the recipe calls the feature `x` an image, but the model takes it as a number",
            ),
            (
                category(),
                "kind = \"text\"",
                "the recipe calls the feature `x` a text, but the model takes it as a category",
            ),
            (
                number(),
                "height = 8",
                "the recipe says `height` of the feature `x`: only an image has it; add `kind = \"image\"`",
            ),
            (
                picture(vec![2, 8, 8]),
                "kind = \"image\"",
                "the recipe says `channels` of the feature `x`: an image has 1, 3 or 4 channels, not 2",
            ),
            (
                picture(vec![3, 8, 8]),
                "kind = \"image\"\nwhite = [1, 2]",
                "the recipe says `white` of the feature `x`: 2 numbers for 3 channels",
            ),
            (
                picture(vec![1, 8, 8]),
                "kind = \"image\"\nwhite = [1]\nscale = 2",
                "the recipe says `scale` of the feature `x`: give either black and white, or scale, mean and std",
            ),
            (
                number(),
                "allowed = [5, 1]",
                "the recipe says `allowed` of the feature `x`: [5, 1] is no range from a smaller to a larger number",
            ),
            (
                number(),
                "allowed = [\"a\"]",
                "the recipe says `allowed` of the feature `x`: a number takes [smallest, largest]",
            ),
            (
                category(),
                "allowed = [\"c\"]",
                "the recipe says `allowed` of the feature `x`: the model does not know `c`",
            ),
            (
                category(),
                "direction = \"decrease\"",
                "the recipe says `direction` of the feature `x`: only a number goes up or down",
            ),
        ] {
            assert_eq!(annotated(feature, text).expect_err(text), words);
        }
    }

    #[test]
    fn groups_keep_the_order_of_the_schema() {
        let names = ["a", "b", "c", "d"];
        let features = names.map(|name| Feature::new(name, FeatureKind::Number));
        let schema = Schema::new(features.to_vec()).expect("a schema");
        let recipe = Recipe::parse(
            "[function]\nname = \"f\"\n[model]\npath = \"m\"\n[features.d]\ngroup = \"one\"\n[features.a]\ngroup = \
             \"two\"\n[features.b]\ngroup = \"one\"\n",
        )
        .expect("a recipe");
        let found = groups(&schema, &recipe);
        let shown: Vec<(&str, &[u32])> = found
            .iter()
            .map(|group| (&*group.name, &*group.features))
            .collect();
        assert_eq!(shown, [("two", &[0][..]), ("one", &[1, 3])]);
    }
}
