//! Locks between processes: a file of its own for each.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use super::disk::private;
use crate::store::StoreError;

/// How long a creation or a raise of the mark waits for another process doing the same.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A lock that is held. Released explicitly: closing the file would not release it while a forked child has it open.
#[derive(Debug)]
pub(super) struct LockGuard(File);

impl LockGuard {
    pub(super) fn release(self) {
        drop(self);
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        // Nothing is lost by a failure: the lock goes with the file at the latest.
        let _ = self.0.unlock();
    }
}

/// Polls, since no portable lock call has a time limit.
pub(super) fn lock_file(path: &Path, deadline: Instant) -> Result<Option<LockGuard>, StoreError> {
    let mut file = open(path)?;
    let mut pause = Duration::from_micros(200);
    loop {
        match file.try_lock() {
            Ok(()) => {
                let held = LockGuard(file);
                if is_at(&held.0, path)? {
                    return Ok(Some(held));
                }
                // Somebody removed the file while it was waited for, and whoever came since locks the one that was made anew:
                // two that hold a lock each would commit at once.
                held.release();
                file = open(path)?;
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Interrupted => {}
            Err(TryLockError::Error(error)) => return Err(StoreError::io(path, error)),
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        std::thread::sleep(pause.min(left));
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}

fn open(path: &Path) -> Result<File, StoreError> {
    let opened = private().read(true).write(true).create(true).truncate(false).open(path);
    opened.map_err(|error| StoreError::io(path, error))
}

/// Whether `path` still leads to this file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> Result<bool, StoreError> {
    use std::os::unix::fs::MetadataExt;
    let held = file.metadata().map_err(|error| StoreError::io(path, error))?;
    match std::fs::metadata(path) {
        Ok(found) => Ok((held.dev(), held.ino()) == (found.dev(), found.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::io(path, error)),
    }
}

/// Elsewhere std does not say which file a path leads to.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> Result<bool, StoreError> {
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(50)
    }

    #[test]
    fn one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = lock_file(&path, soon()).unwrap().unwrap();
        assert!(lock_file(&path, soon()).unwrap().is_none());
        held.release();
        assert!(lock_file(&path, soon()).unwrap().is_some());
    }

    /// One holds the lock, one waits for it; the file is removed, and a third comes. The one that waited must not get the lock of
    /// the file that is gone while the third has that of the new one.
    #[cfg(unix)]
    #[test]
    fn a_lock_file_that_was_removed_and_made_anew_lets_in_one_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = lock_file(&path, soon()).unwrap().unwrap();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| lock_file(&path, Instant::now() + Duration::from_secs(20)).unwrap().unwrap());
            // It has opened the file that is about to go.
            std::thread::sleep(Duration::from_millis(100));
            std::fs::remove_file(&path).unwrap();
            let third = lock_file(&path, soon()).unwrap().unwrap();
            first.release();
            std::thread::sleep(Duration::from_millis(100));
            assert!(!waits.is_finished(), "two hold the lock");
            third.release();
            let second = waits.join().unwrap();
            assert!(lock_file(&path, soon()).unwrap().is_none(), "it holds the lock of the file that is there");
            second.release();
        });
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_file_that_was_removed_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = lock_file(&path, soon()).unwrap().unwrap();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| lock_file(&path, Instant::now() + Duration::from_secs(20)).unwrap().unwrap());
            std::thread::sleep(Duration::from_millis(100));
            std::fs::remove_file(&path).unwrap();
            first.release();
            waits.join().unwrap().release();
        });
        assert!(path.exists());
    }
}
