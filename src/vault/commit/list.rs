//! Commits that change the list of places.

use crate::error::KeyStoreError;
use crate::store::PlaceId;
use crate::vault::state::NOT_LISTED;

/// How a commit changes the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListChange {
    /// A new place comes last.
    Attach(PlaceId),
    /// A place is given up, and need not be there. Not the first one.
    Detach(PlaceId),
    /// The first place gives way to another one. Both are there.
    HandOver(PlaceId),
    /// The first place cannot be reached: another one takes over, and those that are lost are given up.
    Promote(PlaceId, Vec<PlaceId>),
}

impl ListChange {
    /// The list after it.
    pub(crate) fn apply(&self, list: &[PlaceId]) -> Result<Vec<PlaceId>, KeyStoreError> {
        let listed = |place: PlaceId| match list.contains(&place) {
            true => Ok(place),
            false => Err(KeyStoreError::PlaceMissing { place, problem: NOT_LISTED }),
        };
        match self {
            ListChange::Attach(place) => Ok(without(list, &[*place]).chain([*place]).collect()),
            ListChange::Detach(place) if list.first() == Some(place) => {
                Err(KeyStoreError::FirstPlace { place: *place })
            }
            ListChange::Detach(place) => Ok(without(list, &[listed(*place)?]).collect()),
            ListChange::HandOver(place) => {
                Ok(std::iter::once(listed(*place)?).chain(without(list, &[*place])).collect())
            }
            ListChange::Promote(place, lost) => {
                let gone: Vec<PlaceId> = lost.iter().chain([place]).copied().collect();
                Ok(std::iter::once(listed(*place)?).chain(without(list, &gone)).collect())
            }
        }
    }

    /// The places that the commit writes: those of the list before and of the one after, but for what is given up.
    pub(crate) fn written(&self, list: &[PlaceId]) -> Vec<PlaceId> {
        let given_up: &[PlaceId] = match self {
            ListChange::Attach(_) | ListChange::HandOver(_) => &[],
            ListChange::Detach(place) => std::slice::from_ref(place),
            ListChange::Promote(_, lost) => lost,
        };
        let attached = match self {
            ListChange::Attach(place) => Some(*place).filter(|place| !list.contains(place)),
            _ => None,
        };
        list.iter().filter(|place| !given_up.contains(place)).copied().chain(attached).collect()
    }
}

fn without<'l>(list: &'l [PlaceId], gone: &'l [PlaceId]) -> impl Iterator<Item = PlaceId> + 'l {
    list.iter().filter(|place| !gone.contains(place)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: PlaceId = PlaceId([1; 8]);
    const M: PlaceId = PlaceId([2; 8]);
    const N: PlaceId = PlaceId([3; 8]);

    #[test]
    fn each_change_says_what_follows_and_what_is_written() {
        let [attach, detach, over] = [ListChange::Attach(N), ListChange::Detach(M), ListChange::HandOver(M)];
        assert_eq!((attach.apply(&[P, M]).unwrap(), attach.written(&[P, M])), (vec![P, M, N], vec![P, M, N]));
        assert_eq!((attach.apply(&[P, N, M]).unwrap(), attach.written(&[P, N, M])), (vec![P, M, N], vec![P, N, M]));
        assert_eq!((detach.apply(&[P, M]).unwrap(), detach.written(&[P, M])), (vec![P], vec![P]));
        assert_eq!((over.apply(&[P, N, M]).unwrap(), over.written(&[P, N, M])), (vec![M, P, N], vec![P, N, M]));
        let promote = ListChange::Promote(M, vec![P]);
        assert_eq!((promote.apply(&[P, N, M]).unwrap(), promote.written(&[P, N, M])), (vec![M, N], vec![N, M]));
    }

    #[test]
    fn the_first_place_is_not_detached_and_only_listed_ones_are() {
        assert!(matches!(ListChange::Detach(P).apply(&[P, M]), Err(KeyStoreError::FirstPlace { place }) if place == P));
        for change in [ListChange::Detach(N), ListChange::HandOver(N), ListChange::Promote(N, vec![P])] {
            assert!(matches!(change.apply(&[P, M]), Err(KeyStoreError::PlaceMissing { place, .. }) if place == N));
        }
    }
}
