//! Versions of the root key: what the report says of a copied root record is what whoever has the token makes of it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use oubliette::personal::Email;
use oubliette::store::{CopyContent, Directory, Memory, RootStore};
use oubliette::testing::MemoryToken;
use oubliette::{
    CustomerId, Field, KeyStoreError, Purpose, RootKey, Sealed, UnlockError, Vault, VaultBuilder,
    root_keys::VersionPolicy,
};
use oubliette_register::breach::{
    Action, Breach, BreachReport, Column, Enrolment, KeyHistory, Leak, Situation, Stored,
};

const ORDERS: Purpose = Purpose::new("orders");
const EMAIL: Field<Email> = ORDERS.field("email");

struct World {
    scratch: tempfile::TempDir,
    token: MemoryToken,
    alice: (CustomerId, Sealed<Email>),
    /// Every root record that ever lay there, by generation; a copy's beside.
    records: Vec<(u64, Vec<u8>)>,
}

fn at(scratch: &tempfile::TempDir, name: &str) -> DirectoryOf {
    DirectoryOf(scratch.path().join(name))
}

struct DirectoryOf(std::path::PathBuf);

impl DirectoryOf {
    fn records(&self) -> Vec<(u64, Vec<u8>)> {
        let store = Directory::at(&self.0).open().unwrap();
        let copies = store.places().into_iter().flat_map(|place| store.read(place));
        let intact = copies.filter_map(|copy| match &copy.content {
            CopyContent::Intact(record) => Some(record.clone()),
            _ => None,
        });
        // FORMAT.md 6.1: version, vault, id, parent, generation.
        intact.map(|record| (u64::from_be_bytes(record[49..57].try_into().unwrap()), record)).collect()
    }
}

impl World {
    fn new() -> World {
        let (scratch, token) = (tempfile::tempdir().unwrap(), MemoryToken::new());
        let vault = builder(&scratch).create(key(&token, Duration::ZERO)).unwrap();
        let alice = vault.enroll().unwrap();
        let sealed = vault.seal(alice, EMAIL, &"alice@example.com".parse().unwrap()).unwrap();
        let mut world = World { scratch, token, alice: (alice, sealed), records: Vec::new() };
        world.note(&vault);
        vault.close().unwrap();
        world
    }

    fn note(&mut self, vault: &Vault) {
        let _ = vault.sweep().unwrap();
        for record in at(&self.scratch, "main").records() {
            if !self.records.contains(&record) {
                self.records.push(record);
            }
        }
    }

    /// What happened is done with this policy; after each step the record is copied.
    fn with(&mut self, kept: Duration, steps: &[fn(&Vault, &MemoryToken, &tempfile::TempDir)]) {
        let vault = builder(&self.scratch).unlock(key(&self.token, kept)).unwrap();
        for step in steps {
            step(&vault, &self.token, &self.scratch);
            self.note(&vault);
        }
        vault.close().unwrap();
    }

    /// Whether somebody who has the token as it is now, and minds no marks, opens the value with this record.
    fn opens(&self, record: &[u8]) -> bool {
        let memory = Memory::new();
        let places = memory.places();
        memory.lock(&places, Duration::ZERO).unwrap().write(places[0], 0, record).unwrap();
        let pages = Directory::at(self.scratch.path().join("mirror")).open().unwrap();
        let key = RootKey::versions(self.token.without_marks(), VersionPolicy::by_hand());
        match Vault::on(pages, memory).purposes([ORDERS]).as_copy().unlock(key) {
            Ok(vault) => vault.open(self.alice.0, EMAIL, &self.alice.1).is_ok(),
            // It names places that are not here, and was opened to know that.
            Err(error) => !matches!(
                error,
                UnlockError::KeyStore(
                    KeyStoreError::RootKey(_) | KeyStoreError::RootKeyDestroyed { .. } | KeyStoreError::WrongRootKey
                )
            ),
        }
    }

    fn report(&self, leaks: impl IntoIterator<Item = Leak>, now: Timestamp) -> BreachReport {
        let path = self.scratch.path().join("journal");
        let vault = builder(&self.scratch).unlock_read_only(key(&self.token, Duration::ZERO));
        let vault = vault.or_else(|_| builder(&self.scratch).unlock_read_only(RootKey::bytes([7; 32]))).unwrap();
        let public = vault.public_key().unwrap();
        vault.close().unwrap();
        let entries: Vec<_> = oubliette::journal::entries(path, &public).unwrap().map(Result::unwrap).collect();
        let enrolment = Enrolment {
            customer: Some("alice".to_owned()),
            person: 1,
            purpose: "orders".to_owned(),
            number: self.alice.0,
            since: Timestamp::UNIX_EPOCH,
            shredded: None,
            tokens_cleared: None,
        };
        let column = Column {
            table: "customers".to_owned(),
            column: "email".to_owned(),
            purpose: Some("orders".to_owned()),
            stored: Stored::Sealed { label: "email".to_owned(), since: None },
        };
        let history = KeyHistory::of(&entries, &["orders"]);
        assert!(history.is_complete());
        let situation =
            Situation { enrolments: vec![enrolment], columns: vec![column], history, openings: None, issued: None };
        let breach = Breach::known_since(now).leaked(Leak::Database { at: now }).leaked_all(leaks);
        breach.assess(&situation, now).report().clone()
    }
}

fn key(token: &MemoryToken, kept: Duration) -> RootKey {
    RootKey::versions(token.clone(), VersionPolicy::with_each_shred().keep_older(kept))
}

fn builder(scratch: &tempfile::TempDir) -> VaultBuilder {
    let vault = Vault::at(scratch.path().join("main")).mirror(scratch.path().join("mirror")).purposes([ORDERS]);
    vault.journal(scratch.path().join("journal")).lease(Duration::from_millis(200))
}

fn shred(vault: &Vault, _: &MemoryToken, _: &tempfile::TempDir) {
    let _ = vault.shred([vault.enroll().unwrap()]).unwrap();
}

fn copies(vault: &Vault, _: &MemoryToken, scratch: &tempfile::TempDir) {
    vault.copy_to(scratch.path().join("copy")).unwrap();
}

fn rotates(vault: &Vault, _: &MemoryToken, _: &tempfile::TempDir) {
    vault.rotate_root_key(RootKey::bytes([7; 32])).unwrap();
}

/// Later, when nothing of today is a matter of minutes.
fn later() -> Timestamp {
    Timestamp::now() + SignedDuration::from_mins(30)
}

fn readable(world: &World, generation: u64) -> bool {
    let token = Leak::Token { from: later(), until: later() };
    let leaks = [Leak::RootRecord { generation }, Leak::Pages { generation: 1 << 40 }, token];
    world.report(leaks, later()).scope.persons_readable == 1
}

/// Every record that ever was, each with the token as it is in the end: the report says readable exactly where it is.
fn compare(world: &World) -> (usize, usize) {
    let mut truth: BTreeMap<u64, bool> = BTreeMap::new();
    for (generation, record) in &world.records {
        *truth.entry(*generation).or_default() |= world.opens(record);
    }
    for (generation, opens) in &truth {
        assert_eq!(readable(world, *generation), *opens, "generation {generation} of {truth:?}");
    }
    (truth.values().filter(|opens| **opens).count(), truth.len())
}

#[test]
fn a_copied_root_record_opens_as_long_as_the_report_says() {
    let mut world = World::new();
    world.with(Duration::ZERO, &[shred, shred, shred]);
    let (open, all) = compare(&world);
    assert!(open == 1 && all >= 4, "the newest alone: {open} of {all}");
    world.with(Duration::from_secs(3600), &[shred, shred]);
    let (kept, more) = compare(&world);
    assert!(kept >= 3 && more > all, "{kept} of {more}");
    // A copy is under a key of its own, which no shred destroys.
    world.with(Duration::ZERO, &[copies]);
    let copied = at(&world.scratch, "copy").records();
    world.with(Duration::ZERO, &[shred, shred]);
    world.records.extend(copied.clone());
    assert!(world.opens(&copied[0].1));
    let (open, _) = compare(&world);
    assert_eq!(open, 2, "the newest, and the copy");
    let said = world.report([Leak::RootRecord { generation: copied[0].0 }], later());
    let said = said.consequences.join(" ");
    assert!(
        said.contains("whose key was destroyed in the token by")
            && said.contains("under a key of its own, which is in"),
        "{said}"
    );
    world.with(
        Duration::ZERO,
        &[|vault, token, _| {
            let left = vault.series_in(&key(token, Duration::ZERO)).unwrap();
            let left = left.iter().find(|series| !series.is_in_use).unwrap().series;
            assert_eq!(vault.destroy_series(&key(token, Duration::ZERO), left, None).unwrap(), 1);
        }],
    );
    assert_eq!(compare(&world).0, 1);
    // The vault leaves the token: its last version stays there, until it is destroyed.
    world.with(Duration::ZERO, &[rotates]);
    let vault = builder(&world.scratch).unlock(RootKey::bytes([7; 32])).unwrap();
    let token = key(&world.token, Duration::ZERO);
    let last = world.records.iter().rev().find(|(_, record)| world.opens(record)).unwrap().0;
    assert!(readable(&world, last));
    let left = vault.series_in(&token).unwrap()[0].series;
    assert_eq!(vault.destroy_series(&token, left, None).unwrap(), 1);
    vault.close().unwrap();
    assert!(!world.records.iter().any(|(generation, record)| *generation <= last && world.opens(record)));
    assert!(!readable(&world, last));
}

/// What leaked beside a token, and when: before a key was destroyed it opens.
#[test]
fn when_the_token_was_in_other_hands_is_what_counts() {
    let mut world = World::new();
    world.with(Duration::ZERO, &[shred]);
    let first = world.records[0].0;
    let readable = |more: Vec<Leak>| {
        let leaks = [Leak::RootRecord { generation: first }, Leak::Pages { generation: 1 << 40 }];
        world.report(leaks.into_iter().chain(more), later()).scope.persons_readable == 1
    };
    let now = Timestamp::now();
    assert!(!readable(vec![]), "a record alone");
    assert!(readable(vec![Leak::Token { from: now, until: now }]), "just now: the minutes that clocks may differ");
    assert!(!readable(vec![Leak::Token { from: later(), until: later() }]), "the key was gone by then");
    let before = now - SignedDuration::from_hours(1);
    assert!(readable(vec![Leak::Token { from: before, until: later() }]), "a window that reaches back");
    assert!(!readable(vec![Leak::Token { from: before, until: before }]), "before there was such a key");
    assert!(readable(vec![Leak::RootKeyVersion { number: 1 }]));
    assert!(!readable(vec![Leak::RootKeyVersion { number: 2 }]), "of the next version");
    assert!(readable(vec![Leak::RootKey { generation: first }]));
    let token = world.report([Leak::Token { from: later(), until: later() }], later());
    let measures: Vec<_> = token.measures.iter().map(|measure| &measure.what).collect();
    assert!(measures.contains(&&Action::ReplaceToken), "{measures:?}");
    let said = token.assumptions.join(" ");
    assert!(said.contains("cloned or backed up") && said.contains("stopped, suspended or dumped"), "{said}");
}
