//! One page: a table of a node's 256 children, and its encrypted form.

use zeroize::Zeroizing;

use crate::cipher::{self, TAG_BYTES};
use crate::derivation::{self, Children, PageKey, TreeId};
use crate::journal::VaultName;
use crate::key_tree::position::Position;
use crate::secret::Secret32;
use crate::stack::with_clean_stack;
use crate::store::{PAGE_BYTES, PageName, StoredPage};

const VERSION: u8 = 1;
const GENERATION: usize = 1;
const TEXT: usize = GENERATION + 8;
const KINDS_BYTES: usize = 64;
const KEYS: usize = TEXT + KINDS_BYTES;
const TAG: usize = KEYS + 256 * 32;
const _: () = assert!(TAG + TAG_BYTES == PAGE_BYTES);

/// What a page says of one child. Stored as two bits, so that 3 is damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The child's own key: a seed, or at the last level a customer key. Nothing below it was written down.
    Key,
    /// The key of the page that the child was written down as.
    Page,
    /// All below it is shredded. The 32 bytes are zero.
    Shredded,
}

/// Why a page cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damage {
    #[error("its size is wrong")]
    Size,
    #[error("its format is of a newer version")]
    Version,
    #[error("it is not authentic")]
    NotAuthentic,
    #[error("it has an unknown kind of entry")]
    Kind,
    #[error("a shredded entry is not empty")]
    NotEmpty,
    #[error("it is newer than the page above it")]
    Newer,
}

/// A page's content: kinds and keys, at one heap address until it is wiped on drop.
pub(crate) struct Page {
    /// Laid out as stored: version, generation, kinds, keys, tag. In clear here, and wiped on drop.
    bytes: Zeroizing<Vec<u8>>,
}

impl Page {
    /// The children of a node that was only a key until now.
    pub(crate) fn expanded(key: &[u8; 32], tree: TreeId, position: Position) -> Page {
        let mut page = Page { bytes: Zeroizing::new(vec![0; PAGE_BYTES]) };
        with_clean_stack(|| {
            let children = Children::of(key, tree, position.level() + 1);
            for (byte, out) in (0..=u8::MAX).zip(page.keys_mut()) {
                children.derive(byte, out);
            }
        });
        if position == Position::FIRST_LEAVES {
            // Number 0 is never issued; counting it as shredded lets this page fill up like any other.
            page.shred(0);
        }
        page
    }

    pub(crate) fn copy(&self) -> Page {
        Page { bytes: self.bytes.clone() }
    }

    pub(crate) fn generation(&self) -> u64 {
        self.bytes.get(GENERATION..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }

    pub(crate) fn kind(&self, byte: u8) -> Kind {
        // Checked when decoded, so 3 cannot occur; were it to, refusing is right.
        match self.raw_kind(byte) {
            0 => Kind::Key,
            1 => Kind::Page,
            _ => Kind::Shredded,
        }
    }

    pub(crate) fn key(&self, byte: u8) -> &[u8; 32] {
        const NONE: [u8; 32] = [0; 32];
        let start = KEYS + usize::from(byte) * 32;
        self.bytes.get(start..).and_then(|bytes| bytes.first_chunk()).unwrap_or(&NONE)
    }

    pub(crate) fn page_key(&self, byte: u8) -> PageKey {
        PageKey(Secret32::copy_of(self.key(byte)))
    }

    /// A child's key, in place of the one that followed from this page's seed.
    pub(super) fn set_key(&mut self, byte: u8, key: &[u8; 32]) {
        self.key_mut(byte).copy_from_slice(key);
    }

    pub(crate) fn set_page(&mut self, byte: u8, key: &PageKey) {
        self.set_kind(byte, 1);
        self.key_mut(byte).copy_from_slice(key.0.bytes());
    }

    pub(crate) fn shred(&mut self, byte: u8) {
        self.set_kind(byte, 2);
        #[cfg(planted)]
        if crate::planted::is_planted(crate::planted::Bug::SeedLeft) {
            return;
        }
        self.key_mut(byte).fill(0);
    }

    /// True when nothing is left below this page.
    pub(crate) fn is_all_shredded(&self) -> bool {
        self.bytes.get(TEXT..KEYS).is_some_and(|kinds| kinds.iter().all(|kinds| *kinds == 0b1010_1010))
    }

    /// Encrypts a copy under a new key, made from `fresh` and the content.
    pub(crate) fn seal(
        &mut self,
        fresh: &[u8; 32],
        vault: VaultName,
        tree: TreeId,
        position: Position,
        generation: u64,
    ) -> Result<(PageKey, StoredPage), cipher::NotAuthentic> {
        for (place, byte) in self.bytes.iter_mut().zip([&[VERSION][..], &generation.to_be_bytes()].concat()) {
            *place = byte;
        }
        let associated = associated(vault, tree, position, generation);
        let mut key = PageKey(Secret32::empty());
        let plain = self.bytes.get(TEXT..TAG).unwrap_or_default();
        with_clean_stack(|| derivation::page_key(fresh, &associated, plain, key.0.bytes_mut()));
        #[cfg(planted)]
        if crate::planted::is_planted(crate::planted::Bug::ReusedPageKey) {
            derivation::page_key(&[0; 32], &associated[..30], &[], key.0.bytes_mut());
        }
        let (name, bytes) = with_clean_stack(|| {
            let derived = derivation::page(&key);
            // Encrypted where it lies: no copy of the plaintext remains.
            let mut bytes = self.bytes.to_vec();
            let (head, tag) = bytes.split_at_mut(TAG);
            let text = head.get_mut(TEXT..).unwrap_or_default();
            let made = cipher::seal_once(derived.key.bytes(), &associated, text)?;
            tag.copy_from_slice(&made);
            Ok((PageName(derived.other), bytes))
        })?;
        Ok((key, StoredPage { name, bytes }))
    }

    /// Decrypts and checks a page. `newest` is the generation of what points to it.
    pub(crate) fn open(
        bytes: Vec<u8>,
        key: &PageKey,
        vault: VaultName,
        tree: TreeId,
        position: Position,
        newest: u64,
    ) -> Result<Page, Damage> {
        if bytes.len() != PAGE_BYTES {
            return Err(Damage::Size);
        }
        match bytes.first() {
            Some(&VERSION) => {}
            Some(0) | None => return Err(Damage::NotAuthentic),
            Some(_) => return Err(Damage::Version),
        }
        let mut page = Page { bytes: Zeroizing::new(bytes) };
        let generation = page.generation();
        let associated = associated(vault, tree, position, generation);
        with_clean_stack(|| {
            let derived = derivation::page(key);
            let (head, tag) = page.bytes.split_last_chunk_mut::<TAG_BYTES>().ok_or(Damage::Size)?;
            let text = head.get_mut(TEXT..).ok_or(Damage::Size)?;
            cipher::open_once(derived.key.bytes(), &associated, text, tag).map_err(|_| Damage::NotAuthentic)
        })?;
        if generation > newest {
            return Err(Damage::Newer);
        }
        page.check(position)?;
        Ok(page)
    }

    fn check(&self, position: Position) -> Result<(), Damage> {
        for byte in 0..=u8::MAX {
            match self.raw_kind(byte) {
                0 => {}
                1 if !position.is_leaf() => {}
                2 if self.key(byte).iter().all(|byte| *byte == 0) => {}
                2 => return Err(Damage::NotEmpty),
                _ => return Err(Damage::Kind),
            }
        }
        Ok(())
    }

    fn raw_kind(&self, byte: u8) -> u8 {
        let packed = self.bytes.get(TEXT + usize::from(byte / 4)).copied().unwrap_or(u8::MAX);
        packed >> (6 - 2 * (byte % 4)) & 3
    }

    fn set_kind(&mut self, byte: u8, kind: u8) {
        let shift = 6 - 2 * (byte % 4);
        if let Some(packed) = self.bytes.get_mut(TEXT + usize::from(byte / 4)) {
            *packed = *packed & !(3 << shift) | kind << shift;
        }
    }

    fn keys_mut(&mut self) -> impl Iterator<Item = &mut [u8; 32]> {
        self.bytes.get_mut(KEYS..TAG).unwrap_or_default().as_chunks_mut().0.iter_mut()
    }

    fn key_mut(&mut self, byte: u8) -> &mut [u8] {
        let start = KEYS + usize::from(byte) * 32;
        self.bytes.get_mut(start..start + 32).unwrap_or_default()
    }
}

/// The name of the page that has this key.
pub(crate) fn name(key: &PageKey) -> PageName {
    with_clean_stack(|| PageName(derivation::page(key).other))
}

/// What a page's tag covers beside its content. Only version and generation are stored with it: the reader knows the
/// rest from where it found the key.
fn associated(vault: VaultName, tree: TreeId, position: Position, generation: u64) -> [u8; 38] {
    let mut bytes = [0; 38];
    let parts = [
        &[VERSION][..],
        &vault.to_bytes(),
        &tree.0,
        &[position.level()],
        &position.prefix(),
        &generation.to_be_bytes(),
    ];
    for (place, byte) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
        *place = *byte;
    }
    bytes
}

/// For fuzzing: see `key_tree/fuzzing.rs`.
#[cfg(fuzzing)]
impl Page {
    pub(super) fn of_content(content: &[u8]) -> Page {
        let mut bytes = Zeroizing::new(vec![0; PAGE_BYTES]);
        for (place, byte) in bytes.iter_mut().take(TAG).skip(TEXT).zip(content) {
            *place = *byte;
        }
        Page { bytes }
    }

    pub(super) fn content(&self) -> Vec<u8> {
        self.bytes.get(TEXT..TAG).unwrap_or_default().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VAULT: VaultName = VaultName::from_bytes([1; 16]);
    const TREE: TreeId = TreeId([2; 8]);

    fn sealed(position: Position, change: impl FnOnce(&mut Page)) -> (PageKey, Vec<u8>) {
        let mut page = Page::expanded(&[7; 32], TREE, position);
        change(&mut page);
        let (key, stored) = page.seal(&[9; 32], VAULT, TREE, position, 5).unwrap();
        (key, stored.bytes)
    }

    fn open(bytes: Vec<u8>, key: &PageKey, position: Position) -> Result<Page, Damage> {
        Page::open(bytes, key, VAULT, TREE, position, 5)
    }

    #[test]
    fn opens_only_where_it_belongs() {
        let position = Position::of(&[3, 4]);
        let (key, bytes) = sealed(position, |page| page.shred(17));
        let page = open(bytes.clone(), &key, position).unwrap();
        assert_eq!((page.kind(17), page.kind(18), page.generation()), (Kind::Shredded, Kind::Key, 5));
        assert_eq!(page.key(17), &[0; 32]);
        for elsewhere in [Position::of(&[3, 5]), Position::of(&[3]), Position::of(&[3, 4, 0])] {
            assert_eq!(open(bytes.clone(), &key, elsewhere).err(), Some(Damage::NotAuthentic));
        }
        let other = Page::open(bytes.clone(), &key, VaultName::from_bytes([8; 16]), TREE, position, 5);
        assert_eq!(other.err(), Some(Damage::NotAuthentic));
        let other = Page::open(bytes.clone(), &key, VAULT, TreeId([8; 8]), position, 5);
        assert_eq!(other.err(), Some(Damage::NotAuthentic));
        assert_eq!(Page::open(bytes, &key, VAULT, TREE, position, 4).err(), Some(Damage::Newer));
    }

    #[test]
    fn every_length_and_every_flip_is_refused() {
        let position = Position::of(&[3, 4]);
        let (key, bytes) = sealed(position, |_| ());
        for length in [0, 1, 8, 9, PAGE_BYTES - 1] {
            assert_eq!(open(bytes[..length].to_vec(), &key, position).err(), Some(Damage::Size));
        }
        for at in (0..PAGE_BYTES).step_by(37).chain(0..12).chain(PAGE_BYTES - 17..PAGE_BYTES) {
            let mut bad = bytes.clone();
            bad[at] ^= 2;
            let expected = if at == 0 { Damage::Version } else { Damage::NotAuthentic };
            assert_eq!(open(bad, &key, position).err(), Some(expected), "byte {at}");
        }
    }

    /// Authentic pages that a correct writer never makes: written by a bug, they must not be believed.
    #[test]
    fn authentic_nonsense_is_damage() {
        let (inner, leaf) = (Position::of(&[3]), Position::of(&[3, 1, 2, 3]));
        let (key, bytes) = sealed(inner, |page| page.set_kind(5, 3));
        assert_eq!(open(bytes, &key, inner).err(), Some(Damage::Kind));
        let (key, bytes) = sealed(leaf, |page| page.set_kind(5, 1));
        assert_eq!(open(bytes, &key, leaf).err(), Some(Damage::Kind));
        let (key, bytes) = sealed(inner, |page| page.set_kind(5, 2));
        assert_eq!(open(bytes, &key, inner).err(), Some(Damage::NotEmpty));
    }

    /// Rule 5: a machine resumed twice from one snapshot has the same randomness; the content tells the keys apart.
    #[test]
    fn repeated_randomness_gives_different_keys_for_different_pages() {
        let position = Position::of(&[3, 4]);
        let keys = [1, 2].map(|shred| *sealed(position, |page| page.shred(shred)).0.0.bytes());
        assert_ne!(keys[0], keys[1]);
        let mut page = Page::expanded(&[7; 32], TREE, position);
        let keys =
            [5, 6].map(|generation| *page.seal(&[9; 32], VAULT, TREE, position, generation).unwrap().0.0.bytes());
        assert_ne!(keys[0], keys[1], "the associated data is bound as well");
    }

    #[test]
    fn number_zero_counts_as_shredded() {
        assert_eq!(Page::expanded(&[7; 32], TREE, Position::FIRST_LEAVES).kind(0), Kind::Shredded);
        assert_eq!(Page::expanded(&[7; 32], TREE, Position::of(&[0, 0, 0, 1])).kind(0), Kind::Key);
    }

    proptest! {
        #[test]
        fn kinds_are_independent(writes in proptest::collection::vec((any::<u8>(), 0u8..3), 0..300)) {
            let mut page = Page::expanded(&[7; 32], TREE, Position::of(&[3]));
            let mut model = [0u8; 256];
            for (byte, kind) in writes {
                page.set_kind(byte, kind);
                model[usize::from(byte)] = kind;
            }
            for byte in 0..=255 {
                prop_assert_eq!(page.raw_kind(byte), model[usize::from(byte)]);
            }
        }
    }
}
