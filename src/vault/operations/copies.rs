//! Copies of a vault, and pages that are loaded for those who are about to be asked for.

use std::path::Path;

use zeroize::Zeroizing;

use crate::customer::CustomerId;
use crate::error::KeyStoreError;
use crate::journal::SeriesName;
use crate::key_tree::Walker;
use crate::nonce;
use crate::secret::Secret32;
use crate::stack::with_clean_stack;
use crate::store::Directory;
use crate::vault::commit::{CommitError, Draft, Step, live_pages};
use crate::vault::operations::Operations;
use crate::vault::state::{LoadedIndexes, LoadedTree, VaultState, page_mark, tree_error};

/// Customers that are looked at together.
const CHUNK: usize = 256;

impl Operations<'_> {
    pub(crate) fn preload(&self, customers: impl IntoIterator<Item = CustomerId>) -> Result<(), KeyStoreError> {
        // The caller's iterator may take its time: no snapshot is held meanwhile.
        let mut customers: Vec<CustomerId> = customers.into_iter().collect();
        customers.sort_unstable();
        for customers in customers.chunks(CHUNK) {
            self.with_pages(|pages| {
                let state = self.state()?;
                with_clean_stack(|| {
                    for tree in state.trees.iter().filter_map(|tree| tree.tree.as_ref()) {
                        let mut walker = Walker::for_many();
                        for customer in customers {
                            match walker.walk(tree, customer.to_path(), pages) {
                                // All that this chunk lacks is fetched at once.
                                Err(_) if pages.wants_more() => {}
                                walked => drop(walked.map_err(tree_error)?),
                            }
                        }
                    }
                    Ok::<_, KeyStoreError>(())
                })
            })?;
        }
        Ok(())
    }

    pub(crate) fn copy_to(&self, directory: &Directory, path: &Path) -> Result<(), KeyStoreError> {
        let plan = &mut |draft: &mut Draft<'_>| {
            draft.refuse_if_gone_back()?;
            Ok(Step::Done(live_pages(draft)?.into_iter().collect::<Vec<_>>()))
        };
        // Of what is durable: a copy of a record that vanishes would be of a history that never was.
        let mut failed: Option<KeyStoreError> = None;
        let done = self.commit_then(plan, &mut |live, state, _| {
            // What is wrong with the copy says nothing about the vault.
            let mark = page_mark::make(&state.facts, state.facts.clear.generation, self.settings.is_copy);
            failed = match self.record_for_copy(state) {
                Ok(Some(own)) => directory.copy_to(path, &mark, &own, live).err().map(Into::into),
                Ok(None) => directory.copy_to(path, &mark, &state.bytes, live).err().map(Into::into),
                Err(error) => Some(error),
            };
            Ok(())
        });
        let old_copy = done.map_err(CommitError::cause)?.old_copy;
        failed.or(old_copy).map_or(Ok(()), Err)
    }

    /// E7: where the root key has versions a copy is under a version of a series of its own: nobody who uses it makes or destroys a key of
    /// the vault, and it outlives the vault's versions. `None`: as it is.
    fn record_for_copy(&self, state: &VaultState) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError> {
        let Some(series) = self.commits.keyring().new_series(&state.facts.clear)? else {
            return Ok(None);
        };
        // Before there is a key that nobody knows of.
        self.write_down_copy(&state.facts, SeriesName::from_bytes(series))?;
        let (secret, recipe) = self.commits.keyring().begin_series(series)?;
        let mut record = state.facts.without_trees();
        record.clear.recipe = recipe;
        record.trees = state.trees.iter().map(LoadedTree::to_record).collect();
        record.indexes = state.indexes.as_ref().map(LoadedIndexes::to_record);
        let mut fresh = Secret32::empty();
        nonce::fill(fresh.bytes_mut()).map_err(|_| KeyStoreError::Randomness)?;
        let sealed = record.seal(&secret, fresh.bytes());
        Ok(Some(Zeroizing::new(sealed.map_err(|_| KeyStoreError::Bug("a root record for a copy"))?)))
    }
}
