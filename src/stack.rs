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

/// What one derivation takes at most where the ciphers are optimised; where they are not, it takes twice as much.
const OPTIMISED: usize = 2 << 10;

/// What is overwritten where so much was measured, and more for the frames between the place that overwrites and the primitive, which the measurement does
/// not have. The same compiler made those. Optimised they are small: half as much again and a little is enough. Unoptimised they take kilobytes, also on a
/// processor whose ciphers take few: so they get half as much again as the `plainest` work took, a single derivation, and no less.
pub(crate) const fn with_margin(deepest: usize, plainest: usize) -> usize {
    let half = deepest / 2;
    let unoptimised = if plainest > OPTIMISED { plainest.saturating_add(plainest / 2) } else { 0 };
    let between = if unoptimised > half { unoptimised } else { half };
    deepest.saturating_add(between).saturating_add(STEP)
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

    /// It was seen to reach so deep, and one derivation so deep. A depth that could not be measured leaves all as it is.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    pub(crate) fn was_measured(self, deepest: usize, plainest: usize) {
        let bytes = with_margin(deepest, plainest).next_multiple_of(STEP);
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
    #[cfg(all(test, target_os = "linux"))]
    if probe::is_on() {
        return probe::look(kind, work);
    }
    let panicked = Panicked;
    let result = apart(work);
    std::mem::forget(panicked);
    overwrite(kind.overwritten());
    result
}

/// Overwrites what earlier work left on the stack below here, and runs `work` there: for what is moved to the heap. Its padding, and places in it that
/// are not filled yet, take along what lies on the stack, and nobody wipes them there.
pub(crate) fn on_clean_stack<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(all(test, target_os = "linux"))]
    if probe::is_on() {
        return probe::on_clean_stack(work);
    }
    overwrite(Work::Derivation.overwritten());
    apart(work)
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

/// A frame at a time, one right below the other. Of the sizes that are zeroed fastest: from some 2 KiB on `memset` takes twice as long for each byte.
#[inline(always)]
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
    pub(super) fn paint() {
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
        let untouched = untouched(&stack_after(work)?);
        // Nothing left of the paint: it went deeper than can be seen.
        (untouched > 0).then_some(PAINTED - UNSURE - untouched)
    }

    fn untouched(seen: &[u8]) -> usize {
        seen.iter().skip(UNSURE).take_while(|byte| **byte == PAINT).count()
    }

    /// The lowest address below `top` that is painted no more.
    #[cfg(test)]
    pub(super) fn lowest_below(top: usize) -> usize {
        let mut seen = vec![0; PAINTED];
        std::fs::File::open("/proc/self/mem").unwrap().read_exact_at(&mut seen, (top - PAINTED) as u64).unwrap();
        top - PAINTED + UNSURE + untouched(&seen)
    }
}

/// How deep the work of a vault really goes, with all the frames that are between: looked at instead of overwritten.
#[cfg(all(test, target_os = "linux"))]
pub(crate) mod probe {
    use std::cell::{Cell, RefCell};

    use super::{Work, apart, black_box, measure};

    thread_local! {
        static SEEN: RefCell<Option<Vec<(Work, usize)>>> = const { RefCell::new(None) };
        /// Where the work that is under way began, and the lowest address that it was seen to reach.
        static UNDER_WAY: Cell<Option<(usize, usize)>> = const { Cell::new(None) };
    }

    /// What this thread's work within `run` reached.
    pub(crate) fn watch(run: impl FnOnce()) -> Vec<(Work, usize)> {
        SEEN.set(Some(Vec::new()));
        run();
        SEEN.take().unwrap()
    }

    pub(super) fn is_on() -> bool {
        SEEN.with_borrow(Option::is_some)
    }

    /// The zeros that are written before hold nothing, however deep they go: the stack is painted anew after them.
    #[inline(never)]
    pub(super) fn on_clean_stack<R>(work: impl FnOnce() -> R) -> R {
        let around = UNDER_WAY.take().map(|(top, lowest)| (top, lowest.min(measure::lowest_below(top))));
        super::overwrite(Work::Derivation.overwritten());
        measure::paint();
        UNDER_WAY.set(around);
        apart(work)
    }

    /// Work within other work overwrites itself, so it is no part of the other: the stack is painted anew after it.
    #[inline(never)]
    pub(super) fn look<R>(kind: Work, work: impl FnOnce() -> R) -> R {
        let around = UNDER_WAY.take().map(|(top, lowest)| (top, lowest.min(measure::lowest_below(top))));
        let top = black_box(&mut [0u8; 1]).as_ptr().addr();
        measure::paint();
        UNDER_WAY.set(Some((top, top)));
        let result = apart(work);
        let (_, lowest) = UNDER_WAY.take().unwrap();
        let depth = top - lowest.min(measure::lowest_below(top));
        SEEN.with_borrow_mut(|seen| seen.as_mut().unwrap().push((kind, depth)));
        measure::paint();
        UNDER_WAY.set(around);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_is_rounded_up_and_bounded() {
        // Of a kind that nothing else in this test program uses at the same time.
        let kind = Work::Passphrase;
        for (deepest, plainest, bytes) in [
            (0, 0, 512),
            (1, 0, 1024),
            (1264, 1087, 2560),
            (12_400, 1087, 19_456),
            // Unoptimised, on processors with shallow ciphers and with deep ones.
            (5671, 4615, 13_312),
            (27_000, 4615, 41_472),
            (1 << 20, 0, DEEP),
        ] {
            kind.was_measured(deepest, plainest);
            assert_eq!(kind.overwritten(), bytes, "{deepest}");
        }
        kind.was_measured(DEEP, 0);
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
        for bytes in [1, 2, 3, 4, 5, 6, 7, 8, 11, 16].map(|steps| steps * STEP) {
            let seen = measure::stack_after(|| {
                dirty();
                overwrite(bytes);
            });
            // The deepest byte first: what is left lies below.
            let seen = seen.unwrap();
            let left: Vec<usize> =
                seen.split(|byte| *byte != 0x5c).map(<[u8]>::len).filter(|length| *length >= 16).collect();
            match left[..] {
                [] => assert!(bytes >= 6656, "{bytes}"),
                [left] => assert!(left.abs_diff(7000_usize.saturating_sub(bytes)) < 256, "{bytes}: {left} are left"),
                _ => panic!("{bytes}: {left:?} are left"),
            }
        }
    }
}
