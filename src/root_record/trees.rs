//! What a record holds of its key trees.

use super::codec::{Reader, Writer};
use super::error::RecordError;
use crate::derivation::{PageKey, Seed, TreeId};
use crate::field::PURPOSE_BYTES;
use crate::journal::check_name;
use crate::secret::Secret32;

/// What a record holds of one key tree.
#[derive(Debug)]
pub(crate) struct TreeRecord {
    pub(crate) id: TreeId,
    pub(crate) purpose: String,
    /// Seals new values; an inactive tree only opens old ones. One tree a purpose is active.
    pub(crate) active: bool,
    pub(crate) state: TreeState,
    /// How many numbers are shredded in it.
    pub(crate) shredded: u64,
    /// The generation that made it. It is not used before that one is durable: what was sealed under it would be lost with it.
    pub(crate) made: u64,
}

/// What a record holds of the key tree whose leaves are the epochs of indexes. No customer is in it.
#[derive(Debug)]
pub(crate) struct IndexTree {
    pub(crate) id: TreeId,
    /// Never retired.
    pub(crate) state: TreeState,
    /// As of the other trees.
    pub(crate) made: u64,
}

#[derive(Debug)]
pub(crate) enum TreeState {
    /// Nothing was shredded yet: all keys follow from this.
    Seed(Seed),
    /// The key of the root page.
    Page(PageKey),
    /// Given up for good: nothing of it opens.
    Retired,
}

impl TreeRecord {
    pub(super) const BYTES: usize = 8 + 1 + 1 + 1 + PURPOSE_BYTES + 32 + 8 + 8;

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        let (kind, key) = self.state.kind_and_key();
        writer.bytes(&self.id.0);
        writer.bytes(&[u8::from(self.active), kind]);
        writer.bytes(&[u8::try_from(self.purpose.len()).unwrap_or(u8::MAX)]);
        writer.padded(self.purpose.as_bytes(), PURPOSE_BYTES);
        writer.bytes(key);
        writer.u64(self.shredded);
        writer.u64(self.made);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<TreeRecord, RecordError> {
        let id = TreeId(reader.array()?);
        let [active, kind, length] = reader.array()?;
        let purpose = reader.padded(usize::from(length), PURPOSE_BYTES)?;
        let purpose = std::str::from_utf8(purpose).map_err(|_| RecordError::Malformed)?.to_owned();
        check_name(&purpose, PURPOSE_BYTES).map_err(|_| RecordError::Malformed)?;
        let state = TreeState::read(kind, reader)?;
        let (shredded, made) = (reader.u64()?, reader.u64()?);
        if active > 1 || shredded > 1 << 40 {
            return Err(RecordError::Malformed);
        }
        Ok(TreeRecord { id, purpose, active: active == 1, state, shredded, made })
    }
}

impl TreeState {
    fn kind_and_key(&self) -> (u8, &[u8; 32]) {
        const NOTHING: [u8; 32] = [0; 32];
        match self {
            TreeState::Seed(seed) => (0, seed.0.bytes()),
            TreeState::Page(key) => (1, key.0.bytes()),
            TreeState::Retired => (2, &NOTHING),
        }
    }

    fn read(kind: u8, reader: &mut Reader<'_>) -> Result<TreeState, RecordError> {
        let mut key = Secret32::empty();
        reader.copy_to(key.bytes_mut())?;
        match kind {
            0 => Ok(TreeState::Seed(Seed(key))),
            1 => Ok(TreeState::Page(PageKey(key))),
            2 if *key.bytes() == [0; 32] => Ok(TreeState::Retired),
            _ => Err(RecordError::Malformed),
        }
    }
}

impl IndexTree {
    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        let (kind, key) = self.state.kind_and_key();
        writer.bytes(&[1]);
        writer.bytes(&self.id.0);
        writer.bytes(&[kind]);
        writer.bytes(key);
        writer.u64(self.made);
    }

    /// Zeros are no tree.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Option<IndexTree>, RecordError> {
        let [is_there] = reader.array()?;
        let id = TreeId(reader.array()?);
        let [kind] = reader.array()?;
        let state = TreeState::read(kind, reader)?;
        match (is_there, state, reader.u64()?) {
            (1, state @ (TreeState::Seed(_) | TreeState::Page(_)), made) => Ok(Some(IndexTree { id, state, made })),
            (0, TreeState::Seed(seed), 0) if id.0 == [0; 8] && *seed.0.bytes() == [0; 32] => Ok(None),
            _ => Err(RecordError::Malformed),
        }
    }
}
