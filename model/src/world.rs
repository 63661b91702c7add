//! What can happen next: what processes do, and what the world does to them. Kills, power cuts, pages that cannot be written
//! back, places that are lost and come back, links that change.

use crate::commit::Sync;
use crate::plan::Op;
use crate::protocol::Protocol;
use crate::state::{Content, Page, RecordId, Set, Slot, State};
use crate::trace::Event;

type Steps = Vec<(Event, State)>;

impl Protocol {
    /// Every step of every process.
    pub fn processes_go_on(&self, s: &State, out: &mut Steps) {
        for process in 0..self.bounds.processes {
            if s.processes[process].commit.is_some() {
                self.commit_goes_on(s, process, out);
            } else {
                self.process_decides(s, process, out);
            }
        }
    }

    fn process_decides(&self, s: &State, process: usize, out: &mut Steps) {
        out.extend(self.read(s, process).map(|next| (Event::Read { process }, next)));
        for op in Op::ALL {
            if s.spent.ops[op as usize] >= self.bounds.most.ops[op as usize] {
                continue;
            }
            let places = if op.names_a_place() { 0..self.bounds.places } else { 0..1 };
            for place in places {
                let begun = self.begin(s, process, op, place, self.bounds.records);
                out.extend(begun.map(|next| (Event::Begun { process, op, place }, next)));
            }
        }
    }

    fn commit_goes_on(&self, s: &State, process: usize, out: &mut Steps) {
        for sync in [Sync::Works, Sync::Fails, Sync::FailsTorn] {
            if sync == Sync::Works || s.spent.fails < self.bounds.most.fails {
                out.extend(self.advance(s, process, sync).map(|next| (Event::Advanced { process, sync }, next)));
            }
        }
    }

    /// Every fault.
    pub fn world_goes_on(&self, s: &State, out: &mut Steps) {
        let most = &self.bounds.most;
        for process in 0..self.bounds.processes {
            if s.spent.kills < most.kills {
                let mut next = s.clone();
                next.spent.kills += 1;
                next.processes[process].die();
                out.push((Event::Killed { process }, next));
            }
            if s.spent.links < most.links {
                for place in 0..self.bounds.places {
                    let mut next = s.clone();
                    next.spent.links += 1;
                    let links = &mut next.processes[process].links;
                    *links = if links.has(place) { links.without(place) } else { links.with(place) };
                    out.push((Event::Link { process, place }, next));
                }
            }
        }
        for place in 0..self.bounds.places {
            if s.places[place].lost {
                self.place_returns(s, place, out);
            } else {
                self.cache_fails(s, place, out);
                self.place_is_lost(s, place, out);
            }
        }
        if s.spent.cuts < most.cuts {
            self.power_is_cut(s, out);
        }
    }

    /// The page cache forgets what could not be written, or fails to write it back while nobody syncs.
    fn cache_fails(&self, s: &State, place: usize, out: &mut Steps) {
        let is_syncing = |slot: usize| {
            let steps = s.processes.iter().flat_map(|process| process.commit);
            let mut at = steps.filter(|commit| commit.syncing).map(|commit| commit.steps[commit.at]);
            at.any(|step| usize::from(step.place) == place && usize::from(step.slot) == slot)
        };
        for slot in 0..2 {
            match s.places[place].slots[slot].page {
                Page::Failed => {
                    let mut next = s.clone();
                    let slot_then = &mut next.places[place].slots[slot];
                    *slot_then = Slot::clean(slot_then.disk);
                    out.push((Event::Dropped { place, slot }, next));
                }
                // Its writer was killed before it synced. Otherwise it is told, as a sync that fails.
                Page::Dirty if !is_syncing(slot) && s.spent.fails < self.bounds.most.fails => {
                    for is_torn in [false, true] {
                        let mut next = s.clone();
                        next.spent.fails += 1;
                        next.places[place].slots[slot].fail(is_torn);
                        out.push((Event::WriteBackFailed { place, slot, is_torn }, next));
                    }
                }
                _ => {}
            }
        }
    }

    /// The promise is about one of several places that the newest record lists: another one must still have a good record.
    fn place_is_lost(&self, s: &State, place: usize, out: &mut Steps) {
        let everywhere = (0..self.bounds.places).collect();
        let Some(newest) = newest_on_disk(s, everywhere) else { return };
        let holds = |other: usize| s.places[other].slots.iter().any(|slot| slot.disk.record().is_some());
        let mut others = s.record(newest).list.both(self.living(s)).without(place).iter();
        if s.spent.losses < self.bounds.most.losses && others.any(holds) {
            let mut next = s.clone();
            next.spent.losses += 1;
            let lost = &mut next.places[place];
            lost.lost = true;
            lost.slots = lost.slots.map(|slot| Slot::clean(slot.disk));
            out.push((Event::Lost { place }, next));
        }
    }

    /// With what its medium has. An operator who promoted gave a word: that nobody still writes there, and that it stays away until
    /// another place is durably the first.
    fn place_returns(&self, s: &State, place: usize, out: &mut Steps) {
        let is_in_use = s.processes.iter().flat_map(|process| process.commit).any(|commit| commit.scope.has(place));
        let newest = newest_on_disk(s, self.living(s));
        let is_given_up = newest.is_some_and(|newest| !s.record(newest).list.has(place));
        let is_word_kept = is_given_up || s.spent.ops[Op::Promote as usize] == 0;
        if s.spent.returns < self.bounds.most.returns && !is_in_use && is_word_kept {
            let mut next = s.clone();
            next.spent.returns += 1;
            next.places[place].lost = false;
            out.push((Event::Returned { place }, next));
        }
    }

    /// All processes of one machine end, and of each page that was not synced there the old, the new, or half of it is left.
    fn power_is_cut(&self, s: &State, out: &mut Steps) {
        let mut machines = self.bounds.machine_of_place[..self.bounds.places].to_vec();
        machines.sort_unstable();
        machines.dedup();
        for machine in machines {
            let mut cut = s.clone();
            cut.spent.cuts += 1;
            for process in 0..self.bounds.processes {
                if self.bounds.machine_of_process[process] == machine {
                    cut.processes[process].die();
                }
            }
            let mut outcomes = vec![cut];
            for place in self.living(s).iter().filter(|place| self.bounds.machine_of_place[*place] == machine) {
                for slot in 0..2 {
                    let left = left_of(s.places[place].slots[slot]);
                    let each = |content: &Content| {
                        let mut outcomes = outcomes.clone();
                        outcomes.iter_mut().for_each(|state| state.places[place].slots[slot] = Slot::clean(*content));
                        outcomes
                    };
                    outcomes = left.iter().flat_map(each).collect();
                }
            }
            out.extend(outcomes.into_iter().map(|next| (Event::PowerCut { machine }, next)));
        }
    }
}

/// What may be on the medium after a power cut.
fn left_of(slot: Slot) -> Vec<Content> {
    let mut left = vec![slot.disk];
    if slot.page == Page::Dirty && slot.cache != slot.disk {
        left.extend([slot.cache, Content::Torn]);
    }
    left
}

/// The newest record on the media of these places.
fn newest_on_disk(s: &State, places: Set) -> Option<RecordId> {
    let slots = places.iter().flat_map(|place| s.places[place].slots);
    slots.filter_map(|slot| Content::record(slot.disk)).max_by_key(|id| s.record(*id).generation)
}
