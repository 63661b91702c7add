//! Servers that are killed, connections that are cut: what was answered holds, and nothing is written without the lock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use oubliette::Vault;
use oubliette::store::{CopyContent, LockError, PlaceId, RECORD_BYTES, RootStore};
use oubliette_postgres::PostgresStore;

use super::server::Server;
use super::support::*;

const WAIT: Duration = Duration::from_secs(20);

fn place(store: &PostgresStore) -> PlaceId {
    store.places()[0]
}

fn write(store: &PostgresStore, content: u8) {
    store.lock(&store.places(), WAIT).unwrap().write(place(store), 0, &[content; RECORD_BYTES]).unwrap();
}

fn holds(store: &PostgresStore, content: u8) -> bool {
    matches!(&store.read(place(store))[0].content, CopyContent::Intact(found) if *found == [content; RECORD_BYTES])
}

/// Who has lost the connection has lost the lock, and writes nothing more under it; another one goes on at once.
#[test]
fn who_loses_the_connection_loses_the_lock() {
    let server = Server::start(&[]);
    let builder = fresh(&server);
    let (store, other) = (builder.open().unwrap(), builder.open().unwrap());
    write(&store, 1);
    let mut lock = store.lock(&store.places(), WAIT).unwrap();
    let busy = other.lock(&other.places(), Duration::from_millis(50));
    assert!(matches!(busy, Err(LockError::Busy { .. })));
    drop(busy);
    let holder = "pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')";
    assert_eq!(server.terminate(holder), 1);
    write(&other, 2);
    assert!(lock.write(place(&store), 0, &[3; RECORD_BYTES]).is_err());
    // Neither pages nor the mark: they went through the connection that is lost.
    let mark = oubliette::store::Mark { generation: 9, vault: [1; 16], proof: [2; 32] };
    assert!(oubliette::store::PageStore::put(&store, &mark, &[]).is_err());
    drop(lock);
    assert!(holds(&other, 2) && holds(&store, 2));
    assert_eq!(oubliette::store::PageStore::mark(&store).unwrap(), oubliette::store::Mark::NONE);
    write(&store, 4);
    assert!(holds(&other, 4));
}

/// As behind a pooler that gives each transaction another connection: the connection is there, and the lock is not its own. Here a
/// trigger gives it up.
#[test]
fn nothing_is_written_if_the_lock_is_gone() {
    let server = Server::start(&[]);
    let schema = server.new_schema();
    at(&server, &schema).migrate().unwrap();
    let store = at(&server, &schema).open().unwrap();
    write(&store, 1);
    server.sql(&format!(
        "CREATE FUNCTION give_up() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_catalog.pg_advisory_unlock_all(); RETURN NULL; END';
         CREATE TRIGGER give_up BEFORE UPDATE ON {schema}.root FOR EACH STATEMENT EXECUTE FUNCTION give_up()"
    ));
    let mut lock = store.lock(&store.places(), WAIT).unwrap();
    let refused = lock.write(place(&store), 0, &[2; RECORD_BYTES]).unwrap_err();
    assert!(std::error::Error::source(&refused).unwrap().to_string().contains("does not hold the lock"), "{refused:?}");
    drop(lock);
    assert!(holds(&store, 1));
    server.sql(&format!("DROP TRIGGER give_up ON {schema}.root"));
    write(&store, 3);
    assert!(holds(&store, 3));
}

/// Tables that were made anew under a store that is open are another place.
#[test]
fn another_place_is_neither_read_nor_written() {
    let server = Server::start(&[]);
    let schema = server.new_schema();
    at(&server, &schema).migrate().unwrap();
    let store = at(&server, &schema).open().unwrap();
    write(&store, 1);
    let mut lock = store.lock(&store.places(), WAIT).unwrap();
    server.sql(&format!("DROP SCHEMA {schema} CASCADE"));
    at(&server, &schema).migrate().unwrap();
    assert!(lock.write(place(&store), 0, &[2; RECORD_BYTES]).is_err());
    drop(lock);
    assert!(matches!(store.read(place(&store))[0].content, CopyContent::Unreachable(_)));
}

/// What became of one shred.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Answered {
    Ok,
    Failed,
}

fn shred_each(
    vault: &Vault,
    customers: &[(oubliette::CustomerId, oubliette::Sealed<oubliette::personal::Text>)],
) -> Vec<Answered> {
    let shred = |customer| match vault.shred([customer]) {
        Ok(_) => Answered::Ok,
        Err(_) => {
            // Not all of them while it is away.
            std::thread::sleep(Duration::from_millis(20));
            Answered::Failed
        }
    };
    customers.iter().map(|(customer, _)| shred(*customer)).collect()
}

/// Killed in the middle of commits, and started again: whoever was told that somebody is shredded was told the truth, and the
/// vault that was there all the while goes on.
#[test]
fn a_server_that_is_killed_loses_nothing_that_was_answered() {
    let server = Server::start(&[]);
    let builder = fresh(&server).answer_within(Duration::from_secs(2));
    let vault = create(&builder, LEASE);
    let mut failed = 0;
    for round in 0..4_u64 {
        let customers: Vec<_> = (0..150).map(|_| customer(&vault)).collect();
        let came = std::thread::scope(|scope| {
            let shredding = scope.spawn(|| shred_each(&vault, &customers));
            std::thread::sleep(Duration::from_millis(150 + round * 37));
            if round % 2 == 0 {
                server.kill()
            } else {
                server.stop_at_once()
            }
            std::thread::sleep(Duration::from_millis(100));
            server.go_on();
            shredding.join().unwrap()
        });
        let begun = Instant::now();
        wait_for("the vault to go on", || vault.refresh().is_ok());
        println!("round {round}: went on after {:?}", begun.elapsed());
        let other = unlock(&builder);
        for (came, customer) in came.iter().zip(&customers) {
            failed += usize::from(*came == Answered::Failed);
            if *came == Answered::Ok {
                assert!(!opens(&vault, customer) && !opens(&other, customer));
            }
        }
        // Those that failed or are not known are asked for again.
        for (customer, _) in &customers {
            vault.shred([*customer]).unwrap();
        }
        other.refresh().unwrap();
        assert!(customers.iter().all(|customer| !opens(&other, customer)));
    }
    println!("{failed} shreds failed while the server was away");
}

/// Connections are cut all the while, in the middle of commits too.
#[test]
fn connections_that_are_cut_lose_nothing_that_was_answered() {
    let server = Server::start(&[]);
    let builder = fresh(&server);
    let vault = create(&builder, LEASE);
    let customers: Vec<_> = (0..150).map(|_| customer(&vault)).collect();
    let done = AtomicBool::new(false);
    let (came, cut) = std::thread::scope(|scope| {
        let cutting = scope.spawn(|| {
            let mut cut = 0;
            while !done.load(Ordering::Acquire) {
                cut += server.terminate("application_name = 'oubliette'");
            }
            cut
        });
        let came = shred_each(&vault, &customers);
        done.store(true, Ordering::Release);
        (came, cutting.join().unwrap())
    });
    let failed = came.iter().filter(|came| **came == Answered::Failed).count();
    println!("{cut} connections cut, {failed} of {} shreds failed", came.len());
    assert!(cut > 0);
    let other = unlock(&builder);
    wait_for("the vault to go on", || vault.refresh().is_ok());
    for (came, customer) in came.iter().zip(&customers) {
        if *came == Answered::Ok {
            assert!(!opens(&vault, customer) && !opens(&other, customer));
        }
    }
    vault.shred(customers.iter().map(|(customer, _)| *customer)).unwrap();
    assert!(customers.iter().all(|customer| !opens(&unlock(&builder), customer)));
}
