//! Reading and replacing the root record.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::Directory;
use super::disk::Disk;
use super::lock::Held;
use super::place::Place;
use super::slots::{self, SLOT_BYTES};
use crate::store::{
    Change, CopyContent, PlaceId, Problem, RECORD_BYTES, Refusal, RootCopy, RootStore, StoreError, UpdateError,
};

/// How often a reader without the lock looks again at copies that may just be being written: while none is whole, or
/// only some are not.
const LOOKS: u32 = 6;
const LOOKS_FOR_THE_REST: u32 = 2;

impl RootStore for Directory {
    fn read(&self) -> Result<Vec<RootCopy>, StoreError> {
        self.inner.disk.alive()?;
        let places = self.all();
        let mut copies = read_copies(&places);
        for look in 0..LOOKS {
            let damaged = copies.iter().any(|copy| matches!(copy.content, CopyContent::Damaged));
            let intact = copies.iter().any(|copy| matches!(copy.content, CopyContent::Intact(_)));
            if !damaged || (intact && look >= LOOKS_FOR_THE_REST) {
                break;
            }
            std::thread::sleep(Duration::from_millis(1 << look));
            copies = read_copies(&places);
        }
        let unreachable = |copy: &RootCopy| matches!(copy.content, CopyContent::Unreachable(_));
        if copies.iter().all(unreachable) {
            let error = copies.into_iter().find_map(unreachable_why);
            return error.map_or_else(|| Ok(Vec::new()), Err);
        }
        Ok(copies)
    }

    fn update(
        &self,
        wait: Duration,
        change: &mut dyn FnMut(&[RootCopy]) -> Result<Change, Refusal>,
    ) -> Result<(), UpdateError> {
        let places = self.all();
        let held = lock_all(&places, wait)?;
        let done = update_locked(&self.inner.disk, &places, change);
        held.into_iter().for_each(Held::release);
        done
    }

    fn places(&self) -> Vec<PlaceId> {
        // A mirror that was away when this was opened may be back.
        self.all().iter().filter_map(|place| place.id().ok()).collect()
    }
}

/// In the order of the ids, so that two processes that name the places in another order cannot wait for each other.
fn lock_all(places: &[Arc<Place>], wait: Duration) -> Result<Vec<Held>, UpdateError> {
    let deadline = Instant::now() + wait;
    let mut order = Vec::with_capacity(places.len());
    for place in places {
        order.push((place.identify().map_err(UpdateError::NotWritten)?, place));
    }
    order.sort_by_key(|(id, _)| *id);
    let mut held = Vec::with_capacity(order.len());
    for (_, place) in order {
        match place.lock(deadline).map_err(UpdateError::NotWritten)? {
            Some(lock) => held.push(lock),
            None => return Err(UpdateError::Busy { waited: wait }),
        }
    }
    Ok(held)
}

fn read_copies(places: &[Arc<Place>]) -> Vec<RootCopy> {
    let mut copies = Vec::new();
    for place in places {
        for path in place.slots() {
            let content = match place.id().and_then(|_| slots::read(&path)) {
                Ok(content) => content,
                // One slot that is missing is damage, if the place around it is still there.
                Err(error) if error.problem() == Problem::Missing => {
                    place.identify().map_or_else(CopyContent::Unreachable, |_| CopyContent::Damaged)
                }
                Err(error) => CopyContent::Unreachable(error),
            };
            let location = path.display().to_string();
            copies.push(RootCopy { location, place: place.known_id().unwrap_or(PlaceId([0; 8])), content });
        }
    }
    copies
}

fn unreachable_why(mut copy: RootCopy) -> Option<StoreError> {
    match std::mem::replace(&mut copy.content, CopyContent::Empty) {
        CopyContent::Unreachable(error) => Some(error),
        content => {
            copy.content = content;
            None
        }
    }
}

fn update_locked(
    disk: &Disk,
    places: &[Arc<Place>],
    change: &mut dyn FnMut(&[RootCopy]) -> Result<Change, Refusal>,
) -> Result<(), UpdateError> {
    let copies = read_copies(places);
    let (record, newest) = match change(&copies).map_err(|Refusal| UpdateError::Refused)? {
        Change::Keep => return Ok(()),
        Change::Write { record, newest } => (Zeroizing::new(record), newest),
    };
    let base = newest.and_then(|newest| copies.get(newest)).map(|copy| base_of(&copies, copy));
    let slots = open_all(disk, places, &record, newest, copies).map_err(UpdateError::NotWritten)?;
    if let (Some(rewrite), Some((file, path))) = (base, slots.last()) {
        secure(disk, file, path, rewrite.as_ref().map(|bytes| bytes.as_slice())).map_err(UpdateError::NotWritten)?;
    }
    let bytes = Zeroizing::new(slots::encode(&record));
    let mut durable = false;
    let mut failure = None;
    for (file, path) in &slots {
        match overwrite(disk, file, path, &bytes) {
            Ok(()) => durable = true,
            // The copy that the change is based on is still whole: leave it so.
            Err(error) if !durable => return Err(UpdateError::Unknown(error)),
            // The change happened; the more old copies are overwritten the better.
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    failure.map_or(Ok(()), |error| Err(UpdateError::NotWiped(error)))
}

/// What to write over the copy that a change is based on: itself, if the copies differ.
fn base_of(copies: &[RootCopy], base: &RootCopy) -> Option<Zeroizing<Vec<u8>>> {
    let CopyContent::Intact(record) = &base.content else { return None };
    let same = |copy: &RootCopy| matches!(&copy.content, CopyContent::Intact(other) if other == record);
    (!copies.iter().all(same)).then(|| Zeroizing::new(slots::encode(record)))
}

/// Makes sure that the copy which a change is based on is on the medium, before another one is overwritten: a process
/// may have been killed between writing it and syncing it, and then a power failure could take both. Where the copies
/// differ one was, or its sync failed; it is then written again with the bytes it has, which no torn write can harm.
fn secure(disk: &Disk, file: &File, path: &Path, rewrite: Option<&[u8]>) -> Result<(), StoreError> {
    if let Some(bytes) = rewrite {
        disk.write(file, path, 0, bytes)?;
    }
    disk.sync(file, path)
}

/// Every slot opened for writing, in the order in which they are to be written. Nothing is written before all are open.
fn open_all(
    disk: &Disk,
    places: &[Arc<Place>],
    record: &[u8],
    newest: Option<usize>,
    copies: Vec<RootCopy>,
) -> Result<Vec<(File, PathBuf)>, StoreError> {
    disk.alive()?;
    if record.len() != RECORD_BYTES || newest.is_some_and(|newest| newest >= copies.len()) {
        return Err(StoreError::new(Problem::Io, "a root record").caused_by("the change does not fit the store"));
    }
    // A copy that cannot be read, or that a newer program wrote, must not be overwritten.
    if let Some(error) = copies.into_iter().find_map(unreachable_why) {
        return Err(error);
    }
    let mut opened = Vec::new();
    for place in places {
        let mut made_one = false;
        for path in place.slots() {
            let (file, made) = slots::open(&path)?;
            made_one |= made;
            opened.push((file, path));
        }
        if made_one {
            disk.sync_dir(place.root())?;
        }
    }
    if let Some(newest) = newest {
        let last = opened.remove(newest);
        opened.push(last);
    }
    Ok(opened)
}

fn overwrite(disk: &Disk, file: &File, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    disk.write(file, path, 0, bytes)?;
    let length = file.metadata().map_err(|error| StoreError::io(path, error))?.len();
    if length > SLOT_BYTES as u64 {
        disk.cut(file, path, SLOT_BYTES as u64)?;
    }
    disk.sync(file, path)
}
