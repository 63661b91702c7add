//! Two faults in a row: whoever comes after a killed process may be killed as well.

use oubliette::{RootKey, ShredError};

use super::commits::Told;
use super::stage::*;

fn key() -> RootKey {
    RootKey::bytes(OLD_KEY)
}

/// One process dies in its shred; another, which had the vault open all along and never opens it anew, dies in a shred
/// of its own, or in time to come succeeds. A third opens what is left.
#[test]
fn a_process_dies_and_the_next_one_too() {
    let template = Template::new(0);
    let mut both = [0; 4];
    // What the commit is based on, the pages, and each write and sync of the two slots.
    for first in [1, 7, 11, 12, 13, 14] {
        for second in [1, 2, 3, 6, 9, 10, 11, 12, 13, 14, 15] {
            let stage = template.stage();
            let cast = stage.cast();
            let second_steps = oubliette::testing::Steps::new();
            let bystander =
                settings(oubliette::VaultBuilder::in_directory(layout(&stage.path(""), 0).steps(&second_steps)));
            let bystander = bystander.unlock(key()).unwrap();
            let victim = stage.faulty().unlock(key()).unwrap();
            stage.steps().stop_at(first, DIE_TORN);
            let _ = victim.shred([cast.alice]).unwrap_err();
            drop(victim);
            second_steps.stop_at(second, DIE_TORN);
            let told = Told::of_shred(&bystander.shred([cast.bob]));
            drop(bystander);
            let case = format!("killed at {first}, then at {second}");

            let vault = stage.anew().unlock(key()).expect(&case);
            let state = cast.state(&vault);
            let alive = |customer| {
                let of = |index: &usize| cast.values[*index].0 == customer;
                let values: Vec<bool> = (0..state.len()).filter(of).map(|index| state[index]).collect();
                assert_eq!(values[0], values[1], "{case}: all purposes or none");
                values[0]
            };
            assert!(alive(cast.carol) && !alive(cast.ghost), "{case}");
            assert!(told != Told::Done || !alive(cast.bob), "{case}");
            assert!(told != Told::NothingHappened || alive(cast.bob), "{case}");
            both[usize::from(alive(cast.alice)) * 2 + usize::from(alive(cast.bob))] += 1;
            stage.attack(&[OLD_KEY], &state);
            assert!(crate::attack::directory::generations(&stage.loot(&[OLD_KEY])).windows(2).all(|w| w[0] == w[1]));
        }
    }
    assert!(both.iter().all(|count| *count > 0), "{both:?}: neither, one, the other, both");
}

/// The unlock that repairs what a killed commit left is killed itself, at each of its steps.
#[test]
fn a_repair_dies() {
    let template = Template::new(1);
    // Writes and syncs of the four slots, after which they are not all alike.
    for first in [21, 23, 25, 27] {
        let mut step = 0;
        loop {
            step += 1;
            let stage = template.stage();
            let victim = stage.faulty().unlock(key()).unwrap();
            stage.steps().stop_at(first, DIE_TORN);
            let _ = victim.shred([stage.cast().alice]).unwrap_err();
            drop(victim);
            stage.steps().stop_at(step, DIE_TORN);
            let repairer = stage.faulty().unlock(key());
            let finished = !stage.steps().died();
            assert!(repairer.is_ok() || !finished);
            drop(repairer);
            let vault = stage.anew().unlock(key()).unwrap();
            let state = stage.cast().state(&vault);
            let least = stage.cast().state(&template.stage().anew().unlock(key()).unwrap());
            assert!(state.iter().zip(&least).all(|(now, then)| *then || !now), "nobody is back");
            assert_eq!(state[2..], least[2..], "nobody else is touched");
            stage.attack(&[OLD_KEY], &state);
            if finished {
                break;
            }
        }
        assert!(step > 3, "{step}");
    }
}

/// A shred that finds its work done still writes everything again: its Ok is worth as much as the first one's.
#[test]
fn a_shred_again_after_an_old_copy_remained() {
    let template = Template::new(1);
    // From the second slot on.
    for step in 23..=28 {
        let stage = template.stage();
        let vault = stage.faulty().unlock(key()).unwrap();
        stage.steps().stop_at(step, oubliette::testing::Stop::FailFrom(oubliette::store::Problem::Io));
        let first = vault.shred([stage.cast().alice]);
        assert!(matches!(first, Err(ShredError::OldCopyRemains(_))), "{step}: {first:?}");
        assert!(matches!(vault.shred([stage.cast().alice]), Err(ShredError::NothingHappened(_))), "{step}");
        stage.steps().reset();
        let again = vault.shred([stage.cast().alice]).unwrap();
        assert_eq!(again.already_shredded(), [stage.cast().alice]);
        let written = stage.steps().log().iter().filter(|line| line.starts_with("sync slot")).count();
        assert!(written >= 4, "{written} slots synced");
        let state = stage.cast().state(&vault);
        stage.attack(&[OLD_KEY], &state);
    }
}
