//! The card as the model image carries it, before anything is packed.

use std::collections::BTreeMap;

use hyaline_explain::{Explainer, Method};
use hyaline_model::{Batch, Core, FeatureGroup, Model, ModelParts};
use serde_json::Value;

use crate::card::{self, Card, EngineCard, ExplainerCard, Golden};
use crate::covers::Covers;
use crate::digest::sha256;
use crate::held_out::{CalibrationCard, UncertaintyCard};
use crate::json;
use crate::recipe::Recipe;

/// What packing found out about a model.
pub(crate) struct Findings {
    pub(crate) engine: EngineCard,
    pub(crate) explainer: ExplainerCard,
    pub(crate) calibration: Option<CalibrationCard>,
    pub(crate) uncertainty: Option<UncertaintyCard>,
}

/// The card as the model image carries it: everything but what is known only afterwards.
pub(crate) fn draft(recipe: &Recipe, model: &Model, file: &[u8], findings: Findings) -> Card {
    let parts = model.parts();
    let labels = card::labels(&parts.head);
    let binary = card::task(&parts.head) == "classification" && labels.len() == 2;
    let mut digests = BTreeMap::from([("model".to_owned(), sha256(file))]);
    if let Some(background) = &parts.background {
        let rows = (0..background.rows())
            .map(|row| card::row(model, background, row, |_| None).into())
            .collect();
        digests.insert(
            "background".to_owned(),
            sha256(json::canonical(&Value::Array(rows)).as_bytes()),
        );
    }
    let members = |group: &FeatureGroup| {
        let features = model.schema().features();
        let names = group.features.iter();
        let names = names.map(|&feature| features[feature as usize].name.clone());
        (group.name.clone(), names.collect())
    };
    Card {
        name: parts.name.clone(),
        version: parts.version.clone(),
        title: recipe
            .function
            .title
            .clone()
            .unwrap_or_else(|| parts.name.clone()),
        description: recipe.function.description.clone(),
        task: card::task(&parts.head).to_owned(),
        target: recipe.output.target.clone(),
        positive: binary
            .then(|| labels.get(parts.positive as usize).cloned())
            .flatten(),
        labels,
        features: model
            .schema()
            .features()
            .iter()
            .map(card::feature)
            .collect(),
        engine: Some(findings.engine),
        explainer: findings.explainer,
        groups: parts.groups.iter().map(members).collect(),
        reference_rows: parts.reference.as_ref().map_or(0, |kept| kept.rows.rows()),
        calibration: findings.calibration,
        uncertainty: findings.uncertainty,
        metrics: recipe.metrics.clone(),
        licence: recipe.licence.clone(),
        digests,
        tools: BTreeMap::from([
            ("hyaline".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            (
                "wasmtime".to_owned(),
                env!("HYALINE_WASMTIME_VERSION").to_owned(),
            ),
        ]),
        example: card::row(model, &model.example(), 0, |_| None),
        golden: None,
    }
}

/// How the function explains, and why so.
pub(crate) fn explainer_card(
    parts: &ModelParts,
    explainer: &Explainer,
    covers: Covers,
    golden: &Golden,
) -> ExplainerCard {
    let background_rows = parts.background.as_ref().map_or(0, Batch::rows);
    let features = parts.schema.len();
    let answered = golden.answers.explanations.as_ref().ok();
    let reason = match (explainer.default_method(), &golden.answers.explanations) {
        (Some(Method::Interventional), _) => {
            format!("trees, exactly, against the {background_rows} background rows of the reference data")
        }
        (Some(Method::PathDependent), _) => match covers {
            Covers::Counted(rows) => format!(
                "trees, exactly, by covers counted from the {rows} rows of the reference data (the model file has none)"
            ),
            Covers::File if parts.background.is_some() => {
                "trees, exactly, by the covers that the model file carries, as the recipe asks".to_owned()
            }
            Covers::File => "trees, exactly, by the covers that the model file carries; with reference data the method \
                             would be interventional"
                .to_owned(),
        },
        (Some(Method::Linear), _) => {
            format!("a linear model in closed form, against the {background_rows} background rows of the reference data")
        }
        (Some(Method::Enumeration), _) if features == 1 => {
            "its one feature as a whole, exactly; requests ask for the parts of a text or picture".to_owned()
        }
        (Some(Method::Enumeration), _) => match parts.core {
            Core::Additive { .. } => format!("all coalitions of its {features} features, exactly"),
            Core::Opaque => format!(
                "the model is neither a tree ensemble nor linear in its encoded columns; all coalitions of its \
                 {features} features are few enough to be exact"
            ),
        },
        (Some(Method::IntegratedGradients), _) => format!(
            "gradients along the way from the mean of the {background_rows} background rows, as the recipe asks"
        ),
        (Some(Method::Owen), _) => format!(
            "groups of its {features} features enter coalitions together, against the {background_rows} background rows"
        ),
        (Some(_), _) => format!(
            "sampled coalitions of its {features} features against the {background_rows} background rows, with a standard \
             error for every value"
        ),
        (None, Err(refusal)) => refusal.clone(),
        (None, Ok(_)) => "the method is chosen by each request".to_owned(),
    };
    ExplainerCard {
        method: explainer
            .default_method()
            .map_or("none", Method::name)
            .to_owned(),
        reason,
        exact: answered.is_some_and(|explanations| explanations.exact),
        space: answered.map(|explanations| explanations.space.clone()),
        background_rows,
        table_budget: explainer.settings().table_budget,
        enumeration_limit: explainer.settings().enumeration_limit,
    }
}
