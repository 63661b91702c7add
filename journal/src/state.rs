//! What a process remembers of a journal that it has read: not the entries, but what follows from them.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::anchor::Anchor;
use super::chain::Chain;
use super::disk::read_at;
use super::entry::Entry;
use super::error::{JournalError, KnownFrom};
use super::event::Event;
use super::parts::{Ending, RootKeyVersion};

/// How many entries apart places in the file are remembered.
const STRIDE: u64 = 64;

#[derive(Debug)]
pub(super) struct State {
    chain: Chain,
    /// Where the last line begins, and where the next will.
    last_at: u64,
    end: u64,
    /// Bytes behind the last line that are no line.
    torn: u64,
    open: BTreeMap<u64, Event>,
    highest_generation: u64,
    /// What was said of the root key last.
    root_key: Option<RootKeyVersion>,
    /// Every so many lines: how far the chain was, and where the next line begins.
    places: Vec<(Chain, u64)>,
    expected: Vec<(Anchor, KnownFrom)>,
    contradicted: Option<JournalError>,
    /// The last entry that this process ever wrote or checked: what the file must go on having.
    known: Anchor,
    /// The last entry that this process synced.
    durable: Option<Anchor>,
    /// Where the chain was at each of the newest lines, and where the next line begins.
    recent: VecDeque<(Chain, u64)>,
}

impl State {
    pub(super) fn new(chain: Chain) -> State {
        State {
            chain,
            last_at: 0,
            end: 0,
            torn: 0,
            open: BTreeMap::new(),
            highest_generation: 0,
            root_key: None,
            places: vec![(chain, 0)],
            expected: Vec::new(),
            contradicted: None,
            known: Anchor::START,
            durable: None,
            recent: VecDeque::new(),
        }
    }

    pub(super) fn chain(&self) -> &Chain {
        &self.chain
    }

    pub(super) fn last(&self) -> Anchor {
        self.chain.last()
    }

    pub(super) fn known(&self) -> Anchor {
        self.known
    }

    /// What was read so far was checked.
    pub(super) fn settle(&mut self) {
        self.known = self.last();
    }

    /// From the beginning of the file, with all that was known.
    pub(super) fn begin_again(&mut self) {
        let first = self.places.first().map_or(self.chain, |(chain, _)| *chain);
        *self = State { known: self.known, durable: self.durable, ..State::new(first) };
    }

    pub(super) fn durable(&self) -> Option<Anchor> {
        self.durable
    }

    /// All that was read so far was synced.
    pub(super) fn set_durable(&mut self) {
        self.durable = Some(self.last());
    }

    /// Whether entries are still to come that are known to have been written.
    pub(super) fn is_owed(&self) -> bool {
        !self.expected.is_empty()
    }

    /// Whether this entry was read. `None`: too long ago to tell.
    pub(super) fn has(&self, anchor: Anchor) -> Option<bool> {
        let mut recent = self.recent.iter().map(|(chain, _)| chain.last());
        recent.clone().next().filter(|oldest| oldest.n <= anchor.n)?;
        let found = recent.find(|entry| entry.n >= anchor.n)?;
        // One that lies in a gap is known to be missing.
        Some(found.n > anchor.n || found == anchor)
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn torn(&self) -> u64 {
        self.torn
    }

    pub(super) fn set_torn(&mut self, bytes: u64) {
        self.torn = bytes;
    }

    pub(super) fn highest_generation(&self) -> u64 {
        self.highest_generation
    }

    pub(super) fn root_key(&self) -> Option<RootKeyVersion> {
        self.root_key
    }

    pub(super) fn open_intents(&self) -> Vec<(u64, Event)> {
        self.open.iter().map(|(n, event)| (*n, event.clone())).collect()
    }

    /// A place in the file at or before entry `n + 1`, and the chain as it was there.
    pub(super) fn before(&self, n: u64) -> (Chain, u64) {
        if let Some(place) = self.recent.iter().rev().find(|(chain, _)| chain.last().n <= n) {
            return *place;
        }
        let at = self.places.partition_point(|(chain, _)| chain.last().n <= n);
        self.places.get(at.saturating_sub(1)).copied().unwrap_or((self.chain, self.end))
    }

    /// Entries that must turn up among those still to be read, or be the last that was.
    pub(super) fn expect(&mut self, anchors: impl IntoIterator<Item = (Anchor, KnownFrom)>) {
        let last = self.last();
        for (anchor, from) in anchors {
            if anchor.n > last.n {
                self.expected.push((anchor, from));
            } else if anchor.n == last.n && anchor != last {
                self.contradict(anchor, from);
            }
        }
    }

    fn contradict(&mut self, anchor: Anchor, known_from: KnownFrom) {
        self.contradicted.get_or_insert(JournalError::OtherHistory { n: anchor.n, known_from });
    }

    /// Whether all that was expected turned up, once the file was read to its end.
    pub(super) fn met(&mut self) -> Result<(), JournalError> {
        let missing = std::mem::take(&mut self.expected);
        if let Some(error) = self.contradicted.take() {
            return Err(error);
        }
        match missing.iter().map(|(anchor, _)| anchor.n).max() {
            Some(known) => Err(JournalError::CutOff { have: self.last().n, known }),
            None => Ok(()),
        }
    }

    /// Takes the next line of the file.
    pub(super) fn take(&mut self, line: &[u8]) -> Result<(), JournalError> {
        // Signatures of all but the last are covered by the hashes.
        let mut chain = self.chain;
        let entry = chain.follow(line, false)?;
        self.take_followed(chain, entry, line.len());
        Ok(())
    }

    /// Takes an entry that the chain was followed to, of a line of this length.
    pub(super) fn take_followed(&mut self, chain: Chain, entry: Entry, length: usize) {
        self.chain = chain;
        self.last_at = self.end;
        self.end += length as u64 + 1;
        self.torn = 0;
        let anchor = entry.anchor();
        for (expected, from) in std::mem::take(&mut self.expected) {
            match expected.n.cmp(&anchor.n) {
                std::cmp::Ordering::Greater => self.expected.push((expected, from)),
                std::cmp::Ordering::Equal if expected != anchor => self.contradict(expected, from),
                // One that lies in a gap is known to be missing.
                _ => {}
            }
        }
        self.recent.push_back((self.chain, self.end));
        if self.recent.len() as u64 > STRIDE {
            self.recent.pop_front();
        }
        self.highest_generation = self.highest_generation.max(entry.generation);
        self.root_key = entry.event.root_key().copied().or(self.root_key);
        match entry.event {
            Event::Outcome { result: Ending::Unknown, .. } => {}
            Event::Outcome { of, .. } => {
                self.open.remove(&of);
            }
            event if event.is_intent() => {
                self.open.insert(anchor.n, event);
            }
            _ => {}
        }
        if self.chain.lines().is_multiple_of(STRIDE) {
            self.places.push((self.chain, self.end));
        }
    }

    /// Whether the file still has, where it was, the last line that was read.
    pub(super) fn is_still_in(&self, path: &Path) -> Result<bool, JournalError> {
        if self.last() == Anchor::START {
            return Ok(true);
        }
        let length = usize::try_from(self.end - self.last_at).unwrap_or(usize::MAX);
        let bytes = read_at(path, self.last_at, length)?;
        let line = bytes.strip_suffix(b"\n");
        Ok(line.is_some_and(|line| <[u8; 32]>::from(Sha256::digest(line)) == self.last().hash.to_bytes()))
    }
}
