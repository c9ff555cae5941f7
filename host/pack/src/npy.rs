//! NumPy's `.npy` files, versions 1 and 2: one array of numbers.

/// What every such file begins with.
const MAGIC: &[u8] = b"\x93NUMPY";

/// An array of numbers, row-major.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Npy {
    /// Extents, outermost first.
    pub(crate) shape: Vec<usize>,
    /// The numbers; i8 beyond 2^53 are rounded.
    pub(crate) values: Vec<f64>,
}

/// Whether `bytes` are such a file.
pub(crate) fn recognises(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Reads an array.
///
/// # Errors
/// What is wrong with the file, or the type or order of its numbers that are not read, and the remedy.
pub(crate) fn read(bytes: &[u8]) -> Result<Npy, String> {
    let rest = bytes
        .strip_prefix(MAGIC)
        .ok_or("it does not begin like an .npy file")?;
    let cut = || "the file ends in its header".to_owned();
    let (&[major, _], rest) = rest.split_first_chunk().ok_or_else(cut)?;
    let (length, rest) = match major {
        1 => {
            let (length, rest) = rest.split_first_chunk().ok_or_else(cut)?;
            (usize::from(u16::from_le_bytes(*length)), rest)
        }
        2 | 3 => {
            let (length, rest) = rest.split_first_chunk().ok_or_else(cut)?;
            (u32::from_le_bytes(*length) as usize, rest)
        }
        other => {
            return Err(format!(
                "version {other} of the format; 1, 2 and 3 are read"
            ));
        }
    };
    let (header, data) = rest.split_at_checked(length).ok_or_else(cut)?;
    let header = std::str::from_utf8(header).map_err(|_| "its header is no text".to_owned())?;
    let value = |key: &str| {
        let (_, rest) = header.split_once(&format!("'{key}':"))?;
        Some(rest.trim_start())
    };
    let missing = |key: &str| format!("its header has no `{key}`");
    let descr = value("descr").ok_or_else(|| missing("descr"))?;
    let descr = descr
        .strip_prefix('\'')
        .and_then(|text| text.split('\'').next());
    let order = value("fortran_order").ok_or_else(|| missing("fortran_order"))?;
    let shape = value("shape")
        .and_then(|text| Some(text.strip_prefix('(')?.split_once(')')?.0))
        .ok_or_else(|| missing("shape"))?;
    let shape: Vec<usize> = shape
        .split(',')
        .map(str::trim)
        .filter(|extent| !extent.is_empty())
        .map(|extent| {
            extent
                .parse()
                .map_err(|_| format!("its shape is ({shape})"))
        })
        .collect::<Result<_, String>>()?;
    if !order.starts_with("False") && shape.len() > 1 {
        return Err(
            "its array is in Fortran order; save numpy.ascontiguousarray(array)".to_owned(),
        );
    }
    let values = numbers(descr.unwrap_or_default(), data)?;
    let elements = shape
        .iter()
        .try_fold(1usize, |product, &extent| product.checked_mul(extent));
    if elements != Some(values.len()) {
        return Err(format!("{} numbers for the shape {shape:?}", values.len()));
    }
    Ok(Npy { shape, values })
}

/// The numbers of type `descr`.
fn numbers(descr: &str, data: &[u8]) -> Result<Vec<f64>, String> {
    fn each<const N: usize>(data: &[u8], number: fn([u8; N]) -> f64) -> Result<Vec<f64>, String> {
        let (chunks, rest) = data.as_chunks();
        if !rest.is_empty() {
            return Err(format!("{} bytes are no whole number of {N}", data.len()));
        }
        Ok(chunks.iter().map(|&chunk| number(chunk)).collect())
    }
    match descr {
        "<f4" => each(data, |bytes| f64::from(f32::from_le_bytes(bytes))),
        "<f8" => each(data, f64::from_le_bytes),
        "|u1" | "|b1" => each(data, |[byte]| f64::from(byte)),
        "|i1" => each(data, |bytes| f64::from(i8::from_le_bytes(bytes))),
        "<i4" => each(data, |bytes| f64::from(i32::from_le_bytes(bytes))),
        "<i8" => each(data, |bytes| i64::from_le_bytes(bytes) as f64),
        other => Err(format!(
            "its numbers are of type `{other}`; save array.astype(\"float32\"), or float64, uint8, int32, int64"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let length = (header.len() as u16).to_le_bytes();
        [MAGIC, &[1, 0], &length, header.as_bytes(), data].concat()
    }

    #[test]
    fn every_type_is_read_in_row_major_order() {
        let header = |descr: &str| {
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (2, 1), }}\n")
        };
        let floats = [1.5f32.to_le_bytes(), (-2f32).to_le_bytes()].concat();
        let longs = [7i64.to_le_bytes(), (-1i64).to_le_bytes()].concat();
        for (descr, data, values) in [
            ("<f4", &floats[..], [1.5, -2.0]),
            ("<i8", &longs, [7.0, -1.0]),
            ("|u1", &[255, 3], [255.0, 3.0]),
        ] {
            let array = read(&file(&header(descr), data)).expect("an array");
            assert_eq!(
                (array.shape, array.values),
                (vec![2, 1], values.to_vec()),
                "{descr}"
            );
        }
        let flat = read(&file(
            "{'descr': '|u1', 'fortran_order': True, 'shape': (1,), }",
            &[9],
        ));
        assert_eq!(flat.expect("a list is in both orders").shape, [1]);
    }

    #[test]
    fn what_is_not_read_is_refused_in_words() {
        let plain = "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }";
        for (bytes, words) in [
            (b"PK".to_vec(), "it does not begin like an .npy file"),
            (file(plain, &[1]), "1 numbers for the shape [2]"),
            (
                file(plain, &[1, 2])[..20].to_vec(),
                "the file ends in its header",
            ),
            (
                file(&plain.replace("|u1", "<f4"), &[1, 2]),
                "2 bytes are no whole number of 4",
            ),
            (
                file(&plain.replace("|u1", "<U8"), &[]),
                "its numbers are of type `<U8`; save array.astype(\"float32\"), or float64, uint8, int32, int64",
            ),
            (
                file(
                    &plain.replace("False", "True").replace("(2,)", "(2, 1)"),
                    &[1, 2],
                ),
                "its array is in Fortran order; save numpy.ascontiguousarray(array)",
            ),
            (
                file(&plain.replace("shape", "form"), &[]),
                "its header has no `shape`",
            ),
        ] {
            assert_eq!(read(&bytes).expect_err("refused"), words);
        }
    }
}
