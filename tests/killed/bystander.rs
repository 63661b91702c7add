//! A process is killed at each step of its shred, while another one has the vault open all along.

use oubliette::{CustomerId, OpenError, Sealed, Vault};

use super::child::{KEY, LEASE, NOTE, key, seal, start, text, vault};
use crate::attack::decoder::Value;
use crate::attack::{Attacker, Effort, directory};

fn lives(vault: &Vault, customer: CustomerId, sealed: &Sealed<oubliette::personal::Text>) -> bool {
    match vault.open(customer, NOTE, sealed) {
        Ok(opened) => {
            assert_eq!(opened.expose_personal_data(), text(customer).expose_personal_data());
            true
        }
        Err(OpenError::Shredded { .. }) => false,
        Err(error) => panic!("neither alive nor shredded: {error:?}"),
    }
}

/// What of the customers' values an adversary opens with everything in the directory, whatever file it is in.
fn stolen(at: &std::path::Path, values: &[&Sealed<oubliette::personal::Text>]) -> (Vec<bool>, Vec<u64>) {
    let mut loot = directory::steal(&[at], &[KEY]);
    loot.fields = vec![("note", "obl.text")];
    loot.values = values.iter().map(|sealed| Value::read(sealed.as_bytes(), None)).collect();
    let opened = Attacker::new(&loot, Effort::Knowing).run();
    ((0..values.len()).map(|index| opened.contains_key(&index)).collect(), directory::generations(&loot))
}

/// Kills at every step until a shred comes through. Gives how often the killed shred was found to have happened.
fn killed_at_every_step(mirrors: usize, torn: &str) -> (usize, usize) {
    let (mut happened, mut not) = (0, 0);
    for step in 1.. {
        let scratch = tempfile::tempdir().unwrap();
        let at = scratch.path();
        // B: opened before, never opened again.
        let bystander = vault(at, mirrors).create(key()).unwrap();
        let [alice, bob, carol, ghost] = [(); 4].map(|()| bystander.enroll().unwrap());
        let [a, b, c, g] = [alice, bob, carol, ghost].map(|customer| seal(&bystander, customer));
        let _ = bystander.shred([ghost]).unwrap();

        let status = start("shred", at, &format!("{mirrors} {} {step} {torn}", alice.to_stored())).wait().unwrap();
        let succeeded = status.success();
        assert!(succeeded || status.code().is_none(), "killed by a signal: {status}");

        // Half of the time B hears of it by its lease alone, and must then remain by what it saw.
        let mut seen = true;
        if step % 2 == 0 {
            std::thread::sleep(LEASE * 2);
            seen = lives(&bystander, alice, &a);
        }
        let _ = bystander.shred([bob]).unwrap();

        let case = format!("{mirrors} mirrors, {torn}, step {step}");
        let alice_lives = lives(&bystander, alice, &a);
        assert!(seen || !alice_lives, "{case}: back from the dead");
        assert!(!succeeded || !alice_lives, "{case}: it was said to be done");
        let state = [alice_lives, false, true, false];
        let seen_by_bystander =
            [(alice, &a), (bob, &b), (carol, &c), (ghost, &g)].map(|(who, s)| lives(&bystander, who, s));
        assert_eq!(seen_by_bystander, state, "{case}");
        let (opened, generations) = stolen(at, &[&a, &b, &c, &g]);
        assert_eq!(opened, state, "{case}: what the adversary opens");
        let current = bystander.generation().unwrap();
        assert_eq!(generations, vec![current; 2 * (mirrors + 1)], "{case}: every record left is the last one");
        let newcomer = vault(at, mirrors).unlock(key()).unwrap();
        let seen_anew = [(alice, &a), (bob, &b), (carol, &c), (ghost, &g)].map(|(who, s)| lives(&newcomer, who, s));
        assert_eq!(seen_anew, state, "{case}: a new process");
        if succeeded {
            assert_eq!(step - 1, 14 + 14 * mirrors, "steps of a shred");
            return (happened, not);
        }
        *if alice_lives { &mut not } else { &mut happened } += 1;
    }
    unreachable!()
}

#[test]
fn whoever_shreds_next_leaves_nothing_of_either() {
    for torn in ["whole", "torn"] {
        let (happened, not) = killed_at_every_step(0, torn);
        assert!(happened >= 3 && not >= 8, "{happened} {not}");
    }
}

#[test]
fn nor_in_a_mirror() {
    let (happened, not) = killed_at_every_step(1, "torn");
    assert!(happened >= 5 && not >= 16, "{happened} {not}");
}
