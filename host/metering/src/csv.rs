//! Usage as CSV.

use hyaline_control::{UsageGroup, UsageRow};

/// The rows as CSV by RFC 4180 (comma, CRLF, quotes where needed, a header): the columns grouped by, in the order
/// function, version, caller, hour, then all figures, each named as the member of [`UsageRow`]. Times are RFC 3339,
/// numbers decimal without an exponent.
///
/// Texts are written as they are. A spreadsheet may take a caller that begins with `=` for a formula.
pub fn csv(rows: &[UsageRow], groups: &[UsageGroup]) -> String {
    let by = |group| groups.contains(&group);
    let by_version = by(UsageGroup::Version);
    let keys = [
        ("function", by(UsageGroup::Function) || by_version),
        ("version", by_version),
        ("caller", by(UsageGroup::Caller)),
        ("hour", by(UsageGroup::Hour)),
    ];
    let figures = [
        "invocations",
        "failures",
        "cold_starts",
        "wall_us",
        "cpu_us",
        "gb_seconds",
        "bytes_in",
        "bytes_out",
        "fuel",
        "exact_usd",
        "billed_usd",
    ];
    let names = keys
        .iter()
        .filter(|(_, shown)| *shown)
        .map(|(name, _)| *name);
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    let header = names.chain(figures).map(str::to_owned).collect();
    let lines = rows
        .iter()
        .map(|row| line(row, &keys.map(|(_, shown)| shown)));
    for record in std::iter::once(header).chain(lines) {
        let record: Vec<String> = record;
        writer
            .write_record(record)
            .expect("memory takes every record, and all have the fields of the header");
    }
    let bytes = writer.into_inner().expect("memory takes every record");
    String::from_utf8(bytes).expect("texts and numbers are UTF-8")
}

fn line(row: &UsageRow, shown: &[bool; 4]) -> Vec<String> {
    let keys = [
        row.function.clone(),
        row.version.map(|version| version.to_string()),
        row.caller.clone(),
        row.hour.map(|hour| hour.to_string()),
    ];
    let figures = [
        row.invocations.to_string(),
        row.failures.to_string(),
        row.cold_starts.to_string(),
        row.wall_us.to_string(),
        row.cpu_us.to_string(),
        row.gb_seconds.to_string(),
        row.bytes_in.to_string(),
        row.bytes_out.to_string(),
        row.fuel.to_string(),
        row.exact_usd.to_string(),
        row.billed_usd.to_string(),
    ];
    let keys = keys.into_iter().zip(shown).filter(|(_, shown)| **shown);
    keys.map(|(key, _)| key.unwrap_or_default())
        .chain(figures)
        .collect()
}
