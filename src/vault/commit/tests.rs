//! The order of writes on disks that fail: every place and kind of failure in two commits in a row, what the page cache drops, a
//! power cut, the loss of a place. What was answered must be left.

use std::sync::OnceLock;

use super::slots::{Slots, Written};
use crate::derivation::RootSecret;
use crate::root_record::{Clear, RecordId, example};
use crate::secret::Secret32;
use crate::store::{CopyContent, PlaceId, Problem, RootCopy, RootLock, StoreError};

/// What goes wrong with one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nothing is written.
    Refused,
    /// It is written, and its sync fails: it can be read, and the medium has the old bytes or half of the new ones.
    Unsynced { torn: bool },
    /// The same, and the cache drops the page at once.
    Dropped { torn: bool },
    /// The process is killed between the two, and the power fails with it: the medium has all, half or none of it.
    Cut(Torn),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Torn {
    None,
    Half,
    All,
}

const FAULTS: [Fault; 8] = [
    Fault::Refused,
    Fault::Unsynced { torn: false },
    Fault::Unsynced { torn: true },
    Fault::Dropped { torn: false },
    Fault::Dropped { torn: true },
    Fault::Cut(Torn::None),
    Fault::Cut(Torn::Half),
    Fault::Cut(Torn::All),
];

/// A record by its generation; 0 is an empty slot, and `TORN` a damaged one.
type Content = usize;
const TORN: Content = 99;

fn bytes(generation: Content) -> &'static [u8] {
    static ALL: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let record = |generation: u8| {
            let mut record = example();
            let number = u64::from(generation) + 9;
            record.clear = Clear { generation: number, id: RecordId([generation; 16]), ..record.clear };
            record.ring = vec![[generation; 3]];
            record.seal(&RootSecret(Secret32::copy_of(&[1; 32])), &[generation; 32]).unwrap()
        };
        (0..6).map(record).collect()
    });
    &all[generation]
}

fn generation(record: &[u8]) -> Content {
    (0..6).find(|generation| bytes(*generation) == record).unwrap()
}

#[derive(Clone)]
struct Disks {
    cache: Vec<[Content; 2]>,
    medium: Vec<[Content; 2]>,
    /// The faults of the writes that come after so many others.
    faults: Vec<(usize, Fault)>,
    writes: usize,
    dead: bool,
}

fn place(at: usize) -> PlaceId {
    PlaceId([at as u8 + 1; 8])
}

impl RootLock for Disks {
    fn write(&mut self, place: PlaceId, slot: usize, record: &[u8]) -> Result<(), StoreError> {
        let (at, new) = (usize::from(place.0[0]) - 1, generation(record));
        let fault = self.faults.iter().find(|(nth, _)| *nth == self.writes).map(|(_, fault)| *fault);
        self.writes += 1;
        let torn = |torn: bool, medium: &mut Content| {
            // Half of the same bytes is the same bytes.
            if torn && *medium != new {
                *medium = TORN;
            }
        };
        let (cache, medium) = (&mut self.cache[at][slot], &mut self.medium[at][slot]);
        match fault {
            _ if self.dead => {}
            None => {
                (*cache, *medium) = (new, new);
                return Ok(());
            }
            Some(Fault::Refused) => {}
            Some(Fault::Unsynced { torn: half }) => {
                *cache = new;
                torn(half, medium);
            }
            Some(Fault::Dropped { torn: half }) => {
                torn(half, medium);
                *cache = *medium;
            }
            Some(Fault::Cut(left)) => {
                match left {
                    Torn::None => {}
                    Torn::Half => torn(true, medium),
                    Torn::All => *medium = new,
                }
                self.dead = true;
            }
        }
        Err(StoreError::new(Problem::Injected, "a slot"))
    }
}

impl Disks {
    fn new(places: usize) -> Disks {
        Disks { cache: vec![[1; 2]; places], medium: vec![[1; 2]; places], faults: Vec::new(), writes: 0, dead: false }
    }

    fn copies(&self) -> Vec<RootCopy> {
        let content = |found: &Content| match *found {
            0 => CopyContent::Empty,
            TORN => CopyContent::Damaged,
            generation => CopyContent::Intact(bytes(generation).to_vec()),
        };
        let of_place = |(at, slots): (usize, &[Content; 2])| {
            slots
                .iter()
                .map(move |found| RootCopy { location: String::new(), place: place(at), content: content(found) })
                .collect::<Vec<_>>()
        };
        self.cache.iter().enumerate().flat_map(of_place).collect()
    }

    /// The newest record that can be read, which the first place must show.
    fn base(&self) -> Content {
        let good = |slots: &[Content; 2]| slots.iter().copied().filter(|found| *found != TORN).max().unwrap_or(0);
        let newest = self.cache.iter().map(good).max().unwrap();
        assert_eq!(good(&self.cache[0]), newest, "R4: no mirror is ahead of the first place: {:?}", self.cache);
        newest
    }

    /// One commit, of the record after the newest there is. What it answered: the generation, and how far it is.
    fn commit(&mut self, faults: &[(usize, Fault)]) -> Option<(Content, bool)> {
        (self.faults, self.writes) = (faults.to_vec(), 0);
        let (base, copies) = (self.base(), self.copies());
        let list: Vec<PlaceId> = (0..self.cache.len()).map(place).collect();
        let mut slots = Slots::new(self, &list, &copies);
        slots.settle(bytes(base), &list).ok()?;
        let is_durable = match slots.write(bytes(base + 1)).ok()? {
            Written::Already | Written::Whole | Written::OldCopyLeft(_) => true,
            Written::NotInPlace(..) => false,
        };
        Some((base + 1, is_durable))
    }

    fn cut_power(&mut self) {
        self.cache = self.medium.clone();
        self.dead = false;
    }
}

/// Two faults in one commit, or one in each of two; then the power fails, and any one of several places is lost.
#[test]
fn what_was_answered_is_left_whatever_fails() {
    for places in 1..=3 {
        let one = || (0..places * 3).flat_map(|nth| FAULTS.map(|fault| (nth, fault)));
        let (mut cases, mut lost) = (0, 0);
        for (at, first) in one().enumerate() {
            // Of three places every fifth pair: all of them take half a minute.
            for second in one().skip(if places == 3 { at % 5 } else { 0 }).step_by(if places == 3 { 5 } else { 1 }) {
                for commits in [vec![vec![first], vec![second]], vec![vec![first, second]]] {
                    lost += usize::from(a_place_is_behind(places, &commits));
                    cases += 1;
                }
            }
        }
        assert!(cases > 1000 && (places == 1 || lost > 100), "{cases} cases, a mirror behind in {lost}");
    }
}

/// Runs the commits, cuts the power, and checks what is left. Gives whether some place is behind.
fn a_place_is_behind(places: usize, commits: &[Vec<(usize, Fault)>]) -> bool {
    let mut disks = Disks::new(places);
    let mut durable = 1;
    for faults in commits {
        if let Some((generation, true)) = disks.commit(faults) {
            durable = generation;
        }
        if disks.dead {
            disks.cut_power();
        }
    }
    disks.cut_power();
    let case = format!("{places} places, {commits:?}: {:?}", disks.medium);
    let newest = disks.base();
    assert!(newest >= durable, "{case}: {durable} was answered");
    let mut behind = false;
    for slots in &disks.medium {
        let good = slots.iter().copied().filter(|found| ![0, TORN].contains(found)).max();
        let good = good.unwrap_or_else(|| panic!("{case}: a place has no good slot"));
        assert!(good >= durable, "{case}: {durable} would be lost with the other places");
        behind |= good < newest;
    }
    // Whatever is left, work goes on.
    assert_eq!(disks.commit(&[]), Some((newest + 1, true)), "{case}");
    assert_eq!(disks.medium, vec![[newest + 1; 2]; places], "{case}");
    behind
}

/// "It is there already" is said of what was written and synced by whoever says it.
#[test]
fn what_is_completed_is_whole_on_the_medium() {
    for places in 1..=2 {
        for nth in 0..places * 3 {
            for fault in FAULTS {
                let mut disks = Disks::new(places);
                let _ = disks.commit(&[(nth, fault)]);
                if disks.dead {
                    disks.cut_power();
                }
                disks.faults.clear();
                let (base, copies) = (disks.base(), disks.copies());
                let list: Vec<PlaceId> = (0..places).map(place).collect();
                let mut slots = Slots::new(&mut disks, &list, &copies);
                slots.settle(bytes(base), &list).unwrap();
                assert!(matches!(slots.complete(bytes(base)), Written::Whole));
                assert_eq!(disks.medium, vec![[base; 2]; places], "{fault:?} at {nth}");
            }
        }
    }
}

/// A place that is attached is written last, and its empty slots first to last.
#[test]
fn a_new_place_comes_last_and_needs_no_settling() {
    let mut disks = Disks::new(2);
    (disks.cache[1], disks.medium[1]) = ([0; 2], [0; 2]);
    let (list, copies) = ([place(0), place(1)], disks.copies());
    let mut slots = Slots::new(&mut disks, &list, &copies);
    slots.settle(bytes(1), &list[..1]).unwrap();
    assert!(matches!(slots.write(bytes(2)), Ok(Written::Whole)));
    assert_eq!((disks.writes, disks.medium), (5, vec![[2; 2]; 2]));
}
