//! Commits that make keys: trees for new purposes, another root key.

use std::collections::BTreeSet;

use crate::error::{ChangeError, KeyStoreError};
use crate::journal::{Event, Results};
use crate::root_key::RootKey;
use crate::vault::commit::{CommitError, NewKey, Step};
use crate::vault::journal::{Entries, labels};
use crate::vault::operations::Operations;

/// What is true of the root key. Whoever does not know keeps both.
pub(in crate::vault) fn of_root_key(error: CommitError) -> ChangeError {
    match error {
        CommitError::NothingHappened(cause) => ChangeError::NothingHappened(cause),
        CommitError::Unknown(cause) => ChangeError::RootKeyUnknown(cause),
    }
}

impl Operations<'_> {
    /// Adds trees for purposes that have none, and that of the indexes; does nothing if all are there.
    pub(crate) fn add_missing_purposes(&self) -> Result<(), KeyStoreError> {
        let purposes = self.settings.purposes.clone();
        let resident = self.commits.resident().clone();
        let mut entries = Entries::default();
        let added = self.commit(&mut |draft| {
            draft.refuse_if_gone_back()?;
            let had_indexes = draft.indexes.is_some();
            let known: BTreeSet<String> = draft.trees.iter().map(|tree| tree.purpose.clone()).collect();
            let pages = draft.add_purposes(&purposes, &resident)?;
            let added = draft.trees.iter().map(|tree| tree.purpose.clone()).filter(|purpose| !known.contains(purpose));
            let added: Vec<String> = added.collect();
            if !added.is_empty() {
                self.intend_once(draft, &mut entries, || Ok(Event::AddPurposes { purposes: labels(&added)? }))?;
            }
            draft.add_indexes(&resident)?;
            // Not by the number of trees: a new one may have taken the room of one that was retired.
            let is_same = added.is_empty() && had_indexes;
            // R7: whoever made them may not have got as far as to know that they are durable.
            Ok(if is_same { Step::Done(()) } else { Step::Write(pages, ()) })
        });
        self.conclude(&mut entries, &added, &Results::default());
        let done = added.map_err(CommitError::cause)?;
        done.old_copy.map_or(Ok(()), Err)
    }

    /// Begins a version of the root key, where it has versions.
    pub(crate) fn begin_version(&self) -> Result<(), ChangeError> {
        let mut entries = Entries::default();
        let mut has_versions = true;
        let done = self.commit(&mut |draft| {
            draft.refuse_if_gone_back()?;
            has_versions = draft.record.clear.recipe.version().is_some() && !self.settings.is_copy;
            if !has_versions {
                return Ok(Step::Keep(()));
            }
            self.intend_once(draft, &mut entries, || Ok(Event::RotateRootKey { why: None }))?;
            draft.begins_version = true;
            Ok(Step::Write(Vec::new(), ()))
        });
        self.conclude(&mut entries, &done, &Results::default());
        match done {
            Ok(_) if !has_versions => Err(ChangeError::NoVersions),
            Ok(done) => done.old_copy.map_or(Ok(()), |cause| Err(ChangeError::OldCopyRemains(cause))),
            Err(error) => Err(of_root_key(error)),
        }
    }

    pub(crate) fn rotate(&self, key: &RootKey) -> Result<(), ChangeError> {
        let vault = self.settings.vault;
        if self.commits.keyring().is_current(key, vault) {
            return Err(ChangeError::SameKey);
        }
        let mut entries = Entries::default();
        let before = self.state_now().map_err(ChangeError::NothingHappened)?.facts.clear.recipe.clone();
        let established = key.establish_after(&before, vault);
        let mut established = Some(established.map_err(|error| ChangeError::NothingHappened(error.into()))?);
        let done = self.commit(&mut |draft| {
            draft.refuse_if_gone_back()?;
            self.intend_once(draft, &mut entries, || Ok(Event::RotateRootKey { why: None }))?;
            let Some((secret, recipe)) = established.take() else {
                // The store asked again, or the outcome of the first try was unknown: a new salt is as good.
                let (secret, recipe) = key.establish_after(&draft.record.clear.recipe, vault)?;
                draft.rekey = Some(NewKey { key: key.clone(), secret, recipe });
                return Ok(Step::Write(Vec::new(), ()));
            };
            draft.rekey = Some(NewKey { key: key.clone(), secret, recipe });
            Ok(Step::Write(Vec::new(), ()))
        });
        self.conclude(&mut entries, &done, &Results::default());
        match done {
            Ok(done) => done.old_copy.map_or(Ok(()), |cause| Err(ChangeError::OldCopyRemains(cause))),
            Err(error) => Err(of_root_key(error)),
        }
    }
}
