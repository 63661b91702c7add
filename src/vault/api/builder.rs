//! How a vault is found, made, and opened.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::opening::stores_of;
use crate::clock::Clock;
use crate::customer::CustomerId;
use crate::error::{CreateError, KeyStoreError, UnlockError};
use crate::field::Purpose;
use crate::journal::VaultName;
use crate::nonce;
use crate::root_key::RootKey;
use crate::root_record::{Clear, MOST_PLACES, MOST_TREES, Record, RecordId, SignerSeed};
use crate::store::{Directory, DirectoryBuilder, PageStore, PlaceId, RootStore};
use crate::vault::Vault;
use crate::vault::commit::{is_unused, new_index_tree, new_tree};
use crate::vault::journal::JournalChoice;
use crate::vault::state::{Keyring, Opened};

const LEASE: Duration = Duration::from_secs(1);
const LEASES: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60);
const MOST_TREE_MEMORY: usize = 128 << 20;
const LEAST_TREE_MEMORY: usize = 256 << 10;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Where a vault is and how it is opened. Nothing is touched before [`create`](VaultBuilder::create), [`unlock`](VaultBuilder::unlock) or
/// [`recover`](VaultBuilder::recover). No call creates a vault or else unlocks it: create it once, by hand or by a script. So a mistyped path or an
/// unmounted disk is an error, never a new, empty vault.
#[must_use]
pub struct VaultBuilder {
    pub(super) place: Where,
    pub(in crate::vault) purposes: Vec<Purpose>,
    pub(super) add_missing: bool,
    lease: Duration,
    pub(super) demanded: u64,
    pub(super) highest_number: Option<CustomerId>,
    pub(super) next_root_key: Option<RootKey>,
    pub(super) most_tree_memory: usize,
    pub(super) lock_wait: Duration,
    pub(super) patience: Duration,
    pub(super) keep_superseded: Duration,
    pub(super) is_copy: bool,
    pub(super) read_only: bool,
    pub(in crate::vault) journal: JournalChoice,
    pub(crate) clock: Clock,
    pub(crate) threaded: bool,
}

pub(super) enum Where {
    Directory(DirectoryBuilder),
    Stores(Arc<dyn PageStore>, Arc<dyn RootStore>),
}

impl VaultBuilder {
    pub(in crate::vault) fn at(path: &Path) -> VaultBuilder {
        VaultBuilder::with(Where::Directory(Directory::at(path)))
    }

    pub(in crate::vault) fn on(pages: impl PageStore, roots: impl RootStore) -> VaultBuilder {
        VaultBuilder::with(Where::Stores(Arc::new(pages), Arc::new(roots)))
    }

    fn with(place: Where) -> VaultBuilder {
        VaultBuilder {
            place,
            purposes: Vec::new(),
            add_missing: false,
            lease: LEASE,
            demanded: 0,
            highest_number: None,
            next_root_key: None,
            most_tree_memory: MOST_TREE_MEMORY,
            lock_wait: Duration::from_secs(10),
            patience: Duration::from_secs(2),
            keep_superseded: DAY,
            is_copy: false,
            read_only: false,
            journal: JournalChoice::default(),
            clock: Clock::System,
            threaded: true,
        }
    }

    /// A directory with another layout: root and pages apart, fault injection.
    pub fn in_directory(directory: DirectoryBuilder) -> VaultBuilder {
        VaultBuilder::with(Where::Directory(directory))
    }

    fn directory(mut self, change: impl FnOnce(DirectoryBuilder) -> DirectoryBuilder) -> VaultBuilder {
        if let Where::Directory(builder) = self.place {
            self.place = Where::Directory(change(builder));
        }
        self
    }

    /// Keeps the root record in this directory instead of `root/`: outside of what is backed up or replicated. For a vault
    /// in a directory only.
    pub fn root_at(self, path: impl AsRef<Path>) -> VaultBuilder {
        self.directory(|builder| builder.root_at(path))
    }

    /// Keeps the pages in this directory instead of `pages/`.
    pub fn pages_at(self, path: impl AsRef<Path>) -> VaultBuilder {
        self.directory(|builder| builder.pages_at(path))
    }

    /// Names a mirror: another directory, best on another disk, that every commit writes as well. At most three. A new one is attached with
    /// [`Vault::attach_mirror`]. A mirror has all, and decides nothing: if the first place is lost, [`promote`](VaultBuilder::promote) a mirror. On flash
    /// and on copy-on-write file systems it forgets as best it can: see [`Directory`](crate::store::Directory).
    pub fn mirror(self, path: impl AsRef<Path>) -> VaultBuilder {
        self.directory(|builder| builder.mirror(path))
    }

    /// The purposes this program uses. It can seal and open values of these alone; `shred` covers the vault's others too.
    pub fn purposes(mut self, purposes: impl IntoIterator<Item = Purpose>) -> VaultBuilder {
        self.purposes = Vec::new();
        // Whoever goes through them does so once for each.
        for purpose in purposes {
            if !self.purposes.contains(&purpose) {
                self.purposes.push(purpose);
            }
        }
        self
    }

    /// Adds a key tree for each purpose that the vault does not have yet; for deploys. Nothing happens if it has all.
    ///
    /// **Losing the root record loses what is sealed under the new trees**: attach a mirror first.
    pub fn add_missing_purposes(mut self) -> VaultBuilder {
        self.add_missing = true;
        self
    }

    /// How long a process may go on with the root record it last read: 100 ms to one minute, by default one second. Fixed when
    /// the vault is created, and the same for all processes. A shred is effective everywhere this much later.
    pub fn lease(mut self, lease: Duration) -> VaultBuilder {
        self.lease = lease;
        self
    }

    /// Refuses a vault below this generation, as one restored from a backup. See [`Vault::generation`].
    pub fn demand_generation(mut self, generation: u64) -> VaultBuilder {
        self.demanded = generation;
        self
    }

    /// The highest customer number that the application knows, for instance `SELECT max(customer)`. A vault that has not
    /// issued it was rolled back, and is refused. This call alone is refused, since the number may be a mistake.
    pub fn highest_number_known(mut self, number: CustomerId) -> VaultBuilder {
        self.highest_number = Some(number);
        self
    }

    /// A root key that the vault may be rotated to while this process runs.
    pub fn next_root_key(mut self, key: RootKey) -> VaultBuilder {
        self.next_root_key = Some(key);
        self
    }

    /// Most memory for the key trees in this process, in bytes: by default 128 MiB, at least 256 KiB. It is taken as it is needed.
    ///
    /// A purpose needs a page, 8.4 KB of memory, for every 256 numbers among which somebody was shredded, and nearly nothing while nobody was. With a few
    /// in a hundred shredded that is 33 MB for each million numbers of a purpose; an eighth more is left for derived nodes. So 128 MiB are enough for
    /// three and a half million numbers, and ten million with 5 % shredded want 384 MiB. [`Status`](crate::status::Status) shows what there is: `pages`
    /// without `superseded`, and `resident_bytes` of this process.
    ///
    /// Beyond the limit nothing fails. All pages are let go and loading begins again: an open then reads one page mostly, and five at most. A page takes
    /// some ten microseconds from a directory, and a round trip from a server.
    pub fn most_tree_memory(mut self, bytes: usize) -> VaultBuilder {
        self.most_tree_memory = bytes.max(LEAST_TREE_MEMORY);
        self
    }

    /// How long a commit waits for another process's commit, and for each place to be read: by default ten seconds. A commit is given up when one
    /// call of the store takes three times as long (three seconds at least).
    pub fn wait_for_lock(mut self, most: Duration) -> VaultBuilder {
        self.lock_wait = most;
        self
    }

    /// How long superseded pages are kept: by default a day. Choose more than it takes to notice that an old root record was
    /// restored by mistake. At least two leases, since other processes still read pages of the record that they hold.
    pub fn keep_superseded(mut self, time: Duration) -> VaultBuilder {
        self.keep_superseded = time;
        self
    }

    /// How long a call waits for one re-read of the root record, a shred for readers, and unlocking for each place: by default
    /// two seconds.
    pub fn patience(mut self, most: Duration) -> VaultBuilder {
        self.patience = most;
        self
    }

    /// Says that this is a copy of a vault in use elsewhere: a staging system, a restore drill. What it seals is marked, and opens in copies alone
    /// ([`OpenError::SealedInCopy`](crate::OpenError::SealedInCopy)). Its first commit marks its pages too, which are then refused without this call
    /// ([`KeyStoreError::PagesOfCopy`]).
    ///
    /// A copy and its original share keys and numbers. Without the mark, a row that the copy sealed would, in the original's database, look like proof
    /// that the original was rolled back. Not for a copy that replaces a vault that was lost.
    ///
    /// The copy lists its original's mirrors, and does not use them: it opens and seals, and cannot commit before they are
    /// [detached](Vault::detach_mirror) in the copy.
    pub fn as_copy(mut self) -> VaultBuilder {
        self.is_copy = true;
        self.directory(DirectoryBuilder::alone)
    }

    /// Creates a vault.
    ///
    /// # Errors
    /// [`CreateError::Exists`] if there is a vault: nothing was changed. After other errors there is no vault. Its empty
    /// directory may be there, and `create` can be called again.
    pub fn create(self, root_key: RootKey) -> Result<Vault, CreateError> {
        self.check_new()?;
        if let Where::Directory(builder) = &self.place
            && builder.exists().map_err(KeyStoreError::from)?
        {
            // What a creation left that was killed while it wrote its first record may be created anew.
            let directory = builder.open().map_err(KeyStoreError::from)?;
            let stores = stores_of(&directory, self.threaded);
            let found = stores.reads.read(&directory.places(), self.patience, self.patience);
            if !is_unused(&found.copies, &directory)? {
                return Err(CreateError::Exists);
            }
        }
        let (stores, directory) = self.stores(true)?;
        let engine = self.engine(stores, root_key);
        let places = engine.stores.roots.places();
        if places.len() > MOST_PLACES {
            return Err(KeyStoreError::Full { what: "a directory and three mirrors" }.into());
        }
        let first = &mut |keyring: &mut Keyring| {
            self.journal.refuse_existing()?;
            self.first_record(keyring, &places)
        };
        if !engine.create(first)? {
            return Err(CreateError::Exists);
        }
        self.start(engine, directory, false).map_err(|error| match error {
            UnlockError::KeyStore(error) => CreateError::KeyStore(error),
            UnlockError::Journal(error) => CreateError::KeyStore(error.into()),
            _ => KeyStoreError::Bug("a new vault could not be unlocked").into(),
        })
    }

    /// Opens an existing vault, and finishes what a killed commit left.
    ///
    /// # Errors
    /// [`UnlockError`]. A wrong root key is [`KeyStoreError::WrongRootKey`], and changes nothing.
    pub fn unlock(self, root_key: RootKey) -> Result<Vault, UnlockError> {
        let (stores, directory) = self.stores(false)?;
        let engine = self.engine(stores, root_key);
        self.start(engine, directory, true)
    }

    /// Opens an existing vault for a check that must not change it: nothing is written to the key store or the journal. Calls that
    /// write are refused ([`KeyStoreError::ReadOnly`]), and no numbers are issued. What a killed commit left is not finished,
    /// damage is not repaired, and nothing is made durable. Evidence of a rollback stops this process only.
    ///
    /// # Errors
    /// As [`unlock`](VaultBuilder::unlock); and when the vault could be read only after a repair, as when the first place
    /// was put back from a backup.
    pub fn unlock_read_only(mut self, root_key: RootKey) -> Result<Vault, UnlockError> {
        self.read_only = true;
        self.add_missing = false;
        self.unlock(root_key)
    }

    fn check_new(&self) -> Result<(), CreateError> {
        let mut names: Vec<&str> = self.purposes.iter().map(|purpose| purpose.name()).collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() || names.len() != self.purposes.len() || names.len() > MOST_TREES {
            return Err(CreateError::Purposes);
        }
        if LEASES.contains(&self.lease) { Ok(()) } else { Err(CreateError::Lease) }
    }

    fn first_record(&self, keyring: &mut Keyring, places: &[PlaceId]) -> Result<Opened, KeyStoreError> {
        let random = |_| KeyStoreError::Randomness;
        let vault = VaultName::from_bytes(nonce::fresh().map_err(random)?);
        let id = RecordId(nonce::fresh().map_err(random)?);
        let (secret, mut recipe) = keyring.establish(vault)?;
        recipe.begin_in(FIRST);
        let record = Record {
            clear: Clear { vault, id, parent: RecordId([0; 16]), generation: FIRST, recipe },
            next_number: 1,
            newest_block: 1,
            lease: self.lease,
            shredded_through: 0,
            floor: 0,
            settled: 0,
            finding: None,
            places: places.to_vec(),
            trees: self.purposes.iter().map(|purpose| new_tree(purpose.name(), FIRST)).collect::<Result<_, _>>()?,
            indexes: Some(new_index_tree(FIRST)?),
            ring: vec![id.short()],
            signer: SignerSeed::new().map_err(random)?,
            anchor: None,
        };
        Ok(Opened { record, secret })
    }
}

/// The generation of a vault's first record.
const FIRST: u64 = 1;

impl fmt::Debug for VaultBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VaultBuilder({:?})", self.purposes)
    }
}
