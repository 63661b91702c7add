//! The places that hold the record, as a process knows them.

use crate::journal::VaultName;
use crate::store::PlaceId;

/// What is wrong with a place that a record does not list.
pub(crate) const NOT_LISTED: &str = "not one of this vault's places";

/// Which places are read and written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    /// As the newest record lists them that this process knows; the first one decides. Empty before one was read: then it is those that the
    /// store has open. Places that this record does not list prove nothing.
    pub(crate) list: Vec<PlaceId>,
    /// Places that an operator says are lost, while a mirror is promoted: they need not be there.
    pub(crate) lost: Vec<PlaceId>,
    /// Places that were open or listed once and are not listed now: for `status`.
    pub(crate) unlisted: Vec<PlaceId>,
    /// The vault, once it is known. A record of another one is none of this.
    pub(crate) vault: Option<VaultName>,
}

impl Scope {
    /// The newest record lists these places; `open` are those that the store has open.
    pub(crate) fn follow(&mut self, list: &[PlaceId], open: &[PlaceId]) {
        let known: Vec<PlaceId> = self.unlisted.iter().chain(&self.list).chain(open).copied().collect();
        self.unlisted.clear();
        for place in known {
            if !list.contains(&place) && !self.unlisted.contains(&place) {
                self.unlisted.push(place);
            }
        }
        self.list = list.to_vec();
    }

    /// The place that decides in a record with this list.
    pub(crate) fn first(&self, list: &[PlaceId]) -> Option<PlaceId> {
        list.iter().find(|place| !self.lost.contains(place)).copied()
    }
}

/// What reads and writes the places.
pub(crate) trait Places: Send + Sync {
    /// Those that it has open.
    fn open(&self) -> Vec<PlaceId>;

    /// A newer record lists these. Without I/O.
    fn follow(&self, list: &[PlaceId]);
}
