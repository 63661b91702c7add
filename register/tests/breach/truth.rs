//! The truth table: every combination of copies of a real vault, read by an attacker with a decoder of its own.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use oubliette::journal::Entry;
use oubliette::personal::Email;
use oubliette::testing::TestVault;
use oubliette::{CustomerId, Field, Purpose, RootKey, Vault, journal};
use oubliette_register::breach::{Breach, Column, Enrolment, KeyHistory, Leak, Situation, Stored};

use crate::attack::decoder::{Key, Value};
use crate::attack::{Attacker, Effort, Loot};

const ORDERS: Purpose = Purpose::new("orders");
const NEWS: Purpose = Purpose::new("newsletter");
const EMAIL: Field<Email> = ORDERS.field("email");
const NEWS_EMAIL: Field<Email> = NEWS.field("email");
const FIRST_KEY: Key = [0x5a; 32];
const SECOND_KEY: Key = [0x77; 32];

/// The key store at one moment.
struct Moment {
    generation: u64,
    record: Vec<u8>,
    /// All pages written until then: nothing is swept.
    pages: usize,
}

struct World {
    place: tempfile::TempDir,
    memory: TestVault,
    vault: Vault,
    moments: Vec<Moment>,
    values: Vec<(&'static str, CustomerId, Vec<u8>)>,
}

impl World {
    fn new() -> World {
        let place = tempfile::tempdir().unwrap();
        let memory = Vault::in_memory([ORDERS, NEWS]);
        let vault = memory.builder().journal(place.path().join("journal")).unlock(RootKey::bytes(FIRST_KEY)).unwrap();
        World { place, memory, vault, moments: Vec::new(), values: Vec::new() }
    }

    fn moment(&mut self) {
        let memory = self.memory.memory();
        let record = memory.records_written().pop().unwrap();
        let generation = u64::from_be_bytes(record[49..57].try_into().unwrap());
        self.moments.push(Moment { generation, record, pages: memory.pages_put().len() });
    }

    /// Seals what there is to seal of somebody who is not shredded, under the trees that are the newest.
    fn seal(&mut self, number: CustomerId) {
        for (purpose, field) in [("orders", EMAIL), ("newsletter", NEWS_EMAIL)] {
            if let Ok(sealed) = self.vault.seal(number, field, &"somebody@example.com".parse().unwrap()) {
                self.values.push((purpose, number, sealed.as_bytes().to_vec()));
            }
        }
    }

    fn entries(&self) -> Vec<Entry> {
        let key = self.vault.public_key().unwrap();
        let entries = journal::entries(self.place.path().join("journal"), &key).unwrap();
        entries.map(Result::unwrap).collect()
    }

    /// What opens of all values with these copies.
    fn attack(&self, records: &[usize], keys: &[Key], pages: usize) -> BTreeSet<(&'static str, CustomerId)> {
        let all = self.memory.memory().pages_put();
        let loot = Loot {
            pages: all[..pages].iter().map(|page| page.bytes.clone()).collect(),
            records: records.iter().map(|at| self.moments[*at].record.clone()).collect(),
            root_keys: keys.to_vec(),
            values: self.values.iter().map(|(.., bytes)| Value::read(bytes, None)).collect(),
            fields: vec![("email", "obl.email")],
        };
        let opened = Attacker::new(&loot, Effort::Knowing).run();
        opened.into_keys().map(|at| (self.values[at].0, self.values[at].1)).collect()
    }
}

fn column(purpose: &str) -> Column {
    let stored = Stored::Sealed { label: "email".to_owned(), since: None };
    Column { table: "t".to_owned(), column: format!("{purpose}_email"), purpose: Some(purpose.to_owned()), stored }
}

/// Whom the report takes for read.
fn reported(situation: &Situation, leaks: Vec<Leak>, now: Timestamp) -> BTreeSet<(&'static str, CustomerId)> {
    let assessment = Breach::known_since(now).leaked_all(leaks).assess(situation, now);
    let purposes = assessment.customers().iter().flat_map(|customer| &customer.purposes);
    let readable = purposes.filter(|purpose| !purpose.readable.is_empty());
    let name = |name: &str| ["orders", "newsletter"].into_iter().find(|known| *known == name).unwrap();
    readable.map(|purpose| (name(&purpose.purpose), purpose.number)).collect()
}

#[test]
fn the_report_says_what_an_attacker_reads_with_every_combination_of_copies() {
    let mut world = World::new();
    let people: Vec<CustomerId> = (0..4).map(|_| world.vault.enroll().unwrap()).collect();
    let [alice, bob, carol, erased] = people[..] else { panic!() };
    people.iter().for_each(|person| world.seal(*person));
    world.moment(); // nobody shredded: a record and its key are all it takes
    let _ = world.vault.shred([erased]).unwrap();
    world.moment();
    let _ = world.vault.shred([alice]).unwrap();
    world.moment();
    world.vault.rotate_root_key(RootKey::bytes(SECOND_KEY)).unwrap();
    world.moment();
    // Done before in the one purpose, so that this writes pages in the other one only.
    let _ = world.vault.shredding([bob]).purpose(NEWS).run().unwrap();
    world.moment();
    let late = world.vault.enroll().unwrap();
    world.seal(late);
    let rotated = world.vault.rotate_purpose(ORDERS).unwrap();
    [bob, carol, late].into_iter().for_each(|person| world.seal(person));
    world.moment();
    let _ = world.vault.retire_replaced(ORDERS, rotated.0).unwrap();
    let _ = world.vault.shredding([carol]).purpose(ORDERS).run().unwrap();
    world.moment();
    let newest = world.vault.enroll().unwrap();
    world.seal(newest);

    let entries = world.entries();
    let history = KeyHistory::of(&entries, &["orders", "newsletter"]);
    assert!(history.is_complete());
    // The newest came an hour after everything else, so that nothing of theirs is under a tree that was replaced.
    let start: Timestamp = entries[0].at().to_string().parse().unwrap();
    let now = Timestamp::now() + SignedDuration::from_hours(2);
    let since = |number| if number == newest { now - SignedDuration::from_hours(1) } else { start };
    let everybody = [alice, bob, carol, erased, late, newest];
    let enrolment = |purpose: &str, number: CustomerId| Enrolment {
        customer: Some(number.to_string()),
        person: number.to_stored().unsigned_abs(),
        purpose: purpose.to_owned(),
        number,
        since: since(number),
        shredded: history.shredded_at(purpose, number),
        tokens_cleared: None,
    };
    let situation = Situation {
        enrolments: everybody
            .iter()
            .flat_map(|one| [enrolment("orders", *one), enrolment("newsletter", *one)])
            .collect(),
        columns: vec![column("orders"), column("newsletter")],
        history: history.clone(),
        openings: None,
        issued: None,
    };

    let places = 0..world.moments.len();
    let mut sets: Vec<Vec<usize>> = vec![Vec::new()];
    sets.extend(places.clone().map(|one| vec![one]));
    sets.extend(places.clone().flat_map(|one| (0..one).map(move |other| vec![other, one])));
    let keys: [&[Key]; 4] = [&[], &[FIRST_KEY], &[SECOND_KEY], &[FIRST_KEY, SECOND_KEY]];
    let mut outcomes: BTreeMap<usize, u32> = BTreeMap::new();
    for records in &sets {
        for keys in keys {
            for copied in std::iter::once(None).chain(places.clone().map(Some)) {
                let pages = copied.map_or(0, |at| world.moments[at].pages);
                let read = world.attack(records, keys, pages);
                *outcomes.entry(read.len()).or_default() += 1;

                let generation = |at: &usize| world.moments[*at].generation;
                let mut leaks: Vec<Leak> =
                    records.iter().map(|at| Leak::RootRecord { generation: generation(at) }).collect();
                leaks.extend(copied.iter().map(|at| Leak::Pages { generation: generation(at) }));
                // The first root key was in use at the first moment, the second one at the last.
                leaks.extend(keys.iter().map(|key| match key {
                    key if *key == FIRST_KEY => Leak::RootKey { generation: world.moments[0].generation },
                    _ => Leak::RootKey { generation: world.moments.last().unwrap().generation },
                }));
                let without = reported(&situation, leaks.clone(), now);
                assert!(without.is_empty(), "keys alone are nobody's data");
                leaks.push(Leak::Database { at: now });
                let described = format!("{leaks:?}");
                assert_eq!(reported(&situation, leaks, now), read, "{described}");
            }
        }
    }
    // The table has more than two answers, or it would tell little.
    assert!(outcomes.len() >= 6, "{outcomes:?}");
}
