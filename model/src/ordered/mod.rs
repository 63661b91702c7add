//! A store in which commits become durable together and in the order in which they are seen, as in a database with one log: a commit may
//! be seen, and the next one built upon it, before it is on the disk. One place with one slot, a standby, and every crash between.
//!
//! The rules F1 to F12 of ARCHITECTURE.md. What the directory's rules (R1 to R14) ask of its slots does not concern it.

mod groups;
mod rules;
mod state;
mod steps;
mod trace;

pub use groups::{holds_runs, reached_runs, without_runs};
pub use rules::Rule;
pub use trace::lines;

use crate::checks::{Aim, Fault, Finding};
use crate::ordered::state::{Counts, Process, Record, Server, State};
use crate::ordered::trace::Event;
use crate::search::{Space, digest};
use crate::state::{Set, Short};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Op {
    Shred,
    /// Whatever is made once and then relied upon.
    Tree,
    /// A version of the root key: the one before is destroyed at the end. It keeps the lock.
    Version,
}

impl Op {
    pub const ALL: [Op; 3] = [Op::Shred, Op::Tree, Op::Version];
}

/// How much may happen in a search.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// A commit is seen, and its lock given up, before it is flushed.
    pub is_shared: bool,
    /// There is a standby, which confirms and may be promoted.
    pub has_standby: bool,
    /// Readers that do not have a flush made.
    pub has_plain_reads: bool,
    /// The mark lies in another store: no commit is one step.
    pub is_mark_elsewhere: bool,
    pub most: Counts,
    pub records: u8,
}

impl Bounds {
    /// Flushes are shared, and nothing fails.
    pub fn of(ops: &[Op]) -> Bounds {
        let mut most = Counts::default();
        for op in ops {
            most.ops[*op as usize] += 1;
        }
        Bounds {
            is_shared: true,
            has_standby: false,
            has_plain_reads: false,
            is_mark_elsewhere: false,
            most,
            records: state::MOST_RECORDS as u8,
        }
    }

    pub fn alone(mut self) -> Bounds {
        self.is_shared = false;
        self
    }

    pub fn standby(mut self, failovers: u8) -> Bounds {
        (self.has_standby, self.most.failovers) = (true, failovers);
        self
    }

    pub fn plain_reads(mut self) -> Bounds {
        self.has_plain_reads = true;
        self
    }

    pub fn mark_elsewhere(mut self) -> Bounds {
        self.is_mark_elsewhere = true;
        self
    }

    pub fn kills(mut self, kills: u8) -> Bounds {
        self.most.kills = kills;
        self
    }

    pub fn cuts(mut self, cuts: u8) -> Bounds {
        self.most.cuts = cuts;
        self
    }

    pub fn crashes(mut self, crashes: u8) -> Bounds {
        self.most.crashes = crashes;
        self
    }

    pub fn moves(mut self, moves: u8) -> Bounds {
        self.most.moves = moves;
        self
    }
}

pub struct Ordered {
    pub without: Option<Rule>,
    pub bounds: Bounds,
    pub aim: Aim,
}

impl Ordered {
    pub fn new(without: Option<Rule>, bounds: Bounds, aim: Aim) -> Ordered {
        Ordered { without, bounds, aim }
    }

    pub fn keep(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }
}

impl Space for Ordered {
    type State = State;
    type Event = Event;
    type Finding = Finding;

    /// One record, on the disk of each server, which every process holds and knows to be durable.
    fn initial(&self) -> State {
        let record = Record { generation: 1, trees: Set::of(&[0]), ..Record::default() };
        let server = |is_up| Server { log: Short::of(&[0]), flushed: 1, visible: 1, is_up };
        let process = Process { server: 0, held: Some(0), durable: Some(0), commit: None };
        State {
            records: Short::of(&[record]),
            servers: [server(true), server(self.bounds.has_standby)],
            is_promoted: false,
            processes: [process; 2],
            mark: 1,
            destroyed: Set::EMPTY,
            ok_shred: false,
            relied: Set::of(&[0]),
            next_tree: 1,
            is_shared: false,
            spent: Counts::default(),
            wrong: None,
        }
    }

    fn key(&self, state: &State) -> u128 {
        let [a, b] = &state.processes;
        if digest(a) > digest(b) {
            let mut exchanged = state.clone();
            exchanged.processes.swap(0, 1);
            return digest(&exchanged);
        }
        digest(state)
    }

    fn next(&self, state: &State, out: &mut Vec<(Event, State)>) {
        // Nothing follows a broken promise.
        if state.wrong.is_none() {
            self.processes_go_on(state, out);
            self.world_goes_on(state, out);
        }
    }

    fn finding(&self, state: &State) -> Option<Finding> {
        match self.aim {
            Aim::AnyFault => self.broken(state).map(Finding::Broken),
            Aim::Fault(fault) => self.broken(state).filter(|found| *found == fault).map(Finding::Broken),
            Aim::Goal(_) | Aim::AllDone => self.is_all_done(state).then_some(Finding::Reached),
        }
    }
}

impl Ordered {
    /// Promise (e) here: what the newest disk has is a record that opens. All else is for readers to find.
    fn broken(&self, s: &State) -> Option<Fault> {
        let newest = &s.servers[usize::from(s.is_promoted)];
        let on_disk = newest.log.as_slice().get(usize::from(newest.flushed).wrapping_sub(1)).copied();
        let opens = on_disk.is_some_and(|id| !s.destroyed.has(usize::from(s.record(id).version)));
        s.wrong.or_else(|| (!opens).then_some(Fault::LostRecord))
    }

    /// Every fault of the bounds and every operation happened, a commit was built on one that no flush covered if flushes are
    /// shared, and all is well.
    fn is_all_done(&self, s: &State) -> bool {
        let newest = s.servers[usize::from(s.is_promoted)].is_seen();
        let knows = |process: &Process| process.durable == Some(newest) && process.commit.is_none();
        let has_overlapped = !self.bounds.is_shared || s.is_shared;
        let record = s.record(newest);
        s.wrong.is_none()
            && s.spent == self.bounds.most
            && (s.ok_shred && s.relied.has(1) && record.shred && record.trees.has(1))
            && has_overlapped
            && s.processes.iter().all(knows)
    }
}
