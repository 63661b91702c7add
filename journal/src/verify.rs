//! A whole journal checked offline, with the public key alone.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::anchor::Anchor;
use super::chain::{Chain, Lines};
use super::disk::open_plain;
use super::entries::Entries;
use super::entry::Entry;
use super::error::{Damage, JournalError, KnownFrom};
use super::event::Event;
use super::head;
use super::ids::VaultName;
use super::key::PublicKey;
use super::receipt::Receipt;
use super::text::Reason;
use super::time::Time;

/// What a journal must contain, by evidence from elsewhere: its head, receipts, anchors.
///
/// [`Journal`](crate::Journal) has an example.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Expectations {
    head: Head,
    known: Vec<(Anchor, KnownFrom)>,
}

#[derive(Clone, Debug, Default)]
enum Head {
    #[default]
    Beside,
    At(PathBuf),
    None,
}

impl Expectations {
    /// Expects the head beside the journal, and nothing else.
    pub fn new() -> Expectations {
        Expectations::default()
    }

    /// Takes the head from this file.
    pub fn head_at(mut self, path: impl AsRef<Path>) -> Expectations {
        self.head = Head::At(path.as_ref().to_owned());
        self
    }

    /// Checks without a head. Give a receipt or an anchor: nothing else shows that the end is missing.
    pub fn without_head(mut self) -> Expectations {
        self.head = Head::None;
        self
    }

    /// Expects the entries that a receipt names. [`Receipt::verify`] checks the receipt itself.
    pub fn receipt(mut self, receipt: &Receipt) -> Expectations {
        self.known.extend(receipt.content().entries.iter().map(|anchor| (*anchor, KnownFrom::Receipt)));
        self
    }

    /// Expects an entry that somebody wrote down.
    pub fn anchor(mut self, anchor: Anchor) -> Expectations {
        self.known.push((anchor, KnownFrom::Anchor));
        self
    }
}

/// How far a check has come.
///
/// It is only read, so there is no example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyProgress {
    /// Entries checked.
    pub entries: u64,
    /// Bytes of their lines.
    pub bytes: u64,
    /// Bytes of the whole journal, if that is known.
    pub of: Option<u64>,
}

/// The result of a successful check: every line is as the vault wrote it, the expected entries are there, and only
/// those in `gaps` are missing.
///
/// [`Journal`](crate::Journal) has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// The vault that wrote it.
    pub vault: VaultName,
    /// How many entries there are.
    pub entries: u64,
    /// The first entry.
    pub first: Anchor,
    /// When it was written.
    pub since: Time,
    /// The last entry. Write it down: with it, a cut before this entry shows.
    pub last: Anchor,
    /// When it was written.
    pub until: Time,
    /// The highest generation of the root record that an entry names.
    pub generation: u64,
    /// Entries that are missing, as somebody who holds the vault recorded them.
    pub gaps: Vec<Gap>,
    /// How many incomplete lines of killed writers were cut off. No entry is missing because of them.
    pub torn: u64,
    /// Expected entries that lie in a gap, and so could not be checked.
    pub unchecked: Vec<Anchor>,
}

/// A run of missing entries, as an entry of the journal recorded it.
///
/// It is only read, so there is no example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// The first that is missing.
    pub from: u64,
    /// The last.
    pub to: u64,
    /// When it was recorded.
    pub recorded: Time,
    /// Why, in the words of the person who recorded it.
    pub why: Reason,
}

/// Checks the journal in a file with the public key alone: each signature, that each entry follows from the one before,
/// that no entry is missing in the middle or at the end, and that the expected entries are there. Memory does not grow
/// with the file. The check writes nothing, and works while the application writes.
///
/// `progress` is called after every entry.
///
/// # Errors
/// The first fault, with its line and the rule: changed, dropped, reordered, spliced in, cut off.
pub fn verify(
    path: impl AsRef<Path>,
    key: &PublicKey,
    expected: &Expectations,
    progress: impl FnMut(VerifyProgress),
) -> Result<Verified, JournalError> {
    let path = path.as_ref();
    let head_path = match &expected.head {
        Head::Beside => Some(head::path_of(path)),
        Head::At(path) => Some(path.clone()),
        Head::None => None,
    };
    // Before the file, which is never older than its head.
    let head = head_path.map(|path| Ok((head::read(&path)?, path))).transpose()?;
    let file = open_plain(path).map_err(|error| JournalError::io(path, error))?;
    let of = file.metadata().map_err(|error| JournalError::io(path, error))?.len();
    let lines = Lines::new(BufReader::with_capacity(1 << 16, file));
    let entries = Entries::from(path.to_owned(), lines, Chain::new(*key, None), 0);
    // An incomplete last line may be just being written: it is looked at again for a second.
    let mut patience = 20;
    let again = |offset| {
        patience -= 1;
        if patience < 0 {
            return None;
        }
        std::thread::sleep(Duration::from_millis(50));
        let mut file = open_plain(path).ok()?;
        file.seek(SeekFrom::Start(offset)).ok()?;
        Some(BufReader::with_capacity(1 << 16, file))
    };
    Check { key, expected, head, of: Some(of) }.run(entries, again, progress)
}

/// Checks a journal from any reader, without a head.
///
/// # Errors
/// As [`verify`].
pub fn verify_from(
    reader: impl BufRead,
    key: &PublicKey,
    expected: &Expectations,
    progress: impl FnMut(VerifyProgress),
) -> Result<Verified, JournalError> {
    let entries = Entries::from(PathBuf::from("the journal"), Lines::new(reader), Chain::new(*key, None), 0);
    Check { key, expected, head: None, of: None }.run(entries, |_| None, progress)
}

struct Check<'e> {
    key: &'e PublicKey,
    expected: &'e Expectations,
    head: Option<(Option<Vec<u8>>, PathBuf)>,
    of: Option<u64>,
}

impl Check<'_> {
    /// `again` gives a new reader from an offset on, to look once more at what was no whole line.
    fn run<R: BufRead>(
        self,
        mut entries: Entries<R>,
        mut again: impl FnMut(u64) -> Option<R>,
        mut progress: impl FnMut(VerifyProgress),
    ) -> Result<Verified, JournalError> {
        let mut known: BTreeMap<u64, Vec<(Anchor, KnownFrom)>> = BTreeMap::new();
        let mut expect = |anchor: Anchor, from| known.entry(anchor.n).or_default().push((anchor, from));
        self.expected.known.iter().for_each(|(anchor, from)| expect(*anchor, *from));
        let mut verified: Option<Verified> = None;
        let torn = loop {
            let entry = match entries.next() {
                None => break None,
                Some(Ok(entry)) => entry,
                Some(Err(error @ JournalError::Torn { .. })) => match again(entries.bytes()) {
                    Some(reader) => {
                        entries.resume(reader);
                        continue;
                    }
                    None => break Some(error),
                },
                Some(Err(error)) => return Err(reconsider(error, &mut entries)),
            };
            if verified.is_none()
                && let Some(head) = self.head(&entries)?
            {
                known.entry(head.n).or_default().push((head, KnownFrom::Head));
            }
            for (anchor, known_from) in known.remove(&entry.n).unwrap_or_default() {
                if anchor != entry.anchor() {
                    return Err(JournalError::OtherHistory { n: entry.n, known_from });
                }
            }
            let verified = match &mut verified {
                Some(verified) => verified,
                none => none.insert(Verified::beginning_with(&entry, entries.followed())?),
            };
            verified.take(entry, &mut known);
            progress(VerifyProgress { entries: verified.entries, bytes: entries.bytes(), of: self.of });
        };
        let have = verified.as_ref().map_or(0, |verified| verified.last.n);
        // What is known to be missing says more than that a line is incomplete.
        if let Some(known) = known.keys().last().copied() {
            return Err(JournalError::CutOff { have, known });
        }
        match (torn, verified) {
            (Some(error), _) => Err(error),
            (None, Some(verified)) => Ok(verified),
            (None, None) => Err(JournalError::Damaged { line: 1, what: Damage::Form("the file is empty") }),
        }
    }

    /// The head, once the first entry has told the vault.
    fn head<R: BufRead>(&self, entries: &Entries<R>) -> Result<Option<Anchor>, JournalError> {
        let Some((bytes, path)) = &self.head else { return Ok(None) };
        let wrong = |what| JournalError::Head { path: path.clone(), what };
        let bytes = bytes.as_ref().ok_or_else(|| wrong("is missing"))?;
        let parsed = entries.followed().vault().and_then(|vault| head::parse(bytes, vault, self.key));
        // It may have been read while it was being written.
        let again = || head::read(path).ok().flatten();
        let vault = entries.followed().vault();
        let parsed = parsed.or_else(|| head::parse(&again()?, vault?, self.key));
        parsed.map(Some).ok_or_else(|| wrong("is damaged, or of another vault"))
    }
}

/// Entries that seem to be missing may come later: then the order was changed.
fn reconsider<R: BufRead>(error: JournalError, entries: &mut Entries<R>) -> JournalError {
    let JournalError::Damaged { line, what: Damage::Dropped { from, to } } = error else { return error };
    while let Some(entry) = entries.next_signed() {
        if entry.n == from {
            return JournalError::Damaged { line, what: Damage::Reordered { n: to + 1, expected: from } };
        }
    }
    error
}

impl Verified {
    fn beginning_with(entry: &Entry, chain: &Chain) -> Result<Verified, JournalError> {
        let vault = chain.vault().ok_or_else(|| chain.damaged(Damage::Form("it does not name its vault")))?;
        Ok(Verified {
            vault,
            entries: 0,
            first: entry.anchor(),
            since: entry.at,
            last: entry.anchor(),
            until: entry.at,
            generation: 0,
            gaps: Vec::new(),
            torn: 0,
            unchecked: Vec::new(),
        })
    }

    fn take(&mut self, entry: Entry, known: &mut BTreeMap<u64, Vec<(Anchor, KnownFrom)>>) {
        self.entries += 1;
        (self.last, self.until) = (entry.anchor(), entry.at);
        self.generation = self.generation.max(entry.generation);
        match entry.event {
            Event::Gap { from, to, why, .. } => {
                let later = known.split_off(&(to + 1));
                let missing = std::mem::replace(known, later).into_values().flatten();
                self.unchecked.extend(missing.map(|(anchor, _)| anchor));
                self.gaps.push(Gap { from, to, recorded: entry.at, why });
            }
            Event::Torn { .. } => self.torn += 1,
            _ => {}
        }
    }
}
