//! The order in which a commit writes slots: what `commit::slots` of the vault does.

use crate::protocol::Protocol;
use crate::rules::Rule;
use crate::state::{Content, MOST_PLACES, MOST_STEPS, RecordId, Set, Short, State, Step, What};

impl Protocol {
    /// Step 1 of a commit, which settles the base; step 2, the pages; and step 3, the new record. If the new record is the base
    /// itself, nothing new is written, and the base over what is older.
    pub fn order_of_writes(&self, s: &State, base: RecordId, new: RecordId, scope: Set) -> Short<Step, MOST_STEPS> {
        let is_confirmed = base == new;
        let places = self.order_of_places(s, base, new, scope);
        let mut steps = Short::of(&[]);
        // The slot of each place that has the base once that is settled.
        let mut secured = [0; MOST_PLACES];
        for place in &places {
            let (slot, settling) = self.settle(s, base, *place);
            secured[*place] = slot;
            if is_confirmed || self.rules.keep(Rule::SettleFirst) {
                settling.into_iter().for_each(|step| steps.push(step));
            }
        }
        if !is_confirmed {
            steps.push(step(0, 0, What::Put));
        }
        for place in places {
            let slot = secured[place];
            if is_confirmed {
                steps.push(step(place, 1 - slot, What::Over));
            } else {
                steps.push(step(place, 1 - slot, What::New));
                steps.push(step(place, slot, What::New));
            }
        }
        steps
    }

    /// The place that decides is written first. Where the old first place is given up, that is the new one.
    fn order_of_places(&self, s: &State, base: RecordId, new: RecordId, scope: Set) -> Vec<usize> {
        let old_first = usize::from(s.record(base).first);
        let (decides, rule) = if scope.has(old_first) {
            (old_first, Rule::FirstPlaceFirst)
        } else {
            (usize::from(s.record(new).first), Rule::PromotionOrder)
        };
        let mut places: Vec<usize> = scope.iter().collect();
        // Without the rule, last of all.
        places.sort_by_key(|place| (*place == decides) != self.rules.keep(rule));
        places
    }

    /// The steps that settle the base in one place, and the slot that it is in after them.
    fn settle(&self, s: &State, base: RecordId, place: usize) -> (usize, Vec<Step>) {
        if !s.record(base).list.has(place) {
            // A new place has nothing to settle. Its first slot is written first.
            return (1, Vec::new());
        }
        let shown = s.shown(place);
        if let Some(slot) = shown.iter().position(|content| *content == Content::Record(base)) {
            let is_only_synced = shown[1 - slot] == shown[slot] && !self.rules.keep(Rule::WriteThenSync);
            return (slot, vec![step(place, slot, if is_only_synced { What::Sync } else { What::Again })]);
        }
        let generation = |slot: &usize| shown[*slot].record().map(|id| s.record(id).generation);
        match (0..2).filter(|slot| generation(slot).is_some()).max_by_key(generation) {
            // It lags. What it has itself is secured first, so that one slot is good at every moment.
            Some(own) => (1 - own, vec![step(place, own, What::Again), step(place, 1 - own, What::Base)]),
            None => (0, vec![step(place, 0, What::Base)]),
        }
    }
}

fn step(place: usize, slot: usize, what: What) -> Step {
    Step { place: place as u8, slot: slot as u8, what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::Aim;
    use crate::plan::Op::{Attach, Shred};
    use crate::protocol::Bounds;
    use crate::rules::Rules;
    use crate::search::Space;
    use crate::state::{Record, Slot};

    const R0: Content = Content::Record(0);
    const R1: Content = Content::Record(1);

    /// What a commit writes upon r1, where two places show this: "0a" is the first slot of the first place.
    fn writes(slots: [[Content; 2]; 2], new: RecordId) -> String {
        let model = Protocol::new(Rules::ALL, Bounds::places(2, &[Shred]), Aim::AnyFault);
        let mut state = model.initial();
        for generation in [2, 3] {
            state.records.push(Record { parent: Some(generation - 2), generation, ..*state.record(0) });
        }
        for (place, slots) in slots.into_iter().enumerate() {
            state.places[place].slots = slots.map(Slot::clean);
        }
        told(model.order_of_writes(&state, 1, new, state.record(1).list).as_slice())
    }

    fn told(steps: &[Step]) -> String {
        let tell = |step: &Step| match step.what {
            What::Put => "put".to_owned(),
            what => format!("{}{} {what:?}", step.place, ["a", "b"][usize::from(step.slot)]).to_lowercase(),
        };
        steps.iter().map(tell).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_record_is_settled_and_then_written_first_place_first() {
        assert_eq!(writes([[R1, R1]; 2], 2), "0a again, 1a again, put, 0b new, 0a new, 1b new, 1a new");
    }

    #[test]
    fn a_slot_that_shows_the_base_is_the_one_that_is_secured() {
        assert_eq!(writes([[R0, R1]; 2], 2), "0b again, 1b again, put, 0a new, 0b new, 1a new, 1b new");
    }

    #[test]
    fn a_place_that_lags_has_a_good_slot_at_every_moment() {
        let lagging = [[R1, R1], [R0, R0]];
        assert_eq!(writes(lagging, 2), "0a again, 1b again, 1a base, put, 0b new, 0a new, 1b new, 1a new");
        let torn = [[R1, R1], [R0, Content::Torn]];
        assert_eq!(writes(torn, 2), "0a again, 1a again, 1b base, put, 0b new, 0a new, 1a new, 1b new");
    }

    #[test]
    fn an_empty_place_that_is_listed_is_filled() {
        let empty = [[R1, R1], [Content::Empty; 2]];
        assert_eq!(writes(empty, 2), "0a again, 1a base, put, 0b new, 0a new, 1b new, 1a new");
    }

    #[test]
    fn what_is_there_is_made_whole_without_a_new_record() {
        assert_eq!(writes([[R1, R1], [R1, R0]], 1), "0a again, 1a again, 0b over, 1b over");
    }

    #[test]
    fn a_new_place_is_written_last_and_has_nothing_to_settle() {
        let model = Protocol::new(Rules::ALL, Bounds::places(2, &[Attach]).listed(&[0]), Aim::AnyFault);
        let begun = model.begin(&model.initial(), 0, Attach, 1, 5).expect("an empty place can be attached");
        let commit = begun.processes[0].commit.expect("it is written");
        assert_eq!(told(commit.steps.as_slice()), "0a again, put, 0b new, 0a new, 1a new, 1b new");
    }
}
