//! What one process has of a vault. A forked child starts over with one of its own.

mod ahead;
mod commit;
mod commits;
mod findings;
mod journal;
mod readiness;
mod refresh;
mod shred;
mod shred_entries;
mod take_over;
mod upkeep;
mod work;

pub use commit::Commit;
pub(super) use shred::{ShredRequest, Target, Written};
pub use shred::{ShredTarget, Shredded};

use std::sync::{Arc, OnceLock, TryLockError};
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::error::KeyStoreError;
use crate::field::Purpose;
use crate::journal::VaultName;
use crate::key_tree::Resident;
use crate::store::PageStore;
use crate::sync::{Mutex, MutexGuard};
use crate::vault::commit::{Commits, Engine, Stores};
use crate::vault::journal::{JournalChoice, JournalWriter};
use crate::vault::state::{Fetched, Known, Scope};
use crate::vault::workers::{Workers, oneshot};

/// What stays the same however often a process forks.
pub(crate) struct Settings {
    pub(crate) vault: VaultName,
    pub(crate) purposes: Vec<Purpose>,
    pub(crate) most_tree_memory: usize,
    /// How long a commit waits for another process's.
    pub(crate) lock_wait: Duration,
    /// How long a shred waits for readers of the old snapshot, and a call for one re-read.
    pub(crate) patience: Duration,
    /// Superseded pages are kept this long.
    pub(crate) keep_superseded: Duration,
    pub(crate) clock: Clock,
    /// Threads of the vault's own; without them (in tests) commits and re-reads run where they are asked for.
    pub(crate) threaded: bool,
    pub(crate) journal: JournalChoice,
    /// It is a copy of a vault that is in use elsewhere.
    pub(crate) is_copy: bool,
    /// It only looks: nothing is written.
    pub(crate) read_only: bool,
    /// Opens the stores anew in a forked child, where a lock may be held for ever.
    pub(crate) reopen: Box<dyn Fn() -> Result<Stores, KeyStoreError> + Send + Sync>,
}

pub(crate) struct Process {
    /// The process of a forked child, in that child's memory only.
    child: OnceLock<Arc<Process>>,
    /// Held while a forked child builds it.
    building: Mutex<()>,
    pub(crate) settings: Arc<Settings>,
    /// The snapshot, the lease, and what was derived from them.
    pub(crate) known: Arc<Known>,
    /// Whose turn it is to commit, and what came of commits so far.
    pub(crate) commits: Commits,
    /// A forked child opens it anew.
    pub(crate) journal: JournalWriter,
    /// The threads.
    pub(crate) workers: Workers<Process>,
}

impl Process {
    pub(crate) fn new(settings: Arc<Settings>, engine: Engine, scope: Scope) -> Result<Arc<Process>, KeyStoreError> {
        let scope = Scope { vault: Some(settings.vault), ..scope };
        let process = Arc::new(Process {
            child: OnceLock::new(),
            building: Mutex::new(()),
            known: Known::nothing(settings.clock.clone(), scope, engine.stores.clone()),
            commits: Commits::new(engine),
            journal: JournalWriter::of(settings.vault, &settings.journal, settings.is_copy || settings.read_only),
            workers: Workers::new(),
            settings,
        });
        if process.settings.threaded {
            Workers::start(&process).inspect_err(|_| drop(process.leave()))?;
            process.watch();
        }
        Ok(process)
    }

    /// This process's own state: in a forked child, one that is built on first use.
    #[inline]
    pub(crate) fn current(self: &Arc<Process>) -> Result<&Arc<Process>, KeyStoreError> {
        if self.is_of_this_process() { Ok(self) } else { self.in_child()?.current() }
    }

    #[cold]
    fn in_child(self: &Arc<Process>) -> Result<&Arc<Process>, KeyStoreError> {
        if let Some(process) = self.child.get() {
            return process.current();
        }
        if self.known.is_closed() {
            return Err(KeyStoreError::Closed);
        }
        let _building = self.lock_to_build()?;
        if let Some(process) = self.child.get() {
            return process.current();
        }
        // No lock of the parent's may be waited for: the thread that holds it does not exist here.
        let keyring = self.commits.copy_keyring().ok_or(KeyStoreError::Forked)?;
        self.known.drop_inherited();
        let Settings { lock_wait, is_copy, read_only, .. } = *self.settings;
        let resident = Resident::at_most(self.settings.most_tree_memory);
        let stores = (self.settings.reopen)()?;
        let engine = Engine { stores, keyring: Mutex::new(keyring), resident, lock_wait, is_copy, read_only };
        let process = Process::new(self.settings.clone(), engine, Scope::default())?;
        // A failure is not kept: the next call tries again.
        process.refresh().inspect_err(|_| drop(process.leave()))?;
        process.known.told.is_open();
        self.child.get_or_init(|| process).current()
    }

    /// Waited for a bounded time, since this child may itself have been forked while a thread was building.
    fn lock_to_build(&self) -> Result<MutexGuard<'_, ()>, KeyStoreError> {
        let deadline = Instant::now() + self.settings.patience;
        loop {
            match self.building.try_lock() {
                Ok(guard) => return Ok(guard),
                Err(TryLockError::Poisoned(guard)) => return Ok(guard.into_inner()),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => return Err(KeyStoreError::Forked),
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// This process's own state, if there is any yet.
    pub(crate) fn existing(self: &Arc<Process>) -> Option<&Arc<Process>> {
        if self.is_of_this_process() { Some(self) } else { self.child.get()?.existing() }
    }

    /// Takes no more work, and wipes all keys but the root key, which what was asked for before still needs; it goes last.
    /// No I/O.
    pub(crate) fn leave(self: &Arc<Process>) -> oneshot::Receiver<()> {
        self.known.close();
        let ended = self.workers.close(self);
        self.known.revoke(KeyStoreError::Closed);
        ended
    }

    /// The same, and waits for what was asked for before.
    pub(crate) fn close(self: &Arc<Process>) {
        self.known.close();
        let reads = self.workers.reads.close(self);
        let _ = self.leave().wait();
        // It may be in a call of a token's module, which crashes if the program ends under it. A store that hangs is not waited for.
        let _ = reads.wait_at_most(self.settings.patience);
    }

    /// Keeps what a forked child inherited from ever being dropped: that would take locks of its parent's.
    pub(crate) fn leak_in_child(self: &Arc<Process>) {
        if !self.is_of_this_process() {
            std::mem::forget(self.clone());
        }
    }

    pub(super) fn stores(&self) -> &Stores {
        self.commits.stores()
    }

    /// The page store itself, for whoever holds nothing.
    pub(crate) fn page_store(&self) -> &dyn PageStore {
        &*self.commits.stores().pages
    }

    /// Does what needs pages, which are fetched while nothing is held ([`Fetched::with`]). Without the engine's lock: a reader must not wait
    /// for a commit.
    #[inline]
    pub(crate) fn with_pages<T>(&self, work: impl FnMut(&Fetched<'_>) -> T) -> T {
        Fetched::with(&*self.commits.stores().pages, work)
    }

    #[inline]
    pub(crate) fn is_of_this_process(&self) -> bool {
        self.known.is_of_this_process()
    }
}
