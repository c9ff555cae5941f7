//! Rows in CSV (RFC 4180), with or without a header.

use csv_core::{ReadRecordResult, Reader};

use super::json::{ColumnOrder, column_order, put_absent, wrong_width};
use super::{Cell, Rows, RowsBuilder};
use crate::{Function, Refusal};

/// Reads rows from CSV. The first record is a header when any of its fields is a feature's name; then columns may stand
/// in any order. Without one, columns stand in schema order. An empty field is a missing value.
///
/// # Errors
/// [`Refusal`] naming the row (from 0, the header not counted), the feature, the value seen and what was expected.
pub(crate) fn read(function: &Function, text: &str) -> Result<Rows, Refusal> {
    if text.trim_ascii().is_empty() {
        return Err(Refusal::bad_request(
            "the body is empty; send at least one row",
        ));
    }
    let schema = function.model().schema();
    let mut builder = function.rows(0)?;
    let mut order = ColumnOrder {
        given: (0..schema.len()).collect(),
        absent: Vec::new(),
    };
    let mut records = Records::new(text);
    let mut first = true;
    while let Some(fields) = records.next() {
        let fields = fields?;
        if std::mem::take(&mut first)
            && fields
                .iter()
                .any(|field| schema.position(field.trim()).is_some())
        {
            let names: Vec<&str> = fields.iter().map(|field| field.trim()).collect();
            order = column_order(function, &names)?;
            continue;
        }
        put_record(&mut builder, &order, &fields)?;
    }
    builder.finish()
}

fn put_record(
    builder: &mut RowsBuilder<'_>,
    order: &ColumnOrder,
    fields: &[&str],
) -> Result<(), Refusal> {
    let row = builder.add_row()?;
    if fields.len() != order.given.len() {
        return Err(wrong_width(row, fields.len(), order.given.len()));
    }
    for (&feature, field) in order.given.iter().zip(fields) {
        builder.put(row, feature, Cell::Field(field))?;
    }
    put_absent(builder, row, order)
}

/// The records of a text, one at a time.
struct Records<'t> {
    reader: Reader,
    rest: &'t [u8],
    /// Unquoted bytes of the current record's fields, end to end.
    bytes: Vec<u8>,
    /// End of each field in `bytes`.
    ends: Vec<usize>,
}

impl<'t> Records<'t> {
    fn new(text: &'t str) -> Records<'t> {
        Records {
            reader: Reader::new(),
            rest: text.as_bytes(),
            bytes: vec![0; 512],
            ends: vec![0; 64],
        }
    }

    /// The fields of the next record; blank lines are skipped.
    fn next(&mut self) -> Option<Result<Vec<&str>, Refusal>> {
        let (mut written, mut ended) = (0, 0);
        loop {
            let (result, read, wrote, ends) = self.reader.read_record(
                self.rest,
                &mut self.bytes[written..],
                &mut self.ends[ended..],
            );
            self.rest = &self.rest[read..];
            written += wrote;
            ended += ends;
            match result {
                // The whole text is in memory, so an empty input means its end.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.bytes.resize(self.bytes.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::End => return None,
                ReadRecordResult::Record => break,
            }
        }
        let mut start = 0;
        let fields = self.ends[..ended].iter().map(|&end| {
            let field = std::str::from_utf8(&self.bytes[start..end]);
            start = end;
            field.map_err(|_| Refusal::bad_request("a CSV field is not UTF-8"))
        });
        Some(fields.collect())
    }
}
