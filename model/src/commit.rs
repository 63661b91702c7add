//! How a commit goes on: each write and each sync of it, what a failure means, and the answer.

use crate::plan::Op;
use crate::protocol::Protocol;
use crate::rules::Rule;
use crate::state::{Commit, Content, Page, RecordId, Set, Slot, State, Step, What};

/// How a sync ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sync {
    Works,
    /// It fails, once. The medium has what it had.
    Fails,
    /// The medium has half of it.
    FailsTorn,
}

impl Protocol {
    /// The next step of a commit: its write, or its sync, which may fail. None: that cannot happen here.
    pub fn advance(&self, s: &State, process: usize, sync: Sync) -> Option<State> {
        let commit = s.processes[process].commit?;
        let what = commit.steps[commit.at].what;
        if commit.syncing || what == What::Sync {
            return self.sync(s, process, &commit, sync);
        }
        match (sync, what) {
            (Sync::Works, What::Put) => Some(self.put(s, process, &commit)),
            (Sync::Works, _) => Some(self.write(s, process, &commit)),
            _ => None,
        }
    }

    /// Pages and mark, in all places at once.
    fn put(&self, s: &State, process: usize, commit: &Commit) -> State {
        let mut next = s.clone();
        if !commit.scope.is_within(self.reach(s, process)) {
            next.processes[process].commit = None;
            return next;
        }
        let (base, new) = (s.record(commit.base), s.record(commit.new));
        // One above what is settled, also where the generation jumps: if the commit is killed here, the mark must prove nothing.
        let is_higher = commit.op == Op::Promote && !self.rules.keep(Rule::PromotionMarksOne);
        let mark = if is_higher { new.generation } else { base.generation + 1 };
        // A new place is filled with what the others have.
        let pages = commit.scope.iter().fold(Set::EMPTY, |pages, place| pages | s.places[place].pages);
        for place in commit.scope.iter() {
            let place = &mut next.places[place];
            place.mark = place.mark.max(mark);
            place.pages = place.pages | pages.with(usize::from(new.page));
        }
        self.go_on(next, process, Commit { at: commit.at + 1, ..*commit })
    }

    fn write(&self, s: &State, process: usize, commit: &Commit) -> State {
        let step = commit.steps[commit.at];
        let mut next = s.clone();
        if !self.reach(s, process).has(usize::from(step.place)) {
            return self.fail(next, process, commit);
        }
        slot_of(&mut next, step).show(content(commit, step));
        next.processes[process].commit = Some(Commit { syncing: true, ..*commit });
        next
    }

    fn sync(&self, s: &State, process: usize, commit: &Commit, sync: Sync) -> Option<State> {
        let step = commit.steps[commit.at];
        let mut next = s.clone();
        let slot = slot_of(&mut next, step);
        // What was written may be gone: the machine of that place went down, or the page was dropped. The open file is told.
        let is_gone = step.what != What::Sync && slot.cache != content(commit, step);
        let is_refused = is_gone || !self.reach(s, process).has(usize::from(step.place));
        match sync {
            Sync::Works if is_refused => return Some(self.fail(next, process, commit)),
            // A page that looks clean since a failure is not written by a sync, which works all the same.
            Sync::Works if slot.page == Page::Dirty => *slot = Slot::clean(slot.cache),
            Sync::Works => {}
            _ if is_refused => return None,
            Sync::Fails | Sync::FailsTorn => {
                slot.fail(sync == Sync::FailsTorn);
                next.spent.fails += 1;
                return Some(self.fail(next, process, commit));
            }
        }
        let wrote = commit.wrote || step.what == What::New;
        Some(self.go_on(next, process, Commit { syncing: false, wrote, at: commit.at + 1, ..*commit }))
    }

    /// A write or a sync went wrong, in whatever way.
    fn fail(&self, mut next: State, process: usize, commit: &Commit) -> State {
        let step = commit.steps[commit.at];
        let (begun, rest) = commit.steps.as_slice().split_at(usize::from(commit.at));
        let is_new = step.what == What::New;
        if !(step.what == What::Over || is_new && commit.wrote) {
            // The base could not be settled: nothing happened. Or the very first slot failed: it is not known whether the record
            // will be there, and settling tells.
            next.processes[process].commit = None;
            return next;
        }
        let is_here = |other: &Step| other.place == step.place;
        let is_second = begun.iter().any(|before| is_here(before) && before.what == What::New);
        let mut commit = Commit { syncing: false, old_copy: true, at: commit.at + 1, ..*commit };
        if is_new && (!is_second || commit.missing.has(usize::from(step.place))) {
            commit.missing = commit.missing.with(usize::from(step.place));
            if self.rules.keep(Rule::StopInAPlace) {
                commit.at += rest.iter().skip(1).take_while(|other| is_here(other)).count() as u8;
            }
        }
        self.go_on(next, process, commit)
    }

    /// To the next step, or to the answer.
    fn go_on(&self, mut next: State, process: usize, commit: Commit) -> State {
        if commit.at < commit.steps.len() {
            next.processes[process].commit = Some(commit);
            return next;
        }
        next.processes[process].commit = None;
        let is_everywhere = commit.missing.is_empty();
        let is_whole = is_everywhere && !commit.old_copy;
        match commit.op {
            Op::Shred if is_whole => {
                next.ok_shred = true;
                next.wrong = self.check_shredded(&next, commit.scope);
            }
            Op::Tree if is_everywhere || !self.rules.keep(Rule::InEveryPlace) => {
                next.relied = next.relied.with(usize::from(next.record(commit.new).active));
            }
            Op::Sweep if is_whole => self.sweep(&mut next, commit.scope, commit.base),
            _ => {}
        }
        let durable = if is_everywhere { Some(commit.new) } else { self.settled_by(&next, commit.new) };
        self.learn(&mut next, process, commit.new, durable);
        next
    }

    /// Deletes all pages but the one that the record needs.
    pub fn sweep(&self, next: &mut State, scope: Set, record: RecordId) {
        let needed = Set::of(&[usize::from(next.record(record).page)]);
        for place in scope.iter() {
            let pages = &mut next.places[place].pages;
            *pages = pages.both(needed);
        }
    }
}

fn slot_of(s: &mut State, step: Step) -> &mut Slot {
    &mut s.places[usize::from(step.place)].slots[usize::from(step.slot)]
}

/// What a step writes.
fn content(commit: &Commit, step: Step) -> Content {
    match step.what {
        What::Again => commit.again[usize::from(step.place)],
        What::Base | What::Over => Content::Record(commit.base),
        What::New | What::Put | What::Sync => Content::Record(commit.new),
    }
}
