//! Rules 13, 15 and 17: a page that is gone is not a person who is gone; pages on disk and in memory are bounded.

use std::collections::HashSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use oubliette::store::{
    Directory, Mark, Memory, PAGE_BYTES, PageName, PageStore, RootStore, StoreError, StoredPage, Usage,
};
use oubliette::{KeyStoreError, OpenError, Outcome, ShredError, Vault, VaultBuilder};

use super::support::*;

/// Rule 13: with each page of the path gone or damaged in turn, the answer is never "shredded" and nothing is committed
/// through it.
#[test]
fn a_page_that_is_gone_is_not_a_person_who_is_gone() {
    let vault = Vault::in_memory([ORDERS]);
    let rows: Vec<_> = (0..3).map(|_| enroll(&vault)).collect();
    let _ = vault.shred([rows[1].0]).unwrap();
    vault.sweep().unwrap();
    let whole = vault.memory().snapshot();
    let names = vault.memory().page_names();
    assert_eq!(names.len(), 5);
    for name in names {
        for damage in [true, false] {
            vault.memory().restore(&whole);
            if damage {
                assert!(vault.memory().tamper_page(&name, |bytes| bytes[4000] ^= 1));
            } else {
                assert!(vault.memory().lose_page(&name));
            }
            let fresh = match vault.second() {
                Ok(fresh) => fresh,
                Err(oubliette::UnlockError::KeyStore(KeyStoreError::PageDamaged { page, .. })) => {
                    assert_eq!(page, name.to_string(), "the root page is read when unlocking");
                    continue;
                }
                Err(other) => panic!("{other:?}"),
            };
            for (customer, sealed) in &rows {
                let error = fresh.open(*customer, EMAIL, sealed).unwrap_err();
                let OpenError::KeyStore(KeyStoreError::PageDamaged { page, problem }) = &error else {
                    panic!("{error:?}")
                };
                assert_eq!((page, error.outcome()), (&name.to_string(), Outcome::Investigate));
                assert!(problem.contains(if damage { "damaged" } else { "missing" }), "{problem}");
            }
            let generation = fresh.generation().unwrap();
            let error = fresh.shred([rows[0].0]).unwrap_err();
            assert!(matches!(error, ShredError::NothingHappened(KeyStoreError::PageDamaged { .. })), "{error:?}");
            let error = fresh.shredding(..=rows[0].0).run().unwrap_err();
            assert!(matches!(error, ShredError::NothingHappened(KeyStoreError::PageDamaged { .. })), "{error:?}");
            assert!(damage || fresh.sweep().is_err(), "nothing is forgotten while a page is missed");
            fresh.refresh().unwrap();
            assert_eq!(fresh.generation().unwrap(), generation);
        }
    }
    vault.memory().restore(&whole);
    let fresh = vault.second().unwrap();
    assert!(fresh.open(rows[0].0, EMAIL, &rows[0].1).is_ok());
    assert!(matches!(fresh.open(rows[1].0, EMAIL, &rows[1].1), Err(OpenError::Shredded { .. })));
}

/// Rule 15: many single shreds leave many files with one live page or none; a sweep leaves what one shred of all would.
#[test]
fn a_sweep_makes_many_single_shreds_as_small_as_one() {
    const SHREDS: i64 = 150;
    let scratch = Scratch::new();
    let vault = scratch.vault().keep_superseded(Duration::ZERO).create(key()).unwrap();
    let customers: Vec<_> = (0..SHREDS * 3).map(|_| vault.enroll().unwrap()).collect();
    let kept = seal(&vault, customers[1]);
    for customer in customers.iter().step_by(3) {
        let _ = vault.shred([*customer]).unwrap();
    }
    let before = vault.status().unwrap();
    let needed: u64 = before.purposes.iter().map(|purpose| purpose.bytes).sum();
    assert!(before.pages.bytes > needed * 20, "{} for {needed}", before.pages.bytes);
    vault.sweep().unwrap();
    // Other processes may read pages of the record they hold, for a lease.
    std::thread::sleep(before.lease * 2 + Duration::from_millis(100));
    vault.sweep().unwrap();
    let after = vault.status().unwrap();
    assert!(after.pages.bytes < needed + needed / 4, "{} for {needed}", after.pages.bytes);
    let on_disk: u64 =
        contents(&scratch.join("main").join("pages")).keys().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(on_disk < needed + needed / 4 + 100_000, "{on_disk} on disk for {needed}");
    assert_eq!(vault.open(customers[1], EMAIL, &kept).unwrap().expose_personal_data(), "alice@example.com");
    let fresh = scratch.vault().unlock(key()).unwrap();
    assert!(fresh.open(customers[1], EMAIL, &kept).is_ok());
}

/// Rule 15: superseded pages are kept for the time that was asked for, moved ones too.
#[test]
fn a_sweep_keeps_what_it_was_told_to_keep() {
    let scratch = Scratch::new();
    let vault = scratch.vault().keep_superseded(Duration::from_secs(3600)).create(key()).unwrap();
    let customers: Vec<_> = (0..20).map(|_| vault.enroll().unwrap()).collect();
    let _ = vault.shred([customers[0]]).unwrap();
    let then: HashSet<_> = contents(&scratch.join("main").join("pages")).into_keys().collect();
    for customer in &customers[1..] {
        let _ = vault.shred([*customer]).unwrap();
    }
    vault.sweep().unwrap();
    vault.sweep().unwrap();
    let now: HashSet<_> = contents(&scratch.join("main").join("pages")).into_keys().collect();
    assert!(then.is_subset(&now), "a record from an hour ago still finds its pages");
}

/// A page store that counts its reads.
struct Counting(Memory, Arc<AtomicU64>);

impl PageStore for Counting {
    fn put(&self, mark: &Mark, pages: &[StoredPage]) -> Result<(), StoreError> {
        self.0.put(mark, pages)
    }

    fn get(&self, name: &PageName) -> Result<Option<Vec<u8>>, StoreError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.get(name)
    }

    fn mark(&self) -> Result<Mark, StoreError> {
        self.0.mark()
    }

    fn replace_mark(&self, mark: &Mark) -> Result<(), StoreError> {
        self.0.replace_mark(mark)
    }

    fn sweep(&self, live: &HashSet<PageName>, generation: u64, keep: Duration) -> Result<Usage, StoreError> {
        self.0.sweep(live, generation, keep)
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        self.0.usage()
    }
}

fn counting(memory: &Memory) -> (VaultBuilder, Arc<AtomicU64>) {
    let reads = Arc::new(AtomicU64::new(0));
    let pages = Counting(memory.clone(), reads.clone());
    (Vault::on(pages, memory.clone()).purposes([ORDERS]).lease(Duration::from_secs(60)), reads)
}

/// Rule 17: at most five pages are read for a customer, none after `preload`, and no more are kept than was said.
#[test]
fn pages_in_memory_are_bounded_and_can_be_loaded_before() {
    let memory = Memory::new();
    let (builder, _) = counting(&memory);
    let vault = builder.create(key()).unwrap();
    let rows: Vec<_> = (0..256 * 40).map(|_| vault.enroll().unwrap()).collect();
    // One page of leaves for each 256 numbers.
    let _ = vault.shred(rows.iter().step_by(256).copied()).unwrap();
    let alive: Vec<_> = rows.iter().skip(1).step_by(256).map(|id| (*id, seal(&vault, *id))).collect();
    vault.close().unwrap();

    let (builder, reads) = counting(&memory);
    let vault = builder.unlock(key()).unwrap();
    reads.store(0, Ordering::Relaxed);
    vault.preload(alive.iter().map(|row| row.0)).unwrap();
    assert!(reads.swap(0, Ordering::Relaxed) >= 40);
    for (customer, sealed) in &alive {
        vault.open(*customer, EMAIL, sealed).unwrap();
    }
    assert_eq!(reads.load(Ordering::Relaxed), 0, "no read after a preload");
    vault.close().unwrap();

    let most = 30;
    let (builder, reads) = counting(&memory);
    let vault = builder.most_tree_memory(super::loading::room_for(most)).unlock(key()).unwrap();
    for (customer, sealed) in &alive {
        reads.store(0, Ordering::Relaxed);
        vault.open(*customer, EMAIL, sealed).unwrap();
        assert!(reads.load(Ordering::Relaxed) <= 5);
        let resident = vault.status().unwrap().resident_pages;
        assert!(resident <= most + 1, "{resident}");
    }
    assert!(vault.status().unwrap().resident_pages * PAGE_BYTES < 1 << 20);
}

/// A bit that flips on the disk, or a file that is gone, is told with the file's name; nothing is written.
#[test]
fn a_damaged_page_file_is_named() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let (alice, _) = enroll(&vault);
    let (bob, b) = enroll(&vault);
    let _ = vault.shred([alice]).unwrap();
    vault.close().unwrap();
    let pages = scratch.join("main").join("pages");
    let file = contents(&pages).into_keys().find(|path| path.extension().is_some_and(|it| it == "pages")).unwrap();
    let whole = fs::read(&file).unwrap();
    for at in (600..whole.len()).step_by(whole.len() / 7) {
        let mut bad = whole.clone();
        bad[at] ^= 1;
        fs::write(&file, &bad).unwrap();
        let before = contents(&scratch.join("main"));
        let error = match VaultBuilder::in_directory(Directory::at(scratch.join("main")))
            .purposes([ORDERS, NEWS])
            .unlock(key())
        {
            Ok(vault) => match vault.open(bob, EMAIL, &b) {
                // A page of the other purpose's tree.
                Ok(_) => vault.preload([bob]).unwrap_err(),
                Err(OpenError::KeyStore(error)) => error,
                Err(other) => panic!("byte {at}: {other:?}"),
            },
            Err(oubliette::UnlockError::KeyStore(error)) => error,
            Err(other) => panic!("byte {at}: {other:?}"),
        };
        assert!(matches!(error, KeyStoreError::PageDamaged { .. }), "byte {at}: {error:?}");
        assert_eq!(error.outcome(), Outcome::Investigate);
        let name = file.file_name().unwrap().to_string_lossy();
        assert!(told(&error).contains(&*name), "byte {at}: {}", told(&error));
        assert_eq!(contents(&scratch.join("main")), before);
    }
}

/// One page is damaged. Whoever is behind it is not shredded, and told why; those who shared the commit are.
#[test]
fn a_damaged_page_is_its_own_requests_trouble() {
    let memory = Memory::new();
    let vault = Vault::on(memory.clone(), memory.clone()).purposes([ORDERS]).create(key()).unwrap();
    // In leaves of their own, 256 numbers apart.
    let rows: Vec<_> = (0..1100).map(|_| enroll(&vault)).collect();
    let leaf = |nth: usize| &rows[nth * 256 + 10];
    let before: HashSet<PageName> = memory.page_names().into_iter().collect();
    let _ = vault.shred([leaf(0).0]).unwrap();
    let _ = vault.shred([leaf(1).0]).unwrap();
    vault.sweep().unwrap();
    vault.close().unwrap();
    assert!(before.is_empty());
    // The leaf of the first: without it nobody there can be told from the shredded, and the others can.
    let whole = memory.snapshot();
    let victim = memory.page_names().into_iter().find(|name| {
        memory.restore(&whole);
        memory.lose_page(name);
        let vault = Vault::on(memory.clone(), memory.clone()).purposes([ORDERS]).unlock(key());
        vault.is_ok_and(|vault| {
            let is_lost = |row: &(oubliette::CustomerId, oubliette::Sealed<oubliette::personal::Email>)| {
                matches!(vault.open(row.0, EMAIL, &row.1), Err(OpenError::KeyStore(_)))
            };
            is_lost(&rows[5]) && !is_lost(&rows[300]) && !is_lost(leaf(2))
        })
    });
    assert!(victim.is_some(), "the leaf");
    let vault = Vault::on(memory.clone(), memory.clone()).purposes([ORDERS]).unlock(key()).unwrap();
    let customers = [rows[5].0, rows[300].0, leaf(2).0, leaf(3).0];
    // They wait together, for a commit of somebody else's: all that comes until it is over goes into one.
    let other = memory.lock(&memory.places(), Duration::from_secs(5)).unwrap();
    let first = vault.shredding([leaf(3).0]).start();
    std::thread::sleep(Duration::from_millis(50));
    let pending: Vec<_> = customers.iter().map(|customer| vault.shredding([*customer]).start()).collect();
    drop(other);
    let first = super::commit::block_on(first).unwrap();
    let answers: Vec<_> = pending.into_iter().map(super::commit::block_on).collect();
    assert!(matches!(&answers[0], Err(ShredError::NothingHappened(KeyStoreError::PageDamaged { .. }))), "{answers:?}");
    let generations: HashSet<u64> =
        answers[1..].iter().map(|answer| answer.as_ref().unwrap().commit().generation()).collect();
    assert_eq!(generations, HashSet::from([first.commit().generation()]), "one commit");
    for (customer, sealed) in [&rows[300], leaf(2), leaf(3)] {
        assert!(matches!(vault.open(*customer, EMAIL, sealed), Err(OpenError::Shredded { .. })));
    }
    // By number, too: whoever asks for all of them is behind the page.
    assert!(matches!(vault.shredding(..=rows[20].0).run(), Err(ShredError::NothingHappened(_))));
}

/// One tree's root page is lost: its purpose is not opened, sealed or shredded. Other purposes do not notice, and `status` says which.
#[test]
fn a_tree_that_cannot_be_read_concerns_its_own_purpose() {
    let memory = Memory::new();
    let open = || Vault::on(memory.clone(), memory.clone()).purposes([ORDERS, NEWS]).lease(LEASE);
    let vault = open().create(key()).unwrap();
    let (alice, a) = enroll(&vault);
    let (bob, b) = enroll(&vault);
    let news = vault.seal(alice, NEWS_EMAIL, &email("alice@example.com")).unwrap();
    let _ = vault.shredding([bob]).purpose(NEWS).run().unwrap();
    vault.close().unwrap();
    memory.page_names().iter().for_each(|name| assert!(memory.lose_page(name)));

    let vault = open().unlock(key()).unwrap();
    assert!(vault.open(alice, EMAIL, &a).is_ok() && vault.open(bob, EMAIL, &b).is_ok());
    assert!(vault.seal(bob, EMAIL, &email("bob@example.com")).is_ok());
    let lost = vault.open(alice, NEWS_EMAIL, &news).unwrap_err();
    assert!(matches!(lost, OpenError::KeyStore(KeyStoreError::PageDamaged { .. })), "{lost:?}");
    let troubles: Vec<_> =
        vault.status().unwrap().purposes.into_iter().map(|tree| (tree.purpose, tree.trouble.is_some())).collect();
    assert_eq!(troubles, [("orders".to_owned(), false), ("newsletter".to_owned(), true)]);
    let health = vault.health();
    assert!(health.can_open && !health.ready, "nobody can be shredded in all purposes: {health:?}");
    assert!(matches!(vault.shred([alice]), Err(ShredError::NothingHappened(KeyStoreError::PageDamaged { .. }))));
    let _ = vault.shredding([alice]).purpose(ORDERS).run().unwrap();
    assert!(matches!(vault.open(alice, EMAIL, &a), Err(OpenError::Shredded { .. })));
    vault.close().unwrap();
    // With nothing left to unlock it for, it says so at once.
    let alone = Vault::on(memory.clone(), memory.clone()).purposes([NEWS]).unlock(key()).unwrap_err();
    assert!(matches!(alone, oubliette::UnlockError::KeyStore(KeyStoreError::PageDamaged { .. })), "{alone:?}");
}

/// Rows of somebody else's making name trees that nobody knows. One read tells for all that name the same one, and a few of others cost
/// little, however long the lease is.
#[test]
fn unknown_trees_cost_little() {
    let long = Duration::from_secs(60);
    let memory = Memory::new();
    let vault = Vault::on(memory.clone(), memory.clone()).purposes([ORDERS]).lease(long).create(key()).unwrap();
    let alice = vault.enroll().unwrap();
    let foreign = |_| {
        let memory = Memory::new();
        let other = Vault::on(memory.clone(), memory).purposes([ORDERS]).create(key()).unwrap();
        let same = other.enroll().unwrap();
        assert_eq!(same, alice);
        [seal(&other, same), seal(&other, same)]
    };
    let rows: Vec<_> = (0..8).map(foreign).collect();
    let begun = std::time::Instant::now();
    for row in rows.iter().chain(&rows).flatten() {
        assert!(matches!(vault.open(alice, EMAIL, row), Err(OpenError::OtherVault { .. })));
    }
    let taken = begun.elapsed();
    assert!(taken < Duration::from_secs(3), "32 rows of 8 vaults took {taken:?}");
    // A tree that another process made a moment ago is found.
    let other = Vault::on(memory.clone(), memory.clone()).purposes([ORDERS]).unlock(key()).unwrap();
    let _ = other.rotate_purpose(ORDERS).unwrap();
    let sealed = seal(&other, alice);
    assert!(vault.open(alice, EMAIL, &sealed).is_ok());
}
