//! Prometheus' text format 0.0.4 and OpenMetrics 1.0.0.
//!
//! Written here because the client library's text is OpenMetrics only, its histograms take a lock per observation and
//! have one set of buckets, where our recordings feed several families and quantiles.

use std::fmt::Write;

use super::family::{Family, Kind, Label, Text, Value};

/// A text format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// What a scraper asks for with its `Accept` header: OpenMetrics when it names `application/openmetrics-text` and
    /// does not prefer `text/plain`, else 0.0.4.
    pub fn from_accept(accept: Option<&str>) -> Self {
        let weight = |wanted: &str| {
            accept
                .unwrap_or_default()
                .split(',')
                .filter_map(|range| {
                    let mut parts = range.split(';').map(str::trim);
                    if !parts.next()?.eq_ignore_ascii_case(wanted) {
                        return None;
                    }
                    let quality =
                        parts.find_map(|part| part.strip_prefix("q=")?.trim().parse::<f32>().ok());
                    Some(quality.unwrap_or(1.0))
                })
                .fold(0.0, f32::max)
        };
        let open = weight("application/openmetrics-text");
        if open > 0.0 && open >= weight("text/plain") {
            Format::OpenMetrics
        } else {
            Format::Prometheus
        }
    }

    /// The `Content-Type` of a text in this format.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Writes families, those without samples excepted.
pub(crate) fn render(families: &[Family], format: Format) -> String {
    let mut text = String::with_capacity(64 * 1024);
    for family in families.iter().filter(|family| !family.samples.is_empty()) {
        write_family(&mut text, family, format).expect("writing to a string does not fail");
    }
    if format == Format::OpenMetrics {
        text.push_str("# EOF\n");
    }
    text
}

fn write_family(text: &mut String, family: &Family, format: Format) -> std::fmt::Result {
    let Family {
        name,
        help,
        kind,
        samples,
        ..
    } = family;
    let (declared, kind_word) = match (kind, format) {
        (Kind::Counter, Format::Prometheus) => ("_total", "counter"),
        (Kind::Counter, Format::OpenMetrics) => ("", "counter"),
        (Kind::PlainCounter, Format::Prometheus) => ("", "counter"),
        // OpenMetrics has no counter without `_total`.
        (Kind::PlainCounter, Format::OpenMetrics) => ("", "unknown"),
        (Kind::Gauge, _) => ("", "gauge"),
        (Kind::Histogram, _) => ("", "histogram"),
        (Kind::Summary, _) => ("", "summary"),
    };
    writeln!(text, "# HELP {name}{declared} {help}")?;
    writeln!(text, "# TYPE {name}{declared} {kind_word}")?;
    let suffix = if *kind == Kind::Counter { "_total" } else { "" };
    let mut labels = String::new();
    for sample in samples {
        labels.clear();
        write_labels(&mut labels, &sample.labels)?;
        match &sample.value {
            Value::Integer(number) => line(text, name, suffix, &labels, number)?,
            Value::Number(number) => line(text, name, suffix, &labels, number)?,
            Value::Distribution(distribution) => {
                if *kind == Kind::Histogram {
                    let comma = if labels.is_empty() { "" } else { "," };
                    let written = distribution.bounds.written.iter().copied();
                    let buckets = written.zip(distribution.cumulative.iter().copied());
                    for (bound, count) in buckets.chain([("+Inf", distribution.count)]) {
                        writeln!(
                            text,
                            "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {count}"
                        )?;
                    }
                }
                line(text, name, "_sum", &labels, &distribution.sum)?;
                line(text, name, "_count", &labels, &distribution.count)?;
            }
        }
    }
    Ok(())
}

fn line(
    text: &mut String,
    name: &str,
    suffix: &str,
    labels: &str,
    value: &dyn std::fmt::Display,
) -> std::fmt::Result {
    if labels.is_empty() {
        writeln!(text, "{name}{suffix} {value}")
    } else {
        writeln!(text, "{name}{suffix}{{{labels}}} {value}")
    }
}

fn write_labels(text: &mut String, labels: &[Label]) -> std::fmt::Result {
    for (number, (name, value)) in labels.iter().enumerate() {
        if number > 0 {
            text.push(',');
        }
        text.extend(name.chars().map(|c| if c == '.' { '_' } else { c }));
        text.push_str("=\"");
        match value {
            Text::Number(number) | Text::Digits(number) => write!(text, "{number}")?,
            value => value.as_text().chars().for_each(|c| match c {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                c => text.push(c),
            }),
        }
        text.push('"');
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::family::Sample;
    use super::*;

    #[test]
    fn the_accept_header_decides() {
        let open = Format::OpenMetrics;
        let plain = Format::Prometheus;
        for (accept, format) in [
            (None, plain),
            (Some("*/*"), plain),
            (Some("text/plain"), plain),
            (Some("application/openmetrics-text; version=1.0.0"), open),
            (
                Some(
                    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                ),
                open,
            ),
            (
                Some("application/openmetrics-text;q=0.2, text/plain;q=0.9"),
                plain,
            ),
            (Some("application/openmetrics-text;q=0"), plain),
        ] {
            assert_eq!(Format::from_accept(accept), format, "{accept:?}");
        }
    }

    #[test]
    fn values_of_labels_are_escaped() {
        let family = Family {
            name: "a",
            otel: None,
            help: "A.",
            kind: Kind::Counter,
            samples: vec![Sample {
                labels: vec![
                    ("b.c", Text::Shared("\\ \" \n ä".into())),
                    ("d", Text::Number(1)),
                ],
                value: Value::Number(0.5),
            }],
        };
        assert_eq!(
            render(&[family], Format::OpenMetrics),
            "# HELP a A.\n# TYPE a counter\na_total{b_c=\"\\\\ \\\" \\n ä\",d=\"1\"} 0.5\n# EOF\n"
        );
    }
}
