//! Servers that stand still for a while: a standby that replays nothing, and a primary that is stopped and comes back after its standby was promoted.

use std::time::{Duration, Instant};

use oubliette::testing::MemoryToken;
use oubliette::{OpenError, RootKey, Vault, root_keys::VersionPolicy};
use oubliette_postgres::PostgresStore;

use super::server::{Server, text};
use super::support::*;

const SOON: Duration = Duration::from_millis(500);

fn primary() -> Server {
    Server::start(&["-c", "wal_level=replica", "-c", "max_wal_senders=5"])
}

fn make_synchronous(primary: &Server) {
    primary.set("synchronous_standby_names", "standby");
    wait_for("the standby to be synchronous", || {
        primary.sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1"
    });
}

/// It is not waited for in the same statement, whose snapshot would keep the replay of what cleans up waiting for half a minute.
fn promote(standby: &Server) {
    assert_eq!(standby.sql("SELECT pg_promote(false)"), "t");
    wait_for("the standby to be promoted", || standby.sql("SELECT pg_is_in_recovery()") == "f");
}

/// Its replay is paused, or an hour late.
fn replays_nothing(primary: &Server, is_late: bool) -> Server {
    if is_late {
        return Server::follow_set(primary, &["-c", "recovery_min_apply_delay=1h"]);
    }
    let standby = Server::follow(primary);
    standby.sql("SELECT pg_wal_replay_pause()");
    // It says so when the next piece of the log comes.
    wait_for("the replay to be paused", || {
        primary.sql("SELECT pg_logical_emit_message(true, 'a commit', '')");
        standby.sql("SELECT pg_get_wal_replay_pause_state()") == "paused"
    });
    standby
}

/// All of the log is on its disk.
fn has_received_all(primary: &Server, standby: &Server) {
    let position = primary.sql("SELECT pg_current_wal_flush_lsn()");
    wait_for("the standby to receive it", || {
        standby.sql(&format!("SELECT pg_last_wal_receive_lsn() >= '{position}'")) == "t"
    });
}

/// What it has on its disk it replays before it is promoted: no shred is undone that it had confirmed, or had merely received.
#[test]
fn a_standby_that_replays_nothing_has_every_shred_once_it_is_promoted() {
    for (is_synchronous, is_late) in [(true, false), (false, false), (true, true)] {
        let primary = primary();
        let schema = primary.new_schema();
        at(&primary, &schema).migrate().unwrap();
        let standby = replays_nothing(&primary, is_late);
        if is_synchronous {
            make_synchronous(&primary);
        }
        let both = [&primary, &standby].map(|server| text(server.directory())).join(",");
        let both =
            PostgresStore::at(format!("host={both} user=postgres dbname=postgres allow_fsync_off=yes")).schema(&schema);
        let vault = create(&at(&primary, &schema), LEASE);
        let (alice, bob) = (customer(&vault), customer(&vault));
        let living = unlock(&both);
        vault.shred([alice.0]).unwrap();
        vault.close().unwrap();
        if !is_synchronous {
            has_received_all(&primary, &standby);
        }
        assert_eq!(standby.sql("SELECT pg_last_wal_replay_lsn() < pg_last_wal_receive_lsn()"), "t");
        primary.kill();
        promote(&standby);
        let new = unlock(&at(&standby, &schema));
        assert!(!opens(&new, &alice) && opens(&new, &bob));
        new.shred([bob.0]).unwrap();
        // Who was there before finds nothing undone.
        wait_for("it to see that", || matches!(living.open(bob.0, NOTE, &bob.1), Err(OpenError::Shredded { .. })));
        assert!(!opens(&living, &alice));
    }
}

/// Where a commit waits until standbys have replayed it, a paused one stops shreds and leases, as one that is away does. All goes on once it replays.
#[test]
fn a_standby_that_must_replay_and_does_not_stops_the_vault() {
    let primary = primary();
    let schema = primary.new_schema();
    at(&primary, &schema).migrate().unwrap();
    let standby = Server::follow(&primary);
    primary.sql("ALTER ROLE postgres SET synchronous_commit = remote_apply");
    make_synchronous(&primary);
    let vault = create(&at(&primary, &schema).answer_within(SOON), LEASE);
    let (alice, bob) = (customer(&vault), customer(&vault));
    standby.sql("SELECT pg_wal_replay_pause()");
    let begun = Instant::now();
    std::thread::scope(|scope| {
        // It is not known whether it is durable; its connection waits for the standby, and has the lock, which is waited for as long as for another commit.
        let shred = scope.spawn(|| vault.shred([alice.0]));
        wait_for("the lease to run out", || vault.open(bob.0, NOTE, &bob.1).is_err());
        assert!(begun.elapsed() < LEASE * 4, "{:?}", begun.elapsed());
        assert!(shred.join().unwrap().is_err());
    });
    standby.sql("SELECT pg_wal_replay_resume()");
    assert!(opens(&vault, &bob));
    wait_for("the shred to be settled", || vault.shred([alice.0]).is_ok());
    assert!(!opens(&vault, &alice));
}

/// A version of the root key is destroyed when the record under the next one is on the standby's disk, replayed or not; and that is enough.
#[test]
fn a_version_does_not_wait_for_a_paused_replay() {
    let primary = primary();
    let schema = primary.new_schema();
    at(&primary, &schema).migrate().unwrap();
    let standby = replays_nothing(&primary, false);
    let token = MemoryToken::new();
    let key = || RootKey::versions(token.clone(), VersionPolicy::with_each_shred().allow_one_place());
    let on = |builder: oubliette_postgres::PostgresStoreBuilder| {
        let store = builder.open().unwrap();
        Vault::on(store.clone(), store).purposes([ORDERS])
    };
    let vault = on(at(&primary, &schema).standbys(["standby"])).create(key()).unwrap();
    let (alice, bob) = (customer(&vault), customer(&vault));
    let _ = vault.shred([alice.0]).unwrap();
    assert_eq!(token.keys(), 1, "the older version is destroyed");
    vault.close().unwrap();
    assert_eq!(standby.sql("SELECT pg_last_wal_replay_lsn() < pg_last_wal_receive_lsn()"), "t");
    primary.kill();
    promote(&standby);
    let vault = on(at(&standby, &schema).no_standbys()).unlock(key()).unwrap();
    assert!(!opens(&vault, &alice) && opens(&vault, &bob));
}

/// A primary is stopped with all that it has under way, as a virtual machine that is paused; its standby is promoted, and somebody is shredded there; the
/// primary goes on and knows of nothing. With a synchronous standby nobody whom it serves opens her. Without, whoever has no other address opens her
/// for as long as it runs: that is the time that the failover manager's fencing takes, and the README says so. Who has both addresses is at the new one
/// by then.
#[test]
fn a_primary_that_was_stopped_past_a_failover_comes_back() {
    for is_synchronous in [true, false] {
        let primary = primary();
        let schema = primary.new_schema();
        at(&primary, &schema).migrate().unwrap();
        let standby = Server::follow(&primary);
        if is_synchronous {
            make_synchronous(&primary);
        }
        let both = [&primary, &standby].map(|server| text(server.directory())).join(",");
        let both =
            PostgresStore::at(format!("host={both} user=postgres dbname=postgres allow_fsync_off=yes")).schema(&schema);
        let stays = create(&at(&primary, &schema).answer_within(SOON), LEASE);
        let (alice, bob) = (customer(&stays), customer(&stays));
        let goes = unlock(&both.answer_within(SOON));
        has_received_all(&primary, &standby);

        primary.signal_all("STOP");
        promote(&standby);
        let new = unlock(&at(&standby, &schema));
        let shredded = new.shred([alice.0]).unwrap();
        shredded.commit().wait_until_effective_everywhere();
        // Nobody answers, and the lease is over.
        let while_stopped = stays.open(alice.0, NOTE, &alice.1);
        let gone = opens(&goes, &bob) && !opens(&goes, &alice);
        primary.signal_all("CONT");
        assert!(while_stopped.is_err() && gone);

        let begun = Instant::now();
        let mut opened = false;
        while begun.elapsed() < LEASE * 3 {
            opened |= stays.open(alice.0, NOTE, &alice.1).is_ok();
            assert!(goes.open(alice.0, NOTE, &alice.1).is_err());
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(opened, !is_synchronous, "{is_synchronous}");
        assert!(opens(&goes, &bob));
    }
}
