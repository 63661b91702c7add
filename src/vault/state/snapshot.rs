//! What a process knows of the vault: an immutable snapshot, replaced by each commit or refresh.

use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::derivation::{PageKey, Seed, TreeId};
use crate::error::KeyStoreError;
use crate::key_tree::{Damage, Pages, Position, Resident, RootState, Tree, TreeError};
use crate::nonce;
use crate::root_record::{IndexTree, Record, TreeRecord, TreeState};
use crate::secret::Secret32;
use crate::store::{PageName, PageStore, Problem, StoreError};
use crate::sync::{Condvar, Mutex, Padded, lock, wait_until};

/// A snapshot. Its secrets are wiped when the last reader lets go, and [`DropSignal`] tells when that happened.
pub(crate) struct VaultState {
    /// The record, with its trees' secrets moved into `trees`.
    pub(crate) facts: Record,
    /// The record as stored. Once superseded it must be gone: the root key still opens it.
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    pub(crate) trees: Vec<LoadedTree>,
    /// The tree of the keys of indexes. Apart from the others, so that no number of a customer is ever looked up in it.
    pub(crate) indexes: Option<LoadedIndexes>,
    // Dropped last, since fields are dropped in order: it signals that the secrets are wiped.
    on_drop: SignalOnDrop,
}

/// What a reader has of a snapshot. It counts in its thread's [shard](crate::sync::Shards) alone that it holds it: the count of the snapshot itself, which
/// all processors would write to, stays as it is.
#[derive(Clone)]
pub(crate) struct Held(pub(super) Arc<Padded<Arc<VaultState>>>);

impl Deref for Held {
    type Target = VaultState;

    #[inline]
    fn deref(&self) -> &VaultState {
        &self.0
    }
}

pub(crate) struct LoadedTree {
    pub(crate) id: TreeId,
    pub(crate) purpose: String,
    pub(crate) active: bool,
    pub(crate) shredded: u64,
    /// The generation that made it.
    pub(crate) made: u64,
    /// `None` when it was retired.
    pub(crate) tree: Option<Tree>,
}

pub(crate) struct LoadedIndexes {
    pub(crate) id: TreeId,
    /// The generation that made it.
    pub(crate) made: u64,
    pub(crate) tree: Tree,
}

/// Every purpose that is unlocked has one.
pub(crate) const NO_TREE: KeyStoreError = KeyStoreError::Bug("a purpose has no tree");

/// How many are shredded in each tree that values are sealed under. Nobody was shredded between two states in which these are
/// the same.
pub(crate) fn shredded_in(trees: &[LoadedTree]) -> impl Iterator<Item = (TreeId, u64)> {
    trees.iter().filter(|tree| tree.active).map(|tree| (tree.id, tree.shredded))
}

impl VaultState {
    /// Builds the snapshot of a record. Trees that `before` has unchanged keep what it has loaded and derived of them.
    pub(crate) fn load(
        mut record: Record,
        bytes: Zeroizing<Vec<u8>>,
        before: Option<&VaultState>,
        resident: &Arc<Resident>,
    ) -> VaultState {
        let vault = record.clear.vault;
        let newest = record.clear.generation;
        let load = |id, state, known: Option<&Tree>| match state {
            TreeState::Retired => None,
            TreeState::Seed(seed) => {
                let same = known.and_then(|tree| tree.same_seed(&seed));
                Some(same.unwrap_or_else(|| Tree::untouched(vault, id, seed, resident.clone())))
            }
            TreeState::Page(key) => {
                let same = known.and_then(|tree| tree.same_root(&key));
                Some(same.unwrap_or_else(|| Tree::from_page(vault, id, key, newest, resident.clone())))
            }
        };
        let mut trees = Vec::with_capacity(record.trees.len());
        for TreeRecord { id, purpose, active, state, shredded, made } in std::mem::take(&mut record.trees) {
            let known = before.and_then(|before| before.tree(id)).and_then(|tree| tree.tree.as_ref());
            trees.push(LoadedTree { id, purpose, active, shredded, made, tree: load(id, state, known) });
        }
        let indexes = match record.indexes.take() {
            None => None,
            Some(IndexTree { id, state, made }) => {
                let known = before.and_then(|before| before.indexes.as_ref()).filter(|known| known.id == id);
                load(id, state, known.map(|known| &known.tree)).map(|tree| LoadedIndexes { id, made, tree })
            }
        };
        VaultState::new(record, bytes, trees, indexes)
    }

    pub(crate) fn new(
        facts: Record,
        bytes: Zeroizing<Vec<u8>>,
        trees: Vec<LoadedTree>,
        indexes: Option<LoadedIndexes>,
    ) -> VaultState {
        VaultState { facts, bytes, trees, indexes, on_drop: SignalOnDrop::default() }
    }

    /// Takes over what `before` has in memory and this snapshot's trees lead to too. See [`Tree::take_over`].
    pub(crate) fn take_over<P: Pages>(&self, before: &VaultState, pages: &P) {
        for tree in &self.trees {
            let known = before.tree(tree.id).and_then(|known| known.tree.as_ref());
            if let (Some(tree), Some(known)) = (&tree.tree, known) {
                tree.take_over(known, pages);
            }
        }
        if let (Some(indexes), Some(known)) = (&self.indexes, &before.indexes)
            && indexes.id == known.id
        {
            indexes.tree.take_over(&known.tree, pages);
        }
    }

    pub(crate) fn tree(&self, id: TreeId) -> Option<&LoadedTree> {
        self.trees.iter().find(|tree| tree.id == id)
    }

    /// The tree that new values of a purpose are sealed under.
    pub(crate) fn active(&self, purpose: &str) -> Option<&LoadedTree> {
        self.trees.iter().find(|tree| tree.active && tree.purpose == purpose)
    }

    /// The tree to seal under when `durable` is the newest generation that is known to be so: that of a later one could be lost,
    /// and with it all that was sealed. Until it is durable, the one before serves. `None`: there is none yet.
    pub(crate) fn to_seal(&self, purpose: &str, durable: u64) -> Option<&LoadedTree> {
        // Nothing of a recovery counts before it is durable.
        if self.facts.floor > durable {
            return None;
        }
        let active = self.active(purpose)?;
        if active.made <= durable {
            return Some(active);
        }
        // Trees in use stand in the order in which they were made.
        let theirs = |tree: &&LoadedTree| tree.tree.is_some() && tree.purpose == purpose && tree.made <= durable;
        self.trees.iter().rev().find(theirs)
    }

    /// True when no key that this snapshot knew is unknown to the other: nobody was shredded in between.
    pub(crate) fn has_same_keys_as(&self, other: &VaultState) -> bool {
        let same_indexes = match (&self.indexes, &other.indexes) {
            (Some(a), Some(b)) => a.tree.has_same_root_as(&b.tree),
            (None, None) => true,
            _ => false,
        };
        same_indexes
            && self.trees.len() == other.trees.len()
            && self.trees.iter().zip(&other.trees).all(|(a, b)| {
                a.id == b.id
                    && a.active == b.active
                    && match (&a.tree, &b.tree) {
                        (Some(a), Some(b)) => a.has_same_root_as(b),
                        (None, None) => true,
                        _ => false,
                    }
            })
    }

    /// An error if its record is marked as one that was rolled back.
    #[inline]
    pub(crate) fn unless_gone_back(&self) -> Result<(), KeyStoreError> {
        match self.facts.gone_back() {
            None => Ok(()),
            Some(seen) => Err(KeyStoreError::RolledBack { have: self.facts.clear.generation, seen }),
        }
    }

    /// The same without what reads had loaded and derived.
    pub(crate) fn without_loaded(&self) -> Result<VaultState, KeyStoreError> {
        let trees = self.trees.iter().map(|tree| LoadedTree {
            id: tree.id,
            purpose: tree.purpose.clone(),
            active: tree.active,
            shredded: tree.shredded,
            made: tree.made,
            tree: tree.tree.as_ref().map(Tree::without_loaded),
        });
        let indexes = self.indexes.as_ref();
        let indexes =
            indexes.map(|known| LoadedIndexes { id: known.id, made: known.made, tree: known.tree.without_loaded() });
        Ok(VaultState::new(self.facts.without_trees(), self.bytes.clone(), trees.collect(), indexes))
    }

    /// How to hear that this snapshot was wiped.
    pub(crate) fn drop_signal(&self) -> DropSignal {
        self.on_drop.signal()
    }
}

impl LoadedTree {
    /// What the record keeps of it.
    pub(crate) fn to_record(&self) -> TreeRecord {
        let state = self.tree.as_ref().map_or(TreeState::Retired, state_of);
        let (purpose, active) = (self.purpose.clone(), self.active);
        TreeRecord { id: self.id, purpose, active, state, shredded: self.shredded, made: self.made }
    }
}

impl LoadedIndexes {
    pub(crate) fn to_record(&self) -> IndexTree {
        IndexTree { id: self.id, state: state_of(&self.tree), made: self.made }
    }
}

fn state_of(tree: &Tree) -> TreeState {
    match tree.root() {
        RootState::Seed(seed) => TreeState::Seed(Seed(Secret32::copy_of(seed.0.bytes()))),
        RootState::Page(key) => TreeState::Page(PageKey(Secret32::copy_of(key.0.bytes()))),
    }
}

/// Tells that a snapshot's last reader let go of it, and its secrets were wiped.
#[derive(Clone, Default)]
pub(crate) struct DropSignal(Arc<(Mutex<bool>, Condvar)>);

/// The sending half.
#[derive(Default)]
#[must_use]
pub(crate) struct SignalOnDrop(DropSignal);

impl SignalOnDrop {
    pub(crate) fn signal(&self) -> DropSignal {
        self.0.clone()
    }
}

impl Drop for SignalOnDrop {
    fn drop(&mut self) {
        let (dropped, changed) = &*self.0.0;
        *lock(dropped) = true;
        changed.notify_all();
    }
}

impl DropSignal {
    pub(crate) fn was_dropped(&self) -> bool {
        *lock(&self.0.0)
    }

    /// Waits at most that long; tells whether it was dropped.
    pub(crate) fn wait(&self, most: Duration) -> bool {
        let (dropped, changed) = &*self.0;
        let deadline = Instant::now() + most;
        let mut guard = lock(dropped);
        while !*guard {
            let Some(waited) = wait_until(changed, guard, deadline) else { return false };
            guard = waited;
        }
        true
    }
}

/// A page store as the key tree sees it, for commits. Readers, which hold snapshots and keys that others may have to wipe, wait for no
/// store: they take [`Fetched`](crate::vault::state::Fetched) pages.
pub(crate) struct StoredPages<'s>(pub(crate) &'s dyn PageStore);

pub(crate) enum PagesError {
    Store(StoreError),
    /// The store itself sees that the page is damaged.
    Damaged(PageName, StoreError),
    Randomness,
    /// It was not fetched yet: it will be, and the work done again.
    Wanted,
}

impl PagesError {
    pub(crate) fn of(name: &PageName, error: StoreError) -> PagesError {
        match error.problem() {
            Problem::Damaged => PagesError::Damaged(*name, error),
            _ => PagesError::Store(error),
        }
    }
}

impl Pages for StoredPages<'_> {
    type Error = PagesError;

    fn load(&self, name: &PageName) -> Result<Option<Vec<u8>>, PagesError> {
        self.0.get(name).map_err(|error| PagesError::of(name, error))
    }

    fn fresh(&self, out: &mut [u8; 32]) -> Result<(), PagesError> {
        nonce::fill(out).map_err(|_| PagesError::Randomness)
    }
}

pub(crate) fn tree_error(error: TreeError<PagesError>) -> KeyStoreError {
    let damaged = |page: PageName, position: Position, what: String| KeyStoreError::PageDamaged {
        page: page.to_string(),
        problem: format!("{what} ({position})"),
    };
    match error {
        TreeError::Missing(page, position) => damaged(page, position, "missing".to_owned()),
        TreeError::Damaged(page, _, Damage::Version) => KeyStoreError::NewerFormat { location: format!("page {page}") },
        TreeError::Damaged(page, position, damage) => damaged(page, position, format!("damaged: {damage}")),
        TreeError::Pages(PagesError::Damaged(page, error)) => {
            KeyStoreError::PageDamaged { page: page.to_string(), problem: format!("damaged in {}", error.location()) }
        }
        TreeError::Pages(PagesError::Store(error)) => error.into(),
        TreeError::Pages(PagesError::Randomness) => KeyStoreError::Randomness,
        TreeError::Pages(PagesError::Wanted) => KeyStoreError::Bug("a page was not fetched"),
        TreeError::Lost => KeyStoreError::Bug("a step in the key tree could not be taken"),
    }
}
