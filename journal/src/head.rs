//! The head: one signed line beside the journal that says how far it has come.
//!
//! `{"n":"0000000000000012","hash":"…","sig":"…"}`, always of one size, so that it is overwritten in place. It is written
//! after the journal is durable and not synced itself: it may be older than the journal, never newer. So the public key
//! alone tells that an end is missing, unless journal and head are put back together.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::anchor::Anchor;
use super::disk::{open_plain, private};
use super::entry::parts;
use super::error::JournalError;
use super::ids::{Hash, VaultName};
use super::key::{PublicKey, Signer};
use super::labels::HEAD;
use super::limits::MOST_NUMBER;
use super::text::encode;

/// Bytes of a head, its line feed included.
pub(super) const HEAD_BYTES: usize = 173;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    n: String,
    hash: Hash,
}

/// The head of the journal at `path`.
pub(super) fn path_of(journal: &Path) -> PathBuf {
    let mut name = journal.file_name().unwrap_or_default().to_os_string();
    name.push(".head");
    journal.with_file_name(name)
}

fn message(vault: VaultName, signed: &[u8]) -> Vec<u8> {
    [HEAD, &vault.to_bytes(), signed].concat()
}

fn signed(anchor: Anchor) -> Option<String> {
    let text = serde_json::to_string(&Signed { n: format!("{:016}", anchor.n), hash: anchor.hash() }).ok()?;
    text.strip_suffix('}').map(str::to_owned)
}

/// The line, line feed included.
pub(super) fn line(anchor: Anchor, signer: &dyn Signer) -> Result<String, JournalError> {
    let mut line = signed(anchor).ok_or(JournalError::TooLong { bytes: HEAD_BYTES })?;
    let message = message(signer.vault(), line.as_bytes());
    let signature = signer.sign(&message).map_err(JournalError::Signing)?;
    line.push_str(",\"sig\":\"");
    line.push_str(&encode(&signature));
    line.push_str("\"}\n");
    Ok(line)
}

/// A head that this key signed for this vault, and nothing else. `None` if it is anything less.
pub(super) fn parse(line: &[u8], vault: VaultName, key: &PublicKey) -> Option<Anchor> {
    if line.len() != HEAD_BYTES {
        return None;
    }
    let (before, signature) = parts(line.strip_suffix(b"\n")?)?;
    let text = format!("{}}}", std::str::from_utf8(before).ok()?);
    let Signed { n, hash } = serde_json::from_str(&text).ok()?;
    let anchor = Anchor { n: n.parse().ok()?, hash };
    let is_right = (1..=MOST_NUMBER).contains(&anchor.n)
        && signed(anchor)?.as_bytes() == before
        && key.verifies(&message(vault, before), &signature);
    is_right.then_some(anchor)
}

/// What lies at `path`, not more than a head has and one byte.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, JournalError> {
    let file = match open_plain(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|error| JournalError::io(path, error))?,
    };
    let mut bytes = Vec::with_capacity(HEAD_BYTES + 1);
    file.take(HEAD_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(|error| JournalError::io(path, error))?;
    Ok(Some(bytes))
}

/// Overwrites the head where it lies.
pub(super) fn write(path: &Path, line: &str) -> std::io::Result<()> {
    // Neither through a link that somebody laid there, nor into a pipe that nobody reads.
    if std::fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    let mut file = private().write(true).create(true).truncate(false).open(path)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(line.as_bytes())?;
    // Only if something else lay there.
    if file.metadata()?.len() != HEAD_BYTES as u64 { file.set_len(HEAD_BYTES as u64) } else { Ok(()) }
}
