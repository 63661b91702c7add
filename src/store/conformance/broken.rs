//! Each check fails on a store that is broken in the way it looks for, and only there.

#![allow(clippy::unwrap_in_result)]

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{page_store, record, root_store};
use crate::store::{
    CopyContent, Directory, LockError, Mark, Memory, PageName, PageStore, PlaceId, Problem, RECORD_BYTES, RootCopy,
    RootLock, RootStore, StoreError, StoredPage, Usage,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    // Page stores.
    StartsAtOne,
    FlipsABit,
    MixesUpSeveral,
    TellsOfOldOnes,
    LosesOnReopen,
    RemembersMisses,
    IgnoresEmptyBatches,
    LowersTheMark,
    TakesEveryVault,
    KeepsTheHigherMark,
    RefusesTheSameAgain,
    TakesOtherBytesSilently,
    KnowsItsOwnNamesOnly,
    SweepsTheLive,
    SweepsNothing,
    SweepsTheLater,
    SweepsAtOnce,
    // Root stores.
    StartsWithARecord,
    SkipsASlot,
    KeepsTheOld,
    WritesTwoSlots,
    TakesMisfits,
    AnswersFromMemory,
    DoesNotExclude,
    WritesLate,
}

/// A [`Memory`] with a fault; what a handle remembers for itself is in `own`.
struct Broken {
    memory: Memory,
    fault: Fault,
    old: Arc<Mutex<Vec<u8>>>,
    mark: Arc<Mutex<Mark>>,
    own: Mutex<Own>,
}

#[derive(Default)]
struct Own {
    misses: HashSet<PageName>,
    names: HashSet<PageName>,
    /// What the first read found.
    record: Option<Vec<u8>>,
}

impl Broken {
    fn new(fault: Fault) -> Broken {
        let memory = Memory::new();
        if fault == Fault::StartsWithARecord {
            put(&memory, &record(9));
        }
        Broken { memory, fault, old: Arc::default(), mark: Arc::default(), own: Mutex::default() }
    }

    fn again(&self) -> Broken {
        let memory = if self.fault == Fault::LosesOnReopen { Memory::new() } else { self.memory.clone() };
        let (old, mark) = (Arc::clone(&self.old), Arc::clone(&self.mark));
        Broken { memory, fault: self.fault, old, mark, own: Mutex::default() }
    }
}

impl PageStore for Broken {
    fn put(&self, mark: &Mark, pages: &[StoredPage]) -> Result<(), StoreError> {
        let mut own = self.own.lock().unwrap();
        *self.mark.lock().unwrap() = *mark;
        let exists = |page: &StoredPage| self.memory.get(&page.name).unwrap().is_some();
        match self.fault {
            Fault::TakesEveryVault => {
                let kept = self.memory.mark().unwrap();
                self.memory
                    .put(&Mark { vault: if kept == Mark::NONE { mark.vault } else { kept.vault }, ..*mark }, pages)
            }
            Fault::IgnoresEmptyBatches if pages.is_empty() => Ok(()),
            Fault::RefusesTheSameAgain if pages.iter().any(exists) => {
                Err(StoreError::new(Problem::PageExists, "broken"))
            }
            Fault::TakesOtherBytesSilently => {
                let new: Vec<_> = pages.iter().filter(|page| !exists(page)).cloned().collect();
                self.memory.put(mark, &new[..new.len().min(1)])?;
                self.memory.put(mark, new.get(1..).unwrap_or_default()).or(Ok(()))
            }
            Fault::KnowsItsOwnNamesOnly => {
                let foreign = |page: &StoredPage| exists(page) && !own.names.contains(&page.name);
                let taken: Vec<_> = pages.iter().filter(|page| !foreign(page)).cloned().collect();
                own.names.extend(taken.iter().map(|page| page.name));
                self.memory.put(mark, &taken)
            }
            _ => self.memory.put(mark, pages),
        }
    }

    fn get(&self, name: &PageName) -> Result<Option<Vec<u8>>, StoreError> {
        let mut own = self.own.lock().unwrap();
        let mut found = self.memory.get(name)?;
        if self.fault == Fault::RemembersMisses && (own.misses.contains(name) || found.is_none()) {
            own.misses.insert(*name);
            return Ok(None);
        }
        if let (Fault::FlipsABit, Some(bytes)) = (self.fault, &mut found) {
            bytes[100] ^= 1;
        }
        Ok(found)
    }

    fn get_many(&self, names: &[PageName]) -> Vec<Result<Option<Vec<u8>>, StoreError>> {
        let mut found: Vec<_> = names.iter().map(|name| self.get(name)).collect();
        if self.fault == Fault::MixesUpSeveral {
            // As a database that is not told how to sort.
            found.reverse();
        }
        found
    }

    fn newer_than(&self, generation: u64, most: usize) -> Vec<StoredPage> {
        let generation = if self.fault == Fault::TellsOfOldOnes { 0 } else { generation };
        self.memory.newer_than(generation, most)
    }

    fn mark(&self) -> Result<Mark, StoreError> {
        match self.fault {
            Fault::StartsAtOne if self.memory.mark()? == Mark::NONE => Ok(Mark { generation: 1, ..Mark::NONE }),
            Fault::LowersTheMark => Ok(*self.mark.lock().unwrap()),
            _ => self.memory.mark(),
        }
    }

    fn replace_mark(&self, mark: &Mark) -> Result<(), StoreError> {
        if self.fault == Fault::KeepsTheHigherMark {
            self.memory.put(mark, &[])
        } else {
            self.memory.replace_mark(mark)
        }
    }

    fn sweep(&self, live: &HashSet<PageName>, generation: u64, keep: Duration) -> Result<Usage, StoreError> {
        match self.fault {
            Fault::SweepsTheLive => self.memory.sweep(&HashSet::new(), generation, keep),
            Fault::SweepsNothing if live.iter().all(|name| self.memory.get(name).unwrap().is_some()) => {
                Ok(Usage::default())
            }
            Fault::SweepsTheLater => self.memory.sweep(live, u64::MAX, keep),
            Fault::SweepsAtOnce => self.memory.sweep(live, generation, Duration::ZERO),
            _ => self.memory.sweep(live, generation, keep),
        }
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        self.memory.usage()
    }
}

fn put(memory: &Memory, record: &[u8]) {
    let places = memory.places();
    memory.lock(&places, Duration::from_secs(10)).unwrap().write(places[0], 0, record).unwrap();
}

fn content(memory: &Memory) -> Option<Vec<u8>> {
    match &memory.read(memory.places()[0])[0].content {
        CopyContent::Intact(record) => Some(record.clone()),
        _ => None,
    }
}

impl RootStore for Broken {
    fn places(&self) -> Vec<PlaceId> {
        self.memory.places()
    }

    fn read(&self, place: PlaceId) -> Vec<RootCopy> {
        let mut copies = self.memory.read(place);
        let old = self.old.lock().unwrap().clone();
        let second = |content| RootCopy { location: "second".into(), place, content };
        match self.fault {
            Fault::SkipsASlot => copies.push(second(CopyContent::Empty)),
            // Two slots that are one.
            Fault::WritesTwoSlots => copies.extend(self.memory.read(place)),
            Fault::KeepsTheOld if !old.is_empty() => copies.push(second(CopyContent::Intact(old))),
            Fault::AnswersFromMemory if content(&self.memory).is_some() => {
                let mut own = self.own.lock().unwrap();
                let first = own.record.get_or_insert_with(|| content(&self.memory).unwrap()).clone();
                copies = vec![second(CopyContent::Intact(first))];
            }
            _ => {}
        }
        copies
    }

    fn lock(&self, places: &[PlaceId], wait: Duration) -> Result<Box<dyn RootLock + '_>, LockError> {
        let inner = match self.fault {
            Fault::DoesNotExclude if places == self.memory.places() => None,
            Fault::TakesMisfits => Some(self.memory.lock(&self.memory.places(), wait)?),
            _ => Some(self.memory.lock(places, wait)?),
        };
        Ok(Box::new(Lock { store: self, inner, written: None }))
    }
}

struct Lock<'b> {
    store: &'b Broken,
    inner: Option<Box<dyn RootLock + 'b>>,
    written: Option<Vec<u8>>,
}

impl RootLock for Lock<'_> {
    fn write(&mut self, place: PlaceId, slot: usize, record: &[u8]) -> Result<(), StoreError> {
        let Broken { memory, fault, old, own, .. } = self.store;
        match (fault, &mut self.inner) {
            (Fault::WritesLate, _) if record.len() == RECORD_BYTES && slot == 0 && place == memory.places()[0] => {
                self.written = Some(record.to_vec());
                Ok(())
            }
            (Fault::SkipsASlot, _) if slot > 0 => Ok(()),
            (Fault::WritesTwoSlots, Some(inner)) => inner.write(place, 0, record),
            (Fault::KeepsTheOld, Some(inner)) if slot == 0 => {
                if let Some(before) = content(memory) {
                    *old.lock().unwrap() = before;
                }
                inner.write(place, slot, record)
            }
            (Fault::KeepsTheOld, _) => Ok(()),
            (Fault::TakesMisfits, Some(inner)) => {
                let mut fitting = record.to_vec();
                fitting.resize(RECORD_BYTES, 0);
                inner.write(memory.places()[0], 0, &fitting)
            }
            (Fault::AnswersFromMemory, Some(inner)) => {
                inner.write(place, slot, record)?;
                own.lock().unwrap().record = Some(record.to_vec());
                Ok(())
            }
            (_, Some(inner)) => inner.write(place, slot, record),
            (_, None) => {
                let places = memory.places();
                memory.lock(&places, Duration::from_secs(10)).unwrap().write(place, slot, record)
            }
        }
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        if let Some(record) = self.written.take() {
            self.inner = None;
            std::thread::sleep(Duration::from_millis(3));
            put(&self.store.memory, &record);
        }
    }
}

#[test]
fn memory_passes() {
    page_store(Memory::new, Memory::clone).unwrap();
    root_store(Memory::new, Memory::clone).unwrap();
    page_store(|| Broken::new(Fault::None), Broken::again).unwrap();
    root_store(|| Broken::new(Fault::None), Broken::again).unwrap();
}

#[test]
fn every_check_of_page_stores_can_fail() {
    let cases = [
        (Fault::StartsAtOne, "a new store is empty"),
        (Fault::FlipsABit, "pages come back as they were put"),
        (Fault::MixesUpSeveral, "several pages come in the order of their names"),
        (Fault::TellsOfOldOnes, "what is said of later pages is true"),
        (Fault::LosesOnReopen, "pages and mark survive a reopen"),
        (Fault::RemembersMisses, "another handle sees what was put"),
        (Fault::IgnoresEmptyBatches, "an empty batch raises the mark"),
        (Fault::LowersTheMark, "the mark only rises"),
        (Fault::TakesEveryVault, "another vault's mark is refused"),
        (Fault::KeepsTheHigherMark, "a mark is replaced when it must be"),
        (Fault::RefusesTheSameAgain, "the same bytes may be put again"),
        (Fault::TakesOtherBytesSilently, "a taken name is refused"),
        (Fault::KnowsItsOwnNamesOnly, "a taken name is refused through another handle"),
        (Fault::SweepsTheLive, "a sweep keeps what is live"),
        (Fault::SweepsNothing, "a sweep forgets what is superseded"),
        (Fault::SweepsTheLater, "a sweep keeps later generations"),
        (Fault::SweepsAtOnce, "a sweep waits as long as it is told"),
    ];
    assert_eq!(cases.len(), super::pages::checks::<Broken>().len());
    for (fault, check) in cases {
        let failure = page_store(|| Broken::new(fault), Broken::again).expect_err(check);
        assert_eq!(failure.check(), check, "{failure}");
    }
}

#[test]
fn every_check_of_root_stores_can_fail() {
    let cases = [
        (Fault::StartsWithARecord, "a new store has no record"),
        (Fault::SkipsASlot, "a record is in every slot, and survives a reopen"),
        (Fault::KeepsTheOld, "an old record cannot be read any more"),
        (Fault::WritesTwoSlots, "a write changes one slot alone"),
        (Fault::TakesMisfits, "what does not fit is refused"),
        (Fault::AnswersFromMemory, "who has the lock sees what is there"),
        (Fault::DoesNotExclude, "a lock waits for another, no longer than told"),
        (Fault::WritesLate, "concurrent commits lose nothing"),
    ];
    assert_eq!(cases.len(), super::root::checks::<Broken>().len());
    for (fault, check) in cases {
        let failure = root_store(|| Broken::new(fault), Broken::again).expect_err(check);
        assert_eq!(failure.check(), check, "{failure}");
    }
}

#[test]
fn a_directory_passes_with_any_number_of_mirrors() {
    let base = std::env::temp_dir().join(format!("oubliette-conformance-{}", std::process::id()));
    std::fs::create_dir(&base).unwrap();
    for mirrors in 0..=3 {
        let next = std::cell::Cell::new(0);
        let builder = |n: u32| {
            let at = base.join(format!("{mirrors}-{n}"));
            (0..mirrors)
                .fold(Directory::at(at.join("main")), |builder, m| builder.mirror(at.join(format!("mirror{m}"))))
        };
        let fresh = || {
            next.set(next.get() + 1);
            builder(next.get()).create().unwrap()
        };
        // Checks run one after another: the last one made is the one meant.
        let again = |_: &Directory| builder(next.get()).open().unwrap();
        page_store(fresh, again).unwrap();
        root_store(fresh, again).unwrap();
    }
    std::fs::remove_dir_all(&base).unwrap();
}
