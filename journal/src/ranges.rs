//! Sets of integers, as sorted disjoint ranges.

use std::ops::RangeInclusive;

/// A set of integers, as sorted ranges with gaps between them. Key trees are shredded by such ranges; here 0 counts as
/// a number.
///
/// An entry lists [`Numbers`](super::Numbers): ranges within the bounds of customer numbers.
///
/// ```
/// use oubliette_journal::Ranges;
///
/// let ranges = Ranges::of(vec![7..=9, 0..=2, 3..=4]);
/// assert_eq!(ranges.as_slice(), [0..=4, 7..=9]);
/// assert_eq!(ranges.and(&Ranges::of_numbers([4, 8, 11])), Ranges::of_numbers([4, 8]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(Vec<RangeInclusive<u64>>);

impl Ranges {
    /// These integers, in any order.
    pub fn of_numbers(numbers: impl IntoIterator<Item = u64>) -> Ranges {
        Ranges::of(numbers.into_iter().map(|number| number..=number).collect())
    }

    /// These ranges, in any order. They may overlap, and empty ones are dropped.
    #[must_use]
    pub fn of(mut given: Vec<RangeInclusive<u64>>) -> Ranges {
        given.retain(|range| !range.is_empty());
        given.sort_unstable_by_key(|range| *range.start());
        let mut joined: Vec<RangeInclusive<u64>> = Vec::with_capacity(given.len());
        for range in given {
            match joined.last_mut() {
                Some(last) if *range.start() <= last.end().saturating_add(1) => {
                    *last = *last.start()..=*last.end().max(range.end());
                }
                _ => joined.push(range),
            }
        }
        Ranges(joined)
    }

    /// The ranges, in order; between two of them at least one integer is missing.
    #[must_use]
    pub fn as_slice(&self) -> &[RangeInclusive<u64>] {
        &self.0
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The integers in both.
    #[must_use]
    pub fn and(&self, other: &Ranges) -> Ranges {
        let (mut left, mut right) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut both = Vec::new();
        while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
            let shared = *a.start().max(b.start())..=*a.end().min(b.end());
            let advance_left = a.end() <= b.end();
            if !shared.is_empty() {
                both.push(shared);
            }
            if advance_left {
                left.next()
            } else {
                right.next()
            };
        }
        Ranges::of(both)
    }

    /// The integers in either.
    #[must_use]
    pub fn or(&self, other: &Ranges) -> Ranges {
        Ranges::of(self.0.iter().chain(&other.0).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn numbers(ranges: &Ranges) -> BTreeSet<u64> {
        ranges.0.iter().cloned().flatten().collect()
    }

    proptest! {
        #[test]
        fn behave_as_sets(a in proptest::collection::vec((0u64..40, 0u64..6), 0..8),
                          b in proptest::collection::vec((0u64..40, 0u64..6), 0..8)) {
            let make = |v: Vec<(u64, u64)>| Ranges::of(v.into_iter().map(|(s, n)| s..=s + n).collect());
            let (a, b) = (make(a), make(b));
            let (sa, sb) = (numbers(&a), numbers(&b));
            prop_assert_eq!(numbers(&a.and(&b)), sa.intersection(&sb).copied().collect());
            prop_assert_eq!(numbers(&a.or(&b)), sa.union(&sb).copied().collect());
            prop_assert_eq!(Ranges::of_numbers(sa.iter().copied()), a.clone());
            prop_assert_eq!(a.is_empty(), sa.is_empty());
        }
    }
}
