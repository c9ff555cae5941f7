//! Reference rows as CSV: a file read by a model's schema, and what it says of the features.

use std::collections::{BTreeMap, BTreeSet};

use hyaline_model::{
    Batch, Categories, Column, Feature, FeatureKind, Missing, Schema, Symbol, Symbols, Tensors,
    Unseen,
};

use crate::reference::ReferenceError;

/// Cells that stand for a missing number, as pandas and R write them. For a category only the empty cell is missing.
const MISSING: [&str; 7] = ["", "NA", "NaN", "nan", "null", "None", "?"];

/// Largest magnitude up to which an f64 holds every whole number.
const LARGEST_INTEGER: f64 = 9_007_199_254_740_992.0;

/// A parsed CSV file.
pub(crate) struct Table {
    header: Vec<String>,
    records: Vec<csv::StringRecord>,
}

impl Table {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Table, ReferenceError> {
        // A byte order mark would become part of the first name.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_reader(bytes);
        let header: Vec<String> = reader.headers()?.iter().map(str::to_owned).collect();
        let mut sorted = header.clone();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(ReferenceError::Repeated(pair[0].clone()));
        }
        let records = reader.records().collect::<Result<Vec<_>, _>>()?;
        if records.is_empty() {
            return Err(ReferenceError::Empty);
        }
        Ok(Table { header, records })
    }

    pub(crate) fn rows(&self) -> usize {
        self.records.len()
    }

    /// The columns without `target`, in the file's order.
    pub(crate) fn feature_names(
        &self,
        target: Option<&str>,
    ) -> Result<Vec<String>, ReferenceError> {
        if let Some(target) = target {
            self.position(target)?;
        }
        Ok(self
            .header
            .iter()
            .filter(|name| Some(name.as_str()) != target)
            .cloned()
            .collect())
    }

    fn position(&self, name: &str) -> Result<usize, ReferenceError> {
        self.header
            .iter()
            .position(|column| column == name)
            .ok_or_else(|| ReferenceError::NoColumn {
                name: name.to_owned(),
                header: self.header.clone(),
            })
    }

    /// The distinct texts of a column, sorted, with the empty one left out.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>, ReferenceError> {
        let mut texts: Vec<String> = self.counts(name)?.into_keys().map(str::to_owned).collect();
        texts.retain(|text| !text.is_empty());
        Ok(texts)
    }

    /// The distinct texts of a column, sorted, the empty one included; `None` when there are more than `most`.
    pub(crate) fn few_texts(&self, name: &str, most: usize) -> Option<Vec<String>> {
        let column = self.position(name).ok()?;
        let mut texts = BTreeSet::new();
        for record in &self.records {
            texts.insert(&record[column]);
            if texts.len() > most {
                return None;
            }
        }
        Some(texts.into_iter().map(str::to_owned).collect())
    }

    fn counts(&self, name: &str) -> Result<BTreeMap<&str, usize>, ReferenceError> {
        let column = self.position(name)?;
        let mut counts = BTreeMap::new();
        for record in &self.records {
            *counts.entry(&record[column]).or_default() += 1;
        }
        Ok(counts)
    }

    /// The cell of row `row` in the column `name`, if there is such a column.
    pub(crate) fn cell(&self, row: usize, name: &str) -> Option<&str> {
        self.position(name)
            .ok()
            .map(|column| &self.records[row][column])
    }

    /// All rows, read by `schema`.
    ///
    /// # Errors
    /// [`ReferenceError`] with the line and feature of the first cell that does not fit.
    pub(crate) fn batch(
        &self,
        schema: &Schema,
        symbols: &Symbols,
    ) -> Result<Batch, ReferenceError> {
        let columns = schema
            .features()
            .iter()
            .map(|feature| self.column(feature, symbols))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Batch::new(schema, columns)
            .expect("one column of the right kind and length per feature"))
    }

    fn column(&self, feature: &Feature, symbols: &Symbols) -> Result<Column, ReferenceError> {
        if let FeatureKind::Tensor(kind) = &feature.kind {
            return self.pixels(feature, kind.elements());
        }
        let position = self.position(&feature.name)?;
        let cells = self.records.iter().map(|record| {
            (
                record.position().map_or(0, csv::Position::line),
                &record[position],
            )
        });
        Ok(match feature.kind {
            FeatureKind::Category(_) => Column::Symbols(
                cells
                    .map(|(line, cell)| symbol(feature, symbols, line, cell))
                    .collect::<Result<Vec<_>, _>>()?,
            ),
            FeatureKind::Text => Column::Texts(cells.map(|(_, cell)| cell.to_owned()).collect()),
            _ => Column::Numbers(
                cells
                    .map(|(line, cell)| number(feature, line, cell))
                    .collect::<Result<Vec<_>, _>>()?,
            ),
        })
    }

    /// A tensor from the columns `pixel_0`, `pixel_1`, …, row-major.
    fn pixels(&self, feature: &Feature, elements: usize) -> Result<Column, ReferenceError> {
        let positions = (0..elements)
            .map(|element| self.position(&format!("pixel_{element}")))
            .collect::<Result<Vec<_>, _>>()?;
        let plain = Feature::new(feature.name.clone(), FeatureKind::Number);
        let mut values = Vec::with_capacity(self.records.len() * elements);
        for record in &self.records {
            let line = record.position().map_or(0, csv::Position::line);
            for &position in &positions {
                values.push(number(&plain, line, &record[position])? as f32);
            }
        }
        Ok(Column::Tensors(
            Tensors::new(elements, values).expect("every row has the same width"),
        ))
    }

    /// `feature` with its range and typical value as the rows show them.
    pub(crate) fn describe(&self, feature: &mut Feature) -> Result<(), ReferenceError> {
        if matches!(feature.kind, FeatureKind::Text) {
            // The shortest text, the first of equally short ones.
            let texts = self.texts(&feature.name)?;
            feature.typical_category = texts.into_iter().min_by_key(String::len);
            return Ok(());
        }
        if let FeatureKind::Category(Categories { values, .. }) = &feature.kind {
            let counts = self.counts(&feature.name)?;
            let most = counts
                .iter()
                .filter(|(text, _)| values.is_empty() || values.iter().any(|value| value == *text));
            // The first of the most frequent, in alphabetical order.
            let typical = most.min_by_key(|(text, count)| (std::cmp::Reverse(**count), **text));
            feature.typical_category = typical.map(|(text, _)| (*text).to_owned());
            return Ok(());
        }
        let Column::Numbers(mut values) = self.column(feature, &Symbols::default())? else {
            return Ok(());
        };
        values.retain(|value| value.is_finite());
        values.sort_unstable_by(f64::total_cmp);
        if let (Some(&low), Some(&high)) = (values.first(), values.last()) {
            feature.range = Some((low, high));
            // The lower median: a value that occurs, whole where the feature is whole.
            feature.typical = Some(values[(values.len() - 1) / 2]);
        }
        Ok(())
    }
}

fn symbol(
    feature: &Feature,
    symbols: &Symbols,
    line: u64,
    cell: &str,
) -> Result<Symbol, ReferenceError> {
    if cell.is_empty() && feature.missing == Missing::Refused {
        return Err(ReferenceError::Missing {
            line,
            feature: feature.name.clone(),
        });
    }
    match &feature.kind {
        FeatureKind::Category(Categories {
            values,
            unseen: Unseen::Refused,
        }) if !(cell.is_empty()
            || values.is_empty()
            || values.iter().any(|value| value == cell)) =>
        {
            Err(ReferenceError::Unseen {
                line,
                feature: feature.name.clone(),
                value: cell.to_owned(),
                known: values.clone(),
            })
        }
        _ => Ok(symbols.symbol(cell)),
    }
}

fn number(feature: &Feature, line: u64, cell: &str) -> Result<f64, ReferenceError> {
    if MISSING.contains(&cell) {
        return match feature.missing {
            Missing::Accepted => Ok(f64::NAN),
            Missing::Refused => Err(ReferenceError::Missing {
                line,
                feature: feature.name.clone(),
            }),
        };
    }
    let expected = match feature.kind {
        FeatureKind::Integer => "a whole number",
        FeatureKind::Boolean => "true, false, 1 or 0",
        _ => "a number",
    };
    let value = match (cell, &feature.kind) {
        ("true" | "True" | "TRUE", FeatureKind::Boolean) => Some(1.0),
        ("false" | "False" | "FALSE", FeatureKind::Boolean) => Some(0.0),
        _ => cell.parse::<f64>().ok().filter(|value| match feature.kind {
            FeatureKind::Integer => value.fract() == 0.0 && value.abs() <= LARGEST_INTEGER,
            FeatureKind::Boolean => *value == 0.0 || *value == 1.0,
            _ => value.is_finite(),
        }),
    };
    value.ok_or_else(|| ReferenceError::Value {
        line,
        feature: feature.name.clone(),
        value: cell.to_owned(),
        expected,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        let category = FeatureKind::Category(Categories {
            values: vec!["b".into(), "a".into()],
            unseen: Unseen::Accepted,
        });
        Schema::new(vec![
            Feature {
                missing: Missing::Accepted,
                ..Feature::new("x", FeatureKind::Number)
            },
            Feature::new("n", FeatureKind::Integer),
            Feature::new("c", category),
        ])
        .expect("the schema is valid")
    }

    fn batch(text: &str) -> Result<Batch, ReferenceError> {
        Table::parse(text.as_bytes())?.batch(&schema(), &Symbols::new(vec!["a".into(), "b".into()]))
    }

    #[test]
    fn columns_are_found_by_name_and_the_rest_is_left() {
        let symbols = Symbols::new(vec!["a".into(), "b".into()]);
        let batch = batch("\u{feff}n,y,c,x\n3,good,b,NA\n4,bad,z,-1.5\n").expect("the rows fit");
        let Column::Numbers(x) = &batch.columns()[0] else {
            panic!("x is a number")
        };
        assert!(x[0].is_nan() && x[1] == -1.5);
        assert_eq!(batch.columns()[1], Column::Numbers(vec![3.0, 4.0]));
        assert_eq!(
            batch.columns()[2],
            Column::Symbols(vec![symbols.symbol("b"), Symbol::UNKNOWN])
        );
    }

    #[test]
    fn refusals_name_line_and_feature() {
        for (text, words) in [
            (
                "n,c,x\n3,a,1\n3.5,a,1\n",
                "line 3 of the reference data, feature `n`: `3.5` is not a whole number",
            ),
            (
                "n,c,x\n3,a,abc\n",
                "line 2 of the reference data, feature `x`: `abc` is not a number",
            ),
            (
                "n,c,x\n3,a,inf\n",
                "line 2 of the reference data, feature `x`: `inf` is not a number",
            ),
            (
                "n,x\n3,1\n",
                "the reference data has no column `c`; it has `n`, `x`",
            ),
            ("n,c,x\n", "the reference data has a header and no rows"),
            (
                "n,c,n\n1,2,3\n",
                "the reference data has two columns named `n`",
            ),
            (
                "n,c,x\n1,a\n",
                "the reference data is not readable CSV with a header",
            ),
            (
                "n,c,x\n1,,1\n",
                "line 2 of the reference data, feature `c` is missing, and the model has no rule for missing values: \
                 drop the row, or put an imputer into the model's pipeline",
            ),
        ] {
            assert_eq!(batch(text).expect_err("refused").to_string(), words);
        }
    }

    #[test]
    fn a_category_the_model_refuses_is_refused_with_those_it_knows() {
        let kind = FeatureKind::Category(Categories {
            values: vec!["a".into(), "b".into()],
            unseen: Unseen::Refused,
        });
        let schema = Schema::new(vec![Feature::new("c", kind)]).expect("the schema is valid");
        let rows = Table::parse(b"c,y\na,1\nz,2\n").expect("CSV");
        let refused = rows
            .batch(&schema, &Symbols::new(vec!["a".into(), "b".into()]))
            .expect_err("`z` is refused");
        let words =
            "line 3 of the reference data, feature `c`: the model knows no `z`; it knows `a`, `b`";
        assert_eq!(refused.to_string(), words);
    }

    #[test]
    fn statistics_are_values_that_occur() {
        let reference = Table::parse(b"x,c\n4,b\nNA,a\n1,a\n9,b\n2,z\n").expect("CSV");
        let [mut x, _, mut c] = schema()
            .features()
            .to_vec()
            .try_into()
            .expect("three features");
        reference.describe(&mut x).expect("numbers");
        reference.describe(&mut c).expect("texts");
        assert_eq!((x.range, x.typical), (Some((1.0, 9.0)), Some(2.0)));
        assert_eq!(c.typical_category.as_deref(), Some("a"));
        assert_eq!(reference.texts("c").expect("texts"), ["a", "b", "z"]);
    }

    #[test]
    fn texts_and_pixels_are_columns_of_their_kind() {
        let picture = FeatureKind::Tensor(hyaline_model::TensorKind {
            extents: vec![1, 2],
            image: None,
        });
        let schema = Schema::new(vec![
            Feature::new("review", FeatureKind::Text),
            Feature::new("image", picture),
        ])
        .expect("the schema is valid");
        let table =
            Table::parse(b"pixel_1,pixel_0,review\n2,1,\"good, cheap\"\n4,3,bad\n").expect("CSV");
        let batch = table.batch(&schema, &Symbols::default()).expect("rows");
        let texts = ["good, cheap", "bad"].map(str::to_owned).to_vec();
        let pixels = Tensors::new(2, vec![1.0, 2.0, 3.0, 4.0]).expect("two rows");
        assert_eq!(
            batch.columns(),
            [Column::Texts(texts), Column::Tensors(pixels)]
        );
        let mut review = schema.features()[0].clone();
        table.describe(&mut review).expect("texts");
        assert_eq!(review.typical_category.as_deref(), Some("bad"));
    }
}
