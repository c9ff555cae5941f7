//! Statistics of a category feature.

use hyaline_model::{Categories, Recourse, Symbol, Symbols, sorted_positions};

/// How often each category stands in the reference rows.
#[derive(Clone, Debug, PartialEq)]
pub struct CategoryStatistics {
    /// Categories that the reference rows have, in symbol order; an unknown text or a missing one is one of them.
    pub values: Vec<Symbol>,
    /// Rows with each.
    pub counts: Vec<usize>,
    /// Categories that a row may be given: those of the recipe, else the known ones, else, where any text is taken, those
    /// of the reference rows; never the missing one.
    pub offered: Vec<Symbol>,
}

impl CategoryStatistics {
    pub(super) fn new(
        known: &Categories,
        recourse: &Recourse,
        symbols: &Symbols,
        column: &[Symbol],
    ) -> CategoryStatistics {
        let order = sorted_positions(column.len(), &|a, b| column[a].cmp(&column[b]));
        let (mut values, mut counts): (Vec<Symbol>, Vec<usize>) = (Vec::new(), Vec::new());
        for symbol in order.into_iter().map(|position| column[position]) {
            match (values.last(), counts.last_mut()) {
                (Some(&last), Some(count)) if last == symbol => *count += 1,
                _ => {
                    values.push(symbol);
                    counts.push(1);
                }
            }
        }
        let named = if recourse.categories.is_empty() {
            &known.values
        } else {
            &recourse.categories
        };
        let mut offered: Vec<Symbol> = named.iter().map(|text| symbols.symbol(text)).collect();
        if offered.is_empty() {
            offered.clone_from(&values);
        }
        let missing = symbols.symbol("");
        offered.retain(|&symbol| symbol != Symbol::UNKNOWN && symbol != missing);
        CategoryStatistics {
            values,
            counts,
            offered,
        }
    }
}
