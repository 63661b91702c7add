//! Reading the root record without a lock.

use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::places::Found;
use crate::error::KeyStoreError;
use crate::root_record::Record;
use crate::store::{CopyContent, OrderedRead, PlaceId, RootCopy, RootStore, StoreError};
use crate::sync::lock;
use crate::vault::state::copy_selection::{self, Chosen};
use crate::vault::state::{Keyring, Scope, VaultState};

/// Times a read is tried again when no copy is readable: a commit may be writing one after the other.
const READ_TRIES: u32 = 5;
/// And if each time another record was found, so that others commit all the while.
const CHANGING_TRIES: u32 = 100;
const READ_PAUSE: Duration = Duration::from_millis(5);
/// Times a read begins again because the record lists other places.
pub(super) const LIST_TRIES: u32 = 3;

/// What a read of the key store found.
#[allow(clippy::large_enum_variant)] // one at a time, taken apart at once
pub(crate) enum Seen {
    /// Exactly the record that is held already, in every slot.
    Unchanged { state: Arc<VaultState>, durable: u64, trouble: Option<StoreError> },
    /// Another one; `durable` is the newest generation that it proves to be so. `trouble`: why a commit could not write every place.
    Changed { state: Box<VaultState>, durable: u64, needs_repair: bool, trouble: Option<StoreError> },
}

/// The places that a process reads first: those that it knows to be listed, or all that are open.
pub(super) fn list_of(roots: &dyn RootStore, scope: &Scope) -> Vec<PlaceId> {
    if scope.list.is_empty() { roots.places() } else { scope.list.clone() }
}

/// Reads the record, in the places that it lists itself. `before` gives what is held now: it is asked for after the stores, which may take
/// their time, and nothing is held while they do.
///
/// R5: an error unless the first place shows it. Mirrors are waited for no longer than `mirrors`, and then the first place no longer than `first`.
pub(crate) fn read(
    Engine { stores, keyring, resident, .. }: &Engine,
    before: &dyn Fn() -> Option<Arc<VaultState>>,
    scope: &Scope,
    [mirrors, first]: [Duration; 2],
) -> Result<Seen, KeyStoreError> {
    let (mut tries, mut changes) = (Tries::default(), 0);
    let reads_are_durable = stores.roots.reads_are_durable();
    let mut list = list_of(&*stores.roots, scope);
    loop {
        let Found { mut copies, not_writable } = stores.reads.read(&list, mirrors, first);
        if let Some(before) = before()
            && scope.lost.is_empty()
            && copy_selection::all_are(&copies, &before.facts.places, &before.bytes)
        {
            // A token that is away, or says that the key is gone, is noticed although nothing changed.
            let location = copies.first().map_or("the root record", |copy| copy.location.as_str());
            let confirmed = lock(keyring).confirm(&before.facts.clear, location);
            match confirmed {
                Ok(()) => {
                    let Record { settled, clear, .. } = &before.facts;
                    let durable = if reads_are_durable { clear.generation } else { *settled };
                    return Ok(Seen::Unchanged { state: before, durable, trouble: not_writable });
                }
                Err(error) if tries.again(&error, &mut copies) => continue,
                Err(error) => return Err(error),
            }
        }
        let chosen = choose(&copies, &mut lock(keyring), scope);
        match chosen {
            Err(error) if tries.again(&error, &mut copies) => {}
            Err(error) => return Err(error),
            // It lists other places than were read: these decide.
            Ok(Chosen { record, .. }) if record.places != list && changes < LIST_TRIES => {
                changes += 1;
                list = record.places;
            }
            Ok(Chosen { record, bytes, durable, needs_repair, first, .. }) => {
                if scope.lost.is_empty() {
                    first.check()?;
                }
                // F4: what its slots show proves nothing where that may be in the server's memory alone.
                let durable = if reads_are_durable { durable } else { record.settled };
                let state = Box::new(VaultState::load(record, bytes, before().as_deref(), resident));
                let unreachable = copies.iter().find_map(|copy| match &copy.content {
                    CopyContent::Unreachable(error) => Some(error.clone()),
                    _ => None,
                });
                let trouble = unreachable.or(not_writable);
                return Ok(Seen::Changed { state, durable, needs_repair, trouble });
            }
        }
    }
}

/// What the store shows when it told of a change.
pub(crate) enum AtAGlance {
    /// The record that is held already.
    Unchanged,
    Changed {
        state: Box<VaultState>,
        durable: u64,
    },
    /// Only a [`read`] can tell.
    Unclear,
}

/// Looks at the record as it is seen. F11: nothing is said of what may vanish, so whatever is odd is for a [`read`].
pub(crate) fn glance(
    Engine { stores, keyring, resident, .. }: &Engine,
    before: &dyn Fn() -> Option<Arc<VaultState>>,
    scope: &Scope,
) -> AtAGlance {
    let list = list_of(&*stores.roots, scope);
    let [place] = &*list else { return AtAGlance::Unclear };
    if !stores.roots.never_hangs() || !scope.lost.is_empty() {
        return AtAGlance::Unclear;
    }
    let Some(OrderedRead { copies, is_settled, .. }) = stores.roots.read_seen(*place) else {
        return AtAGlance::Unclear;
    };
    let Some(before) = before() else { return AtAGlance::Unclear };
    if copy_selection::all_are(&copies, &before.facts.places, &before.bytes) {
        return AtAGlance::Unchanged;
    }
    let chosen = choose(&copies, &mut lock(keyring), scope);
    match chosen {
        Ok(Chosen { record, bytes, durable, first, needs_repair: false, .. }) if record.places == list => {
            if first.check().is_err() {
                return AtAGlance::Unclear;
            }
            // F4: what is not flushed proves what it calls settled itself.
            let durable = if is_settled { durable } else { record.settled };
            let state = Box::new(VaultState::load(record, bytes, Some(&before), resident));
            AtAGlance::Changed { state, durable }
        }
        _ => AtAGlance::Unclear,
    }
}

/// What was tried so far.
#[derive(Default)]
struct Tries {
    alike: u32,
    all: u32,
    /// What the last try found; wiped with it.
    found: Vec<RootCopy>,
}

impl Tries {
    /// Whether to try again, after a pause. A commit may be writing one copy after the other; or another process began a version of the root key, and
    /// destroyed the one before, between the read of the record and that of its key: then the record is another one by now.
    fn again(&mut self, error: &KeyStoreError, copies: &mut Vec<RootCopy>) -> bool {
        if !matches!(error, KeyStoreError::RecordDamaged { .. } | KeyStoreError::RootKeyDestroyed { .. }) {
            return false;
        }
        self.all += 1;
        self.alike = if are_alike(&self.found, copies) { self.alike + 1 } else { 1 };
        self.found = std::mem::take(copies);
        if self.alike > READ_TRIES || self.all > CHANGING_TRIES {
            return false;
        }
        std::thread::sleep(READ_PAUSE);
        true
    }
}

fn are_alike(before: &[RootCopy], after: &[RootCopy]) -> bool {
    let is_same = |(before, after): (&RootCopy, &RootCopy)| match (&before.content, &after.content) {
        (CopyContent::Intact(before), CopyContent::Intact(after)) => before == after,
        (before, after) => std::mem::discriminant(before) == std::mem::discriminant(after),
    };
    before.len() == after.len() && before.iter().zip(after).all(is_same)
}

pub(super) fn choose(copies: &[RootCopy], keyring: &mut Keyring, scope: &Scope) -> Result<Chosen, KeyStoreError> {
    copy_selection::choose(copies, keyring, scope)?.map(|chosen| *chosen).ok_or(KeyStoreError::NoVault)
}
