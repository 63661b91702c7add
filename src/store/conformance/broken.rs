//! Each check fails on a store that is broken in the way it looks for, and only there.

#![allow(clippy::unwrap_in_result)]

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{page_store, record, root_store};
use crate::store::{
    Change, CopyContent, Directory, Memory, PageName, PageStore, PlaceId, Problem, Refusal, RootCopy, RootStore,
    StoreError, StoredPage, Swept, UpdateError, Usage,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    // Page stores.
    StartsAtOne,
    FlipsABit,
    LosesOnReopen,
    RemembersMisses,
    IgnoresEmptyBatches,
    LowersTheMark,
    RefusesTheSameAgain,
    TakesOtherBytesSilently,
    KnowsItsOwnNamesOnly,
    SweepsTheLive,
    SweepsNothing,
    SweepsTheLater,
    SweepsAtOnce,
    // Root stores.
    StartsWithARecord,
    SkipsACopy,
    KeepsTheOld,
    WritesOnKeep,
    WritesOnRefusal,
    TakesMisfits,
    ChangesWhatItRemembers,
    DoesNotExclude,
    WritesAfterItsTurn,
}

/// A [`Memory`] with a fault; what a handle remembers for itself is in `own`.
struct Broken {
    memory: Memory,
    fault: Fault,
    old: Arc<Mutex<Vec<u8>>>,
    mark: Arc<AtomicU64>,
    own: Mutex<Own>,
}

#[derive(Default)]
struct Own {
    misses: HashSet<PageName>,
    names: HashSet<PageName>,
    record: Option<Vec<u8>>,
}

impl Broken {
    fn new(fault: Fault) -> Broken {
        let memory = Memory::new();
        if fault == Fault::StartsWithARecord {
            memory.update(Duration::ZERO, &mut |_| Ok(Change::Write { record: record(9), newest: None })).unwrap();
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
    fn put(&self, generation: u64, pages: &[StoredPage]) -> Result<(), StoreError> {
        let mut own = self.own.lock().unwrap();
        self.mark.store(generation, Ordering::SeqCst);
        let exists = |page: &StoredPage| self.memory.get(&page.name).unwrap().is_some();
        match self.fault {
            Fault::IgnoresEmptyBatches if pages.is_empty() => Ok(()),
            Fault::RefusesTheSameAgain if pages.iter().any(exists) => {
                Err(StoreError::new(Problem::PageExists, "broken"))
            }
            Fault::TakesOtherBytesSilently => {
                let new: Vec<_> = pages.iter().filter(|page| !exists(page)).cloned().collect();
                self.memory.put(generation, &new[..new.len().min(1)])?;
                self.memory.put(generation, new.get(1..).unwrap_or_default()).or(Ok(()))
            }
            Fault::KnowsItsOwnNamesOnly => {
                let foreign = |page: &StoredPage| exists(page) && !own.names.contains(&page.name);
                let taken: Vec<_> = pages.iter().filter(|page| !foreign(page)).cloned().collect();
                own.names.extend(taken.iter().map(|page| page.name));
                self.memory.put(generation, &taken)
            }
            _ => self.memory.put(generation, pages),
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

    fn mark(&self) -> Result<u64, StoreError> {
        match self.fault {
            Fault::StartsAtOne => Ok(self.memory.mark()?.max(1)),
            Fault::LowersTheMark => Ok(self.mark.load(Ordering::SeqCst)),
            _ => self.memory.mark(),
        }
    }

    fn sweep(&self, live: &HashSet<PageName>, generation: u64, keep: Duration) -> Result<Swept, StoreError> {
        match self.fault {
            Fault::SweepsTheLive => self.memory.sweep(&HashSet::new(), generation, keep),
            Fault::SweepsNothing if live.iter().all(|name| self.memory.get(name).unwrap().is_some()) => {
                Ok(Swept::default())
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

impl RootStore for Broken {
    fn read(&self) -> Result<Vec<RootCopy>, StoreError> {
        let mut copies = self.memory.read()?;
        let old = self.old.lock().unwrap().clone();
        let place = copies[0].place;
        let second = |content| RootCopy { location: "second".into(), place, content };
        match self.fault {
            Fault::SkipsACopy => copies.push(second(CopyContent::Empty)),
            Fault::KeepsTheOld if !old.is_empty() => copies.push(second(CopyContent::Intact(old))),
            _ => {}
        }
        Ok(copies)
    }

    fn update(
        &self,
        wait: Duration,
        change: &mut dyn FnMut(&[RootCopy]) -> Result<Change, Refusal>,
    ) -> Result<(), UpdateError> {
        let zeros = || Change::Write { record: record(0), newest: None };
        match self.fault {
            Fault::KeepsTheOld => self.memory.update(wait, &mut |copies| {
                if let CopyContent::Intact(old) = &copies[0].content {
                    self.old.lock().unwrap().clone_from(old);
                }
                change(copies)
            }),
            Fault::WritesOnKeep => self.memory.update(wait, &mut |copies| {
                let fresh = matches!(copies[0].content, CopyContent::Empty);
                change(copies).map(|change| if matches!(change, Change::Keep) && !fresh { zeros() } else { change })
            }),
            Fault::WritesOnRefusal => {
                let mut refused = false;
                self.memory.update(wait, &mut |copies| {
                    change(copies).or_else(|Refusal| {
                        refused = true;
                        Ok(zeros())
                    })
                })?;
                if refused { Err(UpdateError::Refused) } else { Ok(()) }
            }
            Fault::TakesMisfits => self.memory.update(wait, &mut |copies| {
                change(copies).map(|change| match change {
                    Change::Write { mut record, .. } => {
                        record.resize(crate::store::RECORD_BYTES, 0);
                        Change::Write { record, newest: None }
                    }
                    Change::Keep => change,
                })
            }),
            Fault::ChangesWhatItRemembers => {
                let mut own = self.own.lock().unwrap();
                let place = self.memory.places()[0];
                let remembered = own.record.clone().map_or(CopyContent::Empty, CopyContent::Intact);
                let copies = [RootCopy { location: "memory".into(), place, content: remembered }];
                self.memory.update(wait, &mut |_| {
                    let change = change(&copies)?;
                    if let Change::Write { record, .. } = &change {
                        own.record = Some(record.clone());
                    }
                    Ok(change)
                })
            }
            Fault::DoesNotExclude => {
                let decided = change(&self.read().unwrap()).map_err(|_| UpdateError::Refused)?;
                let mut decided = Some(decided);
                self.memory.update(wait, &mut |_| Ok(decided.take().unwrap_or(Change::Keep)))
            }
            Fault::WritesAfterItsTurn => {
                let mut decided = None;
                self.memory.update(wait, &mut |copies| {
                    decided = Some(change(copies)?);
                    Ok(Change::Keep)
                })?;
                std::thread::sleep(Duration::from_millis(3));
                self.memory.update(wait, &mut |_| Ok(decided.take().unwrap_or(Change::Keep)))
            }
            _ => self.memory.update(wait, change),
        }
    }

    fn places(&self) -> Vec<PlaceId> {
        self.memory.places()
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
        (Fault::LosesOnReopen, "pages and mark survive a reopen"),
        (Fault::RemembersMisses, "another handle sees what was put"),
        (Fault::IgnoresEmptyBatches, "an empty batch raises the mark"),
        (Fault::LowersTheMark, "the mark only rises"),
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
        (Fault::SkipsACopy, "a record is in every copy, and survives a reopen"),
        (Fault::KeepsTheOld, "an old record cannot be read any more"),
        (Fault::WritesOnKeep, "Keep changes nothing"),
        (Fault::WritesOnRefusal, "a refusal writes nothing"),
        (Fault::TakesMisfits, "a change that does not fit is refused"),
        (Fault::ChangesWhatItRemembers, "a change sees what is there"),
        (Fault::DoesNotExclude, "an update waits for another, no longer than told"),
        (Fault::WritesAfterItsTurn, "concurrent updates lose nothing"),
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
