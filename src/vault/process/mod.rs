//! What one process has of a vault. A forked child starts over with one of its own.

mod commits;
mod evidence;
mod readiness;
mod refresh;
mod work;

use std::sync::{Arc, OnceLock, TryLockError};
use std::time::{Duration, Instant};

use crate::clock::{Clock, Moment};
use crate::error::KeyStoreError;
use crate::field::Purpose;
use crate::journal::VaultName;
use crate::key_tree::Resident;
use crate::store::PageStore;
use crate::sync::{Mutex, MutexGuard};
use crate::vault::commit::{Engine, Readiness, Stores};
use crate::vault::journal::{JournalChoice, JournalWriter};
use crate::vault::state::{Fetched, Keyring, Known, Pace, Scope};
use crate::vault::workers::{Workers, oneshot};

/// What stays the same however often a process forks.
pub(crate) struct Settings {
    pub(crate) vault: VaultName,
    pub(crate) purposes: Vec<Purpose>,
    pub(crate) most_resident_pages: usize,
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
    /// `None` of a vault without one. A forked child opens it anew.
    pub(crate) journal: Option<JournalWriter>,
    stores: Stores,
    pub(crate) engine: Mutex<Engine>,
    /// Shared with the engine; held while a record is chosen, not while a commit waits.
    pub(crate) keyring: Arc<Mutex<Keyring>>,
    pub(crate) resident: Arc<Resident>,
    /// The threads.
    pub(crate) workers: Workers<Process>,
    /// Since when some copy of the record is seen to be older.
    pub(super) lagging_since: Mutex<Option<Moment>>,
    /// How long to wait before it is repaired once more.
    pub(super) repair_pause: Mutex<Duration>,
    /// Whether a shred could succeed.
    pub(crate) readiness: Readiness,
    /// Commits that something which was not durable caused.
    pub(super) settled: Pace,
}

impl Process {
    pub(crate) fn new(
        settings: Arc<Settings>,
        stores: Stores,
        keyring: Keyring,
        scope: Scope,
    ) -> Result<Arc<Process>, KeyStoreError> {
        let resident = Resident::at_most(settings.most_resident_pages);
        let keyring = Arc::new(Mutex::new(keyring));
        let scope = Scope { vault: Some(settings.vault), ..scope };
        let engine = Engine {
            stores: stores.clone(),
            keyring: keyring.clone(),
            resident: resident.clone(),
            lock_wait: settings.lock_wait,
            scope: scope.clone(),
            change: None,
            expects: false,
            is_copy: settings.is_copy,
            known: None,
            vouched: None,
        };
        let threaded = settings.threaded;
        let process = Arc::new(Process {
            child: OnceLock::new(),
            building: Mutex::new(()),
            known: Known::nothing(settings.clock.clone(), scope, stores.clone()),
            journal: JournalWriter::of(&settings.journal),
            settings,
            stores,
            engine: Mutex::new(engine),
            resident,
            workers: Workers::new(),
            keyring,
            lagging_since: Mutex::new(None),
            repair_pause: Mutex::new(Duration::ZERO),
            readiness: Readiness::default(),
            settled: Pace::default(),
        });
        if threaded {
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
        let keyring = match self.keyring.try_lock() {
            Ok(keyring) => keyring.copy(),
            Err(TryLockError::Poisoned(keyring)) => keyring.into_inner().copy(),
            Err(TryLockError::WouldBlock) => return Err(KeyStoreError::Forked),
        };
        self.known.drop_inherited();
        let process = Process::new(self.settings.clone(), (self.settings.reopen)()?, keyring, Scope::default())?;
        // A failure is not kept: the next call tries again.
        process.refresh().inspect_err(|_| drop(process.leave()))?;
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
        let _ = self.leave().wait();
    }

    /// Keeps what a forked child inherited from ever being dropped: that would take locks of its parent's.
    pub(crate) fn leak_in_child(self: &Arc<Process>) {
        if !self.is_of_this_process() {
            std::mem::forget(self.clone());
        }
    }

    pub(super) fn stores(&self) -> &Stores {
        &self.stores
    }

    /// The page store itself, for whoever holds nothing.
    pub(crate) fn page_store(&self) -> &dyn PageStore {
        &*self.stores.pages
    }

    /// Does what needs pages, which are fetched while nothing is held ([`Fetched::with`]). Without the engine's lock: a reader must not wait
    /// for a commit.
    #[inline]
    pub(crate) fn with_pages<T>(&self, work: impl FnMut(&Fetched<'_>) -> T) -> T {
        Fetched::with(&*self.stores.pages, work)
    }

    #[inline]
    pub(crate) fn is_of_this_process(&self) -> bool {
        self.known.is_of_this_process()
    }
}
