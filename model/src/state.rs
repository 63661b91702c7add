//! What a state is made of: records, places with their slots and page cache, processes and their commits.

use std::hash::{Hash, Hasher};
use std::ops::{BitOr, Index};

use crate::checks::Fault;
use crate::plan::Op;

pub const MOST_PLACES: usize = 3;
/// Two more than a search may make: they show that work can go on.
pub const MOST_RECORDS: usize = 8;
/// Settling takes two steps in a place at most, pages one for all, the new record two in a place.
pub const MOST_STEPS: usize = 4 * MOST_PLACES + 1;

/// A small set: of places, of trees, or of pages.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Set(u8);

impl Set {
    pub const EMPTY: Set = Set(0);

    pub fn of(items: &[usize]) -> Set {
        items.iter().fold(Set::EMPTY, |set, item| set.with(*item))
    }

    pub fn with(self, item: usize) -> Set {
        Set(self.0 | 1 << item)
    }

    pub fn without(self, item: usize) -> Set {
        Set(self.0 & !(1 << item))
    }

    pub fn has(self, item: usize) -> bool {
        self.0 >> item & 1 == 1
    }

    pub fn both(self, other: Set) -> Set {
        Set(self.0 & other.0)
    }

    pub fn is_within(self, other: Set) -> bool {
        self.0 & !other.0 == 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = usize> + Clone {
        (0..8).filter(move |item| self.has(*item))
    }
}

impl BitOr for Set {
    type Output = Set;
    fn bitor(self, other: Set) -> Set {
        Set(self.0 | other.0)
    }
}

impl FromIterator<usize> for Set {
    fn from_iter<I: IntoIterator<Item = usize>>(items: I) -> Set {
        items.into_iter().fold(Set::EMPTY, Set::with)
    }
}

/// A short list in place: states are copied and hashed by the million.
#[derive(Clone, Copy, Debug)]
pub struct Short<T, const N: usize> {
    len: u8,
    items: [T; N],
}

impl<T: Copy + Default, const N: usize> Short<T, N> {
    pub fn of(items: &[T]) -> Short<T, N> {
        let mut short = Short { len: 0, items: [T::default(); N] };
        items.iter().for_each(|item| short.push(*item));
        short
    }

    pub fn push(&mut self, item: T) {
        self.items[usize::from(self.len)] = item;
        self.len += 1;
    }
}

impl<T, const N: usize> Short<T, N> {
    pub fn as_slice(&self) -> &[T] {
        &self.items[..usize::from(self.len)]
    }

    pub fn len(&self) -> u8 {
        self.len
    }
}

impl<T, const N: usize> Index<u8> for Short<T, N> {
    type Output = T;
    fn index(&self, at: u8) -> &T {
        &self.as_slice()[usize::from(at)]
    }
}

impl<T: PartialEq, const N: usize> PartialEq for Short<T, N> {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl<T: Eq, const N: usize> Eq for Short<T, N> {}

impl<T: Hash, const N: usize> Hash for Short<T, N> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.as_slice().hash(hasher);
    }
}

/// Which one of `State::records`. The first is 0; a record's number is also that of the page that it makes.
pub type RecordId = u8;

/// A root record: what of it the promises are about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Record {
    pub parent: Option<RecordId>,
    pub generation: u8,
    /// The places that it lists, and the one of them that decides.
    pub list: Set,
    pub first: u8,
    /// The one customer is shredded.
    pub shred: bool,
    /// The key trees that it has, and the one that new values are sealed under.
    pub trees: Set,
    pub active: u8,
    /// The page that it needs.
    pub page: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Content {
    Record(RecordId),
    Torn,
    Empty,
}

impl Content {
    pub fn record(self) -> Option<RecordId> {
        if let Content::Record(record) = self { Some(record) } else { None }
    }
}

/// What the page cache knows of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Page {
    /// The same as the medium.
    Clean,
    /// Not written to the medium yet, as far as anybody knows.
    Dirty,
    /// Writing it failed, and that was told. It looks clean now, and may be dropped at any time.
    Failed,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Slot {
    /// What is on the medium.
    pub disk: Content,
    /// What a reader sees.
    pub cache: Content,
    pub page: Page,
}

impl Slot {
    pub fn clean(content: Content) -> Slot {
        Slot { disk: content, cache: content, page: Page::Clean }
    }

    pub fn show(&mut self, content: Content) {
        self.cache = content;
        self.page = Page::Dirty;
    }

    /// The page could not be written back, or half of it: the cache still shows it. If it is what the medium has anyway, half of
    /// it makes no difference, and all is well.
    pub fn fail(&mut self, is_torn: bool) {
        if self.cache == self.disk {
            self.page = Page::Clean;
        } else {
            self.page = Page::Failed;
            if is_torn {
                self.disk = Content::Torn;
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Place {
    pub slots: [Slot; 2],
    /// The highest generation that somebody began to write pages for.
    pub mark: u8,
    pub pages: Set,
    pub lost: bool,
}

/// What one step of a commit does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum What {
    /// Puts the pages, and raises the mark, in all places.
    #[default]
    Put,
    /// Writes a slot again as it was read, and syncs it.
    Again,
    /// Writes the base, to settle it.
    Base,
    /// Writes the base over the other slot, so that nothing older is left.
    Over,
    /// Writes the new record.
    New,
    /// Syncs without writing: what nobody should do (R2).
    Sync,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Step {
    pub place: u8,
    pub slot: u8,
    pub what: What,
}

/// A commit that a process is in the middle of, under the locks of all places in its scope.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Commit {
    pub op: Op,
    pub base: RecordId,
    /// The record that is written: the base itself, if nothing has to change.
    pub new: RecordId,
    /// The places that are written.
    pub scope: Set,
    /// What is written again, of each place.
    pub again: [Content; MOST_PLACES],
    pub steps: Short<Step, MOST_STEPS>,
    pub at: u8,
    /// The step at hand has written, and has yet to sync.
    pub syncing: bool,
    /// A slot has the new record, synced.
    pub wrote: bool,
    /// Places that do not have it.
    pub missing: Set,
    /// An older copy is left somewhere.
    pub old_copy: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Process {
    /// The newest record that it read: it opens, and refuses, by this one. None until it unlocks.
    pub held: Option<RecordId>,
    /// The newest record that it knows to be durable.
    pub durable: Option<RecordId>,
    /// The places that it can reach, unless they are lost.
    pub links: Set,
    pub commit: Option<Commit>,
}

impl Process {
    /// One that knows nothing.
    pub fn started(links: Set) -> Process {
        Process { held: None, durable: None, links, commit: None }
    }

    /// It is killed, or its machine goes down, and another one is started in its stead. The network stays as it was.
    pub fn die(&mut self) {
        *self = Process::started(self.links);
    }
}

/// How often things happened; in the bounds, how often they may.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Counts {
    pub ops: [u8; Op::ALL.len()],
    pub kills: u8,
    pub cuts: u8,
    /// Syncs that fail, and pages that could not be written back when nobody synced.
    pub fails: u8,
    /// Changes of who reaches which place.
    pub links: u8,
    pub losses: u8,
    /// Lost places that come back.
    pub returns: u8,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct State {
    pub records: Short<Record, MOST_RECORDS>,
    pub places: [Place; MOST_PLACES],
    pub processes: [Process; 2],
    /// Somebody was told that the customer is shredded.
    pub ok_shred: bool,
    /// Trees that somebody was told of, or sealed a value under.
    pub relied: Set,
    pub next_tree: u8,
    pub spent: Counts,
    pub wrong: Option<Fault>,
}

impl State {
    pub fn record(&self, id: RecordId) -> &Record {
        &self.records[id]
    }

    /// What the two slots of a place show.
    pub fn shown(&self, place: usize) -> [Content; 2] {
        self.places[place].slots.map(|slot| slot.cache)
    }

    /// Whether `old` is in the history of `new`, itself included.
    pub fn descends(&self, new: RecordId, old: RecordId) -> bool {
        let mut at = Some(new);
        while let Some(id) = at {
            if id == old {
                return true;
            }
            at = self.record(id).parent;
        }
        false
    }
}
