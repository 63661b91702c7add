//! What readers do: find the record that counts, renew the lease by it, and learn what is durable.
//!
//! A read is one step: no commit comes in between.

use crate::checks::Fault;
use crate::protocol::Protocol;
use crate::rules::Rule;
use crate::state::{Content, RecordId, Set, State};

/// What the slots of some places show, taken together.
pub enum Sight {
    /// No good record.
    Nothing,
    /// Records of which none is the history of the other.
    Diverged,
    Record(RecordId),
}

impl Protocol {
    /// The places that a process can read and write now.
    pub fn reach(&self, s: &State, process: usize) -> Set {
        self.living(s).both(s.processes[process].links)
    }

    pub fn living(&self, s: &State) -> Set {
        (0..self.bounds.places).filter(|place| !s.places[*place].lost).collect()
    }

    /// The newest record that these places show. All others must be ancestors of it.
    pub fn sight(&self, s: &State, places: Set) -> Sight {
        let shown = |place: usize| s.shown(place).into_iter().filter_map(Content::record);
        let generation = |id: &RecordId| s.record(*id).generation;
        let Some(newest) = places.iter().flat_map(shown).max_by_key(generation) else { return Sight::Nothing };
        let list = s.record(newest).list;
        for place in places.iter() {
            let compared = list.has(place) || !self.rules.keep(Rule::UnlistedIsSkipped);
            for id in shown(place) {
                // Of two records of one generation nobody can tell which counts, wherever they lie.
                let is_rival = id != newest && generation(&id) == generation(&newest);
                if is_rival || (compared && !s.descends(newest, id)) {
                    return Sight::Diverged;
                }
            }
        }
        Sight::Record(newest)
    }

    /// R5: the first place shows the record itself.
    pub fn is_decided(&self, s: &State, record: RecordId, reach: Set) -> bool {
        let first = usize::from(s.record(record).first);
        let shows = s.shown(first).contains(&Content::Record(record));
        !self.rules.keep(Rule::LeaseByTheFirstPlace) || (reach.has(first) && shows)
    }

    /// Whether every slot of every listed place shows it. Then it is durable, since a place's second slot is written only when
    /// the first one was synced.
    pub fn is_shown_by_all(&self, s: &State, record: RecordId, reach: Set) -> bool {
        let list = s.record(record).list;
        list.is_within(reach) && list.iter().all(|place| s.shown(place) == [Content::Record(record); 2])
    }

    /// What a record says itself to be durable: its parent was settled before it was begun.
    pub fn settled_by(&self, s: &State, record: RecordId) -> Option<RecordId> {
        let parent = s.record(record).parent?;
        // In the places of the new list alone. One that is given up may lack it, and counts again if the record vanishes.
        let gives_up = !s.record(parent).list.is_within(s.record(record).list);
        if gives_up && self.rules.keep(Rule::SettledInTheOldList) { self.settled_by(s, parent) } else { Some(parent) }
    }

    /// A process takes a record for the newest, and `durable` for known to be durable. It seals a value.
    pub fn learn(&self, s: &mut State, process: usize, record: RecordId, durable: Option<RecordId>) {
        let known = s.processes[process].durable;
        let is_news = match (known, durable) {
            (Some(known), Some(durable)) => s.descends(durable, known),
            (known, _) => known.is_none(),
        };
        let process = &mut s.processes[process];
        process.held = Some(record);
        if is_news {
            process.durable = durable;
        }
        // It seals a value at once under the newest tree that it may use: to need a tree changes nothing but what must not be
        // lost, so that to seal later, or not at all, could break no promise that this does not break.
        let used = if self.rules.keep(Rule::SealUnderDurable) { process.durable } else { process.held };
        if let Some(record) = used {
            s.relied = s.relied.with(usize::from(s.record(record).active));
        }
    }

    /// R9: what a process knows must be in the history of what it finds, or the vault was rolled back.
    pub fn is_rolled_back(&self, s: &State, process: usize, found: RecordId) -> bool {
        let process = &s.processes[process];
        let floor = if self.rules.keep(Rule::OnlyDurableProves) { process.durable } else { process.held };
        floor.is_some_and(|floor| !s.descends(found, floor))
    }

    /// A commit raises the mark to one more than what it settled, so that a mark further ahead proves a rollback, too.
    fn is_behind_the_mark(&self, s: &State, record: RecordId, reach: Set) -> bool {
        let list = s.record(record).list;
        let places = if self.rules.keep(Rule::UnlistedIsSkipped) { reach.both(list) } else { reach };
        places.iter().any(|place| s.places[place].mark > s.record(record).generation + 1)
    }

    /// An unlock, or a refresh that renews the lease. None: what is found does not renew it, or nothing is new.
    pub fn read(&self, s: &State, process: usize) -> Option<State> {
        let reach = self.reach(s, process);
        let mut next = s.clone();
        let record = match self.sight(s, reach) {
            // Whoever sees not all that is left gives no alarm: it may come back.
            Sight::Nothing if reach.is_empty() || reach != self.living(s) => return None,
            Sight::Nothing => {
                next.wrong = Some(Fault::LostRecord);
                return Some(next);
            }
            Sight::Diverged => {
                next.wrong = Some(Fault::Diverged);
                return Some(next);
            }
            Sight::Record(record) => record,
        };
        if !self.is_decided(s, record, reach) {
            return None;
        }
        let unlocks = s.processes[process].held.is_none();
        if self.is_rolled_back(s, process, record) || (unlocks && self.is_behind_the_mark(s, record, reach)) {
            next.wrong = Some(Fault::RolledBack);
            return Some(next);
        }
        next.wrong = self.check_read(s, record, reach);
        let durable = if self.is_shown_by_all(s, record, reach) { Some(record) } else { self.settled_by(s, record) };
        self.learn(&mut next, process, record, durable);
        (next != *s).then_some(next)
    }
}
