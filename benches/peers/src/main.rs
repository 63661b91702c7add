//! Ours beside ironcore-alloy (standalone, standard encryption), tink-aead, a stored key a customer in SQLite and a key derived by hand,
//! in one run.
//!
//! From this directory: `cargo run --profile bench`, and `cargo run --profile bench-default`: some minutes to build, two to run.
//!
//! Standalone ironcore-alloy derives a tenant's key from a configured secret and makes a data key a document; it
//! cannot shred. A customer is a tenant here. Its calls take their input by value: it is made outside of the time. Its
//! futures never wait in standalone mode, so they are polled once, which costs next to nothing.

#[path = "../../common/baseline.rs"]
#[allow(dead_code)]
mod baseline;
#[path = "../../common/ours.rs"]
#[allow(dead_code)]
mod ours;
#[path = "../../common/race.rs"]
#[allow(dead_code)]
mod race;
#[path = "../../common/stored_key.rs"]
#[allow(dead_code)]
mod stored_key;

use std::future::Future;
use std::hint::black_box;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use ironcore_alloy::standalone::config::{StandaloneConfiguration, StandaloneSecret, StandardSecrets};
use ironcore_alloy::standard::{EncryptedDocument, EncryptedDocuments, PlaintextDocument, PlaintextDocuments};
use ironcore_alloy::standard::{StandardDocumentOps, StandardEncryptBatchResult};
use ironcore_alloy::{AlloyMetadata, DocumentId, FieldId, PlaintextBytes, Secret, Standalone, TenantId};
use oubliette::{CustomerId, Sealed, Vault};
use ours::Padded;
use race::{Figures, Race, heading, table, verdict};

const ROUNDS: usize = 151;
const MET: usize = 2048;

/// What this program was built with.
const LOCK: &str = include_str!("../Cargo.lock");
const NAMED: [&str; 8] = ["ironcore-alloy", "tink-aead", "tink-core", "aes-gcm", "aes", "hkdf", "sha2", "rusqlite"];

/// Name and version of these packages, from the lock file: all that are linked, if there are several.
fn pinned() -> String {
    let value = |line: &str| line.split('"').nth(1).unwrap_or_default().to_owned();
    let lines: Vec<&str> = LOCK.lines().collect();
    let packages =
        lines.windows(3).filter(|lines| lines[0] == "[[package]]").map(|lines| (value(lines[1]), value(lines[2])));
    let named = packages.filter(|(name, _)| NAMED.contains(&name.as_str()));
    named.map(|(name, version)| format!("{name} {version}")).collect::<Vec<_>>().join(", ")
}

fn main() {
    println!("Pinned by its lock file: {}.\n", pinned());
    let dir = tempfile::tempdir().unwrap();
    eprintln!("two vaults and a table of keys, a million customers each");
    let untouched = ours::vault(&dir.path().join("untouched"), ours::CUSTOMERS);
    let sparse = ours::vault(&dir.path().join("shredded"), ours::CUSTOMERS);
    let gone = ours::shred(&sparse, ours::CUSTOMERS, 50_000);
    let chosen: Vec<CustomerId> =
        ours::some(ours::CUSTOMERS, MET).into_iter().filter(|one| !gone.contains(one)).collect();
    sparse.preload(chosen.iter().copied()).unwrap();
    let keys = dir.path().join("keys.db");
    drop(stored_key::fill(&keys, ours::CUSTOMERS));
    let neighbours: Vec<CustomerId> =
        (ours::CUSTOMERS / 3..).map(ours::customer).filter(|one| !gone.contains(one)).take(MET).collect();
    sparse.preload(neighbours.iter().copied()).unwrap();

    let vaults = [("untouched", &untouched), ("5 % shredded", &sparse)];
    eprintln!("one field");
    let one = vaults.map(|(name, vault)| (name, one_field(vault, &chosen, &keys)));
    eprintln!("many customers in order");
    let bulk = vaults.map(|(name, vault)| (name, in_order(vault, &neighbours, &keys)));
    eprintln!("ten fields");
    // ironcore-alloy spreads a batch over rayon's threads. In a pool of one, all its work is done, and counted, here.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let ten = vaults.map(|(name, vault)| (name, pool.install(|| ten_fields(vault, &chosen))));

    heading("Targets", &["ratio, fields of 64 bytes", "measured", "target", "met"]);
    for (name, figures) in &one {
        for what in ["seal", "open"] {
            let ours = figures.of(&format!("ours, new customer: {what}"));
            let ratio = ours / figures.of(&format!("ironcore-alloy: {what}"));
            verdict(&format!("new customer, {name}: {what} / ironcore-alloy"), ratio, 0.7, true);
            let ratio = ours / figures.of(&format!("stored key: {what}"));
            verdict(&format!("new customer, {name}: {what} / stored key"), ratio, 0.334, true);
        }
    }
    for (name, figures) in &ten {
        for what in ["seal", "open"] {
            let ratio =
                figures.of(&format!("ours: {what} ten")) / figures.of(&format!("ironcore-alloy, batch of ten: {what}"));
            verdict(&format!("ten fields, {name}: {what} / batch of ten"), ratio, 0.42, true);
        }
    }
    println!("\nAll figures below are nanoseconds: medians of thread CPU time.\n");
    let columns: Vec<(&str, &Figures)> = one.iter().map(|(name, figures)| (*name, figures)).collect();
    table("One field of 64 bytes, by vault", "operation", &columns);
    let columns: Vec<(&str, &Figures)> = bulk.iter().map(|(name, figures)| (*name, figures)).collect();
    table("One field of 64 bytes each of customers in order of number, by vault", "operation", &columns);
    let columns: Vec<(&str, &Figures)> = ten.iter().map(|(name, figures)| (*name, figures)).collect();
    table("Ten fields of 64 bytes of one customer, by vault", "customer", &columns);
    untouched.close().unwrap();
    sparse.close().unwrap();
}

fn alloy() -> Arc<Standalone> {
    let secret = StandaloneSecret::new(1, Secret::new(vec![1; 64]).unwrap());
    let secrets = StandardSecrets::new(Some(1), vec![secret]).unwrap();
    Standalone::new(&StandaloneConfiguration::new(secrets, Default::default(), Default::default()))
}

/// A future that never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("standalone calls never wait"),
    }
}

fn tenants(chosen: &[CustomerId]) -> Vec<Arc<AlloyMetadata>> {
    chosen.iter().map(|one| AlloyMetadata::new_simple(TenantId(one.to_string()))).collect()
}

fn document(labels: &[&str]) -> PlaintextDocument {
    let field = |label: &&str| (FieldId(label.to_string()), PlaintextBytes(vec![b'x'; 64]));
    PlaintextDocument(labels.iter().map(field).collect())
}

fn tink() -> Box<dyn tink_core::Aead> {
    let handle = tink_core::keyset::Handle::new(&tink_aead::aes256_gcm_key_template()).unwrap();
    tink_aead::new(&handle).unwrap()
}

/// Under a key that is derived by hand, for each of these customers.
fn by_hand(chosen: &[CustomerId], text: &[u8]) -> Vec<(i64, Vec<u8>)> {
    let customers = chosen.iter().map(|one| i64::from(*one));
    customers.map(|one| (one, baseline::seal(&baseline::derived(&MASTER, one), &[], text))).collect()
}

const MASTER: [u8; 32] = [8; 32];

fn one_field(vault: &Vault, chosen: &[CustomerId], keys_at: &Path) -> Figures {
    let (text, value) = ([b'x'; 64], Padded::<64>::new());
    let alloy = alloy();
    let standard = alloy.standard();
    let tenants = tenants(chosen);
    let documents: Vec<EncryptedDocument> =
        tenants.iter().map(|tenant| now(standard.encrypt(document(&["email"]), tenant)).unwrap()).collect();
    tink_aead::init();
    let kept = tink();
    let envelope: Box<dyn tink_core::Aead> =
        Box::new(tink_aead::KmsEnvelopeAead::new(tink_aead::aes256_gcm_key_template(), tink()));
    let (by_tink, by_envelope) = (kept.encrypt(&text, b"").unwrap(), envelope.encrypt(&text, b"").unwrap());
    let sealed: Vec<(CustomerId, Sealed<Padded<64>>)> =
        chosen.iter().map(|one| (*one, vault.seal(*one, Padded::FIELD, &value).unwrap())).collect();
    let keys = vault.customer(chosen[0]);
    let again = keys.seal(Padded::FIELD, &value).unwrap();
    let cipher = baseline::cipher(&[9; 32]);
    let raw = baseline::seal(&cipher, &[], &text);

    let derived = by_hand(chosen, &text);
    let db = stored_key::connect(keys_at, false);
    let (mut select, mut select_to_seal) = (stored_key::select(&db), stored_key::select(&db));
    let stored: Vec<(i64, Vec<u8>)> = chosen
        .iter()
        .map(|one| i64::from(*one))
        .map(|one| (one, baseline::seal(&stored_key::cipher(&mut select, one), &[], &text)))
        .collect();

    let mut race = Race::new();
    race.lane("one HKDF-Expand of 32 bytes", || baseline::expand(&[3; 32]));
    race.lane("raw aes-gcm, kept key: seal", || baseline::seal(&cipher, &[], &text));
    race.lane("raw aes-gcm, kept key: open", || baseline::open(&cipher, &[], &raw));
    race.lane("tink-aead, kept key: seal", || kept.encrypt(&text, b"").unwrap());
    race.lane("tink-aead, kept key: open", || kept.decrypt(&by_tink, b"").unwrap());
    race.lane("ours, same customer: seal", || keys.seal(Padded::FIELD, &value).unwrap());
    race.lane("ours, same customer: open", || keys.open(Padded::FIELD, &again).unwrap());
    race.lane("tink-aead, envelope under a local key: seal", || envelope.encrypt(&text, b"").unwrap());
    race.lane("tink-aead, envelope under a local key: open", || envelope.decrypt(&by_envelope, b"").unwrap());
    race.lane_over("hand-written: seal", chosen, |one| {
        baseline::seal(&baseline::derived(&MASTER, i64::from(*one)), &[], &text)
    });
    race.lane_over("hand-written: open", &derived, |(one, sealed)| {
        baseline::open(&baseline::derived(&MASTER, *one), &[], sealed)
    });
    race.lane_over("stored key: seal", chosen, |one| {
        baseline::seal(&stored_key::cipher(&mut select_to_seal, i64::from(*one)), &[], &text)
    });
    race.lane_over("stored key: open", &stored, |(one, sealed)| {
        baseline::open(&stored_key::cipher(&mut select, *one), &[], sealed)
    });
    race.lane_using(
        "ironcore-alloy: seal",
        |count| (count % tenants.len(), document(&["email"])),
        |(at, document)| now(standard.encrypt(document, &tenants[at])).unwrap(),
    );
    race.lane_using(
        "ironcore-alloy: open",
        |count| {
            let at = count % tenants.len();
            (at, documents[at].clone())
        },
        |(at, document)| now(standard.decrypt(document, &tenants[at])).unwrap(),
    );
    race.lane_over("ours, new customer: seal", chosen, |one| vault.seal(*one, Padded::FIELD, &value).unwrap());
    race.lane_over("ours, new customer: open", &sealed, |(one, sealed)| {
        vault.open(*one, Padded::FIELD, sealed).unwrap()
    });
    race.run(ROUNDS)
}

/// What each design makes of an export: one field of many customers, in order of number.
fn in_order(vault: &Vault, neighbours: &[CustomerId], keys_at: &Path) -> Figures {
    let (text, value) = ([b'x'; 64], Padded::<64>::new());
    let alloy = alloy();
    let standard = alloy.standard();
    let tenants = tenants(neighbours);
    let documents: Vec<EncryptedDocument> =
        tenants.iter().map(|tenant| now(standard.encrypt(document(&["email"]), tenant)).unwrap()).collect();
    let derived = by_hand(neighbours, &text);
    let db = stored_key::connect(keys_at, false);
    let mut select = stored_key::select(&db);
    let stored: Vec<(i64, Vec<u8>)> = neighbours
        .iter()
        .map(|one| i64::from(*one))
        .map(|one| (one, baseline::seal(&stored_key::cipher(&mut select, one), &[], &text)))
        .collect();
    let sealed: Vec<(CustomerId, Sealed<Padded<64>>)> =
        neighbours.iter().map(|one| (*one, vault.seal(*one, Padded::FIELD, &value).unwrap())).collect();
    let mut race = Race::new();
    race.lane_over("hand-written: open", &derived, |(one, sealed)| {
        baseline::open(&baseline::derived(&MASTER, *one), &[], sealed)
    });
    race.lane_over("stored key: open", &stored, |(one, sealed)| {
        baseline::open(&stored_key::cipher(&mut select, *one), &[], sealed)
    });
    race.lane_using(
        "ironcore-alloy: open",
        |count| {
            let at = count % tenants.len();
            (at, documents[at].clone())
        },
        |(at, document)| now(standard.decrypt(document, &tenants[at])).unwrap(),
    );
    race.lane_of("ours, in bulk: open", sealed.len() as u64, || {
        for ((_, sealed), keys) in vault.each_customer(&sealed, |(customer, _)| *customer) {
            let _ = black_box(keys.open(Padded::FIELD, sealed).unwrap());
        }
    });
    race.run(ROUNDS / 3)
}

const LABELS: [&str; 10] = ["name", "email", "phone", "street", "city", "country", "born", "iban", "note", "device"];

fn ten_fields(vault: &Vault, chosen: &[CustomerId]) -> Figures {
    let value = Padded::<64>::new();
    let chosen = &chosen[..512];
    let alloy = alloy();
    let standard = alloy.standard();
    let tenants = tenants(chosen);
    let ten = || PlaintextDocuments(LABELS.iter().map(|one| (DocumentId(one.to_string()), document(&[one]))).collect());
    let batches: Vec<EncryptedDocuments> = tenants
        .iter()
        .map(|tenant| {
            let sealed: StandardEncryptBatchResult = now(standard.encrypt_batch(ten(), tenant)).unwrap();
            assert!(sealed.failures.is_empty());
            sealed.successes
        })
        .collect();
    let documents: Vec<EncryptedDocument> =
        tenants.iter().map(|tenant| now(standard.encrypt(document(&LABELS), tenant)).unwrap()).collect();
    let sealed: Vec<(CustomerId, [Sealed<Padded<64>>; 10])> =
        chosen.iter().map(|one| (*one, Padded::TEN.map(|field| vault.seal(*one, field, &value).unwrap()))).collect();

    let mut race = Race::new();
    race.lane("one HKDF-Expand of 32 bytes", || baseline::expand(&[3; 32]));
    race.lane_using(
        "ironcore-alloy, batch of ten: seal",
        |count| (count % tenants.len(), ten()),
        |(at, ten)| now(standard.encrypt_batch(ten, &tenants[at])).unwrap(),
    );
    race.lane_using(
        "ironcore-alloy, batch of ten: open",
        |count| {
            let at = count % tenants.len();
            (at, batches[at].clone())
        },
        |(at, batch)| now(standard.decrypt_batch(batch, &tenants[at])).unwrap(),
    );
    race.lane_using(
        "ironcore-alloy, one document of ten fields (one data key): seal",
        |count| (count % tenants.len(), document(&LABELS)),
        |(at, document)| now(standard.encrypt(document, &tenants[at])).unwrap(),
    );
    race.lane_using(
        "ironcore-alloy, one document of ten fields (one data key): open",
        |count| {
            let at = count % tenants.len();
            (at, documents[at].clone())
        },
        |(at, document)| now(standard.decrypt(document, &tenants[at])).unwrap(),
    );
    race.lane_over("ours: seal ten", chosen, |one| {
        let keys = vault.customer(*one);
        Padded::TEN.map(|field| keys.seal(field, &value).unwrap())
    });
    race.lane_over("ours: open ten", &sealed, |(one, sealed)| {
        let keys = vault.customer(*one);
        for (field, sealed) in Padded::TEN.iter().zip(sealed) {
            let _ = black_box(keys.open(*field, sealed).unwrap());
        }
    });
    race.run(ROUNDS)
}
