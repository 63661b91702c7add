//! In place of the journal, where the feature is not enabled.

use super::{Deed, Fruit};
use crate::error::{KeyStoreError, UnlockError};
use crate::root_record::Anchor;
use crate::vault::engine::{CommitError, Draft};
use crate::vault::process::{Done, Process};

/// Nothing can be chosen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chosen(());

pub(crate) struct Book;

impl Chosen {
    pub(crate) fn refuse_existing(&self) -> Result<(), KeyStoreError> {
        Ok(())
    }
}

/// Of one commit: none.
#[derive(Default)]
pub(crate) struct Entries(());

impl Book {
    pub(crate) fn new(_: &Chosen) -> Book {
        Book
    }

    pub(crate) fn durable(&self) -> Option<Anchor> {
        None
    }

    pub(crate) fn highest_generation(&self) -> Option<u64> {
        None
    }
}

impl Entries {
    pub(crate) fn is_empty(&self) -> bool {
        true
    }
}

impl Process {
    pub(crate) fn open_journal_to_recover(&self, _: &Chosen) -> Result<(), KeyStoreError> {
        Ok(())
    }

    pub(crate) fn finish_recovered(&self) {}

    pub(crate) fn open_journal(&self, _: &Chosen) -> Result<(), UnlockError> {
        Ok(())
    }

    pub(crate) fn intend(&self, draft: &mut Draft<'_>, _: &mut Entries, deeds: Vec<Deed>) -> Result<(), KeyStoreError> {
        if draft.record.anchor.is_some() && !deeds.is_empty() { Err(KeyStoreError::NeedsJournal) } else { Ok(()) }
    }

    pub(crate) fn conclude_each<T>(
        &self,
        _: &mut Entries,
        _: &Result<Done<T>, CommitError>,
        _: impl Fn(usize) -> Fruit,
    ) {
    }
}
