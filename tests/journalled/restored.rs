//! The root record was restored, the journal was not: it proves it, and knows whom to shred again.

use oubliette::journal::{Ending, Event};
use oubliette::{KeyStoreError, OpenError, UnlockError, recovery::RecoverError, search::Epoch};

use super::support::*;

struct Day {
    scratch: Scratch,
    public: oubliette::journal::PublicKey,
    rows: Vec<Row>,
}

fn put_back(scratch: &Scratch) {
    // The record alone, in both places: pages are as fresh as they were.
    for place in ["main", "mirror"] {
        copy(&scratch.at("backup").join(place).join("root"), &scratch.at(place).join("root"));
        // Without the mark beside the pages nothing else tells.
    }
}

impl Day {
    /// People, a backup of the key store, and then what `since` does.
    fn new(since: impl FnOnce(&oubliette::Vault, &[Row])) -> Day {
        let scratch = Scratch::new();
        let vault = scratch.vault().create(key()).unwrap();
        let public = vault.public_key().unwrap();
        let rows: Vec<Row> = (0..12).map(|_| enroll(&vault)).collect();
        let _ = vault.shred([rows[11].0]).unwrap();
        for place in ["main", "mirror"] {
            copy(&scratch.at(place), &scratch.at("backup").join(place));
        }
        since(&vault, &rows);
        vault.close().unwrap();
        for place in ["main", "mirror"] {
            copy(&scratch.at("backup").join(place), &scratch.at(place));
        }
        Day { scratch, public, rows }
    }

    fn highest(&self) -> oubliette::CustomerId {
        self.rows.iter().map(|row| row.0).max().unwrap()
    }
}

#[test]
fn an_older_record_is_refused_with_both_generations() {
    let mut known = (0, 0);
    let day = Day::new(|vault, rows| {
        known.0 = vault.generation().unwrap();
        let _ = vault.shred([rows[0].0]).unwrap();
        known.1 = vault.generation().unwrap();
    });
    // Pages and their mark went back together with the record: only the journal tells.
    let without = day.scratch.bare().unlock(key()).unwrap();
    assert_eq!(alive(&without, &day.rows[0]), (true, true), "this is what must not be");
    let refused = day.scratch.vault().unlock(key());
    let Err(UnlockError::KeyStore(KeyStoreError::RolledBack { have, seen })) = refused else { panic!("{refused:?}") };
    assert_eq!((have, seen), known);
    // Branded: every other process refuses too, with a journal or without.
    std::thread::sleep(LEASE * 3);
    let error = without.open(day.rows[1].0, EMAIL, &day.rows[1].1).unwrap_err();
    assert!(matches!(error, OpenError::KeyStore(KeyStoreError::RolledBack { .. })), "{error:?}");
    let refused = day.scratch.bare().unlock(key());
    assert!(matches!(refused, Err(UnlockError::KeyStore(KeyStoreError::RolledBack { .. }))), "{refused:?}");
}

/// A process that was running before, with a journal, must not write on.
#[test]
fn a_commit_on_an_older_record_is_refused() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let rows: Vec<Row> = (0..4).map(|_| enroll(&vault)).collect();
    let bystander = scratch.vault().unlock(key()).unwrap();
    for place in ["main", "mirror"] {
        copy(&scratch.at(place), &scratch.at("backup").join(place));
    }
    let _ = vault.shred([rows[0].0]).unwrap();
    let generation = vault.generation().unwrap();
    vault.close().unwrap();
    for place in ["main", "mirror"] {
        put_back(&scratch);
        copy(&scratch.at("backup").join(place).join("pages"), &scratch.at(place).join("pages"));
    }
    let refused = bystander.shred([rows[1].0]).unwrap_err();
    let oubliette::ShredError::NothingHappened(KeyStoreError::RolledBack { seen, .. }) = &refused else {
        panic!("{refused:?}")
    };
    assert_eq!(*seen, generation);
    assert!(scratch.bare().unlock(key()).is_err(), "branded");
}

#[test]
fn replay_shreds_again_whoever_was_shredded_since() {
    let day = Day::new(|vault, rows| {
        let _ = vault.shred([rows[4].0, rows[5].0]).unwrap();
        let _ = vault.shredding([rows[6].0]).purpose(NEWS).run().unwrap();
        let _ = vault.shredding(..=rows[1].0).run().unwrap();
    });
    let late = |day: &Day| day.scratch.vault().unlock(key());
    assert!(late(&day).is_err());
    let same = day.scratch.vault().replay(key(), key(), day.highest());
    assert!(matches!(same, Err(RecoverError::SameKey)), "{same:?}");
    let none = day.scratch.bare().replay(key(), new_key(), day.highest());
    assert!(matches!(none, Err(RecoverError::KeyStore(KeyStoreError::NeedsJournal))), "{none:?}");
    let vault = day.scratch.vault().replay(key(), new_key(), day.highest()).unwrap();
    let state: Vec<(bool, bool)> = day.rows.iter().map(|row| alive(&vault, row)).collect();
    let all = |alive| (alive, alive);
    assert_eq!(state[..2], [all(false), all(false)], "by age");
    assert_eq!(state[2..4], [all(true), all(true)]);
    assert_eq!(state[4..6], [all(false), all(false)], "by number");
    assert_eq!(state[6], (true, false), "in one purpose");
    assert_eq!(state[7..11], [all(true); 4]);
    assert_eq!(state[11], all(false), "before the backup");
    assert!(vault.enroll().unwrap() > day.highest());
    let deeds = day.scratch.deeds(&day.public);
    assert!(matches!(deeds.last(), Some((Event::Recover { .. }, Some(Ending::Done)))), "{deeds:?}");
    vault.close().unwrap();
    let vault = day.scratch.vault().unlock(new_key()).unwrap();
    assert_eq!(alive(&vault, &day.rows[4]), (false, false));
    day.scratch.verify(&day.public);
    assert!(day.scratch.vault().unlock(key()).is_err(), "the old root key opens nothing");
}

#[test]
fn replay_retires_again_what_was_retired_since() {
    let mut token = None;
    let day = Day::new(|vault, rows| {
        let email = |row: &Row| vault.open(row.0, EMAIL, &row.1).unwrap();
        token = Some(vault.token(BY_EMAIL, &email(&rows[0])).unwrap());
        let new = vault.rotate_purpose(ORDERS).unwrap().0;
        let _ = vault.retire_replaced(ORDERS, new).unwrap();
        for _ in 0..2 {
            let _ = vault.begin_epoch(BY_EMAIL).unwrap();
        }
        let _ = vault.retire_epoch(BY_EMAIL, Epoch::FIRST).unwrap();
    });
    let vault = day.scratch.vault().replay(key(), new_key(), day.highest()).unwrap();
    let row = &day.rows[0];
    assert!(matches!(vault.open(row.0, EMAIL, &row.1), Err(OpenError::Retired { .. })));
    let email = vault.open(row.0, NEWS_EMAIL, &row.2).unwrap();
    let epochs: Vec<u8> = vault.epochs(BY_EMAIL).unwrap().live.iter().map(|epoch| epoch.number()).collect();
    assert_eq!(epochs, [3], "1 and 2 are lost with the record, 0 was retired");
    assert!(!vault.tokens(BY_EMAIL, &email).unwrap().contains(&token.unwrap()));
    let again = vault.seal(row.0, EMAIL, &email).unwrap();
    assert!(vault.open(row.0, EMAIL, &again).is_ok());
}

/// The last shred was killed after its intent, and then the record was restored too.
#[test]
fn replay_finishes_what_was_interrupted() {
    let day = Day::new(|vault, rows| {
        let _ = vault.shred([rows[0].0]).unwrap();
        let _ = vault.shred([rows[1].0]).unwrap();
    });
    let whole = std::fs::read_to_string(day.scratch.journal()).unwrap();
    let without_last: String = whole.split_inclusive('\n').take(whole.lines().count() - 1).collect();
    std::fs::write(day.scratch.journal(), without_last).unwrap();
    let _ = std::fs::remove_file(day.scratch.at("journal.head"));
    let vault = day.scratch.vault().replay(key(), new_key(), day.highest()).unwrap();
    assert_eq!(alive(&vault, &day.rows[1]), (false, false));
    assert!(day.scratch.deeds(&day.public).iter().all(|(_, ending)| *ending == Some(Ending::Done)));
}

/// The control: nothing since then, and nobody is shredded who was not.
#[test]
fn an_older_record_that_nothing_was_written_after_is_no_proof() {
    let day = Day::new(|_, _| ());
    let vault = day.scratch.vault().unlock(key()).unwrap();
    assert_eq!(alive(&vault, &day.rows[0]), (true, true));
}

/// The journal lost its end, and then the record was restored: nobody knows who was shredded in between, and nothing acts
/// as if they did.
#[test]
fn a_gap_is_not_papered_over() {
    let day = Day::new(|vault, rows| {
        let _ = vault.shred([rows[0].0]).unwrap();
        let _ = vault.shred([rows[1].0]).unwrap();
        let _ = vault.shred([rows[2].0]).unwrap();
    });
    let text = std::fs::read_to_string(day.scratch.journal()).unwrap();
    let cut: String = text.split_inclusive('\n').take(5).collect();
    std::fs::write(day.scratch.journal(), cut).unwrap();
    // The head tells, although the restored record does not.
    let cut_off = day.scratch.vault().replay(key(), new_key(), day.highest());
    assert!(matches!(cut_off, Err(RecoverError::KeyStore(KeyStoreError::Journal(_)))), "{cut_off:?}");
    let why = oubliette::journal::Reason::new("the log server burnt down").unwrap();
    // Accepted when it was unlocked; but that is no answer to who must be shredded again.
    let refused = day.scratch.vault().accept_journal_loss(why.clone()).unlock(key());
    assert!(matches!(refused, Err(UnlockError::KeyStore(KeyStoreError::RolledBack { .. }))), "{refused:?}");
    let refused = day.scratch.vault().replay(key(), new_key(), day.highest());
    assert!(matches!(refused, Err(RecoverError::GapInJournal { from: 6, to: 9 })), "{refused:?}");
    let vault = day.scratch.vault().accept_journal_loss(why).replay(key(), new_key(), day.highest()).unwrap();
    assert_eq!(alive(&vault, &day.rows[0]), (false, false), "what is known is done");
    assert_eq!(alive(&vault, &day.rows[2]), (true, true), "what is lost is lost, and was said to be");
}
