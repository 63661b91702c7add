//! The seeds of a node's children, derived one by one as somebody asks for them.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

/// 256 seeds at one heap address, wiped on drop.
///
/// Threads fill it at the same time, without a lock: what follows from a seed is the same whoever derives it, so they write the same words. A seed is
/// looked at only once it is said to be there.
pub(super) struct Seeds {
    /// A bit for each that is there.
    there: [AtomicU64; 4],
    words: Box<[[AtomicU64; 4]]>,
}

pub(super) const SEEDS_MEMORY: usize = 256 * 32;

impl Seeds {
    pub(super) fn none() -> Seeds {
        let words = (0..256).map(|_| [const { AtomicU64::new(0) }; 4]).collect();
        Seeds { there: [const { AtomicU64::new(0) }; 4], words }
    }

    /// Writes the seed of child `byte` to `out`, by `derive` if it is not here yet, and keeps it.
    #[inline]
    pub(super) fn get_or_derive(&self, byte: u8, out: &mut [u8; 32], derive: impl FnOnce(&mut [u8; 32])) {
        let there = self.there.get(usize::from(byte / 64));
        let words = self.words.get(usize::from(byte));
        // There is a place for every byte.
        let (Some(there), Some(words)) = (there, words) else { return derive(out) };
        let bit = 1 << (byte % 64);
        if there.load(Ordering::Acquire) & bit != 0 {
            read(words, out);
        } else {
            derive(out);
            write(words, out);
            there.fetch_or(bit, Ordering::Release);
        }
    }
}

#[allow(clippy::host_endian_bytes)] // bytes as they lie in memory, and never anywhere else
fn read(words: &[AtomicU64; 4], out: &mut [u8; 32]) {
    for (bytes, word) in out.as_chunks_mut().0.iter_mut().zip(words) {
        *bytes = word.load(Ordering::Relaxed).to_ne_bytes();
    }
}

#[allow(clippy::host_endian_bytes)] // as above
fn write(words: &[AtomicU64; 4], seed: &[u8; 32]) {
    for (bytes, word) in seed.as_chunks().0.iter().zip(words) {
        word.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
    }
}

impl Drop for Seeds {
    fn drop(&mut self) {
        for word in self.words.as_flattened_mut() {
            *word.get_mut() = 0;
        }
        // As in [`wipe`](crate::secret::wipe).
        black_box(&mut self.words);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed_of(byte: u8) -> [u8; 32] {
        std::array::from_fn(|i| byte.wrapping_mul(31).wrapping_add(i as u8))
    }

    #[test]
    fn each_is_derived_once_and_is_its_own() {
        let seeds = Seeds::none();
        for byte in (0..=u8::MAX).rev() {
            let mut out = [0; 32];
            seeds.get_or_derive(byte, &mut out, |out| *out = seed_of(byte));
            assert_eq!(out, seed_of(byte));
        }
        for byte in 0..=u8::MAX {
            let mut out = [0; 32];
            seeds.get_or_derive(byte, &mut out, |_| panic!("{byte} is derived again"));
            assert_eq!(out, seed_of(byte));
        }
    }

    /// Nobody sees half of one.
    #[test]
    fn threads_that_ask_at_the_same_time_get_the_same() {
        for _ in 0..50 {
            let seeds = Seeds::none();
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for byte in 0..=u8::MAX {
                            let mut out = [0; 32];
                            seeds.get_or_derive(byte, &mut out, |out| *out = seed_of(byte));
                            assert_eq!(out, seed_of(byte));
                        }
                    });
                }
            });
        }
    }
}
