//! What a state is made of: records, servers with their logs, processes and their commits.

use crate::checks::Fault;
use crate::ordered::Op;
use crate::state::{RecordId, Set, Short};

pub const MOST_RECORDS: usize = 6;

/// A root record: what of it the promises are about. The first is 0; a record's number is also that of the page that it makes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Record {
    pub parent: Option<RecordId>,
    pub generation: u8,
    /// The newest record that was known to be durable when this one was begun.
    pub settled: RecordId,
    /// The one customer is shredded.
    pub shred: bool,
    pub trees: Set,
    pub active: u8,
    /// The page that it needs.
    pub page: RecordId,
    /// The version of the root key that it is under.
    pub version: u8,
}

/// A server and its log: every commit in the order in which others see it, the newest one last.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Server {
    pub log: Short<RecordId, MOST_RECORDS>,
    /// How much of it is on the disk. Of a standby: all.
    pub flushed: u8,
    /// How much of it others see: all, but for a commit that waits for the disk before it is seen.
    pub visible: u8,
    pub is_up: bool,
}

impl Server {
    pub fn is_seen(&self) -> RecordId {
        self.log[self.visible - 1]
    }

    pub fn is_all_seen(&self) -> bool {
        self.visible == self.log.len()
    }

    /// What is on the disk counts after it came up again.
    pub fn cut_to(&mut self, length: u8) {
        self.log = Short::of(&self.log.as_slice()[..usize::from(length)]);
        (self.flushed, self.visible) = (length, length);
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Stage {
    /// It has the lock, and read what it is based on.
    Locked,
    /// That is durable.
    Based,
    /// The mark was raised, in a store of its own.
    Marked,
    /// The record is sent.
    Sent,
    /// It is in the log.
    Written,
    /// The answer was lost: it is not known whether the record is there. It has no lock.
    Lost,
}

/// A commit that a process is in the middle of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Commit {
    pub op: Op,
    pub base: RecordId,
    /// The base itself if nothing has to be written.
    pub new: RecordId,
    pub stage: Stage,
    /// The lock was given up when the record could be seen; only the flush is waited for.
    pub is_unlocked: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Process {
    /// The server that it is connected to.
    pub server: u8,
    pub held: Option<RecordId>,
    pub durable: Option<RecordId>,
    pub commit: Option<Commit>,
}

/// How often things happened; in the bounds, how often they may.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Counts {
    pub ops: [u8; Op::ALL.len()],
    /// A process is killed.
    pub kills: u8,
    /// A connection is cut.
    pub cuts: u8,
    /// A server goes down hard, and comes back.
    pub crashes: u8,
    /// The standby is promoted.
    pub failovers: u8,
    /// A process connects to the other server though its own one answers.
    pub moves: u8,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct State {
    pub records: Short<Record, MOST_RECORDS>,
    pub servers: [Server; 2],
    pub is_promoted: bool,
    pub processes: [Process; 2],
    /// The mark, where it lies in a store of its own.
    pub mark: u8,
    /// Versions of the root key that were destroyed.
    pub destroyed: Set,
    /// Somebody was told that the customer is shredded.
    pub ok_shred: bool,
    /// Trees that somebody was told of, or sealed a value under.
    pub relied: Set,
    pub next_tree: u8,
    /// A record was written upon one that no flush covered.
    pub is_shared: bool,
    pub spent: Counts,
    pub wrong: Option<Fault>,
}

impl State {
    pub fn record(&self, id: RecordId) -> &Record {
        &self.records[id]
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

    pub fn server_of(&self, process: usize) -> &Server {
        &self.servers[usize::from(self.processes[process].server)]
    }
}
