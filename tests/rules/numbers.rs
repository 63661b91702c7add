//! Rules 7 and 18: customer numbers, and shredding by age.

use std::collections::BTreeSet;

use oubliette::{OpenError, ShredError, Vault};

use super::support::*;

/// However many processes there are and however they end, a number is issued once, and numbers only rise in each.
#[test]
fn no_number_is_issued_twice() {
    let scratch = Scratch::new();
    let first = scratch.vault().create(key()).unwrap();
    let mut issued = BTreeSet::new();
    for round in 0..6 {
        let vaults: Vec<Vault> = (0..3).map(|_| scratch.vault().unlock(key()).unwrap()).collect();
        let threads: Vec<_> = vaults
            .iter()
            .chain([&first])
            .map(|vault| {
                let vault = vault.clone();
                std::thread::spawn(move || (0..10 + round).map(|_| vault.enroll().unwrap()).collect::<Vec<_>>())
            })
            .collect();
        for thread in threads {
            let numbers = thread.join().unwrap();
            assert!(numbers.is_sorted());
            for number in numbers {
                assert!(issued.insert(number), "{number} was issued twice");
            }
        }
        // Half of them are dropped without a word, as if killed: their blocks are wasted.
        for vault in vaults.into_iter().skip(1) {
            vault.close().unwrap();
        }
    }
    first.refresh().unwrap();
    assert!(reserved(&first) >= *issued.last().unwrap());
}

/// A process that comes and goes wastes next to nothing: the first block is one number.
#[test]
fn short_lives_waste_little() {
    let scratch = Scratch::new();
    scratch.vault().create(key()).unwrap().close().unwrap();
    for _ in 0..20 {
        let vault = scratch.vault().unlock(key()).unwrap();
        vault.enroll().unwrap();
        vault.close().unwrap();
    }
    let issued = scratch.vault().unlock(key()).unwrap().status().unwrap().issued;
    // One number, and the block that is fetched before the first is used up.
    assert!(issued <= 60, "{issued}");
}

/// Who enrols later, under a number that another process had reserved, could never have anything sealed in that purpose.
#[test]
fn everybody_up_to_a_number_is_shredded_in_all_purposes_or_not_at_all() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let alice = vault.enroll().unwrap();
    let refused = vault.shredding(..=alice).purpose(NEWS).run();
    assert!(matches!(refused, Err(ShredError::OnlyInAllPurposes)), "{refused:?}");
    assert_eq!(vault.shredded_among(NEWS, [alice]).unwrap(), []);
}

/// Rule 18: everyone up to a number, wasted ones too, with an entry for each whole subtree; never into the block that
/// was reserved last, and a process whose block was overtaken drops it.
#[test]
fn shredding_by_age() {
    let vault = Vault::in_memory([ORDERS, NEWS]);
    let other = vault.second().unwrap();
    let rows: Vec<_> = (0..2000).map(|_| enroll(&vault)).collect();
    // The other process holds a block that is not the newest.
    let mut theirs = Vec::new();
    while theirs.len() < 5 {
        theirs.push(other.enroll().unwrap());
    }
    let through = reserved(&other);
    let before = other.status().unwrap().issued;
    let more: Vec<_> = (0..6000).map(|_| enroll(&vault)).collect();
    let issued = vault.status().unwrap().issued;
    // The newest block is refused, and nothing happens.
    let refused = vault.shredding(..=reserved(&vault)).run();
    let Err(ShredError::TooNew { newest }) = refused else { panic!("{refused:?}") };
    assert!(newest <= issued && newest > before);
    assert!(matches!(vault.shredding(..=number(newest.try_into().unwrap())).run(), Err(ShredError::TooNew { .. })));
    assert!(vault.open(rows[0].0, EMAIL, &rows[0].1).is_ok());

    let shredded = vault.shredding(..=through).run().unwrap();
    assert_eq!(shredded.newly_shredded(), 2 * before, "wasted numbers too, in both trees");
    for (customer, sealed) in rows.iter().chain(&more) {
        let opened = vault.open(*customer, EMAIL, sealed);
        assert_eq!(matches!(opened, Err(OpenError::Shredded { .. })), *customer <= through, "{customer}");
        assert_eq!(opened.is_ok(), *customer > through);
    }
    let status = vault.status().unwrap();
    for purpose in &status.purposes {
        assert_eq!(purpose.shredded, before);
        assert!(purpose.pages <= 5, "a path of pages, not one a customer: {}", purpose.pages);
    }
    other.refresh().unwrap();
    let next = other.enroll().unwrap();
    assert!(next > through, "{next} would be shredded from birth");
    assert!(other.seal(next, EMAIL, &email("a@example.com")).is_ok());
    // What single shreds had done before is counted once.
    let again = vault.shredding(..=through).run().unwrap();
    assert_eq!(again.newly_shredded(), 0);
}

/// A number that was reserved, and that nobody had when somebody shredded it by hand, is wasted: its customer's first value
/// would say that they were shredded. Shredded here, by another process, and for one purpose only.
#[test]
fn a_number_that_was_shredded_before_it_was_issued_is_never_issued() {
    let vault = Vault::in_memory([ORDERS, NEWS]);
    let other = vault.second().unwrap();
    for round in 0..6 {
        // Until the block at hand has numbers that nobody has.
        let last = std::iter::repeat_with(|| vault.enroll().unwrap()).find(|last| *last < reserved(&vault)).unwrap();
        let mut unissued = (last.to_stored() + 1..=reserved(&vault).to_stored()).map(number);
        let gone: Vec<_> = unissued.by_ref().take(1 + round).collect();
        let by = if round % 2 == 0 { &*vault } else { &*other };
        let shredded = match round / 2 {
            0 => by.shredding(gone.clone()).purpose(NEWS).run(),
            _ => by.shred(gone.clone()),
        };
        assert!(shredded.unwrap().newly_shredded() > 0);
        vault.refresh().unwrap();
        for _ in 0..20 {
            let next = vault.enroll().unwrap();
            assert!(!gone.contains(&next), "{next} was shredded from birth");
            assert!(vault.seal(next, EMAIL, &email("a@example.com")).is_ok());
            assert!(vault.seal(next, NEWS_EMAIL, &email("a@example.com")).is_ok());
        }
    }
}

/// A shred by age that finds all of them shredded one by one still overtakes the blocks of others.
#[test]
fn shredding_by_age_of_the_already_shredded_overtakes_blocks_too() {
    let vault = Vault::in_memory([ORDERS]);
    let other = vault.second().unwrap();
    for _ in 0..5 {
        other.enroll().unwrap();
    }
    let reserved = reserved(&other);
    for _ in 0..20 {
        vault.enroll().unwrap();
    }
    other.refresh().unwrap();
    let _ = vault.shred((1..=reserved.to_stored()).map(number)).unwrap();
    assert_eq!(vault.shredding(..=reserved).run().unwrap().newly_shredded(), 0);
    other.refresh().unwrap();
    assert!(other.enroll().unwrap() > reserved);
}
