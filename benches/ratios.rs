//! The ratios that this crate promises to itself, measured in one run and printed with their targets.
//!
//! `cargo bench --bench ratios`, and `cargo bench --profile bench-default --bench ratios`.

#![allow(clippy::unwrap_used)]

mod common;

use common::baseline;
use common::ours::{self, CUSTOMERS, Padded, some};
use common::race::{Figures, Race, heading, verdict};
use common::stored_key;
use oubliette::personal::{Email, Text};
use oubliette::{CustomerId, CustomerKeys, Field, Sealed, Vault};

const ROUNDS: usize = 151;
/// Customers met in turn: more than fit the processor's caches with their pages.
const MET: usize = 8192;
const EMAIL: Field<Email> = ours::ORDERS.field("email");
const NOTE: Field<Text> = ours::ORDERS.field("note");

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let vaults = [("untouched", 0), ("100 shredded", 100), ("5 % shredded", CUSTOMERS / 20)].map(|(name, gone)| {
        let vault = ours::vault(&dir.path().join(name.replace(' ', "_")), CUSTOMERS);
        let gone = if gone == 0 { Default::default() } else { ours::shred(&vault, CUSTOMERS, gone as usize) };
        let here: Vec<CustomerId> = some(CUSTOMERS, MET).into_iter().filter(|one| !gone.contains(one)).collect();
        vault.preload(here.iter().copied()).unwrap();
        (name, vault, here, gone)
    });
    let table = dir.path().join("keys.db");
    drop(stored_key::fill(&table, CUSTOMERS));

    let kept = kept(&vaults[0].1);
    let cold: Vec<(&str, Figures)> = {
        let db = (stored_key::connect(&table, false), stored_key::connect(&table, true));
        vaults.iter().map(|(name, vault, here, _)| (*name, cold(vault, here, &db.0, &db.1))).collect()
    };
    let ten: Vec<(&str, Figures)> = vaults.iter().map(|(name, vault, here, _)| (*name, ten(vault, here))).collect();
    let bulk: Vec<(&str, Figures)> = vaults
        .iter()
        .map(|(name, vault, _, gone)| {
            let first = (CUSTOMERS / 3..).map(ours::customer).filter(|one| !gone.contains(one));
            (*name, bulk(vault, first.take(MET).collect()))
        })
        .collect();

    heading("Targets", &["ratio, fields of 64 bytes", "measured", "target", "met"]);
    verdict("same customer: seal / raw aes-gcm", kept.of("ours: seal") / kept.of("raw: seal"), 1.4, true);
    verdict("same customer: open / raw aes-gcm", kept.of("ours: open") / kept.of("raw: open"), 1.25, true);
    for (name, figures) in &cold {
        let unit = figures.of("HKDF-Expand of 32 bytes");
        for what in ["seal", "open"] {
            let ours = figures.of(&format!("ours: {what}"));
            verdict(&format!("new customer, {name}: {what} / one expand"), ours / unit, 10.0, true);
            let stored = figures.of(&format!("stored key: {what}"));
            verdict(&format!("new customer, {name}: stored key / {what}"), stored / ours, 2.5, false);
        }
    }
    for (name, figures) in &bulk {
        let unit = figures.of("HKDF-Expand of 32 bytes");
        verdict(&format!("bulk, {name}: open / one expand"), figures.of("ours: open in bulk") / unit, 6.0, true);
    }
    println!();
    heading("Same customer and field again, 64 bytes", &["operation", "ns"]);
    kept.print("operation");
    for (title, all, unit) in [
        ("A customer never seen before, one field of 64 bytes", &cold, "operation"),
        ("Ten fields of 64 bytes of one customer never seen before", &ten, "customer"),
        ("Bulk: customers in order of number, one field of 64 bytes each", &bulk, "customer"),
    ] {
        for (name, figures) in all {
            heading(&format!("{title}; vault: {name}"), &["operation", "ns"]);
            figures.print(unit);
        }
    }
    for (_, vault, _, _) in vaults {
        vault.close().unwrap();
    }
}

fn sealed_by_raw(text: &[u8]) -> (aes_gcm::Aes256Gcm, Vec<u8>) {
    let cipher = baseline::cipher(&[9; 32]);
    let sealed = baseline::seal(&cipher, &[], text);
    (cipher, sealed)
}

fn kept(vault: &Vault) -> Figures {
    let text = [b'x'; 64];
    let (cipher, raw) = sealed_by_raw(&text);
    let keys: CustomerKeys = vault.customer(ours::customer(CUSTOMERS / 2));
    let value = Padded::<64>::new();
    let sealed = keys.seal(Padded::FIELD, &value).unwrap();
    let email: Email = "jeanne.martin-lefebvre@exemple.fr".parse().unwrap();
    let sealed_email = keys.seal(EMAIL, &email).unwrap();
    let note: Text = "Rings twice; leave parcels with the neighbour.".parse().unwrap();
    let sealed_note = keys.seal(NOTE, &note).unwrap();
    let mut race = Race::new();
    race.lane("HKDF-Expand of 32 bytes", || baseline::expand(&[3; 32]));
    race.lane("raw: seal", || baseline::seal(&cipher, &[], &text));
    race.lane("raw: open", || baseline::open(&cipher, &[], &raw));
    race.lane("raw with our 83 bytes of associated data: seal", || baseline::seal(&cipher, &[5; 83], &text));
    race.lane("ours: seal", || keys.seal(Padded::FIELD, &value).unwrap());
    race.lane("ours: open", || keys.open(Padded::FIELD, &sealed).unwrap());
    race.lane("ours: seal an Email", || keys.seal(EMAIL, &email).unwrap());
    race.lane("ours: open an Email, decoded", || keys.open(EMAIL, &sealed_email).unwrap());
    race.lane("ours: seal a Text (padded to 256)", || keys.seal(NOTE, &note).unwrap());
    race.lane("ours: open a Text (padded to 256), decoded", || keys.open(NOTE, &sealed_note).unwrap());
    race.run(ROUNDS)
}

fn cold(vault: &Vault, here: &[CustomerId], db: &rusqlite::Connection, cached: &rusqlite::Connection) -> Figures {
    let text = [b'x'; 64];
    let value = Padded::<64>::new();
    let master = [8; 32];
    let sealed: Vec<(CustomerId, Sealed<Padded<64>>)> =
        here.iter().map(|one| (*one, vault.seal(*one, Padded::FIELD, &value).unwrap())).collect();
    let by_hand: Vec<(i64, Vec<u8>)> = here
        .iter()
        .map(|one| (i64::from(*one), baseline::seal(&baseline::derived(&master, i64::from(*one)), &[], &text)))
        .collect();
    let mut select = stored_key::select(db);
    let mut select_cached = stored_key::select(cached);
    let by_stored: Vec<(i64, Vec<u8>)> = here
        .iter()
        .map(|one| {
            let cipher = stored_key::cipher(&mut select, i64::from(*one));
            let _ = stored_key::cipher(&mut select_cached, i64::from(*one));
            (i64::from(*one), baseline::seal(&cipher, &[], &text))
        })
        .collect();
    let (mut select_to_seal, mut select_cached_to_seal) = (stored_key::select(db), stored_key::select(cached));
    let mut race = Race::new();
    race.lane("HKDF-Expand of 32 bytes", || baseline::expand(&[3; 32]));
    race.lane_over("hand-written: seal", here, |one| {
        baseline::seal(&baseline::derived(&master, i64::from(*one)), &[], &text)
    });
    race.lane_over("hand-written: open", &by_hand, |(customer, sealed)| {
        baseline::open(&baseline::derived(&master, *customer), &[], sealed)
    });
    race.lane_over("stored key: seal", here, |one| {
        baseline::seal(&stored_key::cipher(&mut select_to_seal, i64::from(*one)), &[], &text)
    });
    race.lane_over("stored key: open", &by_stored, |(customer, sealed)| {
        baseline::open(&stored_key::cipher(&mut select, *customer), &[], sealed)
    });
    race.lane_over("stored key, whole table in SQLite's cache: seal", here, |one| {
        baseline::seal(&stored_key::cipher(&mut select_cached_to_seal, i64::from(*one)), &[], &text)
    });
    race.lane_over("stored key, whole table in SQLite's cache: open", &by_stored, |(customer, sealed)| {
        baseline::open(&stored_key::cipher(&mut select_cached, *customer), &[], sealed)
    });
    race.lane_over("ours: seal", here, |one| vault.seal(*one, Padded::FIELD, &value).unwrap());
    race.lane_over("ours: open", &sealed, |(customer, sealed)| vault.open(*customer, Padded::FIELD, sealed).unwrap());
    race.run(ROUNDS)
}

fn ten(vault: &Vault, here: &[CustomerId]) -> Figures {
    let text = [b'x'; 64];
    let value = Padded::<64>::new();
    let master = [8; 32];
    let here = &here[..1024];
    let sealed: Vec<(CustomerId, Vec<Sealed<Padded<64>>>)> = here
        .iter()
        .map(|one| (*one, Padded::TEN.iter().map(|field| vault.seal(*one, *field, &value).unwrap()).collect()))
        .collect();
    let by_hand: Vec<(i64, Vec<u8>)> = here
        .iter()
        .map(|one| (i64::from(*one), baseline::seal(&baseline::derived(&master, i64::from(*one)), &[], &text)))
        .collect();
    let mut race = Race::new();
    race.lane("HKDF-Expand of 32 bytes", || baseline::expand(&[3; 32]));
    race.lane_over("hand-written: seal ten", here, |one| {
        let customer = i64::from(*one);
        std::array::from_fn::<_, 10, _>(|_| baseline::seal(&baseline::derived(&master, customer), &[], &text))
    });
    race.lane_over("hand-written: open ten", &by_hand, |(customer, sealed)| {
        std::array::from_fn::<_, 10, _>(|_| baseline::open(&baseline::derived(&master, *customer), &[], sealed))
    });
    race.lane_over("ours: seal ten", here, |one| {
        let keys = vault.customer(*one);
        Padded::TEN.map(|field| keys.seal(field, &value).unwrap())
    });
    race.lane_over("ours: open ten", &sealed, |(customer, sealed)| {
        let keys = vault.customer(*customer);
        for (field, sealed) in Padded::TEN.iter().zip(sealed) {
            let _ = std::hint::black_box(keys.open(*field, sealed).unwrap());
        }
    });
    race.run(ROUNDS)
}

fn bulk(vault: &Vault, neighbours: Vec<CustomerId>) -> Figures {
    let value = Padded::<64>::new();
    let rows: Vec<(CustomerId, Sealed<Padded<64>>)> =
        neighbours.iter().map(|one| (*one, vault.seal(*one, Padded::FIELD, &value).unwrap())).collect();
    let count = rows.len() as u64;
    let mut race = Race::new();
    race.lane("HKDF-Expand of 32 bytes", || baseline::expand(&[3; 32]));
    race.lane_of("ours: open in bulk", count, || {
        for ((_, sealed), keys) in vault.each_customer(&rows, |(customer, _)| *customer) {
            let _ = std::hint::black_box(keys.open(Padded::FIELD, sealed).unwrap());
        }
    });
    race.lane_of("ours: seal in bulk", count, || {
        for (_, keys) in vault.each_customer(&neighbours, |customer| **customer) {
            let _ = std::hint::black_box(keys.seal(Padded::FIELD, &value).unwrap());
        }
    });
    race.lane_of("ours: open one by one", count, || {
        for (customer, sealed) in &rows {
            let _ = std::hint::black_box(vault.open(*customer, Padded::FIELD, sealed).unwrap());
        }
    });
    race.run(ROUNDS / 5)
}
