//! Small symmetric systems.

/// `A = L Lᵀ` of a symmetric positive semi-definite matrix.
pub(crate) struct Cholesky {
    size: usize,
    /// `L`, row-major; what is above its diagonal is not read.
    lower: Vec<f64>,
}

impl Cholesky {
    /// Factors `matrix`, `[size, size]`. A direction in which it is singular gets the solution 0.
    pub(crate) fn new(size: usize, mut matrix: Vec<f64>) -> Cholesky {
        let largest = (0..size).map(|i| matrix[i * size + i]).fold(0.0, f64::max);
        for column in 0..size {
            for row in column..size {
                let (above, own) = matrix.split_at(row * size);
                let own = &own[..size];
                let other = if row == column {
                    own
                } else {
                    &above[column * size..][..size]
                };
                let dot: f64 = own[..column].iter().zip(other).map(|(a, b)| a * b).sum();
                let entry = own[column] - dot;
                matrix[row * size + column] = if row == column {
                    if entry > largest * SINGULAR {
                        libm::sqrt(entry)
                    } else {
                        f64::INFINITY
                    }
                } else {
                    entry / matrix[column * size + column]
                };
            }
        }
        Cholesky {
            size,
            lower: matrix,
        }
    }

    /// Solves `A x = b` in place.
    pub(crate) fn solve(&self, vector: &mut [f64]) {
        let size = self.size;
        for row in 0..size {
            let lower = &self.lower[row * size..][..=row];
            let dot: f64 = lower[..row].iter().zip(&*vector).map(|(a, b)| a * b).sum();
            vector[row] = (vector[row] - dot) / lower[row];
        }
        for row in (0..size).rev() {
            let diagonal = self.lower[row * size + row];
            vector[row] /= diagonal;
            let value = vector[row];
            for (at, earlier) in vector[..row].iter_mut().enumerate() {
                *earlier -= value * self.lower[row * size + at];
            }
        }
    }
}

/// A pivot this far below the largest entry is rounding.
const SINGULAR: f64 = 1e-12;

#[cfg(test)]
mod tests {
    use super::Cholesky;

    #[test]
    fn a_system_is_solved() {
        let factor = Cholesky::new(3, vec![4.0, 2.0, -2.0, 2.0, 10.0, 5.0, -2.0, 5.0, 9.0]);
        let mut vector = vec![4.0 + 4.0 - 6.0, 2.0 + 20.0 + 15.0, -2.0 + 10.0 + 27.0];
        factor.solve(&mut vector);
        for (found, expected) in vector.iter().zip([1.0, 2.0, 3.0]) {
            assert!((found - expected).abs() < 1e-12, "{vector:?}");
        }
    }

    #[test]
    fn a_singular_direction_is_left_alone() {
        let factor = Cholesky::new(2, vec![1.0, 1.0, 1.0, 1.0]);
        let mut vector = vec![3.0, 3.0];
        factor.solve(&mut vector);
        assert_eq!(vector, [3.0, 0.0]);
    }
}
