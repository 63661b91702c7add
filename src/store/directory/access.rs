//! Whose files they are, and who may read them.

use std::fs::{self, Metadata};
use std::path::Path;

use crate::store::{Problem, StoreError};

/// Refuses what is missing, no directory, another user's, or open to others.
pub(super) fn private_dir(path: &Path) -> Result<(), StoreError> {
    private(path, &dir(path)?, 0o077)
}

/// The same, but others may look: for a directory that only holds private ones.
pub(super) fn owned_dir(path: &Path) -> Result<(), StoreError> {
    private(path, &dir(path)?, 0o022)
}

fn dir(path: &Path) -> Result<Metadata, StoreError> {
    let found = fs::metadata(path).map_err(|error| StoreError::io(path, error))?;
    if found.is_dir() { Ok(found) } else { Err(StoreError::new(Problem::NotAVault, path.display().to_string())) }
}

/// Refuses what is missing, no plain file, another user's, or open to others.
pub(super) fn private_file(path: &Path) -> Result<(), StoreError> {
    let found = fs::metadata(path).map_err(|error| StoreError::io(path, error))?;
    if !found.is_file() {
        return Err(StoreError::new(Problem::NotAVault, path.display().to_string()));
    }
    private(path, &found, 0o077)
}

#[cfg(unix)]
fn private(path: &Path, found: &Metadata, too_open: u32) -> Result<(), StoreError> {
    use std::os::unix::fs::MetadataExt;
    // Even the superuser is refused: what it would write here, the owner could not read afterwards.
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(StoreError::new(Problem::ForeignOwner, path.display().to_string()));
    }
    if found.mode() & too_open != 0 {
        return Err(StoreError::new(Problem::TooOpen, path.display().to_string()));
    }
    Ok(())
}

/// Less than this free, and a commit that writes pages for many may fail.
#[cfg(unix)]
const ROOM: u64 = 1 << 20;

/// Whether files in a directory could be written: it is not on a read-only mount, its permissions allow it, and there is room.
#[cfg(unix)]
pub(super) fn writable(path: &Path) -> Result<(), StoreError> {
    let io = |error: rustix::io::Errno| StoreError::io(path, error.into());
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).map_err(io)?;
    let found = rustix::fs::statvfs(path).map_err(io)?;
    // A file system that counts no blocks does not say how much room it has.
    if found.f_blocks > 0 && found.f_bavail.saturating_mul(found.f_frsize) < ROOM {
        return Err(StoreError::new(Problem::Full, path.display().to_string()));
    }
    Ok(())
}

/// Elsewhere a commit has to tell.
#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps)]
pub(super) fn writable(_: &Path) -> Result<(), StoreError> {
    Ok(())
}

/// Elsewhere the directory's access list is the administrator's business.
#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps)]
fn private(_: &Path, _: &Metadata, _: u32) -> Result<(), StoreError> {
    Ok(())
}
