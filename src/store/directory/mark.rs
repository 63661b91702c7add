//! The high-water mark: the highest generation that was ever put here, with what proves it to the vault.
//!
//! Two slots in sectors of their own, the lower one overwritten each time, so that a torn write leaves the other.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::checked::{self, CHECKSUM};
use super::disk::{Disk, private};
use super::lock::{PATIENCE, lock_file};
use crate::store::{Mark, Problem, StoreError};

pub(super) const NAME: &str = "mark";
/// A file of its own, since on some systems a locked file can be read by nobody else.
pub(super) const LOCK: &str = "lock";
const TAG: &[u8; 7] = b"OBLmark";
const SLOT_BYTES: usize = 8 + 8 + 16 + 32 + CHECKSUM;
const SECOND: usize = 512;
const BYTES: usize = SECOND + SLOT_BYTES;

pub(super) fn path(pages: &Path) -> PathBuf {
    pages.join(NAME)
}

/// The content of a new mark.
pub(super) fn fresh(mark: &Mark) -> Vec<u8> {
    let mut bytes = encode(mark);
    bytes.resize(SECOND, 0);
    bytes.extend_from_slice(&encode(mark));
    bytes
}

/// The mark.
pub(super) fn read(pages: &Path) -> Result<Mark, StoreError> {
    let (first, second) = both(&path(pages))?;
    higher(first, second).ok_or_else(|| checked::damaged(&path(pages)))
}

/// Refuses a place that holds another vault's pages.
pub(super) fn check(pages: &Path, next: &Mark) -> Result<(), StoreError> {
    if read(pages)?.admits(next) { Ok(()) } else { Err(other_vault(&path(pages))) }
}

/// Raises the mark, durably. Written even where it stands there already: a sync may have failed.
pub(super) fn raise(disk: &Disk, pages: &Path, mark: &Mark) -> Result<(), StoreError> {
    let path = path(pages);
    let lock = pages.join(LOCK);
    let held = lock_file(&lock, Instant::now() + PATIENCE)?
        .ok_or_else(|| StoreError::new(Problem::Busy, lock.display().to_string()))?;
    let (first, second) = both(&path)?;
    let highest = higher(first, second).ok_or_else(|| checked::damaged(&path))?;
    if !highest.admits(mark) {
        return Err(other_vault(&path));
    }
    let highest = if highest.generation > mark.generation { &highest } else { mark };
    let file = private().write(true).open(&path).map_err(|error| StoreError::io(&path, error))?;
    let generation = |slot: Option<Mark>| slot.map(|mark| mark.generation);
    let offset = if generation(first) <= generation(second) { 0 } else { SECOND as u64 };
    disk.write(&file, &path, offset, &encode(highest))?;
    disk.sync(&file, &path)?;
    held.release();
    Ok(())
}

/// Writes a new mark over whatever is there.
pub(super) fn replace(disk: &Disk, pages: &Path, mark: &Mark) -> Result<(), StoreError> {
    let lock = pages.join(LOCK);
    let held = lock_file(&lock, Instant::now() + PATIENCE)?
        .ok_or_else(|| StoreError::new(Problem::Busy, lock.display().to_string()))?;
    disk.replace(&path(pages), &fresh(mark))?;
    disk.sync_dir(pages)?;
    held.release();
    Ok(())
}

fn other_vault(path: &Path) -> StoreError {
    StoreError::new(Problem::OtherVault, path.display().to_string())
}

/// A torn slot is below every other one.
fn higher(first: Option<Mark>, second: Option<Mark>) -> Option<Mark> {
    first.into_iter().chain(second).max_by_key(|mark| mark.generation)
}

/// What both slots hold; `None` for one that is torn.
fn both(path: &Path) -> Result<(Option<Mark>, Option<Mark>), StoreError> {
    let bytes = checked::read_small(path, BYTES as u64)?;
    // A slot is written within its own sector, so that no torn write reaches what lies between them.
    if bytes.get(SLOT_BYTES..SECOND).is_some_and(|between| between.iter().any(|byte| *byte != 0)) {
        return Err(checked::damaged(path).caused_by("there is something between the slots"));
    }
    let slot = |offset: usize| match bytes.get(offset..offset + SLOT_BYTES).and_then(|slot| checked::decode(TAG, slot))
    {
        // Whatever the other one says: it may be older than what a newer program wrote here.
        Some((version, _)) if version > checked::VERSION => Err(checked::newer(path)),
        Some((checked::VERSION, body)) => Ok(decode(body)),
        _ => Ok(None),
    };
    Ok((slot(0)?, slot(SECOND)?))
}

fn encode(mark: &Mark) -> Vec<u8> {
    let Mark { generation, vault, proof } = mark;
    checked::encode(TAG, checked::VERSION, &[&generation.to_be_bytes()[..], vault, proof].concat())
}

fn decode(body: &[u8]) -> Option<Mark> {
    let (generation, rest) = body.split_first_chunk()?;
    let (vault, rest) = rest.split_first_chunk()?;
    let (proof, []) = rest.split_first_chunk()? else { return None };
    Some(Mark { generation: u64::from_be_bytes(*generation), vault: *vault, proof: *proof })
}
