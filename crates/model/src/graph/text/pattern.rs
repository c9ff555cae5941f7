//! Regular expressions as small programs, run without backtracking: time is the text's length times the program's.
//!
//! `hyaline-formats` translates a pattern's syntax; here is only what runs. Of the matches that start first the longest
//! counts, as ONNX Runtime asks RE2 for. (The machine is Thompson's with Pike's submatches; Cox, "Regular Expression
//! Matching: the Virtual Machine Approach", 2009.)

use borsh::{BorshDeserialize, BorshSerialize};

use crate::graph::ml::read_checked;

/// A set of characters.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize)]
pub struct CharClass {
    /// First and last of each range, ascending and apart.
    ranges: Vec<(u32, u32)>,
    #[borsh(skip)]
    ascii: [u64; 2],
}

impl CharClass {
    /// The characters in any of `ranges` (first and last, as numbers of Unicode scalar values).
    pub fn new(mut ranges: Vec<(u32, u32)>) -> CharClass {
        ranges.retain(|&(first, last)| first <= last);
        ranges.sort_unstable();
        let mut joined: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match joined.last_mut() {
                Some(previous) if first <= previous.1.saturating_add(1) => {
                    previous.1 = previous.1.max(last);
                }
                _ => joined.push((first, last)),
            }
        }
        let mut ascii = [0; 2];
        for &(first, last) in &joined {
            for letter in first..=last.min(127) {
                ascii[letter as usize / 64] |= 1 << (letter % 64);
            }
        }
        CharClass {
            ranges: joined,
            ascii,
        }
    }

    /// Whether `letter` is in the set.
    pub fn contains(&self, letter: char) -> bool {
        let letter = u32::from(letter);
        if letter < 128 {
            return self.ascii[letter as usize / 64] >> (letter % 64) & 1 == 1;
        }
        let at = self.ranges.partition_point(|&(_, last)| last < letter);
        self.ranges
            .get(at)
            .is_some_and(|&(first, _)| first <= letter)
    }

    /// The ranges, ascending and apart.
    pub fn ranges(&self) -> &[(u32, u32)] {
        &self.ranges
    }
}

read_checked!(CharClass, reader => Ok(CharClass::new(BorshDeserialize::deserialize_reader(reader)?)));

/// A place in a text, without a character of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Look {
    /// The beginning of the text.
    Start,
    /// The end of the text.
    End,
    /// Between a character of `[A-Za-z0-9_]` and one that is not, or the text's end.
    WordBoundary,
    /// Anywhere else.
    NoWordBoundary,
}

/// One step of a program.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Step {
    /// Takes a character of the set.
    Take(CharClass),
    /// Goes on at either step.
    Fork(u32, u32),
    /// Goes on at the step.
    Jump(u32),
    /// Goes on only at such a place.
    Look(Look),
    /// The pattern is matched.
    Match,
}

/// A regular expression.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize)]
pub struct Pattern {
    steps: Vec<Step>,
}

/// Most steps of a program.
const MAX_STEPS: usize = 1 << 14;

impl Pattern {
    /// Checks that the steps lead to each other.
    ///
    /// # Errors
    /// When a step leads nowhere, the last one is no [`Step::Match`], or there are more than 16384.
    pub fn new(steps: Vec<Step>) -> Result<Pattern, String> {
        let inside = |&step: &u32| (step as usize) < steps.len();
        let sound = steps.iter().all(|step| match step {
            Step::Fork(a, b) => inside(a) && inside(b),
            Step::Jump(to) => inside(to),
            Step::Take(_) | Step::Look(_) | Step::Match => true,
        });
        if steps.len() > MAX_STEPS || !sound || steps.last() != Some(&Step::Match) {
            return Err(format!("{} steps are no pattern", steps.len()));
        }
        Ok(Pattern { steps })
    }

    /// Whether a match may have no character.
    pub fn may_be_empty(&self) -> bool {
        let mut open = vec![0];
        let mut seen = vec![false; self.steps.len()];
        while let Some(step) = open.pop() {
            if std::mem::replace(&mut seen[step as usize], true) {
                continue;
            }
            match &self.steps[step as usize] {
                Step::Fork(first, second) => open.extend([*first, *second]),
                Step::Jump(to) => open.push(*to),
                Step::Look(_) => open.push(step + 1),
                Step::Take(_) => {}
                Step::Match => return true,
            }
        }
        false
    }

    /// The one class that makes up the pattern, when it is that class repeated as often as possible.
    fn run(&self) -> Option<&CharClass> {
        match &self.steps[..] {
            [Step::Take(class), Step::Fork(0, 2), Step::Match] => Some(class),
            _ => None,
        }
    }

    /// The class, when the pattern is one character.
    pub fn one_character(&self) -> Option<&CharClass> {
        match &self.steps[..] {
            [Step::Take(class), Step::Match] => Some(class),
            _ => None,
        }
    }

    /// The first match in `text` that starts at byte `from` or later: its first byte and the one after its last.
    /// Places such as the beginning are those of the whole text.
    ///
    /// # Panics
    /// If `from` is not between two characters.
    pub fn find(&self, text: &str, from: usize) -> Option<(usize, usize)> {
        if let Some(class) = self.run().or(self.one_character()) {
            let start = from + text[from..].find(|letter| class.contains(letter))?;
            let length = match self.run() {
                Some(_) => text[start..]
                    .find(|letter| !class.contains(letter))
                    .unwrap_or(text.len() - start),
                None => text[start..].chars().next().map_or(0, char::len_utf8),
            };
            return Some((start, start + length));
        }
        self.search(text, from)
    }

    fn search(&self, text: &str, from: usize) -> Option<(usize, usize)> {
        let mut current = Threads::new(self.steps.len());
        let mut next = Threads::new(self.steps.len());
        let mut found: Option<(usize, usize)> = None;
        let mut before = text[..from].chars().next_back();
        let mut letters = text[from..].char_indices();
        loop {
            let letter = letters.next();
            let at = letter.map_or(text.len(), |(offset, _)| from + offset);
            let place = Place {
                before,
                after: letter.map(|(_, letter)| letter),
            };
            if found.is_none() {
                self.follow(&mut current, 0, at, place);
            }
            if current.order.is_empty() && found.is_some() {
                return found;
            }
            next.clear();
            let after = letter.map(|(offset, letter)| {
                let rest = text[from + offset + letter.len_utf8()..].chars().next();
                (letter, rest)
            });
            for &(step, start) in &current.order {
                // Threads are in the order of their starts.
                if found.is_some_and(|(first, _)| start > first) {
                    break;
                }
                match (&self.steps[step as usize], after) {
                    (Step::Match, _) => found = Some((start, at)),
                    (Step::Take(class), Some((letter, rest))) if class.contains(letter) => {
                        let place = Place {
                            before: Some(letter),
                            after: rest,
                        };
                        self.follow(&mut next, step + 1, start, place);
                    }
                    _ => {}
                }
            }
            let (_, letter) = match letter {
                Some(letter) => letter,
                None => return found,
            };
            before = Some(letter);
            std::mem::swap(&mut current, &mut next);
        }
    }

    /// Adds a thread at `step` and all it leads to without a character.
    fn follow(&self, threads: &mut Threads, step: u32, start: usize, place: Place) {
        threads.stack.push(step);
        while let Some(step) = threads.stack.pop() {
            if std::mem::replace(&mut threads.seen[step as usize], true) {
                continue;
            }
            match &self.steps[step as usize] {
                Step::Fork(first, second) => threads.stack.extend([*second, *first]),
                Step::Jump(to) => threads.stack.push(*to),
                Step::Look(look) if place.is(*look) => threads.stack.push(step + 1),
                Step::Look(_) => {}
                Step::Take(_) | Step::Match => threads.order.push((step, start)),
            }
        }
    }
}

read_checked!(Pattern, reader => Pattern::new(BorshDeserialize::deserialize_reader(reader)?));

/// The characters beside a place.
#[derive(Clone, Copy)]
struct Place {
    before: Option<char>,
    after: Option<char>,
}

impl Place {
    fn is(self, look: Look) -> bool {
        let word = |letter: Option<char>| {
            letter.is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        };
        let boundary = word(self.before) != word(self.after);
        match look {
            Look::Start => self.before.is_none(),
            Look::End => self.after.is_none(),
            Look::WordBoundary => boundary,
            Look::NoWordBoundary => !boundary,
        }
    }
}

/// Steps that may go on, each with the first byte of its match; those that started first come first.
struct Threads {
    order: Vec<(u32, usize)>,
    seen: Vec<bool>,
    stack: Vec<u32>,
}

impl Threads {
    fn new(steps: usize) -> Threads {
        Threads {
            order: Vec::new(),
            seen: vec![false; steps],
            stack: Vec::new(),
        }
    }

    fn clear(&mut self) {
        self.order.clear();
        self.seen.fill(false);
    }
}
