//! What the secret of an API key looks like, and what is kept of it.
//!
//! `hyk_`, 43 base-62 digits (256 random bits) and 5 base-62 digits that check the rest: a form that scanners for leaked
//! secrets recognise, that a double click selects, and whose misspellings are told from revoked keys.
//!
//! The host keeps the SHA-256 of a secret. Slow hashes (Argon2, bcrypt) exist because people choose passwords out of few;
//! nobody can try 2²⁵⁶ secrets, however fast the hash is, and a slow one on each call would be a way to stop the host.

use sha2::{Digest, Sha256};

/// What every secret begins with.
const MARK: &str = "hyk_";
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 62⁴³ > 2²⁵⁶.
const BODY: usize = 43;
const CHECK: usize = 5;

/// Bytes of a secret.
pub const LENGTH: usize = MARK.len() + BODY + CHECK;
const _: () = assert!(LENGTH <= 55, "one block of SHA-256 holds a secret");

/// Characters of a secret that people may see: the mark and 8 digits, which leave more than 200 bits unknown.
const SHOWN: usize = MARK.len() + 8;

/// Whether a text has the form of a secret, its check digits included. It says nothing about whether the key exists.
pub fn is_secret(text: &str) -> bool {
    text.len() == LENGTH && text.is_char_boundary(MARK.len() + BODY) && {
        let (rest, given) = text.split_at(MARK.len() + BODY);
        looks_like_secret(text)
            && rest[MARK.len()..]
                .bytes()
                .all(|byte| DIGITS.contains(&byte))
            && check(rest).as_bytes() == given.as_bytes()
    }
}

/// Whether a text claims to be a secret.
pub(crate) fn looks_like_secret(text: &str) -> bool {
    text.starts_with(MARK)
}

/// The secret made of 256 random bits.
pub(crate) fn secret(random: [u8; 32]) -> String {
    let mut number = random;
    let mut body = [0; BODY];
    for digit in body.iter_mut().rev() {
        // Long division of the number by 62, its most significant byte first.
        let mut remainder = 0u32;
        for byte in &mut number {
            let dividend = remainder << 8 | u32::from(*byte);
            *byte = (dividend / 62) as u8;
            remainder = dividend % 62;
        }
        *digit = DIGITS[remainder as usize];
    }
    let mut text = String::with_capacity(LENGTH);
    text.push_str(MARK);
    text.extend(body.map(char::from));
    let check = check(&text);
    text.push_str(&check);
    text
}

/// What is kept of a secret, and what a presented one is looked up by.
pub(crate) fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// The part of a secret that people may see.
pub(crate) fn shown(secret: &str) -> &str {
    &secret[..SHOWN]
}

fn check(rest: &str) -> String {
    let hash = Sha256::digest(rest.as_bytes());
    let mut number = u64::from_be_bytes(std::array::from_fn(|index| hash[index]));
    (0..CHECK)
        .map(|_| {
            let digit = DIGITS[(number % 62) as usize];
            number /= 62;
            char::from(digit)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_256_bits_in_base_62() {
        let zero = secret([0; 32]);
        assert_eq!(zero.len(), LENGTH);
        assert!(
            zero.starts_with(&format!("hyk_{}", "0".repeat(43))),
            "{zero}"
        );
        // 2²⁵⁶ − 1 in base 62, from Python's integers.
        assert_eq!(
            &secret([255; 32])[4..47],
            "yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1"
        );
        let mut one = [0; 32];
        one[31] = 1;
        assert_eq!(&secret(one)[4..47], format!("{}1", "0".repeat(42)));
    }

    #[test]
    fn check_digits_catch_misspellings() {
        let sound = secret(std::array::from_fn(|index| (index as u8).wrapping_mul(37)));
        assert!(is_secret(&sound));
        for place in 0..sound.len() {
            for other in ["0", "Z", "z", "_", " "] {
                let mut wrong = sound.clone();
                wrong.replace_range(place..=place, other);
                assert_eq!(is_secret(&wrong), wrong == sound, "{wrong}");
            }
        }
        for wrong in [
            "",
            "hyk_",
            &sound[..51],
            &format!("{sound}0"),
            &"ä".repeat(26),
        ] {
            assert!(!is_secret(wrong), "{wrong}");
        }
    }

    #[test]
    fn what_is_shown_leaves_200_bits() {
        assert_eq!(shown(&secret([9; 32])).len(), 12);
    }
}
