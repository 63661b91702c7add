//! Epochs of indexes in a draft: begun, given up, and known again after a record was restored.

use crate::error::KeyStoreError;
use crate::index::Epoch;
use crate::journal::Ranges;
use crate::stack::with_clean_stack;
use crate::store::StoredPage;
use crate::vault::commit::Draft;
use crate::vault::state::{Epochs, IndexPlace, Leaves, mark, number, tree_error};

impl Draft<'_> {
    /// Shreds children of indexes. Gives the pages to write, or none if all was done before.
    pub(crate) fn shred_in_indexes(&mut self, numbers: &Ranges) -> Result<Vec<StoredPage>, KeyStoreError> {
        let Some(indexes) = self.indexes.as_mut() else { return Ok(Vec::new()) };
        let rewritten = indexes.tree.shred(numbers, self.generation, &self.pages).map_err(tree_error)?;
        if let Some(tree) = rewritten.tree {
            indexes.tree = tree;
        }
        Ok(rewritten.pages)
    }

    /// Gives up the key of an epoch. Gives the pages to write, or none if it was done before.
    pub(in crate::vault) fn retire_epoch(
        &mut self,
        place: IndexPlace,
        epoch: Epoch,
    ) -> Result<Vec<StoredPage>, KeyStoreError> {
        let pages = self.shred_in_indexes(&Ranges::of_numbers([number(place, epoch.number())]))?;
        self.forgets |= !pages.is_empty();
        Ok(pages)
    }

    /// Begins an epoch under a key of its own. Gives the pages to write.
    pub(crate) fn begin_epoch(&mut self, place: IndexPlace, epoch: Epoch) -> Result<Vec<StoredPage>, KeyStoreError> {
        let indexes = self.indexes.as_mut().ok_or(LOST)?;
        let (mark, key) = (number(place, mark(epoch)), number(place, epoch.number()));
        let rewritten = indexes.tree.shred_and_renew(mark, key, self.generation, &self.pages).map_err(tree_error)?;
        if let Some(tree) = rewritten.tree {
            indexes.tree = tree;
        }
        Ok(rewritten.pages)
    }

    /// After a record was restored that may not know of epochs up to `last`: their keys are lost, or back. Another epoch
    /// begins after them, and those that this record did not know are retired; so is `last` itself if it was.
    pub(crate) fn recover_epoch(
        &mut self,
        place: IndexPlace,
        last: Epoch,
        was_retired: bool,
    ) -> Result<Vec<StoredPage>, KeyStoreError> {
        let (known, last) = (self.epochs(place)?.current.number(), last.number());
        let mut pages = Vec::new();
        if last > known || was_retired && last == known {
            for epoch in known + 1..=last + 1 {
                let epoch = Epoch::new(epoch).ok_or(KeyStoreError::Full { what: "128 epochs of an index" })?;
                pages.extend(self.begin_epoch(place, epoch)?);
            }
        }
        let gone = (known + 1..=last).chain(was_retired.then_some(last)).map(|child| number(place, child));
        pages.extend(self.shred_in_indexes(&Ranges::of_numbers(gone))?);
        Ok(pages)
    }

    pub(in crate::vault) fn epochs(&self, place: IndexPlace) -> Result<Epochs, KeyStoreError> {
        let indexes = self.indexes.as_ref().ok_or(LOST)?;
        with_clean_stack(|| Leaves::of(&indexes.tree, &self.pages, place).live())
    }
}

/// Every record that can be opened has it since its first commit.
pub(crate) const LOST: KeyStoreError = KeyStoreError::Bug("a vault lost its tree of indexes");
