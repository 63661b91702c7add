//! Receipts of a vault: checked offline, against its journal, and refused when they cannot be given.

use std::time::Duration;

use oubliette::Circumstances;
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
    let shredded = vault.because(why.clone()).shred([alice.0]).unwrap();
    let facts = Circumstances::new().backups_kept(Duration::from_secs(86_400 * 30)).index(BY_EMAIL);
    let receipt = vault.receipt(&shredded, whose(), &facts).unwrap();
    let text = receipt.to_string();
    let _ = vault.shred([bob.0]).unwrap();

    let read = Receipt::verify(&text, &public).unwrap();
    let content = read.content();
    assert!(content.numbers.contains(alice.0) && content.numbers.count() == 1);
    assert_eq!((&content.purposes, content.why.as_ref()), (&Purposes::All, Some(&why)));
    assert_eq!(content.generation, shredded.generation());
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
    let shredded = vault.shred_purpose(NEWS, [rows[0].0, rows[1].0]).unwrap();
    let own = |row: &Row| vault.receipt(&shredded, whose(), &Circumstances::new().numbers([row.0]));
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
    assert!(vault.receipt(&shredded, whose(), &Circumstances::new()).is_err());
}
