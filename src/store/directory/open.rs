//! Which places are in use: those that the root record lists, in its order.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLockReadGuard, RwLockWriteGuard};

use super::place::Place;
use super::{Directory, hints, patience};
use crate::store::{PlaceId, Problem, StoreError};

pub(super) struct Open {
    /// Those in use, in the order of the list that is followed; before one is, as they were named.
    used: Vec<Arc<Place>>,
    /// Known here, and not in use: not listed yet, or not any more. They are neither read nor written, unless asked for by their ids.
    aside: Vec<Arc<Place>>,
    /// Those that a commit has locked. What it puts and sweeps goes there, and nowhere else: the list may be about to change.
    locked: Option<Vec<Arc<Place>>>,
}

impl Open {
    pub(super) fn new(used: Vec<Arc<Place>>) -> Open {
        Open { used, aside: Vec::new(), locked: None }
    }

    fn known(&self) -> impl Iterator<Item = &Arc<Place>> {
        self.used.iter().chain(&self.aside)
    }
}

impl Directory {
    fn open(&self) -> RwLockReadGuard<'_, Open> {
        self.inner.open.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_mut(&self) -> RwLockWriteGuard<'_, Open> {
        self.inner.open.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The places in use, the first one of the list first.
    pub(super) fn used(&self) -> Vec<Arc<Place>> {
        self.open().used.clone()
    }

    /// The places that are written now: those under a lock, or all in use.
    pub(super) fn written(&self) -> Vec<Arc<Place>> {
        let open = self.open();
        open.locked.as_ref().unwrap_or(&open.used).clone()
    }

    /// What is put and swept from now on goes to these places; with `None` to all in use.
    pub(super) fn write_to(&self, places: Option<Vec<Arc<Place>>>) {
        self.open_mut().locked = places;
    }

    /// A place whose id is known here, without a look at the disk.
    pub(super) fn known(&self, id: PlaceId) -> Option<Arc<Place>> {
        self.open().known().find(|place| place.known_id() == Some(id)).cloned()
    }

    /// A place that may be used, once the record lists it.
    pub(super) fn add_aside(&self, place: Arc<Place>) -> Arc<Place> {
        self.open_mut().aside.push(place.clone());
        place
    }

    /// Where a place is, as a process that attached it left word.
    pub(super) fn hint(&self, id: PlaceId) -> Option<PathBuf> {
        if !self.inner.follows_hints {
            return None;
        }
        // Those whose own id could be read, so that none hangs.
        let known: Vec<_> = self.used().into_iter().filter(|place| place.known_id().is_some()).collect();
        known.iter().find_map(|place| hints::path_of(place.root(), id))
    }

    /// One of the places: also one that was away until now, or that another process attached.
    ///
    /// One that is known is found without a look at the others, which may be on disks that hang.
    pub(super) fn find(&self, id: PlaceId) -> Result<Arc<Place>, StoreError> {
        if let Some(place) = self.known(id) {
            return Ok(place);
        }
        let mut failure = None;
        if let Some(path) = self.hint(id) {
            let place = Arc::new(Place::within(&path, self.inner.disk.clone()));
            // What another process wrote there says no more than where to look.
            match patience::in_time(&place, patience::MOST, Place::identify) {
                Ok(found) if found == id => return Ok(self.known(id).unwrap_or_else(|| self.add_aside(place))),
                Ok(_) => {}
                Err(error) => failure = Some(error),
            }
        }
        let unknown: Vec<Arc<Place>> =
            self.open().known().filter(|place| place.known_id().is_none()).map(Arc::clone).collect();
        for place in unknown {
            match patience::in_time(&place, patience::MOST, Place::identify) {
                Ok(found) if found == id => return Ok(place),
                Ok(_) => {}
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        Err(failure.unwrap_or_else(|| StoreError::new(Problem::UnknownPlace, format!("place {id}"))))
    }

    /// Uses these places, in this order, as far as they are known here, and no others. One that was named and never could be read stays
    /// last.
    pub(super) fn use_listed(&self, list: &[PlaceId]) {
        if self.used().iter().map(|place| place.known_id()).eq(list.iter().copied().map(Some)) {
            return;
        }
        let mut open = self.open_mut();
        let mut left: Vec<Arc<Place>> = open.known().cloned().collect();
        let mut used = Vec::new();
        for id in list {
            if let Some(at) = left.iter().position(|place| place.known_id() == Some(*id)) {
                used.push(left.remove(at));
            }
        }
        let (unknown, aside) = left.into_iter().partition(|place| place.known_id().is_none());
        used.extend::<Vec<_>>(unknown);
        // A list of which nothing is known here says nothing about what is.
        if used.iter().any(|place| place.known_id().is_some()) {
            (open.used, open.aside) = (used, aside);
        }
    }
}
