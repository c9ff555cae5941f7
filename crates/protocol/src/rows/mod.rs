//! Rows of the model's schema, read from any request format, every value judged where it enters.

mod cell;
pub(crate) mod csv;
pub(crate) mod json;
mod nearest;

use hyaline_model::{
    Batch, Column, Feature, FeatureKind, Model, Symbol, Tensors, sorted_positions,
};

pub(crate) use cell::Cell;
pub(crate) use json::put_absent;
pub(crate) use nearest::nearest;

use crate::Refusal;
use crate::json::JsonWriter;

/// Most rows in one request.
pub const ROW_LIMIT: usize = 1 << 18;

/// Which symbols each category feature takes.
#[derive(Clone, Debug)]
pub(crate) struct Vocabulary {
    /// Per feature, sorted; empty for features that are no categories.
    known: Vec<Vec<Symbol>>,
}

impl Vocabulary {
    pub(crate) fn new(model: &Model) -> Vocabulary {
        let known = model.schema().features().iter().map(|feature| {
            let FeatureKind::Category(categories) = &feature.kind else {
                return Vec::new();
            };
            let mut unsorted: Vec<Symbol> = categories
                .values
                .iter()
                .map(|text| model.symbols().symbol(text))
                .collect();
            unsorted.retain(|&symbol| symbol != Symbol::UNKNOWN);
            let order = sorted_positions(unsorted.len(), &|a, b| unsorted[a].cmp(&unsorted[b]));
            order
                .into_iter()
                .map(|position| unsorted[position])
                .collect()
        });
        Vocabulary {
            known: known.collect(),
        }
    }

    fn knows(&self, feature: usize, symbol: Symbol) -> bool {
        self.known[feature].binary_search(&symbol).is_ok()
    }
}

/// Rows that fit the schema, and the texts that the model does not know but its encoder takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    batch: Batch,
    /// Sorted by row, then feature.
    unseen: Vec<(usize, usize, String)>,
}

/// A value as the request gave it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Seen<'a> {
    Missing,
    Bool(bool),
    Number(f64),
    Text(&'a str),
    Tensor(&'a [u32], &'a [f32]),
}

impl Seen<'_> {
    /// As JSON; a missing value is null.
    pub(crate) fn write(self, json: &mut JsonWriter) {
        match self {
            Seen::Missing => json.null(),
            Seen::Bool(value) => json.boolean(value),
            Seen::Number(value) => json.number(value),
            Seen::Text(text) => json.text(text),
            Seen::Tensor(extents, numbers) => {
                write_nested(json, extents, numbers);
                json
            }
        };
    }
}

/// Numbers as lists nested by `extents`.
fn write_nested(json: &mut JsonWriter, extents: &[u32], numbers: &[f32]) {
    let Some((&extent, inner)) = extents.split_first() else {
        json.single(numbers[0]);
        return;
    };
    json.begin_array();
    for part in numbers.chunks_exact(numbers.len() / extent as usize) {
        write_nested(json, inner, part);
    }
    json.end_array();
}

impl Rows {
    /// The rows as the model takes them; at least one.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// Wraps rows that did not come from a request (the example row).
    pub(crate) fn trusted(batch: Batch) -> Rows {
        Rows {
            batch,
            unseen: Vec::new(),
        }
    }

    /// The value of `feature` in `row`.
    pub(crate) fn seen<'a>(&'a self, model: &'a Model, row: usize, feature: usize) -> Seen<'a> {
        match &self.batch.columns()[feature] {
            Column::Numbers(values) if values[row].is_nan() => Seen::Missing,
            Column::Numbers(values) => match model.schema().features()[feature].kind {
                FeatureKind::Boolean => Seen::Bool(values[row] != 0.0),
                _ => Seen::Number(values[row]),
            },
            Column::Symbols(values) => match model.symbols().text(values[row]) {
                Some("") => Seen::Missing,
                Some(text) => Seen::Text(text),
                None => match self
                    .unseen
                    .binary_search_by_key(&(row, feature), |(row, feature, _)| (*row, *feature))
                {
                    Ok(at) => Seen::Text(&self.unseen[at].2),
                    Err(_) => Seen::Missing,
                },
            },
            Column::Texts(values) => Seen::Text(&values[row]),
            Column::Tensors(values) => match &model.schema().features()[feature].kind {
                FeatureKind::Tensor(kind) => Seen::Tensor(&kind.extents, values.row(row)),
                _ => Seen::Missing,
            },
        }
    }
}

/// Rows under construction. Every value starts as missing; what is not put must be accounted for by the caller.
#[derive(Debug)]
pub struct RowsBuilder<'f> {
    model: &'f Model,
    vocabulary: &'f Vocabulary,
    rows: usize,
    columns: Vec<Column>,
    unseen: Vec<(usize, usize, String)>,
}

impl<'f> RowsBuilder<'f> {
    pub(crate) fn new(
        model: &'f Model,
        vocabulary: &'f Vocabulary,
        rows: usize,
    ) -> Result<RowsBuilder<'f>, Refusal> {
        check_rows(rows)?;
        let columns = model
            .schema()
            .features()
            .iter()
            .map(|feature| match feature.kind {
                FeatureKind::Category(_) => Column::Symbols(vec![model.symbols().symbol(""); rows]),
                FeatureKind::Text => Column::Texts(vec![String::new(); rows]),
                FeatureKind::Tensor(ref kind) => {
                    let numbers = vec![f32::NAN; rows * kind.elements()];
                    Column::Tensors(
                        Tensors::new(kind.elements(), numbers).expect("extents are at least 1"),
                    )
                }
                _ => Column::Numbers(vec![f64::NAN; rows]),
            })
            .collect();
        Ok(RowsBuilder {
            model,
            vocabulary,
            rows,
            columns,
            unseen: Vec::new(),
        })
    }

    /// The features, in order.
    pub(crate) fn features(&self) -> &'f [Feature] {
        self.model.schema().features()
    }

    /// Adds a row of missing values and returns its position.
    pub(crate) fn add_row(&mut self) -> Result<usize, Refusal> {
        check_rows(self.rows + 1)?;
        let missing = self.model.symbols().symbol("");
        for column in &mut self.columns {
            match column {
                Column::Numbers(values) => values.push(f64::NAN),
                Column::Symbols(values) => values.push(missing),
                Column::Texts(values) => values.push(String::new()),
                Column::Tensors(values) => values.push(f32::NAN),
            }
        }
        self.rows += 1;
        Ok(self.rows - 1)
    }

    /// Judges a value and keeps it.
    ///
    /// # Errors
    /// [`Refusal`] naming row, feature, the value seen and what was expected.
    ///
    /// # Panics
    /// If there is no such row or feature.
    pub(crate) fn put(
        &mut self,
        row: usize,
        feature: usize,
        cell: Cell<'_>,
    ) -> Result<(), Refusal> {
        let description = &self.model.schema().features()[feature];
        let at = |text: String| Refusal::at(row, &description.name, text);
        match &mut self.columns[feature] {
            Column::Numbers(values) => values[row] = cell.number(description).map_err(at)?,
            Column::Texts(values) => {
                if let Some(text) = cell.text(description).map_err(at)? {
                    text.clone_into(&mut values[row]);
                }
            }
            Column::Tensors(values) => {
                let FeatureKind::Tensor(kind) = &description.kind else {
                    unreachable!("columns are made from the schema");
                };
                cell.tensor(description, kind, values.row_mut(row))
                    .map_err(at)?;
            }
            Column::Symbols(values) => {
                let Some(text) = cell.text(description).map_err(at)? else {
                    return Ok(());
                };
                let symbol = self.model.symbols().symbol(text);
                if !self.vocabulary.knows(feature, symbol) {
                    cell::accept_unseen(description, text).map_err(at)?;
                    if symbol == Symbol::UNKNOWN {
                        self.unseen.push((row, feature, text.to_owned()));
                    }
                }
                values[row] = symbol;
            }
        }
        Ok(())
    }

    /// Takes a whole column of numbers (NaN is missing) as [`RowsBuilder::put`] would take its values.
    ///
    /// # Errors
    /// As [`RowsBuilder::put`]; also for a column of another length than the batch.
    pub fn put_numbers(&mut self, feature: usize, numbers: Vec<f64>) -> Result<(), Refusal> {
        let description = &self.model.schema().features()[feature];
        if numbers.len() != self.rows {
            return Err(ragged(description, numbers.len(), self.rows));
        }
        if description.kind == FeatureKind::Number
            && numbers.iter().all(|number| number.is_finite())
        {
            self.columns[feature] = Column::Numbers(numbers);
            return Ok(());
        }
        numbers
            .iter()
            .enumerate()
            .try_for_each(|(row, &number)| self.put(row, feature, Cell::number_or_missing(number)))
    }

    /// Takes a whole column of texts (`None` is missing) as [`RowsBuilder::put`] would take its values.
    ///
    /// # Errors
    /// As [`RowsBuilder::put`]; also for a column of another length than the batch.
    pub fn put_texts<T: AsRef<str>>(
        &mut self,
        feature: usize,
        texts: &[Option<T>],
    ) -> Result<(), Refusal> {
        if texts.len() != self.rows {
            return Err(ragged(
                &self.model.schema().features()[feature],
                texts.len(),
                self.rows,
            ));
        }
        texts.iter().enumerate().try_for_each(|(row, text)| {
            self.put(
                row,
                feature,
                text.as_ref()
                    .map_or(Cell::Missing, |text| Cell::Text(text.as_ref())),
            )
        })
    }

    /// Takes a whole column of tensors, `width` numbers for each row.
    ///
    /// # Errors
    /// When the feature takes no tensors of that width, a number is not finite, or the batch has another length.
    pub fn put_tensors(
        &mut self,
        feature: usize,
        width: usize,
        numbers: Vec<f32>,
    ) -> Result<(), Refusal> {
        let description = &self.model.schema().features()[feature];
        let FeatureKind::Tensor(kind) = &description.kind else {
            return Err(Refusal::bad_request(format!(
                "column `{}` has tensors; the feature takes none",
                description.name
            )));
        };
        if width != kind.elements() {
            return Err(Refusal::bad_request(format!(
                "column `{}` has tensors of {width} numbers; the feature has the shape {:?}",
                description.name, kind.extents
            )));
        }
        if let Some(at) = numbers.iter().position(|number| !number.is_finite()) {
            let text = format!("expected finite numbers, found {}", numbers[at]);
            return Err(Refusal::at(at / width, &description.name, text));
        }
        match Tensors::new(width, numbers) {
            Some(tensors) if tensors.rows() == self.rows => {
                self.columns[feature] = Column::Tensors(tensors);
                Ok(())
            }
            tensors => {
                let found = tensors.map_or(0, |tensors| tensors.rows());
                Err(ragged(description, found, self.rows))
            }
        }
    }

    /// The rows.
    ///
    /// # Errors
    /// When there is none.
    pub fn finish(mut self) -> Result<Rows, Refusal> {
        if self.rows == 0 {
            return Err(Refusal::bad_request(
                "the request has no rows; send at least one",
            ));
        }
        let order = sorted_positions(self.unseen.len(), &|a, b| {
            self.unseen[a].cmp(&self.unseen[b])
        });
        let unseen = order
            .into_iter()
            .map(|position| std::mem::take(&mut self.unseen[position]))
            .collect();
        let batch = Batch::new(self.model.schema(), self.columns)
            .expect("the columns were made from the schema");
        Ok(Rows { batch, unseen })
    }
}

fn check_rows(rows: usize) -> Result<(), Refusal> {
    if rows > ROW_LIMIT {
        return Err(Refusal::too_much(format!(
            "more than {ROW_LIMIT} rows in one request; send them in several requests"
        )));
    }
    Ok(())
}

fn ragged(feature: &Feature, found: usize, rows: usize) -> Refusal {
    Refusal::bad_request(format!(
        "column `{}` has {found} rows, the first column {rows}",
        feature.name
    ))
}
