//! Reading the root record without a lock.

use std::sync::Arc;
use std::time::Duration;

use super::{Scope, Stores};
use crate::error::KeyStoreError;
use crate::key_tree::Resident;
use crate::store::{PlaceId, RootCopy, RootStore};
use crate::sync::{Mutex, lock};
use crate::vault::custody::{self, Chosen, Sight};
use crate::vault::held::{Held, StoredPages};
use crate::vault::keyring::Keyring;

/// Times a read is tried again when no copy is readable: a commit may be writing one after the other.
const READ_TRIES: u32 = 5;
const READ_PAUSE: Duration = Duration::from_millis(5);
/// Times a read begins again because the record lists other places.
pub(super) const LIST_TRIES: u32 = 3;

/// What a read of the key store found.
#[allow(clippy::large_enum_variant)] // one at a time, taken apart at once
pub(crate) enum Seen {
    /// Exactly the record that is held already, in every slot.
    Unchanged,
    /// Another one; `durable` is the newest generation that it proves to be so.
    Changed { held: Box<Held>, durable: u64, needs_repair: bool },
}

/// Every copy in these places.
///
/// Mirrors before the first place: they never hold a record that the first place does not have, so that what is read of the
/// first place is no older than what was read of the others, also where a commit comes in between.
pub(crate) fn copies(roots: &dyn RootStore, list: &[PlaceId]) -> Vec<RootCopy> {
    let mut by_place: Vec<Vec<RootCopy>> = list.iter().rev().map(|place| roots.read(*place)).collect();
    by_place.reverse();
    by_place.into_iter().flatten().collect()
}

/// The places that a process reads first: those that it knows to be listed, or all that are open.
pub(super) fn list_of(roots: &dyn RootStore, scope: &Scope) -> Vec<PlaceId> {
    if scope.list.is_empty() { roots.places() } else { scope.list.clone() }
}

/// Reads the record, in the places that it lists itself. `before` is what is held now.
///
/// R5: an error unless the first place shows it.
pub(crate) fn read(
    stores: &Stores,
    keyring: &Mutex<Keyring>,
    resident: &Arc<Resident>,
    before: Option<&Held>,
    scope: &Scope,
) -> Result<Seen, KeyStoreError> {
    let (mut tries, mut changes) = (0, 0);
    let mut list = list_of(&*stores.roots, scope);
    loop {
        let copies = copies(&*stores.roots, &list);
        if let Some(before) = before
            && scope.lost.is_empty()
            && custody::all_are(&copies, &before.facts.places, &before.bytes)
        {
            return Ok(Seen::Unchanged);
        }
        match choose(&copies, &mut lock(keyring), scope) {
            Err(KeyStoreError::RecordDamaged { .. }) if tries < READ_TRIES => {
                tries += 1;
                std::thread::sleep(READ_PAUSE);
            }
            Err(error) => return Err(error),
            // It lists other places than were read: these decide.
            Ok(Chosen { record, .. }) if record.places != list && changes < LIST_TRIES => {
                changes += 1;
                list = record.places;
            }
            Ok(Chosen { record, bytes, durable, needs_repair, first }) => {
                if scope.lost.is_empty() {
                    first.check()?;
                }
                let pages = StoredPages(&*stores.pages);
                let held = Box::new(Held::load(record, bytes, before, resident, &pages)?);
                return Ok(Seen::Changed { held, durable, needs_repair });
            }
        }
    }
}

pub(super) fn choose(copies: &[RootCopy], keyring: &mut Keyring, scope: &Scope) -> Result<Chosen, KeyStoreError> {
    match custody::choose(copies, keyring, scope)? {
        Sight::Nothing => Err(KeyStoreError::NoVault),
        Sight::Record(chosen) => Ok(*chosen),
    }
}
