//! Entries one after the other, each checked before it is given out.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::iter::FusedIterator;
use std::path::{Path, PathBuf};

use super::anchor::Anchor;
use super::chain::{Chain, Lines, Piece};
use super::disk::open_plain;
use super::entry::Entry;
use super::error::{Damage, JournalError, KnownFrom};
use super::ids::VaultName;
use super::key::PublicKey;

/// The entries of a journal, in order. See [`entries`].
///
/// [`Journal`](crate::Journal) has an example.
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
    behind: Behind,
}

/// What is done behind a damaged line.
#[derive(Debug, Default)]
enum Behind {
    /// Nothing more comes.
    #[default]
    Nothing,
    /// What the vault wrote still comes.
    Rest {
        /// The lines before were damaged: the next entry cannot be expected to follow.
        is_lost: bool,
        /// An entry that the vault wrote, and not in this place: told as an error already.
        next: Option<Box<Entry>>,
    },
}

/// Reads a journal from its beginning. The form, the signature and the place in the chain of each entry are checked
/// before the entry is given out. Memory does not grow with the file. An error ends the iterator, unless it reads [past
/// damage](Entries::past_damage).
///
/// This function does not see whether the end of the journal is missing: [`verify`](super::verify) does.
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
    let file = open_plain(path).map_err(|error| JournalError::io(path, error))?;
    let lines = Lines::new(BufReader::with_capacity(1 << 16, file));
    Ok(Entries::from(path.to_owned(), lines, Chain::new(key, vault), 0))
}

impl<R: BufRead> Entries<R> {
    /// From where the chain is. The path is for messages. Signatures are checked behind entry `trusted`.
    pub(super) fn from(path: PathBuf, lines: Lines<R>, chain: Chain, trusted: u64) -> Entries<R> {
        Entries { path, lines, chain, trusted, known: None, bytes: 0, is_over: false, behind: Behind::Nothing }
    }

    /// The end is only the end behind this entry.
    pub(super) fn knowing(self, known: Anchor) -> Entries<R> {
        Entries { known: Some(known), ..self }
    }

    /// Goes on after a damaged line, to show what is left. Each line that is not an entry of the vault, or that stands
    /// in the wrong place, is an error. The entries after it still come if the vault signed them. Two entries without
    /// an error between them are neighbours in the chain.
    ///
    /// Two errors still end the iterator: one that is not about a line, and damage of the line that names the vault.
    #[must_use]
    pub fn past_damage(self) -> Entries<R> {
        Entries { behind: Behind::Rest { is_lost: false, next: None }, ..self }
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
        if let Behind::Rest { next, .. } = &mut self.behind
            && let Some(entry) = next.take()
        {
            return Ok(Some(*entry));
        }
        match self.lines.next().map_err(|error| JournalError::io(&self.path, error))? {
            Piece::Line(line) => {
                let next = self.chain.last().n + 1;
                let entry = match (self.chain.follow(line, next > self.trusted), &mut self.behind) {
                    (Ok(entry), Behind::Rest { is_lost, .. }) => {
                        *is_lost = false;
                        entry
                    }
                    (Err(error), Behind::Rest { is_lost, next }) if self.chain.vault().is_some() => {
                        match self.chain.go_on(line) {
                            // It follows from a line that was damaged, which was told.
                            Some(entry) if std::mem::take(is_lost) => entry,
                            Some(entry) => {
                                *next = Some(Box::new(entry));
                                return Err(error);
                            }
                            None => {
                                *is_lost = true;
                                return Err(error);
                            }
                        }
                    }
                    (followed, _) => followed?,
                };
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
            Piece::TooLong(_) => {
                let error = self.chain.damaged(Damage::Form("it is longer than a line may be"));
                if let Behind::Rest { is_lost, .. } = &mut self.behind
                    && self.lines.skip_line().map_err(|error| JournalError::io(&self.path, error))?
                {
                    self.chain.go_on(&[]);
                    *is_lost = true;
                }
                Err(error)
            }
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
        self.is_over = match &next {
            Some(Ok(_)) => false,
            Some(Err(JournalError::Damaged { .. } | JournalError::NewerFormat { .. })) => {
                matches!(self.behind, Behind::Nothing) || self.chain.vault().is_none()
            }
            _ => true,
        };
        next
    }
}

impl<R: BufRead> FusedIterator for Entries<R> {}
