//! One entry, and the one line that it is written as.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::anchor::Anchor;
use super::error::JournalError;
use super::event::Event;
use super::ids::{EventId, Hash, VaultName};
use super::key::{PublicKey, Signer};
use super::labels::JOURNAL;
use super::limits::{LINE_BYTES, MOST_GENERATION, MOST_NUMBER};
use super::text::{decode, encode};
use super::time::Time;

const BEFORE_SIGNATURE: &str = ",\"sig\":\"";
const AFTER_SIGNATURE: &str = "\"}";
const SIGNATURE_CHARACTERS: usize = 86;

/// One entry of a journal: what its line says.
///
/// [The crate's page](crate) has an example that reads entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub(super) n: u64,
    pub(super) prev: Hash,
    pub(super) at: Time,
    pub(super) generation: u64,
    pub(super) id: Option<EventId>,
    pub(super) event: Event,
    pub(super) signature: [u8; 64],
    pub(super) hash: Hash,
}

/// What is signed, in this order.
#[derive(Serialize)]
struct Signed<'e> {
    n: u64,
    prev: Hash,
    at: Time,
    generation: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<EventId>,
    event: &'e Event,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parsed<'l> {
    n: u64,
    prev: Hash,
    at: Time,
    generation: u64,
    #[serde(default)]
    id: Option<EventId>,
    event: Event,
    #[serde(borrow)]
    sig: Cow<'l, str>,
}

impl Entry {
    /// Its number: 1 for the first.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.n
    }

    /// When it was written, by the clock of the machine that wrote it.
    #[must_use]
    pub fn at(&self) -> Time {
        self.at
    }

    /// The generation of the root record that the writer knew; for an outcome, that of the commit.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The id that the writer gave the event, if it gave one.
    #[must_use]
    pub fn id(&self) -> Option<EventId> {
        self.id
    }

    /// The event that the entry records.
    #[must_use]
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// Takes the event out of the entry.
    #[must_use]
    pub fn into_event(self) -> Event {
        self.event
    }

    /// The hash of the entry before it.
    #[must_use]
    pub fn prev(&self) -> Hash {
        self.prev
    }

    /// The entry's anchor: its number and hash.
    #[must_use]
    pub fn anchor(&self) -> Anchor {
        Anchor { n: self.n, hash: self.hash }
    }

    /// Its line, byte for byte, without the line feed.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = self.signed().unwrap_or_default();
        close(&mut line, &self.signature);
        line
    }

    /// Whether the vault of this name and key signed the entry. [`entries`](super::entries) and
    /// [`verify`](super::verify) check more: that the entry is in its place, and that no other is missing.
    #[must_use]
    pub fn is_signed_by(&self, vault: VaultName, key: &PublicKey) -> bool {
        is_signed(self.line().as_bytes(), vault, key)
    }

    /// Reads a line without its line feed. This does **not** check the signature: [`verify`](super::verify) does.
    ///
    /// # Errors
    /// A text for people: which rule of the form the line breaks.
    pub fn parse(line: &[u8]) -> Result<Entry, &'static str> {
        if line.len() >= LINE_BYTES {
            return Err("it is longer than a line may be");
        }
        let text = std::str::from_utf8(line).map_err(|_| "it is not UTF-8")?;
        let Parsed { n, prev, at, generation, id, event, sig } =
            serde_json::from_str(text).map_err(|_| "it is not the JSON of an entry")?;
        let signature = decode(&sig).ok_or("its signature is not 86 characters of base64url")?;
        let hash = Hash::from_bytes(Sha256::digest(line).into());
        let entry = Entry { n, prev, at, generation, id, event, signature, hash };
        if !(1..=MOST_NUMBER).contains(&n) || generation > MOST_GENERATION || !numbers_are_small(text) {
            return Err("a number is out of range");
        }
        // So one entry has one form: no other order, spaces, escapes, ways to write a number.
        if entry.line() == text { Ok(entry) } else { Err("it is not written in the one form of an entry") }
    }

    /// Makes and signs the entry behind `after`.
    pub(super) fn write(
        after: Anchor,
        at: Time,
        generation: u64,
        id: Option<EventId>,
        event: Event,
        signer: &dyn Signer,
    ) -> Result<Entry, JournalError> {
        let mut entry =
            Entry { n: after.n + 1, prev: after.hash, at, generation, id, event, signature: [0; 64], hash: Hash::NONE };
        let mut line = entry.signed().ok_or(JournalError::TooLong { bytes: usize::MAX })?;
        let size = line.len() + BEFORE_SIGNATURE.len() + SIGNATURE_CHARACTERS + AFTER_SIGNATURE.len() + 1;
        if size > LINE_BYTES {
            return Err(JournalError::TooLong { bytes: size });
        }
        let message = message(signer.vault(), line.as_bytes());
        entry.signature = signer.sign(&message).map_err(JournalError::Signing)?;
        close(&mut line, &entry.signature);
        entry.hash = Hash::from_bytes(Sha256::digest(&line).into());
        // What a reader refuses must never be written.
        match Entry::parse(line.as_bytes()) {
            Ok(parsed) if parsed == entry => Ok(entry),
            Ok(_) => Err(JournalError::Unwritable("it is not read as it is written")),
            Err(what) => Err(JournalError::Unwritable(what)),
        }
    }

    fn signed(&self) -> Option<String> {
        let Entry { n, prev, at, generation, id, event, .. } = self;
        serde_json::to_string(&Signed { n: *n, prev: *prev, at: *at, generation: *generation, id: *id, event })
            .ok()?
            .strip_suffix('}')
            .map(str::to_owned)
    }
}

fn close(line: &mut String, signature: &[u8; 64]) {
    line.push_str(BEFORE_SIGNATURE);
    line.push_str(&encode(signature));
    line.push_str(AFTER_SIGNATURE);
}

/// What a line of the journal signs.
pub(super) fn message(vault: VaultName, signed: &[u8]) -> Vec<u8> {
    [JOURNAL, &vault.to_bytes(), signed].concat()
}

/// Whether the key signed this line, whatever it says.
pub(super) fn is_signed(line: &[u8], vault: VaultName, key: &PublicKey) -> bool {
    parts(line).is_some_and(|(signed, signature)| key.verifies(&message(vault, signed), &signature))
}

/// What is signed of a line that ends as every line does, and the signature.
pub(super) fn parts(line: &[u8]) -> Option<(&[u8], [u8; 64])> {
    let rest = line.strip_suffix(AFTER_SIGNATURE.as_bytes())?;
    let (rest, signature) = rest.split_at_checked(rest.len().checked_sub(SIGNATURE_CHARACTERS)?)?;
    let signed = rest.strip_suffix(BEFORE_SIGNATURE.as_bytes())?;
    Some((signed, decode(std::str::from_utf8(signature).ok()?)?))
}

/// Whether every integer outside of texts is one that a double holds exactly.
fn numbers_are_small(text: &str) -> bool {
    let (mut in_text, mut escaped, mut number) = (false, false, 0u64);
    for byte in text.bytes() {
        if in_text {
            in_text = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        in_text = byte == b'"';
        number = match byte {
            b'0'..=b'9' => number.saturating_mul(10).saturating_add(u64::from(byte - b'0')),
            _ => 0,
        };
        if number > MOST_NUMBER {
            return false;
        }
    }
    true
}
