//! Entries one after the other, each checked before it is given out.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::iter::FusedIterator;
use std::path::{Path, PathBuf};

use super::anchor::Anchor;
use super::chain::{Chain, Lines, Piece};
use super::entry::Entry;
use super::error::{Damage, JournalError, KnownFrom};
use super::ids::VaultName;
use super::key::PublicKey;

/// The entries of a journal, in order. See [`entries`].
#[derive(Debug)]
pub struct Entries<R> {
    path: PathBuf,
    lines: Lines<R>,
    chain: Chain,
    /// Signatures are checked of the entries behind this one.
    trusted: u64,
    /// What must turn up.
    known: Option<Anchor>,
    bytes: u64,
    is_over: bool,
}

/// Reads a journal from its beginning: every entry's form, signature and place in the chain is checked before it is
/// given out. Takes a constant amount of memory. After an error nothing more comes.
///
/// Whether the end is missing cannot be told here: [`verify`](super::verify) does.
///
/// # Errors
/// If the file cannot be opened. Each item may be an error, too.
pub fn entries(path: impl AsRef<Path>, key: &PublicKey) -> Result<Entries<BufReader<File>>, JournalError> {
    from_file(path.as_ref(), *key, None)
}

pub(super) fn from_file(
    path: &Path,
    key: PublicKey,
    vault: Option<VaultName>,
) -> Result<Entries<BufReader<File>>, JournalError> {
    let file = File::open(path).map_err(|error| JournalError::io(path, error))?;
    let lines = Lines::new(BufReader::with_capacity(1 << 16, file));
    Ok(Entries::from(path.to_owned(), lines, Chain::new(key, vault), 0))
}

impl<R: BufRead> Entries<R> {
    /// From where the chain is. The path is for messages. Signatures are checked behind entry `trusted`.
    pub(super) fn from(path: PathBuf, lines: Lines<R>, chain: Chain, trusted: u64) -> Entries<R> {
        Entries { path, lines, chain, trusted, known: None, bytes: 0, is_over: false }
    }

    /// The end is only the end behind this entry.
    pub(super) fn knowing(self, known: Anchor) -> Entries<R> {
        Entries { known: Some(known), ..self }
    }

    pub(super) fn followed(&self) -> &Chain {
        &self.chain
    }

    /// Bytes of the lines read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Goes on after an incomplete last line, which may have been completed since, or cut off by the next writer: with
    /// a reader that begins behind the last whole line.
    pub(super) fn resume(&mut self, reader: R) {
        self.lines = Lines::new(reader);
        self.is_over = false;
    }

    /// The next entry that the vault wrote, without regard to the chain: for a look at what comes behind a mistake.
    pub(super) fn next_signed(&mut self) -> Option<Entry> {
        while let Ok(Piece::Line(line)) = self.lines.next() {
            let Ok(entry) = Entry::parse(line) else { continue };
            let mut chain = self.chain;
            if chain.begin(&entry).is_ok() && chain.is_signed(line) {
                return Some(entry);
            }
        }
        None
    }

    fn advance(&mut self) -> Result<Option<Entry>, JournalError> {
        match self.lines.next().map_err(|error| JournalError::io(&self.path, error))? {
            Piece::Line(line) => {
                let next = self.chain.last().n + 1;
                let entry = self.chain.follow(line, next > self.trusted)?;
                self.bytes += line.len() as u64 + 1;
                match self.known {
                    Some(known) if known.n == entry.n && known != entry.anchor() => {
                        Err(JournalError::OtherHistory { n: entry.n, known_from: KnownFrom::Memory })
                    }
                    _ => Ok(Some(entry)),
                }
            }
            Piece::End(0) => match self.known {
                Some(known) if known.n > self.chain.last().n => {
                    Err(JournalError::CutOff { have: self.chain.last().n, known: known.n })
                }
                _ => Ok(None),
            },
            Piece::End(bytes) => Err(JournalError::Torn { line: self.chain.lines() + 1, bytes: bytes as u64 }),
            Piece::TooLong(_) => Err(self.chain.damaged(Damage::Form("it is longer than a line may be"))),
        }
    }
}

impl<R: BufRead> Iterator for Entries<R> {
    type Item = Result<Entry, JournalError>;

    fn next(&mut self) -> Option<Result<Entry, JournalError>> {
        if self.is_over {
            return None;
        }
        let next = self.advance().transpose();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}

impl<R: BufRead> FusedIterator for Entries<R> {}
