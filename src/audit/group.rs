//! From notes to entries: the same openings, told with fewer words.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use super::buffer::{Block, Lane, NUMBER, NUMBER_BITS, Reasons};
use super::sink::Openings;
use crate::journal::{Numbers, OpeningResult, Ranges, Time};

/// Most ranges in one entry: as text they fit into one line of a journal.
const MOST_RANGES: usize = 1_500;

/// What entries are grouped by, in their order.
type Key<'l> = (u64, &'l Reasons, &'static str, &'static str, OpeningResult);

fn key(lane: &Lane) -> Key<'_> {
    (lane.second, &lane.reasons, lane.name.purpose.name(), lane.name.label, lane.result)
}

/// What was noted, in order of time.
pub(super) fn group(blocks: &[Block]) -> Vec<Openings> {
    // Each block has lanes of its own, and so have scopes with the same reasons: they are told as one.
    let mut firsts: BTreeMap<Key<'_>, &Lane> = BTreeMap::new();
    for lane in blocks.iter().flat_map(|block| &block.lanes) {
        firsts.entry(key(lane)).or_insert(lane);
    }
    let ranks: BTreeMap<Key<'_>, usize> = firsts.keys().copied().zip(0..).collect();
    let notes = by_rank(blocks, &ranks);
    let mut entries = Vec::with_capacity(firsts.len());
    for (lane, mut numbers) in firsts.values().zip(notes) {
        numbers.sort_unstable();
        for (each, ranges) in by_times(&numbers) {
            for part in ranges.chunks(MOST_RANGES) {
                entries.push(Openings {
                    at: Time::from(SystemTime::UNIX_EPOCH + Duration::from_secs(lane.second)),
                    reasons: lane.reasons.clone(),
                    purpose: lane.name.purpose.name(),
                    label: lane.name.label,
                    result: lane.result,
                    each,
                    customers: Numbers::from(Ranges::of(part.to_vec())),
                });
            }
        }
    }
    entries
}

/// The customers of each rank. Notes come in by the thousand and ranks are few: one pass each costs less than sorting.
fn by_rank(blocks: &[Block], ranks: &BTreeMap<Key<'_>, usize>) -> Vec<Vec<u64>> {
    let rank_of = |block: &Block| -> Vec<usize> {
        block.lanes.iter().map(|lane| ranks.get(&key(lane)).copied().unwrap_or_default()).collect()
    };
    let rank_of: Vec<Vec<usize>> = blocks.iter().map(rank_of).collect();
    let ranked = || {
        blocks.iter().zip(&rank_of).flat_map(|(block, rank_of)| {
            block.notes.iter().map(|note| {
                let lane = usize::try_from(note >> NUMBER_BITS).unwrap_or(usize::MAX);
                (rank_of.get(lane).copied().unwrap_or_default(), note & NUMBER)
            })
        })
    };
    let mut counts = vec![0; ranks.len()];
    for (rank, _) in ranked() {
        if let Some(count) = counts.get_mut(rank) {
            *count += 1;
        }
    }
    let mut numbers: Vec<Vec<u64>> = counts.into_iter().map(Vec::with_capacity).collect();
    for (rank, number) in ranked() {
        if let Some(numbers) = numbers.get_mut(rank) {
            numbers.push(number);
        }
    }
    numbers
}

/// Sorted customers by how often they occur, as ranges in order. The ways to occur are few.
fn by_times(numbers: &[u64]) -> Vec<(u64, Vec<RangeInclusive<u64>>)> {
    let mut by_times: Vec<(u64, Vec<RangeInclusive<u64>>)> = Vec::new();
    for same in numbers.chunk_by(|a, b| a == b) {
        let [number, ..] = *same else { continue };
        let times = same.len() as u64;
        match by_times.iter_mut().find(|(each, _)| *each == times) {
            None => by_times.push((times, vec![number..=number])),
            Some((_, ranges)) => match ranges.last_mut() {
                Some(last) if *last.end() + 1 == number => *last = *last.start()..=number,
                _ => ranges.push(number..=number),
            },
        }
    }
    by_times
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::customer::CustomerId;
    use crate::field::{FieldId, Purpose};
    use crate::personal::{Email, Name, PersonalData};

    const ORDERS: Purpose = Purpose::new("orders");
    const NEWS: Purpose = Purpose::new("newsletter");
    const NAMES: [FieldId; 4] = [
        FieldId { purpose: ORDERS, label: "email", tag: Email::TAG },
        FieldId { purpose: ORDERS, label: "name", tag: Name::TAG },
        FieldId { purpose: NEWS, label: "email", tag: Email::TAG },
        FieldId { purpose: NEWS, label: "name", tag: Email::TAG },
    ];
    const RESULTS: [OpeningResult; 3] = [OpeningResult::Opened, OpeningResult::Refused, OpeningResult::Failed];

    type One = (u64, String, String, &'static str, &'static str, OpeningResult, u64);

    proptest! {
        /// The multiset of openings that goes in is the one that comes out.
        #[test]
        fn nothing_is_lost_and_nothing_added(
            // Six scopes of which some have the same texts, over three batches of some blocks.
            openings in proptest::collection::vec(
                (0usize..6, 0usize..4, 0usize..3, 0u64..3, prop_oneof![1u64..12, Just((1 << 40) - 1), 1u64..(1 << 40)]),
                0..300),
            batches in 1usize..4,
        ) {
            let scopes: Vec<_> = (0..6).map(|scope| {
                let (who, why) = (format!("who {}", scope % 2), format!("why {}", scope % 3));
                let reasons = Reasons { who: who.parse().unwrap(), why: why.parse().unwrap() };
                Arc::new(reasons)
            }).collect();
            let (mut given, mut told): (BTreeMap<One, u64>, BTreeMap<One, u64>) = Default::default();
            let mut blocks: [Block; 3] = Default::default();
            for part in openings.chunks(openings.len().div_ceil(batches).max(1)) {
                blocks.iter_mut().for_each(Block::clear);
                for (at, &(scope, name, result, second, number)) in part.iter().enumerate() {
                    let (reasons, name, result) = (&scopes[scope], NAMES[name], RESULTS[result]);
                    blocks[at / 7 % 3].note(reasons, name, CustomerId::new(number).unwrap(), result, second);
                    let (who, why) = (reasons.who.to_string(), reasons.why.to_string());
                    *given.entry((second, who, why, name.purpose.name(), name.label, result, number)).or_default() += 1;
                }
                let mut keys = Vec::new();
                for entry in group(&blocks) {
                    let second = entry.at().to_unix_millis() / 1000;
                    let (who, why) = (entry.who().to_string(), entry.why().to_string());
                    for (first, last) in entry.customers().ranges() {
                        for number in first.get()..=last.get() {
                            let (who, why) = (who.clone(), why.clone());
                            let one = (second, who, why, entry.purpose(), entry.label(), entry.result(), number);
                            *told.entry(one).or_default() += entry.each();
                        }
                    }
                    keys.push((second, who, why, entry.purpose(), entry.label(), entry.result(), entry.each()));
                }
                let grouped = keys.len();
                keys.sort();
                keys.dedup();
                prop_assert_eq!(keys.len(), grouped, "what is alike is told as one");
            }
            prop_assert_eq!(given, told);
        }
    }

    #[test]
    fn neighbours_are_one_range_and_long_lists_are_split() {
        let reasons = Arc::new(Reasons { who: "a".parse().unwrap(), why: "b".parse().unwrap() });
        let mut block = Block::default();
        for number in (1..=1000).rev() {
            block.note(&reasons, NAMES[0], CustomerId::new(number).unwrap(), OpeningResult::Opened, 7);
        }
        let entries = group(std::slice::from_ref(&block));
        assert_eq!(entries.len(), 1);
        assert_eq!((entries[0].customers().ranges().count(), entries[0].count()), (1, 1000));

        block.clear();
        for number in 1..=4000 {
            block.note(&reasons, NAMES[0], CustomerId::new(number * 2).unwrap(), OpeningResult::Opened, 7);
        }
        let entries = group(std::slice::from_ref(&block));
        assert_eq!(entries.iter().map(|entry| entry.customers().ranges().count()).max(), Some(MOST_RANGES));
        assert_eq!(entries.iter().map(Openings::count).sum::<u64>(), 4000);
    }

    #[test]
    fn a_lane_is_used_again_and_ends_with_its_block() {
        let reasons = Arc::new(Reasons { who: "a".parse().unwrap(), why: "b".parse().unwrap() });
        let mut block = Block::default();
        for times in 0..40 {
            block.note(&reasons, NAMES[times % 4], CustomerId::MIN, OpeningResult::Opened, 7);
        }
        assert_eq!(block.lanes.len(), 4);
        block.clear();
        block.note(&reasons, NAMES[1], CustomerId::MIN, OpeningResult::Opened, 7);
        let entries = group(&[block]);
        assert_eq!((entries.len(), entries[0].label(), entries[0].each()), (1, "name", 1));
    }
}
