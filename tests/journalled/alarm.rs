//! An alarm that an operator clears is in the journal, with why; and a journal that proves more than the record is cleared with it.

use oubliette::journal::{Ending, Event, Reason};
use oubliette::{KeyStoreError, UnlockError};

use super::support::*;

#[test]
fn who_cleared_what_is_in_the_journal() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let public_key = vault.public_key().unwrap();
    let row = enroll(&vault);
    let _ = vault.sweep().unwrap();
    for place in ["main", "mirror"] {
        copy(&scratch.at(place), &scratch.at("then").join(place));
    }
    let _ = vault.rotate_purpose(NEWS).unwrap();
    let seen = vault.generation().unwrap();
    vault.close().unwrap();
    // Root and pages of before, and the journal of now: a journal that proves it.
    for place in ["main", "mirror"] {
        copy(&scratch.at("then").join(place), &scratch.at(place));
    }
    for _ in 0..2 {
        let refused = scratch.vault().unlock(key());
        assert!(matches!(refused, Err(UnlockError::KeyStore(KeyStoreError::RolledBack { .. }))), "{refused:?}");
    }
    let why = Reason::new("a drill was run in the wrong directory").unwrap();
    let bare = scratch.bare().clear_alarm(key(), why.clone());
    assert!(bare.is_err(), "not past the journal: {bare:?}");
    let cleared = scratch.vault().highest_number_known(row.0).clear_alarm(key(), why.clone()).unwrap();
    assert!(alive(&cleared, &row) == (true, true) && cleared.health().ready);
    let deeds = scratch.deeds(&public_key);
    let told = deeds.iter().any(|(event, ending)| {
        matches!(event, Event::ClearAlarm { seen: told, why: said, .. } if *told >= seen && *said == why)
            && *ending == Some(Ending::Done)
    });
    assert!(told, "{deeds:?}");
    let _ = scratch.verify(&public_key);
    let _ = cleared.shred([enroll(&cleared).0]).unwrap();
    drop(cleared);
    assert_eq!(alive(&scratch.vault().unlock(key()).unwrap(), &row), (true, true));
}

/// What the journal knows to be shredded is no false alarm, whatever an operator says: nothing happens, and `replay` mends it.
#[test]
fn a_shred_that_the_journal_knows_cannot_be_cleared_away() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let (alice, bob) = (enroll(&vault), enroll(&vault));
    let _ = vault.sweep().unwrap();
    for place in ["main", "mirror"] {
        copy(&scratch.at(place), &scratch.at("then").join(place));
    }
    let _ = vault.shred([alice.0]).unwrap();
    vault.close().unwrap();
    for place in ["main", "mirror"] {
        copy(&scratch.at("then").join(place), &scratch.at(place));
    }
    let why = Reason::new("surely nobody was shredded").unwrap();
    let refused = scratch.vault().clear_alarm(key(), why);
    let is_told =
        matches!(&refused, Err(oubliette::recovery::RecoverError::KeyStore(KeyStoreError::RolledBack { .. })));
    assert!(is_told, "{refused:?}");
    assert!(scratch.vault().unlock(key()).is_err());
    let mended = scratch.vault().replay(key(), new_key(), bob.0).unwrap();
    assert_eq!((alive(&mended, &alice), alive(&mended, &bob)), ((false, false), (true, true)));
}
