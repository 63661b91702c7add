//! The life of a purpose's key tree: replaced by a new one, moved to, and given up.

use crate::customer::CustomerId;
use crate::derivation::TreeId;
use crate::error::{ChangeError, Error, KeyStoreError, OpenError};
use crate::field::{FieldWithin, Purpose};
use crate::group::Members;
use crate::journal::{Event, KeyTreeId, Results};
use crate::key_tree::{Found, Walker};
use crate::personal::PersonalData;
use crate::sealed::Sealed;
use crate::stack::with_clean_stack;
use crate::vault::commit::{CommitError, Done, Draft, Step};
use crate::vault::journal::Entries;
use crate::vault::operations::Operations;
use crate::vault::process::Commit;
use crate::vault::state::{Handle, LoadedTree, NO_TREE, tree_error};

impl Operations<'_> {
    /// On the thread that commits.
    pub(crate) fn rotate_purpose(&self, purpose: Purpose) -> Result<(KeyTreeId, Commit), ChangeError> {
        let mut entries = Entries::default();
        let done = self.commit(&mut |draft| {
            draft.refuse_if_gone_back()?;
            let intent = || Ok(Event::RotatePurpose { purpose: purpose.into(), why: None });
            self.intend_once(draft, &mut entries, intent)?;
            let (id, pages) = draft.replace_tree(purpose.name())?;
            Ok(Step::Write(pages, KeyTreeId::from(id)))
        });
        let results = Results { tree: done.as_ref().ok().map(|done| done.value), ..Results::default() };
        self.conclude(&mut entries, &done, &results);
        // An older copy of the record holds nothing that was given up.
        let done = self.reread_if_unknown(done)?.in_every_place().map_err(ChangeError::NotInEveryPlace)?;
        let tree = done.value;
        let commit = self.made_now(done.state);
        crate::events::committed(commit.generation(), 0, 0);
        Ok((tree, commit))
    }

    /// On the thread that commits. A process that knows of a new tree, but not that it is durable, seals under the one before.
    pub(crate) fn publish_tree(&self, new: KeyTreeId) -> Result<(), ChangeError> {
        let id = TreeId::from(new);
        let made = |draft: &Draft<'_>| Ok(draft.trees.iter().find(|tree| tree.id == id).map_or(0, |tree| tree.made));
        Ok(self.publish_as_durable(made)?)
    }

    /// On the thread that commits.
    pub(crate) fn retire_replaced(
        &self,
        purpose: Purpose,
        by: KeyTreeId,
    ) -> Result<(Vec<KeyTreeId>, Commit), ChangeError> {
        let mut refused = None;
        let mut entries = Entries::default();
        let intent = || Ok(Event::RetireReplaced { purpose: purpose.into(), new: by, why: None });
        let done = self.commit(&mut |draft| {
            draft.refuse_if_gone_back()?;
            let theirs = |tree: &&LoadedTree| tree.tree.is_some() && tree.purpose == purpose.name();
            let is_retired = |tree: &LoadedTree| {
                tree.tree.is_none() && tree.purpose == purpose.name() && tree.id == TreeId::from(by)
            };
            let replaced: Vec<TreeId> =
                match draft.trees.iter().filter(theirs).position(|tree| tree.id == TreeId::from(by)) {
                    // Trees that are in use stand in the order in which they were made.
                    Some(new) => draft.trees.iter().filter(theirs).take(new).map(|tree| tree.id).collect(),
                    // It was replaced and given up itself, by another process that this one had not heard of, and with it all that
                    // it had replaced.
                    None if draft.trees.iter().any(is_retired) => Vec::new(),
                    None => {
                        refused = Some(ChangeError::UnknownTree { tree: by });
                        return Ok(Step::Keep(()));
                    }
                };
            // Somebody gave them up before. That commit may have been killed half-way, so all copies are written again.
            if replaced.is_empty() {
                self.intend_once(draft, &mut entries, intent)?;
                return Ok(Step::Rewrite(()));
            }
            if draft.record.places.len() < 2 && !self.stores().roots.is_replicated() {
                refused = Some(ChangeError::OnePlace);
                return Ok(Step::Keep(()));
            }
            self.intend_once(draft, &mut entries, intent)?;
            draft.retire_trees(&replaced)?;
            Ok(Step::Write(Vec::new(), ()))
        });
        let retired = |done: &Done<()>| -> Vec<KeyTreeId> {
            let theirs = done.state.trees.iter().filter(|tree| tree.tree.is_none() && tree.purpose == purpose.name());
            theirs.map(|tree| KeyTreeId::from(tree.id)).collect()
        };
        let trees = done.as_ref().map(retired).unwrap_or_default();
        self.conclude(&mut entries, &done, &Results { trees: trees.clone(), ..Results::default() });
        let done = self.reread_if_unknown(done)?;
        if let Some(refused) = refused {
            return Err(refused);
        }
        if let Some(cause) = done.old_copy {
            return Err(ChangeError::OldCopyRemains(cause));
        }
        Ok((trees, self.retired_now(done)))
    }

    /// What gave up keys is durable.
    pub(super) fn retired_now(&self, done: Done<()>) -> Commit {
        let commit = self.made_now(done.state);
        crate::events::committed(commit.generation(), 0, 0);
        commit
    }

    /// Waits until every process has read what this one knows now, or stopped using the vault.
    pub(crate) fn wait_a_lease(&self) -> Result<(), KeyStoreError> {
        let lease = self.state()?.facts.lease;
        // Without threads, in tests, time is moved by hand.
        if self.settings.threaded {
            std::thread::sleep(lease);
        }
        Ok(())
    }

    /// False when the value is under the tree that seals now.
    pub(crate) fn needs_reseal<T>(&self, sealed: &Sealed<T>) -> Result<bool, KeyStoreError> {
        Ok(self.state()?.tree(sealed.header().tree).is_none_or(|tree| !tree.active))
    }

    /// A value of somebody else, or of another purpose, is opened all the same: that tells what is wrong.
    fn is_newest<T>(&self, customer: CustomerId, purpose: Purpose, sealed: &Sealed<T>) -> Result<bool, KeyStoreError> {
        let (state, header) = (self.state()?, sealed.header());
        let active = state.active(purpose.name());
        Ok(header.customer == customer.to_path() && active.is_some_and(|tree| tree.id == header.tree))
    }

    pub(crate) fn reseal<T: PersonalData>(
        &self,
        customer: CustomerId,
        place: FieldWithin<'_, T>,
        sealed: &Sealed<T>,
    ) -> Result<Option<Sealed<T>>, Error> {
        if self.is_newest(customer, place.field.purpose(), sealed).map_err(OpenError::from)? {
            return Ok(None);
        }
        let value = self.open(customer, place, sealed)?;
        Ok(Some(self.seal(customer, place, &value)?))
    }

    pub(crate) fn reseal_by_handle<T: PersonalData>(
        &self,
        handle: &Handle,
        index: usize,
        place: FieldWithin<'_, T>,
        sealed: &Sealed<T>,
    ) -> Result<Option<Sealed<T>>, Error> {
        if self.is_newest(handle.customer(index), place.field.purpose(), sealed).map_err(OpenError::from)? {
            return Ok(None);
        }
        let value = self.open_by_handle(handle, index, place, sealed)?;
        Ok(Some(self.seal_by_handle(handle, index, place, &value)?))
    }

    pub(crate) fn reseal_group(
        &self,
        handle: &Handle,
        index: usize,
        place: FieldWithin<'_, Members>,
        sealed: &Sealed<Members>,
    ) -> Result<Option<Sealed<Members>>, Error> {
        if self.is_newest(handle.customer(index), place.group().purpose(), sealed).map_err(OpenError::from)? {
            return Ok(None);
        }
        let members = self.open_group(handle, index, place, &[], sealed)?;
        Ok(Some(self.seal_group(handle, index, place, &members)?))
    }

    /// Those who are shredded in a purpose, in order of number.
    pub(crate) fn shredded_among(
        &self,
        purpose: Purpose,
        customers: impl IntoIterator<Item = CustomerId>,
    ) -> Result<Vec<CustomerId>, OpenError> {
        if !self.is_unlocked(purpose) {
            return Err(OpenError::PurposeNotUnlocked { purpose: purpose.name() });
        }
        // The caller's iterator may take its time: no snapshot is held meanwhile.
        let mut customers: Vec<CustomerId> = customers.into_iter().collect();
        customers.sort_unstable();
        customers.dedup();
        let mut shredded = Vec::new();
        for customers in customers.chunks(CHUNK) {
            shredded.extend(self.with_pages(|pages| {
                let state = self.state()?;
                let tree = state.active(purpose.name()).and_then(|tree| tree.tree.as_ref()).ok_or(NO_TREE)?;
                with_clean_stack(|| {
                    let mut walker = Walker::for_many();
                    let mut found = Vec::new();
                    for customer in customers {
                        match walker.walk(tree, customer.to_path(), pages) {
                            Ok(Found::Shredded) => found.push(*customer),
                            Ok(Found::Key) => {}
                            // All that this chunk lacks is fetched at once.
                            Err(_) if pages.wants_more() => {}
                            Err(error) => return Err(tree_error(error)),
                        }
                    }
                    Ok(found)
                })
            })?);
        }
        self.confirm_lease()?;
        Ok(shredded)
    }
}

/// Customers that are looked at in one snapshot.
const CHUNK: usize = 256;

impl From<CommitError> for ChangeError {
    fn from(error: CommitError) -> ChangeError {
        match error {
            CommitError::NothingHappened(cause) => ChangeError::NothingHappened(cause),
            CommitError::Unknown(cause) => ChangeError::Unknown(cause),
        }
    }
}
