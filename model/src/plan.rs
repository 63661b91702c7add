//! How a commit begins: what an operation wants done with the record that is there, and when it is refused.

use crate::checks::Fault;
use crate::protocol::Protocol;
use crate::readers::Sight;
use crate::rules::Rule;
use crate::state::{Commit, Content, Record, RecordId, Set, State, What};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Op {
    Shred,
    /// A new key tree. It stands for whatever is made once and then relied upon: epochs, and blocks of numbers, too.
    Tree,
    /// Deletes the pages that the record does not need.
    Sweep,
    /// Gives up a place.
    Detach,
    /// Takes in a new, empty place.
    Attach,
    /// Makes the record that is there whole.
    Repair,
    /// Takes another place for the first, which is lost: an operator's word.
    Promote,
}

impl Op {
    pub const ALL: [Op; 7] = [Op::Shred, Op::Tree, Op::Sweep, Op::Detach, Op::Attach, Op::Repair, Op::Promote];

    pub fn names_a_place(self) -> bool {
        matches!(self, Op::Detach | Op::Attach | Op::Promote)
    }
}

/// What an operation wants done.
enum Wish {
    /// Nothing: it is answered.
    Answer,
    /// Nothing new: the record that is there is made durable and whole.
    Confirm,
    Write(Record),
}

impl Protocol {
    /// Step 0 of a commit: takes the locks, reads all slots, and plans. None: it is refused, and nothing happens.
    ///
    /// `room`: how many records there may be.
    pub fn begin(&self, s: &State, process: usize, op: Op, place: usize, room: u8) -> Option<State> {
        let reach = self.reach(s, process);
        let mut next = s.clone();
        next.spent.ops[op as usize] += 1;
        let base = match self.sight(s, reach) {
            Sight::Nothing => return None,
            Sight::Diverged => {
                next.wrong = Some(Fault::Diverged);
                return Some(next);
            }
            Sight::Record(base) => base,
        };
        let scope = self.scope(s, s.record(base), reach, op, place)?;
        let mut others = s.processes.iter().flat_map(|other| other.commit);
        let is_locked = others.any(|other| !other.scope.both(scope).is_empty());
        // Whoever promotes has an operator's word instead of the first place.
        let is_based = op == Op::Promote || self.is_decided(s, base, reach);
        if is_locked || !is_based || !scope.is_within(reach) {
            return None;
        }
        if self.is_rolled_back(s, process, base) {
            next.wrong = Some(Fault::RolledBack);
            return Some(next);
        }
        next.wrong = self.check_read(s, base, reach);
        let new = match self.wish(s, base, op, place, scope) {
            Wish::Answer => {
                self.answer(&mut next, process, op, base, scope);
                return Some(next);
            }
            Wish::Confirm => base,
            Wish::Write(_) if s.records.len() == room => return None,
            Wish::Write(record) => {
                next.records.push(record);
                next.next_tree += u8::from(op == Op::Tree);
                s.records.len()
            }
        };
        let steps = self.order_of_writes(&next, base, new, scope);
        // What is written again must be what was read here.
        let again = std::array::from_fn(|place| {
            let step =
                steps.as_slice().iter().find(|step| step.what == What::Again && usize::from(step.place) == place);
            step.map_or(Content::Empty, |step| s.shown(place)[usize::from(step.slot)])
        });
        next.processes[process].commit = Some(Commit {
            op,
            base,
            new,
            scope,
            again,
            steps,
            at: 0,
            syncing: false,
            wrote: false,
            missing: Set::EMPTY,
            old_copy: false,
        });
        Some(next)
    }

    /// The list that the record will have: these places are locked and written. None: the operation makes no sense here, or
    /// may not be done.
    fn scope(&self, s: &State, record: &Record, reach: Set, op: Op, place: usize) -> Option<Set> {
        let first = usize::from(record.first);
        let is_mirror = record.list.has(place) && place != first;
        let (is_allowed, list) = match op {
            Op::Detach => (is_mirror, record.list.without(place)),
            Op::Attach => {
                let is_empty = s.shown(place) == [Content::Empty; 2] || !self.rules.keep(Rule::AttachedIsEmpty);
                (is_empty && !record.list.has(place), record.list.with(place))
            }
            Op::Promote => {
                // The word is that it is lost. A wrong one is given where it is only out of reach.
                let is_given = !reach.has(first) && (s.places[first].lost || self.bounds.false_word);
                (is_mirror && is_given, record.list.without(first))
            }
            Op::Shred | Op::Tree | Op::Sweep | Op::Repair => (true, record.list),
        };
        is_allowed.then_some(list)
    }

    fn wish(&self, s: &State, base: RecordId, op: Op, place: usize, scope: Set) -> Wish {
        let record = s.record(base);
        let mut new = Record { parent: Some(base), generation: record.generation + 1, list: scope, ..*record };
        match op {
            Op::Shred if record.shred => return Wish::Confirm,
            Op::Shred => {
                new.shred = true;
                new.page = s.records.len();
            }
            // R7. Where all slots show it, it is durable.
            Op::Tree if record.active > 0 => {
                let is_known = self.is_shown_by_all(s, base, scope) || !self.rules.keep(Rule::DoneIsMadeDurable);
                return if is_known { Wish::Answer } else { Wish::Confirm };
            }
            Op::Tree => {
                new.active = s.next_tree;
                new.trees = record.trees.with(usize::from(s.next_tree));
            }
            Op::Sweep if !self.rules.keep(Rule::SweepWhole) => return Wish::Answer,
            Op::Sweep | Op::Repair => return Wish::Confirm,
            Op::Detach | Op::Attach => {}
            Op::Promote => {
                new.first = place as u8;
                // A commit that was killed may have left one generation more in the old first place.
                new.generation += u8::from(self.rules.keep(Rule::PromotionWins));
            }
        }
        Wish::Write(new)
    }

    /// Answers without a write.
    fn answer(&self, next: &mut State, process: usize, op: Op, base: RecordId, scope: Set) {
        if op == Op::Sweep {
            return self.sweep(next, scope, base);
        }
        next.relied = next.relied.with(usize::from(next.record(base).active));
        let durable = self.is_shown_by_all(next, base, scope).then_some(base);
        self.learn(next, process, base, durable);
    }
}
