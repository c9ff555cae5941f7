//! Text as small numbers: every string a model knows gets a [`Symbol`], so that evaluation never touches text.

use borsh::{BorshDeserialize, BorshSerialize};

/// A text known to the model, or [`Symbol::UNKNOWN`].
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct Symbol(pub(crate) u32);

impl Symbol {
    /// A text no part of the model mentions. It equals no known symbol, and two unknown texts are not told apart.
    pub const UNKNOWN: Symbol = Symbol(u32::MAX);

    /// Position in the model's [`Symbols`]; `None` for [`Symbol::UNKNOWN`].
    pub fn index(self) -> Option<usize> {
        (self != Symbol::UNKNOWN).then_some(self.0 as usize)
    }
}

/// All texts a model mentions (category names, labels, string constants), sorted and without repeats.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Symbols {
    texts: Vec<String>,
}

impl Symbols {
    /// Sorts and deduplicates `texts`.
    pub fn new(mut texts: Vec<String>) -> Symbols {
        texts.sort_unstable();
        texts.dedup();
        Symbols { texts }
    }

    /// The symbol of `text`; [`Symbol::UNKNOWN`] when the model does not mention it. O(log n).
    pub fn symbol(&self, text: &str) -> Symbol {
        match self
            .texts
            .binary_search_by(|known| known.as_str().cmp(text))
        {
            Ok(index) => Symbol(index as u32),
            Err(_) => Symbol::UNKNOWN,
        }
    }

    /// The text of `symbol`; `None` for [`Symbol::UNKNOWN`].
    pub fn text(&self, symbol: Symbol) -> Option<&str> {
        self.texts.get(symbol.index()?).map(String::as_str)
    }

    /// How many texts are known.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether no text is known.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Whether the texts are sorted and unique, as [`Symbols::new`] leaves them (false only for a forged image).
    pub(crate) fn is_canonical(&self) -> bool {
        self.texts.windows(2).all(|pair| pair[0] < pair[1])
    }
}
