//! Reference rows as arrays: tensors or a matrix of numbers, and the answers in an array of their own.

use hyaline_model::{Batch, Column, FeatureKind, Schema, Tensors};

use crate::npy::Npy;
use crate::reference::ReferenceError;

/// Rows, and where they are known the answers.
#[derive(Debug)]
pub(crate) struct Array {
    rows: Npy,
    /// One number per row.
    pub(crate) answers: Option<Vec<f64>>,
}

impl Array {
    /// # Errors
    /// [`ReferenceError`] when there are no rows, or not one answer for each.
    pub(crate) fn new(rows: Npy, answers: Option<Npy>) -> Result<Array, ReferenceError> {
        let count = rows.shape.first().copied().unwrap_or(0);
        if count == 0 || rows.values.is_empty() {
            return Err(ReferenceError::Empty);
        }
        if let Some(answers) = &answers
            && (answers.shape.first() != Some(&count) || answers.values.len() != count)
        {
            return Err(ReferenceError::Shape {
                found: answers.shape.clone(),
                expected: format!("one answer for each of the {count} rows: [{count}]"),
            });
        }
        Ok(Array {
            rows,
            answers: answers.map(|answers| answers.values),
        })
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows.shape[0]
    }

    /// All rows: the tensors of a model's only feature, or one number per feature.
    ///
    /// # Errors
    /// [`ReferenceError::Shape`] when the rows are neither; [`ReferenceError::Element`] for a number that is no value of its
    /// feature.
    pub(crate) fn batch(&self, schema: &Schema) -> Result<Batch, ReferenceError> {
        let width = self.rows.values.len() / self.rows();
        let features = schema.features();
        if let [feature] = features
            && let FeatureKind::Tensor(kind) = &feature.kind
            && kind.elements() == width
        {
            let values = self.rows.values.iter().map(|&value| value as f32).collect();
            let tensors = Tensors::new(width, values).expect("every row has the same width");
            return Ok(Batch::new(schema, vec![Column::Tensors(tensors)])
                .expect("the width is that of the feature"));
        }
        let of_numbers = features.iter().all(|feature| {
            matches!(
                feature.kind,
                FeatureKind::Number | FeatureKind::Integer | FeatureKind::Boolean
            )
        });
        if !of_numbers || features.len() != width {
            let expected = match features {
                [feature] => match &feature.kind {
                    FeatureKind::Tensor(kind) => format!("[rows, {:?}]", kind.extents),
                    _ => "[rows, 1]".to_owned(),
                },
                _ => format!("[rows, {}] for the model's features", features.len()),
            };
            return Err(ReferenceError::Shape {
                found: self.rows.shape.clone(),
                expected,
            });
        }
        let column = |feature| Column::Numbers(self.column(feature, width));
        let columns: Vec<Column> = (0..width).map(column).collect();
        for (feature, column) in features.iter().zip(&columns) {
            let Column::Numbers(values) = column else {
                continue;
            };
            let fits = |value: &f64| match feature.kind {
                FeatureKind::Integer => value.fract() == 0.0,
                FeatureKind::Boolean => *value == 0.0 || *value == 1.0,
                _ => value.is_finite() || value.is_nan(),
            };
            if let Some(row) = values.iter().position(|value| !fits(value)) {
                return Err(ReferenceError::Element {
                    row,
                    feature: feature.name.clone(),
                    value: values[row],
                });
            }
        }
        Ok(Batch::new(schema, columns).expect("one column of numbers per feature"))
    }

    fn column(&self, feature: usize, width: usize) -> Vec<f64> {
        let values = self.rows.values.iter();
        values.skip(feature).step_by(width).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyaline_model::{Feature, TensorKind};

    fn npy(shape: &[usize], values: &[f64]) -> Npy {
        Npy {
            shape: shape.to_vec(),
            values: values.to_vec(),
        }
    }

    fn schema(kinds: Vec<FeatureKind>) -> Schema {
        let features = kinds.into_iter().enumerate();
        let features = features.map(|(index, kind)| Feature::new(format!("x{index}"), kind));
        Schema::new(features.collect()).expect("a schema")
    }

    #[test]
    fn rows_are_tensors_or_one_number_per_feature() {
        let array = Array::new(npy(&[2, 1, 2], &[1.0, 2.0, 3.0, 4.0]), None).expect("rows");
        let tensor = TensorKind {
            extents: vec![2],
            image: None,
        };
        let batch = array
            .batch(&schema(vec![FeatureKind::Tensor(tensor)]))
            .expect("tensors");
        assert_eq!(
            batch.columns(),
            [Column::Tensors(
                Tensors::new(2, vec![1.0, 2.0, 3.0, 4.0]).expect("two rows")
            )]
        );
        let numbers = schema(vec![FeatureKind::Number, FeatureKind::Integer]);
        let batch = array.batch(&numbers).expect("numbers");
        assert_eq!(
            batch.columns(),
            [
                Column::Numbers(vec![1.0, 3.0]),
                Column::Numbers(vec![2.0, 4.0])
            ]
        );
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_shape_expected() {
        let rows = || npy(&[2, 2], &[1.0, 0.5, 3.0, 4.0]);
        let answers = Array::new(rows(), Some(npy(&[3], &[0.0; 3]))).expect_err("three answers");
        assert_eq!(
            answers.to_string(),
            "the reference data is an array of shape [3], expected one answer for each of the 2 rows: [2]"
        );
        let array = Array::new(rows(), None).expect("rows");
        let kinds = vec![FeatureKind::Number, FeatureKind::Integer];
        assert_eq!(
            array
                .batch(&schema(kinds))
                .expect_err("a fraction")
                .to_string(),
            "row 0 of the reference data, feature `x1`: 0.5 is no value of this feature"
        );
        assert_eq!(
            array
                .batch(&schema(vec![FeatureKind::Text]))
                .expect_err("text")
                .to_string(),
            "the reference data is an array of shape [2, 2], expected [rows, 1]"
        );
        assert!(matches!(
            Array::new(npy(&[0, 2], &[]), None),
            Err(ReferenceError::Empty)
        ));
    }
}
