//! Receipts of a vault: checked offline, against its journal, and refused when they cannot be given.

use std::time::Duration;

use oubliette::ReceiptContext;
use oubliette::journal::{self, Expectations, Purposes, Reason, Receipt, Whose};

use super::support::*;

fn whose() -> Whose {
    Whose::new("customer 4711").unwrap()
}

#[test]
fn a_receipt_says_what_was_done_and_what_may_remain() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let public = vault.public_key().unwrap();
    let (alice, bob) = (enroll(&vault), enroll(&vault));
    let why = Reason::new("request 7").unwrap();
    let shredded = vault.shredding([alice.0]).reason(why.clone()).run().unwrap();
    let facts = ReceiptContext::new().backups_kept(Duration::from_secs(86_400 * 30)).index(BY_EMAIL);
    let receipt = vault.receipt(&shredded, whose(), &facts).unwrap();
    let text = receipt.to_string();
    let _ = vault.shred([bob.0]).unwrap();

    let read = Receipt::verify(&text, &public).unwrap();
    let content = read.content();
    assert!(content.numbers.contains(alice.0) && content.numbers.count() == 1);
    assert_eq!((&content.purposes, content.why.as_ref()), (&Purposes::All, Some(&why)));
    assert_eq!(content.generation, shredded.commit().generation());
    assert_eq!(content.entries.len(), 2);
    assert!(content.effective_everywhere_at > content.shredded_at);
    let remains: Vec<String> = content.may_remain.iter().map(|remains| remains.what.to_string()).collect();
    assert!(remains[0].contains("copies of the root record"), "{remains:?}");
    assert!(remains.iter().any(|what| what.contains("orders/email/exact")), "{remains:?}");
    assert_eq!(remains.len(), 4);
    let expected = Expectations::new().receipt(&read);
    journal::verify(scratch.journal(), &public, &expected, |_| ()).unwrap();
    let bad = text.replacen("customer 4711", "customer 4712", 1);
    assert!(Receipt::verify(&bad, &public).is_err());
}

#[test]
fn a_receipt_of_one_person_in_a_shred_of_many() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let rows: Vec<Row> = (0..3).map(|_| enroll(&vault)).collect();
    let shredded = vault.shredding([rows[0].0, rows[1].0]).purpose(NEWS).run().unwrap();
    let own = |row: &Row| vault.receipt(&shredded, whose(), &ReceiptContext::new().numbers([row.0]));
    let receipt = own(&rows[1]).unwrap();
    assert!(receipt.content().numbers.contains(rows[1].0) && receipt.content().numbers.count() == 1);
    assert!(matches!(&receipt.content().purposes, Purposes::Named(names) if names.len() == 1));
    assert!(own(&rows[2]).is_err(), "nobody is told of a shred that was not theirs");
}

#[test]
fn no_receipt_without_a_journal() {
    let scratch = Scratch::new();
    let vault = scratch.bare().create(key()).unwrap();
    let row = enroll(&vault);
    let shredded = vault.shred([row.0]).unwrap();
    assert!(vault.receipt(&shredded, whose(), &ReceiptContext::new()).is_err());
}

/// A time that no clock tells is not none at all: nothing is said to be gone before it is.
#[test]
fn what_is_kept_for_ever_is_not_said_to_be_gone() {
    let scratch = Scratch::new();
    let vault = scratch.vault().keep_superseded(Duration::MAX).create(key()).unwrap();
    let row = enroll(&vault);
    let shredded = vault.shred([row.0]).unwrap();
    for kept in [Duration::MAX, Duration::from_secs(1 << 40)] {
        let facts = ReceiptContext::new().backups_kept(kept).root_copies_kept(kept);
        let receipt = vault.receipt(&shredded, whose(), &facts).unwrap();
        let until: Vec<String> = receipt.content().may_remain.iter().map(|remains| remains.until.to_string()).collect();
        let last = "9999-12-30T21:59:59.999Z";
        assert_eq!(until, [last.to_owned(), format!("the first sweep after {last}"), last.to_owned()]);
    }
}

/// Pages go with a sweep, not by themselves; and tokens of all epochs there are, however many.
#[test]
fn what_remains_is_said_by_what_ends_it() {
    const LONG: oubliette::Index<oubliette::personal::Email> =
        oubliette::Purpose::new("thirty bytes of a purpose \"q\"..")
            .field("bytes of a field's label, \"quoted\" and so on, sixty-four of them")
            .index("bytes of an index's label, and as many as there may be, the most", oubliette::bits(32));
    let scratch = Scratch::new();
    let purposes = [ORDERS, NEWS, LONG.field().purpose()];
    let vault = scratch.vault().purposes(purposes).create(key()).unwrap();
    let row = enroll(&vault);
    for _ in 0..11 {
        let _ = vault.begin_epoch(LONG).unwrap();
    }
    let shredded = vault.shred([row.0]).unwrap();
    let receipt = vault.receipt(&shredded, whose(), &ReceiptContext::new().index(LONG)).unwrap();
    let public = vault.public_key().unwrap();
    let read = Receipt::verify(&receipt.to_string(), &public).unwrap();
    let remains: Vec<(String, String)> =
        read.content().may_remain.iter().map(|remains| (remains.what.to_string(), remains.until.to_string())).collect();
    assert!(remains[1].0.starts_with("superseded pages") && remains[1].1.starts_with("the first sweep after 20"));
    assert!(remains[2].0.ends_with("as there may be, the most"), "whole: {remains:?}");
    assert_eq!(remains[2].1, "each epoch up to 11 is retired");
}

/// Somebody is opening a value when it is shredded, and waits for a page that a store takes its time over: no key is held meanwhile.
#[test]
fn who_waits_for_a_page_holds_no_key() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let (alice, bob) = (enroll(&vault), enroll(&vault));
    let _ = vault.shred([bob.0]).unwrap();
    vault.close().unwrap();
    let store = || Then(layout(scratch.0.path()).open().unwrap(), || ());
    let vault = oubliette::Vault::on(store(), store()).purposes([ORDERS, NEWS]).journal(scratch.journal());
    let vault = vault.unlock(key()).unwrap();
    std::thread::scope(|scope| {
        let opens = scope.spawn(|| {
            SLOW.set(Duration::from_millis(300));
            vault.open(alice.0, EMAIL, &alice.1)
        });
        std::thread::sleep(Duration::from_millis(100));
        let shredded = vault.shred([alice.0]).unwrap();
        assert!(shredded.commit().is_wiped_here() && !opens.is_finished());
        let receipt = vault.receipt(&shredded, whose(), &ReceiptContext::new()).unwrap();
        assert!(!receipt.to_string().contains("under way"));
        let opened = opens.join().unwrap();
        assert!(matches!(opened, Err(oubliette::OpenError::Shredded { .. })), "{opened:?}");
    });
}

/// With versions of the root key a receipt says whether a copy of an older root record can still be read, and until when: as the policy has it.
#[test]
fn a_receipt_knows_versions_of_the_root_key() {
    use oubliette::testing::MemoryToken;
    use oubliette::{RootKey, root_keys::VersionPolicy};
    let hour = Duration::from_secs(3600);
    for (policy, what, until) in [
        (VersionPolicy::with_each_shred(), "backup of the token", "either is destroyed"),
        (VersionPolicy::with_each_shred().keep_older(hour), "copies of the root record", "20"),
        (VersionPolicy::by_hand(), "copies of the root record", "the next version"),
    ] {
        let (scratch, token) = (Scratch::new(), MemoryToken::new());
        let vault = scratch.vault().create(RootKey::versions(token, policy)).unwrap();
        let shredded = vault.shred([enroll(&vault).0]).unwrap();
        // What comes later changes nothing for the better, and a version that begins does.
        let _ = vault.sweep().unwrap();
        let receipt = vault.receipt(&shredded, whose(), &ReceiptContext::new()).unwrap();
        let first = &receipt.content().may_remain[0];
        assert!(first.what.to_string().contains(what), "{policy:?}: {first:?}");
        let said = match &first.until {
            journal::Until::Time(time) => time.to_string(),
            journal::Until::Event(text) => text.to_string(),
        };
        assert!(said.contains(until), "{policy:?}: {said}");
        vault.begin_root_key_version().unwrap();
        let receipt = vault.receipt(&shredded, whose(), &ReceiptContext::new()).unwrap();
        let is_kept = policy == VersionPolicy::with_each_shred().keep_older(hour);
        let first = receipt.content().may_remain[0].what.to_string();
        assert_eq!(first.contains("backup of the token"), !is_kept, "{first}");
    }
}
