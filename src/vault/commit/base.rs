//! What a commit is based on: every place locked, read, and the record chosen that counts.

use std::time::Duration;

use super::read::{LIST_TRIES, choose, list_of};
use super::{Engine, NOT_OPEN, Terms};
use crate::error::KeyStoreError;
use crate::store::{
    CopyContent, LockError, OrderedRead, PlaceId, Problem, RootCopy, RootLock, RootStore, StoreError, StoredPage,
};
use crate::sync::lock;
use crate::vault::state::copy_selection::Chosen;

/// The places of a commit, locked and read.
pub(super) struct Locked<'r> {
    pub(super) exclusion: Box<dyn RootLock + 'r>,
    /// Those that are written.
    pub(super) written: Vec<PlaceId>,
    pub(super) copies: Vec<RootCopy>,
    pub(super) standing: Standing,
    pub(super) chosen: Chosen,
    /// What others put since, if the store told it with the record.
    pub(super) newer: Option<Vec<StoredPage>>,
}

/// What is known of the record that was read under the lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// It was seen in slots. It is settled when it was written and synced again.
    Seen,
    /// F12: nothing that is written upon it in one step outlives it. Before anything else goes by it, the store has to settle it.
    InOrder,
    /// It is durable as it was read.
    Settled,
}

impl Engine {
    /// Locks every place that is to be written, and finds the record that the commit is based on: the newest of all listed places. One in
    /// the first place may be older, if that was put back: it is brought forward with the others, since all are here. `held`: the generation that
    /// this process knows.
    pub(super) fn lock_base<'r>(
        &self,
        roots: &'r dyn RootStore,
        terms: &Terms,
        held: u64,
    ) -> Result<Locked<'r>, KeyStoreError> {
        let mut list = list_of(roots, &terms.scope);
        for _ in 0..=LIST_TRIES {
            let written = terms.change.as_ref().map_or_else(|| list.clone(), |change| change.written(&list));
            // What is given up is looked at as well: it may have more than the others.
            let others = written.iter().filter(|place| !list.contains(place));
            let read: Vec<PlaceId> = list.iter().chain(others).copied().collect();
            let reads = &self.stores.reads;
            if !roots.never_hangs()
                && let Some(error) = reads.unanswered(&written, self.lock_wait)
            {
                // What hangs when it is read would hang when it is locked, and nothing could be committed any more.
                return Err(error.into());
            }
            let mut exclusion = match take(roots, &written, self.lock_wait, held) {
                Ok(exclusion) => exclusion,
                Err(error) => {
                    // Another process may have detached a place that is gone since.
                    match choose(&reads.read_to_commit(&read, self.lock_wait), &mut lock(&self.keyring), &terms.scope) {
                        Ok(chosen) if chosen.record.places != list => list = chosen.record.places,
                        _ => return Err(error),
                    }
                    continue;
                }
            };
            let in_order = match &*read {
                [only] => exclusion.read_in_order(*only),
                _ => None,
            };
            let (copies, standing, newer) = match in_order {
                Some(OrderedRead { copies, is_settled: true, newer }) => (copies, Standing::Settled, newer),
                Some(OrderedRead { copies, is_settled: false, newer }) => (copies, Standing::InOrder, newer),
                None => (reads.read_to_commit(&read, self.lock_wait), Standing::Seen, None),
            };
            // A place that cannot be read may hold the newest record, which somebody was answered. A slot that is torn, or alone cannot be read,
            // is written anew.
            if let Some(error) = written.iter().find_map(|place| unreadable(&copies, *place)) {
                return Err(error.into());
            }
            let chosen = choose(&copies, &mut lock(&self.keyring), &terms.scope);
            if chosen.is_err() && standing == Standing::InOrder {
                // F11: a server that was deposed proves nothing.
                exclusion.settle().map_err(KeyStoreError::from)?;
            }
            let chosen = chosen?;
            if chosen.record.places == list {
                return Ok(Locked { exclusion, written, copies, standing, chosen, newer });
            }
            // Another process changed the list: other places must be locked.
            list = chosen.record.places;
        }
        Err(KeyStoreError::Busy { waited: self.lock_wait })
    }
}

/// Why nothing of a place could be read, if so.
fn unreadable(copies: &[RootCopy], place: PlaceId) -> Option<StoreError> {
    let mut failed = None;
    for copy in copies.iter().filter(|copy| copy.place == place) {
        match &copy.content {
            CopyContent::Unreachable(error) => failed = failed.or(Some(error)),
            _ => return None,
        }
    }
    failed.cloned()
}

/// The places of the list in the order in which they are written: R4, the first place of the list before goes first, if the new one has it
/// still. It then says of itself that it does not decide any more, before another one does.
pub(super) fn in_order(before: &[PlaceId], list: &[PlaceId]) -> Vec<PlaceId> {
    let first = before.first().filter(|first| list.contains(first));
    first.into_iter().chain(list.iter().filter(|place| Some(*place) != first)).copied().collect()
}

/// Excludes other commits.
pub(super) fn take<'r>(
    roots: &'r dyn RootStore,
    places: &[PlaceId],
    wait: Duration,
    held: u64,
) -> Result<Box<dyn RootLock + 'r>, KeyStoreError> {
    roots.lock_knowing(places, wait, held).map_err(|error| match error {
        LockError::Busy { waited } => KeyStoreError::Busy { waited },
        LockError::Store(error) => {
            let open = roots.places();
            match places.iter().find(|place| !open.contains(place)) {
                Some(place) if error.problem() == Problem::UnknownPlace => {
                    KeyStoreError::PlaceMissing { place: *place, problem: NOT_OPEN }
                }
                _ => error.into(),
            }
        }
    })
}

pub(super) fn shows(copies: &[RootCopy], place: PlaceId, record: &[u8]) -> bool {
    let is_it = |copy: &RootCopy| matches!(&copy.content, CopyContent::Intact(found) if found == record);
    copies.iter().any(|copy| copy.place == place && is_it(copy))
}
