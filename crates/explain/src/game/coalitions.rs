//! Sets of players.

/// A list of coalitions of the same players, 64 players to a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coalitions {
    players: usize,
    words: Vec<u64>,
}

impl Coalitions {
    /// No coalition yet.
    ///
    /// # Panics
    /// Without players.
    pub fn new(players: usize) -> Coalitions {
        assert!(players > 0, "a game has players");
        Coalitions {
            players,
            words: Vec::new(),
        }
    }

    /// How many players there are.
    pub fn players(&self) -> usize {
        self.players
    }

    /// Words per coalition.
    pub fn stride(&self) -> usize {
        self.players.div_ceil(64)
    }

    /// How many coalitions.
    pub fn len(&self) -> usize {
        self.words.len() / self.stride()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Adds a coalition of the players for which `joins` holds.
    pub fn push(&mut self, joins: impl Fn(usize) -> bool) {
        let start = self.words.len();
        self.words.resize(start + self.stride(), 0);
        for player in 0..self.players {
            if joins(player) {
                self.words[start + player / 64] |= 1 << (player % 64);
            }
        }
    }

    /// Adds a coalition given as [`Coalitions::words`] gives it.
    ///
    /// # Panics
    /// If that is not [`Coalitions::stride`] words.
    pub fn push_words(&mut self, words: &[u64]) {
        assert_eq!(words.len(), self.stride(), "words of one coalition");
        self.words.extend_from_slice(words);
    }

    /// Forgets all coalitions.
    pub fn clear(&mut self) {
        self.words.clear();
    }

    /// The words of coalition `coalition`; bit `p % 64` of word `p / 64` is player `p`, the bits beyond the players are 0.
    pub fn words(&self, coalition: usize) -> &[u64] {
        &self.words[coalition * self.stride()..][..self.stride()]
    }

    /// Whether `player` is in coalition `coalition`.
    pub fn contains(&self, coalition: usize, player: usize) -> bool {
        self.words(coalition)[player / 64] >> (player % 64) & 1 == 1
    }

    /// How many players coalition `coalition` has.
    pub fn size(&self, coalition: usize) -> usize {
        self.words(coalition)
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::Coalitions;

    #[test]
    fn players_beyond_a_word_are_kept_apart() {
        let mut coalitions = Coalitions::new(70);
        coalitions.push(|player| player == 3 || player == 69);
        coalitions.push(|player| player >= 64);
        assert_eq!(coalitions.len(), 2);
        assert_eq!((coalitions.size(0), coalitions.size(1)), (2, 6));
        assert!(coalitions.contains(0, 69) && !coalitions.contains(0, 5));
        assert_eq!(coalitions.words(1), [0, 0b11_1111]);
    }
}
