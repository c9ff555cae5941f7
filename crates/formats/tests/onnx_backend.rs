//! The ONNX project's own node tests, run through import and evaluation: every case answers as it should or is refused in
//! the words of a committed list, which names its reason. Nothing is answered wrongly.
//!
//! `tests/fixtures/onnx_backend/make.py` made the cases; `refusals.txt` beside it lists the refused ones.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use hyaline_formats::{ImportOptions, import};
use hyaline_model::{Batch, Column, FeatureKind, Model, ModelParts, Tensors};

struct Case {
    name: String,
    operator: String,
    model: Vec<u8>,
    /// Whether the first input holds the rows; else the model computes constants.
    rows: bool,
    count: usize,
    cells: Vec<f64>,
    expected: Vec<f64>,
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (found, rest) = self.0.split_at(count);
        self.0 = rest;
        found
    }

    fn u32(&mut self) -> usize {
        u32::from_le_bytes(self.bytes(4).try_into().expect("4 bytes")) as usize
    }

    fn text(&mut self) -> String {
        let length = u16::from_le_bytes(self.bytes(2).try_into().expect("2 bytes"));
        String::from_utf8(self.bytes(length as usize).to_vec()).expect("text")
    }

    fn floats(&mut self) -> Vec<f64> {
        let size = self.bytes(1)[0];
        let count = self.u32();
        if size == 4 {
            let (numbers, _) = self.bytes(4 * count).as_chunks::<4>();
            return numbers
                .iter()
                .map(|&bytes| f64::from(f32::from_le_bytes(bytes)))
                .collect();
        }
        let (numbers, _) = self.bytes(8 * count).as_chunks::<8>();
        numbers
            .iter()
            .map(|&bytes| f64::from_le_bytes(bytes))
            .collect()
    }

    fn case(&mut self) -> Case {
        let (name, operator) = (self.text(), self.text());
        let length = self.u32();
        let model = self.bytes(length).to_vec();
        let rows = self.bytes(1)[0] == 1;
        let count = self.u32();
        Case {
            name,
            operator,
            model,
            rows,
            count,
            cells: self.floats(),
            expected: self.floats(),
        }
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/onnx_backend")
}

/// Cases that are right within a wider tolerance, and why.
const TOLERANCES: &[(&str, f64)] = &[
    // The case itself is rounded to four digits.
    ("averagepool_2d_ceil_last_window_starts_on_pad", 1e-4),
];

/// The answer, or the words of the refusal.
fn run(case: &Case) -> Result<Vec<f64>, String> {
    let imported =
        import(&case.model, &ImportOptions::default()).map_err(|error| error.to_string())?;
    let parts = ModelParts::new(
        "case",
        imported.schema,
        imported.symbols,
        imported.graph,
        imported.head,
        imported.core,
    );
    let model = Model::new(parts).map_err(|error| error.to_string())?;
    let width = case.cells.len() / case.count;
    let columns = match model.schema().features()[0].kind {
        FeatureKind::Tensor(_) => {
            let values = case.cells.iter().map(|&x| x as f32).collect();
            vec![Column::Tensors(Tensors::new(width, values).expect("rows"))]
        }
        _ => (0..width)
            .map(|column| {
                let cells = case.cells.iter().skip(column).step_by(width);
                Column::Numbers(cells.copied().collect())
            })
            .collect(),
    };
    let batch = Batch::new(model.schema(), columns).map_err(|error| error.to_string())?;
    let predictions = model.predict(&batch).map_err(|error| error.to_string())?;
    Ok(predictions.values)
}

fn difference(found: &[f64], expected: &[f64], tolerance: f64) -> Option<String> {
    if found.len() != expected.len() {
        return Some(format!(
            "{} numbers, expected {}",
            found.len(),
            expected.len()
        ));
    }
    let far = |(a, b): (&f64, &f64)| {
        let close = (a - b).abs() <= tolerance * (1.0 + b.abs());
        !close && a != b && !(a.is_nan() && b.is_nan())
    };
    let at = found.iter().zip(expected).position(far)?;
    Some(format!(
        "number {at} is {}, expected {}",
        found[at], expected[at]
    ))
}

#[test]
fn every_case_is_right_or_refused_by_name() {
    let bytes = fs::read(folder().join("cases.bin"))
        .expect("cases; tests/fixtures/onnx_backend/make.py makes them");
    let mut reader = Reader(&bytes);
    let count = reader.u32();
    let (mut wrong, mut refused) = (Vec::new(), Vec::new());
    let mut rates: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut rows = 0;
    for _ in 0..count {
        let case = reader.case();
        let tolerance = TOLERANCES
            .iter()
            .find(|(name, _)| case.name.starts_with(name));
        let rate = rates.entry(case.operator.clone()).or_default();
        rate.1 += 1;
        match run(&case) {
            Ok(found) => {
                match difference(
                    &found,
                    &case.expected,
                    tolerance.map_or(1e-5, |known| known.1),
                ) {
                    Some(difference) => wrong.push(format!("{}: {difference}", case.name)),
                    None => {
                        rate.0 += 1;
                        rows += usize::from(case.rows);
                    }
                }
            }
            Err(words) => refused.push(format!("{}: {words}", case.name)),
        }
    }
    let passed: usize = rates.values().map(|rate| rate.0).sum();
    println!(
        "{passed} of {count} cases are right, {rows} of them on rows; {} are refused",
        refused.len()
    );
    for (operator, (right, all)) in &rates {
        println!("  {operator}: {right} of {all}");
    }
    let path = folder().join("refusals.txt");
    let found = refused.join("\n") + "\n";
    if std::env::var_os("HYALINE_REWRITE_REFUSALS").is_some() {
        fs::write(&path, &found).expect("write the list");
    }
    assert!(
        wrong.is_empty(),
        "{} wrong answers:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    let listed = fs::read_to_string(&path).unwrap_or_default();
    let first = listed.lines().zip(found.lines()).find(|(a, b)| a != b);
    assert!(
        listed == found,
        "the refusals are not the listed ones; first difference {first:?}, {} found, {} listed",
        refused.len(),
        listed.lines().count()
    );
}
