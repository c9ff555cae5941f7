//! The records of a request body, so that only some of them are sent on.

use bytes::Bytes;
use csv_core::{ReadRecordResult, Reader};
use serde_json::value::RawValue;

use crate::json::{Members, bytes, essence, raw};

/// Some records of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Selection {
    /// A body in the same format.
    pub(super) body: Bytes,
    /// The positions of its records in the whole body, sorted.
    pub(super) records: Vec<usize>,
}

/// The records at the positions `chosen` of `body`, in the same envelope. `total` is how many records the function found
/// in it, and settles what the body alone does not say: whether its first line is a header, whether a list of numbers is
/// one row. A body that cannot be taken apart into as many records is sent whole.
///
/// `chosen` is sorted and without duplicates.
pub(super) fn select(
    content_type: Option<&str>,
    body: &Bytes,
    total: usize,
    chosen: &[usize],
) -> Selection {
    let some = |(body, records)| Selection { body, records };
    let selection = if chosen.len() == total {
        None
    } else {
        choose(content_type, body, total, chosen).map(some)
    };
    selection.unwrap_or_else(|| Selection {
        body: body.clone(),
        records: (0..total).collect(),
    })
}

fn choose(
    content_type: Option<&str>,
    body: &Bytes,
    total: usize,
    chosen: &[usize],
) -> Option<(Bytes, Vec<usize>)> {
    let is_csv = match content_type.map(essence).as_deref() {
        Some("text/csv" | "application/csv") => true,
        Some(json) if json == "application/json" || json.ends_with("+json") => false,
        // Clients send wrong types or none; the function believes the body then, too.
        _ => !matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')),
    };
    if is_csv {
        select_csv(body, total, chosen)
    } else {
        Some((select_json(body, total, chosen)?, chosen.to_vec()))
    }
}

/// Without a header the first record stays, chosen or not: a function takes a first line for a header that has the name of
/// a feature in it, and of this one it is known that it has none.
fn select_csv(body: &[u8], total: usize, chosen: &[usize]) -> Option<(Bytes, Vec<usize>)> {
    let mut lines = csv_records(body);
    let mut selection = Vec::new();
    let mut records = chosen.to_vec();
    if lines.len() == total + 1 {
        append_line(&mut selection, lines.remove(0));
    } else if records.first() != Some(&0) {
        records.insert(0, 0);
    }
    if lines.len() != total {
        return None;
    }
    for &position in &records {
        append_line(&mut selection, lines[position]);
    }
    Some((selection.into(), records))
}

/// Adds a record with one line break; those around it are of the lines before and after.
fn append_line(text: &mut Vec<u8>, record: &[u8]) {
    let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let start = record.iter().position(|byte| !is_break(byte));
    let end = record.iter().rposition(|byte| !is_break(byte));
    if let (Some(start), Some(end)) = (start, end) {
        text.extend_from_slice(&record[start..=end]);
        text.push(b'\n');
    }
}

/// The text of each record, by the reader that functions read CSV with.
fn csv_records(mut rest: &[u8]) -> Vec<&[u8]> {
    let mut reader = Reader::new();
    let (mut fields, mut ends) = ([0; 1024], [0; 64]);
    let mut records = Vec::new();
    let (mut record, mut length) = (rest, 0);
    loop {
        let (result, read, _, _) = reader.read_record(rest, &mut fields, &mut ends);
        rest = &rest[read..];
        length += read;
        match result {
            // The fields' contents are not wanted, so the buffers are used over and over.
            ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {}
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::Record => {
                records.push(&record[..length]);
                (record, length) = (rest, 0);
            }
            ReadRecordResult::End => return records,
        }
    }
}

fn select_json(body: &[u8], total: usize, chosen: &[usize]) -> Option<Bytes> {
    if let Some(rows) = rows(serde_json::from_slice(body).ok()?, total) {
        return Some(bytes(&pick(&rows, chosen)));
    }
    let envelope: Members = serde_json::from_slice(body).ok()?;
    for (key, value) in &envelope.0 {
        let selection = match key.as_str() {
            "dataframe_split" => select_split(value, total, chosen),
            "inputs" => {
                select_rows(value, total, chosen).or_else(|| select_columns(value, total, chosen))
            }
            "instances" | "dataframe_records" => select_rows(value, total, chosen),
            _ => None,
        };
        if let Some(selection) = selection {
            return Some(bytes(&Members(vec![(key.clone(), selection)])));
        }
    }
    None
}

/// The elements of a list of `total`.
fn rows(list: &RawValue, total: usize) -> Option<Vec<Box<RawValue>>> {
    let rows: Vec<Box<RawValue>> = serde_json::from_str(list.get()).ok()?;
    (rows.len() == total).then_some(rows)
}

fn pick<'r>(rows: &'r [Box<RawValue>], chosen: &[usize]) -> Vec<&'r RawValue> {
    chosen.iter().map(|&position| &*rows[position]).collect()
}

fn select_rows(list: &RawValue, total: usize, chosen: &[usize]) -> Option<Box<RawValue>> {
    Some(raw(&pick(&rows(list, total)?, chosen)))
}

fn select_split(split: &RawValue, total: usize, chosen: &[usize]) -> Option<Box<RawValue>> {
    let mut split: Members = serde_json::from_str(split.get()).ok()?;
    let data = select_rows(split.get("data")?, total, chosen)?;
    split.set("data", data);
    // One label per row, which nothing here reads.
    split.0.retain(|(key, _)| key != "index");
    Some(raw(&split))
}

fn select_columns(columns: &RawValue, total: usize, chosen: &[usize]) -> Option<Box<RawValue>> {
    let Members(mut columns) = serde_json::from_str(columns.get()).ok()?;
    for (_, column) in &mut columns {
        *column = select_rows(column, total, chosen)?;
    }
    Some(raw(&Members(columns)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(media: Option<&str>, body: &str, total: usize, chosen: &[usize], expected: &str) {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let selection = select(media, &body, total, chosen);
        let text = String::from_utf8(selection.body.to_vec()).unwrap();
        if expected == "all" {
            assert_eq!(text.as_bytes(), body);
            assert_eq!(selection.records, Vec::from_iter(0..total), "{text}");
        } else {
            assert_eq!(text, expected);
            assert!(
                chosen
                    .iter()
                    .all(|record| selection.records.contains(record))
            );
        }
    }

    #[test]
    fn records_of_csv_are_chosen_with_their_header() {
        let csv = Some("text/csv; charset=utf-8");
        check(csv, "1,2\n3,4\n5,6", 3, &[0, 2], "1,2\n5,6\n");
        check(csv, "a,b\r\n1,2\r\n3,4\r\n", 2, &[1], "a,b\n3,4\n");
        check(
            None,
            "a\n\"x\ny\"\n\"q\"\"\n\"\n",
            2,
            &[1],
            "a\n\"q\"\"\n\"\n",
        );
        check(csv, "\n\n1\n\n2\n", 2, &[1], "1\n2\n");
        check(csv, "h\n\n1\n\n2\n", 2, &[1], "h\n2\n");
        check(csv, "1\n2\n3\n4\n", 2, &[0], "all");
        let wide = vec!["1"; 3000].join(",");
        check(
            csv,
            &format!("a\n{wide}\n{wide}9"),
            2,
            &[1],
            &format!("a\n{wide}9\n"),
        );
    }

    #[test]
    fn rows_of_json_are_chosen_in_their_envelope() {
        let json = Some("application/json");
        check(json, "[[1.10],[2],[3]]", 3, &[0, 2], "[[1.10],[3]]");
        check(None, r#"[{"a":1},{"a":2}]"#, 2, &[1], r#"[{"a":2}]"#);
        check(
            None,
            r#"{"params":{},"instances":[[1],[2]]}"#,
            2,
            &[1],
            r#"{"instances":[[2]]}"#,
        );
        check(
            json,
            r#"{"inputs":[[1],[2]]}"#,
            2,
            &[0],
            r#"{"inputs":[[1]]}"#,
        );
        check(
            json,
            r#"{"inputs":{"a":[1,2],"b":["x","y"]}}"#,
            2,
            &[1],
            r#"{"inputs":{"a":[2],"b":["y"]}}"#,
        );
        check(
            json,
            r#"{"dataframe_split":{"index":[7,8],"columns":["a"],"data":[[1],[2]]}}"#,
            2,
            &[0],
            r#"{"dataframe_split":{"columns":["a"],"data":[[1]]}}"#,
        );
        check(
            json,
            r#"{"dataframe_records":[{"a":1},{"a":2}]}"#,
            2,
            &[1],
            r#"{"dataframe_records":[{"a":2}]}"#,
        );
    }

    #[test]
    fn what_cannot_be_taken_apart_is_not_guessed_at() {
        check(None, "[1,2,3]", 2, &[0], "all");
        check(None, r#"{"a":1}"#, 2, &[0], "all");
        check(None, r#"{"inputs":{"a":[1],"b":[1,2]}}"#, 2, &[0], "all");
        check(None, "{", 2, &[0], "all");
        check(None, r#"{"a":1}"#, 1, &[0], "all");
    }

    #[test]
    fn a_line_that_could_be_a_header_does_not_become_the_first() {
        let body = Bytes::from_static(b"1,x\n2,purpose\n3,y");
        let selection = select(Some("text/csv"), &body, 3, &[1]);
        assert_eq!(selection.body, "1,x\n2,purpose\n");
        assert_eq!(selection.records, [0, 1]);
    }
}
