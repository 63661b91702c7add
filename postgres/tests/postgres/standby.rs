//! A standby, its promotion, and the primary that does not know of it.

use std::time::{Duration, Instant};

use oubliette::store::{CopyContent, Problem, RootStore};
use oubliette::{KeyStoreError, OpenError, Outcome, UnlockError, Vault};
use oubliette_postgres::{ConfirmReads, PostgresStore, StoreOpenError};

use super::server::Server;
use super::support::*;

const SOON: Duration = Duration::from_millis(500);

/// A standby that did not have to confirm lacks what came last. Who saw it refuses what is there now; who did not opens her again.
#[test]
fn a_failover_to_a_standby_that_lacks_commits_is_found_out_by_those_who_saw_them() {
    let primary = Server::start(&["-c", "wal_level=replica", "-c", "max_wal_senders=5"]);
    let schema = primary.new_schema();
    at(&primary, &schema).migrate().unwrap();
    let vault = create(&at(&primary, &schema), LEASE);
    let (alice, bob) = (customer(&vault), customer(&vault));
    let standby = Server::follow(&primary);
    let position = primary.sql("SELECT pg_current_wal_flush_lsn()");
    wait_for("the standby to have it", || {
        standby.sql(&format!("SELECT pg_last_wal_replay_lsn() >= '{position}'")) == "t"
    });
    vault.close().unwrap();
    let directories = [&primary, &standby].map(|server| super::server::text(server.directory())).join(",");
    let both = PostgresStore::at(format!("host={directories} user=postgres dbname=postgres allow_fsync_off=yes"))
        .schema(&schema);
    let vault = unlock(&both);
    standby.stop_at_once();
    vault.shred([alice.0]).unwrap();
    primary.kill();
    standby.go_on();
    standby.sql("SELECT pg_promote(true, 30)");
    wait_for("the vault to see it", || {
        matches!(vault.open(bob.0, NOTE, &bob.1), Err(OpenError::KeyStore(KeyStoreError::RolledBack { .. })))
    });
    // And writes it down for all, who open until then what they should not.
    wait_for("all to know", || {
        let store = both.open().unwrap();
        let new = Vault::on(store.clone(), store).purposes([ORDERS]).unlock(root_key());
        matches!(new, Err(UnlockError::KeyStore(KeyStoreError::RolledBack { .. })))
    });
}

#[test]
fn a_primary_that_was_deposed_renews_no_lease() {
    let primary = Server::start(&["-c", "wal_level=replica", "-c", "max_wal_senders=5"]);
    let schema = primary.new_schema();
    at(&primary, &schema).migrate().unwrap();
    let standby = Server::follow(&primary);
    primary.set("synchronous_standby_names", "standby");
    wait_for("the standby to be synchronous", || {
        primary.sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1"
    });

    let builder = at(&primary, &schema).answer_within(SOON);
    let vault = create(&builder, LEASE);
    let (alice, bob) = (customer(&vault), customer(&vault));
    vault.shred([alice.0]).unwrap();
    let store = builder.open().unwrap();
    assert!(matches!(store.read(store.places()[0])[0].content, CopyContent::Intact(_)));
    assert!(store.is_replicated());

    // A standby is refused as such.
    let error = at(&standby, &schema).open().unwrap_err();
    assert!(matches!(&error, StoreOpenError::Store(error) if error.problem() == Problem::ReadOnly), "{error:?}");
    // Of both the primary is taken, in whatever order they are named.
    let directories = [&standby, &primary].map(|server| super::server::text(server.directory())).join(",");
    let both = PostgresStore::at(format!("host={directories} user=postgres dbname=postgres allow_fsync_off=yes"))
        .schema(&schema);
    let both = both.answer_within(SOON);
    assert!(opens(&unlock(&both), &bob));

    assert!(opens(&vault, &bob));
    standby.sql("SELECT pg_promote(true, 30)");
    let promoted = Instant::now();
    wait_for("the lease to run out", || vault.open(bob.0, NOTE, &bob.1).is_err());
    // In time, and as what may get better.
    assert!(promoted.elapsed() < LEASE * 2, "{:?}", promoted.elapsed());
    let refused = vault.open(bob.0, NOTE, &bob.1).unwrap_err();
    assert!(refused.outcome() == Outcome::TryAgain, "{refused:?}");
    let copies = store.read(store.places()[0]);
    assert!(matches!(&copies[0].content, CopyContent::Unreachable(error) if error.problem() == Problem::NoAnswer));
    assert!(vault.shred([bob.0]).is_err());
    // It answers still: without asking the standbys nothing tells that it is the wrong one.
    let unconfirmed = builder.clone().confirm_reads(ConfirmReads::Never).open().unwrap();
    assert!(matches!(unconfirmed.read(unconfirmed.places()[0])[0].content, CopyContent::Intact(_)));

    // Whoever goes on with the new primary finds all that was answered.
    let new = unlock(&at(&standby, &schema));
    assert!(!opens(&new, &alice) && opens(&new, &bob));
    new.shred([bob.0]).unwrap();
    assert!(!opens(&new, &bob));
    assert!(vault.open(bob.0, NOTE, &bob.1).is_err());
}
