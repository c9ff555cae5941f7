//! Wherever a core's link is known, it turns the margins into the answer.

use hyaline_formats::{ImportOptions, import};
use hyaline_model::{Core, Head, Link, Predictions};

use super::{batch, cases, model};

/// The scores that `link` makes of the margins of one row; those of the last classes where there are fewer.
fn linked(link: Link, margins: &[f64]) -> Option<Vec<f64>> {
    let exponentials = || margins.iter().map(|margin| margin.exp());
    Some(match link {
        Link::Identity => margins.to_vec(),
        Link::Logistic => margins
            .iter()
            .map(|margin| 1.0 / (1.0 + (-margin).exp()))
            .collect(),
        Link::Softmax => exponentials()
            .map(|x| x / exponentials().sum::<f64>())
            .collect(),
        Link::Exponential => exponentials().collect(),
        Link::Other => return None,
    })
}

fn check(link: Link, predictions: &Predictions) -> Result<bool, String> {
    for row in 0..predictions.rows {
        let margins =
            &predictions.margins[row * predictions.margin_outputs..][..predictions.margin_outputs];
        let scores = &predictions.values[row * predictions.outputs..][..predictions.outputs];
        let Some(expected) = linked(link, margins) else {
            return Ok(false);
        };
        let speaks_of = scores
            .len()
            .checked_sub(expected.len())
            .ok_or("more margins than scores")?;
        for (score, expected) in scores[speaks_of..].iter().zip(&expected) {
            let same = (score - expected).abs() <= 1e-5 * (1.0 + expected.abs())
                || (score.is_nan() && expected.is_nan());
            if !same && score != expected {
                return Err(format!(
                    "row {row}: {link:?} of {margins:?} is {expected}, the score is {score}"
                ));
            }
        }
    }
    Ok(true)
}

#[test]
fn links_turn_margins_into_answers() {
    let (mut failures, mut checked) = (Vec::new(), 0);
    for (name, bytes, io) in cases() {
        let Ok(imported) = import(&bytes, &ImportOptions::default()) else {
            continue;
        };
        let Core::Additive { link, .. } = imported.core else {
            continue;
        };
        let one_margin =
            matches!(&imported.head, Head::Classification { labels, .. } if labels.len() == 2);
        let model = model(imported).expect("a model");
        let predictions = model.predict(&batch(&model, &io)).expect("answers");
        assert!(
            one_margin || predictions.margin_outputs == predictions.outputs || link == Link::Other,
            "{name}"
        );
        match check(link, &predictions) {
            Ok(known) => checked += usize::from(known),
            Err(error) => failures.push(format!("{name}: {error}")),
        }
    }
    assert!(
        failures.is_empty(),
        "{} fail:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(
        checked >= 200,
        "only {checked} models have a link that is known"
    );
}
