//! What is done to values, customers, purposes and indexes: what each call needs of the state, and the plan of its commit.

mod copies;
mod enroll;
mod finish;
mod indexes;
mod journal;
mod load_pages;
mod new_keys;
mod open;
mod places;
mod purposes;
mod replay_set;
mod seal;
mod series;

use std::ops::Deref;
use std::sync::Arc;

pub use load_pages::LoadedPages;
pub(super) use new_keys::of_root_key;
pub(super) use replay_set::{ReplaySet, forgotten};

use crate::vault::process::Process;

/// What can be asked of a process. It sees the process that it is done in, and adds nothing to it.
#[derive(Clone, Copy)]
pub(super) struct Operations<'p>(&'p Arc<Process>);

impl<'p> Operations<'p> {
    #[inline]
    pub(super) fn on(process: &'p Arc<Process>) -> Operations<'p> {
        Operations(process)
    }
}

impl Deref for Operations<'_> {
    type Target = Arc<Process>;

    #[inline]
    fn deref(&self) -> &Arc<Process> {
        self.0
    }
}
