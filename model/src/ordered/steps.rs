//! What can happen next: to commits, to readers, and to servers.

use crate::checks::Fault;
use crate::ordered::rules::Rule;
use crate::ordered::state::{Commit, Process, Record, Stage, State};
use crate::ordered::trace::Event;
use crate::ordered::{Op, Ordered};
use crate::state::{RecordId, Short};

type Steps = Vec<(Event, State)>;

impl Ordered {
    pub fn processes_go_on(&self, s: &State, out: &mut Steps) {
        for process in 0..2 {
            let reach = s.server_of(process);
            if !reach.is_up {
                continue;
            }
            for is_plain in [false, true] {
                out.extend(self.read(s, process, is_plain).map(|next| (Event::Read { process, is_plain }, next)));
            }
            match s.processes[process].commit {
                None => {
                    let left = |op: &Op| s.spent.ops[*op as usize] < self.bounds.most.ops[*op as usize];
                    for op in Op::ALL.into_iter().filter(left) {
                        let mut next = s.clone();
                        next.spent.ops[op as usize] += 1;
                        out.extend(self.begin(next, process, op).map(|next| (Event::Begun { process, op }, next)));
                    }
                }
                Some(commit) if commit.stage == Stage::Lost => {
                    out.extend(self.again(s, process, commit).map(|next| (Event::Again { process }, next)));
                }
                Some(commit) => {
                    out.extend(self.advance(s, process, commit).map(|next| (Event::Advanced { process }, next)));
                }
            }
        }
    }

    /// Takes the lock, reads what is there, and plans.
    fn begin(&self, mut next: State, process: usize, op: Op) -> Option<State> {
        if self.is_locked(&next, next.processes[process].server) {
            return None;
        }
        let base = next.server_of(process).is_seen();
        if let Some(refused) = self.proves_a_rollback(&next, process, base) {
            return refused;
        }
        let before = *next.record(base);
        let is_done = match op {
            Op::Shred => before.shred,
            Op::Tree => before.active > 0,
            Op::Version => false,
        };
        let mut commit = Commit { op, base, new: base, stage: Stage::Locked, is_unlocked: false };
        if is_done {
            if op == Op::Tree && !self.keep(Rule::DoneAfterFlush) {
                next.relied = next.relied.with(usize::from(before.active));
                return Some(next);
            }
        } else {
            if next.records.len() == self.bounds.records {
                return None;
            }
            commit.new = next.records.len();
            let settled = self.known_to_be_durable(&next, process, base);
            let mut new = Record { parent: Some(base), generation: before.generation + 1, settled, ..before };
            match op {
                Op::Shred => (new.shred, new.page) = (true, commit.new),
                Op::Tree => {
                    new.active = next.next_tree;
                    new.trees = new.trees.with(usize::from(next.next_tree));
                    next.next_tree += 1;
                }
                Op::Version => new.version += 1,
            }
            next.records.push(new);
        }
        next.processes[process].commit = Some(commit);
        Some(next)
    }

    /// R9: what was known to be durable must be in the history of what is found. A server that was deposed proves nothing, and only a flush
    /// that its standby confirms tells that it was not. `Some`: the commit goes no further.
    fn proves_a_rollback(&self, s: &State, process: usize, base: RecordId) -> Option<Option<State>> {
        let floor = s.processes[process].durable?;
        if s.descends(base, floor) {
            return None;
        }
        if self.keep(Rule::AlarmIsConfirmed) && !self.can_confirm(s, s.processes[process].server) {
            return Some(None);
        }
        let mut next = s.clone();
        next.wrong = Some(Fault::RolledBack);
        Some(Some(next))
    }

    /// What a commit may call settled: its base, if that is known to be durable; or what was known before.
    fn known_to_be_durable(&self, s: &State, process: usize, base: RecordId) -> RecordId {
        let settled = s.record(base).settled;
        let own = s.processes[process].durable.filter(|own| s.descends(base, *own) && s.descends(*own, settled));
        if self.keep(Rule::SettledWasDurable) { own.unwrap_or(settled) } else { base }
    }

    /// A commit whose answer was lost: if its record is found it was carried out, and otherwise it is begun anew.
    fn again(&self, s: &State, process: usize, commit: Commit) -> Option<State> {
        let server = s.processes[process].server;
        let found = s.server_of(process).is_seen();
        if self.is_locked(s, server) {
            return None;
        }
        let mut next = s.clone();
        next.processes[process].commit = None;
        if !s.descends(found, commit.new) {
            return self.begin(next, process, commit.op);
        }
        if let Some(refused) = self.proves_a_rollback(&next, process, found) {
            return refused;
        }
        let confirms = Commit { base: found, new: found, stage: Stage::Locked, ..commit };
        next.processes[process].commit = Some(confirms);
        if self.keep(Rule::FoundAfterFlush) { Some(next) } else { Some(self.answer(next, process, confirms)) }
    }

    fn is_locked(&self, s: &State, server: u8) -> bool {
        s.processes.iter().any(|process| {
            let holds = |commit: Commit| {
                let is_sent = commit.stage == Stage::Sent && !self.keep(Rule::LockedUntilSeen);
                commit.stage != Stage::Lost && !commit.is_unlocked && !is_sent
            };
            process.server == server && process.commit.is_some_and(holds)
        })
    }

    /// Whether the lock is given up as soon as the record is seen: a shred or a tree in one step.
    fn is_shared(&self, commit: &Commit) -> bool {
        self.bounds.is_shared && !self.bounds.is_mark_elsewhere && commit.op != Op::Version
    }

    fn advance(&self, s: &State, process: usize, commit: Commit) -> Option<State> {
        let mut next = s.clone();
        let server = s.processes[process].server;
        let place = usize::from(server);
        let mut go = |stage| {
            next.processes[process].commit = Some(Commit { stage, ..commit });
        };
        match commit.stage {
            // Nothing new is written: a flush makes durable what is there.
            Stage::Locked if commit.new == commit.base => {
                self.confirm(&mut next, server)?;
                return Some(self.answer(next, process, commit));
            }
            Stage::Locked if !self.bounds.is_mark_elsewhere => go(Stage::Sent),
            Stage::Locked => {
                go(Stage::Based);
                if self.keep(Rule::ElsewhereAfterFlush) {
                    self.confirm(&mut next, server)?;
                }
            }
            Stage::Based => {
                go(Stage::Marked);
                next.mark = next.mark.max(s.record(commit.base).generation + 1);
            }
            Stage::Marked => go(Stage::Sent),
            Stage::Sent => {
                // One after the other: a commit that waits for its flush has the lock.
                if !s.servers[place].is_all_seen() {
                    return None;
                }
                let is_shared = self.is_shared(&commit);
                next.is_shared |= is_shared && s.servers[place].flushed < s.servers[place].visible;
                next.servers[place].log.push(commit.new);
                next.servers[place].visible += u8::from(is_shared);
                next.processes[process].commit =
                    Some(Commit { stage: Stage::Written, is_unlocked: is_shared, ..commit });
            }
            Stage::Written => {
                let is_seen = s.servers[place].is_all_seen() || commit.is_unlocked;
                let may_answer = !self.keep(Rule::AnswerAfterFlush)
                    || commit.op == Op::Version && !self.keep(Rule::DestroyedAfterFlush);
                if !may_answer && !self.is_covered(s, server, commit.new) {
                    return None;
                }
                if !is_seen {
                    next.servers[place].visible = next.servers[place].log.len();
                }
                return Some(self.answer(next, process, commit));
            }
            Stage::Lost => return None,
        }
        Some(next)
    }

    /// Whether a flush covers the record, and the standby that may be promoted has confirmed it.
    fn is_covered(&self, s: &State, server: u8, record: RecordId) -> bool {
        let has = |server: usize| {
            s.servers[server].log.as_slice()[..usize::from(s.servers[server].flushed)].contains(&record)
        };
        let needs_standby = self.bounds.has_standby && server == 0 && self.keep(Rule::StandbyConfirms);
        has(usize::from(server)) && (!needs_standby || has(1))
    }

    /// Whether a commit of its own can be confirmed there: not once the standby follows no more.
    fn can_confirm(&self, s: &State, server: u8) -> bool {
        if server == 0 { !s.is_promoted } else { s.is_promoted }
    }

    /// A small commit, which flushes all that came before it.
    fn confirm(&self, next: &mut State, server: u8) -> Option<()> {
        if !self.can_confirm(next, server) {
            return None;
        }
        let own = &mut next.servers[usize::from(server)];
        own.flushed = own.log.len();
        if server == 0 && self.bounds.has_standby {
            next.servers[1].log = next.servers[0].log;
            next.servers[1].cut_to(next.servers[0].log.len());
        }
        Some(())
    }

    fn answer(&self, mut next: State, process: usize, commit: Commit) -> State {
        next.processes[process].commit = None;
        let record = *next.record(commit.new);
        match commit.op {
            Op::Shred => next.ok_shred = true,
            Op::Tree => next.relied = next.relied.with(usize::from(record.active)),
            Op::Version => (0..record.version).for_each(|old| next.destroyed = next.destroyed.with(usize::from(old))),
        }
        learn(&mut next, process, commit.new, commit.new);
        next
    }

    /// An unlock, or a refresh that renews the lease. `is_plain`: it has no flush made, and proves no more than the record says itself.
    fn read(&self, s: &State, process: usize, is_plain: bool) -> Option<State> {
        let server = s.processes[process].server;
        let record = s.server_of(process).is_seen();
        let mut next = s.clone();
        let is_current = self.can_confirm(s, server);
        let durable = if is_plain {
            // Without a standby there is nobody to depose this one.
            if !self.bounds.has_plain_reads || self.bounds.has_standby {
                return None;
            }
            s.record(record).settled
        } else {
            if self.keep(Rule::LeaseIsConfirmed) && !is_current {
                return None;
            }
            if is_current && self.keep(Rule::ReadsAreFlushed) {
                self.confirm(&mut next, server)?;
            }
            record
        };
        let floor = s.processes[process].durable;
        let is_behind = s.mark > s.record(record).generation + 1;
        if floor.is_some_and(|floor| !s.descends(record, floor)) || (s.processes[process].held.is_none() && is_behind) {
            next.wrong = Some(Fault::RolledBack);
            return Some(next);
        }
        next.wrong = self.check_read(&next, server, record);
        learn(&mut next, process, record, durable);
        (next != *s).then_some(next)
    }

    fn check_read(&self, s: &State, server: u8, record: RecordId) -> Option<Fault> {
        let Record { shred, trees, page, version, .. } = *s.record(record);
        let has_page = s.servers[usize::from(server)].log.as_slice().contains(&page);
        if s.destroyed.has(usize::from(version)) {
            Some(Fault::LostRecord)
        } else if s.ok_shred && !shred {
            Some(Fault::Undone)
        } else if !s.relied.is_within(trees) {
            Some(Fault::LostTree)
        } else if !has_page {
            Some(Fault::LostPage)
        } else {
            None
        }
    }

    pub fn world_goes_on(&self, s: &State, out: &mut Steps) {
        self.disks_go_on(s, out);
        let most = &self.bounds.most;
        for process in 0..2 {
            if s.spent.kills < most.kills {
                for mut next in self.cut(s, process) {
                    next.spent.kills += 1;
                    let server = next.processes[process].server;
                    next.processes[process] = Process { server, held: None, durable: None, commit: None };
                    out.push((Event::Killed { process }, next));
                }
            }
            let is_running = s.processes[process].commit.is_some_and(|commit| commit.stage != Stage::Lost);
            if is_running && s.spent.cuts < most.cuts {
                for mut next in self.cut(s, process) {
                    next.spent.cuts += 1;
                    out.push((Event::Cut { process }, next));
                }
            }
            let is_free = !s.server_of(process).is_up;
            let other = 1 - s.processes[process].server;
            let is_there = s.servers[usize::from(other)].is_up && (other == 0 || s.is_promoted);
            if is_there && (is_free || s.spent.moves < most.moves) {
                for mut next in self.cut(s, process) {
                    next.spent.moves += u8::from(!is_free);
                    next.processes[process].server = other;
                    out.push((Event::Moved { process }, next));
                }
            }
        }
        if s.spent.crashes < most.crashes {
            self.primary_crashes(s, out);
        }
        if s.spent.failovers < most.failovers && !s.is_promoted {
            for is_gone in [false, true] {
                let mut next = s.clone();
                next.spent.failovers += 1;
                next.is_promoted = true;
                if is_gone {
                    next.servers[0].is_up = false;
                }
                out.push((Event::Promoted { is_gone }, next));
            }
        }
    }

    /// The log is flushed by whoever does it, and what is flushed goes to the standby.
    fn disks_go_on(&self, s: &State, out: &mut Steps) {
        for server in 0..2 {
            let Some(mut next) = s.servers[server].is_up.then(|| s.clone()) else { continue };
            if s.servers[server].flushed < s.servers[server].log.len() {
                next.servers[server].flushed += 1;
                out.push((Event::Flushed { server }, next));
            }
        }
        let [primary, standby] = &s.servers;
        if self.bounds.has_standby && !s.is_promoted && standby.log.len() < primary.flushed {
            let mut next = s.clone();
            let follows = &mut next.servers[1];
            follows.log.push(primary.log[standby.log.len()]);
            follows.cut_to(standby.log.len() + 1);
            out.push((Event::Replicated, next));
        }
    }

    /// A connection is lost. What was sent may come to be all the same.
    fn cut(&self, s: &State, process: usize) -> Vec<State> {
        let mut without = s.clone();
        let Some(commit) = s.processes[process].commit else { return vec![without] };
        let is_unclear =
            commit.new != commit.base && matches!(commit.stage, Stage::Sent | Stage::Written | Stage::Lost);
        without.processes[process].commit =
            is_unclear.then_some(Commit { stage: Stage::Lost, is_unlocked: false, ..commit });
        let mut outcomes = vec![without.clone()];
        let server = usize::from(s.processes[process].server);
        if commit.stage == Stage::Sent && s.servers[server].is_all_seen() {
            let mut with = without;
            with.servers[server].log.push(commit.new);
            outcomes.push(with);
        }
        // The server sees its own commit through.
        for outcome in &mut outcomes {
            outcome.servers[server].visible = outcome.servers[server].log.len();
        }
        outcomes
    }

    /// The server that counts goes down hard, and comes back with what was on its disk, or some more that nobody had flushed.
    fn primary_crashes(&self, s: &State, out: &mut Steps) {
        let server = usize::from(s.is_promoted);
        let crashed = s.servers[server];
        let mut logs: Vec<Short<RecordId, { super::state::MOST_RECORDS }>> = (crashed.flushed..=crashed.log.len())
            .map(|left| Short::of(&crashed.log.as_slice()[..usize::from(left)]))
            .collect();
        if !self.keep(Rule::OneLog) {
            for lost in crashed.flushed..crashed.log.len() {
                let kept = (0..crashed.log.len()).filter(|at| *at != lost).map(|at| crashed.log[at]);
                logs.push(Short::of(&kept.collect::<Vec<_>>()));
            }
        }
        for log in logs {
            let mut next = s.clone();
            next.spent.crashes += 1;
            for process in 0..2 {
                if usize::from(next.processes[process].server) == server {
                    // What it had sent is gone with it, or in the log already.
                    next = self.cut(&next, process).swap_remove(0);
                }
            }
            let length = log.len();
            next.servers[server].log = log;
            next.servers[server].cut_to(length);
            out.push((Event::Crashed { server }, next));
        }
    }
}

/// A process takes a record for the newest, and `durable` for known to be durable. It seals a value under the newest tree that it may use.
fn learn(s: &mut State, process: usize, record: RecordId, durable: RecordId) {
    let known = s.processes[process].durable;
    let is_news = known.is_none_or(|known| s.descends(durable, known));
    let process = &mut s.processes[process];
    process.held = Some(record);
    if is_news {
        process.durable = Some(durable);
    }
    if let Some(durable) = process.durable {
        s.relied = s.relied.with(usize::from(s.record(durable).active));
    }
}
