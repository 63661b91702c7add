//! Creating a vault, and mirrors that come and go, stopped at each step.

use oubliette::store::{Steps, Stop};
use oubliette::{CreateError, KeyStoreError, PassphraseCost, RootKey, ShredError, UnlockError, Vault, VaultBuilder};

use super::stage::*;
use crate::attack::directory::files;

fn key() -> RootKey {
    RootKey::bytes(OLD_KEY)
}

/// With so many mirrors, if that is what the record lists.
fn with_mirrors(stage: &Stage, mirrors: usize) -> Option<Vault> {
    let builder = settings(VaultBuilder::in_directory(layout(&stage.path(""), mirrors)));
    let vault = match builder.unlock(key()) {
        Err(UnlockError::KeyStore(KeyStoreError::PlaceMissing { .. } | KeyStoreError::Store(_))) => return None,
        other => other.unwrap(),
    };
    // Reading is possible with a mirror too few; committing is not.
    let carol = stage.cast().carol;
    match vault.shred([carol]) {
        Ok(_) => Some(vault),
        Err(ShredError::NothingHappened(KeyStoreError::PlaceMissing { .. } | KeyStoreError::Store(_))) => None,
        Err(error) => panic!("{error:?}"),
    }
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
            let left: Vec<usize> = (0..2).filter(|mirrors| with_mirrors(&stage, *mirrors).is_some()).collect();
            assert_eq!(left.len(), 1, "{stop:?} at step {step}: {left:?} mirrors are the vault's");
            seen[left[0]] += 1;
            let vault = with_mirrors(&stage, left[0]).unwrap();
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
