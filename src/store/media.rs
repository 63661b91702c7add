//! A disk that loses what was not made durable: the page cache, which everybody reads, against the medium below it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The medium below the files of one or several [`Directory`](super::Directory)s: what would be left of them after a power cut.
///
/// The files themselves are the page cache: whoever reads a file sees what was written last. `Media` keeps what the medium
/// holds of those whose last write was not synced, or whose sync failed. Then, as on Linux:
/// - a failed sync is told once; a sync after it returns Ok and proves nothing, since the page looks clean;
/// - what was written stays readable until the cache [drops](Media::drop_pages) it, at any later time;
/// - a power cut leaves the medium; of what was written and never synced it may have all, half or nothing;
/// - a file that was made, renamed or removed is so after a power cut only if its directory was synced.
///
/// Clones share it; give one to every process of a test.
///
/// No example: it is for tests of stores, and `tests/histories` has them.
#[derive(Clone, Default)]
pub struct Media {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<PathBuf, Below>,
    /// Names that changed in a directory since it was synced, and what each stood for before: `None` for nothing.
    names: BTreeMap<PathBuf, BTreeMap<PathBuf, Option<Vec<u8>>>>,
    tears: bool,
}

/// What the medium holds below a file in the cache.
struct Below {
    durable: Vec<u8>,
    /// Not written back yet; false once that failed.
    dirty: bool,
}

/// What a power cut leaves of what was written and not synced.
///
/// [`Media::cut_power`] takes it. No example: as for [`Media`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaves {
    /// Nothing of it.
    Old,
    /// All of it: the kernel had written it back by itself.
    New,
    /// Half of each write.
    Half,
}

impl Media {
    /// A medium that holds what the files hold now.
    #[must_use]
    pub fn new() -> Media {
        Media::default()
    }

    /// Whether a sync that fails leaves half of what it should have written.
    pub fn tears(&self, tears: bool) {
        self.lock().tears = tears;
    }

    /// The cache drops every page that could not be written back: from now on everybody reads what the medium holds.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn drop_pages(&self) -> std::io::Result<()> {
        let mut state = self.lock();
        let failed: Vec<PathBuf> =
            state.files.iter().filter(|(_, below)| !below.dirty).map(|(path, _)| path.clone()).collect();
        for path in failed {
            if let Some(below) = state.files.remove(&path) {
                fs::write(path, below.durable)?;
            }
        }
        Ok(())
    }

    /// The power fails. All processes of the test must be dead by then.
    ///
    /// # Errors
    /// When a file cannot be written or removed.
    pub fn cut_power(&self, leaves: Leaves) -> std::io::Result<()> {
        let State { files, names, .. } = std::mem::take(&mut *self.lock());
        for (path, below) in files {
            // It may have been renamed or removed since.
            let Ok(cached) = fs::read(&path) else { continue };
            match leaves {
                Leaves::New if below.dirty => {}
                Leaves::Half if below.dirty => fs::write(&path, half(&below.durable, &cached))?,
                _ => fs::write(&path, below.durable)?,
            }
        }
        if leaves == Leaves::New {
            return Ok(());
        }
        for (path, before) in names.into_values().flatten() {
            match before {
                Some(bytes) => fs::write(path, bytes)?,
                None if path.is_dir() => gone(fs::remove_dir_all(path))?,
                None => gone(fs::remove_file(path))?,
            }
        }
        Ok(())
    }

    pub(super) fn will_write(&self, path: &Path) {
        let mut state = self.lock();
        match state.files.get_mut(path) {
            Some(below) => below.dirty = true,
            None => {
                let durable = fs::read(path).unwrap_or_default();
                state.files.insert(path.to_path_buf(), Below { durable, dirty: true });
            }
        }
    }

    pub(super) fn synced(&self, path: &Path) {
        let mut state = self.lock();
        // A page whose write-back failed looks clean: nothing is written, and nothing is told.
        if state.files.get(path).is_some_and(|below| below.dirty) {
            state.files.remove(path);
        }
    }

    pub(super) fn failed_to_sync(&self, path: &Path) {
        let mut state = self.lock();
        let tears = state.tears;
        if let Some(below) = state.files.get_mut(path).filter(|below| below.dirty) {
            below.dirty = false;
            if let (true, Ok(cached)) = (tears, fs::read(path)) {
                below.durable = half(&below.durable, &cached);
            }
        }
    }

    /// A name is about to be made, replaced or removed.
    pub(super) fn will_name(&self, path: &Path) {
        let Some(directory) = path.parent() else { return };
        let mut state = self.lock();
        let before = match state.files.get(path) {
            Some(below) => Some(below.durable.clone()),
            None => fs::read(path).ok(),
        };
        state.names.entry(directory.to_path_buf()).or_default().entry(path.to_path_buf()).or_insert(before);
    }

    /// A file was renamed: what is below it goes with it.
    pub(super) fn renamed(&self, from: &Path, to: &Path) {
        let mut state = self.lock();
        match state.files.remove(from) {
            Some(below) => drop(state.files.insert(to.to_path_buf(), below)),
            None => drop(state.files.remove(to)),
        }
        if let Some(names) = from.parent().and_then(|directory| state.names.get_mut(directory)) {
            // It was made and is gone again.
            names.remove(from);
        }
    }

    pub(super) fn synced_names(&self, directory: &Path) {
        self.lock().names.remove(directory);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A process that is being dropped may still remove a file that it had not finished.
fn gone(removed: std::io::Result<()>) -> std::io::Result<()> {
    match removed {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn half(before: &[u8], after: &[u8]) -> Vec<u8> {
    // The second half: the first often begins alike, and would hide the tear.
    let middle = after.len() / 2;
    let mut torn = before.to_vec();
    torn.resize(after.len(), 0);
    if let (Some(place), Some(new)) = (torn.get_mut(middle..), after.get(middle..)) {
        place.copy_from_slice(new);
    }
    torn
}

impl fmt::Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Media").field("unsynced", &state.files.len()).finish_non_exhaustive()
    }
}
