//! The vault: what an application opens.

use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use crate::customer::CustomerId;
use crate::error::{ChangeError, KeyStoreError, OpenError, SealError};
use crate::field::{FieldWithin, Purpose};
use crate::personal::PersonalData;
use crate::root_key::RootKey;
use crate::sealed::Sealed;
use crate::store::{Directory, PageStore, RootStore, Usage};
use crate::sync::{Padded, Shards};
use crate::vault::api::customer_keys::EachCustomer;
use crate::vault::api::status;
use crate::vault::commit::CommitError;
use crate::vault::operations::{Operations, of_root_key};
use crate::vault::process::Process;
use crate::vault::workers::oneshot;
use crate::vault::{CustomerKeys, Health, LoadedPages, Status, VaultBuilder};

/// What an async twin returns. Await it in any runtime; dropping it cancels nothing.
pub type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A vault: purposes, their key trees, one root record.
///
/// Cheap to clone, and shared by all threads. Get one from [`Vault::at`] or [`Vault::on`].
///
/// # What can wait
/// | call | waits for |
/// |---|---|
/// | `seal`, `open`, through [`CustomerKeys`] too | nothing; up to five page reads the first time a customer is met, unless they were [loaded](Vault::load_pages) before; one bounded re-read of the root record if its lease has lapsed or a number is unknown |
/// | [`token`](Vault::token), [`tokens`](Vault::tokens) | the same |
/// | [`enroll`](Vault::enroll) | nothing; a commit when this process's block of numbers is drained (it is refilled at half) |
/// | [`shred`](Vault::shred), [`rotate_root_key`](Vault::rotate_root_key), new epochs and key trees and their retirement, [`close`](Vault::close), unlocking, creating | a commit: file writes and syncs, and other processes' commits |
///
/// The vault has threads of its own: one commits and refills, one re-reads, one wipes when the lease runs out (whatever a store does), and one reads each
/// place. The async twins need no runtime, and dropping one does not cancel what it started. Dropping the last clone does no I/O;
/// [`close`](Vault::close) waits for what is under way.
///
/// # Fork
/// A forked child starts over: it drops what it inherited, reads the root record again, and has threads and a block of numbers of its own. Handles
/// ([`CustomerKeys`]) from before the fork are refused in it ([`KeyStoreError::Forked`]). So may be a vault that was committing at the
/// moment of the fork: unlock it anew. A shred in the parent does not reach what the child inherited in memory.
#[derive(Clone)]
pub struct Vault {
    inner: Arc<Shards<HeldVault>>,
}

/// What a handle has of a vault. It counts in its thread's shard that it holds it: handles are made and dropped all the time, by all processors.
pub(in crate::vault) type HeldVault = Arc<Padded<Arc<VaultInner>>>;

pub(in crate::vault) struct VaultInner {
    pub(in crate::vault) process: Arc<Process>,
    /// The store, if it is the embedded one.
    pub(in crate::vault) directory: Option<Directory>,
}

impl VaultInner {
    /// From now on changes are told by events; what failed until here was an error.
    pub(in crate::vault) fn tell_unlocked(&self) {
        let process = &self.process;
        process.known.told.is_open();
        if let Ok(state) = process.known.state() {
            let places = state.facts.places.len().max(1);
            // Of a store of the application's, a database for one, it is not known what it does.
            let is_alone = places == 1 && self.directory.is_some() && !process.settings.read_only;
            crate::events::unlocked(state.facts.clear.generation, &process.settings.purposes, places, is_alone);
        }
    }
}

impl Drop for VaultInner {
    fn drop(&mut self) {
        // No I/O here: what was asked for before is still done, by the threads, which then end.
        if let Some(process) = self.process.existing() {
            drop(process.leave());
        }
        self.process.leak_in_child();
    }
}

impl Vault {
    /// A vault in a directory, which is made by `create`. See [`VaultBuilder`].
    pub fn at(path: impl AsRef<Path>) -> VaultBuilder {
        VaultBuilder::at(path.as_ref())
    }

    /// A vault on stores of your own.
    pub fn on(pages: impl PageStore, roots: impl RootStore) -> VaultBuilder {
        VaultBuilder::on(pages, roots)
    }

    pub(in crate::vault) fn of(inner: VaultInner) -> Vault {
        let inner = Arc::new(inner);
        Vault { inner: Arc::new(Shards::new(|| Arc::new(Padded(inner.clone())))) }
    }

    #[inline]
    pub(in crate::vault) fn inner(&self) -> &VaultInner {
        self.inner.mine()
    }

    /// For a handle.
    #[inline]
    pub(in crate::vault) fn held(&self) -> HeldVault {
        self.inner.mine().clone()
    }

    #[inline]
    pub(in crate::vault) fn process(&self) -> Result<&Arc<Process>, KeyStoreError> {
        self.inner().process.current()
    }

    /// Issues a number for a new customer. Nothing is stored for the customer, not even a key.
    ///
    /// Numbers come from a block that this process has reserved; what is left of the block when the process ends is wasted.
    ///
    /// # Errors
    /// [`KeyStoreError`]. No number was issued.
    pub fn enroll(&self) -> Result<CustomerId, KeyStoreError> {
        Operations::on(self.process()?).enroll()
    }

    /// [`enroll`](Vault::enroll) for a task that must not block.
    ///
    /// # Errors
    /// As there.
    pub fn enroll_async(&self) -> Pending<Result<CustomerId, KeyStoreError>> {
        let posted = self.post(|process| Operations::on(process).enroll_on_worker());
        Box::pin(async move { posted?.await.ok_or(KeyStoreError::Closed)? })
    }

    /// Encrypts one value.
    ///
    /// # Errors
    /// [`SealError`]; [`SealError::outcome`] sorts it.
    pub fn seal<'c, T: PersonalData>(
        &self,
        customer: CustomerId,
        field: impl Into<FieldWithin<'c, T>>,
        value: &T,
    ) -> Result<Sealed<T>, SealError> {
        Operations::on(self.process()?).seal(customer, field.into(), value)
    }

    /// Decrypts one value.
    ///
    /// # Errors
    /// [`OpenError`]; [`OpenError::outcome`] sorts it into erased, try again, and investigate.
    pub fn open<'c, T: PersonalData>(
        &self,
        customer: CustomerId,
        field: impl Into<FieldWithin<'c, T>>,
        sealed: &Sealed<T>,
    ) -> Result<T, OpenError> {
        Operations::on(self.process()?).open(customer, field.into(), sealed)
    }

    /// A handle for several fields of one customer: its keys are derived once. Nothing is checked until it is used.
    #[must_use]
    pub fn customer(&self, customer: CustomerId) -> CustomerKeys {
        // Not by way of a reader, which is a clone of the vault.
        CustomerKeys::of_one(self, None, customer)
    }

    /// Many rows, each with a handle for its customer. Neighbouring numbers share most of the work, so order the rows by
    /// customer where you can. Keys of at most 256 rows are held at a time.
    pub fn each_customer<I, F>(
        &self,
        rows: I,
        customer_of: F,
    ) -> impl Iterator<Item = (I::Item, CustomerKeys)> + use<I, F>
    where
        I: IntoIterator,
        F: FnMut(&I::Item) -> CustomerId,
    {
        EachCustomer::new(self, None, rows.into_iter(), customer_of)
    }

    /// Puts the vault under a new root key, and forgets the old one.
    ///
    /// Only the root record is rewritten. Older copies of it stay readable with the old root key until that key is destroyed; of a passphrase
    /// nobody can be certain that it is. Give other processes both keys before ([`VaultBuilder::next_root_key`]): those that lack the new one stop
    /// within a lease.
    ///
    /// Rotating to the series of [versions](RootKey::versions) that the vault is under begins its next version. The keys of a series that the vault
    /// leaves stay in their token until [`destroy_series`](Vault::destroy_series) destroys them.
    ///
    /// # Errors
    /// [`ChangeError`] tells what is true.
    pub fn rotate_root_key(&self, new: RootKey) -> Result<(), ChangeError> {
        let posted =
            self.post(move |process| Operations::on(process).rotate(&new)).map_err(ChangeError::NothingHappened)?;
        posted.wait().unwrap_or_else(|| Err(of_root_key(self.no_answer())))
    }

    /// Begins the next version of a root key that has [versions](RootKey::versions), and destroys those before it, as the policy says: then no older
    /// root record can be read. For the policy [`by_hand`](crate::root_keys::VersionPolicy::by_hand), or out of turn.
    ///
    /// # Errors
    /// [`ChangeError`]. After [`OldCopyRemains`](ChangeError::OldCopyRemains) the vault is under the new version, and an older version may be left:
    /// the next commit, the next unlock or another call destroys it.
    pub fn begin_root_key_version(&self) -> Result<(), ChangeError> {
        let posted =
            self.post(|process| Operations::on(process).begin_version()).map_err(ChangeError::NothingHappened)?;
        posted.wait().unwrap_or_else(|| Err(of_root_key(self.no_answer())))
    }

    /// The generation of the root record, as last read. Keep it elsewhere and demand it at the next unlock
    /// ([`VaultBuilder::demand_generation`]), and a vault that was restored from a backup is refused.
    ///
    /// # Errors
    /// When the lease has lapsed and the record cannot be read.
    pub fn generation(&self) -> Result<u64, KeyStoreError> {
        Ok(self.process()?.state()?.facts.clear.generation)
    }

    /// Reads the root record now, instead of at the next tick.
    ///
    /// # Errors
    /// When it cannot be read, or was rolled back.
    pub fn refresh(&self) -> Result<(), KeyStoreError> {
        self.process()?.reread()
    }

    /// Loads the pages that these customers' keys need, so that opening does no I/O.
    ///
    /// # Errors
    /// When a page cannot be read.
    pub fn preload(&self, customers: impl IntoIterator<Item = CustomerId>) -> Result<(), KeyStoreError> {
        Operations::on(self.process()?).preload(customers)
    }

    /// Loads all pages of the unlocked purposes, so that opening and sealing do no I/O for anybody: one page of 8 KB for every 256 numbers among
    /// which somebody was shredded. It stops before they fill [their memory](VaultBuilder::most_tree_memory), and says so; the others are then read as
    /// they are needed.
    ///
    /// `progress` is called before each round trip to the store (a few hundred pages), and at the end. It may break off; what was loaded stays.
    ///
    /// ```
    /// # use oubliette::{Purpose, Vault};
    /// # const ORDERS: Purpose = Purpose::new("orders");
    /// # let vault = Vault::in_memory([ORDERS]);
    /// use std::ops::ControlFlow;
    ///
    /// let loaded = vault.load_pages(|loaded| {
    ///     println!("{} pages, {:.0} %", loaded.resident, loaded.share * 100.0);
    ///     ControlFlow::Continue(())
    /// })?;
    /// assert!(loaded.is_complete());
    /// # Ok::<(), oubliette::KeyStoreError>(())
    /// ```
    ///
    /// # Errors
    /// When the lease has lapsed and the record cannot be read. When a page cannot be read, after all others were loaded.
    pub fn load_pages(
        &self,
        mut progress: impl FnMut(LoadedPages) -> ControlFlow<()>,
    ) -> Result<LoadedPages, KeyStoreError> {
        Operations::on(self.process()?).load_pages(&mut progress)
    }

    /// Deletes superseded pages that were kept long enough ([`VaultBuilder::keep_superseded`]). The vault does so by itself every
    /// hour.
    ///
    /// # Errors
    /// When a page that must exist is missing, or the store fails; no live page was deleted.
    pub fn sweep(&self) -> Result<Usage, KeyStoreError> {
        self.post(|process| process.sweep())?.wait().ok_or(KeyStoreError::Closed)?
    }

    /// Whether a shred would succeed now, and whether values can be sealed and opened: for readiness probes. Does no I/O: it answers from the last
    /// reads (several a lease) and commits.
    #[must_use]
    pub fn health(&self) -> Health {
        Health::of(self.process())
    }

    /// What the vault holds, for operators. Reads pages.
    ///
    /// # Errors
    /// When the key store cannot be read.
    pub fn status(&self) -> Result<Status, KeyStoreError> {
        status::status(self.process()?)
    }

    /// Finishes what is under way, then drops all keys. Every clone refuses from then on. The threads that commit and read, which alone
    /// call a token, have ended, unless a call of the token hangs. A store that hangs is waited for one lease, or a second.
    ///
    /// Close a vault before the program ends: dropping it waits for nothing, and a token's module may crash if it is unloaded under a call.
    ///
    /// # Errors
    /// The trouble the vault was in, if any.
    pub fn close(self) -> Result<(), KeyStoreError> {
        let process = self.process()?;
        if process.known.is_closed() {
            return Ok(());
        }
        process.known.will_close();
        let trouble = process.workers.commits.run(process, None, |process| process.known.trouble());
        process.close();
        trouble.flatten().map_or(Ok(()), Err)
    }

    pub(in crate::vault) fn post<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Arc<Process>) -> T + Send + 'static,
    ) -> Result<oneshot::Receiver<T>, KeyStoreError> {
        let process = self.process()?;
        Ok(process.workers.commits.post(process, job))
    }
}

/// What it is.
impl Vault {
    /// The vault's id, as its journal and its receipts name it. It is not secret.
    ///
    /// # Errors
    /// When the lease has lapsed and the record cannot be read.
    pub fn id(&self) -> Result<crate::journal::VaultName, KeyStoreError> {
        Ok(self.process()?.state()?.facts.clear.vault)
    }

    /// The purposes that the vault was unlocked with. It may have others.
    ///
    /// # Errors
    /// When the vault was closed, or cannot be used after a fork.
    pub fn unlocked_purposes(&self) -> Result<Vec<Purpose>, KeyStoreError> {
        Ok(self.process()?.settings.purposes.clone())
    }

    /// The purpose of this name, among those the vault was unlocked with: for names that were stored.
    ///
    /// # Errors
    /// As [`unlocked_purposes`](Vault::unlocked_purposes).
    pub fn purpose_named(&self, name: &str) -> Result<Option<Purpose>, KeyStoreError> {
        Ok(self.process()?.settings.purposes.iter().copied().find(|purpose| purpose.name() == name))
    }
}

impl Vault {
    /// Nobody answered: the vault was closed before, or the store panicked in the middle of it.
    pub(super) fn no_answer(&self) -> CommitError {
        match self.process() {
            Ok(process) if !process.known.is_closed() => {
                CommitError::Unknown(KeyStoreError::Bug("the store panicked during a commit"))
            }
            _ => CommitError::NothingHappened(KeyStoreError::Closed),
        }
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({:?})", self.inner().process.settings.purposes)
    }
}
