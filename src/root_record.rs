//! The root record: the one small thing that must be forgotten, and must never be lost.
//!
//! FORMAT.md documents every byte.

use std::time::Duration;

use zeroize::Zeroizing;

use crate::cipher::{self, TAG_BYTES};
use crate::derivation::{self, RootSecret};
use crate::journal::{Anchor, VaultName};
use crate::root_key::{KeyVersion, PassphraseCost, Recipe, VERSION_WRAPPED_BYTES, VersionRecipe, WRAPPED_BYTES};
use crate::secret;
use crate::stack::with_clean_stack;
use crate::store::{PlaceId, RECORD_BYTES};
use crate::witness::{MOST_GENERATION, Witness};

mod codec;
mod error;
mod finding;
mod journal;
mod trees;

use codec::{Reader, Writer};
pub(crate) use error::RecordError;
pub(crate) use finding::Finding;
pub(crate) use journal::SignerSeed;
pub(crate) use trees::{IndexTree, TreeRecord, TreeState};

const VERSION: u8 = 1;
const SALT: usize = 600;
const COMMITMENT: usize = SALT + 32;
const TEXT: usize = COMMITMENT + 32;
const TEXT_BYTES: usize = RECORD_BYTES - TEXT - TAG_BYTES;
/// Where in the content begins what belongs to the journal.
const JOURNAL: usize = 2909;

/// Most key trees in a vault, retired ones included.
pub(crate) const MOST_TREES: usize = 22;
/// Most places that hold copies of the record: a directory and three mirrors.
pub(crate) const MOST_PLACES: usize = 4;
/// Generations whose ids the record remembers.
pub(crate) const RING: usize = 256;

/// Sixteen random bytes that name one version of the record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct RecordId(pub(crate) [u8; 16]);

impl RecordId {
    pub(crate) fn short(self) -> [u8; 3] {
        let [a, b, c, ..] = self.0;
        [a, b, c]
    }
}

/// The part of a record that is in clear. Not authenticated until the record is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clear {
    pub(crate) vault: VaultName,
    pub(crate) id: RecordId,
    pub(crate) parent: RecordId,
    pub(crate) generation: u64,
    pub(crate) recipe: Recipe,
}

/// A root record.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) clear: Clear,
    /// The lowest number not reserved by any process yet.
    pub(crate) next_number: u64,
    /// Where the block of numbers reserved last begins.
    pub(crate) newest_block: u64,
    pub(crate) lease: Duration,
    /// Every number up to this one was shredded in all trees, by age; 0 if none was.
    pub(crate) shredded_through: u64,
    /// Below this generation, witnesses prove nothing: a recovery emptied the ring.
    pub(crate) floor: u64,
    /// The newest generation that was known to be durable when this record was begun: a later one has to prove it. 0 in the first.
    pub(crate) settled: u64,
    /// What was found that this vault's history does not explain, until it is recovered or an operator clears it.
    pub(crate) finding: Option<Finding>,
    pub(crate) places: Vec<PlaceId>,
    pub(crate) trees: Vec<TreeRecord>,
    /// The tree of the keys of indexes, once there is one.
    pub(crate) indexes: Option<IndexTree>,
    /// The first bytes of the ids of this generation and those before it, newest first.
    pub(crate) ring: Vec<[u8; 3]>,
    /// What signs the journal and receipts, and authenticates the mark beside the pages. Made once.
    pub(crate) signer: SignerSeed,
    /// The journal entry up to which this record vouches, once there is a journal.
    pub(crate) anchor: Option<Anchor>,
}

impl Clear {
    pub(crate) fn read(bytes: &[u8]) -> Result<Clear, RecordError> {
        match bytes.first() {
            Some(&VERSION) => {}
            Some(&version) if version > VERSION => return Err(RecordError::NewerVersion),
            _ => return Err(RecordError::Malformed),
        }
        let mut reader = Reader::new(bytes.get(1..SALT).ok_or(RecordError::Malformed)?);
        let clear = Clear {
            vault: VaultName::from_bytes(reader.array()?),
            id: RecordId(reader.array()?),
            parent: RecordId(reader.array()?),
            generation: reader.u64()?,
            recipe: read_recipe(&mut reader)?,
        };
        reader.finish()?;
        if bytes.len() != RECORD_BYTES || clear.generation == 0 || clear.generation > MOST_GENERATION {
            return Err(RecordError::Malformed);
        }
        Ok(clear)
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.bytes(&[VERSION]);
        writer.bytes(&self.vault.to_bytes());
        writer.bytes(&self.id.0);
        writer.bytes(&self.parent.0);
        writer.u64(self.generation);
        const NO_COST: PassphraseCost = PassphraseCost { memory_kib: 0, passes: 0, lanes: 0 };
        let mut named = Vec::new();
        let (kind, cost, salt, wrapped) = match &self.recipe {
            Recipe::Bytes => (0, NO_COST, [0; 16], &[][..]),
            Recipe::Passphrase { cost, salt } => (1, *cost, *salt, &[][..]),
            Recipe::Wrapped(wrapped) => (2, NO_COST, [0; 16], &wrapped[..]),
            Recipe::Version(VersionRecipe { series, version, begun, generation, wrapped }) => {
                let mut writer = Writer::new(&mut named);
                writer.u64(version.number);
                writer.bytes(&version.id);
                writer.u64(*begun);
                writer.u64(*generation);
                writer.bytes(wrapped);
                (3, NO_COST, *series, &named[..])
            }
        };
        writer.bytes(&[kind]);
        for number in [cost.memory_kib, cost.passes, cost.lanes] {
            writer.u32(number);
        }
        writer.bytes(&salt);
        writer.u16(u16::try_from(wrapped.len()).unwrap_or(u16::MAX));
        writer.padded(wrapped, WRAPPED_BYTES);
    }
}

fn read_recipe(reader: &mut Reader<'_>) -> Result<Recipe, RecordError> {
    let [kind] = reader.array()?;
    let cost = PassphraseCost { memory_kib: reader.u32()?, passes: reader.u32()?, lanes: reader.u32()? };
    let salt = reader.array()?;
    let length = usize::from(reader.u16()?);
    let wrapped = reader.padded(length, WRAPPED_BYTES)?;
    let no_cost = cost.memory_kib == 0 && cost.passes == 0 && cost.lanes == 0;
    let no_salt = salt == [0; 16];
    match kind {
        0 if no_cost && no_salt && length == 0 => Ok(Recipe::Bytes),
        1 if length == 0 => Ok(Recipe::Passphrase { cost, salt }),
        2 if no_cost && no_salt && length > 0 => Ok(Recipe::Wrapped(wrapped.to_vec())),
        3 if no_cost => read_version(salt, wrapped),
        _ => Err(RecordError::Malformed),
    }
}

fn read_version(series: [u8; 16], bytes: &[u8]) -> Result<Recipe, RecordError> {
    let (named, wrapped) =
        bytes.split_at_checked(WRAPPED_BYTES - VERSION_WRAPPED_BYTES).ok_or(RecordError::Malformed)?;
    let mut reader = Reader::new(named);
    let version = KeyVersion { number: reader.u64()?, id: reader.array()? };
    let (begun, generation) = (reader.u64()?, reader.u64()?);
    if version.number == 0 || wrapped.is_empty() {
        return Err(RecordError::Malformed);
    }
    Ok(Recipe::Version(VersionRecipe { series, version, begun, generation, wrapped: wrapped.to_vec() }))
}

impl Record {
    pub(crate) fn witness(&self) -> Witness {
        Witness { generation: self.clear.generation, id: self.clear.id.short() }
    }

    /// Whether this record and those before it include that generation with that id. `None`: too old to tell.
    pub(crate) fn descends_from(&self, witness: Witness) -> Option<bool> {
        let back = self.clear.generation.checked_sub(witness.generation);
        let Some(back) = back else { return Some(false) };
        let known = usize::try_from(back).ok().and_then(|back| self.ring.get(back));
        known.map(|id| *id == witness.id)
    }

    /// The witness of a generation of this record's history, if it is young enough to be known.
    pub(crate) fn witness_of(&self, generation: u64) -> Option<Witness> {
        let back = usize::try_from(self.clear.generation.checked_sub(generation)?).ok()?;
        self.ring.get(back).map(|id| Witness { generation, id: *id })
    }

    /// The generation of a witness that is not of this record's history. `None`: it is, or it is too old to tell.
    pub(crate) fn contradicts(&self, witness: Witness) -> Option<u64> {
        match self.descends_from(witness) {
            Some(true) | None => None,
            // Of before a recovery, which began the ring anew above all that were seen.
            Some(false) => (witness.generation >= self.floor).then_some(witness.generation),
        }
    }

    /// All but the trees.
    pub(crate) fn without_trees(&self) -> Record {
        Record {
            clear: self.clear.clone(),
            next_number: self.next_number,
            newest_block: self.newest_block,
            lease: self.lease,
            shredded_through: self.shredded_through,
            floor: self.floor,
            settled: self.settled,
            finding: self.finding,
            places: self.places.clone(),
            trees: Vec::new(),
            indexes: None,
            ring: self.ring.clone(),
            signer: self.signer.copy(),
            anchor: self.anchor,
        }
    }

    /// The record that follows this one, with the secrets moved into it.
    pub(crate) fn succeed(self, id: RecordId) -> Record {
        let clear = Clear {
            id,
            parent: self.clear.id,
            generation: self.clear.generation.saturating_add(1).min(MOST_GENERATION),
            ..self.clear
        };
        let mut ring = self.ring;
        ring.insert(0, id.short());
        ring.truncate(RING);
        Record { clear, ring, ..self }
    }

    /// The generation before this one was left out: an entry of zeros in the ring, which is no record's.
    pub(crate) fn skip(&mut self) {
        self.ring.insert(1.min(self.ring.len()), [0; 3]);
        self.ring.truncate(RING);
    }

    /// Encrypts the record. Its salt is made from `fresh` and all of its content.
    pub(crate) fn seal(&self, root: &RootSecret, fresh: &[u8; 32]) -> Result<Vec<u8>, RecordError> {
        let mut bytes = Vec::with_capacity(RECORD_BYTES);
        self.clear.write(&mut bytes);
        let mut text = Zeroizing::new(Vec::with_capacity(TEXT_BYTES));
        self.write_text(&mut text)?;
        encrypt_in_place(bytes, self.clear.vault, &mut text, root, fresh)
    }

    /// Decrypts a record. The commitment is checked first, so that a wrong root key is not taken for tampering.
    pub(crate) fn open(bytes: &[u8], root: &RootSecret) -> Result<Record, RecordError> {
        let clear = Clear::read(bytes)?;
        let (head, tag) = bytes.split_last_chunk::<TAG_BYTES>().ok_or(RecordError::Malformed)?;
        let (associated, text) = head.split_at_checked(TEXT).ok_or(RecordError::Malformed)?;
        let salt = associated.get(SALT..).and_then(|rest| rest.first_chunk()).ok_or(RecordError::Malformed)?;
        let commitment = associated.last_chunk::<32>().ok_or(RecordError::Malformed)?;
        let mut text = Zeroizing::new(text.to_vec());
        with_clean_stack(|| {
            let derived = derivation::record(root, salt, clear.vault);
            if !secret::equal(&derived.other, commitment) {
                return Err(RecordError::WrongRootKey);
            }
            cipher::open_once(derived.key.bytes(), associated, &mut text, tag).map_err(|_| RecordError::NotAuthentic)
        })?;
        Record::read_text(clear, &text)
    }

    fn write_text(&self, out: &mut Vec<u8>) -> Result<(), RecordError> {
        if self.trees.len() > MOST_TREES || self.places.len() > MOST_PLACES || self.ring.len() > RING {
            return Err(RecordError::Malformed);
        }
        let mut writer = Writer::new(out);
        writer.u64(self.next_number);
        writer.u64(self.newest_block);
        writer.u32(u32::try_from(self.lease.as_millis()).unwrap_or(u32::MAX));
        writer.u64(self.shredded_through);
        writer.u64(self.floor);
        writer.u64(self.settled);
        let (kind, seen) = match self.finding {
            None => (0, 0),
            Some(Finding::RolledBack(seen)) => (1, seen),
            Some(Finding::Alarm(seen)) => (2, seen),
        };
        writer.bytes(&[kind]);
        writer.u64(seen);
        writer.list(&self.places, MOST_PLACES, 8, |writer, place| writer.bytes(&place.0));
        writer.list(&self.trees, MOST_TREES, TreeRecord::BYTES, |writer, tree| tree.write(writer));
        writer.u16(u16::try_from(self.ring.len()).unwrap_or(u16::MAX));
        writer.padded(self.ring.as_flattened(), RING * 3);
        if let Some(tree) = &self.indexes {
            tree.write(&mut writer);
        } else {
            writer.zeros(JOURNAL);
        }
        self.signer.write(&mut writer);
        journal::write_anchor(self.anchor, &mut writer);
        writer.zeros(TEXT_BYTES);
        if out.len() == TEXT_BYTES { Ok(()) } else { Err(RecordError::Malformed) }
    }

    fn read_text(clear: Clear, text: &[u8]) -> Result<Record, RecordError> {
        let mut reader = Reader::new(text);
        let next_number = reader.u64()?;
        let newest_block = reader.u64()?;
        let lease = Duration::from_millis(reader.u32()?.into());
        let shredded_through = reader.u64()?;
        let floor = reader.u64()?;
        let settled = reader.u64()?;
        let finding = match (reader.array()?, reader.u64()?) {
            ([0], 0) => None,
            ([1], seen @ 1..) => Some(Finding::RolledBack(seen)),
            ([2], seen @ 1..) => Some(Finding::Alarm(seen)),
            _ => return Err(RecordError::Malformed),
        };
        let places = reader.list(MOST_PLACES, 8, |reader| Ok(PlaceId(reader.array()?)))?;
        let trees = reader.list(MOST_TREES, TreeRecord::BYTES, TreeRecord::read)?;
        let count = usize::from(reader.u16()?);
        let ring = reader.padded(count.checked_mul(3).ok_or(RecordError::Malformed)?, RING * 3)?;
        let ring = ring.as_chunks().0.to_vec();
        let indexes = IndexTree::read(&mut reader)?;
        let signer = SignerSeed::read(&mut reader)?;
        let anchor = journal::read_anchor(&mut reader)?;
        reader.finish()?;
        let record = Record {
            clear,
            next_number,
            newest_block,
            lease,
            shredded_through,
            floor,
            settled,
            finding,
            places,
            trees,
            indexes,
            ring,
            signer,
            anchor,
        };
        record.check()?;
        Ok(record)
    }

    /// What every record that this crate writes fulfils. Refusing anything else now keeps room for meaning later.
    fn check(&self) -> Result<(), RecordError> {
        let generation = self.clear.generation;
        let is_counted = self.next_number >= 1
            && self.next_number <= 1 << 40
            && self.newest_block <= self.next_number
            && self.shredded_through < self.next_number
            && self.floor <= generation
            && self.settled < generation
            && self.finding.is_none_or(|finding| finding.seen() != 0)
            && !self.lease.is_zero();
        let is_linked = self.ring.first() == Some(&self.clear.id.short()) && self.ring.len() as u64 <= generation;
        let has_places = !self.places.is_empty() && are_different(self.places.iter());
        let ids = self.trees.iter().map(|tree| tree.id).chain(self.indexes.as_ref().map(|tree| tree.id));
        let is_planted = are_different(ids)
            && are_different(self.trees.iter().filter(|tree| tree.active).map(|tree| &tree.purpose))
            && !self.trees.iter().any(|tree| tree.active && matches!(tree.state, TreeState::Retired));
        let made = self.trees.iter().map(|tree| tree.made).chain(self.indexes.as_ref().map(|tree| tree.made));
        let is_dated = made.into_iter().all(|made| (1..=generation).contains(&made));
        if is_counted && is_linked && has_places && is_planted && is_dated {
            Ok(())
        } else {
            Err(RecordError::Malformed)
        }
    }
}

fn are_different<T: Ord>(items: impl Iterator<Item = T>) -> bool {
    let mut items: Vec<T> = items.collect();
    let count = items.len();
    items.sort_unstable();
    items.dedup();
    items.len() == count
}

fn encrypt_in_place(
    mut bytes: Vec<u8>,
    vault: VaultName,
    text: &mut [u8],
    root: &RootSecret,
    fresh: &[u8; 32],
) -> Result<Vec<u8>, RecordError> {
    with_clean_stack(|| {
        // On the stack, which is overwritten: with the root key, a salt left behind opens an old record.
        let mut salt = [0; 32];
        derivation::record_salt(fresh, &bytes, text, &mut salt);
        let derived = derivation::record(root, &salt, vault);
        bytes.extend_from_slice(&salt);
        bytes.extend_from_slice(&derived.other);
        let tag = cipher::seal_once(derived.key.bytes(), &bytes, text).map_err(|_| RecordError::Malformed)?;
        bytes.extend_from_slice(text);
        bytes.extend_from_slice(&tag);
        if bytes.len() == RECORD_BYTES { Ok(bytes) } else { Err(RecordError::Malformed) }
    })
}

/// For fuzzing: any content, encrypted as a record's.
#[cfg(fuzzing)]
pub(crate) fn encrypt(
    clear: Vec<u8>,
    vault: VaultName,
    content: &[u8; CONTENT_BYTES],
    root: &RootSecret,
    fresh: &[u8; 32],
) -> Result<Vec<u8>, RecordError> {
    encrypt_in_place(clear, vault, &mut content.to_vec(), root, fresh)
}

#[cfg(fuzzing)]
pub(crate) const CLEAR_BYTES: usize = SALT;
#[cfg(fuzzing)]
pub(crate) const CONTENT_BYTES: usize = TEXT_BYTES;

#[cfg(fuzzing)]
impl Record {
    /// For fuzzing: the part in clear, and the content before it is encrypted.
    pub(crate) fn parts(&self) -> Result<(Vec<u8>, Vec<u8>), RecordError> {
        let (mut clear, mut text) = (Vec::new(), Vec::new());
        self.clear.write(&mut clear);
        self.write_text(&mut text)?;
        Ok((clear, text))
    }
}

#[cfg(test)]
pub(crate) use tests::example;

#[cfg(test)]
mod tests;
