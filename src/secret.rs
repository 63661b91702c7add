//! Secrets: 32 bytes on the heap, filled in place, wiped on drop, never shown.
//!
//! A secret that is moved by value leaves a copy wherever it was, usually on the stack. So these types own a heap
//! allocation whose bytes never move, and derivations write into it.

use std::fmt;
use std::hint::black_box;

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// 32 secret bytes at a fixed heap address.
pub(crate) struct Secret32(Box<[u8; 32]>);

impl Secret32 {
    /// Zeros, to be filled in place.
    pub(crate) fn empty() -> Secret32 {
        Secret32(Box::new([0; 32]))
    }

    pub(crate) fn copy_of(bytes: &[u8; 32]) -> Secret32 {
        let mut secret = Secret32::empty();
        secret.0.copy_from_slice(bytes);
        secret
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8; 32] {
        &mut self.0
    }
}

impl Drop for Secret32 {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

impl fmt::Debug for Secret32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("redacted")
    }
}

/// Zeroes 32 bytes with a few wide volatile writes; zeroize writes a byte array byte by byte.
pub(crate) fn wipe(bytes: &mut [u8; 32]) {
    bytes.zeroize();
}

/// Constant-time equality of 32 bytes, four words at a time.
pub(crate) fn equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let mut same = subtle::Choice::from(1);
    for (a, b) in words(a).iter().zip(words(b)) {
        same &= a.ct_eq(&b);
    }
    same.into()
}

fn words(bytes: &[u8; 32]) -> [u64; 4] {
    let mut words = [0; 4];
    for (word, chunk) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_be_bytes(*chunk);
    }
    words
}

/// Runs `work`, then overwrites the stack that it used.
///
/// Key schedules and hash states of the primitives live on the stack for a moment. The types are wiped by their drop,
/// but a copy made by moving one, or a spilled register, is not. Results must be left on the heap.
pub(crate) fn with_clean_stack<R>(work: impl FnOnce() -> R) -> R {
    let result = apart(work);
    overwrite_stack();
    result
}

#[inline(never)]
fn apart<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// Deeper than any derivation or cipher call here reaches (measured by the memory test).
const STACK_BYTES: usize = 6144;

#[inline(never)]
fn overwrite_stack() {
    black_box(&mut [0u8; STACK_BYTES]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equality_sees_every_bit() {
        let base: [u8; 32] = std::array::from_fn(|i| i as u8);
        assert!(equal(&base, &base));
        for bit in 0..256 {
            let mut other = base;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!equal(&base, &other));
        }
    }

    #[test]
    fn prints_as_redacted() {
        assert_eq!(format!("{:?}", Secret32::copy_of(&[7; 32])), "redacted");
    }
}
