//! What one process knows of the vault, and until when: the snapshot, what is durable of it, the lease; and the keys derived from it.

mod alarm;
pub(super) mod copy_selection;
mod fetched;
mod handles;
mod keyring;
pub(super) mod page_mark;
mod readiness;
mod refresh;
mod rollback_proof;
mod snapshot;
mod witness_history;

pub(super) use alarm::Alarm;
pub(super) use fetched::Fetched;
pub(super) use handles::{Cipher, Handle, Handles};
pub(super) use keyring::{Keyring, Opened, describe};
pub(super) use page_mark::MarkFound;
pub(super) use readiness::Readiness;
pub(super) use rollback_proof::RollbackProof;
pub(super) use snapshot::{
    DropSignal, LoadedIndexes, LoadedTree, PagesError, StoredPages, VaultState, shredded_in, tree_error,
};
pub(super) use witness_history::WitnessHistory;
