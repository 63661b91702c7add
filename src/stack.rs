//! The stack that secret work used, overwritten after it.
//!
//! Key schedules and hash states of the primitives live on the stack for a moment. The types are wiped by their drop,
//! but a copy made by moving one, or a spilled register, is not. So what such work used of the stack is overwritten, down to a depth
//! that depends on the processor and on how the ciphers were compiled: optimised they take 2 to 13 KB, unoptimised up to 27. It is measured
//! when a vault is opened, where the system lets a process look at its own memory; elsewhere, and before, [`DEEP`] is overwritten.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};

/// More than any of it reaches, however it was compiled.
pub(crate) const DEEP: usize = 64 << 10;
/// What is overwritten is a multiple of this.
const STEP: usize = 512;

/// What is overwritten where so much was measured: half as much again, for the frames between the place that overwrites and the primitive, which
/// the measurement does not have. The same compiler made those, so they are deep where the primitives are.
pub(crate) const fn with_margin(deepest: usize) -> usize {
    deepest.saturating_add(deepest / 2)
}

/// Kinds of work, each with a depth of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// A cipher of short texts whose key is expanded already: what is done again and again.
    KeptCipher,
    /// Keys derived, down to one that seals or opens a short text.
    ShortText,
    /// Keys derived, texts of any length, pages and records.
    Derivation,
    /// The journal's and a receipt's.
    Signature,
    /// Once in a process's life, and never measured.
    Passphrase,
}

/// How many bytes are overwritten after each kind.
static DEPTHS: [AtomicUsize; 5] = [const { AtomicUsize::new(DEEP) }; 5];

impl Work {
    fn depth(self) -> &'static AtomicUsize {
        let [cipher, short_text, derivation, signature, passphrase] = &DEPTHS;
        match self {
            Work::KeptCipher => cipher,
            Work::ShortText => short_text,
            Work::Derivation => derivation,
            Work::Signature => signature,
            Work::Passphrase => passphrase,
        }
    }

    /// How many bytes are overwritten after it.
    #[inline]
    pub(crate) fn overwritten(self) -> usize {
        self.depth().load(Ordering::Relaxed)
    }

    /// It was seen to reach so deep. A depth that could not be measured leaves all as it is.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    pub(crate) fn was_measured(self, deepest: usize) {
        let bytes = with_margin(deepest).next_multiple_of(STEP);
        self.depth().store(bytes.clamp(STEP, DEEP), Ordering::Relaxed);
    }
}

/// Runs `work`, which derives or deciphers, then overwrites the stack that it used. Results must be left on the heap.
///
/// Also when `work` panics, as a store or a key wrapper of the application's may.
#[inline]
pub(crate) fn with_clean_stack<R>(work: impl FnOnce() -> R) -> R {
    with_clean_stack_after(Work::Derivation, work)
}

/// The same for work of another kind.
#[inline]
pub(crate) fn with_clean_stack_after<R>(kind: Work, work: impl FnOnce() -> R) -> R {
    let panicked = Panicked;
    let result = apart(work);
    std::mem::forget(panicked);
    overwrite(kind.overwritten());
    result
}

/// What unwinds saves registers, deeper than whatever panicked.
struct Panicked;

impl Drop for Panicked {
    fn drop(&mut self) {
        overwrite(DEEP);
    }
}

#[inline(never)]
fn apart<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// A frame at a time, one below the other. Of the sizes that are zeroed fastest: from some 2 KiB on `memset` takes twice as long for each byte.
fn overwrite(bytes: usize) {
    match bytes.div_ceil(STEP) {
        0 | 1 => frame::<STEP>(0),
        2 => frame::<{ 2 * STEP }>(0),
        3 => frame::<{ 3 * STEP }>(0),
        _ => frame::<{ 4 * STEP }>(bytes.saturating_sub(4 * STEP)),
    }
}

#[inline(never)]
fn frame<const BYTES: usize>(below: usize) {
    let mut frame = [0u8; BYTES];
    black_box(&mut frame);
    if below > 0 {
        overwrite(below);
    }
    // The frame is still there while those below it are overwritten.
    black_box(&mut frame);
}

#[cfg(target_os = "linux")]
pub(crate) mod measure {
    use std::os::unix::fs::FileExt;

    use super::{DEEP, apart, black_box};

    const PAINTED: usize = DEEP + (32 << 10);
    const PAINT: u8 = 0xa5;
    /// The frame that paints ends a little deeper than what is looked at.
    const UNSURE: usize = 1024;

    #[inline(never)]
    fn paint() {
        black_box(&mut [PAINT; PAINTED]);
    }

    /// What the stack below here looks like after `work`, the deepest byte first: it is painted before, and read through the kernel after.
    /// `None` where a process may not read its own memory.
    ///
    /// Takes more than 96 KiB of stack.
    #[inline(never)]
    pub(crate) fn stack_after<R>(work: impl FnOnce() -> R) -> Option<Vec<u8>> {
        let memory = std::fs::File::open("/proc/self/mem").ok()?;
        let mut seen = vec![0; PAINTED];
        let top = black_box(&mut [0u8; 1]).as_ptr().addr() as u64;
        paint();
        apart(work);
        memory.read_exact_at(&mut seen, top.checked_sub(PAINTED as u64)?).ok()?;
        Some(seen)
    }

    /// How deep `work` goes, in bytes.
    pub(crate) fn depth_after<R>(work: impl FnOnce() -> R) -> Option<usize> {
        let seen = stack_after(work)?;
        let untouched = seen.iter().skip(UNSURE).take_while(|byte| **byte == PAINT).count();
        // Nothing left of the paint: it went deeper than can be seen.
        (untouched > 0).then_some(PAINTED - UNSURE - untouched)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_is_rounded_up_and_bounded() {
        // Of a kind that nothing else in this test program uses at the same time.
        let kind = Work::Passphrase;
        for (deepest, bytes) in [(0, 512), (342, 1024), (1264, 2048), (12_400, 18_944), (1 << 20, DEEP)] {
            kind.was_measured(deepest);
            assert_eq!(kind.overwritten(), bytes, "{deepest}");
        }
        kind.was_measured(DEEP);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_depth_is_what_was_used() {
        #[inline(never)]
        fn uses<const N: usize>() {
            black_box(&mut [1u8; N]);
        }
        let of = |depth: Option<usize>, bytes: usize| {
            let depth = depth.unwrap();
            assert!((bytes..bytes + 2048).contains(&depth), "{depth} for {bytes}");
        };
        of(measure::depth_after(uses::<1000>), 1000);
        of(measure::depth_after(uses::<30_000>), 30_000);
        assert_eq!(measure::depth_after(uses::<100_000>), None, "deeper than can be seen");
    }

    /// Every byte down to the depth is overwritten, with no gap between frames that a key would fit in.
    #[cfg(target_os = "linux")]
    #[test]
    fn nothing_is_left_out() {
        #[inline(never)]
        fn dirty() {
            black_box(&mut [0x5c_u8; 7000]);
        }
        let seen = measure::stack_after(|| with_clean_stack_after(Work::Signature, dirty)).unwrap();
        let longest = seen.split(|byte| *byte != 0x5c).map(<[u8]>::len).max().unwrap();
        assert!(longest < 16, "{longest} bytes are left");
    }
}
