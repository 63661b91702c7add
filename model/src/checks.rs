//! The promises, and how a state shows that one is broken; and what should be possible at all.

use crate::commit::Sync;
use crate::plan::Op;
use crate::protocol::Protocol;
use crate::readers::Sight;
use crate::search::digest;
use crate::state::{Content, Counts, MOST_RECORDS, Process, RecordId, Set, Slot, State};

/// A broken promise.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fault {
    LostTree,
    LostRecord,
    Undone,
    OldCopy,
    RolledBack,
    Diverged,
    LostPage,
    Stuck,
}

impl Fault {
    /// With the letter of the promise.
    pub fn describe(self) -> &'static str {
        match self {
            Fault::LostTree => "(a) a tree that was answered Ok, or sealed under, is gone",
            Fault::LostRecord => "(a) no good record is left",
            Fault::Undone => "(b) a shred that was answered Ok is undone for a process that read after it",
            Fault::OldCopy => "(b) a shred was answered Ok, and an older record is left in a listed place",
            Fault::RolledBack => "(c) a false alarm: rolled back",
            Fault::Diverged => "(c) a false alarm: diverged",
            Fault::LostPage => "(d) a page that the surviving record needs is gone",
            Fault::Stuck => "(e) stuck: all faults have ended, a lost place is given up, and no shred can succeed",
        }
    }
}

/// What a search looks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Aim {
    AnyFault,
    /// States with another one are not followed.
    Fault(Fault),
    /// That all went well in the end.
    Goal(Goal),
    /// The same where there are no places.
    AllDone,
}

/// All faults of the bounds have happened; the customer is shredded, with the answer Ok; a tree was made, and somebody needs it; and
/// a process knows a record to be durable in which both is so, with this list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Goal {
    pub list: Set,
    pub first: u8,
    /// A sweep has deleted all that the record does not need.
    pub swept: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finding {
    Broken(Fault),
    Reached,
}

impl Protocol {
    pub fn look(&self, s: &State) -> Option<Finding> {
        let broken = || s.wrong.or_else(|| self.after_all_faults(s));
        match self.aim {
            Aim::AnyFault => broken().map(Finding::Broken),
            Aim::Fault(fault) => broken().filter(|found| *found == fault).map(Finding::Broken),
            Aim::Goal(goal) => (s.wrong.is_none() && self.is_reached(s, &goal)).then_some(Finding::Reached),
            Aim::AllDone => None,
        }
    }

    /// What is wrong with relying upon a record that was just read.
    pub fn check_read(&self, s: &State, record: RecordId, reach: Set) -> Option<Fault> {
        let record = s.record(record);
        let has_page = reach.both(record.list).iter().any(|place| s.places[place].pages.has(usize::from(record.page)));
        if s.ok_shred && !record.shred {
            Some(Fault::Undone)
        } else if !s.relied.is_within(record.trees) {
            Some(Fault::LostTree)
        } else if !has_page {
            Some(Fault::LostPage)
        } else {
            None
        }
    }

    /// What is wrong with the answer that the customer is shredded: whoever has the root key can open what is left on a medium.
    pub fn check_shredded(&self, s: &State, list: Set) -> Option<Fault> {
        let left = list.iter().flat_map(|place| s.places[place].slots).flat_map(|slot| [slot.disk, slot.cache]);
        let is_older = |record: RecordId| !s.record(record).shred;
        left.filter_map(Content::record).any(is_older).then_some(Fault::OldCopy)
    }

    /// Promise (e): after all faults end, and a lost place is given up, a shred succeeds. Both if the machines go on, and if
    /// they go down once more, so that nothing is left that was not synced. It may show that another promise is broken, too.
    fn after_all_faults(&self, s: &State) -> Option<Fault> {
        let mut calm = s.clone();
        for process in &mut calm.processes {
            process.die();
        }
        calm.processes[0] = Process::started((0..self.bounds.places).collect());
        // Who was promised what is for readers to check.
        (calm.ok_shred, calm.relied) = (false, Set::EMPTY);
        let mut dark = calm.clone();
        for slot in dark.places.iter_mut().flat_map(|place| &mut place.slots) {
            *slot = Slot::clean(slot.disk);
        }
        [calm, dark].into_iter().find_map(|world| {
            // It depends on records and places alone, which many states share.
            let is_new = self.tried.borrow_mut().insert(digest(&(world.records, world.places)));
            if is_new { self.work_on(world) } else { None }
        })
    }

    fn work_on(&self, mut world: State) -> Option<Fault> {
        let reach = self.reach(&world, 0);
        let record = match self.sight(&world, reach) {
            Sight::Nothing => return Some(Fault::LostRecord),
            Sight::Diverged => return Some(Fault::Diverged),
            Sight::Record(record) => *world.record(record),
        };
        if let Some(lost) = record.list.iter().find(|place| world.places[*place].lost) {
            let given_up = if lost == usize::from(record.first) {
                let heir = record.list.without(lost).iter().next();
                heir.and_then(|heir| self.undisturbed(&world, Op::Promote, heir))
            } else {
                self.undisturbed(&world, Op::Detach, lost)
            };
            match given_up {
                Some(next) => world = next,
                None => return Some(Fault::Stuck),
            }
        }
        match self.undisturbed(&world, Op::Shred, 0) {
            Some(State { wrong: Some(fault), .. }) => Some(fault),
            Some(State { ok_shred: true, .. }) => None,
            _ => Some(Fault::Stuck),
        }
    }

    /// A whole commit.
    fn undisturbed(&self, s: &State, op: Op, place: usize) -> Option<State> {
        let mut world = self.begin(s, 0, op, place, MOST_RECORDS as u8)?;
        while world.wrong.is_none() && world.processes[0].commit.is_some() {
            world = self.advance(&world, 0, Sync::Works)?;
        }
        Some(world)
    }

    fn is_reached(&self, s: &State, goal: &Goal) -> bool {
        let faults = |counts: Counts| Counts { ops: Default::default(), ..counts };
        let all_happened = faults(s.spent) == faults(self.bounds.most);
        let is_durable = |process: &Process| {
            let Some(record) = process.durable.filter(|_| process.durable == process.held) else { return false };
            let record = s.record(record);
            let needed = Set::of(&[usize::from(record.page)]);
            let is_swept = record.list.iter().all(|place| s.places[place].pages == needed);
            let is_listed = record.list == goal.list && record.first == goal.first;
            record.shred && record.active > 0 && is_listed && (is_swept || !goal.swept)
        };
        let is_idle = s.processes.iter().all(|process| process.commit.is_none());
        let is_answered = s.ok_shred && s.relied.has(1);
        all_happened && is_answered && is_idle && s.processes.iter().any(is_durable)
    }
}
