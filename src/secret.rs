//! Secrets: 32 bytes on the heap, filled in place, wiped on drop, never shown.
//!
//! A secret that is moved by value leaves a copy wherever it was, usually on the stack. So these types own a heap
//! allocation whose bytes never move, and derivations write into it.

use std::fmt;
use std::hint::black_box;

use subtle::ConstantTimeEq;

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
        wipe(&mut *self.0);
    }
}

impl fmt::Debug for Secret32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("redacted")
    }
}

/// Zeroes bytes for good.
///
/// What zeroize does, but not byte by byte: its volatile writes cost as much as the decryption of a short field. The
/// optimiser must assume that `black_box` reads the zeros; `tests/memory` looks whether they are there.
#[inline]
pub(crate) fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    black_box(bytes);
}

/// Zeroes the whole allocation of a vector that is about to be freed.
///
/// What has none is left alone: to zero no bytes at an address that is none takes some processors 60 ns.
#[inline]
pub(crate) fn wipe_all(bytes: &mut Vec<u8>) {
    let capacity = bytes.capacity();
    if capacity > 0 {
        bytes.resize(capacity, 0);
        wipe(bytes);
    }
}

/// Bytes that are wiped on drop, all of their allocation.
pub(crate) struct Wiped(Vec<u8>);

impl Wiped {
    pub(crate) fn copy_of(bytes: &[u8]) -> Wiped {
        Wiped(bytes.to_vec())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        // Made from a slice and never grown: length and capacity are the same.
        wipe(&mut self.0);
    }
}

/// Constant-time equality of 32 bytes: one comparison of all differences.
#[inline]
pub(crate) fn equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let differences = words(a).zip(words(b)).fold(0, |all, (a, b)| all | (a ^ b));
    differences.ct_eq(&0).into()
}

fn words(bytes: &[u8; 32]) -> impl Iterator<Item = u64> {
    bytes.as_chunks::<8>().0.iter().map(|word| u64::from_be_bytes(*word))
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
