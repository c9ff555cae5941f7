//! `TfIdfVectorizer`: counts of n-grams.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::graph::ml::read_checked;
use crate::graph::operator::{
    Flow, Operands, Operator, element_count, operand, operand_type, tensor,
};
use crate::{Data, ElementType, Tensor, sorted_positions};

/// What a count becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Counting {
    /// The count.
    Tf,
    /// 1 where the n-gram occurs, times its column's weight.
    Idf,
    /// The count times its column's weight.
    TfIdf,
}

/// The tokens of all n-grams, one n-gram after the other: those of one token first, then those of two, and so on.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub enum Vocabulary {
    /// Texts.
    Texts(Vec<String>),
    /// Integers.
    Integers(Vec<i64>),
}

impl Vocabulary {
    fn len(&self) -> usize {
        match self {
            Vocabulary::Texts(tokens) => tokens.len(),
            Vocabulary::Integers(tokens) => tokens.len(),
        }
    }

    fn compare(&self, a: usize, b: usize) -> std::cmp::Ordering {
        match self {
            Vocabulary::Texts(tokens) => tokens[a].cmp(&tokens[b]),
            Vocabulary::Integers(tokens) => tokens[a].cmp(&tokens[b]),
        }
    }
}

/// Which n-grams are counted, and where.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Grams {
    /// Their tokens.
    pub vocabulary: Vocabulary,
    /// Where in the vocabulary the n-grams of 1, 2, … tokens start.
    pub starts: Vec<u32>,
    /// The column of each n-gram.
    pub columns: Vec<u32>,
    /// Fewest tokens of a counted n-gram; at least 1.
    pub shortest: u32,
    /// Most tokens.
    pub longest: u32,
    /// Most tokens left out between two tokens of an n-gram.
    pub skips: u32,
}

/// Counts n-grams along the last axis: `[tokens]` → `[columns]`, `[rows, tokens]` → `[rows, columns]`, as f32.
#[derive(Clone, Debug, PartialEq, BorshSerialize)]
pub struct TfIdfVectorizer {
    grams: Grams,
    counting: Counting,
    /// One per column; empty: 1.
    weights: Vec<f32>,
    #[borsh(skip)]
    index: Index,
}

/// The n-grams as a tree of tokens.
#[derive(Clone, Debug, Default, PartialEq)]
struct Index {
    columns: usize,
    /// Positions in the vocabulary of its distinct tokens, by token.
    tokens: Vec<u32>,
    /// Branches (from node, token, to node), ascending. Node 0 is the root.
    branches: Vec<(u32, u32, u32)>,
    /// The column of the n-gram that ends at each node.
    ends: Vec<Option<u32>>,
}

/// Most columns and most tokens of the vocabulary.
const LIMIT: usize = 1 << 24;

impl TfIdfVectorizer {
    /// `weights` has one number per column, or none.
    ///
    /// # Errors
    /// When the parts contradict each other, an n-gram is listed twice, or a weight is not finite.
    pub fn new(
        grams: Grams,
        counting: Counting,
        weights: Vec<f32>,
    ) -> Result<TfIdfVectorizer, String> {
        let index = Index::new(&grams)?;
        if !weights.is_empty() && weights.len() != index.columns {
            return Err(format!(
                "{} weights for {} columns",
                weights.len(),
                index.columns
            ));
        }
        if let Some(weight) = weights.iter().find(|weight| !weight.is_finite()) {
            return Err(format!("the weight {weight}, expected a finite number"));
        }
        Ok(TfIdfVectorizer {
            grams,
            counting,
            weights,
            index,
        })
    }

    /// How many columns come out.
    pub fn columns(&self) -> usize {
        self.index.columns
    }

    /// Whether a token on its own decides what it counts for: no n-gram has two.
    pub fn counts_single_tokens_only(&self) -> bool {
        self.grams.longest == 1
    }

    /// Whether some n-gram has the token `text`.
    pub fn knows(&self, text: &str) -> bool {
        match &self.grams.vocabulary {
            Vocabulary::Texts(known) => known.iter().any(|token| token == text),
            Vocabulary::Integers(_) => false,
        }
    }

    /// The numbers of the tokens of `x` in the vocabulary; `None` for those it does not have.
    fn known(&self, x: &Data) -> Result<Vec<Option<u32>>, String> {
        let tokens = &self.index.tokens;
        match (&self.grams.vocabulary, x) {
            (Vocabulary::Texts(known), Data::Text(values)) => Ok(values
                .iter()
                .map(|value| {
                    tokens
                        .binary_search_by(|&at| known[at as usize].as_str().cmp(value))
                        .ok()
                        .map(|token| token as u32)
                })
                .collect()),
            (Vocabulary::Integers(known), Data::I64(values)) => Ok(values
                .iter()
                .map(|value| {
                    tokens
                        .binary_search_by(|&at| known[at as usize].cmp(value))
                        .ok()
                        .map(|token| token as u32)
                })
                .collect()),
            (_, other) => Err(format!(
                "{:?}, the vocabulary is of another type",
                other.element_type()
            )),
        }
    }

    /// Counts the n-grams of one row of tokens.
    fn count(&self, tokens: &[Option<u32>], counts: &mut [f32]) {
        let longest = self.grams.longest;
        let mut shortest = self.grams.shortest;
        for distance in 1..=self.grams.skips as usize + 1 {
            for first in 0..tokens.len() {
                let mut node = 0;
                for length in 1..=longest {
                    let token = tokens.get(first + (length as usize - 1) * distance);
                    let Some(next) = token
                        .copied()
                        .flatten()
                        .and_then(|token| self.index.next(node, token))
                    else {
                        break;
                    };
                    node = next;
                    if let Some(column) = self.index.ends[node as usize]
                        && length >= shortest
                    {
                        counts[column as usize] += 1.0;
                    }
                }
            }
            // A single token skips nothing: it counts once.
            if shortest == 1 {
                shortest = 2;
                if shortest > longest {
                    break;
                }
            }
        }
    }
}

impl Index {
    fn new(grams: &Grams) -> Result<Index, String> {
        let (vocabulary, starts) = (&grams.vocabulary, &grams.starts);
        let total = vocabulary.len();
        if total == 0
            || total > LIMIT
            || grams.columns.iter().any(|&column| column as usize >= LIMIT)
        {
            return Err(format!(
                "{total} tokens of n-grams, or columns beyond {LIMIT}"
            ));
        }
        if grams.shortest == 0
            || grams.shortest > grams.longest
            || grams.longest as usize > starts.len()
        {
            return Err(format!(
                "n-grams of {} to {} tokens, the vocabulary has those of up to {}",
                grams.shortest,
                grams.longest,
                starts.len()
            ));
        }
        let order = sorted_positions(total, &|a, b| vocabulary.compare(a, b));
        let mut tokens: Vec<u32> = Vec::new();
        let mut token_of = vec![0; total];
        for position in order {
            if tokens
                .last()
                .is_none_or(|&last| vocabulary.compare(last as usize, position).is_ne())
            {
                tokens.push(position as u32);
            }
            token_of[position] = tokens.len() as u32 - 1;
        }
        let mut index = Index {
            columns: grams
                .columns
                .iter()
                .max()
                .map_or(0, |&last| last as usize + 1),
            tokens,
            branches: Vec::new(),
            ends: vec![None],
        };
        let mut edges = std::collections::BTreeMap::new();
        let mut columns = grams.columns.iter();
        for (length, &start) in starts.iter().enumerate() {
            let end = starts.get(length + 1).map_or(total, |&next| next as usize);
            let own = token_of.get(start as usize..end).ok_or_else(|| {
                format!(
                    "n-grams of {} tokens from {start} to {end} of {total}",
                    length + 1
                )
            })?;
            if !own.len().is_multiple_of(length + 1) {
                return Err(format!(
                    "{} tokens are no n-grams of {}",
                    own.len(),
                    length + 1
                ));
            }
            for gram in own.chunks_exact(length + 1) {
                let column = *columns
                    .next()
                    .ok_or("more n-grams than columns are named for")?;
                if !(grams.shortest..=grams.longest).contains(&(length as u32 + 1)) {
                    continue;
                }
                let mut node = 0;
                for &token in gram {
                    node = *edges.entry((node, token)).or_insert_with(|| {
                        index.ends.push(None);
                        index.ends.len() as u32 - 1
                    });
                }
                if index.ends[node as usize].replace(column).is_some() {
                    return Err(format!(
                        "an n-gram of {} tokens is listed twice",
                        length + 1
                    ));
                }
            }
        }
        if columns.next().is_some() {
            return Err(format!("{} columns for fewer n-grams", grams.columns.len()));
        }
        index.branches = edges
            .into_iter()
            .map(|((from, token), to)| (from, token, to))
            .collect();
        Ok(index)
    }

    fn next(&self, node: u32, token: u32) -> Option<u32> {
        let found = self
            .branches
            .binary_search_by(|&(from, by, _)| (from, by).cmp(&(node, token)));
        found.ok().map(|at| self.branches[at].2)
    }
}

impl Operator for TfIdfVectorizer {
    fn name(&self) -> &'static str {
        "TfIdfVectorizer"
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        match (&self.grams.vocabulary, operand_type(operands, 0)?) {
            (Vocabulary::Texts(_), ElementType::Text)
            | (Vocabulary::Integers(_), ElementType::I64) => Ok(vec![ElementType::F32]),
            (_, other) => Err(format!("{other:?}, the vocabulary is of another type")),
        }
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let (rows, width, shape) = match *x.shape() {
            [width] => (1, width, vec![self.columns()]),
            [rows, width] => (rows, width, vec![rows, self.columns()]),
            ref shape => {
                return Err(format!(
                    "operand of shape {shape:?}, expected one or two axes"
                ));
            }
        };
        let known = self.known(x.data())?;
        let mut counts = vec![0f32; element_count(&shape)?];
        for row in 0..rows {
            let counts = &mut counts[row * self.columns()..][..self.columns()];
            self.count(&known[row * width..][..width], counts);
            for (column, count) in counts.iter_mut().enumerate() {
                let weight = self.weights.get(column).copied().unwrap_or(1.0);
                match self.counting {
                    Counting::Tf => {}
                    Counting::Idf if *count > 0.0 => *count = weight,
                    Counting::Idf => {}
                    Counting::TfIdf => *count *= weight,
                }
            }
        }
        Ok(vec![tensor(shape, Data::F32(counts))?])
    }

    fn flow(&self) -> Flow {
        Flow::Rows
    }
}

read_checked!(TfIdfVectorizer, reader => TfIdfVectorizer::new(
    Grams::deserialize_reader(reader)?,
    Counting::deserialize_reader(reader)?,
    BorshDeserialize::deserialize_reader(reader)?,
));
