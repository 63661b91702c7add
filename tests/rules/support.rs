//! What these tests and the restore drills share.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use oubliette::personal::Email;
use oubliette::{CustomerId, Field, Purpose, RootKey, Sealed, Vault, VaultBuilder};
use sha2::{Digest, Sha256};

pub const ORDERS: Purpose = Purpose::new("orders");
pub const NEWS: Purpose = Purpose::new("newsletter");
pub const EMAIL: Field<Email> = ORDERS.field("email");
pub const NEWS_EMAIL: Field<Email> = NEWS.field("email");
/// Short, so that a drill takes little time; long enough for a busy machine to read twice within.
pub const LEASE: Duration = Duration::from_millis(300);

pub fn key() -> RootKey {
    RootKey::bytes([7; 32])
}

pub fn new_key() -> RootKey {
    RootKey::bytes([8; 32])
}

pub fn email(text: &str) -> Email {
    text.parse().unwrap()
}

pub fn number(number: i64) -> CustomerId {
    CustomerId::from_stored(number).unwrap()
}

/// The highest number that any process reserved, as this one knows.
pub fn reserved(vault: &Vault) -> CustomerId {
    number(vault.status().unwrap().issued.try_into().unwrap())
}

/// A customer with a value of theirs.
pub fn enroll(vault: &Vault) -> (CustomerId, Sealed<Email>) {
    let customer = vault.enroll().unwrap();
    (customer, seal(vault, customer))
}

pub fn seal(vault: &Vault, customer: CustomerId) -> Sealed<Email> {
    vault.seal(customer, EMAIL, &email("alice@example.com")).unwrap()
}

/// A directory of its own for a test, removed at the end.
pub struct Scratch(tempfile::TempDir);

impl Scratch {
    pub fn new() -> Scratch {
        Scratch(tempfile::tempdir().unwrap())
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn vault(&self) -> VaultBuilder {
        at(&self.join("main"))
    }
}

pub fn at(path: &Path) -> VaultBuilder {
    Vault::at(path).purposes([ORDERS, NEWS]).lease(LEASE).wait_for_lock(Duration::from_secs(20))
}

/// Every file below with a hash of its bytes: what must not change.
pub fn contents(below: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            let sum = hex::encode(&Sha256::digest(fs::read(&path).unwrap())[..8]);
            found.insert(path, sum);
        }
    }
    found
}

/// Copies a directory, permissions and all, over whatever is there.
pub fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    copy_into(from, to);
}

fn copy_into(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_into(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Puts back what was copied away, file by file, as a restore does to a running vault: files are overwritten in place.
pub fn restore(from: &Path, to: &Path) {
    // Read before, and written at once under the lock that commits take: a process that reads the half of it rightly takes the newer half for the
    // record, and mends the other by it.
    let bytes_of = |path: PathBuf| (to.join(path.strip_prefix(from).unwrap()), fs::read(&path).unwrap());
    let files: Vec<_> = contents(from).into_keys().map(bytes_of).collect();
    let held = to.parent().and_then(|place| fs::File::open(place.join("lock")).ok());
    held.iter().for_each(|lock| lock.lock().unwrap());
    for (path, bytes) in &files {
        fs::write(path, bytes).unwrap();
    }
    for path in contents(to).into_keys() {
        if !files.iter().any(|(file, _)| *file == path) {
            fs::remove_file(path).unwrap();
        }
    }
}

/// Asks until it is so, at most ten seconds.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within ten seconds: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// An error with its causes, as a log shows it.
pub fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
