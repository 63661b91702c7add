//! Stores that die at each step of making a vault, of a replay and of a rotation: what the next finds can be mended.

use oubliette::journal::{Ending, Event};
use oubliette::testing::{Steps, Stop};
use oubliette::{ChangeError, CreateError, KeyStoreError, UnlockError, Vault, VaultBuilder, recovery::RecoverError};

use super::support::*;

fn stepped(scratch: &Scratch, steps: &Steps) -> VaultBuilder {
    let builder = VaultBuilder::in_directory(layout(scratch.0.path()).steps(steps)).purposes([ORDERS, NEWS]);
    builder.lease(LEASE).journal(scratch.journal())
}

#[test]
fn a_vault_that_was_being_made() {
    let mut unlocked = 0;
    for (step, torn) in (1..).flat_map(|step| [(step, false), (step, true)]) {
        let scratch = Scratch::new();
        let steps = Steps::new();
        steps.stop_at(step, Stop::Die { torn });
        let made = stepped(&scratch, &steps).create(key());
        let died = steps.died();
        let _ = made.map(|vault| vault.close());
        let vault = match scratch.vault().create(key()) {
            Err(CreateError::Exists) => {
                unlocked += 1;
                scratch.vault().unlock(key()).unwrap_or_else(|error| panic!("step {step}, {torn}: {error:?}"))
            }
            other => other.unwrap_or_else(|error| panic!("step {step}, {torn}: {error:?}")),
        };
        let public = vault.public_key().unwrap();
        let row = enroll(&vault);
        let _ = vault.shred([row.0]).unwrap();
        assert_eq!(alive(&vault, &row), (false, false));
        assert_eq!(scratch.verify(&public).entries, 3, "step {step}, {torn}");
        vault.close().unwrap();
        // Bound to it, whatever was interrupted.
        std::fs::remove_file(scratch.journal()).unwrap();
        assert!(scratch.vault().unlock(key()).is_err(), "step {step}, {torn}");
        if !died {
            break;
        }
    }
    assert!(unlocked > 2, "{unlocked}");
}

#[test]
fn a_replay_that_was_under_way() {
    let day = Scratch::new();
    let vault = day.vault().create(key()).unwrap();
    let public = vault.public_key().unwrap();
    let rows: Vec<Row> = (0..6).map(|_| enroll(&vault)).collect();
    for place in ["main", "mirror"] {
        copy(&day.at(place), &day.at("backup").join(place));
    }
    let _ = vault.shred([rows[0].0]).unwrap();
    let _ = vault.shredding([rows[1].0]).purpose(NEWS).run().unwrap();
    let _ = vault.shredding(..=rows[0].0).run().unwrap();
    let new = vault.rotate_purpose(ORDERS).unwrap().0;
    let _ = vault.retire_replaced(ORDERS, new).unwrap();
    vault.close().unwrap();
    let highest = rows[5].0;
    let (mut again, mut done) = (0, 0);
    for (step, torn) in (1..).flat_map(|step| [(step, false), (step, true)]) {
        let scratch = Scratch::new();
        for place in ["main", "mirror"] {
            copy(&day.at("backup").join(place), &scratch.at(place));
        }
        for name in ["journal", "journal.head"] {
            std::fs::copy(day.at(name), scratch.at(name)).unwrap();
        }
        let steps = Steps::new();
        steps.stop_at(step, Stop::Die { torn });
        let replayed = stepped(&scratch, &steps).replay(key(), new_key(), highest);
        let died = steps.died();
        let _ = replayed.map(|vault| vault.close());
        // Never open to anybody before it is mended.
        let early = scratch.vault().unlock(key());
        assert!(
            matches!(early, Err(UnlockError::KeyStore(KeyStoreError::RolledBack { .. } | KeyStoreError::WrongRootKey))),
            "step {step}, {torn}: {early:?}"
        );
        let vault = match scratch.vault().replay(key(), new_key(), highest) {
            Ok(vault) => {
                again += 1;
                vault
            }
            // The record is under the new root key already: it was done.
            Err(RecoverError::KeyStore(KeyStoreError::WrongRootKey)) => {
                done += 1;
                scratch.vault().unlock(new_key()).unwrap_or_else(|error| panic!("step {step}, {torn}: {error:?}"))
            }
            Err(error) => panic!("step {step}, {torn}: {error:?}"),
        };
        let news = |vault: &Vault, row: &Row| vault.open(row.0, NEWS_EMAIL, &row.2).is_ok();
        assert_eq!(
            rows.iter().map(|row| news(&vault, row)).collect::<Vec<_>>(),
            [false, false, true, true, true, true]
        );
        // The tree that was retired is retired, and there is one to go on with.
        assert!(rows.iter().all(|row| vault.open(row.0, EMAIL, &row.1).is_err()));
        let row = enroll(&vault);
        assert!(row.0 > highest && alive(&vault, &row) == (true, true));
        let recovered = |(event, ending): &(Event, Option<Ending>)| {
            matches!(event, Event::Recover { .. }) && *ending == Some(Ending::Done)
        };
        assert!(scratch.deeds(&public).iter().any(recovered), "step {step}, {torn}");
        assert!(scratch.deeds(&public).iter().all(|(_, ending)| ending.is_some()), "step {step}, {torn}");
        scratch.verify(&public);
        vault.close().unwrap();
        // Once more of a vault that needs it not: nobody is lost.
        let vault = scratch.vault().replay(new_key(), key(), row.0).unwrap();
        assert_eq!(alive(&vault, &row), (true, true), "step {step}, {torn}");
        assert!(news(&vault, &rows[2]) && !news(&vault, &rows[1]));
        if !died {
            break;
        }
    }
    assert!(again > 2 && done > 2, "{again} {done}");
}

/// A root key that is rotated: the signing key stays, and whoever unlocks next with either finds out.
#[test]
fn a_rotation_of_the_root_key_that_was_under_way() {
    let mut open = 0;
    for (step, torn) in (1..).flat_map(|step| [(step, false), (step, true)]) {
        let scratch = Scratch::new();
        let steps = Steps::new();
        let vault = stepped(&scratch, &steps).next_root_key(new_key()).create(key()).unwrap();
        let public = vault.public_key().unwrap();
        let row = enroll(&vault);
        steps.stop_at(step, Stop::Die { torn });
        let rotated = vault.rotate_root_key(new_key());
        let died = steps.died();
        assert!(rotated.is_ok() != died || matches!(rotated, Err(ChangeError::OldCopyRemains(_))), "{rotated:?}");
        let _ = vault.close();
        open += u32::from(scratch.deeds(&public).last().is_some_and(|(_, ending)| ending.is_none()));
        let vault = scratch.vault().next_root_key(new_key()).unlock(key()).unwrap();
        assert_eq!(vault.public_key().unwrap(), public);
        assert_eq!(alive(&vault, &row), (true, true));
        assert!(scratch.deeds(&public).iter().all(|(_, ending)| ending.is_some()), "step {step}, {torn}");
        let told = scratch.deeds(&public).last().map(|(_, ending)| *ending == Some(Ending::Done));
        vault.close().unwrap();
        let is_new = scratch.vault().unlock(new_key()).is_ok();
        assert_eq!(is_new, scratch.vault().unlock(key()).is_err());
        assert_eq!(told.unwrap_or(false), is_new, "step {step}, {torn}: the journal says what is so");
        if !died {
            break;
        }
    }
    assert!(open > 2, "{open}");
}
