//! Creating a vault, and mirrors that come and go, stopped at each step.

use oubliette::store::Directory;
use oubliette::testing::{Steps, Stop};
use oubliette::{
    CreateError, KeyStoreError, RootKey, ShredError, UnlockError, Vault, VaultBuilder, root_keys::PassphraseCost,
};

use super::stage::*;
use crate::attack::directory::files;

fn key() -> RootKey {
    RootKey::bytes(OLD_KEY)
}

/// Opened with so many mirrors named. Gives how many the record lists, and the vault, which commits: it finds a mirror that was attached, and
/// leaves one alone that was not, or is not any more. `None`: that mirror is only half there.
fn with_mirrors(stage: &Stage, mirrors: usize) -> Option<(usize, Vault)> {
    let builder = settings(VaultBuilder::in_directory(layout(&stage.path(""), mirrors)));
    let vault = match builder.unlock(key()) {
        Err(UnlockError::KeyStore(KeyStoreError::Store(_))) if mirrors > 0 => return None,
        other => other.unwrap(),
    };
    match vault.shred([stage.cast().carol]) {
        // The record lists a mirror that nothing here leads to.
        Err(ShredError::NothingHappened(KeyStoreError::PlaceMissing { .. })) if mirrors == 0 => return None,
        other => drop(other.unwrap()),
    }
    Some((vault.status().unwrap().places.len() - 1, vault))
}

/// Runs `work` with a stop at each step; then exactly one of the two layouts is the vault's, whole.
fn one_layout_is_left(stops: &[Stop], set: impl Fn() -> Stage, work: impl Fn(&Stage, &Vault) -> bool) -> [usize; 2] {
    let mut seen = [0; 2];
    let mut step = 0;
    loop {
        step += 1;
        let mut finished = false;
        for stop in stops {
            let stage = set();
            let before = stage.cast().state(&stage.anew().unlock(key()).unwrap());
            let vault = stage.faulty().unlock(key()).unwrap();
            stage.steps().stop_at(step, *stop);
            let done = work(&stage, &vault);
            finished = stage.steps().taken() < step;
            assert!(done || !finished);
            drop(vault);
            stage.steps().reset();
            let left: Vec<usize> = (0..2).filter_map(|mirrors| Some(with_mirrors(&stage, mirrors)?.0)).collect();
            let (listed, vault) = with_mirrors(&stage, left[0]).unwrap();
            assert!(
                left.iter().all(|left| *left == listed),
                "{stop:?} at step {step}: {left:?} mirrors are the vault's"
            );
            seen[listed] += 1;
            let mut after = before;
            after
                .iter_mut()
                .zip(&stage.cast().values)
                .for_each(|(alive, value)| *alive &= value.0 != stage.cast().carol);
            assert_eq!(stage.cast().state(&vault), after, "{stop:?} at step {step}");
        }
        if finished {
            return seen;
        }
    }
}

#[test]
fn attaching_a_mirror() {
    let template = Template::new(0);
    let attach = |stage: &Stage, vault: &Vault| vault.attach_mirror(stage.path("mirror0"), &mut |_, _| ()).is_ok();
    let seen = one_layout_is_left(&[DIE_TORN], || template.stage(), attach);
    assert!(seen[0] > 10 && seen[1] > 2, "{seen:?}");
}

#[test]
fn detaching_a_mirror() {
    let template = Template::new(1);
    let detach = |stage: &Stage, vault: &Vault| {
        let own = vault.status().unwrap().places;
        let at = stage.path("mirror0");
        let place = own.into_iter().find(|place| {
            let alone = oubliette::store::Directory::at(&at).open().unwrap();
            oubliette::store::RootStore::places(&alone) == [*place]
        });
        vault.detach_mirror(place.unwrap()).is_ok()
    };
    let seen = one_layout_is_left(&[DIE, DIE_TORN], || template.stage(), detach);
    assert!(seen[0] > 2 && seen[1] > 2, "{seen:?}");
}

/// Stops `work` at each step, and has `check` look at what is left. Gives how often it was done and how often not.
fn at_every_step(
    template: &Template,
    prepare: impl Fn(&Stage),
    work: impl Fn(&Stage, &Steps) -> bool,
    check: impl Fn(&Stage) -> (bool, Vault),
) -> [usize; 2] {
    let mut seen = [0; 2];
    let mut step = 0;
    loop {
        step += 1;
        let mut finished = false;
        for stop in [DIE, DIE_TORN] {
            let stage = template.stage();
            let before = stage.cast().state(&stage.anew().unlock(key()).unwrap());
            prepare(&stage);
            let steps = Steps::new();
            steps.stop_at(step, stop);
            let done = work(&stage, &steps);
            finished = steps.taken() < step;
            assert!(done || !finished);
            let (was_done, vault) = check(&stage);
            assert!(was_done || !done, "{stop:?} at step {step}");
            seen[usize::from(was_done)] += 1;
            assert_eq!(stage.cast().state(&vault), before, "{stop:?} at step {step}");
            let _ = vault.shred([stage.cast().carol]).unwrap();
        }
        if finished {
            return seen;
        }
    }
}

/// A promotion that was killed can be told to go on; it leaves nothing that two places could quarrel about.
#[test]
fn promoting_a_mirror() {
    let template = Template::new(1);
    let at = |stage: &Stage| Directory::at(stage.path("mirror0"));
    let lost = template.stage().anew().unlock(key()).unwrap().status().unwrap().places[0];
    let seen = at_every_step(
        &template,
        |stage| std::fs::remove_dir_all(stage.path("main")).unwrap(),
        |stage, steps| settings(VaultBuilder::in_directory(at(stage).steps(steps))).promote(key(), [lost]).is_ok(),
        |stage| match settings(VaultBuilder::in_directory(at(stage))).unlock(key()) {
            Err(UnlockError::KeyStore(KeyStoreError::FirstPlaceAway { .. })) => {
                (false, settings(VaultBuilder::in_directory(at(stage))).promote(key(), [lost]).unwrap())
            }
            vault => (true, vault.unwrap()),
        },
    );
    assert!(seen[0] > 4 && seen[1] > 4, "{seen:?}");
}

#[test]
fn handing_over() {
    let template = Template::new(1);
    let places = template.stage().anew().unlock(key()).unwrap().status().unwrap().places;
    let seen = at_every_step(
        &template,
        |_| (),
        |stage, steps| {
            let layout = layout(&stage.path(""), 1).steps(steps);
            settings(VaultBuilder::in_directory(layout))
                .unlock(key())
                .is_ok_and(|vault| vault.hand_over(places[1]).is_ok())
        },
        |stage| {
            let vault = stage.anew().unlock(key()).unwrap();
            (vault.status().unwrap().places[0] == places[1], vault)
        },
    );
    assert!(seen[0] > 4 && seen[1] > 4, "{seen:?}");
}

/// Whatever a creation left, the next one ends in a vault, and never in two.
#[test]
fn creating_a_vault() {
    let create = |builder: VaultBuilder| settings(builder).create(key());
    let mut step = 0;
    loop {
        step += 1;
        let mut finished = false;
        for torn in [false, true] {
            let scratch = tempfile::tempdir().unwrap();
            let steps = Steps::new();
            steps.stop_at(step, Stop::Die { torn });
            let first = create(VaultBuilder::in_directory(layout(scratch.path(), 1).steps(&steps)));
            finished = !steps.died();
            assert!(first.is_ok() || !finished);
            drop(first);
            let anew = || VaultBuilder::in_directory(layout(scratch.path(), 1));
            let vault = match create(anew()) {
                Ok(vault) => vault,
                Err(CreateError::Exists) => settings(anew()).unlock(key()).unwrap(),
                Err(error) => panic!("step {step}: {error:?}"),
            };
            let alice = vault.enroll().unwrap();
            let sealed = vault.seal(alice, note(ORDERS), &"x".parse().unwrap()).unwrap();
            vault.close().unwrap();
            let vault = settings(anew()).unlock(key()).unwrap();
            assert!(vault.open(alice, note(ORDERS), &sealed).is_ok());
            assert!(matches!(create(anew()), Err(CreateError::Exists)));
        }
        if finished {
            assert!(step > 40, "{step}");
            return;
        }
    }
}

/// A wrong root key changes nothing at all, also where a killed commit left something to repair.
#[test]
fn a_wrong_root_key_repairs_nothing() {
    let template = Template::new(1);
    for step in [8, 11, 14, 20] {
        let stage = template.stage();
        let vault = stage.faulty().unlock(key()).unwrap();
        stage.steps().stop_at(step, DIE_TORN);
        let _ = vault.shred([stage.cast().alice]).unwrap_err();
        let content = || files(&stage.path("")).iter().map(|file| std::fs::read(file).unwrap()).collect::<Vec<_>>();
        let before = content();
        let cost = PassphraseCost { memory_kib: 8192, passes: 1, lanes: 1 };
        for wrong in [RootKey::bytes([1; 32]), RootKey::passphrase_at_cost("wrong", cost)] {
            let refused = stage.anew().unlock(wrong);
            assert!(matches!(refused, Err(UnlockError::KeyStore(KeyStoreError::WrongRootKey))));
        }
        assert!(content() == before);
    }
}
