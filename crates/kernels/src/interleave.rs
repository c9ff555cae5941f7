//! Columns as rows.

/// The numbers of `columns`, row by row, in single precision.
///
/// # Panics
/// If a column has fewer than `rows` numbers.
pub fn interleave(columns: &[&[f64]], rows: usize) -> Vec<f32> {
    let width = columns.len();
    let mut made = vec![0.0; rows * width];
    for (at, column) in columns.iter().enumerate() {
        let places = made.iter_mut().skip(at).step_by(width);
        for (place, &number) in places.zip(&column[..rows]) {
            *place = number as f32;
        }
    }
    made
}
