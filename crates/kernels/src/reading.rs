//! Long lists out of a model image.

use std::hint::black_box;

use borsh::BorshDeserialize;
use borsh::io::{Read, Result};

/// Elements of the first allocation.
const FIRST: usize = 1 << 12;

/// Reads a list that borsh wrote. Memory grows with what was read, never with what a hostile length promises, and what a
/// growing list leaves behind is zeroed: a snapshot keeps every byte that is not zero.
///
/// # Errors
/// When the bytes end early or an element refuses them.
pub fn read_list<T: Copy + Default + BorshDeserialize, R: Read>(reader: &mut R) -> Result<Vec<T>> {
    let length = u32::deserialize_reader(reader)? as usize;
    let mut list: Vec<T> = Vec::with_capacity(length.min(FIRST));
    for _ in 0..length {
        if list.len() == list.capacity() {
            let mut larger = Vec::with_capacity((2 * list.len()).min(length));
            larger.extend_from_slice(&list);
            list.fill(T::default());
            // Without a reader the compiler would drop stores to memory that is about to be freed.
            black_box(&list);
            list = larger;
        }
        list.push(T::deserialize_reader(reader)?);
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_borsh_writes_and_no_more_than_there_is() {
        let list: Vec<u32> = (0..20_000).collect();
        let bytes = borsh::to_vec(&list).expect("bytes");
        let again: Vec<u32> = read_list(&mut bytes.as_slice()).expect("the list");
        assert_eq!(again, list);
        let short: Result<Vec<u32>> = read_list(&mut [255u8, 255, 255, 255, 1, 2].as_slice());
        assert!(short.is_err());
    }
}
