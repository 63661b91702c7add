//! What the small files have in common: seven bytes that say what they are, one for the version, a checksum at the end.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::store::{Problem, StoreError};

/// The format version that this program writes, and the newest it reads.
pub(super) const VERSION: u8 = 1;
pub(super) const CHECKSUM: usize = 32;

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// `tag | version | body | SHA-256 of all before`.
pub(super) fn encode(tag: &[u8; 7], version: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + body.len() + CHECKSUM);
    bytes.extend_from_slice(tag);
    bytes.push(version);
    bytes.extend_from_slice(body);
    let checksum = sha256(&bytes);
    bytes.extend_from_slice(&checksum);
    bytes
}

/// The version and the body, if the tag and the checksum are right. The checksum comes first, so that a flipped
/// version byte is damage and not a newer format; every later version keeps the tag and the checksum where they are.
pub(super) fn decode<'a>(tag: &[u8; 7], bytes: &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (content, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM)?)?;
    if sha256(content) != checksum {
        return None;
    }
    let (version, body) = content.strip_prefix(tag)?.split_first()?;
    Some((*version, body))
}

/// Reads a file as long as it is now; one that is longer than `limit` is damaged.
pub(super) fn read_small(path: &Path, limit: u64) -> Result<Vec<u8>, StoreError> {
    let io = |error: std::io::Error| StoreError::io(path, error);
    let file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let room = usize::try_from(length).ok().filter(|_| length <= limit).ok_or_else(|| damaged(path))?;
    // Room enough from the start: a growing buffer would leave copies of a root record behind. So what is added to the file
    // meanwhile is not read; and a length is believed only as far as there is memory for it.
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(room.saturating_add(64)).map_err(|_| io(ErrorKind::OutOfMemory.into()))?;
    file.take(length).read_to_end(&mut bytes).map_err(io)?;
    Ok(bytes)
}

pub(super) fn damaged(path: &Path) -> StoreError {
    StoreError::new(Problem::Damaged, path.display().to_string())
}

pub(super) fn newer(path: &Path) -> StoreError {
    StoreError::new(Problem::NewerFormat, path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_asked_for_its_length_before_there_is_room_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        // A limit for which no machine has memory.
        let limit = u64::MAX >> 1;
        assert_eq!(read_small(&path, limit).unwrap_err().problem(), Problem::Missing);
        std::fs::write(&path, b"four").unwrap();
        assert_eq!(read_small(&path, limit).unwrap(), b"four");
        assert_eq!(read_small(&path, 4).unwrap(), b"four");
        assert_eq!(read_small(&path, 3).unwrap_err().problem(), Problem::Damaged);
    }
}
