//! Sets of customer numbers, cut to a part of the tree.

use std::ops::RangeInclusive;

/// The part of sorted ranges that lies within one, each cut to fit.
pub(super) fn within(sorted: &[RangeInclusive<u64>], bounds: &RangeInclusive<u64>) -> Vec<RangeInclusive<u64>> {
    let from = sorted.partition_point(|range| range.end() < bounds.start());
    let reaching = sorted.iter().skip(from).take_while(|range| range.start() <= bounds.end());
    reaching.map(|range| *range.start().max(bounds.start())..=*range.end().min(bounds.end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Ranges;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn what_lies_within_is_kept(ranges in proptest::collection::vec((0u64..40, 0u64..6), 0..8)) {
            let ranges = Ranges::of(ranges.into_iter().map(|(s, n)| s..=s + n).collect());
            let cut: BTreeSet<u64> = within(ranges.as_slice(), &(10..=20)).into_iter().flatten().collect();
            let all = ranges.as_slice().iter().cloned().flatten();
            prop_assert_eq!(cut, all.filter(|n| (10..=20).contains(n)).collect());
        }
    }
}
