//! What a function says of its data as a whole: importances, dependence curves, typical rows.

use serde_json::{Map, Value};

use crate::answers::{by_output, float, headline, items, list, seen};
use crate::chart::{Line, bars};
use crate::inspect::shown;
use crate::table::{Cell, Table, number};

/// One line per feature, the most important first.
pub(crate) fn importances(answer: &Map<String, Value>) -> Table {
    let mut table = Table::default();
    for importance in list(answer, "importances") {
        table.header = vec!["feature".to_owned()];
        let mut line = vec![Cell::json(&importance["feature"])];
        for (output, value) in by_output(&importance["importance"]) {
            table.header.push(output.unwrap_or("importance").to_owned());
            line.push(Cell::Number(float(value)));
        }
        if let Some(deviation) = importance.get("standard_deviation") {
            table.header.push("standard_deviation".to_owned());
            line.push(Cell::json(deviation));
        }
        table.lines.push(line);
    }
    table
}

/// Importances as bars; those of several outputs are summed.
pub(crate) fn importance_page(answer: &Map<String, Value>) -> String {
    let text = |name: &str| answer.get(name).map(shown);
    let rows = text("rows").unwrap_or_default();
    let what = match (text("metric"), text("score")) {
        (Some(metric), Some(score)) => {
            let score = score.parse().map_or(score, number);
            format!("what {metric} ({score} of {rows} rows) loses when a feature is shuffled")
        }
        (Some(metric), None) => format!("{metric} of {rows} rows when a feature is shuffled"),
        (None, _) => format!("mean size of the attributions of {rows} rows"),
    };
    let lines: Vec<Line> = list(answer, "importances")
        .iter()
        .map(|importance| Line {
            text: seen(&importance["feature"]),
            value: by_output(&importance["importance"])
                .map(|(_, value)| float(value))
                .sum(),
            standard_error: importance.get("standard_deviation").map(float),
        })
        .collect();
    format!("{what}\n{}", bars(&lines))
}

/// One line per value of the feature, one column per output; of individual curves one line per row and value.
pub(crate) fn curves(answer: &Map<String, Value>) -> Table {
    let feature = answer.get("feature").map(seen).unwrap_or_default();
    let grid = list(answer, "grid");
    let curves = list(answer, "curves");
    let mut table = Table::new([feature.as_str()]);
    let individual = !curves.is_empty();
    if individual {
        table.header.insert(0, "row".to_owned());
    }
    let mut add = |row: Option<&Value>, values: &Value| {
        let columns: Vec<(Option<&str>, &Value)> = by_output(values).collect();
        table.header.truncate(1 + usize::from(individual));
        let alone = answer.get("output").map_or("answer".to_owned(), shown);
        let names = columns.iter().map(|(output, _)| output.unwrap_or(&alone));
        table.header.extend(names.map(str::to_owned));
        for (at, value) in grid.iter().enumerate() {
            let mut line: Vec<Cell> = row.into_iter().map(Cell::json).collect();
            line.push(Cell::json(value));
            line.extend(columns.iter().map(|(_, values)| Cell::json(&values[at])));
            table.lines.push(line);
        }
    };
    for curve in curves {
        add(Some(&curve["row"]), &curve["values"]);
    }
    if let Some(values) = answer.get("values") {
        add(None, values);
    }
    table
}

/// One curve as bars from the mean answer, several as a table.
pub(crate) fn curve_page(answer: &Map<String, Value>) -> String {
    let (Some(values @ Value::Array(_)), Some(mean)) = (answer.get("values"), answer.get("mean"))
    else {
        return curves(answer).text();
    };
    let accumulated = answer.get("kind").is_some_and(|kind| kind == "accumulated");
    let mean = float(mean);
    let lines: Vec<Line> = list(answer, "grid")
        .iter()
        .zip(items(values))
        .map(|(value, answer)| Line {
            text: seen(value),
            value: float(answer) - if accumulated { 0.0 } else { mean },
            standard_error: None,
        })
        .collect();
    let text = |name: &str| answer.get(name).map(shown).unwrap_or_default();
    let output = match text("output") {
        output if output.is_empty() => String::new(),
        output => format!(" of {output}"),
    };
    format!(
        "{} dependence on {}: {}{output} against its mean, {} (of {} rows)\n{}",
        text("kind"),
        text("feature"),
        text("space"),
        number(mean),
        text("rows"),
        bars(&lines)
    )
}

/// One line per example.
pub(crate) fn examples(answer: &Map<String, Value>) -> Table {
    let mut table = Table::default();
    for class in list(answer, "examples") {
        for (kind, name) in [("prototypes", "typical"), ("criticisms", "untypical")] {
            for example in items(&class[kind]) {
                let values = example["values"].as_object().into_iter().flatten();
                let (features, cells): (Vec<String>, Vec<Cell>) = values
                    .map(|(feature, value)| (feature.clone(), Cell::json(value)))
                    .unzip();
                table.header = ["row", "example", "prediction"].map(str::to_owned).to_vec();
                table.header.extend(features);
                let mut line = vec![Cell::json(&example["row"]), Cell::text(name)];
                line.push(Cell::text(headline(&example["prediction"])));
                line.extend(cells);
                table.lines.push(line);
            }
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).expect("an answer")
    }

    #[test]
    fn importances_are_bars_for_people_and_columns_for_programs() {
        let answer = answer(
            r#"{"method":"permutation","metric":"accuracy","score":0.75,"rows":200,"importances":[
            {"feature":"age","importance":0.2,"standard_deviation":0.013},
            {"feature":"sex","importance":-0.1,"standard_deviation":0.01}]}"#,
        );
        assert_eq!(
            importance_page(&answer),
            "what accuracy (0.75 of 200 rows) loses when a feature is shuffled\n\
            \x20 age          +0.2 ± 0.013                  |████████████████\n\
            \x20 sex          -0.1 ± 0.01           ████████|\n"
        );
        assert_eq!(
            importances(&answer).csv().expect("UTF-8"),
            "feature,importance,standard_deviation\nage,0.2,0.013\nsex,-0.1,0.01\n"
        );
    }

    #[test]
    fn curves_have_a_column_per_output_and_lines_per_row() {
        let several = answer(
            r#"{"feature":"x","kind":"partial","grid":[1,2],"values":{"a":[0.25,0.5],"b":[0.75,0.5]},"mean":{"a":0.4,"b":0.6}}"#,
        );
        assert_eq!(
            curves(&several).csv().expect("UTF-8"),
            "x,a,b\n1,0.25,0.75\n2,0.5,0.5\n"
        );
        let individual = answer(
            r#"{"feature":"x","kind":"individual","output":"a","grid":["u","v"],"curves":[{"row":3,"values":[1,2]},{"row":9,"values":[3,4]}],"mean":1}"#,
        );
        assert_eq!(
            curves(&individual).csv().expect("UTF-8"),
            "row,x,a\n3,u,1\n3,v,2\n9,u,3\n9,v,4\n"
        );
        let one = answer(
            r#"{"feature":"x","kind":"partial","space":"probability","output":"a","grid":["u","v"],"values":[0.25,0.75],"mean":0.5,"rows":8}"#,
        );
        assert_eq!(
            curve_page(&one),
            "partial dependence on x: probability of a against its mean, 0.5 (of 8 rows)\n\
            \x20 u         -0.25  ████████████████|\n\
            \x20 v         +0.25                  |████████████████\n"
        );
    }
}
