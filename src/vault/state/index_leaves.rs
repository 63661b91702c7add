//! The keys of indexes, and the epochs that they come in.
//!
//! An index is a node at level 4 of the tree of the indexes. Its children 0 to 127 are the keys of its epochs: retiring
//! an epoch shreds its key. Its children 128 to 255 are marks, whose keys are never used: beginning epoch e shreds child
//! 128 + e, so that what has begun is as durable, and as well known to every process, as what was shredded. The key of a
//! new epoch is then replaced by one that follows from nothing: whoever copied the root record before has not got it.

use crate::derivation;
use crate::error::KeyStoreError;
use crate::index::{Epoch, IndexName};
use crate::key_tree::{Found, Pages, Tree, Walker};
use crate::secret::Secret32;
use crate::vault::state::{PagesError, VaultState, tree_error};

/// The epochs of an index. From [`Vault::epochs`](crate::Vault::epochs).
///
/// ```
/// # use oubliette::{Field, Index, Purpose, Vault, bits, personal::Email};
/// # const ORDERS: Purpose = Purpose::new("orders");
/// # const EMAIL: Field<Email> = ORDERS.field("email");
/// # const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(32));
/// # let vault = Vault::in_memory([ORDERS]);
/// let before = vault.epochs(BY_EMAIL)?;
/// vault.begin_epoch(BY_EMAIL)?;
/// let during = vault.epochs(BY_EMAIL)?;
/// assert_eq!(during.live, [during.current, before.current]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Epochs {
    /// The epoch that new tokens are made in.
    pub current: Epoch,
    /// The epochs to query by: the current one first, then older ones that are not retired.
    pub live: Vec<Epoch>,
}

/// The node of an index: [`derivation::place_of_index`].
pub(crate) type IndexPlace = [u8; 4];

/// One index in one snapshot of its tree.
pub(crate) struct Leaves<'a, P> {
    tree: &'a Tree,
    pages: &'a P,
    pub(crate) walker: Walker<'a>,
    place: IndexPlace,
}

impl<'a, P: Pages<Error = PagesError>> Leaves<'a, P> {
    pub(crate) fn of(tree: &'a Tree, pages: &'a P, place: IndexPlace) -> Leaves<'a, P> {
        Leaves { tree, pages, walker: Walker::for_indexes(), place }
    }

    fn find(&mut self, child: u8) -> Result<Found, KeyStoreError> {
        let [a, b, c, d] = self.place;
        self.walker.walk(self.tree, [a, b, c, d, child], self.pages).map_err(tree_error)
    }

    pub(crate) fn current(&mut self) -> Result<Epoch, KeyStoreError> {
        let mut current = Epoch::FIRST;
        while let Some(next) = Epoch::new(current.number() + 1) {
            if self.find(mark(next))? != Found::Shredded {
                break;
            }
            current = next;
        }
        Ok(current)
    }

    /// The epoch to make tokens in when `durable` is the newest generation that is known to be so: the key of a later one could be
    /// lost. `None`: that cannot be told.
    pub(crate) fn find_writable(&mut self, state: &VaultState, durable: u64) -> Result<Option<Epoch>, KeyStoreError> {
        let is_made = state.indexes.as_ref().is_some_and(|indexes| indexes.made <= durable);
        // Nothing of a recovery counts before it is durable.
        if state.facts.floor > durable || !is_made {
            return Ok(None);
        }
        let current = self.current()?;
        // The page that says what has begun is written anew when an epoch begins, and when one is retired.
        if current == Epoch::FIRST || self.walker.written() <= durable {
            return Ok(Some(current));
        }
        let before = current.number().checked_sub(1).and_then(Epoch::new);
        match before {
            Some(before) if self.find(before.number())? == Found::Key => Ok(Some(before)),
            // Retired since, by a commit that made durable first what it was based on, the beginning of `current` included.
            _ => Ok(Some(current)),
        }
    }

    /// The key of an epoch, unless it is retired. On the stack of the caller, within [`with_clean_stack`].
    pub(crate) fn key(&mut self, epoch: Epoch, name: IndexName) -> Result<Option<Secret32>, KeyStoreError> {
        if self.find(epoch.number())? == Found::Shredded {
            return Ok(None);
        }
        let mut key = Secret32::empty();
        derivation::index(self.walker.customer_key(), name, key.bytes_mut());
        Ok(Some(key))
    }

    pub(crate) fn live(&mut self) -> Result<Epochs, KeyStoreError> {
        let current = self.current()?;
        let mut live = Vec::new();
        for number in (0..=current.number()).rev() {
            if self.find(number)? == Found::Key {
                live.extend(Epoch::new(number));
            }
        }
        Ok(Epochs { current, live })
    }
}

/// The child that says that an epoch has begun.
pub(crate) fn mark(epoch: Epoch) -> u8 {
    Epoch::COUNT | epoch.number()
}

/// A child of an index's node, as the number that a shred takes.
pub(crate) fn number(place: IndexPlace, child: u8) -> u64 {
    let [a, b, c, d] = place;
    u64::from_be_bytes([0, 0, 0, a, b, c, d, child])
}
