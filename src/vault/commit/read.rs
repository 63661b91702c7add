//! Reading the root record without a lock.

use std::sync::Arc;
use std::time::Duration;

use super::Stores;
use crate::error::KeyStoreError;
use crate::key_tree::Resident;
use crate::root_record::Record;
use crate::store::{PlaceId, RootCopy, RootStore};
use crate::sync::{Mutex, lock};
use crate::vault::custody::{self, Chosen, Sight};
use crate::vault::held::{Held, StoredPages};
use crate::vault::keyring::Keyring;

/// Times a read is tried again when no copy is readable: a commit may be writing one after the other.
const READ_TRIES: u32 = 5;
const READ_PAUSE: Duration = Duration::from_millis(5);

/// What a read of the key store found.
#[allow(clippy::large_enum_variant)] // one at a time, taken apart at once
pub(crate) enum Seen {
    /// Exactly the record that is held already, in every slot.
    Unchanged,
    /// Another one; `durable` is the newest generation that it proves to be so.
    Changed { held: Box<Held>, durable: u64, needs_repair: bool },
}

/// Every copy there is.
///
/// Mirrors before the first place: they never hold a record that the first place does not have, so that what is read of the
/// first place is no older than what was read of the others, also where a commit comes in between.
pub(crate) fn copies(roots: &dyn RootStore) -> Vec<RootCopy> {
    let mut by_place: Vec<Vec<RootCopy>> = roots.places().into_iter().rev().map(|place| roots.read(place)).collect();
    by_place.reverse();
    by_place.into_iter().flatten().collect()
}

/// Reads the record. `before` is what is held now.
pub(crate) fn read(
    stores: &Stores,
    keyring: &Mutex<Keyring>,
    resident: &Arc<Resident>,
    before: Option<&Held>,
) -> Result<Seen, KeyStoreError> {
    let mut tries = 0;
    loop {
        let copies = copies(&*stores.roots);
        if let Some(before) = before
            && custody::all_are(&copies, &before.facts.places, &before.bytes)
        {
            return Ok(Seen::Unchanged);
        }
        match choose(&copies, &mut lock(keyring)) {
            Err(KeyStoreError::RecordDamaged { .. }) if tries < READ_TRIES => {
                tries += 1;
                std::thread::sleep(READ_PAUSE);
            }
            Err(error) => return Err(error),
            Ok(Chosen { record, bytes, durable, needs_repair, .. }) => {
                let pages = StoredPages(&*stores.pages);
                let held = Box::new(Held::load(record, bytes, before, resident, &pages)?);
                return Ok(Seen::Changed { held, durable, needs_repair });
            }
        }
    }
}

pub(super) fn choose(copies: &[RootCopy], keyring: &mut Keyring) -> Result<Chosen, KeyStoreError> {
    match custody::choose(copies, keyring)? {
        Sight::Nothing => Err(KeyStoreError::NoVault),
        Sight::Record(chosen) => Ok(*chosen),
    }
}

/// A place that the record lists and that is not open here, or the reverse.
pub(super) fn check_places(record: &Record, open: &[PlaceId]) -> Result<(), KeyStoreError> {
    if let Some(place) = record.places.iter().find(|place| !open.contains(place)) {
        return Err(KeyStoreError::PlaceMissing { place: *place, problem: "not among the places opened" });
    }
    if let Some(place) = open.iter().find(|place| !record.places.contains(place)) {
        return Err(KeyStoreError::PlaceMissing { place: *place, problem: custody::NOT_LISTED });
    }
    Ok(())
}
