//! Explanations in text: reasons as bars (against the answer to the left, for it to the right), everything else in words
//! and tables.

use serde_json::{Map, Value};

use crate::answers::{Reasons, changes, float, headline, list, reasons, seen};
use crate::table::{Cell, Table, number, signed};

/// Character cells of the longest bar, to either side.
const WIDTH: usize = 16;

/// One explanation under the other; of several outputs, that of the answer. `top` reasons are shown, the rest summed up.
pub(crate) fn page(answer: &Map<String, Value>, top: usize) -> String {
    let predictions = list(answer, "predictions");
    let explanations = list(answer, "explanations");
    let mut text = String::new();
    for (index, (prediction, explanation)) in predictions.iter().zip(explanations).enumerate() {
        text += &format!("row {}: {}\n", index + 1, headline(prediction));
        text += &if explanation.get("counterfactuals").is_some() {
            counterfactuals(explanation)
        } else if explanation.get("anchor").is_some() {
            anchor(explanation)
        } else {
            additive(prediction, explanation, top)
        };
        if let Some(quality) = explanation.get("quality") {
            text += &indented(&figures(quality).text());
        }
        text.push('\n');
    }
    text
}

fn additive(prediction: &Value, explanation: &Value, top: usize) -> String {
    let label = prediction.get("label").map(seen);
    let mut reasons = reasons(explanation);
    let answer = reasons
        .iter()
        .position(|reasons| Some(&reasons.output) == label.as_ref());
    if reasons.is_empty() {
        return format!("{explanation:#}\n");
    }
    let reasons = reasons.swap_remove(answer.unwrap_or(0));
    let sum: f64 = reasons.parts.iter().map(|part| part.attribution).sum();
    let output = match reasons.output.as_str() {
        "null" => String::new(),
        output => format!(" of {output}"),
    };
    let base = match explanation["method"].as_str() {
        Some("lime") => "as intercept",
        _ if explanation.get("absent").is_some() => "without them",
        _ => "on average",
    };
    // Rounding is not worth a word; what a local model leaves unexplained is.
    let rest = match reasons.residual.abs() > 1e-6 * reasons.prediction.abs().max(1.0) {
        true => format!(" and {} unexplained", signed(reasons.residual)),
        false => String::new(),
    };
    format!(
        "{}{output}: {} = {} {base} {} by these reasons{rest} ({})\n{}",
        seen(&explanation["space"]),
        number(reasons.prediction),
        number(reasons.base),
        signed(sum),
        computed(explanation),
        bars(&lines(&reasons, top))
    )
}

/// How the values came about.
fn computed(explanation: &Value) -> String {
    let method = seen(&explanation["method"]);
    if explanation["exact"] == true {
        return format!("exact, {method}");
    }
    let mut text = format!("estimated, {method}");
    for (name, what) in [("evaluations", "evaluations"), ("samples", "samples")] {
        if let Some(count) = explanation.get(name).and_then(Value::as_u64) {
            text += &format!(", {count} {what}");
        }
    }
    if let Some(seed) = explanation.get("seed").and_then(Value::as_u64) {
        text += &format!(", seed {seed}");
    }
    if explanation["converged"] == false {
        text += ", tolerance not reached";
    }
    text
}

fn counterfactuals(explanation: &Value) -> String {
    if let Some(reason) = explanation.get("reason").and_then(Value::as_str) {
        return format!("no counterfactual: {reason}\n");
    }
    indented(&changes(explanation).text())
}

fn anchor(explanation: &Value) -> String {
    let share = |name: &str| format!("{:.1} %", 100.0 * float(&explanation[name]));
    let rule = match explanation["text"].as_str() {
        None | Some("") => "nearly whatever the row is",
        Some(rule) => rule,
    };
    let mut text = format!(
        "the answer stays while {rule}\n  for {} of rows like this ({} to {}); {} of the reference rows meet it\n",
        share("precision"),
        share("precision_low"),
        share("precision_high"),
        share("coverage")
    );
    if let Some(reason) = explanation.get("reason") {
        text += &format!("  {}\n", seen(reason));
    }
    text
}

/// Name and value of each figure; those of an object under its name.
fn figures(figures: &Value) -> Table {
    let mut table = Table::new(["quality", "value"]);
    for (name, value) in figures.as_object().into_iter().flatten() {
        match value {
            Value::Object(parts) => {
                for (part, value) in parts {
                    let name = Cell::text(format!("{name}: {part}"));
                    table.lines.push(vec![name, Cell::json(value)]);
                }
            }
            value => table
                .lines
                .push(vec![Cell::text(name.as_str()), Cell::json(value)]),
        }
    }
    table
}

/// `text` two characters to the right.
pub(crate) fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

/// A line of a bar chart.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) value: f64,
    pub(crate) standard_error: Option<f64>,
}

/// Reasons, the largest first; what is not among the `top` is one line.
fn lines(reasons: &Reasons, top: usize) -> Vec<Line> {
    let mut lines: Vec<Line> = reasons
        .parts
        .iter()
        .map(|part| Line {
            text: part.name.clone(),
            value: part.attribution,
            standard_error: part.standard_error,
        })
        .collect();
    lines.sort_by(|one, two| two.value.abs().total_cmp(&one.value.abs()));
    if lines.len() > top + 1 {
        let rest = lines.split_off(top);
        lines.push(Line {
            text: format!("{} others", rest.len()),
            value: rest.iter().map(|line| line.value).sum(),
            standard_error: None,
        });
    }
    lines
}

/// A bar per line, the longest [`WIDTH`] cells; one that is not zero is seen.
pub(crate) fn bars(lines: &[Line]) -> String {
    let widest = |text: &dyn Fn(&Line) -> String| {
        let widths = lines.iter().map(|line| text(line).chars().count());
        widths.max().unwrap_or(0)
    };
    let error = |line: &Line| match line.standard_error {
        Some(error) => format!(" ± {}", brief(error)),
        None => String::new(),
    };
    let (texts, errors) = (widest(&|line| line.text.clone()), widest(&error));
    let largest = lines
        .iter()
        .map(|line| line.value.abs())
        .fold(0.0, f64::max);
    let length = |value: f64| match largest > 0.0 {
        true => {
            ((value.abs() / largest * WIDTH as f64).round() as usize).max(usize::from(value != 0.0))
        }
        false => 0,
    };
    lines
        .iter()
        .map(|line| {
            let bar = "█".repeat(length(line.value));
            let (left, right) = if line.value < 0.0 {
                (bar.as_str(), "")
            } else {
                ("", bar.as_str())
            };
            format!(
                "  {:<texts$}  {:>12}{:<errors$}  {left:>WIDTH$}|{right}\n",
                line.text,
                signed(line.value),
                error(line)
            )
        })
        .collect()
}

/// Two significant digits: enough of an error.
fn brief(value: f64) -> String {
    let short = format!("{value:.1e}");
    match short.parse() {
        Ok(rounded) if rounded == 0.0 || rounded >= 1e-4 => number(rounded),
        _ => short,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, value: f64, standard_error: Option<f64>) -> Line {
        Line {
            text: text.to_owned(),
            value,
            standard_error,
        }
    }

    #[test]
    fn bars_go_to_their_side_and_keep_proportion() {
        let exact = [
            line("a = 1", 2.0, None),
            line("long = x", -1.0, None),
            line("z = 0", 0.0, None),
        ];
        let expected = concat!(
            "  a = 1               +2                  |████████████████\n",
            "  long = x            -1          ████████|\n",
            "  z = 0               +0                  |\n",
        );
        assert_eq!(bars(&exact), expected);
        let estimated = [line("a", 2.0, Some(0.0123)), line("others", 1.0, None)];
        let expected = concat!(
            "  a                 +2 ± 0.012                  |████████████████\n",
            "  others            +1                          |████████\n",
        );
        assert_eq!(bars(&estimated), expected);
    }

    #[test]
    fn a_rule_is_told_with_how_often_it_holds() {
        let explanation = serde_json::from_str(
            r#"{"method":"anchor","anchor":[{"feature":"age","value":39,"rule":"age > 30"}],"text":"age > 30","found":true,
            "precision":0.97,"precision_low":0.95,"precision_high":0.985,"coverage":0.4}"#,
        )
        .expect("JSON");
        assert_eq!(
            anchor(&explanation),
            "the answer stays while age > 30\n  for 97.0 % of rows like this (95.0 % to 98.5 %); 40.0 % of the reference \
             rows meet it\n"
        );
    }

    #[test]
    fn an_explanation_is_told_with_how_it_was_computed() {
        let answer = serde_json::from_str(
            r#"{"predictions":[{"label":"yes","probabilities":{"no":0.25,"yes":0.75},"margin":1.1}],
            "explanations":[{"method":"leverage","exact":false,"space":"margin","output":"yes","base_value":0.1,
            "prediction":1.1,"attributions":[{"feature":"a","value":1,"attribution":0.1,"standard_error":0.5},
            {"feature":"b","value":"x","attribution":-3.0,"standard_error":0.5},
            {"feature":"c","value":2.5,"attribution":0.2,"standard_error":0.5},
            {"feature":"d","value":null,"attribution":3.7,"standard_error":0.5}],
            "residual":0.0,"evaluations":200,"seed":7,"converged":false}]}"#,
        )
        .expect("an answer");
        let page = page(&answer, 2);
        let lines: Vec<&str> = page.lines().collect();
        assert_eq!(lines[0], "row 1: yes (no 0.25, yes 0.75)");
        assert_eq!(
            lines[1],
            "margin of yes: 1.1 = 0.1 on average +1 by these reasons (estimated, leverage, 200 evaluations, seed 7, \
             tolerance not reached)"
        );
        assert!(
            lines[2].starts_with("  d = null          +3.7 ± 0.5  "),
            "{page}"
        );
        assert!(lines[3].starts_with("  b = x"), "{page}");
        assert!(
            lines[4].starts_with("  2 others          +0.3        "),
            "{page}"
        );
    }
}
