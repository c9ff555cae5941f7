//! Regular expressions as ONNX Runtime has RE2 read them, translated to programs: classes such as `\w` are of ASCII,
//! everything else is of characters, the dot takes line ends, and whether a repetition is greedy does not matter, because
//! the longest match counts.

use hyaline_model::graph::text::{CharClass, Look, Pattern, Step};
use regex_syntax::ast::parse::ParserBuilder;
use regex_syntax::ast::{
    AssertionKind, Ast, ClassAsciiKind, ClassPerl, ClassPerlKind, ClassSet, ClassSetItem, Flag,
    FlagsItemKind, GroupKind, RepetitionKind, RepetitionRange,
};

/// Every character.
const ALL: (u32, u32) = (0, 0x10_ffff);

/// Most steps of a program; RE2's limit on repetitions keeps sensible patterns far below.
const MAX_STEPS: usize = 1 << 14;

/// The program of `pattern`.
///
/// # Errors
/// When it is no regular expression, or has a part that RE2 does not know or that is not translated here, with that part.
pub(super) fn compile(pattern: &str) -> Result<Pattern, String> {
    let ast = ParserBuilder::new()
        .nest_limit(100)
        .build()
        .parse(pattern)
        .map_err(|error| format!("the pattern `{pattern}`: {}", error.kind()))?;
    let mut program = Program {
        pattern,
        steps: Vec::new(),
        flags: Flags {
            ignore_case: false,
            dot_takes_line_end: true,
        },
    };
    program.add(&ast)?;
    program.push(Step::Match)?;
    Pattern::new(program.steps)
}

/// Modes of the part being translated.
#[derive(Clone, Copy)]
struct Flags {
    ignore_case: bool,
    dot_takes_line_end: bool,
}

struct Program<'a> {
    pattern: &'a str,
    steps: Vec<Step>,
    flags: Flags,
}

impl Program<'_> {
    fn fail<T>(&self, what: impl std::fmt::Display) -> Result<T, String> {
        Err(format!("the pattern `{}` has {what}", self.pattern))
    }

    fn push(&mut self, step: Step) -> Result<u32, String> {
        if self.steps.len() >= MAX_STEPS {
            return self.fail(format_args!("more than {MAX_STEPS} steps"));
        }
        self.steps.push(step);
        Ok(self.steps.len() as u32 - 1)
    }

    fn here(&self) -> u32 {
        self.steps.len() as u32
    }

    fn take(&mut self, ranges: Vec<(u32, u32)>, negated: bool) -> Result<(), String> {
        let ranges = if self.flags.ignore_case {
            if ranges.iter().any(|&(_, last)| last > 127 && last != ALL.1) {
                return self.fail("letters beyond ASCII of any case; list both cases instead");
            }
            both_cases(&ranges)
        } else {
            ranges
        };
        let ranges = if negated { others(ranges) } else { ranges };
        self.push(Step::Take(CharClass::new(ranges))).map(drop)
    }

    fn add(&mut self, ast: &Ast) -> Result<(), String> {
        match ast {
            Ast::Empty(_) => Ok(()),
            Ast::Flags(flags) => self.set(&flags.flags),
            Ast::Literal(literal) => self.take(vec![only(literal.c)], false),
            Ast::Dot(_) => {
                let line_end = u32::from('\n');
                self.take(
                    if self.flags.dot_takes_line_end {
                        vec![ALL]
                    } else {
                        others(vec![(line_end, line_end)])
                    },
                    false,
                )
            }
            Ast::Assertion(assertion) => {
                let look = match assertion.kind {
                    AssertionKind::StartLine | AssertionKind::StartText => Look::Start,
                    AssertionKind::EndLine | AssertionKind::EndText => Look::End,
                    AssertionKind::WordBoundary => Look::WordBoundary,
                    AssertionKind::NotWordBoundary => Look::NoWordBoundary,
                    _ => return self.fail("an assertion that RE2 does not know"),
                };
                self.push(Step::Look(look)).map(drop)
            }
            Ast::ClassPerl(class) => {
                let ranges = perl(class);
                self.take(ranges, false)
            }
            Ast::ClassUnicode(_) => {
                self.fail("a class by Unicode property; list the characters' ranges instead")
            }
            Ast::ClassBracketed(class) => {
                let ranges = self.set_of(&class.kind)?;
                self.take(ranges, class.negated)
            }
            Ast::Group(group) => {
                let outer = self.flags;
                if let GroupKind::NonCapturing(flags) = &group.kind {
                    self.set(flags)?;
                }
                self.add(&group.ast)?;
                self.flags = outer;
                Ok(())
            }
            Ast::Concat(concat) => concat.asts.iter().try_for_each(|ast| self.add(ast)),
            Ast::Alternation(alternation) => self.alternatives(&alternation.asts),
            Ast::Repetition(repetition) => {
                let (least, most) = match &repetition.op.kind {
                    RepetitionKind::ZeroOrOne => (0, Some(1)),
                    RepetitionKind::ZeroOrMore => (0, None),
                    RepetitionKind::OneOrMore => (1, None),
                    RepetitionKind::Range(range) => match *range {
                        RepetitionRange::Exactly(times) => (times, Some(times)),
                        RepetitionRange::AtLeast(times) => (times, None),
                        RepetitionRange::Bounded(least, most) => (least, Some(most)),
                    },
                };
                if most.unwrap_or(least) > 1000 || most.is_some_and(|most| most < least) {
                    return self.fail("a repetition of more than 1000 times, or of none");
                }
                self.repeat(&repetition.ast, least, most)
            }
        }
    }

    fn set(&mut self, flags: &regex_syntax::ast::Flags) -> Result<(), String> {
        let mut on = true;
        for item in &flags.items {
            match item.kind {
                FlagsItemKind::Negation => on = false,
                FlagsItemKind::Flag(Flag::CaseInsensitive) => self.flags.ignore_case = on,
                FlagsItemKind::Flag(Flag::DotMatchesNewLine) => {
                    self.flags.dot_takes_line_end = on;
                }
                // The longest match counts, greedy or not.
                FlagsItemKind::Flag(Flag::SwapGreed) => {}
                FlagsItemKind::Flag(flag) => {
                    return self.fail(format_args!(
                        "the flag {flag:?}, which is not known here; remove it"
                    ));
                }
            }
        }
        Ok(())
    }

    fn alternatives(&mut self, asts: &[Ast]) -> Result<(), String> {
        let mut ends = Vec::new();
        for (index, ast) in asts.iter().enumerate() {
            if index + 1 == asts.len() {
                self.add(ast)?;
                break;
            }
            let fork = self.push(Step::Fork(0, 0))?;
            self.add(ast)?;
            ends.push(self.push(Step::Jump(0))?);
            self.steps[fork as usize] = Step::Fork(fork + 1, self.here());
        }
        let here = self.here();
        for end in ends {
            self.steps[end as usize] = Step::Jump(here);
        }
        Ok(())
    }

    fn repeat(&mut self, ast: &Ast, least: u32, most: Option<u32>) -> Result<(), String> {
        let Some(most) = most else {
            for _ in 1..least {
                self.add(ast)?;
            }
            if least > 0 {
                let again = self.here();
                self.add(ast)?;
                let here = self.here();
                return self.push(Step::Fork(again, here + 1)).map(drop);
            }
            let start = self.push(Step::Fork(0, 0))?;
            self.add(ast)?;
            self.push(Step::Jump(start))?;
            self.steps[start as usize] = Step::Fork(start + 1, self.here());
            return Ok(());
        };
        for _ in 0..least {
            self.add(ast)?;
        }
        let mut forks = Vec::new();
        for _ in least..most {
            forks.push(self.push(Step::Fork(0, 0))?);
            self.add(ast)?;
        }
        let here = self.here();
        for at in forks {
            self.steps[at as usize] = Step::Fork(at + 1, here);
        }
        Ok(())
    }

    /// The characters of a bracketed class.
    fn set_of(&self, set: &ClassSet) -> Result<Vec<(u32, u32)>, String> {
        let ClassSet::Item(item) = set else {
            return self.fail("an operation between classes, which RE2 does not know");
        };
        self.items(item)
    }

    fn items(&self, item: &ClassSetItem) -> Result<Vec<(u32, u32)>, String> {
        Ok(match item {
            ClassSetItem::Empty(_) => Vec::new(),
            ClassSetItem::Literal(literal) => vec![only(literal.c)],
            ClassSetItem::Range(range) => {
                vec![(u32::from(range.start.c), u32::from(range.end.c))]
            }
            ClassSetItem::Perl(class) => perl(class),
            ClassSetItem::Ascii(class) => {
                let ranges = ascii(&class.kind);
                if class.negated {
                    others(ranges)
                } else {
                    ranges
                }
            }
            ClassSetItem::Union(union) => {
                let mut ranges = Vec::new();
                for item in &union.items {
                    ranges.extend(self.items(item)?);
                }
                ranges
            }
            ClassSetItem::Unicode(_) => {
                return self
                    .fail("a class by Unicode property; list the characters' ranges instead");
            }
            ClassSetItem::Bracketed(_) => {
                return self.fail("a class inside a class; write `\\[` for the bracket");
            }
        })
    }
}

fn only(letter: char) -> (u32, u32) {
    (u32::from(letter), u32::from(letter))
}

fn of(ranges: &[(char, char)]) -> Vec<(u32, u32)> {
    ranges
        .iter()
        .map(|&(first, last)| (u32::from(first), u32::from(last)))
        .collect()
}

/// RE2's `\d`, `\s` and `\w`: of ASCII, and no vertical tab.
fn perl(class: &ClassPerl) -> Vec<(u32, u32)> {
    let ranges = match class.kind {
        ClassPerlKind::Digit => of(&[('0', '9')]),
        ClassPerlKind::Space => of(&[('\t', '\n'), ('\u{c}', '\r'), (' ', ' ')]),
        ClassPerlKind::Word => ascii(&ClassAsciiKind::Word),
    };
    if class.negated {
        others(ranges)
    } else {
        ranges
    }
}

fn ascii(kind: &ClassAsciiKind) -> Vec<(u32, u32)> {
    of(match kind {
        ClassAsciiKind::Alnum => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        ClassAsciiKind::Alpha => &[('A', 'Z'), ('a', 'z')],
        ClassAsciiKind::Ascii => &[('\0', '\u{7f}')],
        ClassAsciiKind::Blank => &[('\t', '\t'), (' ', ' ')],
        ClassAsciiKind::Cntrl => &[('\0', '\u{1f}'), ('\u{7f}', '\u{7f}')],
        ClassAsciiKind::Digit => &[('0', '9')],
        ClassAsciiKind::Graph => &[('!', '~')],
        ClassAsciiKind::Lower => &[('a', 'z')],
        ClassAsciiKind::Print => &[(' ', '~')],
        ClassAsciiKind::Punct => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        ClassAsciiKind::Space => &[('\t', '\r'), (' ', ' ')],
        ClassAsciiKind::Upper => &[('A', 'Z')],
        ClassAsciiKind::Word => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
        ClassAsciiKind::Xdigit => &[('0', '9'), ('A', 'F'), ('a', 'f')],
    })
}

/// All characters that are in none of `ranges`.
fn others(ranges: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    let class = CharClass::new(ranges);
    let mut others = Vec::new();
    let mut next = ALL.0;
    for &(first, last) in class.ranges() {
        if first > next {
            others.push((next, first - 1));
        }
        next = last + 1;
    }
    if next <= ALL.1 {
        others.push((next, ALL.1));
    }
    others
}

/// With the other case of every ASCII letter; `k` and `s` have a third form.
fn both_cases(ranges: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let mut both = ranges.to_vec();
    for &(first, last) in ranges {
        for letter in first.max(65)..=last.min(122) {
            let letter = letter as u8 as char;
            if letter.is_ascii_alphabetic() {
                both.push(only(letter.to_ascii_lowercase()));
                both.push(only(letter.to_ascii_uppercase()));
                match letter.to_ascii_lowercase() {
                    'k' => both.push(only('\u{212a}')),
                    's' => both.push(only('\u{17f}')),
                    _ => {}
                }
            }
        }
    }
    both
}

#[cfg(test)]
mod tests {
    use super::compile;

    fn all<'a>(pattern: &str, text: &'a str) -> Vec<&'a str> {
        let pattern = compile(pattern).expect("a pattern");
        let mut found = Vec::new();
        let mut from = 0;
        while let Some((start, end)) = pattern.find(text, from) {
            found.push(&text[start..end]);
            from = end.max(start + text[start..].chars().next().map_or(1, char::len_utf8));
            if from > text.len() {
                break;
            }
        }
        found
    }

    #[test]
    fn patterns_match_as_in_re2() {
        for (pattern, text, expected) in [
            (
                r"[a-zA-Z0-9_]+",
                "don't stop_it, 42!",
                vec!["don", "t", "stop_it", "42"],
            ),
            (r"\b\w\w+\b", "a bc d éf ghi", vec!["bc", "ghi"]),
            (r".", "aé\n🙂", vec!["a", "é", "\n", "🙂"]),
            (r"a|ab", "ab", vec!["ab"]),
            (r"(?:ab|a)c?", "abc ac", vec!["abc", "ac"]),
            (r"a{2,3}", "aaaaa a", vec!["aaa", "aa"]),
            (r"a+?", "aaa", vec!["aaa"]),
            (r"^\w+|\d+$", "one two 3", vec!["one", "3"]),
            (
                r"[^\s,]+",
                "one,two\u{b}three four",
                vec!["one", "two\u{b}three", "four"],
            ),
            (r"(?i)loan", "Loan LOAN loaN", vec!["Loan", "LOAN", "loaN"]),
            (r"[[:punct:]]", "a.b", vec!["."]),
        ] {
            assert_eq!(all(pattern, text), expected, "{pattern} in {text:?}");
        }
    }

    #[test]
    fn what_re2_does_not_know_is_refused_by_name() {
        for (pattern, words) in [
            (
                r"(?u)\b\w\w+\b",
                "the pattern `(?u)\\b\\w\\w+\\b` has the flag Unicode, which is not known here; remove it",
            ),
            (
                r"\p{L}+",
                "a class by Unicode property; list the characters' ranges instead",
            ),
            (r"[a", "the pattern `[a`: unclosed character class"),
            (r"a{1001}", "a repetition of more than 1000 times"),
            (r"(?:(?:a{900}){900}){900}", "more than 16384 steps"),
        ] {
            let error = compile(pattern).expect_err(pattern);
            assert!(error.contains(words), "{error}");
        }
    }
}
