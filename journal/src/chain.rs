//! The chain: whether each line follows from the one before, and what it tells when one does not.

use std::io::{self, BufRead, Read};

use super::anchor::Anchor;
use super::entry::{self, Entry};
use super::error::{Damage, JournalError};
use super::event::Event;
use super::ids::VaultName;
use super::key::PublicKey;
use super::limits::LINE_BYTES;

/// A piece of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'b> {
    /// A line, without its line feed.
    Line(&'b [u8]),
    /// The end of the file, and so many bytes before it that are no line. Reading may go on if the file grows.
    End(usize),
    /// No line feed for longer than a line may be: what was read of it.
    TooLong(&'b [u8]),
}

/// Reads lines, never more than one in memory.
#[derive(Debug)]
pub(super) struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    is_complete: bool,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Lines<R> {
        Lines { reader, buffer: Vec::new(), is_complete: true }
    }

    pub(super) fn next(&mut self) -> io::Result<Piece<'_>> {
        if std::mem::take(&mut self.is_complete) {
            self.buffer.clear();
        }
        let room = LINE_BYTES.saturating_sub(self.buffer.len());
        // What an interrupted read left in the buffer stays there.
        self.reader.by_ref().take(room as u64).read_until(b'\n', &mut self.buffer)?;
        Ok(match self.buffer.split_last() {
            Some((b'\n', line)) => {
                self.is_complete = true;
                Piece::Line(line)
            }
            _ if self.buffer.len() >= LINE_BYTES => Piece::TooLong(&self.buffer),
            _ => Piece::End(self.buffer.len()),
        })
    }
}

impl<R: BufRead> Lines<R> {
    /// Lets go of what was read of a line that is too long, up to its end. False if the file ends in it.
    pub(super) fn skip_line(&mut self) -> io::Result<bool> {
        self.buffer.clear();
        loop {
            let ahead = self.reader.fill_buf()?;
            if ahead.is_empty() {
                return Ok(false);
            }
            let end = ahead.iter().position(|byte| *byte == b'\n');
            let bytes = end.map_or(ahead.len(), |end| end + 1);
            self.reader.consume(bytes);
            if end.is_some() {
                self.is_complete = true;
                return Ok(true);
            }
        }
    }
}

/// Whether a piece of the file has zeros, which no line has: a power cut leaves them where a block was not written, and
/// whatever follows is of the same append, which nobody was told of.
pub(super) fn was_not_written(piece: &[u8]) -> bool {
    piece.contains(&0)
}

/// How far a journal was followed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    key: PublicKey,
    /// Told by the first line, unless it is known.
    vault: Option<VaultName>,
    last: Anchor,
    lines: u64,
}

impl Chain {
    /// From the beginning. The vault, if it is known; otherwise the one that the journal names.
    pub(super) fn new(key: PublicKey, vault: Option<VaultName>) -> Chain {
        Chain { key, vault, last: Anchor::START, lines: 0 }
    }

    /// The last entry; [`Anchor::START`] before the first.
    pub(super) fn last(&self) -> Anchor {
        self.last
    }

    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    pub(super) fn vault(&self) -> Option<VaultName> {
        self.vault
    }

    /// The line that comes next.
    pub(super) fn damaged(&self, what: Damage) -> JournalError {
        JournalError::Damaged { line: self.lines + 1, what }
    }

    /// Takes the next line. `check_signature`: off where a later signature covers this line by way of the hashes; then
    /// an error may blame the wrong line, and the caller looks again with all signatures.
    pub(super) fn follow(&mut self, line: &[u8], check_signature: bool) -> Result<Entry, JournalError> {
        let entry = Entry::parse(line).map_err(|what| self.unreadable(line, what))?;
        self.begin(&entry)?;
        if check_signature && !self.is_signed(line) {
            return Err(self.damaged(Damage::Changed));
        }
        self.place(&entry)?;
        self.last = entry.anchor();
        self.lines += 1;
        Ok(entry)
    }

    /// Goes on behind a line that does not follow. Gives the entry if the vault wrote it all the same: the next one is to follow from it.
    pub(super) fn go_on(&mut self, line: &[u8]) -> Option<Entry> {
        self.lines += 1;
        let entry = Entry::parse(line).ok().filter(|_| self.is_signed(line))?;
        self.last = entry.anchor();
        Some(entry)
    }

    pub(super) fn is_signed(&self, line: &[u8]) -> bool {
        self.vault.is_some_and(|vault| entry::is_signed(line, vault, &self.key))
    }

    fn unreadable(&self, line: &[u8], what: &'static str) -> JournalError {
        if self.is_signed(line) {
            return JournalError::NewerFormat { line: self.lines + 1 };
        }
        self.damaged(Damage::Form(what))
    }

    /// The first line names the vault.
    pub(super) fn begin(&mut self, entry: &Entry) -> Result<(), JournalError> {
        let (named, key) = match &entry.event {
            Event::Opened { vault, public_key } if self.lines == 0 => (*vault, *public_key),
            Event::Gap { vault, .. } => (*vault, self.key),
            Event::Opened { .. } => return Err(self.damaged(Damage::Contradiction("a journal begins only once"))),
            _ if self.lines > 0 => return Ok(()),
            _ if entry.n > 1 => return Err(self.damaged(Damage::Dropped { from: 1, to: entry.n - 1 })),
            _ => return Err(self.damaged(Damage::Form("it does not say which vault the journal is of"))),
        };
        let vault = *self.vault.get_or_insert(named);
        if vault == named && key == self.key {
            return Ok(());
        }
        Err(JournalError::OtherVault { found: named, key })
    }

    fn place(&self, entry: &Entry) -> Result<(), JournalError> {
        let expected = self.last.n + 1;
        // An entry after a gap takes the number behind the last that is missing, and follows from that one.
        let (n, follows) = match &entry.event {
            Event::Gap { from, to, after, .. } => {
                if *to < *from || entry.n - 1 != *to {
                    return Err(self.damaged(Damage::Contradiction("a gap that is not before its own entry")));
                }
                (*from, *after == self.last.hash)
            }
            _ => (entry.n, entry.prev == self.last.hash),
        };
        match n.cmp(&expected) {
            std::cmp::Ordering::Less => Err(self.damaged(Damage::Reordered { n: entry.n, expected })),
            std::cmp::Ordering::Greater => Err(self.damaged(Damage::Dropped { from: expected, to: n - 1 })),
            std::cmp::Ordering::Equal if !follows => Err(self.damaged(Damage::Spliced { n: entry.n })),
            std::cmp::Ordering::Equal => Ok(()),
        }
    }
}
