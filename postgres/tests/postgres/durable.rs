//! What a server must promise before a vault is unlocked on it, and while it is.

use std::time::Instant;

use oubliette::store::Problem;
use oubliette::{KeyStoreError, Outcome, UnlockError, Vault};
use oubliette_postgres::{ConfirmReads, PostgresStore, PostgresStoreBuilder, StoreOpenError};

use super::server::{Server, text};
use super::support::*;

/// The same address without the word that tests say.
fn demanding(server: &Server, schema: &str) -> PostgresStoreBuilder {
    let directory = text(server.directory());
    PostgresStore::at(format!("host={directory} user=postgres dbname=postgres")).schema(schema)
}

#[test]
fn a_server_that_forgets_in_a_crash_is_refused() {
    let server = Server::start(&["-c", "fsync=off"]);
    let schema = server.new_schema();
    // Tables may be made there: it is set for good afterwards.
    demanding(&server, &schema).migrate().unwrap();
    let refused = demanding(&server, &schema).open().unwrap_err();
    let StoreOpenError::NotDurable { location } = &refused else { panic!("{refused:?}") };
    assert!(location.contains(&schema) && refused.to_string().contains("set fsync = on"), "{refused}");
    at(&server, &schema).open().unwrap();
    server.set("fsync", "on");
    // What was given to it on the command line counts for more.
    assert!(demanding(&server, &schema).open().is_err());
    let server = Server::start(&["-c", "fsync=on"]);
    let schema = server.new_schema();
    demanding(&server, &schema).migrate().unwrap();
    assert!(!demanding(&server, &schema).open().unwrap().survey().unwrap().role.name.is_empty());
}

/// Whoever requires standbys unlocks nothing without, and stops in one lease when somebody empties their list: as a failover manager may on a primary that
/// is cut off from them. Whoever does not goes on, as the README says.
#[test]
fn standbys_that_are_required_are_asked_for_at_unlock_and_ever_after() {
    let primary = Server::start(&["-c", "wal_level=replica", "-c", "max_wal_senders=5"]);
    let schema = primary.new_schema();
    at(&primary, &schema).migrate().unwrap();
    let required = at(&primary, &schema).confirm_reads(ConfirmReads::Required);
    let easy = create(&at(&primary, &schema), LEASE);
    let (alice, bob) = (customer(&easy), customer(&easy));
    let unlocked = || {
        let store = required.open().unwrap();
        Vault::on(store.clone(), store).purposes([ORDERS]).unlock(root_key())
    };
    let refused = unlocked().unwrap_err();
    let UnlockError::KeyStore(KeyStoreError::Store(error)) = &refused else { panic!("{refused:?}") };
    assert_eq!(error.problem(), Problem::Io);
    let source = std::error::Error::source(&**error).unwrap().to_string();
    assert!(source.contains("synchronous_standby_names is empty"), "{source}");

    let standby = Server::follow(&primary);
    primary.set("synchronous_standby_names", "standby");
    wait_for("the standby to be synchronous", || {
        primary.sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1"
    });
    let vault = unlocked().unwrap();
    assert!(opens(&vault, &alice) && opens(&vault, &bob));
    vault.shred([customer(&vault).0]).unwrap();

    standby.stop_at_once();
    primary.set("synchronous_standby_names", "");
    let begun = Instant::now();
    wait_for("the lease to run out", || vault.open(bob.0, NOTE, &bob.1).is_err());
    assert!(begun.elapsed() < LEASE * 3, "{:?}", begun.elapsed());
    assert_eq!(vault.open(bob.0, NOTE, &bob.1).unwrap_err().outcome(), Outcome::TryAgain);
    // Nothing happens there either.
    assert!(vault.shred([alice.0]).is_err());
    assert!(opens(&easy, &alice));

    standby.go_on();
    primary.set("synchronous_standby_names", "standby");
    assert!(opens(&vault, &alice));
    vault.shred([alice.0]).unwrap();
    assert!(!opens(&vault, &alice) && opens(&vault, &bob));
}
