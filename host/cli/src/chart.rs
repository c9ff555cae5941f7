//! Reasons as a bar chart of text: against the answer to the left, for it to the right.

use hyaline_pack::card::Row;
use serde_json::Value;

use crate::answers::{Explained, Predicted, Reasons};
use crate::inspect::shown;
use crate::table::number;

/// Character cells of the longest bar, to either side.
const WIDTH: usize = 16;

/// A chart per row: for several outputs, that of the answer.
pub(crate) fn page(
    explained: &Explained,
    predicted: &Predicted,
    rows: &[Row],
    top: usize,
) -> String {
    let mut text = String::new();
    for (index, (explanation, row)) in explained.rows.iter().zip(rows).enumerate() {
        let output = predicted
            .answer(index)
            .min(explanation.outputs.len().saturating_sub(1));
        let Some(reasons) = explanation.outputs.get(output) else {
            continue;
        };
        let exact = if explanation.exact { "exact, " } else { "" };
        text += &format!("row {}: {}\n", index + 1, predicted.headline(index, number));
        text += &format!(
            "{} of {}: {} = {} on average {} by these reasons ({exact}{})\n",
            explanation.space,
            explained.output_name(explanation, output),
            number(reasons.prediction),
            number(reasons.base),
            signed(reasons.attributions.iter().sum()),
            explanation.method
        );
        text += &bars(&lines(&explained.features, reasons, row, top));
        text.push('\n');
    }
    text
}

/// Texts and attributions, the largest first; what is not among the `top` is one line.
fn lines(features: &[String], reasons: &Reasons, row: &Row, top: usize) -> Vec<(String, f64)> {
    let mut lines: Vec<(String, f64)> = features
        .iter()
        .zip(&reasons.attributions)
        .map(|(name, value)| {
            (
                format!("{name} = {}", row.get(name).map_or("null".to_owned(), seen)),
                *value,
            )
        })
        .collect();
    lines.sort_by(|(_, a), (_, b)| b.abs().total_cmp(&a.abs()));
    if lines.len() > top + 1 {
        let rest = lines.split_off(top);
        lines.push((
            format!("{} others", rest.len()),
            rest.iter().map(|(_, value)| value).sum(),
        ));
    }
    lines
}

fn seen(value: &Value) -> String {
    value.as_f64().map_or_else(|| shown(value), number)
}

fn bars(lines: &[(String, f64)]) -> String {
    let longest = lines
        .iter()
        .map(|(text, _)| text.chars().count())
        .max()
        .unwrap_or(0);
    let largest = lines
        .iter()
        .map(|(_, value)| value.abs())
        .fold(0.0, f64::max);
    let length = |value: f64| match largest > 0.0 {
        true => {
            ((value.abs() / largest * WIDTH as f64).round() as usize).max(usize::from(value != 0.0))
        }
        false => 0,
    };
    lines
        .iter()
        .map(|(text, value)| {
            let bar = "█".repeat(length(*value));
            let (left, right) = if *value < 0.0 {
                (bar.as_str(), "")
            } else {
                ("", bar.as_str())
            };
            let gap = " ".repeat(longest - text.chars().count());
            format!(
                "  {text}{gap}  {:>12}  {left:>WIDTH$}|{right}\n",
                signed(*value)
            )
        })
        .collect()
}

fn signed(value: f64) -> String {
    let text = number(value);
    if text.starts_with('-') {
        text
    } else {
        format!("+{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_go_to_their_side_and_keep_proportion() {
        let lines = [
            ("a = 1".to_owned(), 2.0),
            ("long = x".to_owned(), -1.0),
            ("z = 0".to_owned(), 0.0),
        ];
        let expected = concat!(
            "  a = 1               +2                  |████████████████\n",
            "  long = x            -1          ████████|\n",
            "  z = 0               +0                  |\n",
        );
        assert_eq!(bars(&lines), expected);
    }

    #[test]
    fn the_rest_is_summed_up() {
        let reasons = Reasons {
            base: 0.0,
            prediction: 0.0,
            residual: 0.0,
            attributions: vec![0.1, -3.0, 0.2, 0.3],
        };
        let features = ["a", "b", "c", "d"].map(str::to_owned);
        let row = serde_json::from_str(r#"{"a":1,"b":"x","c":2.5,"d":null}"#).expect("a row");
        let lines = lines(&features, &reasons, &row, 2);
        let texts: Vec<&str> = lines.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(texts, ["b = x", "d = null", "2 others"]);
        assert!((lines[2].1 - 0.3).abs() < 1e-15);
    }
}
