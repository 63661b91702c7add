//! Killed between an intent and its commit, and between a commit and its outcome: the next to unlock finishes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use oubliette::journal::{Ending, Event};
use oubliette::store::Problem;
use oubliette::testing::{Steps, Stop};
use oubliette::{CustomerId, ShredError, Vault, VaultBuilder, renewal::KeyTreeId, search::Epoch};

use super::support::*;

const ROLE: &str = "OUBLIETTE_JOURNALLED_ROLE";

fn run(role: &str, at: &Path, rest: &str) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "interrupted::other_process", "--nocapture"])
        .env(ROLE, format!("{role} {} {rest}", at.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.wait().unwrap().success()
}

/// Not a test of its own: what the other process does. Without its variable it has nothing to do.
#[test]
fn other_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let words: Vec<&str> = role.split(' ').collect();
    let at = PathBuf::from(words[1]);
    let number = |word: usize| words[word].parse::<i64>().unwrap();
    let customer = || CustomerId::from_stored(number(2)).unwrap();
    match words[0] {
        "step" => {
            let steps = Steps::new();
            let builder = VaultBuilder::in_directory(layout(&at).steps(&steps)).purposes([ORDERS, NEWS]);
            let vault = builder.journal(at.join("journal")).unlock(key()).unwrap();
            steps.die_at(number(3).try_into().unwrap(), false, || std::process::abort());
            let _ = vault.shred([customer()]).unwrap();
        }
        "after" => {
            let armed = Arc::new(AtomicBool::new(false));
            let vault = hooked(&at, &armed, || std::process::abort());
            armed.store(true, Ordering::SeqCst);
            let _ = vault.shred([customer()]).unwrap();
        }
        "many" => {
            let vault = vault(&at).unlock(key()).unwrap();
            for _ in 0..10 {
                let row = enroll(&vault);
                let _ = vault.shred([row.0]).unwrap();
            }
        }
        other => panic!("{other}"),
    }
}

#[test]
fn processes_that_append_at_once_keep_one_chain() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let public = vault.public_key().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert!(run("many", scratch.0.path(), "")));
        }
        for _ in 0..10 {
            let row = enroll(&vault);
            let _ = vault.shred([row.0]).unwrap();
        }
    });
    let deeds = scratch.deeds(&public);
    assert!(deeds.len() == 40 && deeds.iter().all(|(_, ending)| *ending == Some(Ending::Done)));
    // One that began while another was in the middle of a shred may have written its outcome too.
    assert!(scratch.verify(&public).entries >= 81);
    assert!(scratch.verify(&public).gaps.is_empty());
}

/// A vault that does something after a commit, once it is armed.
fn hooked(at: &Path, armed: &Arc<AtomicBool>, then: impl Fn() + Send + Sync + Clone + 'static) -> Vault {
    let store = || {
        let (armed, then) = (armed.clone(), then.clone());
        Then(layout(at).open().unwrap(), move || {
            if armed.load(Ordering::SeqCst) {
                then();
            }
        })
    };
    Vault::on(store(), store()).purposes([ORDERS, NEWS]).journal(at.join("journal")).unlock(key()).unwrap()
}

/// The shred of a process that is killed at every step of its commit. Whatever step it was: once the intent is there,
/// the next to unlock the vault has it done, and until then it is all or nothing.
#[test]
fn killed_at_each_step() {
    let mut finished = 0;
    for step in 1.. {
        let scratch = Scratch::new();
        let vault = scratch.vault().create(key()).unwrap();
        let public = vault.public_key().unwrap();
        let (alice, bob) = (enroll(&vault), enroll(&vault));
        vault.close().unwrap();
        let lived = run("step", scratch.0.path(), &format!("{} {step}", alice.0));
        let before = scratch.deeds(&public);
        let is_open = matches!(&before[..], [(Event::Shred { .. }, None)]);
        let vault = scratch.vault().unlock(key()).unwrap();
        let has_intent = !before.is_empty();
        assert_eq!(alive(&vault, &alice), (!has_intent, !has_intent), "step {step}");
        assert_eq!(alive(&vault, &bob), (true, true));
        assert_eq!(scratch.deeds(&public).len(), before.len());
        assert!(scratch.deeds(&public).iter().all(|(_, ending)| *ending == Some(Ending::Done)), "step {step}");
        scratch.verify(&public);
        finished += u32::from(is_open);
        if lived {
            assert!(!is_open);
            break;
        }
    }
    assert!(finished > 3, "most steps come after the intent");
}

#[test]
fn killed_between_commit_and_outcome() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let public = vault.public_key().unwrap();
    let alice = enroll(&vault);
    vault.close().unwrap();
    assert!(!run("after", scratch.0.path(), &alice.0.to_string()), "it was killed");
    assert_eq!(scratch.deeds(&public)[0].1, None);
    let vault = scratch.vault().unlock(key()).unwrap();
    assert_eq!(alive(&vault, &alice), (false, false));
    assert_eq!(scratch.deeds(&public)[0].1, Some(Ending::Done));
    let entries = scratch.entries(&public).len();
    vault.close().unwrap();
    drop(scratch.vault().unlock(key()).unwrap());
    assert_eq!(scratch.entries(&public).len(), entries, "once");
}

/// A store that fails after the intent: nothing happened, and the outcome says so; nobody shreds them later.
#[test]
fn a_failed_commit_is_written_down_as_one() {
    let scratch = Scratch::new();
    let steps = Steps::new();
    let builder = || VaultBuilder::in_directory(layout(scratch.0.path()).steps(&steps)).purposes([ORDERS, NEWS]);
    let vault = builder().journal(scratch.journal()).create(key()).unwrap();
    let public = vault.public_key().unwrap();
    let alice = enroll(&vault);
    steps.stop_at(1, Stop::FailFrom(Problem::Full));
    assert!(vault.shred([alice.0]).is_err());
    steps.reset();
    assert_eq!(scratch.deeds(&public)[0].1, Some(Ending::Refused));
    vault.close().unwrap();
    let vault = scratch.vault().unlock(key()).unwrap();
    assert_eq!(alive(&vault, &alice), (true, true));
}

/// The journal vanishes between the commit and the outcome, for every kind of commit: what was done counts, and the next
/// to unlock the vault finds out and writes it.
#[test]
fn every_kind_is_finished_by_the_next() {
    type Deed = fn(&Vault, &Row, KeyTreeId);
    let deeds: [(&str, Deed); 8] = [
        ("shred", |vault, row, _| drop(vault.shred([row.0]).unwrap())),
        ("purpose", |vault, row, _| drop(vault.shredding([row.0]).purpose(NEWS).run().unwrap())),
        ("through", |vault, row, _| drop(vault.shredding(..=row.0).run().unwrap())),
        ("rotate", |vault, _, _| assert!(vault.rotate_purpose(NEWS).is_ok())),
        ("retire", |vault, _, new| drop(vault.retire_replaced(ORDERS, new).unwrap())),
        ("begin", |vault, _, _| assert!(vault.begin_epoch(BY_EMAIL).is_ok())),
        ("retire epoch", |vault, _, _| assert!(vault.retire_epoch(BY_EMAIL, Epoch::FIRST).is_ok())),
        ("root key", |vault, _, _| vault.rotate_root_key(new_key()).unwrap()),
    ];
    for (what, deed) in deeds {
        let scratch = Scratch::new();
        let vault = scratch.vault().create(key()).unwrap();
        let public = vault.public_key().unwrap();
        let row = enroll(&vault);
        for _ in 0..4 {
            enroll(&vault);
        }
        let _ = vault.begin_epoch(BY_EMAIL).unwrap();
        let new = vault.rotate_purpose(ORDERS).unwrap().0;
        // One commit more, so that the record says that the tree and the epoch are durable: giving up the old ones is one commit then.
        let _ = vault.shred([enroll(&vault).0]).unwrap();
        vault.close().unwrap();
        let armed = Arc::new(AtomicBool::new(false));
        let (file, away) = (scratch.journal(), scratch.at("away"));
        let vault = hooked(scratch.0.path(), &armed, move || std::fs::rename(&file, &away).unwrap());
        armed.store(true, Ordering::SeqCst);
        deed(&vault, &row, new);
        armed.store(false, Ordering::SeqCst);
        vault.close().unwrap();
        std::fs::rename(scratch.at("away"), scratch.journal()).unwrap();
        assert_eq!(scratch.deeds(&public).last().unwrap().1, None, "{what}: its outcome could not be written");
        let root_key = if what == "root key" { new_key() } else { key() };
        let vault = scratch.vault().unlock(root_key).unwrap();
        assert_eq!(scratch.deeds(&public).last().unwrap().1, Some(Ending::Done), "{what}");
        let _ = vault.status().unwrap();
        scratch.verify(&public);
    }
}

/// The disk is full when the outcome of a retirement is written; much later, with other trees since, somebody unlocks.
#[test]
fn an_old_retirement_without_an_outcome_gives_up_no_newer_tree() {
    let scratch = Scratch::new();
    scratch.vault().create(key()).unwrap().close().unwrap();
    let armed = Arc::new(AtomicBool::new(false));
    let (file, away) = (scratch.journal(), scratch.at("away"));
    let vault = hooked(scratch.0.path(), &armed, move || std::fs::rename(&file, &away).unwrap());
    let public = vault.public_key().unwrap();
    let second = vault.rotate_purpose(ORDERS).unwrap().0;
    // So that the record says that it is durable.
    let _ = vault.begin_epoch(BY_EMAIL).unwrap();
    armed.store(true, Ordering::SeqCst);
    let _ = vault.retire_replaced(ORDERS, second).unwrap();
    armed.store(false, Ordering::SeqCst);
    std::fs::rename(scratch.at("away"), scratch.journal()).unwrap();
    assert_eq!(scratch.deeds(&public).last().unwrap().1, None, "its outcome could not be written");
    let third = vault.rotate_purpose(ORDERS).unwrap().0;
    let _ = vault.retire_replaced(ORDERS, third).unwrap();
    let row = enroll(&vault);
    vault.close().unwrap();
    let vault = scratch.vault().unlock(key()).unwrap();
    assert_eq!(alive(&vault, &row), (true, true), "nobody gave this tree up");
    assert!(scratch.deeds(&public).iter().all(|(_, ending)| *ending == Some(Ending::Done)));
    vault.close().unwrap();
    // And when all of the journal is replayed, which no restore made necessary.
    let vault = scratch.vault().replay(key(), new_key(), row.0).unwrap();
    assert_eq!(alive(&vault, &row), (true, true));
}

/// The same before the commit: what forgets is done, and of the rest it is found that it did not happen.
#[test]
fn every_kind_that_did_not_happen_is_told_from_what_did() {
    type Deed = fn(&Vault, &Row);
    let deeds: [(&str, Deed, Ending); 4] = [
        ("shred", |vault, row| drop(vault.shred([row.0])), Ending::Done),
        ("rotate", |vault, _| drop(vault.rotate_purpose(NEWS)), Ending::Refused),
        ("begin", |vault, _| drop(vault.begin_epoch(BY_EMAIL)), Ending::Refused),
        ("root key", |vault, _| drop(vault.rotate_root_key(new_key())), Ending::Refused),
    ];
    for (what, deed, ending) in deeds {
        let scratch = Scratch::new();
        let steps = Steps::new();
        let vault = scratch.vault().create(key()).unwrap();
        let public = vault.public_key().unwrap();
        let row = enroll(&vault);
        vault.close().unwrap();
        let builder = VaultBuilder::in_directory(layout(scratch.0.path()).steps(&steps)).purposes([ORDERS, NEWS]);
        let vault = builder.journal(scratch.journal()).unlock(key()).unwrap();
        // The store dies with the first step of the commit, and the journal is out of reach for the outcome.
        steps.stop_at(1, Stop::Die { torn: false });
        let (file, away, log) = (scratch.journal(), scratch.at("away"), steps.clone());
        let mover = std::thread::spawn(move || {
            while !log.died() {
                std::hint::spin_loop();
            }
            std::fs::rename(&file, &away).unwrap();
        });
        deed(&vault, &row);
        mover.join().unwrap();
        let _ = vault.close();
        std::fs::rename(scratch.at("away"), scratch.journal()).unwrap();
        let told = scratch.deeds(&public)[0].1;
        if told.is_some() {
            // The outcome was faster than the thief.
            assert_eq!(told, Some(Ending::Refused));
            continue;
        }
        let vault = scratch.vault().unlock(key()).unwrap();
        assert_eq!(scratch.deeds(&public)[0].1, Some(ending), "{what}");
        assert_eq!(alive(&vault, &row), if what == "shred" { (false, false) } else { (true, true) });
    }
}

/// Whatever a store answers at whichever step: what the caller is told, what the journal says and what is true agree.
#[test]
fn after_any_failed_step_the_journal_tells_the_truth() {
    let mut open = 0;
    for step in 1.. {
        let scratch = Scratch::new();
        let steps = Steps::new();
        let builder = || VaultBuilder::in_directory(layout(scratch.0.path()).steps(&steps)).purposes([ORDERS, NEWS]);
        let vault = builder().lease(LEASE).journal(scratch.journal()).create(key()).unwrap();
        let public = vault.public_key().unwrap();
        let row = enroll(&vault);
        steps.stop_at(step, Stop::FailFrom(Problem::Io));
        let answer = vault.shred([row.0]);
        steps.reset();
        let told = scratch.deeds(&public).last().map(|(_, ending)| *ending);
        match &answer {
            Ok(_) => assert_eq!(told, Some(Some(Ending::Done)), "step {step}"),
            Err(ShredError::NothingHappened(_)) => assert!(matches!(told, None | Some(Some(Ending::Refused)))),
            Err(ShredError::OldCopyRemains(_) | ShredError::Unknown(_)) => {
                assert_eq!(told, Some(None), "step {step}: left open, to be made sure of");
                open += 1;
            }
            other => panic!("{other:?}"),
        }
        let must_be_gone = !matches!(answer, Err(ShredError::NothingHappened(_)));
        drop(vault);
        let vault = scratch.vault().unlock(key()).unwrap();
        let gone = (!must_be_gone, !must_be_gone);
        assert_eq!(alive(&vault, &row), gone, "step {step}: {answer:?}");
        assert!(scratch.deeds(&public).iter().all(|(_, ending)| ending.is_some()));
        if answer.is_ok() {
            break;
        }
    }
    assert!(open > 0, "some step leaves it open");
}
