//! Mirrors that come and go, and copies.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::batch::BatchId;
use super::place::Place;
use super::{Directory, MAX_MIRRORS, mark};
use crate::store::{PageName, PageStore, PlaceId, Problem, RECORD_BYTES, RootStore, StoreError};

/// Most pages in one file of a mirror or a copy that is being filled.
const FILE_PAGES: usize = 1 << 14;

impl Directory {
    /// Makes a mirror at `path`, fills it with every page, and from then on writes to it. Its slots stay empty until
    /// the next commit, which should name it in the root record and call [`catch_up`](Directory::catch_up) within
    /// the lock: another process may have put pages in the meantime. `progress` is told pages done and in all.
    ///
    /// # Errors
    /// Like creating a place; [`Problem::Occupied`] if a root record was ever written there, of whatever vault: a commit
    /// would overwrite it; [`Problem::PlaceTwice`], [`Problem::TooManyMirrors`]; [`Problem::Damaged`] if a page here
    /// cannot be read anywhere. After an error the mirror is not in use, and what lies at `path` can be attached again.
    pub fn attach_mirror(
        &self,
        path: impl AsRef<Path>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<PlaceId, StoreError> {
        let place = Place::within(path.as_ref(), self.inner.disk.clone());
        let twice = || StoreError::new(Problem::PlaceTwice, place.root().display().to_string());
        let full = || StoreError::new(Problem::TooManyMirrors, place.root().display().to_string());
        if self.all().len() > MAX_MIRRORS {
            return Err(full());
        }
        let id = place.create()?;
        if self.places().contains(&id) {
            return Err(twice());
        }
        if place.holds_record()? {
            return Err(StoreError::new(Problem::Occupied, place.root().display().to_string()));
        }
        self.fill(&place, progress)?;
        {
            let mut mirrors = self.inner.mirrors.write().unwrap_or_else(PoisonError::into_inner);
            if mirrors.len() >= MAX_MIRRORS {
                return Err(full());
            }
            if mirrors.iter().any(|mirror| mirror.known_id() == Some(id)) {
                return Err(twice());
            }
            mirrors.push(Arc::new(place));
        }
        // What was put by this process between the filling and the joining.
        self.catch_up(id)?;
        Ok(id)
    }

    /// Copies into a place every page that it lacks and another place has, and raises its mark to the others'.
    ///
    /// # Errors
    /// [`Problem::Missing`] for an unknown place; when a page cannot be read in any place or written there. What was
    /// copied until then stays; to call this again is safe.
    pub fn catch_up(&self, place: PlaceId) -> Result<(), StoreError> {
        let found = self.all().into_iter().find(|each| each.known_id() == Some(place));
        let target = found.ok_or_else(|| StoreError::new(Problem::Missing, format!("place {place}")))?;
        self.fill(&target, &mut |_, _| ())
    }

    /// Stops reading and writing a mirror. It still holds the root record of the last commit: commit a record that does not name
    /// it, and destroy what [`path_of`](Directory::path_of) said; or [`take_back`](Directory::take_back) the mirror.
    ///
    /// # Errors
    /// [`Problem::Missing`] if it is none of the mirrors.
    pub fn detach(&self, place: PlaceId) -> Result<(), StoreError> {
        let mut mirrors = self.inner.mirrors.write().unwrap_or_else(PoisonError::into_inner);
        let at = mirrors.iter().position(|mirror| mirror.known_id() == Some(place));
        let at = at.ok_or_else(|| StoreError::new(Problem::Missing, format!("mirror {place}")))?;
        let mirror = mirrors.remove(at);
        drop(mirrors);
        self.aside().push(mirror);
        Ok(())
    }

    /// Uses a mirror again that was detached here, and that the root record still names. Any other is left as it is.
    pub fn take_back(&self, place: PlaceId) {
        let mut aside = self.aside();
        if let Some(at) = aside.iter().position(|mirror| mirror.known_id() == Some(place)) {
            let mirror = aside.remove(at);
            self.inner.mirrors.write().unwrap_or_else(PoisonError::into_inner).push(mirror);
        }
    }

    fn aside(&self) -> MutexGuard<'_, Vec<Arc<Place>>> {
        self.inner.aside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a place of its own to `path`, which must be missing or empty: `record` in both slots, the `pages` named,
    /// and the mark at `generation`. It has the id of this directory's own place, to stand in for it after a
    /// disaster; so it can never be its mirror.
    ///
    /// # Errors
    /// [`Problem::NotAVault`] if something lies there; [`Problem::Damaged`] if a page is missing or damaged here. What
    /// was written until then stays and is refused when opened; it may hold the record, so destroy it.
    pub fn copy_to(
        &self,
        path: impl AsRef<Path>,
        generation: u64,
        record: &[u8],
        pages: &[PageName],
    ) -> Result<(), StoreError> {
        let path = path.as_ref();
        let id = self.own_place()?;
        if record.len() != RECORD_BYTES {
            return Err(StoreError::new(Problem::Io, "a root record").caused_by("it has another size"));
        }
        if let Ok(mut entries) = std::fs::read_dir(path)
            && entries.next().is_some()
        {
            return Err(StoreError::new(Problem::NotAVault, path.display().to_string()));
        }
        let copy = Place::within(path, self.inner.disk.clone());
        copy.make_dirs()?;
        self.fill_with(&copy, generation, pages, &mut || ())?;
        // Slots before `place`: without that file what lies here cannot be opened.
        copy.lay_out(Some(id), Some(record), generation)?;
        copy.identify().map(drop)
    }

    /// Every page that any other place has and `target` lacks, under the generation it was put at.
    fn fill(&self, target: &Place, progress: &mut dyn FnMut(u64, u64)) -> Result<(), StoreError> {
        let mut has: HashSet<PageName> = target.fresh_index()?.names().collect();
        let mut wanted: Vec<(BatchId, Vec<PageName>)> = Vec::new();
        let (mut failure, mut whole) = (None, false);
        for source in self.all() {
            if source.root() == target.root() {
                continue;
            }
            let index = match source.fresh_index() {
                Ok(index) => index,
                Err(error) => {
                    failure = failure.or(Some(error));
                    continue;
                }
            };
            match index.damage() {
                None => whole = true,
                Some((id, problem)) => {
                    let path = id.path(source.pages()).display().to_string();
                    failure = failure.or(Some(StoreError::new(problem, path)));
                }
            }
            for (id, mut names) in index.by_file() {
                names.retain(|name| has.insert(*name));
                wanted.push((id, names));
            }
        }
        // One source that is whole has everything; without one, something may be missing.
        if let (false, Some(error)) = (whole, failure) {
            return Err(error);
        }
        let total = wanted.iter().map(|(_, names)| names.len() as u64).sum();
        let mut done = 0;
        for (id, names) in wanted {
            self.fill_with(target, id.generation, &names, &mut || {
                done += 1;
                progress(done, total);
            })?;
        }
        mark::raise(&self.inner.disk, target.pages(), self.mark()?)
    }

    fn fill_with(
        &self,
        target: &Place,
        generation: u64,
        names: &[PageName],
        progress: &mut dyn FnMut(),
    ) -> Result<(), StoreError> {
        for names in names.chunks(FILE_PAGES) {
            target.put(generation, names, &mut |name| {
                let page = self.get(&name)?;
                progress();
                page.ok_or_else(|| {
                    StoreError::new(Problem::Damaged, self.inner.primary.pages().display().to_string())
                        .caused_by(format!("page {name} is missing"))
                })
            })?;
        }
        Ok(())
    }
}
