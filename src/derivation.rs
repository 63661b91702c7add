//! Every key derivation of the crate and its label, on one page.
//!
//! | from | by | gives |
//! |---|---|---|
//! | seed of a node | HKDF-Expand, `oubliette/1/child`, tree id, level, byte | seed of a child; at level 5 the customer key |
//! | customer key | HKDF-Expand, `oubliette/1/field`, field label, type tag | AES key and commitment of a field |
//! | an index's name | SHA-256, `oubliette/1/place-of-index` | where its epochs are in the tree of the indexes |
//! | key of an epoch (level 5 there) | HKDF-Expand, `oubliette/1/index`, the index's name | index key |
//! | index key, a canonical form | HMAC | token, cut to its bits |
//! | 32 fresh bytes, a page | HMAC, `oubliette/1/new-page` | page key |
//! | page key | HKDF-Expand, `oubliette/1/page` | AES key and name of a page |
//! | 32 fresh bytes, a record | HMAC, `oubliette/1/new-record` | salt of a root record |
//! | root key, salt, vault id | HKDF-Expand, `oubliette/1/record` | AES key and commitment of a root record |
//! | seed that signs | HKDF-Expand, `oubliette/1/mark`, vault id, generation, 1 in a copy | proof of a mark |
//! | vault id, 8 fresh bytes | SHA-256, `oubliette/1/series` | name of a series of root keys: by it a vault knows its own in a token |
//! | passphrase, salt | Argon2id | root key |
//!
//! HKDF is RFC 5869 with SHA-256, Expand only: every input key is uniform already. HMAC is RFC 2104. A label ends where
//! a part of fixed size or with a length before it begins, and no label is a prefix of another, so no two derivations
//! from one key have the same input. What is signed has labels of its own, in oubliette-journal.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::field::{FieldId, LABEL_BYTES, PURPOSE_BYTES};
use crate::index::IndexName;
use crate::journal::{KeyTreeId, VaultName};
use crate::personal::TAG_BYTES;
use crate::secret::Secret32;

const CHILD: &[u8] = b"oubliette/1/child";
const FIELD: &[u8] = b"oubliette/1/field";
const PLACE_OF_INDEX: &[u8] = b"oubliette/1/place-of-index";
const INDEX: &[u8] = b"oubliette/1/index";
const NEW_PAGE: &[u8] = b"oubliette/1/new-page";
const PAGE: &[u8] = b"oubliette/1/page";
const NEW_RECORD: &[u8] = b"oubliette/1/new-record";
const MARK: &[u8] = b"oubliette/1/mark";
const RECORD: &[u8] = b"oubliette/1/record";
const SERIES: &[u8] = b"oubliette/1/series";

/// The name of a series of a vault's root keys: eight fresh bytes, and eight that follow from them and the vault.
pub(crate) fn series(vault: VaultName, fresh: [u8; 8]) -> [u8; 16] {
    let hash = Sha256::new().chain_update(SERIES).chain_update(vault.to_bytes()).chain_update(fresh).finalize();
    let mut name = [0; 16];
    join(&[&fresh, hash.get(..8).unwrap_or(&[])], &mut name);
    name
}

/// Whether a series is this vault's, by its name.
pub(crate) fn is_series_of(vault: VaultName, name: [u8; 16]) -> bool {
    name.first_chunk().is_some_and(|fresh| series(vault, *fresh) == name)
}

/// The depth of the customers in a key tree: one step a byte of the customer number.
pub(crate) const CUSTOMER_LEVEL: u8 = 5;

/// Eight random bytes that name a key tree. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct TreeId(pub(crate) [u8; 8]);

impl From<KeyTreeId> for TreeId {
    fn from(tree: KeyTreeId) -> TreeId {
        TreeId(tree.to_bytes())
    }
}

impl From<TreeId> for KeyTreeId {
    fn from(tree: TreeId) -> KeyTreeId {
        KeyTreeId::from_bytes(tree.0)
    }
}

/// The key of a node at level 0 to 4, from which all below it follow.
#[derive(Debug)]
pub(crate) struct Seed(pub(crate) Secret32);

/// The key of one customer and purpose, a node at level 5: keyed once for all the fields that are derived from it.
///
/// On the heap, since a list of keys has places without one: a place that holds a key itself takes along from the stack what lay there, where there is none.
pub(crate) struct CustomerKey(Box<Hkdf<Sha256>>);

impl CustomerKey {
    pub(crate) fn of(key: &[u8; 32]) -> CustomerKey {
        CustomerKey(keyed(key))
    }

    /// Writes the AES-256 key and the key commitment of one field.
    pub(crate) fn field(&self, name: FieldId, out: &mut Zeroizing<[[u8; 32]; 2]>) {
        field_of(&self.0, name, out);
    }
}

/// The key of one version of one page.
#[derive(Debug)]
pub(crate) struct PageKey(pub(crate) Secret32);

/// What encrypts the root record.
#[derive(Debug)]
pub(crate) struct RootSecret(pub(crate) Secret32);

/// An AES-256 key, and what goes with it: a commitment, or a page's name.
///
/// On the heap, since it is filled in place.
pub(crate) struct KeyAnd<const N: usize> {
    pub(crate) key: Secret32,
    pub(crate) other: [u8; N],
}

/// HKDF-Expand of a seed to its children, with the keyed state kept for all of them.
pub(crate) struct Children {
    expand: Box<Hkdf<Sha256>>,
    tree: TreeId,
    level: u8,
}

impl Children {
    /// The children, at `level` (1 to 5), of a node with this key.
    pub(crate) fn of(parent: &[u8; 32], tree: TreeId, level: u8) -> Children {
        Children { expand: keyed(parent), tree, level }
    }

    /// Writes the 32-byte key of child `byte`.
    pub(crate) fn derive(&self, byte: u8, out: &mut [u8; 32]) {
        expand(&self.expand, &child_info(self.tree, self.level, byte), out);
    }
}

/// The key of child `byte`, at `level` (1 to 5), of a node with this key.
pub(crate) fn child(parent: &[u8; 32], tree: TreeId, level: u8, byte: u8, out: &mut [u8; 32]) {
    expand(&from_prk(parent), &child_info(tree, level, byte), out);
}

/// Within one block of the hash, like every info that is used often; and in one piece, since each piece costs a copy.
#[inline]
fn child_info(tree: TreeId, level: u8, byte: u8) -> [u8; CHILD.len() + 10] {
    let mut info = [0; CHILD.len() + 10];
    let parts = [CHILD, &tree.0, &[level, byte]];
    join(&parts, &mut info);
    info
}

/// Copies parts one behind the other; gives their length.
#[inline]
fn join(parts: &[&[u8]], out: &mut [u8]) -> usize {
    let mut rest = out;
    let mut length = 0;
    for part in parts {
        let Some((place, tail)) = std::mem::take(&mut rest).split_at_mut_checked(part.len()) else { break };
        place.copy_from_slice(part);
        length += part.len();
        rest = tail;
    }
    length
}

/// Writes the AES-256 key and the key commitment of one field of one customer.
pub(crate) fn field(customer: &[u8; 32], name: FieldId, out: &mut Zeroizing<[[u8; 32]; 2]>) {
    field_of(&from_prk(customer), name, out);
}

#[inline]
fn field_of(customer: &Hkdf<Sha256>, name: FieldId, out: &mut Zeroizing<[[u8; 32]; 2]>) {
    let (label, tag) = (name.label.as_bytes(), name.tag.as_str().as_bytes());
    // Both lengths are bounded where names are made: 64 and 32.
    let (label_len, tag_len) = (length_byte(label), length_byte(tag));
    let mut info = [0; FIELD.len() + 2 + LABEL_BYTES + TAG_BYTES];
    let length = join(&[FIELD, &label_len, label, &tag_len, tag], &mut info);
    expand(customer, info.get(..length).unwrap_or(&info), out.as_flattened_mut());
}

/// Purpose, field label, type tag and index label, each behind its length, and the bits of a token.
const MOST_INDEX_NAME_BYTES: usize = 4 + PURPOSE_BYTES + LABEL_BYTES + TAG_BYTES + LABEL_BYTES + 2;

fn index_name(parts: [&str; 4], bits: u16, out: &mut [u8; MOST_INDEX_NAME_BYTES]) -> usize {
    let parts = parts.map(str::as_bytes);
    let [purpose, field, tag, label] = parts;
    let [a, b, c, d] = parts.map(length_byte);
    join(&[&a, purpose, &b, field, &c, tag, &d, label, &bits.to_be_bytes()], out)
}

/// The node at level 4 of the tree of the indexes whose children are this index's epochs. Its first bit is set, so that
/// it is never the one with the number 0, which counts as shredded.
pub(crate) fn place_of_index(name: IndexName) -> [u8; 4] {
    place_of_named_index(name.parts(), name.bits.get())
}

/// The same of one that is known by its parts: purpose, field, type tag and label.
pub(crate) fn place_of_named_index(parts: [&str; 4], bits: u16) -> [u8; 4] {
    let mut bytes = [0; MOST_INDEX_NAME_BYTES];
    let length = index_name(parts, bits, &mut bytes);
    let hash = Sha256::new().chain_update(PLACE_OF_INDEX).chain_update(bytes.get(..length).unwrap_or(&bytes));
    let [first, b, c, d, ..] = <[u8; 32]>::from(hash.finalize());
    [first | 0x80, b, c, d]
}

/// The key that one epoch of an index makes tokens with.
pub(crate) fn index(epoch: &[u8; 32], name: IndexName, out: &mut [u8; 32]) {
    let mut info = [0; INDEX.len() + MOST_INDEX_NAME_BYTES];
    let mut bytes = [0; MOST_INDEX_NAME_BYTES];
    let length = index_name(name.parts(), name.bits.get(), &mut bytes);
    let length = join(&[INDEX, bytes.get(..length).unwrap_or(&bytes)], &mut info);
    expand(&from_prk(epoch), info.get(..length).unwrap_or(&info), out);
}

/// What a token is cut from.
#[allow(clippy::expect_used)] // HMAC takes keys of every length
pub(crate) fn token(key: &[u8; 32], form: &[u8], out: &mut [u8; 32]) {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    out.copy_from_slice(&mac.chain_update(form).finalize().into_bytes());
}

/// The key of a page: new for every version, and bound to all that it authenticates, so that fresh bytes that were not
/// fresh (a forked process, a machine resumed twice from one snapshot) cannot make two different pages share a key.
pub(crate) fn page_key(fresh: &[u8; 32], associated: &[u8], plaintext: &[u8], out: &mut [u8; 32]) {
    bound_to_content(fresh, NEW_PAGE, associated, plaintext, out);
}

/// A page's AES-256 key and name.
pub(crate) fn page(key: &PageKey) -> KeyAnd<16> {
    let mut bytes = Zeroizing::new([0; 48]);
    expand(&from_prk(key.0.bytes()), PAGE, &mut *bytes);
    split(&bytes[..])
}

/// The salt of a root record, bound to the content for the reason given at [`page_key`].
pub(crate) fn record_salt(fresh: &[u8; 32], associated: &[u8], plaintext: &[u8], out: &mut [u8; 32]) {
    bound_to_content(fresh, NEW_RECORD, associated, plaintext, out);
}

/// A root record's AES-256 key and key commitment.
pub(crate) fn record(root: &RootSecret, salt: &[u8; 32], vault: VaultName) -> KeyAnd<32> {
    let mut bytes = Zeroizing::new([0; 64]);
    // On the stack, which the caller overwrites: with the root key, a salt left behind opens an old record.
    let mut info = [0; RECORD.len() + 48];
    join(&[RECORD, salt, &vault.to_bytes()], &mut info);
    expand(&from_prk(root.0.bytes()), &info, &mut *bytes);
    split(&bytes[..])
}

/// What proves that whoever holds the vault's record put pages at that generation. The seed is as uniform as a key, and what it signs begins
/// otherwise.
pub(crate) fn mark(seed: &[u8; 32], vault: VaultName, generation: u64, is_copy: bool, out: &mut [u8; 32]) {
    let mut info = [0; MARK.len() + 16 + 8 + 1];
    join(&[MARK, &vault.to_bytes(), &generation.to_be_bytes(), &[u8::from(is_copy)]], &mut info);
    expand(&from_prk(seed), &info, out);
}

#[allow(clippy::expect_used)] // HMAC takes keys of every length
fn bound_to_content(fresh: &[u8; 32], label: &[u8], associated: &[u8], plaintext: &[u8], out: &mut [u8; 32]) {
    let mut mac = Hmac::<Sha256>::new_from_slice(fresh).expect("HMAC takes keys of every length");
    for part in [label, associated, plaintext] {
        mac.update(part);
    }
    out.copy_from_slice(&Zeroizing::new(<[u8; 32]>::from(mac.finalize().into_bytes()))[..]);
}

fn length_byte(text: &[u8]) -> [u8; 1] {
    [u8::try_from(text.len()).unwrap_or(u8::MAX)]
}

#[allow(clippy::expect_used)] // the sizes are this module's own
fn from_prk(key: &[u8; 32]) -> Hkdf<Sha256> {
    #[cfg(test)]
    counted::keyed();
    Hkdf::from_prk(key).expect("32 bytes are a SHA-256 PRK")
}

fn keyed(key: &[u8; 32]) -> Box<Hkdf<Sha256>> {
    Box::new(from_prk(key))
}

#[allow(clippy::expect_used)] // the sizes are this module's own
fn expand(keyed: &Hkdf<Sha256>, info: &[u8], out: &mut [u8]) {
    #[cfg(test)]
    counted::expanded(info.len(), out.len());
    keyed.expand(info, out).expect("64 bytes are less than 255 blocks");
}

fn split<const N: usize>(bytes: &[u8]) -> KeyAnd<N> {
    let mut parts = KeyAnd { key: Secret32::empty(), other: [0; N] };
    let (key, other) = bytes.split_at(32);
    parts.key.bytes_mut().copy_from_slice(key);
    parts.other.copy_from_slice(other);
    parts
}

/// How much is hashed, for tests of what a call costs.
#[cfg(test)]
pub(crate) mod counted {
    use std::cell::Cell;

    thread_local! {
        static BLOCKS: Cell<usize> = const { Cell::new(0) };
    }

    fn add(blocks: usize) {
        BLOCKS.set(BLOCKS.get() + blocks);
    }

    /// Both pads of HMAC.
    pub(super) fn keyed() {
        add(2);
    }

    /// Each 32 bytes are HMAC of those before them, the info and a counter: what is hashed has its length and a bit behind it, and the outer hash is one block.
    pub(super) fn expanded(info: usize, out: usize) {
        (0..out.div_ceil(32)).for_each(|at| add((at.min(1) * 32 + info + 1 + 9).div_ceil(64) + 1));
    }

    /// Blocks of SHA-256 that `work` hashes on this thread to derive keys. An HKDF-Expand of 32 bytes by a key that was not used before takes 4.
    pub(crate) fn blocks(work: impl FnOnce()) -> usize {
        let before = BLOCKS.get();
        work();
        BLOCKS.get() - before
    }
}

#[cfg(test)]
mod wycheproof;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_label_is_the_prefix_of_another() {
        let ours = [CHILD, FIELD, PLACE_OF_INDEX, INDEX, NEW_PAGE, PAGE, NEW_RECORD, MARK, RECORD, SERIES];
        let all: Vec<&[u8]> = ours.into_iter().chain(crate::journal::LABELS).collect();
        for (at, label) in all.iter().enumerate() {
            assert!(label.starts_with(b"oubliette/1/"));
            for (_, other) in all.iter().enumerate().filter(|(other, _)| *other != at) {
                assert!(!other.starts_with(label), "{label:?} {other:?}");
            }
        }
    }
}
