//! The embedded default: a directory, and any number of mirrors of it.

mod access;
mod batch;
mod builder;
mod checked;
mod commit;
mod disk;
mod hints;
mod index;
mod lock;
mod mark;
mod mirror;
mod open;
mod pages;
mod patience;
mod place;
mod slots;
mod sweep;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Duration;

pub use builder::DirectoryBuilder;

use self::disk::Disk;
use self::open::Open;
use self::place::Place;
use super::{Mark, PageName, PageStore, PlaceId, Problem, StoreError, StoredPage, Usage};

/// Most mirrors a directory may have.
pub const MAX_MIRRORS: usize = 3;

/// Pages and root record in files that their owner alone may read; several processes may have it open.
///
/// **Forgetting here is best effort below the file system.** A shred overwrites the root record where it lies. A flash disk, a
/// copy-on-write file system, a snapshot or a replicated volume keeps the old bytes for an unknown time. Whoever can read those, and has the root
/// key of that time, reads everybody who was shredded since. If that is a threat to you, do not rely on overwriting. Use a root key whose versions
/// are destroyed with each shred ([`RootKey::versions`](crate::RootKey::versions)). Or move to a new root key after a shred
/// ([`rotate_root_key`](crate::Vault::rotate_root_key)), and destroy the old one in its key service or hardware module.
///
/// A place is a directory with `root/`, which holds the root record in two slots of fixed size, and `pages/`, which
/// holds the pages. A mirror is a whole place more. Every commit writes every place, or is refused before it wrote
/// anything. Clones share everything.
///
/// The root record says which places are used, and in which order ([`follow`](super::RootStore::follow)). A mirror that another process
/// attached is found by the path that it left in `root/mirrors`.
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
///
/// ```
/// use oubliette::{Purpose, RootKey, Vault, store::Directory};
/// const ORDERS: Purpose = Purpose::new("orders");
/// # let place = tempfile::tempdir()?;
/// # let (disk, other_disk) = (place.path().join("privacy"), place.path().join("mirror"));
///
/// // As `Vault::at(disk).mirror(other_disk)`, with the directory at hand.
/// let directory = Directory::at(&disk).mirror(&other_disk).create()?;
/// let vault = Vault::on(directory.clone(), directory).purposes([ORDERS]).create(RootKey::bytes([7; 32]))?;
/// assert_eq!(vault.status()?.places.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Directory {
    inner: Arc<Inner>,
}

struct Inner {
    disk: Disk,
    /// Whether places are looked for where other processes say that they are.
    follows_hints: bool,
    open: RwLock<Open>,
}

impl Directory {
    /// A directory at `path`: to be created or opened, with its mirrors. Nothing is touched yet.
    pub fn at(path: impl AsRef<Path>) -> DirectoryBuilder {
        DirectoryBuilder::new(path.as_ref())
    }

    fn from_places(disk: Disk, used: Vec<Arc<Place>>, follows_hints: bool) -> Directory {
        Directory { inner: Arc::new(Inner { disk, follows_hints, open: RwLock::new(Open::new(used)) }) }
    }

    /// The directory in which a place keeps its root record, if this process knows it or another left its path: destroy it when the place is detached.
    #[must_use]
    pub fn path_of(&self, place: PlaceId) -> Option<PathBuf> {
        let known = self.known(place).map(|place| place.root().to_path_buf());
        // What it says is not looked at: the place may be on a disk that hangs.
        known
            .or_else(|| self.hint(place).map(|base| Place::within(&base, self.inner.disk.clone()).root().to_path_buf()))
    }

    /// Asks every place until one has an answer; `Err` only if none has and one failed.
    fn any_place<T>(&self, ask: impl Fn(&Place) -> Result<Option<T>, StoreError>) -> Result<Option<T>, StoreError> {
        let mut failure = None;
        for place in self.used() {
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
    fn put(&self, mark: &Mark, pages: &[StoredPage]) -> Result<(), StoreError> {
        let places = self.written();
        let mut batch: HashMap<PageName, &[u8]> = HashMap::new();
        for page in pages {
            if batch.insert(page.name, &page.bytes).is_some_and(|other| other != page.bytes) {
                return Err(StoreError::new(Problem::PageExists, format!("page {}", page.name)));
            }
        }
        for place in &places {
            place.id()?;
            // Again when it is raised, under a lock; here before anything is stored beside another vault's pages.
            mark::check(place.pages(), mark)?;
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
                place.put(mark.generation, &names, &mut |name| {
                    Ok(batch.get(&name).copied().unwrap_or_default().to_vec())
                })?;
            }
        }
        // Last, and in every place only when all have the pages.
        places.iter().try_for_each(|place| mark::raise(&self.inner.disk, place.pages(), mark))
    }

    fn get(&self, name: &PageName) -> Result<Option<Vec<u8>>, StoreError> {
        self.any_place(|place| place.get(name))
    }

    fn mark(&self) -> Result<Mark, StoreError> {
        let mut highest: Option<Mark> = None;
        let mut failure = None;
        let of_place = |place: &Place| place.id().and_then(|_| mark::read(place.pages()));
        for (nth, place) in self.used().iter().enumerate() {
            // Without the first place nothing goes on anyway.
            match if nth == 0 { of_place(place) } else { patience::in_time(place, patience::MOST, of_place) } {
                Ok(mark) => highest = highest.into_iter().chain([mark]).max_by_key(|mark| mark.generation),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        match (highest, failure) {
            (Some(mark), _) => Ok(mark),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(Mark::NONE),
        }
    }

    fn replace_mark(&self, mark: &Mark) -> Result<(), StoreError> {
        self.written().iter().try_for_each(|place| {
            place.id()?;
            mark::replace(&self.inner.disk, place.pages(), mark)
        })
    }

    fn sweep(&self, live: &HashSet<PageName>, generation: u64, keep: Duration) -> Result<Usage, StoreError> {
        let places = self.written();
        for place in &places {
            place.id()?;
        }
        let mut swept = Usage::default();
        for place in places.iter().rev() {
            // The figures of the last, which is the first place of the list: mirrors hold the same.
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
        let places: Vec<PathBuf> = self.used().iter().map(|place| place.root().to_path_buf()).collect();
        f.debug_struct("Directory").field("places", &places).finish()
    }
}
