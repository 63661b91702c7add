//! Files of a journal: opened, begun, written and read in place.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::error::JournalError;
use super::lock::{beside, sync_directory};

/// Options that make new files readable by their owner alone.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Opens a file to read it. Only a plain one: to open a pipe would wait for whoever writes into it, perhaps for ever.
pub(super) fn open_plain(path: &Path) -> io::Result<File> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "there is something that is no file"));
    }
    File::open(path)
}

/// A new file under this name, whole from the start and durable: a killed process leaves a temporary one, which the next
/// replaces.
pub(super) fn begin(path: &Path, line: &str) -> io::Result<()> {
    let temporary = beside(path, ".tmp");
    // Not written through a link that somebody laid there, nor with the permissions that somebody gave it.
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private().write(true).create_new(true).open(&temporary)?;
    file.write_all(line.as_bytes()).and_then(|()| file.write_all(b"\n"))?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    sync_directory(path)
}

/// What others may have written and not synced, or renamed and not synced.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    open_plain(path)?.sync_all()?;
    sync_directory(path)
}

#[cfg(test)]
thread_local! {
    /// For tests: the next write fails after so many bytes.
    pub(super) static BREAK_AFTER: std::cell::Cell<Option<usize>> = const { std::cell::Cell::new(None) };
}

/// Writes where the file stands, durably.
pub(super) fn put(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    #[cfg(test)]
    if let Some(after) = BREAK_AFTER.take() {
        file.write_all(bytes.get(..after).unwrap_or(bytes))?;
        return Err(ErrorKind::StorageFull.into());
    }
    file.write_all(bytes)?;
    file.sync_data()
}

/// Reads `length` bytes from `offset`.
pub(super) fn read_at(path: &Path, offset: u64, length: usize) -> Result<Vec<u8>, JournalError> {
    let io = |error| JournalError::io(path, error);
    let mut file = open_plain(path).map_err(io)?;
    file.seek(SeekFrom::Start(offset)).map_err(io)?;
    let mut bytes = Vec::with_capacity(length);
    file.take(length as u64).read_to_end(&mut bytes).map_err(io)?;
    Ok(bytes)
}
