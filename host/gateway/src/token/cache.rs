//! Tokens that were checked already, so that a token that comes again costs a hash and a look-up.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

/// Tokens remembered per shard and half. All together: 16 · 2 · 512 = 16,384 tokens, about 3 MB.
const HALF: usize = 512;
const SHARDS: usize = 16;

/// A token that was checked. Its own SHA-256 and that of the rules it was checked by are its key.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub name: Arc<str>,
    /// Seconds since 1970 between which it is valid, the leeway included.
    pub from: i64,
    pub until: i64,
    /// The generation of the issuer's keys that it was checked with.
    pub generation: u64,
}

type Place = ([u8; 32], [u8; 32]);

#[derive(Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // The length prefixes of the arrays are mixed in as they come.
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = self.0.rotate_left(5) ^ u64::from_le_bytes(word);
        }
    }
}

type Half = HashMap<Place, Checked, BuildHasherDefault<FirstBytes>>;

/// Two halves: when the young one is full it becomes the old one, whose tokens are forgotten unless they come again.
#[derive(Default)]
struct Shard {
    young: Half,
    old: Half,
}

/// A bounded memory of checked tokens.
pub(crate) struct Cache {
    shards: [RwLock<Shard>; SHARDS],
}

impl Cache {
    pub(crate) fn new() -> Self {
        Cache {
            shards: std::array::from_fn(|_| RwLock::default()),
        }
    }

    pub(crate) fn get(&self, digest: &[u8; 32], rules: &[u8; 32]) -> Option<Checked> {
        let shard = &self.shards[usize::from(digest[31]) % SHARDS];
        let place = (*digest, *rules);
        let remembered = {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(checked) = shard.young.get(&place) {
                return Some(checked.clone());
            }
            shard.old.get(&place).cloned()
        };
        if let Some(checked) = &remembered {
            self.put(digest, rules, checked.clone());
        }
        remembered
    }

    pub(crate) fn put(&self, digest: &[u8; 32], rules: &[u8; 32], checked: Checked) {
        let shard = &self.shards[usize::from(digest[31]) % SHARDS];
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        if shard.young.len() >= HALF {
            shard.old = std::mem::take(&mut shard.young);
        }
        shard.young.insert((*digest, *rules), checked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(generation: u64) -> Checked {
        Checked {
            name: "a".into(),
            from: 0,
            until: 1,
            generation,
        }
    }

    fn digest(number: u64) -> [u8; 32] {
        use sha2::Digest;
        sha2::Sha256::digest(number.to_le_bytes()).into()
    }

    #[test]
    fn the_memory_is_bounded_and_keeps_what_is_used() {
        let cache = Cache::new();
        let rules = &digest(1);
        cache.put(&digest(0), rules, checked(7));
        for number in 1..100_000 {
            cache.put(&digest(number), rules, checked(0));
            if number % 64 == 0 {
                assert_eq!(cache.get(&digest(0), rules).unwrap().generation, 7);
            }
        }
        let held: usize = cache
            .shards
            .iter()
            .map(|shard| {
                let shard = shard.read().unwrap();
                shard.young.len() + shard.old.len()
            })
            .sum();
        assert!(held <= 2 * HALF * SHARDS, "{held}");
        assert!(held >= HALF * SHARDS, "{held}");
    }

    #[test]
    fn a_token_checked_by_some_rules_is_not_checked_by_others() {
        let cache = Cache::new();
        cache.put(&digest(0), &digest(1), checked(0));
        assert!(cache.get(&digest(0), &digest(2)).is_none());
        assert!(cache.get(&digest(1), &digest(1)).is_none());
    }
}
