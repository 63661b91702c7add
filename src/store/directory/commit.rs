//! Reading and writing the slots of the root record.

use std::sync::Arc;
use std::time::{Duration, Instant};

use zeroize::{Zeroize, Zeroizing};

use super::lock::LockGuard;
use super::place::Place;
use super::slots::{self, SLOT_BYTES};
use super::{Directory, access};
use crate::store::{CopyContent, LockError, PlaceId, Problem, RECORD_BYTES, RootCopy, RootLock, RootStore, StoreError};

/// How often a reader without the lock looks again at copies that may just be being written: while none is whole, or
/// only some are not.
const LOOKS: u32 = 6;
const LOOKS_FOR_THE_REST: u32 = 2;

impl RootStore for Directory {
    fn places(&self) -> Vec<PlaceId> {
        self.used().iter().filter_map(|place| place.known_id()).collect()
    }

    fn read(&self, place: PlaceId) -> Vec<RootCopy> {
        let found = self.inner.disk.alive().and_then(|()| self.find(place));
        let place = match found {
            Ok(place) => place,
            Err(error) => {
                let location = format!("place {place}");
                return vec![RootCopy { location, place, content: CopyContent::Unreachable(error) }];
            }
        };
        let mut copies = read_copies(&place);
        for look in 0..LOOKS {
            let damaged = copies.iter().any(|copy| matches!(copy.content, CopyContent::Damaged));
            let intact = copies.iter().any(|copy| matches!(copy.content, CopyContent::Intact(_)));
            if !damaged || (intact && look >= LOOKS_FOR_THE_REST) {
                break;
            }
            // Before the next look, which may hang: what was read so far must not wait in memory with it. The root key opens it, and it may be superseded
            // by the time that anybody comes back.
            copies.clear();
            std::thread::sleep(Duration::from_millis(1 << look));
            copies = read_copies(&place);
        }
        copies
    }

    fn lock(&self, places: &[PlaceId], wait: Duration) -> Result<Box<dyn RootLock + '_>, LockError> {
        let deadline = Instant::now() + wait;
        let mut found =
            places.iter().map(|place| self.find(*place)).collect::<Result<Vec<_>, _>>().map_err(LockError::Store)?;
        for place in &found {
            // Whether it is still the place that was opened.
            place.identify().map_err(LockError::Store)?;
        }
        let written = found.clone();
        // In the order of the ids, so that two processes that name the places in another order cannot wait for each other.
        found.sort_by_key(|place| place.known_id());
        found.dedup_by_key(|place| place.known_id());
        let mut locks = Vec::with_capacity(found.len());
        for place in &found {
            match place.lock(deadline).map_err(LockError::Store)? {
                Some(lock) => locks.push(lock),
                None => return Err(LockError::Busy { waited: wait }),
            }
        }
        self.write_to(Some(written));
        Ok(Box::new(Locked { directory: self, places: found, _locks: locks }))
    }

    fn can_write(&self, place: PlaceId) -> Result<(), StoreError> {
        let place = self.find(place)?;
        [place.root(), place.pages()].into_iter().try_for_each(access::writable)
    }

    fn follow(&self, list: &[PlaceId]) {
        self.use_listed(list);
    }
}

/// Some places, locked.
struct Locked<'d> {
    directory: &'d Directory,
    /// In the order of their ids.
    places: Vec<Arc<Place>>,
    _locks: Vec<LockGuard>,
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // Before the locks go, which are dropped after this.
        self.directory.write_to(None);
    }
}

impl RootLock for Locked<'_> {
    fn write(&mut self, place: PlaceId, slot: usize, record: &[u8]) -> Result<(), StoreError> {
        let disk = &self.directory.inner.disk;
        disk.alive()?;
        let misfit = || StoreError::new(Problem::Io, "a root record").caused_by("it does not fit the store");
        let found = self.places.iter().find(|each| each.known_id() == Some(place));
        let path = found.and_then(|place| place.slots().nth(slot)).filter(|_| record.len() == RECORD_BYTES);
        let (Some(place), Some(path)) = (found, path) else { return Err(misfit()) };
        // Whatever a newer program wrote here must not be overwritten.
        match slots::read(&path) {
            Err(error) if error.problem() == Problem::NewerFormat => return Err(error),
            // Whoever has the root key could read it.
            Ok(CopyContent::Intact(mut old)) => old.zeroize(),
            _ => {}
        }
        let (file, made) = slots::open(&path)?;
        if made {
            disk.sync_dir(place.root())?;
        }
        // One open file for both: the failure of a sync is told once, to whoever had the file open then.
        disk.write(&file, &path, 0, &Zeroizing::new(slots::encode(record)))?;
        let length = file.metadata().map_err(|error| StoreError::io(&path, error))?.len();
        if length > SLOT_BYTES as u64 {
            disk.cut(&file, &path, SLOT_BYTES as u64)?;
        }
        disk.sync(&file, &path)
    }
}

fn read_copies(place: &Place) -> Vec<RootCopy> {
    let id = place.known_id().unwrap_or(PlaceId([0; 8]));
    let content = |path: &std::path::Path| match place.id().and_then(|_| slots::read(path)) {
        Ok(content) => content,
        // One slot that is missing is damage, if the place around it is still there.
        Err(error) if error.problem() == Problem::Missing => {
            place.identify().map_or_else(CopyContent::Unreachable, |_| CopyContent::Damaged)
        }
        Err(error) => CopyContent::Unreachable(error),
    };
    let copy = |path: std::path::PathBuf| RootCopy {
        location: path.display().to_string(),
        place: id,
        content: content(&path),
    };
    place.slots().map(copy).collect()
}
