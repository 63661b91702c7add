//! Journals made, broken and checked.

use std::fs;
use std::path::PathBuf;

use ed25519_dalek::{Signer as _, SigningKey};

use super::*;

mod damaged;
mod files;
mod inputs;
mod node;
mod random;
mod receipts;
mod replaying;
mod tampering;
mod vectors;

/// A vault's key, without a vault.
pub(crate) struct TestSigner {
    key: SigningKey,
    vault: VaultName,
}

impl TestSigner {
    pub(crate) fn new(seed: [u8; 32], vault: [u8; 16]) -> TestSigner {
        TestSigner { key: SigningKey::from_bytes(&seed), vault: VaultName::from_bytes(vault) }
    }
}

impl Signer for TestSigner {
    fn vault(&self) -> VaultName {
        self.vault
    }

    fn public_key(&self) -> PublicKey {
        PublicKey::from_bytes(&self.key.verifying_key().to_bytes()).unwrap()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        Ok(self.key.sign(message).to_bytes())
    }
}

pub(super) fn ours() -> TestSigner {
    TestSigner::new([7; 32], [1; 16])
}

pub(super) fn id(number: u64) -> Number {
    number.try_into().unwrap()
}

pub(crate) fn ids(numbers: impl IntoIterator<Item = u64>) -> Numbers {
    Numbers::of(numbers.into_iter().map(id))
}

pub(super) fn note(text: &str) -> Event {
    Event::Note { text: Reason::new(text).unwrap() }
}

pub(super) fn shred(numbers: impl IntoIterator<Item = u64>) -> Event {
    Event::Shred { whom: Whom::Numbers(ids(numbers)), purpose: None, why: None }
}

pub(crate) fn outcome(of: u64, result: Ending) -> Event {
    Event::outcome(of, result, Results::default())
}

/// A place for one journal.
pub(super) struct Place {
    _directory: tempfile::TempDir,
    pub(super) path: PathBuf,
}

impl Place {
    pub(super) fn new() -> Place {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("privacy.journal");
        Place { _directory: directory, path }
    }

    pub(super) fn head(&self) -> PathBuf {
        self.path.with_file_name("privacy.journal.head")
    }

    pub(super) fn create(&self) -> Journal {
        Journal::create(&self.path, &ours(), Time::now(), 1).unwrap()
    }

    pub(super) fn open(&self) -> Result<Journal, JournalError> {
        Journal::open(&self.path, &ours(), None)
    }

    pub(super) fn verify(&self) -> Result<Verified, JournalError> {
        self.verify_with(&Expectations::new())
    }

    pub(super) fn verify_with(&self, expected: &Expectations) -> Result<Verified, JournalError> {
        verify(&self.path, &ours().public_key(), expected, |_| ())
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        fs::read(&self.path).unwrap()
    }

    pub(super) fn lines(&self) -> Vec<Vec<u8>> {
        self.bytes().split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    }

    pub(super) fn put(&self, bytes: impl AsRef<[u8]>) {
        fs::write(&self.path, bytes).unwrap();
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        entries(&self.path, &ours().public_key()).unwrap().map(Result::unwrap).collect()
    }

    /// A journal of one entry for its opening and each of these.
    pub(super) fn with(events: &[Event]) -> Place {
        let place = Place::new();
        let journal = place.create();
        for event in events {
            journal.append(&ours(), 2, std::slice::from_ref(event)).unwrap();
        }
        place
    }

    /// A small one of several kinds.
    pub(super) fn small() -> Place {
        let done = outcome(2, Ending::Done);
        Place::with(&[shred([5, 7, 8, 9]), done, note("\"quoted\" \\ é"), note("b"), note("c")])
    }
}

pub(super) fn what(error: &JournalError) -> (Option<u64>, Option<Damage>) {
    match error {
        JournalError::Damaged { line, what } => (Some(*line), Some(*what)),
        other => (other.line(), None),
    }
}

/// For the test vectors: entries one behind the other, in no file.
pub(crate) fn write_lines(
    signer: &dyn Signer,
    after: Option<Anchor>,
    events: Vec<(Time, u64, Option<EventId>, Event)>,
) -> Vec<Entry> {
    let mut after = after.unwrap_or(Anchor::START);
    let mut entries = Vec::new();
    for (at, generation, id, event) in events {
        let entry = Entry::write(after, at, generation, id, event, signer).unwrap();
        after = entry.anchor();
        entries.push(entry);
    }
    entries
}

pub(crate) fn head_line(anchor: Anchor, signer: &dyn Signer) -> String {
    super::head::line(anchor, signer).unwrap()
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    super::text::encode(bytes)
}

/// What checking a journal comes to, by the names of FORMAT.md.
pub(crate) fn check(lines: &[String], head: Option<&str>, key: &PublicKey) -> Option<&'static str> {
    let place = Place::new();
    place.put(lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>());
    let expected = match head {
        Some(head) => {
            fs::write(place.head(), head).unwrap();
            Expectations::new()
        }
        None => Expectations::new().without_head(),
    };
    let error = verify(&place.path, key, &expected, |_| ()).err()?;
    Some(match error {
        JournalError::Damaged { what, .. } => match what {
            Damage::Form(_) => "form",
            Damage::Changed => "changed",
            Damage::Dropped { .. } => "dropped",
            Damage::Reordered { .. } => "reordered",
            Damage::Spliced { .. } => "spliced",
            Damage::Contradiction(_) => "contradiction",
        },
        JournalError::CutOff { .. } => "cut_off",
        JournalError::OtherVault { .. } => "other_vault",
        JournalError::OtherHistory { .. } => "other_history",
        other => panic!("{other:?}"),
    })
}
