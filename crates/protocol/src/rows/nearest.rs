//! "Did you mean": the known name closest to one that is not known.

/// Names longer than this are not compared.
const LONGEST: usize = 64;

/// The candidate within a third of `name`'s length in edits, ignoring case; the first of several equally close ones.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let wanted: Vec<char> = name
        .chars()
        .take(LONGEST + 1)
        .flat_map(char::to_lowercase)
        .collect();
    if wanted.len() > LONGEST {
        return None;
    }
    let most = (wanted.len() / 3).max(1);
    let mut best = None;
    for candidate in candidates {
        if candidate.len() > 4 * LONGEST {
            continue;
        }
        let edits = distance(
            &wanted,
            &candidate
                .chars()
                .flat_map(char::to_lowercase)
                .collect::<Vec<_>>(),
        );
        if edits <= most && best.is_none_or(|(fewest, _)| edits < fewest) {
            best = Some((edits, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Insertions, deletions and substitutions that turn `a` into `b`; a swap of neighbours counts as one.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let mut edits = (last[j - 1] + usize::from(a[i - 1] != b[j - 1]))
                .min(last[j] + 1)
                .min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                edits = edits.min(before[j - 2] + 1);
            }
            row.push(edits);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_of_the_pen() {
        let names = ["age", "amount", "housing", "credit_amount"];
        for (typed, meant) in [
            ("Age", Some("age")),
            ("aeg", Some("age")),
            ("amuont", Some("amount")),
            ("house", None),
            ("housin", Some("housing")),
            ("creditamount", Some("credit_amount")),
            ("zzz", None),
        ] {
            assert_eq!(nearest(typed, names), meant, "{typed}");
        }
    }
}
