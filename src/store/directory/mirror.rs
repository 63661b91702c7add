//! Mirrors that are filled, and copies.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use super::batch::BatchId;
use super::place::Place;
use super::{Directory, MAX_MIRRORS, hints, mark};
use crate::store::{Mark, PageName, PageStore, PlaceId, Problem, RECORD_BYTES, RootStore, StoreError};

/// Most pages in one file of a mirror or a copy that is being filled.
const FILE_PAGES: usize = 1 << 14;

impl Directory {
    /// Makes a mirror at `path` and fills it with every page. It is used once the root record lists it
    /// ([`follow`](RootStore::follow)): commit a record that names it last, under a [`lock`](RootStore::lock) on all places and on this one, and
    /// call [`catch_up`](Directory::catch_up) within the lock, since another process may have put pages in the meantime. `progress` is
    /// told pages done and in all. Its path is left in every place, for processes that run already.
    ///
    /// # Errors
    /// Like creating a place; [`Problem::Occupied`] if a root record was ever written there, of whatever vault: a commit
    /// would overwrite it; [`Problem::PlaceTwice`], [`Problem::TooManyMirrors`]; [`Problem::Damaged`] if a page here
    /// cannot be read anywhere. After an error what lies at `path` can be attached again.
    pub fn fill_mirror(
        &self,
        path: impl AsRef<Path>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<PlaceId, StoreError> {
        let place = Place::within(path.as_ref(), self.inner.disk.clone());
        let used = self.used();
        if used.len() > MAX_MIRRORS {
            return Err(StoreError::new(Problem::TooManyMirrors, place.root().display().to_string()));
        }
        let id = place.create()?;
        if self.places().contains(&id) {
            return Err(StoreError::new(Problem::PlaceTwice, place.root().display().to_string()));
        }
        if place.holds_record()? {
            return Err(StoreError::new(Problem::Occupied, place.root().display().to_string()));
        }
        self.fill(&place, progress)?;
        let place = self.known(id).unwrap_or_else(|| self.add_aside(Arc::new(place)));
        let all: Vec<&Place> = used.iter().map(|used| &**used).chain([&*place]).collect();
        for at in &all {
            // No hint leads to the first place: what lies there may be a copy, which has its id, and would then decide.
            let others: Vec<&Place> = all.iter().skip(1).filter(|other| other.root() != at.root()).copied().collect();
            // Without the hint other processes refuse commits, and say which place they lack.
            let _ = hints::leave(&self.inner.disk, at, &others);
        }
        Ok(id)
    }

    /// Copies into a place every page that it lacks and another place has, and raises its mark to the others'.
    ///
    /// # Errors
    /// [`Problem::UnknownPlace`] for one that is not known here; when a page cannot be read in any place or written there. What was
    /// copied until then stays; to call this again is safe.
    pub fn catch_up(&self, place: PlaceId) -> Result<(), StoreError> {
        let target = self.find(place)?;
        self.fill(&target, &mut |_, _| ())
    }

    /// Writes a place of its own to `path`, which must be missing or empty: `record` in both slots, the `pages` named,
    /// and the mark. It has the id of the first place, to stand in for it after a
    /// disaster; so it can never be its mirror.
    ///
    /// # Errors
    /// [`Problem::NotAVault`] if something lies there; [`Problem::Damaged`] if a page is missing or damaged here. What
    /// was written until then stays and is refused when opened; it may hold the record, so destroy it.
    pub fn copy_to(
        &self,
        path: impl AsRef<Path>,
        mark: &Mark,
        record: &[u8],
        pages: &[PageName],
    ) -> Result<(), StoreError> {
        let path = path.as_ref();
        let first = self.used().into_iter().next();
        let id = first.ok_or_else(|| StoreError::new(Problem::UnknownPlace, "the first place"))?.id()?;
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
        self.fill_with(&copy, mark.generation, pages, &mut || ())?;
        // Slots before `place`: without that file what lies here cannot be opened.
        copy.lay_out(Some(id), Some(record), mark)?;
        copy.identify().map(drop)
    }

    /// Every page that any other place has and `target` lacks, under the generation it was put at.
    fn fill(&self, target: &Place, progress: &mut dyn FnMut(u64, u64)) -> Result<(), StoreError> {
        let mut has: HashSet<PageName> = target.fresh_index()?.names().collect();
        let mut wanted: Vec<(BatchId, Vec<PageName>)> = Vec::new();
        let (mut failure, mut whole) = (None, false);
        for source in self.used() {
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
        mark::raise(&self.inner.disk, target.pages(), &self.mark()?)
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
                    StoreError::new(Problem::Damaged, target.pages().display().to_string())
                        .caused_by(format!("page {name} is in no other place"))
                })
            })?;
        }
        Ok(())
    }
}
