//! The threads: one commits, one reads the root record, one wipes when the lease runs out. They know nothing of what they do: [`Work`] says that.
//! Beside them, each place is read on a thread of its own (`commit::PlaceReads`).

mod commits;
mod once;
pub(super) mod oneshot;
mod reads;
#[cfg(test)]
mod tests;
mod watchdog;
mod worker;

use std::sync::Arc;
use std::time::Duration;

pub(super) use once::Once;
pub(super) use worker::Worker;

use self::watchdog::Watchdog;
use crate::error::KeyStoreError;

/// What the threads do, and for whom.
pub(crate) trait Work: Send + Sync + Sized + 'static {
    /// A wish of one caller's. Those that wait together are carried out together.
    type Shred: Send;

    fn workers(&self) -> &Workers<Self>;

    /// `more` gives those that came since: for whoever has to wait before it begins.
    fn shred_together(self: &Arc<Self>, shreds: Vec<Self::Shred>, more: &mut dyn FnMut() -> Vec<Self::Shred>);

    /// Every hour.
    fn sweep(self: &Arc<Self>);

    /// Several times a lease.
    fn read(self: &Arc<Self>);

    /// When the store told of a change, and no read is due.
    fn read_told(self: &Arc<Self>);

    /// From the beginning of one read to that of the next; `None` if nothing is held yet.
    fn between_reads(&self) -> Option<Duration>;

    /// Wipes what the lease covers if it ran out. How long it still ran; `None` if nothing was held. It waits for no store.
    fn wipe_if_lapsed(&self) -> Option<Duration>;

    /// After each piece of work of the thread that commits, once whoever asked for it was answered.
    fn after_work(self: &Arc<Self>) {}

    /// Nothing is left to do.
    fn end(&self);
}

/// The threads of one process. Without any (in tests), work is done where it is asked for.
pub(crate) struct Workers<P: Work> {
    /// Commits.
    pub(crate) commits: Worker<P>,
    /// Reads of the root record: by another thread than that which commits, so that they need not wait for a commit that waits for another
    /// process, or copies pages.
    pub(crate) reads: Worker<P>,
    watchdog: Watchdog,
    /// The store told of a change, and a read is about to begin.
    pub(crate) will_read: Once,
    /// A repair is about to begin.
    pub(crate) will_repair: Once,
    /// The record is about to be marked.
    pub(crate) is_marking: Once,
    /// Pages are being read on a thread of their own.
    pub(crate) is_loading: Once,
    /// The same, for what the committing thread is about to install.
    pub(crate) is_loading_for_commit: Once,
}

impl<P: Work> Workers<P> {
    pub(crate) fn new() -> Workers<P> {
        Workers {
            commits: Worker::new(),
            reads: Worker::new(),
            watchdog: Watchdog::new(),
            will_read: Once::default(),
            will_repair: Once::default(),
            is_marking: Once::default(),
            is_loading: Once::default(),
            is_loading_for_commit: Once::default(),
        }
    }

    /// Starts the threads. They keep the process alive until they are told to stop, and then do first what was asked
    /// for before.
    pub(crate) fn start(process: &Arc<P>) -> Result<(), KeyStoreError> {
        let workers = process.workers();
        workers.commits.start(process, "oubliette-commits", commits::serve)?;
        workers.reads.start(process, "oubliette-reads", reads::serve)?;
        workers.watchdog.start(process)
    }

    /// No more work is taken. What was asked for before is still done; then the process ends, and the receiver is told.
    pub(crate) fn close(&self, process: &P) -> oneshot::Receiver<()> {
        drop(self.reads.close(process));
        self.watchdog.stop();
        self.commits.close(process)
    }
}
