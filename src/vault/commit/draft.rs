//! What a plan works on: a draft of the record to come.

use zeroize::Zeroizing;

use crate::derivation::RootSecret;
use crate::error::KeyStoreError;
use crate::journal::Anchor;
use crate::key_tree::Tree;
use crate::nonce;
use crate::root_key::{Recipe, RootKey};
use crate::root_record::{Record, RecordId};
use crate::secret::Secret32;
use crate::vault::state::{LoadedIndexes, LoadedTree, StoredPages};
use crate::witness::MOST_GENERATION;

/// The record as read under the lock, and its trees.
pub(crate) struct Draft<'a> {
    pub(crate) record: Record,
    pub(crate) trees: Vec<LoadedTree>,
    pub(crate) indexes: Option<LoadedIndexes>,
    pub(crate) pages: StoredPages<'a>,
    /// The generation that the commit will have.
    pub(crate) generation: u64,
    /// A generation that no crash can bring the record back behind, before this commit.
    pub(crate) durable: u64,
    /// A new root key, which takes effect with this commit.
    pub(crate) rekey: Option<NewKey>,
    /// The record has to call what it is based on settled, whatever that takes: others go by its word.
    pub(crate) names_its_base: bool,
    /// Forget all ids before this commit: witnesses of a branch that was lost prove nothing any more.
    pub(crate) starts_anew: bool,
    /// It makes something unreadable that older records open.
    pub(crate) forgets: bool,
    /// It begins a version of the root key in any case, where there are versions.
    pub(crate) begins_version: bool,
    /// It gives up a place, on an operator's word.
    pub(crate) gives_up_a_place: bool,
}

pub(crate) struct NewKey {
    pub(crate) key: RootKey,
    pub(crate) secret: RootSecret,
    pub(crate) recipe: Recipe,
}

/// A draft that became a record.
pub(super) struct Finished {
    /// Its trees are moved into the two that follow.
    pub(super) record: Record,
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) trees: Vec<LoadedTree>,
    pub(super) indexes: Option<LoadedIndexes>,
    pub(super) rekey: Option<NewKey>,
}

impl Draft<'_> {
    /// Every tree, that of the indexes included.
    pub(crate) fn all_trees(&self) -> impl Iterator<Item = &Tree> {
        let indexes = self.indexes.as_ref().map(|indexes| &indexes.tree);
        self.trees.iter().filter_map(|tree| tree.tree.as_ref()).chain(indexes)
    }

    /// The record names the newest entry of the journal, and never an older one than before.
    pub(crate) fn vouch_for(&mut self, entry: Option<Anchor>) {
        self.record.anchor = self.record.anchor.into_iter().chain(entry).max_by_key(Anchor::n);
    }

    /// Encrypts the record, under the secret given unless there is a new root key. `settled`: what is known to be durable when it is
    /// written. `last` may change what is written at the very end, which tests of tests do.
    pub(super) fn finish(
        self,
        secret: &RootSecret,
        settled: u64,
        last: impl FnOnce(&mut Record),
    ) -> Result<Finished, KeyStoreError> {
        let id = RecordId(nonce::fresh().map_err(|_| KeyStoreError::Randomness)?);
        if self.generation > MOST_GENERATION {
            return Err(KeyStoreError::Full { what: "2^40 commits" });
        }
        let base = self.record.clear.generation;
        let Draft { trees, indexes, rekey, .. } = self;
        let mut record = self.record.succeed(id);
        record.clear.generation = self.generation;
        // R12: a generation that was skipped was nobody's.
        if !self.starts_anew {
            (base + 1..self.generation).for_each(|_| record.skip());
        }
        record.settled = settled;
        if self.starts_anew {
            record.ring = vec![id.short()];
            record.floor = self.generation;
        }
        if let Some(new) = &rekey {
            record.clear.recipe = new.recipe.clone();
            record.clear.recipe.begin_in(self.generation);
        }
        record.trees = trees.iter().map(LoadedTree::to_record).collect();
        record.indexes = indexes.as_ref().map(LoadedIndexes::to_record);
        last(&mut record);
        let mut fresh = Secret32::empty();
        nonce::fill(fresh.bytes_mut()).map_err(|_| KeyStoreError::Randomness)?;
        let secret = rekey.as_ref().map_or(secret, |new| &new.secret);
        let sealed = record.seal(secret, fresh.bytes());
        let bytes = Zeroizing::new(sealed.map_err(|_| KeyStoreError::Bug("a root record could not be written"))?);
        record.trees.clear();
        record.indexes = None;
        Ok(Finished { record, bytes, trees, indexes, rekey })
    }
}
