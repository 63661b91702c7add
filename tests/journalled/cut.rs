//! The journal cut off, taken away, exchanged: noticed by the root record, and never papered over.

use oubliette::journal::{Damage, Event, JournalError, Reason};
use oubliette::{KeyStoreError, UnlockError};

use super::support::*;

/// A vault that has forgotten nothing yet is bound to its journal, too: one that is new, and one that was given a journal.
#[test]
fn a_vault_is_bound_to_its_journal_from_the_first_moment() {
    for (is_new, names) in [true, false].into_iter().flat_map(|new| [(new, 1), (new, 2)]) {
        let (scratch, names) = (Scratch::new(), &["journal", "journal.head"][..names]);
        if is_new {
            scratch.vault().create(key()).unwrap().close().unwrap();
        } else {
            scratch.bare().create(key()).unwrap().close().unwrap();
            scratch.vault().unlock(key()).unwrap().close().unwrap();
        }
        names.iter().for_each(|name| std::fs::remove_file(scratch.at(name)).unwrap());
        let refused = scratch.vault().unlock(key());
        assert!(matches!(refused, Err(UnlockError::Journal(JournalError::Missing { .. }))), "{refused:?}");
    }
}

#[test]
fn cut_off_behind_every_entry() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let public = vault.public_key().unwrap();
    for _ in 0..3 {
        let row = enroll(&vault);
        let _ = vault.shred([row.0]).unwrap();
    }
    vault.close().unwrap();
    let whole = std::fs::read_to_string(scratch.journal()).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    assert_eq!(lines.len(), 7);
    let head = scratch.at("journal.head");
    for keep in 0..lines.len() {
        // Its head with it: then only the root record tells.
        let _ = std::fs::remove_file(&head);
        std::fs::write(scratch.journal(), lines[..keep].concat()).unwrap();
        let refused = scratch.vault().unlock(key());
        // The record vouches for the last intent; its outcome came after.
        if keep == 6 {
            let vault = refused.unwrap();
            assert_eq!(scratch.entries(&public).len(), 7, "the outcome that was cut off is found out again");
            vault.close().unwrap();
            std::fs::write(scratch.journal(), &whole).unwrap();
            continue;
        }
        match refused {
            Err(UnlockError::Journal(JournalError::CutOff { have, known: 6 })) => assert_eq!(have, keep as u64),
            Err(UnlockError::Journal(JournalError::Damaged { .. })) if keep == 0 => {}
            other => panic!("{keep}: {other:?}"),
        }
        // Within a line, too.
        if keep > 0 {
            let torn = lines[..keep].concat() + &lines[keep][..lines[keep].len() / 2];
            std::fs::write(scratch.journal(), torn).unwrap();
            let refused = scratch.vault().unlock(key());
            assert!(matches!(refused, Err(UnlockError::Journal(JournalError::CutOff { .. }))), "{refused:?}");
        }
    }
    let _ = std::fs::remove_file(&head);
    std::fs::write(scratch.journal(), &whole).unwrap();
    drop(scratch.vault().unlock(key()).unwrap());
}

#[test]
fn a_loss_is_accepted_by_hand_and_recorded() {
    for taken in ["the end", "all"] {
        let scratch = Scratch::new();
        let vault = scratch.vault().create(key()).unwrap();
        let public = vault.public_key().unwrap();
        let early = std::fs::read_to_string(scratch.journal()).unwrap();
        let (alice, bob) = (enroll(&vault), enroll(&vault));
        let _ = vault.shred([alice.0]).unwrap();
        vault.close().unwrap();
        if taken == "all" {
            std::fs::remove_file(scratch.journal()).unwrap();
        } else {
            std::fs::write(scratch.journal(), early).unwrap();
        }
        let refused = scratch.vault().unlock(key());
        let Err(UnlockError::Journal(error)) = refused else { panic!("{refused:?}") };
        assert!(matches!(error, JournalError::CutOff { .. } | JournalError::Missing { .. }), "{error:?}");
        let why = Reason::new("the disk of the log server died").unwrap();
        let vault = scratch.vault().accept_journal_loss(why.clone()).unlock(key()).unwrap();
        let _ = vault.shred([bob.0]).unwrap();
        let gaps: Vec<Event> =
            scratch.entries(&public).into_iter().map(|entry| entry.event().clone()).filter(is_gap).collect();
        let [Event::Gap { why: told, .. }] = &gaps[..] else { panic!("{taken}: {gaps:?}") };
        assert_eq!(*told, why);
        assert_eq!(scratch.verify(&public).gaps.len(), 1, "an auditor sees it");
        vault.close().unwrap();
        // Once is enough, and saying it again changes nothing.
        let entries = scratch.entries(&public).len();
        drop(scratch.vault().unlock(key()).unwrap());
        drop(scratch.vault().accept_journal_loss(why).unlock(key()).unwrap());
        assert_eq!(scratch.entries(&public).len(), entries);
        // From then on the rest is bound as before.
        std::fs::remove_file(scratch.journal()).unwrap();
        let _ = std::fs::remove_file(scratch.at("journal.head"));
        assert!(scratch.vault().unlock(key()).is_err());
    }
}

fn is_gap(event: &Event) -> bool {
    matches!(event, Event::Gap { .. })
}

#[test]
fn the_journal_of_another_vault() {
    let (ours, theirs) = (Scratch::new(), Scratch::new());
    let vault = ours.vault().create(key()).unwrap();
    let row = enroll(&vault);
    let other = theirs.vault().create(key()).unwrap();
    for _ in 0..2 {
        let row = enroll(&other);
        let _ = other.shred([row.0]).unwrap();
    }
    std::fs::copy(theirs.journal(), ours.journal()).unwrap();
    // To a running vault, and to the next.
    let refused = vault.shred([row.0]).unwrap_err();
    assert!(matches!(&refused, oubliette::ShredError::NothingHappened(KeyStoreError::Journal(_))), "{refused:?}");
    assert_eq!(alive(&vault, &row), (true, true));
    vault.close().unwrap();
    let refused = ours.vault().unlock(key());
    assert!(matches!(refused, Err(UnlockError::Journal(JournalError::OtherVault { .. }))), "{refused:?}");
}

#[test]
fn a_changed_entry_stops_the_vault() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let (alice, bob) = (enroll(&vault), enroll(&vault));
    let _ = vault.shred([alice.0]).unwrap();
    vault.close().unwrap();
    let text = std::fs::read_to_string(scratch.journal()).unwrap();
    let changed = text.replacen(&format!("{{\"numbers\":[{}]}}", alice.0), &format!("{{\"numbers\":[{}]}}", bob.0), 1);
    assert_ne!(text, changed);
    std::fs::write(scratch.journal(), changed).unwrap();
    let refused = scratch.vault().unlock(key());
    let Err(UnlockError::Journal(JournalError::Damaged { line, what })) = refused else { panic!("{refused:?}") };
    assert!(line == 2 && what == Damage::Changed, "{line} {what:?}");
}
