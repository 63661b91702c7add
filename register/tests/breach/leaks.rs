//! A register, a vault and a journal in real files: whatever was copied of them, whenever, the report says what whoever has
//! the copies reads, of whom, and how many values that is.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use oubliette_register::breach::{Assessment, Breach, Exposure, Leak, Situation, Taken};

use crate::world::{Cell, World, purpose_of};

/// Some of what was copied, all of it in one hand.
#[derive(Debug)]
struct Stolen {
    databases: Vec<usize>,
    records: Vec<usize>,
    keys: BTreeSet<usize>,
    pages: Option<usize>,
}

/// What is known of each value that leaked, by what the attacker really read.
fn truth(world: &mut World, stolen: &Stolen) -> BTreeMap<Cell, Exposure> {
    let read = world.attack(&stolen.records, &stolen.keys, stolen.pages);
    let tests_guesses = stolen.records.iter().any(|at| world.reads(*at, &stolen.keys));
    let mut all: BTreeMap<Cell, Exposure> = BTreeMap::new();
    let mut note = |cell: Cell, state: Exposure| {
        let worst = all.entry(cell).or_insert(state);
        *worst = state.max(*worst);
    };
    for copy in stolen.databases.iter().map(|at| &world.copies[*at]) {
        for (cell, value) in &copy.values {
            match read.contains(value) {
                true => note(*cell, Exposure::Opened),
                // What was shredded before it was copied is nothing that leaked.
                false if !copy.gone.contains(&cell.0) => note(*cell, Exposure::Sealed),
                false => {}
            }
        }
        for number in &copy.tokens {
            note((*number, "orders.email_idx"), if tests_guesses { Exposure::Guessable } else { Exposure::Comparable });
        }
    }
    all
}

fn leaks(world: &World, stolen: &Stolen) -> Vec<Leak> {
    let generation = |at: &usize| world.copies[*at].generation;
    let mut leaks: Vec<Leak> = stolen.databases.iter().map(|at| Leak::Database { at: world.copies[*at].at }).collect();
    leaks.extend(stolen.records.iter().map(|at| Leak::RootRecord { generation: generation(at) }));
    leaks.extend(stolen.pages.iter().map(|at| Leak::Pages { generation: generation(at) }));
    for key in &stolen.keys {
        let used = world.copies.iter().find(|copy| copy.key == *key).unwrap();
        leaks.push(Leak::RootKey { generation: used.generation });
    }
    leaks
}

fn assess(situation: &Situation, leaks: Vec<Leak>) -> Assessment {
    let now = Timestamp::now();
    Breach::known_since(now).leaked_all(leaks).assess(situation, now)
}

/// The whole of an assessment against the truth about each value.
fn check(world: &World, found: &Assessment, truth: &BTreeMap<Cell, Exposure>, what: &str) {
    // Those concerned, by name or without, with what of theirs was read and what was not.
    let mut read: BTreeMap<i64, [BTreeSet<&str>; 2]> = BTreeMap::new();
    for ((number, column), state) in truth {
        let [readable, unreadable] = read.entry(*number).or_default();
        if state.is_readable() {
            readable.insert(column)
        } else {
            unreadable.insert(column)
        };
    }
    let mut listed = BTreeMap::new();
    let mut persons: BTreeMap<usize, BTreeSet<u32>> = BTreeMap::new();
    for (at, customer) in found.customers().iter().enumerate() {
        for purpose in &customer.purposes {
            let number = purpose.number.to_stored();
            let (person, id) = world.owners[&number];
            assert_eq!(customer.customer.as_deref(), id, "number {number}; {what}");
            persons.entry(at).or_default().insert(person);
            let columns =
                [&purpose.readable, &purpose.unreadable].map(|list| list.iter().map(String::as_str).collect());
            assert!(listed.insert(number, columns).is_none(), "{number} once; {what}");
            let all = purpose.readable.iter().chain(&purpose.unreadable);
            assert!(all.clone().all(|column| purpose_of(column) == purpose.purpose), "{purpose:?}; {what}");
        }
    }
    assert_eq!(listed, read, "{what}");
    assert!(persons.values().all(|one| one.len() == 1), "each entry is one person; {what}");

    // The counts.
    let count = |of: &dyn Fn(&(i64, Exposure)) -> bool| {
        let of = truth.iter().map(|((number, _), state)| (*number, *state)).filter(|value| of(value));
        let of: Vec<i64> = of.map(|(number, _)| number).collect();
        let persons: BTreeSet<u32> = of.iter().map(|number| world.owners[number].0).collect();
        (persons.len() as u64, of.len() as u64)
    };
    let scope = found.report().scope;
    assert_eq!((scope.persons, scope.values), count(&|_| true), "{what}");
    assert_eq!((scope.persons_readable, scope.values_readable), count(&|(_, state)| state.is_readable()), "{what}");
    assert_eq!(scope.persons_without_id, count(&|(number, _)| world.owners[number].1.is_none()).0, "{what}");
    let mut states: BTreeMap<String, BTreeMap<Exposure, u64>> = BTreeMap::new();
    for ((_, column), state) in truth {
        *states.entry((*column).to_owned()).or_default().entry(*state).or_default() += 1;
    }
    let mut counted = BTreeMap::new();
    for purpose in &found.report().purposes {
        for column in &purpose.columns {
            let name = format!("{}.{}", column.column.table, column.column.column);
            assert_eq!(purpose_of(&name), purpose.purpose);
            counted.insert(name, column.states.clone());
        }
        let numbers = |is: &dyn Fn(Exposure) -> bool| {
            let theirs = truth.iter().filter(|((_, column), _)| purpose_of(column) == purpose.purpose);
            theirs.filter(|(_, state)| is(**state)).map(|((number, _), _)| *number).collect::<BTreeSet<_>>().len()
                as u64
        };
        assert_eq!(purpose.numbers, numbers(&|_| true), "{what}");
        assert_eq!(purpose.numbers_readable, numbers(&Exposure::is_readable), "{what}");
    }
    assert_eq!(counted, states, "{what}");
}

/// Compares the report with the truth; says how many values were read.
fn compare(world: &mut World, situation: &Situation, stolen: &Stolen) -> usize {
    let truth = truth(world, stolen);
    let found = assess(situation, leaks(world, stolen));
    check(world, &found, &truth, &format!("{stolen:?}"));
    // Those columns are in any copy of a database, and in nothing else.
    assert_eq!(found.report().in_clear.len(), usize::from(!stolen.databases.is_empty()), "{stolen:?}");
    let ids = ["alice", "bob", "carol", "dave", "erin", "frank"];
    let shown = found.report().to_markdown() + &serde_json::to_string(found.report()).unwrap() + &format!("{found:?}");
    assert!(ids.iter().all(|id| !shown.contains(id)), "nobody is named: {shown}");
    truth.values().filter(|state| state.is_readable()).count()
}

/// Everybody's life, with a copy of everything after each event.
async fn lives() -> World {
    let mut world = World::new().await;
    for id in ["alice", "bob", "bobby", "carol", "dave"] {
        world.sign_up(id).await;
    }
    world.copy().await; // 0: nobody was shredded
    world.erase("dave").await;
    world.copy().await; // 1
    world.withdraw("alice").await;
    world.copy().await; // 2
    world.subscribe("alice").await;
    world.merge("bob", "bobby").await;
    world.copy().await; // 3
    world.rotate_root_key();
    world.sign_up("frank").await;
    world.sign_up("dave").await; // somebody new, whatever the name
    world.copy().await; // 4
    world.erase("bob").await;
    world.copy().await; // 5
    world.shred("carol");
    world.withdraw("alice").await;
    world.copy().await; // 6
    world.sign_up("erin").await;
    world.copy().await; // 7
    world
}

bodies! {
    async fn the_report_says_what_is_read_with_any_copies() {
        let mut world = lives().await;
        let situation = world.situation(None).await;
        assert!(situation.history.is_complete());
        let copies = world.copies.len();
        let databases: Vec<Vec<usize>> =
            std::iter::once(vec![]).chain((0..copies).map(|one| vec![one])).chain([vec![0, 7], vec![2, 5]]).collect();
        let records: Vec<Vec<usize>> =
            std::iter::once(vec![]).chain((0..copies).map(|one| vec![one])).chain([vec![0, 5], vec![3, 6]]).collect();
        let keys = [BTreeSet::new(), BTreeSet::from([0]), BTreeSet::from([1]), BTreeSet::from([0, 1])];
        let mut outcomes = BTreeSet::new();
        for databases in &databases {
            for records in &records {
                for keys in &keys {
                    for pages in std::iter::once(None).chain((0..copies).map(Some)) {
                        let stolen =
                            Stolen { databases: databases.clone(), records: records.clone(), keys: keys.clone(), pages };
                        outcomes.insert(compare(&mut world, &situation, &stolen));
                    }
                }
            }
        }
        assert!(outcomes.len() > 10, "or it would tell little: {outcomes:?}");
    }

    // A program's memory is its root key, its records and its pages, for as long as it was in other hands.
    async fn a_programs_memory_opens_a_copied_database() {
        let mut world = lives().await;
        let situation = world.situation(None).await;
        let last = world.copies.len() - 1;
        let mut outcomes = BTreeSet::new();
        for first in 0..=last {
            for second in first..=last {
                let during: Vec<usize> = (first..=second).collect();
                let keys = during.iter().map(|at| world.copies[*at].key).collect();
                let stolen = Stolen { databases: vec![last], records: during, keys, pages: Some(second) };
                let truth = truth(&mut world, &stolen);
                let memory = |taken: Taken| Leak::Service {
                    purposes: Vec::new(),
                    from: world.copies[first].at,
                    until: world.copies[second].at,
                    taken,
                };
                let database = Leak::Database { at: world.copies[last].at };
                let found = assess(&situation, vec![memory(Taken::Memory), database.clone()]);
                check(&world, &found, &truth, &format!("{stolen:?}"));
                outcomes.insert(truth.values().filter(|state| state.is_readable()).count());
                // Its answers alone hold no key.
                let answers = assess(&situation, vec![memory(Taken::Answers), database]);
                assert_eq!(answers.report().scope.values_readable, 0);
            }
        }
        assert!(outcomes.len() > 3, "{outcomes:?}");
    }

    // Any order of events, and any copies.
    async fn the_report_says_what_is_read_whatever_happened() {
        for seed in 1..=4_u64 {
            let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut draw = |below: usize| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                usize::try_from(random % below as u64).unwrap()
            };
            let mut world = World::new().await;
            let ids = ["alice", "bob", "carol", "dave"];
            for id in ids {
                world.sign_up(id).await;
            }
            let mut keys = 1;
            for _ in 0..14 {
                let (id, other) = (ids[draw(4)], ids[draw(4)]);
                let is_known = world.knows(id);
                match draw(9) {
                    0 if is_known => world.withdraw(id).await,
                    1 | 2 if world.is_free(id) => world.sign_up(id).await,
                    3 if is_known && !world.shredded_outside(id) => world.subscribe(id).await,
                    4 if is_known => world.erase(id).await,
                    5 if is_known && world.knows(other) && id != other => world.merge(id, other).await,
                    6 if is_known => world.shred(id),
                    7 => {
                        world.rotate_root_key();
                        keys += 1;
                        world.copy().await;
                    }
                    _ => world.copy().await,
                }
            }
            world.copy().await;
            let situation = world.situation(None).await;
            let copies = world.copies.len();
            let used: BTreeSet<usize> = world.copies.iter().map(|copy| copy.key).collect();
            for _ in 0..150 {
                let some = |draw: &mut dyn FnMut(usize) -> usize, most: usize| -> Vec<usize> {
                    let many = draw(most + 1);
                    (0..many).map(|_| draw(copies)).collect::<BTreeSet<_>>().into_iter().collect()
                };
                let stolen = Stolen {
                    databases: some(&mut draw, 2),
                    records: some(&mut draw, 2),
                    keys: (0..2).map(|_| draw(keys)).filter(|key| used.contains(key)).collect(),
                    pages: (draw(4) > 0).then(|| draw(copies)),
                };
                compare(&mut world, &situation, &stolen);
            }
        }
    }

    // Deleting rows, which is the normal path, leaves less to read than the report says, and never more.
    async fn with_rows_deleted_the_report_errs_towards_readable() {
        let mut world = World::new().await;
        for id in ["alice", "bob"] {
            world.sign_up(id).await;
        }
        world.copy().await;
        let numbers = world.numbers("bob");
        world.erase("bob").await;
        for number in numbers {
            world.db.sql(&format!("DELETE FROM orders WHERE no = {number}; DELETE FROM letters WHERE no = {number}")).await;
        }
        world.copy().await;
        let situation = world.situation(None).await;
        // The key store of before the erasure, and the database of after it.
        let stolen = Stolen { databases: vec![1], records: vec![0], keys: BTreeSet::from([0]), pages: Some(0) };
        let truth = truth(&mut world, &stolen);
        let found = assess(&situation, leaks(&world, &stolen));
        let read = truth.values().filter(|state| state.is_readable()).count();
        assert!(found.report().scope.values_readable > read as u64, "what a copy may still have of them is counted");
        assert_eq!(found.report().scope.persons_without_id, 1);
        // Without the older key store nothing of theirs is there to leak.
        let stolen = Stolen { records: vec![1], pages: Some(1), ..stolen };
        assert_eq!(compare(&mut world, &situation, &stolen), 4);
        let assumed = assess(&situation, leaks(&world, &stolen)).report().assumptions.join("\n");
        assert!(assumed.contains("2 numbers were shredded before the copy was made"), "{assumed}");
        let after = Leak::Database { at: Timestamp::now() + SignedDuration::from_hours(1) };
        assert_eq!(assess(&situation, vec![after]).report().scope.persons, 1);
    }
}
