//! The embedded default: a directory, and any number of mirrors of it.

mod access;
mod batch;
mod builder;
mod checked;
mod commit;
mod disk;
mod index;
mod lock;
mod mark;
mod mirror;
mod pages;
mod place;
mod slots;
mod sweep;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

pub use builder::DirectoryBuilder;

use self::disk::Disk;
use self::place::Place;
use super::{PageName, PageStore, PlaceId, Problem, StoreError, StoredPage, Swept, Usage};

/// Most mirrors a directory may have.
pub const MAX_MIRRORS: usize = 3;

/// Pages and root record in files that their owner alone may read; several processes may have it open.
///
/// A place is a directory with `root/`, which holds the root record in two slots of fixed size, and `pages/`, which
/// holds the pages. A mirror is a whole place more. Every commit writes every place, or is refused before it wrote
/// anything. Clones share everything.
///
/// # How far it forgets
/// A commit overwrites both slots of every place where they lie and syncs each; they are never renamed or unlinked.
/// On a plain disk and a file system that overwrites in place (ext4, XFS without reflinks) the old record is then gone.
/// It is **not** gone below that: flash translation layers keep old blocks for a while, copy-on-write file systems
/// (btrfs, ZFS, APFS), snapshots and replicated volumes keep them until told otherwise. Each of these, and each backup
/// of `root/`, counts as a copy of the old root record.
///
/// # Page files
/// Superseded pages stay until a [`sweep`](PageStore::sweep) found them superseded and the time it was given has passed
/// since. A few of them may stay longer beside live ones: files are rewritten once more than a tenth of all pages in
/// them is superseded, or once there are more than 256 files. The time is counted on the wall clock from the first sweep
/// that found the whole file superseded; a clock that was set back, or a lost list, starts the count anew.
#[derive(Clone)]
pub struct Directory {
    inner: Arc<Inner>,
}

struct Inner {
    disk: Disk,
    primary: Arc<Place>,
    mirrors: RwLock<Vec<Arc<Place>>>,
    /// Mirrors that were detached here.
    aside: Mutex<Vec<Arc<Place>>>,
}

impl Directory {
    /// A directory at `path`: to be created or opened, with its mirrors. Nothing is touched yet.
    pub fn at(path: impl AsRef<Path>) -> DirectoryBuilder {
        DirectoryBuilder::new(path.as_ref())
    }

    fn from_places(disk: Disk, primary: Place, mirrors: Vec<Place>) -> Directory {
        let mirrors = RwLock::new(mirrors.into_iter().map(Arc::new).collect());
        Directory { inner: Arc::new(Inner { disk, primary: Arc::new(primary), mirrors, aside: Mutex::default() }) }
    }

    /// One of the places, if it was ever there.
    fn place(&self, id: PlaceId) -> Result<Arc<Place>, StoreError> {
        let is_it = |place: &&Arc<Place>| place.id().ok().or_else(|| place.known_id()) == Some(id);
        let all = self.all();
        all.iter().find(is_it).cloned().ok_or_else(|| StoreError::new(Problem::Missing, format!("place {id}")))
    }

    /// The directory's own place, then its mirrors in the order they were named.
    fn all(&self) -> Vec<Arc<Place>> {
        let mirrors = self.inner.mirrors.read().unwrap_or_else(PoisonError::into_inner);
        std::iter::once(&self.inner.primary).chain(mirrors.iter()).map(Arc::clone).collect()
    }

    /// The id of the directory's own place; its mirrors follow it in [`places`](super::RootStore::places).
    ///
    /// # Errors
    /// When the place cannot be read; it was readable when the directory was opened.
    pub fn own_place(&self) -> Result<PlaceId, StoreError> {
        self.inner.primary.id()
    }

    /// The directory in which a place keeps its root record: what to destroy when the place is given up.
    #[must_use]
    pub fn path_of(&self, place: PlaceId) -> Option<PathBuf> {
        self.all().iter().find(|each| each.known_id() == Some(place)).map(|each| each.root().to_path_buf())
    }

    /// Asks every place until one has an answer; `Err` only if none has and one failed.
    fn any_place<T>(&self, ask: impl Fn(&Place) -> Result<Option<T>, StoreError>) -> Result<Option<T>, StoreError> {
        let mut failure = None;
        for place in self.all() {
            match ask(&place) {
                Ok(Some(answer)) => return Ok(Some(answer)),
                Ok(None) => {}
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(None), Err)
    }
}

impl PageStore for Directory {
    fn put(&self, generation: u64, pages: &[StoredPage]) -> Result<(), StoreError> {
        let places = self.all();
        let mut batch: HashMap<PageName, &[u8]> = HashMap::new();
        for page in pages {
            if batch.insert(page.name, &page.bytes).is_some_and(|other| other != page.bytes) {
                return Err(StoreError::new(Problem::PageExists, format!("page {}", page.name)));
            }
        }
        for place in &places {
            place.id()?;
            let index = place.fresh_index()?;
            let known: Vec<PageName> =
                batch.keys().filter(|name| index.spots(name).next().is_some()).copied().collect();
            drop(index);
            for name in known {
                // A damaged page may be put again: that mends it.
                let there = place.get(&name).ok().flatten();
                if there.is_some_and(|there| batch.get(&name).is_some_and(|bytes| **bytes != *there)) {
                    let location = format!("page {name} in {}", place.pages().display());
                    return Err(StoreError::new(Problem::PageExists, location));
                }
            }
        }
        let mut names: Vec<PageName> = batch.keys().copied().collect();
        names.sort_unstable();
        for place in &places {
            if !names.is_empty() {
                place
                    .put(generation, &names, &mut |name| Ok(batch.get(&name).copied().unwrap_or_default().to_vec()))?;
            }
        }
        // Last, and in every place only when all have the pages.
        places.iter().try_for_each(|place| mark::raise(&self.inner.disk, place.pages(), generation))
    }

    fn get(&self, name: &PageName) -> Result<Option<Vec<u8>>, StoreError> {
        self.any_place(|place| place.get(name))
    }

    fn mark(&self) -> Result<u64, StoreError> {
        let mut highest = None;
        let mut failure = None;
        for place in self.all() {
            match place.id().and_then(|_| mark::read(place.pages())) {
                Ok(mark) => highest = highest.max(Some(mark)),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        match (highest, failure) {
            (Some(mark), _) => Ok(mark),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(0),
        }
    }

    fn sweep(&self, live: &HashSet<PageName>, generation: u64, keep: Duration) -> Result<Swept, StoreError> {
        let places = self.all();
        for place in &places {
            place.id()?;
        }
        let mut swept = Swept::default();
        for place in places.iter().rev() {
            // The figures of the last, which is the directory's own place: mirrors hold the same.
            swept = place.sweep(live, generation, keep, &|name| self.get(name))?;
        }
        Ok(swept)
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        let usage = self.any_place(|place| {
            place.id()?;
            let index = place.fresh_index()?;
            let bytes = index.files().values().map(|count| batch::file_bytes(*count)).sum();
            Ok(Some(Usage { pages: index.names().count() as u64, bytes }))
        })?;
        Ok(usage.unwrap_or_default())
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: Vec<PathBuf> = self.all().iter().map(|place| place.root().to_path_buf()).collect();
        f.debug_struct("Directory").field("places", &places).finish()
    }
}
