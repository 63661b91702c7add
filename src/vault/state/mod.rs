//! What one process knows of the vault, and until when: the snapshot, what is durable of it, the lease; and the keys derived from it.
//! It calls no other folder of the vault.

mod alarm;
pub(super) mod copy_selection;
mod fetched;
mod handles;
mod index_leaves;
mod install;
mod keyring;
mod known;
mod numbers;
mod pace;
pub(super) mod page_mark;
mod rollback_proof;
mod scope;
mod snapshot;
#[cfg(test)]
mod tests;
mod told;
mod unknown_trees;
mod witness_history;

pub(super) use alarm::{Alarm, Claim};
pub(super) use fetched::{Arrived, Fetched, PAGES_AT_ONCE, get_many};
pub(super) use handles::{Cipher, Customers, Handle, Handles};
pub use index_leaves::Epochs;
pub(super) use index_leaves::{IndexPlace, Leaves, mark, number};
pub(super) use install::READS_A_LEASE;
pub(super) use keyring::{Keyring, Opened, describe};
pub(super) use known::Known;
pub(super) use numbers::{Numbers, Reserved, Taken};
pub(super) use pace::Pace;
pub(super) use page_mark::MarkFound;
pub(super) use rollback_proof::RollbackProof;
pub(super) use scope::{NOT_LISTED, Places, Scope};
pub(super) use snapshot::{
    DropSignal, Held, LoadedIndexes, LoadedTree, NO_TREE, PagesError, SignalOnDrop, StoredPages, VaultState,
    shredded_in, tree_error,
};
pub(super) use unknown_trees::UnknownTrees;
pub(super) use witness_history::WitnessHistory;
