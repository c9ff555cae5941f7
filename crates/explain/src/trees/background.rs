//! Background rows as the splits see them.

use hyaline_model::trees::Binning;

/// Distinct background rows, binned, with the share of the background that each stands for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct BinnedBackground {
    rows: usize,
    /// `[bins, rows]`.
    columns: Vec<i16>,
    shares: Vec<f64>,
}

impl BinnedBackground {
    /// Bins `encoded`, `[rows, columns]`; rows that no split tells apart become one.
    pub fn new(binning: &Binning, encoded: &[f64], columns: usize) -> BinnedBackground {
        let mut binned: Vec<Vec<i16>> = Vec::new();
        for row in encoded.chunks_exact(columns) {
            let mut bins = vec![0; binning.bins()];
            binning.translate(row, &mut bins, 1, 0);
            binned.push(bins);
        }
        let total = binned.len() as f64;
        binned.sort_unstable();
        let mut distinct: Vec<(Vec<i16>, f64)> = Vec::new();
        for bins in binned {
            match distinct.last_mut() {
                Some((last, share)) if *last == bins => *share += 1.0,
                _ => distinct.push((bins, 1.0)),
            }
        }
        let rows = distinct.len();
        let mut columns = vec![0; binning.bins() * rows];
        for (row, (bins, _)) in distinct.iter().enumerate() {
            for (bin, &value) in bins.iter().enumerate() {
                columns[bin * rows + row] = value;
            }
        }
        BinnedBackground {
            rows,
            columns,
            shares: distinct.iter().map(|(_, count)| count / total).collect(),
        }
    }

    /// How many distinct rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The values of one bin in all rows.
    pub fn column(&self, bin: u32) -> &[i16] {
        &self.columns[bin as usize * self.rows..(bin as usize + 1) * self.rows]
    }

    /// Share of the background that a row stands for.
    pub fn share(&self, row: u32) -> f64 {
        self.shares[row as usize]
    }

    pub fn bytes(&self) -> usize {
        size_of_val(&*self.columns) + size_of_val(&*self.shares)
    }
}
