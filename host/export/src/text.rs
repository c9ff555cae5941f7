//! Texts for people, made fit for formats that have no serialiser.

/// On one line: every run of white space and control characters is one space. At most so many bytes; what is left out is
/// marked by `…`.
pub(crate) fn one_line(text: &str, longest: usize) -> String {
    let blank = |character: char| character.is_whitespace() || character.is_control();
    let words: Vec<&str> = text.split(blank).filter(|word| !word.is_empty()).collect();
    shortened(&words.join(" "), longest)
}

/// At most so many bytes, cut between characters; what is left out is marked by `…`.
pub(crate) fn shortened(text: &str, longest: usize) -> String {
    if text.len() <= longest {
        return text.into();
    }
    let mut end = longest.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fit() {
        assert_eq!(one_line(" a\n\tb\0c\u{2028}d ", 100), "a b c d");
        assert_eq!(one_line("\n", 100), "");
        assert_eq!(shortened("abcdef", 6), "abcdef");
        assert_eq!(shortened("abcdefg", 6), "abc…");
        assert_eq!(shortened("äöüäöü", 8), "äö…");
        assert_eq!(shortened("abc", 0), "…");
    }
}
