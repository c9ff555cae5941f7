//! `hyaline usage` and `hyaline budgets`

use anyhow::Result;
use hyaline_control::{Budget, FunctionName, UsageRow};
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::terms::{period_shown, since};
use super::{Client, Host, dollars, moment, plain, print, print_json};
use crate::table::{Cell, Table, bytes, number};

#[derive(clap::Args)]
pub(crate) struct Usage {
    /// By what it is added up
    #[arg(long, value_enum, value_delimiter = ',', default_value = "function")]
    by: Vec<Group>,
    /// Of this function only
    #[arg(long)]
    function: Option<FunctionName>,
    /// Of this caller only: the name of a key, or `issuer|subject` of a token
    #[arg(long)]
    caller: Option<String>,
    /// From the hour of this time: `2026-11-27`, `2026-11-27T12:00:00Z`, or `24h` for the last 24 hours
    #[arg(long, value_name = "TIME", value_parser = since)]
    from: Option<Timestamp>,
    /// Until before this time
    #[arg(long, value_name = "TIME", value_parser = since)]
    to: Option<Timestamp>,
    /// Print CSV
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: Host,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Group {
    Function,
    Version,
    Caller,
    Hour,
}

impl Group {
    fn name(self) -> &'static str {
        match self {
            Group::Function => "function",
            Group::Version => "version",
            Group::Caller => "caller",
            Group::Hour => "hour",
        }
    }

    fn of(self, row: &UsageRow) -> String {
        match self {
            Group::Function => row.function.as_deref().map_or("-".into(), plain),
            Group::Version => row
                .version
                .map_or("-".into(), |version| version.to_string()),
            Group::Caller => match row.caller.as_deref() {
                Some("") | None => "-".into(),
                Some(caller) => plain(caller),
            },
            Group::Hour => row.hour.map_or("-".into(), |hour| {
                hour.strftime("%Y-%m-%d %H:00").to_string()
            }),
        }
    }
}

pub(crate) fn usage(arguments: &Usage) -> Result<()> {
    let by: Vec<&str> = arguments.by.iter().map(|group| group.name()).collect();
    let mut path = format!("/api/usage?by={}", by.join(","));
    let given = [
        (
            "function",
            arguments.function.as_ref().map(ToString::to_string),
        ),
        ("caller", arguments.caller.clone()),
        ("from", arguments.from.map(|time| time.to_string())),
        ("to", arguments.to.map(|time| time.to_string())),
    ];
    for (name, value) in given {
        if let Some(value) = value {
            let value = utf8_percent_encode(&value, NON_ALPHANUMERIC);
            path.push_str(&format!("&{name}={value}"));
        }
    }
    let client = Client::new(&arguments.host)?;
    if arguments.csv {
        return print(&client.text(&path, "text/csv")?);
    }
    let rows: Vec<UsageRow> = client.get(&path)?;
    if arguments.json {
        return print_json(&rows);
    }
    print(&table(&arguments.by, &rows).text())
}

/// The exact bill stands beside the one by the host's price table.
fn table(by: &[Group], rows: &[UsageRow]) -> Table {
    let figures = [
        "calls",
        "failed",
        "cold",
        "wall ms",
        "cpu ms",
        "GB·s",
        "in",
        "out",
        "exact USD",
        "billed USD",
    ];
    let mut table = Table::new(by.iter().map(|group| group.name()).chain(figures));
    let line = |keys: Vec<Cell>, row: &UsageRow| -> Vec<Cell> {
        let figures = [
            Cell::Number(row.invocations as f64),
            Cell::Number(row.failures as f64),
            Cell::Number(row.cold_starts as f64),
            Cell::Number(row.wall_us as f64 / 1000.0),
            Cell::Number(row.cpu_us as f64 / 1000.0),
            Cell::Number(row.gb_seconds),
            Cell::text(bytes(row.bytes_in)),
            Cell::text(bytes(row.bytes_out)),
            Cell::text(dollars(row.exact_usd)),
            Cell::text(dollars(row.billed_usd)),
        ];
        keys.into_iter().chain(figures).collect()
    };
    for row in rows {
        let keys = by.iter().map(|group| Cell::text(group.of(row))).collect();
        table.lines.push(line(keys, row));
    }
    if rows.len() > 1 {
        let mut keys = vec![Cell::text(""); by.len()];
        if let Some(first) = keys.first_mut() {
            *first = Cell::text("all");
        }
        table.lines.push(line(keys, &sum(rows)));
    }
    table
}

fn sum(rows: &[UsageRow]) -> UsageRow {
    let mut sum = UsageRow::default();
    for row in rows {
        sum.invocations += row.invocations;
        sum.failures += row.failures;
        sum.cold_starts += row.cold_starts;
        sum.wall_us += row.wall_us;
        sum.cpu_us += row.cpu_us;
        sum.gb_seconds += row.gb_seconds;
        sum.bytes_in += row.bytes_in;
        sum.bytes_out += row.bytes_out;
        sum.exact_usd += row.exact_usd;
        sum.billed_usd += row.billed_usd;
    }
    sum
}

#[derive(clap::Args)]
pub(crate) struct Budgets {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: Host,
}

/// A budget and what was spent of it.
#[derive(Debug, Serialize, Deserialize)]
struct BudgetDocument {
    /// `function:credit` or `caller:x`
    subject: String,
    budget: Budget,
    spent_usd: f64,
    /// When the period began; a total has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    /// `open`, `warned` or `spent`
    state: String,
}

pub(crate) fn budgets(arguments: &Budgets) -> Result<()> {
    let documents: Vec<BudgetDocument> = Client::new(&arguments.host)?.get("/api/budgets")?;
    if arguments.json {
        return print_json(&documents);
    }
    let mut table = Table::new([
        "subject",
        "state",
        "spent USD",
        "of USD",
        "%",
        "each",
        "since (UTC)",
    ]);
    for document in &documents {
        let BudgetDocument {
            budget, spent_usd, ..
        } = document;
        table.lines.push(vec![
            Cell::text(plain(&document.subject)),
            Cell::text(plain(&document.state)),
            Cell::text(dollars(*spent_usd)),
            Cell::text(dollars(budget.usd)),
            Cell::text(percent(*spent_usd, budget.usd)),
            Cell::text(period_shown(budget.period)),
            Cell::text(document.since.map_or("-".into(), moment)),
        ]);
    }
    print(&table.text())
}

/// The part that is spent, to a tenth: what is little is not shown as nothing, and what is nearly all not as all.
fn percent(spent: f64, limit: f64) -> String {
    let part = if limit > 0.0 {
        100.0 * spent / limit
    } else {
        100.0
    };
    if part > 0.0 && part < 0.1 {
        return "<0.1".into();
    }
    let rounded = (part * 10.0).round() / 10.0;
    number(if part < 100.0 {
        rounded.min(99.9)
    } else {
        rounded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_is_not_nothing_and_nearly_all_is_not_all() {
        for (spent, limit, shown) in [
            (0.0, 1.0, "0"),
            (3e-9, 1.0, "<0.1"),
            (0.001, 1.0, "0.1"),
            (0.8549, 1.0, "85.5"),
            (0.99999, 1.0, "99.9"),
            (1.0, 1.0, "100"),
            (2.5, 1.0, "250"),
            (0.0, 0.0, "100"),
        ] {
            assert_eq!(percent(spent, limit), shown, "{spent} of {limit}");
        }
    }

    #[test]
    fn the_exact_bill_stands_beside_the_other_and_everything_is_added_up() {
        let row = |function: &str, invocations, exact_usd| UsageRow {
            function: Some(function.into()),
            invocations,
            failures: 1,
            wall_us: 1500,
            exact_usd,
            billed_usd: 0.2e-6 * invocations as f64,
            ..UsageRow::default()
        };
        let rows = [row("credit", 1000, 1.5e-7), row("wine", 10, 0.0)];
        let text = table(&[Group::Function], &rows).text();
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| {
                line.split("  ")
                    .map(str::trim)
                    .filter(|cell| !cell.is_empty())
                    .collect()
            })
            .collect();
        assert_eq!(lines[0][9..], ["exact USD", "billed USD"]);
        assert_eq!(lines[1][..5], ["credit", "1000", "1", "0", "1.5"]);
        assert_eq!(lines[1][9..], ["0.00000015", "0.0002"]);
        assert_eq!(lines[3][..5], ["all", "1010", "2", "0", "3"]);
        assert_eq!(lines[3][9..], ["0.00000015", "0.000202"]);
    }
}
