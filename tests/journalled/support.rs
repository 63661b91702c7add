//! A vault in a directory, its journal beside it, and who is in it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use oubliette::journal::{self, Ending, Entry, Event, Expectations, PublicKey, Verified};
use oubliette::personal::Email;
use oubliette::store::{Directory, DirectoryBuilder, Mark, PageStore, PlaceId, RootCopy, RootStore, StoredPage, Usage};
use oubliette::store::{LockError, PageName, RootLock, StoreError};
use oubliette::{CustomerId, Field, Index, OpenError, Purpose, RootKey, Sealed, Vault, VaultBuilder, bits};

pub const ORDERS: Purpose = Purpose::new("orders");
pub const NEWS: Purpose = Purpose::new("newsletter");
pub const EMAIL: Field<Email> = ORDERS.field("email");
pub const NEWS_EMAIL: Field<Email> = NEWS.field("email");
pub const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(32));
pub const LEASE: Duration = Duration::from_millis(200);

pub fn key() -> RootKey {
    RootKey::bytes([7; 32])
}

pub fn new_key() -> RootKey {
    RootKey::bytes([8; 32])
}

pub struct Scratch(pub tempfile::TempDir);

impl Scratch {
    pub fn new() -> Scratch {
        Scratch(tempfile::tempdir().unwrap())
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn journal(&self) -> PathBuf {
        self.at("journal")
    }

    /// Without the journal.
    pub fn bare(&self) -> VaultBuilder {
        bare(self.0.path())
    }

    pub fn vault(&self) -> VaultBuilder {
        vault(self.0.path())
    }

    pub fn entries(&self, key: &PublicKey) -> Vec<Entry> {
        journal::entries(self.journal(), key).unwrap().map(Result::unwrap).collect()
    }

    /// Checks the whole journal, as an auditor would.
    pub fn verify(&self, key: &PublicKey) -> Verified {
        journal::verify(self.journal(), key, &Expectations::new(), |_| ()).unwrap()
    }

    /// What every intent came to, in order; `None` if it is open.
    pub fn deeds(&self, key: &PublicKey) -> Vec<(Event, Option<Ending>)> {
        let entries = self.entries(key);
        let ending = |n: u64| {
            entries.iter().rev().find_map(|entry| match entry.event() {
                Event::Outcome { of, result, .. } if *of == n => Some(*result),
                _ => None,
            })
        };
        let intents = entries.iter().filter(|entry| entry.event().is_intent());
        intents.map(|entry| (entry.event().clone(), ending(entry.n()))).collect()
    }
}

pub fn layout(at: &Path) -> DirectoryBuilder {
    Directory::at(at.join("main")).mirror(at.join("mirror"))
}

pub fn bare(at: &Path) -> VaultBuilder {
    VaultBuilder::in_directory(layout(at)).purposes([ORDERS, NEWS]).lease(LEASE)
}

pub fn vault(at: &Path) -> VaultBuilder {
    bare(at).journal(at.join("journal"))
}

pub type Row = (CustomerId, Sealed<Email>, Sealed<Email>);

pub fn enroll(vault: &Vault) -> Row {
    let customer = vault.enroll().unwrap();
    let email: Email = format!("customer{customer}@example.com").parse().unwrap();
    (customer, vault.seal(customer, EMAIL, &email).unwrap(), vault.seal(customer, NEWS_EMAIL, &email).unwrap())
}

/// In orders and in the newsletter: alive or shredded, nothing else.
pub fn alive(vault: &Vault, row: &Row) -> (bool, bool) {
    let tell = |opened: Result<Email, OpenError>| match opened {
        Ok(_) => true,
        Err(OpenError::Shredded { .. }) => false,
        Err(error) => panic!("neither alive nor shredded: {error:?}"),
    };
    (tell(vault.open(row.0, EMAIL, &row.1)), tell(vault.open(row.0, NEWS_EMAIL, &row.2)))
}

/// A directory in place of another, files and all.
pub fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(to, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), &to).unwrap();
        }
    }
}

thread_local! {
    /// How long this thread waits for each page of a [`Then`].
    pub static SLOW: std::cell::Cell<Duration> = const { std::cell::Cell::new(Duration::ZERO) };
}

/// A directory whose every successful write of the root record is followed by something.
pub struct Then<F>(pub Directory, pub F);

impl<F: Fn() + Send + Sync + 'static> RootStore for Then<F> {
    fn read(&self, place: PlaceId) -> Vec<RootCopy> {
        self.0.read(place)
    }

    fn lock(&self, places: &[PlaceId], wait: Duration) -> Result<Box<dyn RootLock + '_>, LockError> {
        Ok(Box::new(ThenLock { inner: Some(self.0.lock(places, wait)?), then: &self.1, written: false }))
    }

    fn places(&self) -> Vec<PlaceId> {
        RootStore::places(&self.0)
    }
}

struct ThenLock<'t, F: Fn()> {
    inner: Option<Box<dyn RootLock + 't>>,
    then: &'t F,
    written: bool,
}

impl<F: Fn()> RootLock for ThenLock<'_, F> {
    fn write(&mut self, place: PlaceId, slot: usize, record: &[u8]) -> Result<(), StoreError> {
        let written = self.inner.as_mut().unwrap().write(place, slot, record);
        self.written = written.is_ok();
        written
    }
}

impl<F: Fn()> Drop for ThenLock<'_, F> {
    fn drop(&mut self) {
        // Others may commit now.
        self.inner = None;
        if self.written {
            (self.then)();
        }
    }
}

impl<F: Fn() + Send + Sync + 'static> PageStore for Then<F> {
    fn put(&self, mark: &Mark, pages: &[StoredPage]) -> Result<(), StoreError> {
        self.0.put(mark, pages)
    }

    fn get(&self, name: &PageName) -> Result<Option<Vec<u8>>, StoreError> {
        std::thread::sleep(SLOW.get());
        self.0.get(name)
    }

    fn mark(&self) -> Result<Mark, StoreError> {
        self.0.mark()
    }

    fn replace_mark(&self, mark: &Mark) -> Result<(), StoreError> {
        self.0.replace_mark(mark)
    }

    fn sweep(
        &self,
        live: &std::collections::HashSet<PageName>,
        generation: u64,
        keep: Duration,
    ) -> Result<Usage, StoreError> {
        self.0.sweep(live, generation, keep)
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        self.0.usage()
    }
}
