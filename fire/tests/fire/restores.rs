//! The key store is put back to a moment before shreds.

use std::collections::BTreeSet;
use std::time::Duration;

use oubliette::personal::Text;
use oubliette::{CustomerId, Field, OpenError, Purpose, RootKey, UnlockError, Vault, VaultBuilder, recovery::Recovery};
use oubliette_fire::history::{Answer, Call, Fault, What, now};
use oubliette_postgres::PostgresStore;

use super::server::{Server, program, run, text};
use super::site::{PROCESSES, Site, expect_well};
use super::support::{sleep, wait_for};

const ORDERS: Purpose = Purpose::new("orders");
const NOTE: Field<Text> = ORDERS.field("note");

/// A base backup; what was committed before is in it.
pub fn back_up(server: &Server) {
    let (socket, backup) = (text(server.directory()), text(&server.directory().join("backup")));
    let command =
        [&program("pg_basebackup"), "-D", &backup, "-h", &socket, "-U", "postgres", "-c", "fast", "-X", "stream"];
    run(&command);
}

/// Puts the backup in place of the server's data, which are kept. Gives a moment at which nobody could reach either: from then on a process may be
/// refused.
#[must_use]
pub fn restore(server: &Server) -> u64 {
    server.stop_at_once();
    swap(server, "data", "after");
    swap(server, "backup", "data");
    let between = now();
    server.go_on();
    between
}

/// The newest data again.
pub fn put_back(server: &Server) {
    server.stop_at_once();
    swap(server, "data", "backup");
    swap(server, "after", "data");
    server.go_on();
}

fn swap(server: &Server, from: &str, to: &str) {
    run(&["mv", &text(&server.directory().join(from)), &text(&server.directory().join(to))]);
}

/// Waits until each process refuses, as its last word.
pub fn all_refuse(site: &Site) {
    wait_for("all processes to refuse", || {
        let history = site.history();
        (1..=PROCESSES).all(|process| {
            let opens = |call: &&Call| call.by.process == process && matches!(call.what, What::Open { .. });
            let last = history.calls.iter().filter(opens).rfind(|call| call.answer.is_some());
            let said = last.and_then(|call| call.answer.as_ref());
            matches!(said, Some((_, Answer::Refused(why))) if why.contains("the key store was rolled back"))
        })
    });
}

fn at(server: &Server) -> VaultBuilder {
    let store = PostgresStore::at(server.address("postgres")).no_standbys().open().unwrap();
    Vault::on(store.clone(), store).purposes([ORDERS])
}

fn customer(number: u64) -> CustomerId {
    CustomerId::from_stored(i64::try_from(number).unwrap()).unwrap()
}

/// An operator stops all, and recovers the vault: from what all recorded, who was to be shredded, and the highest number.
pub fn recover(site: &mut Site, server: usize) {
    site.stop_all();
    let mut seen = None;
    wait_for("the vault to be refused", || {
        match at(&site.servers[server]).unlock(RootKey::bytes([7; 32])) {
            Err(UnlockError::KeyStore(oubliette::KeyStoreError::RolledBack { seen: found, .. })) => seen = Some(found),
            other => println!("{other:?}"),
        }
        seen.is_some()
    });
    let history = site.history();
    // What was answered not to have happened did not.
    let asked = history.calls.iter().filter_map(|call| match (&call.what, &call.answer) {
        (_, Some((_, Answer::Unavailable(_) | Answer::Refused(_)))) => None,
        (What::Shred { customers }, _) => Some(customers.as_slice()),
        _ => None,
    });
    let shredded: BTreeSet<u64> = asked.flatten().copied().collect();
    let numbers = history.calls.iter().filter_map(|call| match (&call.what, &call.answer) {
        (What::Enroll, Some((_, Answer::Ok(number)))) => number.parse::<u64>().ok(),
        _ => None,
    });
    let recovery =
        Recovery::beyond(seen.unwrap(), customer(numbers.max().unwrap())).shredded(shredded.into_iter().map(customer));
    let vault = at(&site.servers[server]).recover(RootKey::bytes([7; 32]), recovery, RootKey::bytes([8; 32])).unwrap();
    vault.close().unwrap();
    site.fault(&Fault::Recovered(now()));
    site.options.push("key=8".to_owned());
    site.start_all();
    sleep(1000);
    site.stop_all();
    site.judge();
}

/// The server's data are put back to a base backup from before shreds, under processes that live: they saw what came after, refuse it, and have
/// all refuse it, also who unlocks anew. 25 s.
#[test]
#[ignore = "needs PostgreSQL, and half a minute"]
fn a_restore_under_living_processes_is_refused() {
    let mut site = Site::new("a restore under living processes");
    site.start_all();
    let from = now();
    back_up(&site.servers[0]);
    sleep(2000);
    let to = restore(&site.servers[0]);
    site.fault(&Fault::Lost { from, to });
    all_refuse(&site);
    for process in 1..=2 {
        site.kill(process);
    }
    recover(&mut site, 0);
    let (counts, violations) = site.checked();
    expect_well(counts, &violations);
}

/// With nobody there who saw what came after, a restored state looks as good as any: the root record and the mark went back together. Who demands
/// a generation is refused; a value that was sealed since is refused, and raises the alarm; **who was shredded since is opened**. 8 s.
#[test]
#[ignore = "needs PostgreSQL, and ten seconds"]
fn a_restore_that_nobody_saw_is_found_by_what_is_demanded_and_by_what_was_sealed_since() {
    let server = Server::start(&[]);
    PostgresStore::at(server.address("postgres")).migrate().unwrap();
    let key = || RootKey::bytes([7; 32]);
    let lease = Duration::from_millis(500);
    let vault = at(&server).lease(lease).create(key()).unwrap();
    let sealed = |vault: &Vault| {
        let customer = vault.enroll().unwrap();
        (customer, vault.seal(customer, NOTE, &"a note".parse().unwrap()).unwrap())
    };
    let (alice, bob) = (sealed(&vault), sealed(&vault));
    back_up(&server);
    vault.shred([alice.0]).unwrap().commit().wait_until_effective_everywhere();
    let noted = vault.generation().unwrap();
    // Its witness is what was there one lease before.
    std::thread::sleep(lease * 3);
    let since = vault.seal(bob.0, NOTE, &"a note".parse().unwrap()).unwrap();
    vault.close().unwrap();
    let _ = restore(&server);
    assert!(matches!(at(&server).demand_generation(noted).unlock(key()), Err(UnlockError::BehindDemand { .. })));
    let vault = at(&server).unlock(key()).unwrap();
    assert!(vault.open(alice.0, NOTE, &alice.1).is_ok(), "this is what the README warns of");
    assert!(vault.health().alarm.is_none());
    let refused = vault.open(bob.0, NOTE, &since);
    assert!(matches!(refused, Err(OpenError::NotOfThisHistory { .. })), "{refused:?}");
    assert!(vault.health().alarm.is_some() && vault.open(bob.0, NOTE, &bob.1).is_ok());
    vault.close().unwrap();
    // And nothing is lost by it: the newest state is put back.
    put_back(&server);
    let vault = at(&server).demand_generation(noted).unlock(key()).unwrap();
    assert!(matches!(vault.open(alice.0, NOTE, &alice.1), Err(OpenError::Shredded { .. })));
    assert!(vault.open(bob.0, NOTE, &since).is_ok());
}
