//! Rows to ask about: JSON, JSON lines or CSV, from a file or standard input.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use hyaline_pack::card::{FeatureCard, Row};
use serde_json::Value;

/// The bytes of `path`; standard input when there is none or it is `-`.
pub(crate) fn bytes(path: Option<&Path>) -> Result<Vec<u8>> {
    match path.filter(|path| *path != Path::new("-")) {
        Some(path) => std::fs::read(path)
            .with_context(|| format!("the rows in {} cannot be read", path.display())),
        None => {
            let mut bytes = Vec::new();
            std::io::stdin()
                .read_to_end(&mut bytes)
                .context("standard input cannot be read")?;
            Ok(bytes)
        }
    }
}

/// The rows in `bytes`: a JSON object or array of objects, `{"instances": […]}`, JSON lines, or CSV with a header. What
/// is no feature is refused in JSON and left out of CSV, where the answer often stands beside the features.
pub(crate) fn parse(bytes: &[u8], features: &[FeatureCard]) -> Result<Vec<Row>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let rows = match bytes.trim_ascii_start().first() {
        None => bail!("there are no rows: the input is empty"),
        Some(b'{' | b'[') => json(bytes, features)?,
        Some(_) => csv(bytes, features)?,
    };
    if rows.is_empty() {
        bail!("there are no rows in the input");
    }
    Ok(rows)
}

fn json(bytes: &[u8], features: &[FeatureCard]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for value in serde_json::Deserializer::from_slice(bytes).into_iter::<Value>() {
        let mut value = value.context("the rows are not valid JSON")?;
        if let Some(instances) = value.get_mut("instances").filter(|value| value.is_array()) {
            value = instances.take();
        }
        match value {
            Value::Array(items) => rows.extend(items),
            value => rows.push(value),
        }
    }
    rows.into_iter()
        .enumerate()
        .map(|(index, value)| row(index, value, features))
        .collect()
}

fn row(index: usize, value: Value, features: &[FeatureCard]) -> Result<Row> {
    let position = index + 1;
    match value {
        Value::Object(row) => match row
            .keys()
            .find(|name| features.iter().all(|feature| feature.name != **name))
        {
            Some(name) => Err(anyhow!(
                "row {position}: `{name}` is no feature; the features are {}",
                listed(features)
            )),
            None => Ok(row),
        },
        Value::Array(values) if values.len() == features.len() => Ok(features
            .iter()
            .map(|feature| feature.name.clone())
            .zip(values)
            .collect()),
        Value::Array(values) => Err(anyhow!(
            "row {position} has {} values for {} features: {}",
            values.len(),
            features.len(),
            listed(features)
        )),
        other => Err(anyhow!(
            "row {position} is {other}; a row is an object by feature name, or an array"
        )),
    }
}

fn csv(bytes: &[u8], features: &[FeatureCard]) -> Result<Vec<Row>> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(bytes);
    let header = reader
        .headers()
        .context("the rows are not valid CSV")?
        .clone();
    let columns: Vec<Option<&FeatureCard>> = header
        .iter()
        .map(|name| features.iter().find(|feature| feature.name == name))
        .collect();
    if columns.iter().all(Option::is_none) {
        bail!(
            "no column of the CSV is a feature; the first line names the columns, the features are {}",
            listed(features)
        );
    }
    let left: Vec<String> = header
        .iter()
        .zip(&columns)
        .filter(|(_, column)| column.is_none())
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    if !left.is_empty() {
        eprintln!("note: no features, left out: {}", left.join(", "));
    }
    reader
        .records()
        .map(|record| {
            let record = record.context("the rows are not valid CSV")?;
            let cells = columns
                .iter()
                .zip(&record)
                .filter_map(|(column, text)| column.map(|feature| (feature, text)));
            Ok(cells
                .map(|(feature, text)| (feature.name.clone(), cell(feature, text)))
                .collect())
        })
        .collect()
}

/// A cell as JSON would have it; what is no value of the feature stays a text and is refused as such later.
fn cell(feature: &FeatureCard, text: &str) -> Value {
    match (feature.kind.as_str(), text) {
        (_, "") => Value::Null,
        ("category" | "text", text) => Value::from(text),
        (_, "NA" | "NaN" | "nan" | "null") => Value::Null,
        ("boolean", "true" | "True" | "TRUE") => Value::from(true),
        ("boolean", "false" | "False" | "FALSE") => Value::from(false),
        (_, text) => text
            .parse::<f64>()
            .ok()
            .filter(|value| value.is_finite())
            .map_or(Value::from(text), Value::from),
    }
}

fn listed(features: &[FeatureCard]) -> String {
    features
        .iter()
        .map(|feature| format!("`{}`", feature.name))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features() -> Vec<FeatureCard> {
        let card = r#"[{"name":"age","kind":"integer","missing":true},{"name":"sex","kind":"category","missing":false}]"#;
        serde_json::from_str(card).expect("features")
    }

    #[test]
    fn every_form_gives_the_same_rows() {
        let expected = parse(
            br#"[{"age":30.0,"sex":"f"},{"age":null,"sex":"m"}]"#,
            &features(),
        )
        .expect("rows");
        for text in [
            "{\"age\":30.0,\"sex\":\"f\"}\n{\"age\":null,\"sex\":\"m\"}\n",
            r#"{"instances":[[30.0,"f"],[null,"m"]]}"#,
            "\u{feff}sex,age,risk\nf,30,good\nm,NA,bad\n",
        ] {
            assert_eq!(parse(text.as_bytes(), &features()).expect("rows"), expected);
        }
    }

    #[test]
    fn refusals_say_what_is_wrong() {
        for (text, words) in [
            ("  \n", "there are no rows: the input is empty"),
            ("[]", "there are no rows in the input"),
            (
                r#"{"agee":1}"#,
                "row 1: `agee` is no feature; the features are `age`, `sex`",
            ),
            ("[[1]]", "row 1 has 1 values for 2 features: `age`, `sex`"),
            (
                "[3]",
                "row 1 is 3; a row is an object by feature name, or an array",
            ),
            ("{\"age\":", "the rows are not valid JSON"),
            (
                "a,b\n1,2\n",
                "no column of the CSV is a feature; the first line names the columns, the features are `age`, `sex`",
            ),
        ] {
            assert_eq!(
                parse(text.as_bytes(), &features())
                    .expect_err("refused")
                    .to_string(),
                words
            );
        }
    }
}
