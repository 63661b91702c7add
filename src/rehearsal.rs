//! How deep secret work goes on this processor, as this program was compiled: measured once in a process, with keys of no one.

#[cfg(target_os = "linux")]
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(target_os = "linux")]
use crate::stack::Work;

/// Measures it, unless it was, on a thread of its own. Less than a millisecond where the ciphers are optimised.
///
/// Before a vault's first key is used. Nobody waits for another thread that measures: that may be one of a parent from before a fork. Until
/// it is done the full depth is overwritten.
#[cfg(target_os = "linux")]
pub(crate) fn measure_stack() {
    static BEGUN: AtomicBool = AtomicBool::new(false);
    if !BEGUN.swap(true, Ordering::AcqRel) {
        // The stack of whoever opens a vault may be small.
        let thread = std::thread::Builder::new().name("oubliette-stack".to_owned()).stack_size(1 << 20);
        let measure = || (plainest(), KINDS.map(|kind| (kind, deepest(kind))));
        let measured = thread.spawn(measure).map(std::thread::JoinHandle::join);
        // Where that cannot be done the full depth is overwritten as before.
        let Some((Some(plainest), depths)) = measured.ok().and_then(Result::ok) else { return };
        for (kind, deepest) in depths {
            if let Some(deepest) = deepest {
                kind.was_measured(deepest, plainest);
            }
        }
    }
}

/// Elsewhere the full depth is overwritten.
#[cfg(not(target_os = "linux"))]
pub(crate) fn measure_stack() {}

#[cfg(target_os = "linux")]
const KINDS: [Work; 4] = [Work::KeptCipher, Work::ShortText, Work::Derivation, Work::Signature];

/// How deep a single derivation goes: it tells how this program was compiled.
#[cfg(target_os = "linux")]
fn plainest() -> Option<usize> {
    let (key, mut out) = (work::key(), [0; 32]);
    crate::stack::measure::depth_after(|| work::child(&key, &mut out))
}

#[cfg(target_os = "linux")]
fn deepest(kind: Work) -> Option<usize> {
    let mut depths = Vec::new();
    work::each(kind, &mut |_, work| depths.push(crate::stack::measure::depth_after(work)));
    depths.into_iter().try_fold(0, |deepest, depth| Some(depth?.max(deepest)))
}

#[cfg(target_os = "linux")]
mod work {
    use crate::cipher::{self, FieldCipher, Width};
    use crate::derivation::{self, Children, PageKey, RootSecret, TreeId};
    use crate::field::{FieldId, Purpose};
    use crate::journal::VaultName;
    use crate::personal::{Email, TypeTag};
    use crate::secret::Secret32;
    use crate::stack::Work;

    const TREE: TreeId = TreeId([1; 8]);
    /// Short and long texts take other paths through the ciphers.
    const SIZES: [usize; 6] = [1, 64, 256, Width::WIDE_FROM - 1, 4096, 1 << 16];

    pub(super) fn key() -> [u8; 32] {
        let mut next = 5_u8;
        [(); 32].map(|()| {
            next = next.wrapping_add(37);
            next
        })
    }

    pub(super) fn field() -> FieldId {
        FieldId { purpose: Purpose::new("p"), label: "email", tag: TypeTag::new("x") }
    }

    /// Each piece of work of a kind, by a name for messages.
    pub(super) fn each(kind: Work, run: &mut dyn FnMut(&'static str, &mut dyn FnMut())) {
        match kind {
            Work::KeptCipher => {
                let kept = FieldCipher::new(&key(), field(), Width::Narrow);
                // It was made for a short text, and is used for whatever comes.
                for size in SIZES {
                    let (mut text, mut tag) = (vec![0; size], [0; 16]);
                    run("seal", &mut || {
                        let _ = kept.seal(&[1; 12], b"x", &mut text, &mut tag);
                    });
                    run("open", &mut || {
                        let _ = kept.open(&[1; 12], kept.commitment(), b"x", &mut text, &tag);
                    });
                }
            }
            Work::ShortText => {
                path(run);
                fields(Width::Narrow, run);
            }
            Work::Derivation => {
                path(run);
                fields(Width::Wide, run);
                derivations(run);
            }
            Work::Signature => {
                run("sign", &mut || {
                    let _ = crate::signature::sign_once(&key(), b"an entry");
                });
                let seed = Secret32::copy_of(&key());
                run("public key", &mut || {
                    let _ = crate::signature::public_key_once(&seed);
                });
            }
            Work::Passphrase => {}
        }
    }

    pub(super) fn child(key: &[u8; 32], out: &mut [u8; 32]) {
        derivation::child(key, TREE, 1, 2, out);
    }

    /// From a tree to a customer.
    fn path(run: &mut dyn FnMut(&'static str, &mut dyn FnMut())) {
        let (key, mut out) = (key(), [0; 32]);
        run("child", &mut || child(&key, &mut out));
        run("children", &mut || Children::of(&key, TREE, 1).derive(2, &mut out));
    }

    fn fields(width: Width, run: &mut dyn FnMut(&'static str, &mut dyn FnMut())) {
        let key = key();
        run("field", &mut || drop(FieldCipher::new(&key, field(), width)));
        for size in SIZES.into_iter().filter(|size| width == Width::Wide || Width::for_text(*size) == width) {
            let (mut text, mut tag) = (vec![0; size], [0; 16]);
            run("seal with a new cipher", &mut || {
                let _ = FieldCipher::new(&key, field(), width).seal(&[1; 12], b"x", &mut text, &mut tag);
            });
            run("open with a new cipher", &mut || {
                let made = FieldCipher::new(&key, field(), width);
                let _ = made.open(&[1; 12], made.commitment(), b"x", &mut text, &tag);
            });
        }
    }

    fn derivations(run: &mut dyn FnMut(&'static str, &mut dyn FnMut())) {
        let (key, mut out) = (key(), [0; 32]);
        let (page, root) = (PageKey(Secret32::copy_of(&key)), RootSecret(Secret32::copy_of(&key)));
        let index = Purpose::new("p").field::<Email>("email").index("exact", crate::index::bits(32)).name();
        run("page", &mut || drop(derivation::page(&page)));
        run("page key", &mut || derivation::page_key(&key, &[1; 38], &[2; 8256], &mut out));
        run("record", &mut || drop(derivation::record(&root, &key, VaultName::from_bytes([1; 16]))));
        run("index", &mut || derivation::index(&key, index, &mut out));
        run("token", &mut || derivation::token(&key, b"alice@example.com", &mut out));
        for size in SIZES {
            let (mut text, mut tag) = (vec![0; size], [0; 16]);
            run("seal once", &mut || tag = cipher::seal_once(&key, b"x", &mut text).unwrap_or_default());
            run("open once", &mut || {
                let _ = cipher::open_once(&key, b"x", &mut text, &tag);
            });
        }
    }
}

/// Another test's thread may be measuring.
#[cfg(all(test, target_os = "linux"))]
pub(crate) fn measured() {
    measure_stack();
    let begun = std::time::Instant::now();
    while KINDS.iter().any(|kind| kind.overwritten() == crate::stack::DEEP) {
        assert!(
            begun.elapsed() < std::time::Duration::from_secs(20),
            "not measured, or deeper than all that is overwritten"
        );
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::collections::HashSet;
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::cipher::{FieldCipher, Width};
    use crate::stack::{DEEP, measure, with_clean_stack_after, with_margin};

    /// Pieces of a secret on the stack below here, after `work`.
    fn left_of(secret: &[u8], work: impl FnOnce()) -> usize {
        // Not what lies between the fields of a type, as an address that was there before.
        let is_random = |piece: &&[u8; 8]| piece.iter().filter(|byte| **byte == 0).count() < 2;
        let pieces: HashSet<&[u8; 8]> = secret.as_chunks::<8>().0.iter().filter(is_random).collect();
        let seen = measure::stack_after(work).unwrap();
        seen.windows(8).filter(|bytes| pieces.contains(bytes.first_chunk::<8>().unwrap())).count()
    }

    /// The bytes of an expanded key: round keys, and what GHASH multiplies with.
    fn schedule() -> Vec<u8> {
        let cipher = FieldCipher::new(&work::key(), work::field(), Width::Narrow);
        let (address, bytes) = cipher.place();
        let mut schedule = vec![0; bytes];
        std::fs::File::open("/proc/self/mem").unwrap().read_exact_at(&mut schedule, address).unwrap();
        schedule
    }

    /// Each piece of work stays above the depth that is overwritten after its kind, and leaves nothing once that is done, however this
    /// program was compiled. The test sees what they leave otherwise.
    #[test]
    fn what_is_overwritten_is_deep_enough() {
        measured();
        let mut secret = work::key().to_vec();
        secret.extend(schedule());
        let plainest = plainest().unwrap();
        let mut leaves = 0;
        for kind in KINDS {
            let bytes = kind.overwritten();
            assert!(bytes < DEEP, "{kind:?}: it was not measured, or goes deeper than {DEEP}");
            work::each(kind, &mut |what, work| {
                let depth = measure::depth_after(&mut *work).unwrap();
                println!("{what}: {depth} bytes deep, {bytes} are overwritten");
                assert!(
                    with_margin(depth, plainest) <= bytes + bytes / 8,
                    "{what} is {depth} bytes deep, and {bytes} are overwritten"
                );
                leaves += left_of(&secret, &mut *work);
                let left = left_of(&secret, || with_clean_stack_after(kind, &mut *work));
                assert_eq!(left, 0, "{what}: pieces of the key are left");
            });
        }
        assert!(leaves > 0, "the test sees nothing at all of what these primitives are known to leave");
    }

    #[test]
    fn a_panic_leaves_nothing_either() {
        measured();
        let made = FieldCipher::new(&work::key(), work::field(), Width::Narrow);
        let secret = schedule();
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| ()));
        let left = left_of(&secret, || {
            let seal = || made.seal(&[1; 12], b"x", &mut [0; 64], &mut [0; 16]).map(|_| panic!("of the application's"));
            let work = || with_clean_stack_after(Work::KeptCipher, seal);
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err());
        });
        std::panic::set_hook(hook);
        assert_eq!(left, 0, "left behind by a panic");
    }
}
