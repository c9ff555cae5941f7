//! The functions of `models/`, packed with the embedded engine.

use std::path::{Path, PathBuf};

use hyaline_pack::recipe::Recipe;
use hyaline_pack::report::{MEMORY_LIMIT, SIZE_LIMIT};
use hyaline_pack::{Inputs, PackError, Packed, VerifyError, card_bytes, pack, verify};

const MODELS: [&str; 4] = ["breast-cancer", "credit", "diabetes", "wine"];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../models")
        .join(name)
}

fn recipe(name: &str) -> (Recipe, Inputs) {
    let recipe = Recipe::read(&folder(name).join("function.toml")).expect("the recipe is valid");
    let inputs = Inputs::read(&recipe).expect("its files are there");
    (recipe, inputs)
}

fn packed(name: &str) -> Packed {
    let (recipe, inputs) = recipe(name);
    pack(&recipe, &inputs, &mut |_| {}).unwrap_or_else(|error| panic!("{name}: {}", chain(&error)))
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

#[test]
fn every_model_packs_is_proven_and_verifies() {
    for name in MODELS {
        let Packed {
            component,
            card,
            report,
        } = packed(name);
        println!("{name}: {report:?}");
        assert!(card.explainer.exact, "{name}: {:?}", card.explainer);
        assert_eq!(card.explainer.background_rows, 100, "{name}");
        assert_eq!(report.golden_rows, 8, "{name}");
        assert!(
            report.component_bytes < SIZE_LIMIT && report.memory_bytes < MEMORY_LIMIT,
            "{name}: {report:?}"
        );
        let verified =
            verify(&component).unwrap_or_else(|error| panic!("{name}: {}", chain(&error)));
        assert_eq!((verified.rows, verified.card.name.as_str()), (8, name));
    }
}

#[test]
fn packing_twice_gives_equal_bytes() {
    let [one, two] = [(); 2].map(|()| packed("credit").component);
    assert!(one == two);
}

#[test]
fn a_card_that_promises_other_answers_is_found_out() {
    let mut component = packed("diabetes").component;
    let card = card_bytes(&component).expect("a card");
    let start = card.as_ptr() as usize - component.as_ptr() as usize;
    let text = std::str::from_utf8(card).expect("UTF-8");
    let digit = start + text.find("\"values\":[").expect("golden answers") + "\"values\":[".len();
    component[digit] = if component[digit] == b'1' { b'2' } else { b'1' };
    let error = verify(&component).expect_err("the answers differ");
    assert!(matches!(error, VerifyError::Proof(_)), "{error:?}");
    let said = chain(&error);
    assert!(
        said.contains("the component differs from its card at `predictions.values[0]`: "),
        "{said}"
    );
}

#[test]
fn refusals_name_what_does_not_fit() {
    let (credit, inputs) = recipe("credit");
    let refusal = |change: fn(&mut Recipe)| {
        let mut recipe = credit.clone();
        change(&mut recipe);
        chain(&pack(&recipe, &inputs, &mut |_| {}).expect_err("refused"))
    };
    for (change, words) in [
        (
            (|recipe| recipe.model.positive = Some("fine".to_owned())) as fn(&mut Recipe),
            "recipe, data and model do not fit each other: `fine` is no label of the model; its labels are `bad`, `good`",
        ),
        (
            |recipe| {
                recipe
                    .features
                    .insert("income".to_owned(), Default::default());
            },
            "the recipe describes a feature `income`, which the model does not take; it takes `age`, `sex`",
        ),
        (
            |recipe| {
                recipe.features.get_mut("sex").expect("a note").categories =
                    Some(vec!["diverse".to_owned()])
            },
            "the recipe lists the category `diverse` of `sex`, which the model does not know; it knows ",
        ),
        (
            |recipe| recipe.data.as_mut().expect("data").target = Some("risky".to_owned()),
            "the reference data cannot be used: the reference data has no column `risky`; it has `age`, ",
        ),
        (
            |recipe| recipe.function.name = "a/b".to_owned(),
            "the name `a/b` is not made of letters, digits",
        ),
    ] {
        let said = refusal(change);
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn a_damaged_model_is_refused_wherever_it_is_cut() {
    let (recipe, inputs) = recipe("diabetes");
    for share in 0..8 {
        let model = inputs.model[..inputs.model.len() * share / 8].to_vec();
        let cut = Inputs {
            model,
            ..inputs.clone()
        };
        let error = pack(&recipe, &cut, &mut |_| {}).expect_err("a part of a model is no model");
        assert!(matches!(error, PackError::Import(_)), "{}", chain(&error));
    }
}
