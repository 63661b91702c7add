//! The high-water mark: the highest generation that was ever put here.
//!
//! Two slots in sectors of their own, the lower one overwritten each time, so that a torn write leaves the other.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::checked::{self, CHECKSUM};
use super::disk::{Disk, private};
use super::lock::{PATIENCE, lock_file};
use crate::store::{Problem, StoreError};

pub(super) const NAME: &str = "mark";
/// A file of its own, since on some systems a locked file can be read by nobody else.
pub(super) const LOCK: &str = "lock";
const TAG: &[u8; 7] = b"OBLmark";
const SLOT_BYTES: usize = 8 + 8 + CHECKSUM;
const SECOND: usize = 512;
const BYTES: usize = SECOND + SLOT_BYTES;

pub(super) fn path(pages: &Path) -> PathBuf {
    pages.join(NAME)
}

/// The content of a new mark.
pub(super) fn fresh(generation: u64) -> Vec<u8> {
    let mut bytes = encode(generation);
    bytes.resize(SECOND, 0);
    bytes.extend_from_slice(&encode(generation));
    bytes
}

/// The mark.
pub(super) fn read(pages: &Path) -> Result<u64, StoreError> {
    let (first, second) = both(&path(pages))?;
    // None is below every number, so that a torn slot is ignored.
    first.max(second).ok_or_else(|| checked::damaged(&path(pages)))
}

/// Raises the mark to `generation`, durably. Written even where it stands there already: a sync may have failed.
pub(super) fn raise(disk: &Disk, pages: &Path, generation: u64) -> Result<(), StoreError> {
    let path = path(pages);
    let lock = pages.join(LOCK);
    let held = lock_file(&lock, Instant::now() + PATIENCE)?
        .ok_or_else(|| StoreError::new(Problem::Busy, lock.display().to_string()))?;
    let (first, second) = both(&path)?;
    let highest = first.max(second).ok_or_else(|| checked::damaged(&path))?;
    let file = private().write(true).open(&path).map_err(|error| StoreError::io(&path, error))?;
    let offset = if first <= second { 0 } else { SECOND as u64 };
    disk.write(&file, &path, offset, &encode(highest.max(generation)))?;
    disk.sync(&file, &path)?;
    held.release();
    Ok(())
}

/// The generations of both slots; `None` for one that is torn.
fn both(path: &Path) -> Result<(Option<u64>, Option<u64>), StoreError> {
    let bytes = checked::read_small(path, BYTES as u64)?;
    // A slot is written within its own sector, so that no torn write reaches what lies between them.
    if bytes.get(SLOT_BYTES..SECOND).is_some_and(|between| between.iter().any(|byte| *byte != 0)) {
        return Err(checked::damaged(path).caused_by("there is something between the slots"));
    }
    let slot = |offset: usize| match bytes.get(offset..offset + SLOT_BYTES).and_then(|slot| checked::decode(TAG, slot))
    {
        // Whatever the other one says: it may be older than what a newer program wrote here.
        Some((version, _)) if version > checked::VERSION => Err(checked::newer(path)),
        Some((checked::VERSION, generation)) => Ok(generation.try_into().ok().map(u64::from_be_bytes)),
        _ => Ok(None),
    };
    Ok((slot(0)?, slot(SECOND)?))
}

fn encode(generation: u64) -> Vec<u8> {
    checked::encode(TAG, checked::VERSION, &generation.to_be_bytes())
}
