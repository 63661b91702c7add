//! Reading the root record without a lock.

use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::places::Found;
use crate::error::KeyStoreError;
use crate::store::{CopyContent, PlaceId, RootCopy, RootStore, StoreError};
use crate::sync::lock;
use crate::vault::state::copy_selection::{self, Chosen};
use crate::vault::state::{Keyring, Scope, VaultState};

/// Times a read is tried again when no copy is readable: a commit may be writing one after the other.
const READ_TRIES: u32 = 5;
const READ_PAUSE: Duration = Duration::from_millis(5);
/// Times a read begins again because the record lists other places.
pub(super) const LIST_TRIES: u32 = 3;

/// What a read of the key store found.
#[allow(clippy::large_enum_variant)] // one at a time, taken apart at once
pub(crate) enum Seen {
    /// Exactly the record that is held already, in every slot.
    Unchanged { state: Arc<VaultState>, trouble: Option<StoreError> },
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
    let (mut tries, mut changes) = (0, 0);
    let mut list = list_of(&*stores.roots, scope);
    loop {
        let Found { copies, not_writable } = stores.reads.read(&list, mirrors, first);
        if let Some(before) = before()
            && scope.lost.is_empty()
            && copy_selection::all_are(&copies, &before.facts.places, &before.bytes)
        {
            // A token that is away, or says that the key is gone, is noticed although nothing changed.
            let location = copies.first().map_or("the root record", |copy| copy.location.as_str());
            lock(keyring).confirm(&before.facts.clear, location)?;
            return Ok(Seen::Unchanged { state: before, trouble: not_writable });
        }
        match choose(&copies, &mut lock(keyring), scope) {
            // Another process may have begun a version between the read of the record and that of its key.
            Err(KeyStoreError::RecordDamaged { .. } | KeyStoreError::RootKeyDestroyed { .. }) if tries < READ_TRIES => {
                tries += 1;
                std::thread::sleep(READ_PAUSE);
            }
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

pub(super) fn choose(copies: &[RootCopy], keyring: &mut Keyring, scope: &Scope) -> Result<Chosen, KeyStoreError> {
    copy_selection::choose(copies, keyring, scope)?.map(|chosen| *chosen).ok_or(KeyStoreError::NoVault)
}
