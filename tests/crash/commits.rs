//! One commit, stopped at each of its steps.

use std::collections::BTreeSet;

use oubliette::testing::Stop;
use oubliette::{
    ChangeError, KeyStoreError, Purpose, RootKey, ShredError, Shredded, UnlockError, Vault, VaultBuilder,
    recovery::{RecoverError, Recovery},
};

use super::stage::*;

/// What the caller was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Told {
    Done,
    NothingHappened,
    /// Committed, and an old copy of the record is left.
    OldCopy,
    /// It is not said what is true.
    Unclear,
}

impl Told {
    pub fn of_shred(result: &Result<Shredded, ShredError>) -> Told {
        match result {
            Ok(_) => Told::Done,
            Err(ShredError::NothingHappened(_)) => Told::NothingHappened,
            Err(ShredError::OldCopyRemains(_)) => Told::OldCopy,
            Err(ShredError::Unknown(_)) => Told::Unclear,
            Err(error) => panic!("{error:?}"),
        }
    }
}

type Run = fn(&Stage, &dyn Fn()) -> (Told, Option<Vault>);

/// One kind of commit. `run` opens the vault by the faulty builder as it needs, arms the stop, and does the work; the
/// vault comes back if it lives on.
struct Commit {
    run: Run,
    /// The same on a vault that lived through a fault: it must succeed.
    again: Option<fn(&Vault, &Stage)>,
    /// Looks at what is particular about it, in a new process.
    check: fn(&Stage, &Vault, Told),
}

fn open(stage: &Stage) -> Vault {
    stage.faulty().unlock(RootKey::bytes(OLD_KEY)).unwrap()
}

fn nothing_more(_: &Stage, _: &Vault, _: Told) {}

const SHRED: Commit = Commit {
    run: |stage, arm| {
        let vault = open(stage);
        arm();
        (Told::of_shred(&vault.shred([stage.cast().alice, stage.cast().carol])), Some(vault))
    },
    again: Some(|vault, stage| drop(vault.shred([stage.cast().alice, stage.cast().carol]).unwrap())),
    check: nothing_more,
};

const SHRED_PURPOSE: Commit = Commit {
    run: |stage, arm| {
        let vault = open(stage);
        arm();
        (Told::of_shred(&vault.shredding([stage.cast().alice]).purpose(NEWS).run()), Some(vault))
    },
    again: Some(|vault, stage| drop(vault.shredding([stage.cast().alice]).purpose(NEWS).run().unwrap())),
    check: nothing_more,
};

const SHRED_THROUGH: Commit = Commit {
    run: |stage, arm| {
        let vault = open(stage);
        arm();
        (Told::of_shred(&vault.shredding(..=stage.cast().ghost).run()), Some(vault))
    },
    again: Some(|vault, stage| drop(vault.shredding(..=stage.cast().ghost).run().unwrap())),
    check: nothing_more,
};

const ENROLL: Commit = Commit {
    run: |stage, arm| {
        let vault = open(stage);
        arm();
        let number = vault.enroll();
        assert!(number.as_ref().is_ok_and(|number| issued_before(stage) < number.to_stored()) || number.is_err());
        (if number.is_ok() { Told::Done } else { Told::Unclear }, Some(vault))
    },
    again: Some(|vault, stage| assert!(vault.enroll().unwrap().to_stored() > issued_before(stage))),
    check: |stage, vault, told| {
        let least = issued_before(stage) + i64::from(told == Told::Done);
        assert!(vault.enroll().unwrap().to_stored() > least, "no number twice");
    },
};

fn issued_before(stage: &Stage) -> i64 {
    stage.cast().values.iter().map(|(customer, ..)| customer.to_stored()).max().unwrap()
}

const ROTATE: Commit = Commit {
    run: |stage, arm| {
        let vault = open(stage);
        arm();
        let told = match vault.rotate_root_key(RootKey::bytes(NEW_KEY)) {
            Ok(()) => Told::Done,
            Err(ChangeError::NothingHappened(_)) => Told::NothingHappened,
            Err(ChangeError::OldCopyRemains(_)) => Told::OldCopy,
            Err(ChangeError::RootKeyUnknown(_)) => Told::Unclear,
            Err(error) => panic!("{error:?}"),
        };
        (told, Some(vault))
    },
    again: Some(|vault, _| match vault.rotate_root_key(RootKey::bytes(NEW_KEY)) {
        Ok(()) => {}
        // The first one had succeeded but for an old copy, which any commit overwrites.
        Err(ChangeError::SameKey) => drop(vault.enroll().unwrap()),
        Err(error) => panic!("{error:?}"),
    }),
    check: |stage, _, told| {
        let opens = |key| match stage.anew().unlock(RootKey::bytes(key)) {
            Ok(_) => true,
            Err(UnlockError::KeyStore(KeyStoreError::WrongRootKey)) => false,
            Err(error) => panic!("{error:?}"),
        };
        let (old, new) = (opens(OLD_KEY), opens(NEW_KEY));
        assert!(old != new);
        assert!(new || !matches!(told, Told::Done | Told::OldCopy));
        assert!(old || told != Told::NothingHappened);
        if new {
            // The unlock repaired all copies: nothing under the old key is left to be stolen.
            assert!(
                stage
                    .loot(&[OLD_KEY])
                    .records
                    .iter()
                    .all(|record| { crate::attack::decoder::Record::read(record, &OLD_KEY).is_none() })
            );
        }
    },
};

const SUPPORT: Purpose = Purpose::new("support");

const ADD_PURPOSE: Commit = Commit {
    run: |stage, arm| {
        arm();
        let added = stage.faulty().purposes([ORDERS, NEWS, SUPPORT]).add_missing_purposes();
        match added.unlock(RootKey::bytes(OLD_KEY)) {
            Ok(vault) => (Told::Done, Some(vault)),
            Err(_) => (Told::Unclear, None),
        }
    },
    again: None,
    check: |stage, _, told| {
        let with = |builder: VaultBuilder| builder.purposes([ORDERS, NEWS, SUPPORT]).unlock(RootKey::bytes(OLD_KEY));
        match with(stage.anew()) {
            Ok(_) => {}
            Err(UnlockError::UnknownPurpose { .. }) => assert_ne!(told, Told::Done),
            Err(error) => panic!("{error:?}"),
        }
        let vault = with(stage.anew().add_missing_purposes()).unwrap();
        let text = "x".parse().unwrap();
        assert!(vault.seal(stage.cast().ghost, note(SUPPORT), &text).is_err(), "shredded from the start");
        let sealed = vault.seal(stage.cast().bob, note(SUPPORT), &text).unwrap();
        drop(vault);
        assert!(with(stage.anew()).unwrap().open(stage.cast().bob, note(SUPPORT), &sealed).is_ok());
    },
};

const RECOVER: Commit = Commit {
    run: |stage, arm| {
        arm();
        match recover(stage.faulty(), stage) {
            Ok(vault) => (Told::Done, Some(vault)),
            Err(_) => (Told::Unclear, None),
        }
    },
    again: None,
    check: |stage, vault, told| {
        let generation = vault.generation().unwrap();
        assert!(generation > 100 || told != Told::Done);
        assert_eq!(stage.cast().state(vault)[0], generation < 100, "all of a recovery or nothing");
    },
};

const SWEEP: Commit = Commit {
    run: |stage, arm| {
        let vault = open(stage);
        arm();
        (if vault.sweep().is_ok() { Told::Done } else { Told::Unclear }, Some(vault))
    },
    again: Some(|vault, _| {
        let _ = vault.sweep().unwrap();
    }),
    check: |_, vault, _| {
        vault.sweep().unwrap();
        vault.preload([]).unwrap();
    },
};

/// Steps of the commit, and the states before and after it.
fn rehearse(commit: &Commit, stage: &Stage) -> (u64, State, State) {
    let before = stage.cast().state(&anew(stage));
    let (told, vault) = (commit.run)(stage, &|| stage.steps().reset());
    let steps = stage.steps().taken();
    assert_eq!(told, Told::Done);
    drop(vault);
    let vault = anew(stage);
    (commit.check)(stage, &vault, told);
    (steps, before, stage.cast().state(&vault))
}

fn anew(stage: &Stage) -> Vault {
    let builder = stage.anew().next_root_key(RootKey::bytes(NEW_KEY));
    match builder.unlock(RootKey::bytes(OLD_KEY)) {
        // A recovery that got no further than the mark, 2^20 beyond what was seen: it is to be called again.
        Err(UnlockError::KeyStore(KeyStoreError::RolledBack { seen: 1_048_676, .. })) => {
            recover(stage.anew(), stage).expect("a recovery can be repeated")
        }
        other => other.expect("a vault is left that opens"),
    }
}

fn recover(builder: VaultBuilder, stage: &Stage) -> Result<Vault, RecoverError> {
    let recovery = Recovery::beyond(100, stage.cast().alice).shredded([stage.cast().alice]);
    builder.recover(RootKey::bytes(OLD_KEY), recovery, RootKey::bytes(NEW_KEY))
}

/// Stops `commit` at every step in every way, and looks at what is left. Gives the number of steps.
fn at_every_step(commit: &Commit, stops: &[Stop], set: impl Fn() -> Stage) -> (u64, BTreeSet<Told>) {
    let (steps, before, after) = rehearse(commit, &set());
    let mut told_of = BTreeSet::new();
    for step in 1..=steps {
        for stop in stops {
            let stage = set();
            let case = format!("{stop:?} at step {step} of {steps}");
            let (told, lives) = (commit.run)(&stage, &|| stage.steps().stop_at(step, *stop));
            told_of.insert(told);
            let is = |state: &State| {
                assert!(*state == before || *state == after, "{case}: neither the old state nor the new: {state:?}");
                assert!(told != Told::NothingHappened || *state == before, "{case}: said that nothing happened");
                assert!(!matches!(told, Told::Done | Told::OldCopy) || *state == after, "{case}: said {told:?}");
            };
            if let (Stop::Fail(_) | Stop::FailFrom(_), Some(vault)) = (stop, lives) {
                is(&stage.cast().state(&vault));
                stage.steps().reset();
                vault.refresh().unwrap();
                is(&stage.cast().state(&vault));
                if let (Some(again), true) = (commit.again, step % 2 == 0) {
                    again(&vault, &stage);
                    assert_eq!(stage.cast().state(&vault), after, "{case}, and once more");
                    assert_eq!(stage.cast().state(&anew(&stage)), after, "{case}, and once more");
                    stage.attack(&[OLD_KEY, NEW_KEY], &after);
                    continue;
                }
            }
            let vault = anew(&stage);
            let state = stage.cast().state(&vault);
            is(&state);
            // What a new process has seen stays so, and no copy of the record says otherwise.
            stage.attack(&[OLD_KEY, NEW_KEY], &state);
            (commit.check)(&stage, &vault, told);
            let _ = vault.shred([stage.cast().bob]).expect("the next commit succeeds");
            let mut without_bob = state;
            for (alive, value) in without_bob.iter_mut().zip(&stage.cast().values) {
                *alive &= value.0 != stage.cast().bob;
            }
            assert_eq!(stage.cast().state(&anew(&stage)), without_bob, "{case}, and the next commit");
            stage.attack(&[OLD_KEY, NEW_KEY], &without_bob);
        }
    }
    (steps, told_of)
}

/// Each kind of commit in memory, by itself: together they would take a minute of one core.
fn in_memory(commit: &Commit, least: u64) {
    let (steps, _) = at_every_step(commit, &STOPS, Stage::memory);
    assert!(steps >= least, "{steps} steps");
}

#[test]
fn a_shred_in_memory() {
    in_memory(&SHRED, 10);
}

#[test]
fn a_shred_for_one_purpose_in_memory() {
    in_memory(&SHRED_PURPOSE, 9);
}

#[test]
fn a_shred_through_a_number_in_memory() {
    in_memory(&SHRED_THROUGH, 9);
}

#[test]
fn numbers_in_memory() {
    in_memory(&ENROLL, 4);
}

#[test]
fn a_rotation_in_memory() {
    in_memory(&ROTATE, 4);
}

#[test]
fn a_new_purpose_in_memory() {
    in_memory(&ADD_PURPOSE, 4);
}

#[test]
fn a_recovery_in_memory() {
    in_memory(&RECOVER, 4);
}

#[test]
fn a_sweep_in_memory() {
    in_memory(&SWEEP, 1);
}

#[test]
fn a_shred_in_a_directory() {
    let template = Template::new(0);
    let (steps, told) = at_every_step(&SHRED, &STOPS, || template.stage());
    assert_eq!(steps, 14);
    let all = [Told::Done, Told::NothingHappened, Told::OldCopy, Told::Unclear];
    assert!(all.iter().all(|each| told.contains(each)), "{told:?}");
}

#[test]
fn a_shred_in_a_directory_with_a_mirror() {
    let template = Template::new(1);
    assert_eq!(at_every_step(&SHRED, &STOPS[1..], || template.stage()).0, 28);
}

#[test]
fn other_shreds_in_a_directory() {
    let template = Template::new(0);
    at_every_step(&SHRED_PURPOSE, &[DIE_TORN], || template.stage());
    at_every_step(&SHRED_THROUGH, &[DIE_TORN], || template.stage());
}

#[test]
fn numbers_in_a_directory() {
    let template = Template::new(1);
    at_every_step(&ENROLL, &STOPS[1..3], || template.stage());
}

#[test]
fn a_rotation_in_a_directory() {
    let template = Template::new(1);
    at_every_step(&ROTATE, &STOPS[1..3], || template.stage());
}

#[test]
fn a_new_purpose_in_a_directory() {
    let template = Template::new(0);
    at_every_step(&ADD_PURPOSE, &STOPS[1..3], || template.stage());
}

#[test]
fn a_recovery_in_a_directory() {
    let template = Template::new(0);
    at_every_step(&RECOVER, &STOPS[..3], || template.stage());
}

#[test]
fn a_sweep_in_a_directory() {
    let template = Template::new(0);
    assert!(at_every_step(&SWEEP, &STOPS[1..], || template.stage()).0 > 3);
}

/// A recovery that is interrupted, called again and interrupted once more can be called a third time, with a mirror too. The ring of
/// ancestors begins anew in each: what the first left in one place must not look like another history to the second.
#[test]
fn a_recovery_that_is_interrupted_twice() {
    const THIRD_KEY: [u8; 32] = [0x73; 32];
    let template = Template::new(1);
    let under = |stage: &Stage, builder: VaultBuilder, current: [u8; 32], new: [u8; 32]| {
        let recovery = Recovery::beyond(100, stage.cast().alice).shredded([stage.cast().alice]);
        builder.recover(RootKey::bytes(current), recovery, RootKey::bytes(new))
    };
    let wrong_key = |recovered: &Result<Vault, RecoverError>| {
        matches!(recovered, Err(RecoverError::KeyStore(KeyStoreError::WrongRootKey)))
    };
    let (mut first, mut moved) = (1, 0);
    loop {
        let mut second = 1;
        let finished = loop {
            let stage = template.stage();
            stage.steps().stop_at(first, DIE_TORN);
            drop(recover(stage.faulty(), &stage));
            let first_finished = stage.steps().taken() < first;
            stage.steps().stop_at(second, DIE_TORN);
            // Under whichever key the first one left it.
            let again = under(&stage, stage.faulty(), OLD_KEY, THIRD_KEY);
            if wrong_key(&again) {
                moved += 1;
                stage.steps().stop_at(second, DIE_TORN);
                drop(under(&stage, stage.faulty(), NEW_KEY, THIRD_KEY));
            }
            let second_finished = stage.steps().taken() < second;
            drop(again);
            let last = [OLD_KEY, NEW_KEY, THIRD_KEY].map(|current| under(&stage, stage.anew(), current, [0x74; 32]));
            let case = format!("stopped at steps {first} and {second}");
            let mut last: Vec<_> = last.into_iter().filter(|recovered| !wrong_key(recovered)).collect();
            // The first of them that has the right key moves the vault to yet another one.
            let vault = last.remove(0).unwrap_or_else(|error| panic!("{case}: {error:?}"));
            assert!(!stage.cast().state(&vault)[0], "{case}");
            let _ = vault.shred([stage.cast().carol]).unwrap_or_else(|error| panic!("{case}: {error:?}"));
            if second_finished {
                break first_finished;
            }
            second += 3;
        };
        if finished {
            assert!(moved > 10, "{moved}");
            return;
        }
        first += 2;
    }
}
