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
pub(super) struct Held(File);

impl Held {
    pub(super) fn release(self) {
        drop(self);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Nothing is lost by a failure: the lock goes with the file at the latest.
        let _ = self.0.unlock();
    }
}

/// Polls, since no portable lock call has a time limit.
pub(super) fn lock_file(path: &Path, deadline: Instant) -> Result<Option<Held>, StoreError> {
    let opened = private().read(true).write(true).create(true).truncate(false).open(path);
    let file = opened.map_err(|error| StoreError::io(path, error))?;
    let mut pause = Duration::from_micros(200);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(Held(file))),
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
