//! The trees of a draft: made, shredded in, replaced and given up.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Draft;
use crate::derivation::{Seed, TreeId};
use crate::error::KeyStoreError;
use crate::field::Purpose;
use crate::journal::Ranges;
use crate::key_tree::{Resident, Rewritten, Tree};
use crate::nonce;
use crate::root_record::{IndexTree, MOST_TREES, TreeRecord, TreeState};
use crate::secret::Secret32;
use crate::store::StoredPage;
use crate::vault::state::{LoadedIndexes, LoadedTree, NO_TREE, StoredPages, tree_error};

impl Draft<'_> {
    /// Every plan but that of a recovery begins with this.
    pub(crate) fn refuse_if_gone_back(&self) -> Result<(), KeyStoreError> {
        match self.record.gone_back() {
            None => Ok(()),
            Some(seen) => Err(KeyStoreError::RolledBack { have: self.record.clear.generation, seen }),
        }
    }

    pub(crate) fn add_indexes(&mut self, resident: &Arc<Resident>) -> Result<(), KeyStoreError> {
        if self.indexes.is_none() {
            let (id, seed) = id_and_seed()?;
            let tree = Tree::untouched(self.record.clear.vault, id, seed, resident.clone());
            self.indexes = Some(LoadedIndexes { id, made: self.generation, tree });
        }
        Ok(())
    }

    /// Adds a key tree for each purpose that has none. Those shredded everywhere are shredded in it from the start.
    pub(crate) fn add_purposes(
        &mut self,
        purposes: &[Purpose],
        resident: &Arc<Resident>,
    ) -> Result<Vec<StoredPage>, KeyStoreError> {
        let mut pages = Vec::new();
        let known: BTreeSet<String> = self.trees.iter().map(|tree| tree.purpose.clone()).collect();
        let missing: Vec<&Purpose> = purposes.iter().filter(|purpose| !known.contains(purpose.name())).collect();
        if missing.is_empty() {
            return Ok(pages);
        }
        let in_use = self.trees.iter().filter(|tree| tree.tree.is_some()).count();
        if in_use + missing.len() > MOST_TREES {
            return Err(KeyStoreError::Full { what: "22 key trees" });
        }
        let gone = shredded_everywhere(&self.trees, &self.pages)?;
        #[cfg(planted)]
        let gone =
            if crate::planted::is_planted(crate::planted::Bug::NewTreeForgets) { Default::default() } else { gone };
        for purpose in missing {
            self.make_room()?;
            let TreeRecord { id, purpose, active, state, shredded, made } = new_tree(purpose.name(), self.generation)?;
            let TreeState::Seed(seed) = state else { return Err(KeyStoreError::Bug("a new tree without a seed")) };
            let tree = Some(Tree::untouched(self.record.clear.vault, id, seed, resident.clone()));
            self.trees.push(LoadedTree { id, purpose, active, shredded, made, tree });
            shred_tree(self, self.trees.len() - 1, &gone, &mut pages)?;
        }
        Ok(pages)
    }

    /// Gives a purpose a new key tree, in which those shredded in the one it replaces are shredded from the start.
    pub(crate) fn replace_tree(&mut self, purpose: &str) -> Result<(TreeId, Vec<StoredPage>), KeyStoreError> {
        let index = self.trees.iter().position(|tree| tree.active && tree.purpose == purpose);
        let old = index.and_then(|index| self.trees.get(index)).ok_or(NO_TREE)?;
        let old_tree = old.tree.as_ref().ok_or(NO_TREE)?;
        let gone = old_tree.shredded(&self.pages).map_err(tree_error)?;
        let resident = old_tree.resident();
        self.make_room()?;
        for tree in &mut self.trees {
            tree.active &= tree.purpose != purpose;
        }
        let TreeRecord { id, purpose, active, state, shredded, made } = new_tree(purpose, self.generation)?;
        let TreeState::Seed(seed) = state else { return Err(KeyStoreError::Bug("a new tree without a seed")) };
        let tree = Some(Tree::untouched(self.record.clear.vault, id, seed, resident));
        self.trees.push(LoadedTree { id, purpose, active, shredded, made, tree });
        let mut pages = Vec::new();
        shred_tree(self, self.trees.len() - 1, &gone, &mut pages)?;
        Ok((id, pages))
    }

    /// When the record is full, the tree that was retired first makes room: what is left under it then seems to be of
    /// another vault.
    pub(crate) fn make_room(&mut self) -> Result<(), KeyStoreError> {
        if self.trees.len() < MOST_TREES {
            return Ok(());
        }
        let oldest = self.trees.iter().position(|tree| tree.tree.is_none());
        let oldest = oldest.ok_or(KeyStoreError::Full { what: "22 key trees, none of them retired" })?;
        self.trees.remove(oldest);
        Ok(())
    }

    /// Gives up trees. One that is active is replaced first.
    pub(crate) fn retire_trees(&mut self, retired: &[TreeId]) -> Result<Vec<StoredPage>, KeyStoreError> {
        // Those that need no other first: they make room.
        let (active, replaced): (Vec<TreeId>, Vec<TreeId>) =
            retired.iter().partition(|id| self.trees.iter().any(|tree| tree.id == **id && tree.active));
        replaced.into_iter().for_each(|id| self.retire(id));
        let mut pages = Vec::new();
        for id in active {
            let purpose = self.trees.iter().find(|tree| tree.id == id).ok_or(NO_TREE)?.purpose.clone();
            pages.extend(self.replace_tree(&purpose)?.1);
            self.retire(id);
        }
        Ok(pages)
    }

    /// Retired trees are kept last, in the order in which they were retired.
    fn retire(&mut self, id: TreeId) {
        if let Some(at) = self.trees.iter().position(|tree| tree.id == id && tree.tree.is_some()) {
            let mut tree = self.trees.remove(at);
            tree.tree = None;
            self.trees.push(tree);
            self.forgets = true;
        }
    }
}

/// A key tree with a new id and seed, to be made by that generation.
pub(crate) fn new_tree(purpose: &str, made: u64) -> Result<TreeRecord, KeyStoreError> {
    let (id, seed) = id_and_seed()?;
    Ok(TreeRecord { id, purpose: purpose.to_owned(), active: true, state: TreeState::Seed(seed), shredded: 0, made })
}

/// A key tree for the keys of indexes.
pub(crate) fn new_index_tree(made: u64) -> Result<IndexTree, KeyStoreError> {
    let (id, seed) = id_and_seed()?;
    Ok(IndexTree { id, state: TreeState::Seed(seed), made })
}

fn id_and_seed() -> Result<(TreeId, Seed), KeyStoreError> {
    let mut seed = Seed(Secret32::empty());
    nonce::fill(seed.0.bytes_mut()).map_err(|_| KeyStoreError::Randomness)?;
    Ok((TreeId(nonce::fresh().map_err(|_| KeyStoreError::Randomness)?), seed))
}

/// What a tree of a draft becomes if these are shredded; `None` if nobody is.
pub(crate) fn rewrite_tree(
    draft: &Draft<'_>,
    loaded: &LoadedTree,
    numbers: &Ranges,
) -> Result<Option<Rewritten>, KeyStoreError> {
    let Some(tree) = loaded.tree.as_ref().filter(|_| !numbers.is_empty()) else { return Ok(None) };
    tree.shred(numbers, draft.generation, &draft.pages).map(Some).map_err(tree_error)
}

/// Puts it in the tree's place. Gives how many were not shredded before.
pub(crate) fn replace(loaded: &mut LoadedTree, rewritten: Rewritten, pages: &mut Vec<StoredPage>) -> u64 {
    let Rewritten { tree, pages: new, newly } = rewritten;
    if let Some(tree) = tree {
        loaded.tree = Some(tree);
        loaded.shredded = loaded.shredded.saturating_add(newly);
        pages.extend(new);
    }
    newly
}

/// Shreds numbers in one tree of a draft. Gives how many were not shredded before.
pub(crate) fn shred_tree(
    draft: &mut Draft<'_>,
    index: usize,
    numbers: &Ranges,
    pages: &mut Vec<StoredPage>,
) -> Result<u64, KeyStoreError> {
    let Some(rewritten) = draft.trees.get(index).map_or(Ok(None), |loaded| rewrite_tree(draft, loaded, numbers))?
    else {
        return Ok(0);
    };
    draft.forgets = true;
    Ok(draft.trees.get_mut(index).map_or(0, |loaded| replace(loaded, rewritten, pages)))
}

/// Everyone shredded in every tree of a draft: what a new tree must start with.
fn shredded_everywhere(trees: &[LoadedTree], pages: &StoredPages<'_>) -> Result<Ranges, KeyStoreError> {
    let mut everywhere: Option<Ranges> = None;
    for tree in trees.iter().filter_map(|tree| tree.tree.as_ref()) {
        let here = tree.shredded(pages).map_err(tree_error)?;
        let both = everywhere.map_or(here.clone(), |all| all.and(&here));
        if both.is_empty() {
            return Ok(both);
        }
        everywhere = Some(both);
    }
    Ok(everywhere.unwrap_or_default())
}
