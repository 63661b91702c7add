//! Versions of the root key in a token: which key a root record is under, and until when that was there; as the journal tells it.

use jiff::{SignedDuration, Timestamp};
use oubliette::journal::{RootKeyVersion, SeriesName, VersionId};

use super::history::Moment;
use crate::times::timestamp;

/// What the clocks of two machines may differ.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(5);

/// Between two times, and somewhat longer.
type When = (Timestamp, Timestamp);

#[derive(Clone, Debug, Default)]
pub(super) struct Versions {
    /// In the order in which they were told.
    all: Vec<Version>,
    copies: Vec<Copied>,
}

/// One version of a root key.
#[derive(Clone, Debug)]
pub(super) struct Version {
    series: SeriesName,
    pub(super) number: u64,
    id: VersionId,
    /// The generation of the first root record under it.
    pub(super) since: u64,
    begun: Timestamp,
    /// The highest number that records up to the next version that was told may be under: one that was never told may lie between.
    last: u64,
    /// Until when it is kept, as was said last.
    pub(super) kept: Option<Timestamp>,
    /// When somebody said that it is gone.
    pub(super) gone: Option<Moment>,
    /// Another one came after it.
    pub(super) is_superseded: bool,
}

/// A copy of the vault under a key of its own.
#[derive(Clone, Debug)]
pub(super) struct Copied {
    series: SeriesName,
    made: Moment,
    pub(super) gone: Option<Moment>,
}

impl Versions {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty() && self.copies.is_empty()
    }

    /// What an entry says.
    pub(super) fn told(&mut self, told: &RootKeyVersion, moment: Moment) {
        let is_known = self
            .all
            .last()
            .is_some_and(|last| (last.series, last.number, last.id) == (told.series, told.number, told.id));
        if !is_known {
            if let Some(before) = self.all.last_mut() {
                before.is_superseded = true;
                if before.series == told.series {
                    before.last = before.last.max(told.number.saturating_sub(1));
                }
            }
            self.all.push(Version {
                series: told.series,
                number: told.number,
                id: told.id,
                since: told.generation,
                begun: timestamp(told.begun),
                last: told.number,
                kept: None,
                gone: None,
                is_superseded: false,
            });
        }
        let left = |version: &&mut Version| {
            version.series == told.series && version.number < told.number && version.gone.is_none()
        };
        for version in self.all.iter_mut().filter(left) {
            match told.kept {
                // Whatever its records may be under must be gone.
                Some(kept) if kept.from <= version.last => {
                    // As of the first entry that says so it was the last of those kept, whose time that is.
                    version.kept.get_or_insert(timestamp(kept.until));
                }
                _ => version.gone = Some(moment),
            }
        }
    }

    pub(super) fn copied(&mut self, series: SeriesName, made: Moment) {
        self.copies.push(Copied { series, made, gone: None });
    }

    pub(super) fn forgotten(&mut self, series: SeriesName, moment: Moment) {
        for version in self.all.iter_mut().filter(|version| version.series == series) {
            version.gone.get_or_insert(moment);
        }
        for copy in self.copies.iter_mut().filter(|copy| copy.series == series) {
            copy.gone.get_or_insert(moment);
        }
    }

    /// The last one that began no later.
    pub(super) fn of(&self, generation: u64) -> Option<&Version> {
        self.all.iter().filter(|version| version.since <= generation).max_by_key(|version| version.since)
    }

    pub(super) fn numbered(&self, number: u64) -> impl Iterator<Item = &Version> {
        // One that was not told counts with the one before it.
        self.all.iter().filter(move |version| (version.number..=version.last).contains(&number))
    }

    pub(super) fn copies_of(&self, generation: u64) -> impl Iterator<Item = &Copied> {
        self.copies.iter().filter(move |copy| copy.made.generation == generation)
    }
}

impl Version {
    /// Whether its key was in the token at some time between these.
    pub(super) fn was_there(&self, when: When) -> bool {
        was_there(self.begun, self.gone, when)
    }
}

impl Copied {
    pub(super) fn was_there(&self, when: When) -> bool {
        was_there(self.made.at, self.gone, when)
    }
}

fn was_there(begun: Timestamp, gone: Option<Moment>, (from, until): When) -> bool {
    let began = begun <= until.saturating_add(CLOCKS_DIFFER).unwrap_or(Timestamp::MAX);
    let earliest = from.saturating_sub(CLOCKS_DIFFER).unwrap_or(Timestamp::MIN);
    began && gone.is_none_or(|gone| gone.at > earliest)
}

#[cfg(test)]
mod tests {
    use oubliette::journal::{Began, KeptVersions, Time};

    use super::*;

    fn moment(generation: u64) -> Moment {
        Moment {
            generation,
            at: Timestamp::UNIX_EPOCH + SignedDuration::from_hours(i64::try_from(generation).unwrap()),
        }
    }

    fn told(number: u64, generation: u64, kept_from: Option<u64>) -> RootKeyVersion {
        RootKeyVersion {
            series: SeriesName::from_bytes([1; 16]),
            number,
            id: VersionId::from_bytes([u8::try_from(number).unwrap(); 16]),
            generation,
            began: Began::Forgot,
            begun: Time::from_unix_millis(generation * 3_600_000),
            kept: kept_from.map(|from| KeptVersions { from, until: Time::from_unix_millis(90 * 3_600_000) }),
        }
    }

    /// Version 2 began at generation 20, and whoever began it was killed before it said so: records from there on look as if they were under
    /// version 1. They count as gone only once version 2 is gone.
    #[test]
    fn a_version_that_was_never_told_counts_with_the_one_before() {
        let mut versions = Versions::default();
        versions.told(&told(1, 1, None), moment(1));
        versions.told(&told(3, 30, Some(2)), moment(30));
        let of = |versions: &Versions, generation| versions.of(generation).unwrap().clone();
        assert_eq!((of(&versions, 25).number, of(&versions, 25).gone), (1, None), "version 2 is there still");
        assert_eq!(versions.numbered(2).count(), 1);
        versions.told(&told(3, 30, None), moment(33));
        assert_eq!(of(&versions, 25).gone, Some(moment(33)));
        assert_eq!((of(&versions, 30).number, of(&versions, 30).gone, of(&versions, 99).number), (3, None, 3));
    }

    /// Five minutes to either side, and no more.
    #[test]
    fn a_key_is_there_until_somebody_says_that_it_is_gone() {
        let mut versions = Versions::default();
        versions.told(&told(1, 10, None), moment(10));
        versions.told(&told(2, 20, None), moment(20));
        let at = |hours: i64, minutes: i64| {
            let time = Timestamp::UNIX_EPOCH + SignedDuration::from_mins(hours * 60 + minutes);
            versions.of(15).unwrap().was_there((time, time))
        };
        assert!(!at(9, 54) && at(9, 56) && at(15, 0) && at(20, 4) && !at(20, 5));
    }
}
