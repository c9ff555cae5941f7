//! What functions answer, read from their JSON.

use serde_json::{Map, Value};

use crate::inspect::shown;
use crate::table::{Cell, Table, number};

/// A number of an answer; JSON has those that are not finite only as texts.
pub(crate) fn float(value: &Value) -> f64 {
    match value {
        Value::Number(number) => number.as_f64().unwrap_or(f64::NAN),
        Value::String(text) => text.parse().unwrap_or(f64::NAN),
        _ => f64::NAN,
    }
}

/// The list `name` of an answer; empty when there is none.
pub(crate) fn list<'a>(answer: &'a Map<String, Value>, name: &str) -> &'a [Value] {
    answer.get(name).map(items).unwrap_or_default()
}

/// The items of a list; none of what is no list.
pub(crate) fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A value, or values by the name of their output.
pub(crate) fn by_output(value: &Value) -> impl Iterator<Item = (Option<&str>, &Value)> {
    let named = value.as_object();
    let alone = named.is_none().then_some((None, value));
    let named = named.into_iter().flatten();
    alone
        .into_iter()
        .chain(named.map(|(name, value)| (Some(name.as_str()), value)))
}

/// A value of a row in a few words.
pub(crate) fn seen(value: &Value) -> String {
    match value {
        Value::Number(_) => number(float(value)),
        Value::Array(_) => "…".to_owned(),
        Value::String(text) if text.chars().count() > 40 => {
            text.chars().take(39).chain(['…']).collect()
        }
        value => shown(value),
    }
}

/// What stands for the answer among the members of a prediction: probabilities, scores or values by name.
fn values(prediction: &Value) -> Vec<(String, f64)> {
    let found = ["probabilities", "scores", "value"]
        .iter()
        .find_map(|name| Some((name, prediction.get(name)?)));
    match found {
        Some((_, Value::Object(values))) => values
            .iter()
            .map(|(name, value)| (name.clone(), float(value)))
            .collect(),
        Some((name, value)) => vec![((*name).to_owned(), float(value))],
        None => Vec::new(),
    }
}

/// The parts of a prediction beside label, values and margin, e.g. an interval, by name.
fn additions(prediction: &Value) -> Vec<(String, Cell)> {
    let known = ["label", "probabilities", "scores", "value", "margin"];
    let members = prediction.as_object().into_iter().flatten();
    members
        .filter(|(name, _)| !known.contains(&name.as_str()))
        .flat_map(|(name, value)| match value {
            Value::Object(parts) => parts
                .iter()
                .map(|(part, value)| (format!("{name} {part}"), Cell::json(value)))
                .collect(),
            value => vec![(name.clone(), Cell::json(value))],
        })
        .collect()
}

/// A prediction in a few words.
pub(crate) fn headline(prediction: &Value) -> String {
    let values: Vec<String> = values(prediction)
        .into_iter()
        .map(|(name, value)| match name.as_str() {
            "value" => number(value),
            name => format!("{name} {}", number(value)),
        })
        .collect();
    let mut text = match prediction.get("label") {
        Some(label) => format!("{} ({})", shown(label), values.join(", ")),
        None => values.join(", "),
    };
    for (name, value) in additions(prediction) {
        text += &format!(", {name} {}", value.shown());
    }
    text
}

/// One line per prediction.
pub(crate) fn predictions(answer: &Map<String, Value>) -> Table {
    let predictions = list(answer, "predictions");
    let mut table = Table::new(["row"]);
    for (index, prediction) in predictions.iter().enumerate() {
        let mut cells = vec![("row".to_owned(), Cell::Number(index as f64 + 1.0))];
        if let Some(label) = prediction.get("label") {
            cells.push(("label".to_owned(), Cell::text(shown(label))));
        }
        let values = values(prediction).into_iter();
        cells.extend(values.map(|(name, value)| (name, Cell::Number(value))));
        cells.extend(additions(prediction));
        let (header, line) = cells.into_iter().unzip();
        table.header = header;
        table.lines.push(line);
    }
    table
}

/// How one output came about: `prediction = base + Σ attributions + residual`.
pub(crate) struct Reasons {
    pub(crate) output: String,
    pub(crate) base: f64,
    pub(crate) prediction: f64,
    pub(crate) residual: f64,
    pub(crate) parts: Vec<Part>,
}

/// What one feature or token adds.
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) attribution: f64,
    /// `None` when it is exact.
    pub(crate) standard_error: Option<f64>,
}

/// What a part of an explanation is about: a token, a segment of a picture, the rule that LIME looks at, a feature with its
/// value.
fn named(explanation: &Value, part: &Value) -> String {
    if let Some(segment) = part.get("segment") {
        return place(&explanation["map"], segment);
    }
    match (part.get("token"), part.get("rule")) {
        (Some(token), _) => seen(token),
        (None, Some(rule)) => seen(rule),
        (None, None) => format!("{} = {}", seen(&part["feature"]), seen(&part["value"])),
    }
}

/// Where a segment lies: the rows and columns of pixels, from 1, that `map` gives to it.
fn place(map: &Value, segment: &Value) -> String {
    let (mut rows, mut columns) = ((usize::MAX, 0), (usize::MAX, 0));
    for (y, row) in items(map).iter().enumerate() {
        for (x, owner) in items(row).iter().enumerate() {
            if float(owner) == float(segment) {
                rows = (rows.0.min(y + 1), rows.1.max(y + 1));
                columns = (columns.0.min(x + 1), columns.1.max(x + 1));
            }
        }
    }
    format!(
        "rows {} to {}, columns {} to {}",
        rows.0, rows.1, columns.0, columns.1
    )
}

/// The outputs that an additive explanation speaks about; none when it is not additive.
pub(crate) fn reasons(explanation: &Value) -> Vec<Reasons> {
    // The tokens of a text and the segments of a picture say more than the whole of it.
    let parts = ["tokens", "segments", "attributions"]
        .iter()
        .find_map(|name| explanation.get(name));
    let Some(parts) = parts else {
        return Vec::new();
    };
    let names = by_output(&explanation["base_value"]).map(|(name, _)| name);
    let one = |name: Option<&str>, value: &Value| match name {
        Some(name) => float(&value[name]),
        None => float(value),
    };
    let reasons = |name: Option<&str>| Reasons {
        output: name.map_or_else(|| seen(&explanation["output"]), str::to_owned),
        base: one(name, &explanation["base_value"]),
        prediction: one(name, &explanation["prediction"]),
        residual: one(name, &explanation["residual"]),
        parts: items(parts)
            .iter()
            .map(|part| Part {
                name: named(explanation, part),
                attribution: one(name, &part["attribution"]),
                standard_error: part
                    .get("standard_error")
                    .map(|standard_error| one(name, standard_error)),
            })
            .collect(),
    };
    names.map(reasons).collect()
}

/// One line per explanation and output, or per change, or per condition: what the kind of explanation is made of.
pub(crate) fn explanations(answer: &Map<String, Value>) -> Table {
    let explanations = list(answer, "explanations");
    let mut table = Table::default();
    for (index, explanation) in explanations.iter().enumerate() {
        let row = Cell::Number(index as f64 + 1.0);
        let part = if explanation.get("counterfactuals").is_some() {
            changes(explanation)
        } else if explanation.get("anchor").is_some() {
            conditions(explanation)
        } else {
            attributions(explanation)
        };
        table.header = ["row".to_owned()].into_iter().chain(part.header).collect();
        let lines = part.lines.into_iter();
        table
            .lines
            .extend(lines.map(|line| [row.clone()].into_iter().chain(line).collect()));
    }
    table
}

fn attributions(explanation: &Value) -> Table {
    let mut table = Table::new([
        "output",
        "base_value",
        "prediction",
        "residual",
        "reason",
        "attribution",
        "standard_error",
    ]);
    for reasons in reasons(explanation) {
        for part in reasons.parts {
            table.lines.push(vec![
                Cell::text(&*reasons.output),
                Cell::Number(reasons.base),
                Cell::Number(reasons.prediction),
                Cell::Number(reasons.residual),
                Cell::text(part.name),
                Cell::Number(part.attribution),
                part.standard_error.map_or(Cell::text(""), Cell::Number),
            ]);
        }
    }
    table
}

/// The changes of each counterfactual.
pub(crate) fn changes(explanation: &Value) -> Table {
    let mut table = Table::new(["counterfactual", "feature", "from", "to", "prediction"]);
    for (index, found) in items(&explanation["counterfactuals"]).iter().enumerate() {
        for change in items(&found["changes"]) {
            table.lines.push(vec![
                Cell::Number(index as f64 + 1.0),
                Cell::json(&change["feature"]),
                Cell::json(&change["from"]),
                Cell::json(&change["to"]),
                Cell::text(headline(&found["prediction"])),
            ]);
        }
    }
    table
}

/// The conditions of an anchor.
fn conditions(explanation: &Value) -> Table {
    let mut table = Table::new(["condition", "precision", "coverage"]);
    let figures = ["precision", "coverage"].map(|name| Cell::json(&explanation[name]));
    for condition in items(&explanation["anchor"]) {
        let mut line = vec![Cell::json(&condition["rule"])];
        line.extend(figures.clone());
        table.lines.push(line);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        serde_json::from_str(text).expect("JSON")
    }

    #[test]
    fn predictions_of_every_kind_are_lines_of_a_table() {
        for (answer, csv) in [
            (
                r#"{"predictions":[{"label":"yes","probabilities":{"no":0.25,"yes":0.75},"margin":1,"set":["yes","no"]}]}"#,
                "row,label,no,yes,set\n1,yes,0.25,0.75,\"yes, no\"\n",
            ),
            (
                r#"{"predictions":[{"value":3.5,"interval":[1,6]},{"value":"NaN","interval":[2,"Infinity"]}]}"#,
                "row,value,interval\n1,3.5,\"1, 6\"\n2,NaN,\"2, Infinity\"\n",
            ),
            (
                r#"{"predictions":[{"value":{"a":1,"b":2}}]}"#,
                "row,a,b\n1,1,2\n",
            ),
        ] {
            let answer = value(answer);
            let table = predictions(answer.as_object().expect("an object"));
            assert_eq!(table.csv().expect("UTF-8"), csv);
        }
    }

    #[test]
    fn parts_are_named_by_what_they_are() {
        let explanation = value(r#"{"map":[[0,0,1],[0,0,1],[2,2,2]]}"#);
        for (part, name) in [
            (r#"{"token":"good","start":3}"#, "good"),
            (r#"{"segment":1}"#, "rows 1 to 2, columns 3 to 3"),
            (
                r#"{"feature":"age","value":39,"rule":"33 < age <= 42"}"#,
                "33 < age <= 42",
            ),
            (r#"{"feature":"age","value":39}"#, "age = 39"),
            (r#"{"feature":"pixels","value":[[1]]}"#, "pixels = …"),
        ] {
            assert_eq!(named(&explanation, &value(part)), name);
        }
    }
}
