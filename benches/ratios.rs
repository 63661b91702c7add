//! The ratios that this crate promises to itself, measured in one run and printed with their targets.
//!
//! `cargo bench -p oubliette-benches --bench ratios`, and `cargo bench -p oubliette-benches --profile bench-default --bench ratios`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;
#[path = "ratios/page.rs"]
mod page;
#[path = "ratios/shred.rs"]
mod shred;

use std::collections::HashSet;
use std::path::Path;

use common::baseline;
use common::ours::{self, CUSTOMERS, Padded, some};
use common::race::{Figures, Race, heading, table, verdict};
use common::stored_key;
use oubliette::personal::{Email, Text};
use oubliette::{CustomerId, CustomerKeys, Field, Sealed, Vault};
use rusqlite::Connection;

const UNIT: &str = "one HKDF-Expand of 32 bytes";
const SEAL: &str = "ours: seal";
const OPEN: &str = "ours: open";
const ROUNDS: usize = 151;
/// Customers met in turn: more than fit the processor's caches with their pages.
const MET: usize = 8192;
const EMAIL: Field<Email> = ours::ORDERS.field("email");
const NOTE: Field<Text> = ours::ORDERS.field("note");

/// A vault, some of its customers in no order, and who was shredded.
struct Setup {
    name: &'static str,
    vault: Vault,
    here: Vec<CustomerId>,
    gone: HashSet<CustomerId>,
}

impl Setup {
    fn make(dir: &Path, name: &'static str, gone: usize) -> Setup {
        let vault = ours::vault(&dir.join(name.replace(' ', "_")), CUSTOMERS);
        let gone = if gone == 0 { HashSet::new() } else { ours::shred(&vault, CUSTOMERS, gone) };
        let here: Vec<CustomerId> = some(CUSTOMERS, MET).into_iter().filter(|one| !gone.contains(one)).collect();
        vault.preload(here.iter().copied()).unwrap();
        Setup { name, vault, here, gone }
    }

    fn neighbours(&self) -> Vec<CustomerId> {
        (CUSTOMERS / 3..).map(ours::customer).filter(|one| !self.gone.contains(one)).take(MET).collect()
    }
}

/// What is measured against a target: name, value, limit, and whether the limit is the most.
type Target = (String, f64, f64, bool);

fn main() {
    // `-- kept cold` runs these parts alone: kept, cold, ten, bulk, page, shred.
    let asked: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let wants = |part: &str| asked.is_empty() || asked.iter().any(|one| one == part);
    let dir = tempfile::tempdir().unwrap();
    let setups = [("untouched", 0), ("100 shredded", 100), ("5 % shredded", 50_000)]
        .map(|(name, gone)| Setup::make(dir.path(), name, gone));
    let mut targets = Vec::new();
    println!("All figures are nanoseconds: medians of thread CPU time.\n");
    let wants = |part: &str| {
        let is_wanted = wants(part);
        if is_wanted {
            eprintln!("{part}");
        }
        is_wanted
    };
    if wants("kept") {
        kept_by_size(&setups[0].vault, &mut targets);
    }
    if wants("cold") {
        cold_by_size(&setups, &dir.path().join("keys.db"), &mut targets);
    }
    let names = setups.each_ref().map(|setup| setup.name);
    if wants("ten") {
        let ten = setups.each_ref().map(ten);
        let columns: Vec<_> = names.into_iter().zip(&ten).collect();
        table("Ten fields of 64 bytes of a customer never seen before", "customer", &columns);
    }
    if wants("bulk") {
        let bulk = setups.each_ref().map(|setup| bulk(&setup.vault, setup.neighbours()));
        let columns: Vec<_> = names.into_iter().zip(&bulk).collect();
        table("Bulk: customers in order of number, one field of 64 bytes each", "customer", &columns);
        for (name, figures) in columns {
            let ratio = figures.of("ours: open in bulk") / figures.of(UNIT);
            targets.push((format!("bulk, {name}: open / one expand"), ratio, 4.0, true));
        }
    }
    if wants("page") {
        let pages = setups.each_ref().map(|setup| page::page(&setup.vault, &setup.neighbours()));
        let columns: Vec<_> = names.into_iter().zip(&pages).collect();
        table("A page of 1000 rows by 4 fields, from SQLite in memory", "page", &columns);
        for (name, figures) in columns {
            let ratio = figures.of(page::BULK) / figures.of(page::UNSEALED);
            targets.push((format!("a page in bulk, {name}: sealed / unsealed"), ratio, 20.0, true));
        }
    }
    // Last: it shreds in these vaults.
    if wants("shred") {
        for setup in &setups {
            let found = shred::after_shred(&setup.vault, &setup.here);
            shred::show(&format!("Single calls; vault: {}, and 600 shredded one by one", setup.name), &found);
            let name = format!("first seal after a shred, {} / a cold one", setup.name);
            targets.push((name, found.first / found.cold, 3.0, true));
            let name = format!("first seal after a shred, {} / one after a pause as long", setup.name);
            targets.push((name, found.first / found.paused, 3.0, true));
        }
    }
    heading("Targets", &["ratio, fields of 64 bytes where none is named", "measured", "target", "met"]);
    for (what, value, limit, at_most) in targets {
        verdict(&what, value, limit, at_most);
    }
    for setup in setups {
        setup.vault.close().unwrap();
    }
}

fn kept_by_size(vault: &Vault, targets: &mut Vec<Target>) {
    let kept = [kept::<16>(vault), kept::<64>(vault), kept::<256>(vault), kept::<4096>(vault)];
    by_size("Same customer and field again", &kept);
    table("Types, decoded", "operation", &[("value of 33 to 46 bytes", &types(vault))]);
    let [_, small, _, large] = &kept;
    for (bytes, figures, what, limit) in [
        ("64", small, "seal", 1.35),
        ("64", small, "open", 1.25),
        ("4096", large, "seal", 1.1),
        ("4096", large, "open", 1.1),
    ] {
        let ratio = figures.of(&format!("ours: {what}")) / figures.of(&format!("raw aes-gcm: {what}"));
        targets.push((format!("same customer, {bytes} bytes: {what} / raw aes-gcm"), ratio, limit, true));
    }
}

fn cold_by_size(setups: &[Setup], path: &Path, targets: &mut Vec<Target>) {
    drop(stored_key::fill(path, CUSTOMERS));
    let keys = (stored_key::connect(path, false), stored_key::connect(path, true));
    for setup in setups {
        let cold =
            [cold::<16>(setup, &keys), cold::<64>(setup, &keys), cold::<256>(setup, &keys), cold::<4096>(setup, &keys)];
        by_size(&format!("A customer never seen before; vault: {}", setup.name), &cold);
        let [_, figures, ..] = &cold;
        for what in ["seal", "open"] {
            let (ours, name) = (figures.of(&format!("ours: {what}")), format!("new customer, {}", setup.name));
            let stored = figures.of(&format!("stored key: {what}"));
            targets.push((format!("{name}: {what}, stored key / ours"), stored / ours, 3.0, false));
        }
    }
}

fn by_size(title: &str, [a, b, c, d]: &[Figures; 4]) {
    table(title, "operation", &[("16 bytes", a), ("64", b), ("256", c), ("4096", d)]);
}

fn kept<const N: usize>(vault: &Vault) -> Figures {
    let (text, value) = ([b'x'; N], Padded::<N>::new());
    let cipher = baseline::cipher(&[9; 32]);
    let raw = baseline::seal(&cipher, &[], &text);
    let keys: CustomerKeys = vault.customer(ours::customer(CUSTOMERS / 2));
    let sealed = keys.seal(Padded::FIELD, &value).unwrap();
    let mut race = Race::new();
    race.lane("raw aes-gcm: seal", || baseline::seal(&cipher, &[], &text));
    race.lane("raw aes-gcm, with associated data as long as ours: seal", || baseline::seal(&cipher, &[5; 16], &text));
    race.lane(SEAL, || keys.seal(Padded::FIELD, &value).unwrap());
    race.lane("raw aes-gcm: open", || baseline::open(&cipher, &[], &raw));
    race.lane(OPEN, || keys.open(Padded::FIELD, &sealed).unwrap());
    race.run(ROUNDS)
}

fn types(vault: &Vault) -> Figures {
    let keys: CustomerKeys = vault.customer(ours::customer(CUSTOMERS / 2));
    let email: Email = "jeanne.martin-lefebvre@exemple.fr".parse().unwrap();
    let sealed_email = keys.seal(EMAIL, &email).unwrap();
    let note: Text = "Rings twice; leave parcels with the neighbour.".parse().unwrap();
    let sealed_note = keys.seal(NOTE, &note).unwrap();
    let mut race = Race::new();
    race.lane("ours: seal an Email (padded to 64)", || keys.seal(EMAIL, &email).unwrap());
    race.lane("ours: open an Email (padded to 64)", || keys.open(EMAIL, &sealed_email).unwrap());
    race.lane("ours: seal a Text (padded to 256)", || keys.seal(NOTE, &note).unwrap());
    race.lane("ours: open a Text (padded to 256)", || keys.open(NOTE, &sealed_note).unwrap());
    race.run(ROUNDS)
}

fn cold<const N: usize>(setup: &Setup, (db, cached): &(Connection, Connection)) -> Figures {
    let Setup { vault, here, .. } = setup;
    let (text, value) = ([b'x'; N], Padded::<N>::new());
    let master = [8; 32];
    let sealed: Vec<(CustomerId, Sealed<Padded<N>>)> =
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
    race.lane(UNIT, || baseline::expand(&[3; 32]));
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
    race.lane_over(SEAL, here, |one| vault.seal(*one, Padded::FIELD, &value).unwrap());
    race.lane_over(OPEN, &sealed, |(customer, sealed)| vault.open(*customer, Padded::FIELD, sealed).unwrap());
    race.run(ROUNDS)
}

fn ten(setup: &Setup) -> Figures {
    let Setup { vault, here, .. } = setup;
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
    race.lane(UNIT, || baseline::expand(&[3; 32]));
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
    race.lane(UNIT, || baseline::expand(&[3; 32]));
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
