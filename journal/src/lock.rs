//! One writer at a time: a lock file beside the journal.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::error::JournalError;

/// How long a writer waits for others.
const PATIENCE: Duration = Duration::from_secs(10);

/// The journal's lock, held. Released explicitly: closing the file would not release it while a forked child has it open.
#[derive(Debug)]
pub(super) struct Lock(File);

/// A file beside the journal, under its name and this.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(suffix);
    path.with_file_name(name)
}

impl Lock {
    /// Waits a bounded time.
    pub(super) fn take(journal: &Path) -> Result<Lock, JournalError> {
        Lock::take_within(journal, PATIENCE)
    }

    /// The same to read, if it can be had: a writer that fails takes back what it wrote, and whoever has read that
    /// meanwhile would miss it for ever. It cannot on a read-only mount, and need not where there is no journal.
    pub(super) fn take_to_read(journal: &Path) -> Option<Lock> {
        if journal.is_file() { Lock::take(journal).ok() } else { None }
    }

    fn take_within(journal: &Path, patience: Duration) -> Result<Lock, JournalError> {
        let path = beside(journal, ".lock");
        // Missing is then the directory, not a journal.
        let io = |error| JournalError::Io { path: path.clone(), source: std::sync::Arc::new(error) };
        let mut options = OpenOptions::new();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
        let begun = Instant::now();
        let mut pause = Duration::from_micros(200);
        // Polled, since no portable lock call has a time limit.
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Lock(file)),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Interrupted => {}
                Err(TryLockError::Error(error)) => return Err(io(error)),
            }
            let waited = begun.elapsed();
            if waited >= patience {
                return Err(JournalError::Busy { path: journal.to_owned(), waited });
            }
            std::thread::sleep(pause.min(patience - waited));
            pause = (pause * 2).min(Duration::from_millis(10));
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Nothing is lost by a failure: the lock goes with the file at the latest.
        let _ = self.0.unlock();
    }
}

/// Makes a new name in the file's directory durable.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    // Elsewhere a directory cannot be opened as a file; there the file system orders its own metadata.
    #[cfg(unix)]
    {
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(directory)?.sync_all()?;
    }
    let _ = path;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_for_another_writer_is_bounded() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("journal");
        let held = Lock::take(&path).unwrap();
        let waiting = Lock::take_within(&path, Duration::from_millis(30));
        assert!(matches!(waiting, Err(JournalError::Busy { waited, .. }) if waited >= Duration::from_millis(30)));
        drop(held);
        Lock::take_within(&path, Duration::ZERO).unwrap();
    }
}
