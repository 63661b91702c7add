//! The two files that hold the root record. They are overwritten in place, never renamed, never unlinked.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use zeroize::Zeroizing;

use super::checked::{self, CHECKSUM};
use crate::store::{CopyContent, Problem, RECORD_BYTES, StoreError};

pub(super) const SLOTS: [&str; 2] = ["slot-a", "slot-b"];
pub(super) const SLOT_BYTES: usize = 8 + RECORD_BYTES + CHECKSUM;

const TAG: &[u8; 7] = b"OBLroot";
/// In place of the version: nothing was written here yet. Zeros from a failing medium must not look like that.
const NOTHING_YET: u8 = 0;

pub(super) fn encode(record: &[u8]) -> Vec<u8> {
    checked::encode(TAG, checked::VERSION, record)
}

pub(super) fn empty() -> Vec<u8> {
    checked::encode(TAG, NOTHING_YET, &[0; RECORD_BYTES])
}

/// What a slot holds. An unreadable or missing one is an error; a torn, truncated or lengthened one is `Damaged`.
pub(super) fn read(path: &Path) -> Result<CopyContent, StoreError> {
    let bytes = match checked::read_small(path, SLOT_BYTES as u64) {
        Err(error) if error.problem() == Problem::Damaged => return Ok(CopyContent::Damaged),
        other => Zeroizing::new(other?),
    };
    match checked::decode(TAG, &bytes) {
        Some((version, _)) if version > checked::VERSION => Err(checked::newer(path)),
        Some((checked::VERSION, record)) if record.len() == RECORD_BYTES => Ok(CopyContent::Intact(record.to_vec())),
        Some((NOTHING_YET, nothing)) if nothing == [0; RECORD_BYTES] => Ok(CopyContent::Empty),
        _ => Ok(CopyContent::Damaged),
    }
}

/// Opens a slot for writing; the second value says whether it was missing and had to be made.
pub(super) fn open(path: &Path) -> Result<(File, bool), StoreError> {
    let mut options = super::disk::private();
    options.read(true).write(true);
    match options.open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            options.create(true).open(path).map(|file| (file, true)).map_err(|error| StoreError::io(path, error))
        }
        other => other.map(|file| (file, false)).map_err(|error| StoreError::io(path, error)),
    }
}
