//! Whether a shred could succeed now, as far as that can be told without trying one.

use crate::error::KeyStoreError;
use crate::store::StoreError;
use crate::sync::{Mutex, lock};
use crate::vault::commit::CommitError;

/// What speaks against it. Each is overwritten when it is looked at again.
#[derive(Default)]
pub(crate) struct Readiness {
    troubles: Mutex<Troubles>,
}

#[derive(Default)]
struct Troubles {
    /// A place cannot be read, or seems not to take a write, as of the last read of the record.
    place: Option<KeyStoreError>,
    /// A key tree cannot be read, and so nobody be shredded in it.
    pages: Option<KeyStoreError>,
    /// The last commit failed, or left an old copy. It is tried again until one succeeds.
    commit: Option<KeyStoreError>,
    /// The journal could not be written, until it was again.
    journal: Option<KeyStoreError>,
}

impl Readiness {
    /// What speaks against it, if anything does.
    pub(crate) fn trouble(&self) -> Option<KeyStoreError> {
        let Troubles { commit, journal, place, pages } = &*lock(&self.troubles);
        commit.as_ref().or(journal.as_ref()).or(place.as_ref()).or(pages.as_ref()).cloned()
    }

    pub(crate) fn commit_failed(&self) -> bool {
        lock(&self.troubles).commit.is_some()
    }

    /// The record was read: what is wrong with a place, if anything is.
    pub(crate) fn saw_places(&self, trouble: Option<StoreError>) {
        lock(&self.troubles).place = trouble.map(KeyStoreError::from);
    }

    /// Root pages were read: why some could not be.
    pub(crate) fn saw_pages(&self, trouble: Option<KeyStoreError>) {
        lock(&self.troubles).pages = trouble;
    }

    /// An intent was written into the journal.
    pub(crate) fn wrote_journal(&self) {
        lock(&self.troubles).journal = None;
    }

    /// What came of a commit: `Ok(None)` if all of it was written.
    pub(crate) fn committed(&self, came: Result<Option<&KeyStoreError>, &CommitError>) {
        let failure = match came {
            Ok(old_copy) => old_copy,
            Err(CommitError::NothingHappened(cause) | CommitError::Unknown(cause)) => {
                if !speaks_of_the_store(cause) {
                    return;
                }
                Some(cause)
            }
        };
        let mut troubles = lock(&self.troubles);
        if let Some(KeyStoreError::Journal(_)) = failure {
            troubles.journal = failure.cloned();
            return;
        }
        if failure.is_none() {
            // It wrote every place.
            troubles.place = None;
        }
        troubles.commit = failure.cloned();
    }
}

/// Another commit would fail of it as well. What was asked for may also have been impossible, or be one damaged page's fault.
fn speaks_of_the_store(cause: &KeyStoreError) -> bool {
    matches!(
        cause,
        KeyStoreError::Store(_)
            | KeyStoreError::PlaceMissing { .. }
            | KeyStoreError::FirstPlaceAway { .. }
            | KeyStoreError::NotInEveryPlace { .. }
            | KeyStoreError::NotOnEveryServer { .. }
            | KeyStoreError::Busy { .. }
            | KeyStoreError::Journal(_)
            | KeyStoreError::RecordDamaged { .. }
            | KeyStoreError::Diverged { .. }
            | KeyStoreError::Randomness
            | KeyStoreError::RootKey(_)
            | KeyStoreError::RootKeyDestroyed { .. }
    )
}
