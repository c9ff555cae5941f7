//! The hash by which CatBoost tells categories apart: the lower half of CityHash64 as of version 1.0 (Pike & Alakuijala
//! 2011), which later versions of CityHash changed.

const K0: u64 = 0xc3a5_c85c_97cb_3127;
const K1: u64 = 0xb492_b66f_be98_f273;
const K2: u64 = 0x9ae1_6a3b_2f90_404f;
const K3: u64 = 0xc949_d7c7_509e_6557;

/// CatBoost's number for the category `text`.
pub(super) fn category(text: &str) -> u32 {
    city(text.as_bytes()) as u32
}

fn city(bytes: &[u8]) -> u64 {
    match bytes.len() {
        0 => K2,
        1..=3 => up_to_3(bytes),
        4..=8 => {
            let length = bytes.len() as u64;
            pair(
                length.wrapping_add(word32(bytes, 0) << 3),
                word32(bytes, bytes.len() - 4),
            )
        }
        9..=16 => {
            let (first, last) = (word(bytes, 0), word(bytes, bytes.len() - 8));
            let length = bytes.len() as u64;
            pair(first, last.wrapping_add(length).rotate_right(length as u32)) ^ last
        }
        17..=32 => up_to_32(bytes),
        33..=64 => up_to_64(bytes),
        _ => longer(bytes),
    }
}

fn up_to_3(bytes: &[u8]) -> u64 {
    let byte = |at: usize| u64::from(bytes[at]);
    let low = byte(0) + (byte(bytes.len() >> 1) << 8);
    let high = bytes.len() as u64 + (byte(bytes.len() - 1) << 2);
    fold(low.wrapping_mul(K2) ^ high.wrapping_mul(K3)).wrapping_mul(K2)
}

fn up_to_32(bytes: &[u8]) -> u64 {
    let end = bytes.len();
    let a = word(bytes, 0).wrapping_mul(K1);
    let b = word(bytes, 8);
    let c = word(bytes, end - 8).wrapping_mul(K2);
    let d = word(bytes, end - 16).wrapping_mul(K0);
    let high = a.wrapping_sub(b).rotate_right(43);
    pair(
        high.wrapping_add(c.rotate_right(30)).wrapping_add(d),
        a.wrapping_add((b ^ K3).rotate_right(20))
            .wrapping_sub(c)
            .wrapping_add(end as u64),
    )
}

fn up_to_64(bytes: &[u8]) -> u64 {
    let end = bytes.len();
    // Four words from `at` on, mixed into the sum `a`, with `z` once more at the end.
    let mix = |mut a: u64, at: usize, z: u64| {
        let b = a.wrapping_add(z).rotate_right(52);
        let mut c = a.rotate_right(37);
        a = a.wrapping_add(word(bytes, at + 8));
        c = c.wrapping_add(a.rotate_right(7));
        a = a.wrapping_add(word(bytes, at + 16));
        let second = b.wrapping_add(a.rotate_right(31)).wrapping_add(c);
        (a.wrapping_add(z), second)
    };
    let scaled = (end as u64)
        .wrapping_add(word(bytes, end - 16))
        .wrapping_mul(K0);
    let (v0, v1) = mix(word(bytes, 0).wrapping_add(scaled), 0, word(bytes, 24));
    let (w0, w1) = mix(
        word(bytes, 16).wrapping_add(word(bytes, end - 32)),
        end - 32,
        word(bytes, end - 8),
    );
    let r = fold(
        v0.wrapping_add(w1)
            .wrapping_mul(K2)
            .wrapping_add(w0.wrapping_add(v1).wrapping_mul(K0)),
    );
    fold(r.wrapping_mul(K0).wrapping_add(v1)).wrapping_mul(K2)
}

fn longer(bytes: &[u8]) -> u64 {
    let end = bytes.len();
    let length = end as u64;
    let mut x = word(bytes, 0);
    let mut y = word(bytes, end - 16) ^ K1;
    let mut z = word(bytes, end - 56) ^ K0;
    let mut v = weak(&bytes[end - 64..], length, y);
    let mut w = weak(&bytes[end - 32..], length.wrapping_mul(K1), K0);
    z = z.wrapping_add(fold(v.1).wrapping_mul(K1));
    x = z.wrapping_add(x).rotate_right(39).wrapping_mul(K1);
    y = y.rotate_right(33).wrapping_mul(K1);
    for block in bytes[..(end - 1) & !63].chunks_exact(64) {
        x = x
            .wrapping_add(y)
            .wrapping_add(v.0)
            .wrapping_add(word(block, 16))
            .rotate_right(37)
            .wrapping_mul(K1);
        y = y
            .wrapping_add(v.1)
            .wrapping_add(word(block, 48))
            .rotate_right(42)
            .wrapping_mul(K1);
        x ^= w.1;
        y ^= v.0;
        z = (z ^ w.0).rotate_right(33);
        v = weak(block, v.1.wrapping_mul(K1), x.wrapping_add(w.0));
        w = weak(&block[32..], z.wrapping_add(w.1), y);
        (z, x) = (x, z);
    }
    pair(
        pair(v.0, w.0)
            .wrapping_add(fold(y).wrapping_mul(K1))
            .wrapping_add(z),
        pair(v.1, w.1).wrapping_add(x),
    )
}

/// 128 bits to 64.
fn pair(low: u64, high: u64) -> u64 {
    const MULTIPLIER: u64 = 0x9ddf_ea08_eb38_2d69;
    let a = fold((low ^ high).wrapping_mul(MULTIPLIER));
    let b = fold((high ^ a).wrapping_mul(MULTIPLIER));
    b.wrapping_mul(MULTIPLIER)
}

/// The first 32 bytes and two seeds to 128 bits.
fn weak(bytes: &[u8], a: u64, b: u64) -> (u64, u64) {
    let last = word(bytes, 24);
    let first = a.wrapping_add(word(bytes, 0));
    let b = b.wrapping_add(first).wrapping_add(last).rotate_right(21);
    let sum = first
        .wrapping_add(word(bytes, 8))
        .wrapping_add(word(bytes, 16));
    let b = b.wrapping_add(sum.rotate_right(44));
    (sum.wrapping_add(last), b.wrapping_add(first))
}

fn fold(x: u64) -> u64 {
    x ^ x >> 47
}

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8]
        .iter()
        .rev()
        .fold(0, |word, &byte| word << 8 | u64::from(byte))
}

fn word32(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 4]
        .iter()
        .rev()
        .fold(0, |word, &byte| word << 8 | u64::from(byte))
}
