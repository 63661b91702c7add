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

/// Runs `work`, then overwrites the stack that it used.
///
/// Key schedules and hash states of the primitives live on the stack for a moment. The types are wiped by their drop,
/// but a copy made by moving one, or a spilled register, is not. Results must be left on the heap.
///
/// Also when `work` panics, as a store or a key wrapper of the application's may.
pub(crate) fn with_clean_stack<R>(work: impl FnOnce() -> R) -> R {
    struct Clean;
    impl Drop for Clean {
        fn drop(&mut self) {
            overwrite_stack();
        }
    }
    let clean = Clean;
    let result = apart(work);
    drop(clean);
    result
}

#[inline(never)]
fn apart<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// Deeper than any derivation or cipher call here reaches, with room for the frames between: AES-GCM with vector
/// instructions takes 8 600 to 12 400 bytes, by what the compiler made of it, and leaves round keys nearly that deep (the
/// test below measures it).
const STACK_BYTES: usize = 16 * 1024;

#[inline(never)]
fn overwrite_stack() {
    black_box(&mut [0u8; STACK_BYTES]);
}

/// How deep a piece of work goes below here, and at which depths it leaves pieces of a secret: the stack is painted
/// before, and looked at through the kernel after.
#[cfg(all(test, target_os = "linux"))]
pub(crate) fn depths_of<R>(secret: &[u8], work: impl FnOnce() -> R) -> (usize, Vec<usize>) {
    use std::os::unix::fs::FileExt;
    const PAINTED: usize = 1 << 16;
    const PAINT: u8 = 0xa5;

    #[inline(never)]
    fn paint() {
        black_box(&mut [PAINT; PAINTED]);
    }

    let pieces: std::collections::HashSet<&[u8; 8]> =
        secret.as_chunks::<8>().0.iter().filter(|piece| **piece != [0; 8]).collect();
    let memory = std::fs::File::open("/proc/self/mem").unwrap();
    let mut seen = vec![0; PAINTED];
    let top = black_box(&mut [0u8; 1]).as_ptr() as u64;
    paint();
    apart(work);
    memory.read_exact_at(&mut seen, top - PAINTED as u64).unwrap();
    // The paint itself ends a little deeper than this.
    let untouched = seen.iter().skip(1024).take_while(|byte| **byte == PAINT).count();
    let found = |at: &usize| pieces.contains(seen[*at..].first_chunk().unwrap());
    let residues = (0..PAINTED - 8).rev().filter(found).map(|at| PAINTED - at).collect();
    (PAINTED - 1024 - untouched, residues)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every primitive stays above the depth that is overwritten, by enough for the frames of its callers. On another
    /// processor the ciphers take other paths, and other depths.
    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_overwritten_is_deep_enough() {
        use std::os::unix::fs::FileExt;

        use crate::cipher::{self, FieldCipher};
        use crate::derivation::{self, Children, PageKey, RootSecret, TreeId};
        use crate::field::{FieldId, Purpose};
        use crate::journal::VaultName;
        use crate::personal::TypeTag;

        const TREE: TreeId = TreeId([1; 8]);
        let deep_enough = |what: &str, (depth, residues): (usize, Vec<usize>)| {
            println!("{what}: {depth} bytes deep, {} residues down to {:?}", residues.len(), residues.last());
            assert!(depth + 2048 <= STACK_BYTES, "{what} is {depth} bytes deep");
            !residues.is_empty()
        };
        let key: [u8; 32] = std::array::from_fn(|i| (i * 37 + 5) as u8);
        let mut out = [0; 32];
        deep_enough("child", depths_of(&key, || derivation::child(&key, TREE, 1, 2, &mut out)));
        deep_enough("children", depths_of(&key, || Children::of(&key, TREE, 1).derive(2, &mut out)));
        let page = PageKey(Secret32::copy_of(&key));
        deep_enough("page", depths_of(&key, || derivation::page(&page)));
        deep_enough("page key", depths_of(&key, || derivation::page_key(&key, &[1; 38], &[2; 8256], &mut out)));
        let root = RootSecret(Secret32::copy_of(&key));
        deep_enough("record", depths_of(&key, || derivation::record(&root, &key, VaultName::from_bytes([1; 16]))));
        deep_enough("sign", depths_of(&key, || crate::signature::sign_once(&key, b"an entry")));
        let name = FieldId { purpose: Purpose::new("p"), label: "email", tag: TypeTag::new("x") };
        let email = Purpose::new("p").field::<crate::personal::Email>("email");
        let index = email.index("exact", crate::index::bits(32)).name();
        let mut made = None;
        deep_enough("index", depths_of(&key, || derivation::index(&key, index, &mut out)));
        deep_enough("token", depths_of(&key, || derivation::token(&key, b"alice@example.com", &mut out)));
        deep_enough("field", depths_of(&key, || made = Some(FieldCipher::new(&key, name))));
        let made = made.unwrap();
        let mut schedule = vec![0; 480];
        let memory = std::fs::File::open("/proc/self/mem").unwrap();
        memory.read_exact_at(&mut schedule, made.address()).unwrap();
        let mut left = false;
        for size in [1, 64, 256, 4096, 1 << 16] {
            let (mut text, mut tag) = (vec![0; size], [0; 16]);
            left |= deep_enough("seal", depths_of(&schedule, || tag = made.seal(&[1; 12], b"x", &mut text).unwrap()));
            let open = || made.open(&[1; 12], made.commitment(), b"x", &mut text, &tag).unwrap();
            left |= deep_enough("open", depths_of(&schedule, open));
            let seal = || tag = cipher::seal_once(&key, b"x", &mut text).unwrap();
            left |= deep_enough("seal once", depths_of(&key, seal));
            let open = || cipher::open_once(&key, b"x", &mut text, &tag).unwrap();
            left |= deep_enough("open once", depths_of(&key, open));
        }
        assert!(left, "the test sees no residue at all, which these ciphers are known to leave");
        let (_, residues) = depths_of(&schedule, || {
            with_clean_stack(|| made.seal(&[1; 12], b"x", &mut [0; 64]).unwrap());
        });
        assert!(residues.is_empty(), "left behind although overwritten: {residues:?}");
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| ()));
        let (_, residues) = depths_of(&schedule, || {
            let work =
                || with_clean_stack(|| made.seal(&[1; 12], b"x", &mut [0; 64]).map(|_| panic!("of the application's")));
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err());
        });
        std::panic::set_hook(hook);
        assert!(residues.is_empty(), "left behind by a panic: {residues:?}");
    }

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
