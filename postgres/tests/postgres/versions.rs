//! Versions of the root key, and servers that may be promoted: a key is destroyed once all of them have the record under the next one.

use std::time::Duration;

use oubliette::testing::MemoryToken;
use oubliette::{KeyStoreError, RootKey, ShredError, Vault, root_keys::VersionPolicy};
use oubliette_postgres::{PostgresStore, PostgresStoreBuilder};

use super::server::{Server, shared};
use super::support::*;

const SOON: Duration = Duration::from_millis(500);

fn each(token: &MemoryToken) -> RootKey {
    RootKey::versions(token.clone(), VersionPolicy::with_each_shred().allow_one_place())
}

fn create_in(builder: &PostgresStoreBuilder, token: &MemoryToken) -> Vault {
    let store = builder.open().unwrap();
    Vault::on(store.clone(), store).purposes([ORDERS]).lease(LEASE).create(each(token)).unwrap()
}

fn unlock_in(builder: &PostgresStoreBuilder, token: &MemoryToken) -> Vault {
    let store = builder.open().unwrap();
    let unlocked = Vault::on(store.clone(), store).purposes([ORDERS]).unlock(each(token));
    unlocked.unwrap_or_else(|error| panic!("nothing opens: {error:?}"))
}

fn primary() -> Server {
    Server::start(&["-c", "wal_level=replica", "-c", "max_wal_senders=5", "-c", "max_replication_slots=5"])
}

/// The shred that was answered says whom it waits for, and the status.
fn waits_for(vault: &Vault, answer: &Result<oubliette::Shredded, ShredError>, whom: &str) {
    let Err(ShredError::OldCopyRemains(KeyStoreError::NotOnEveryServer { lagging })) = answer else {
        panic!("{answer:?}")
    };
    assert!(lagging.len() == 1 && lagging[0].contains(whom), "{lagging:?}");
    let status = vault.status().unwrap().older_root_key;
    let Some(KeyStoreError::NotOnEveryServer { lagging: shown }) = &status else { panic!("{status:?}") };
    assert_eq!(shown, lagging);
}

fn has_it(primary: &Server, standby: &Server) {
    let position = primary.sql("SELECT pg_current_wal_flush_lsn()");
    wait_for("the standby to have it", || {
        standby.sql(&format!("SELECT pg_last_wal_replay_lsn() >= '{position}'")) == "t"
    });
}

/// A standby that was cut off lacks the record, and is promoted: it opens, with all that it has. It is waited for by the name that the operator gave,
/// or by its slot.
#[test]
fn a_standby_that_was_cut_off_opens_once_it_is_promoted() {
    for has_slot in [false, true] {
        let primary = primary();
        let schema = primary.new_schema();
        at(&primary, &schema).migrate().unwrap();
        let builder = at(&primary, &schema).answer_within(SOON);
        let (builder, arguments) = if has_slot {
            (builder.no_standbys(), &["-C", "-S", "away"][..])
        } else {
            (builder.standbys(["standby"]), &[][..])
        };
        let standby = Server::follow_with(&primary, arguments);
        let token = MemoryToken::new();
        let vault = create_in(&builder, &token);
        let (alice, bob) = (customer(&vault), customer(&vault));
        // All servers there: at once.
        let _ = vault.shred([customer(&vault).0]).unwrap();
        assert_eq!((token.keys(), token.marks()), (1, 1));
        assert!(vault.status().unwrap().older_root_key.is_none());
        has_it(&primary, &standby);
        standby.stop_at_once();
        wait_for("the primary to know", || primary.sql("SELECT count(*) FROM pg_stat_replication") == "0");

        let answer = vault.shred([alice.0]);
        waits_for(&vault, &answer, if has_slot { "\"away\"" } else { "\"standby\"" });
        assert!(!opens(&vault, &alice) && opens(&vault, &bob), "it is shredded, and under the new version");
        assert_eq!(token.keys(), 2);
        // Neither another process that unlocks it nor asking again destroys it.
        drop(vault);
        let vault = unlock_in(&builder, &token);
        waits_for(&vault, &vault.shred([alice.0]), if has_slot { "\"away\"" } else { "\"standby\"" });
        assert_eq!(token.keys(), 2, "no version more for whom nothing is to be done");
        drop(vault);

        primary.kill();
        standby.go_on();
        standby.sql("SELECT pg_promote(true, 30)");
        let builder = at(&standby, &schema).no_standbys();
        let vault = unlock_in(&builder, &token);
        assert!(opens(&vault, &bob) && opens(&vault, &alice));
        let _ = vault.shred([alice.0]).unwrap();
        assert!(!opens(&unlock_in(&builder, &token), &alice) && opens(&vault, &bob));
        assert_eq!(token.keys(), 1);
    }
}

/// One that is connected and behind: it is destroyed once that has it, by itself.
#[test]
fn a_standby_that_catches_up_ends_the_wait() {
    let primary = primary();
    let schema = primary.new_schema();
    at(&primary, &schema).migrate().unwrap();
    let standby = Server::follow(&primary);
    // It is seen without a name.
    let builder = at(&primary, &schema).answer_within(SOON).no_standbys();
    let token = MemoryToken::new();
    let vault = create_in(&builder, &token);
    let (alice, carol) = (customer(&vault), customer(&vault));
    has_it(&primary, &standby);
    standby.signal_all("STOP");
    let answer = vault.shred([alice.0]);
    waits_for(&vault, &answer, "\"standby\", which is behind");
    assert_eq!(token.keys(), 2);
    assert!(!vault.health().ready && vault.health().can_open);
    // A shred more, and so a version more.
    assert!(matches!(vault.shred([carol.0]), Err(ShredError::OldCopyRemains(_))));
    assert_eq!(token.keys(), 3);
    standby.signal_all("CONT");
    wait_for("the older ones to be destroyed", || token.keys() == 1);
    wait_for("it to be ready", || vault.health().ready);
    assert!(vault.status().unwrap().older_root_key.is_none());
    let _ = vault.shred([alice.0, carol.0]).unwrap();

    // Who is never promoted is not waited for.
    standby.signal_all("STOP");
    drop(vault);
    let vault = unlock_in(&builder.clone().never_promoted(["standby"]), &token);
    let _ = vault.shred([customer(&vault).0]).unwrap();
    assert_eq!(token.keys(), 1);
    standby.signal_all("CONT");
    drop(vault);

    // A commit that a synchronous standby did not confirm, and whose wait is cancelled: it is seen here, and the standby lacks it.
    let vault = unlock_in(&builder, &token);
    let dave = customer(&vault);
    has_it(&primary, &standby);
    primary.set("synchronous_standby_names", "standby");
    wait_for("the standby to be synchronous", || {
        primary.sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1"
    });
    wait_for("it to be ready", || vault.health().ready);
    standby.signal_all("STOP");
    std::thread::scope(|scope| {
        let shred = scope.spawn(|| vault.shred([dave.0]));
        while !shred.is_finished() {
            primary.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
        }
        let answer = shred.join().unwrap();
        assert!(answer.is_err(), "{answer:?}");
    });
    standby.signal_all("CONT");
    primary.set("synchronous_standby_names", "");
    wait_for("what was begun to be settled", || vault.shred([dave.0]).is_ok());
    assert_eq!(token.keys(), 1);
}

/// Where nobody said which servers may be promoted, or the role may not see them, no version begins: the shred did not happen.
#[test]
fn no_version_begins_where_nobody_knows_what_may_be_promoted() {
    let server = shared();
    let schema = server.new_schema();
    at(server, &schema).migrate().unwrap();
    server.sql(&format!("CREATE ROLE versions_{schema} LOGIN"));
    at(server, &schema).grant_to(&format!("versions_{schema}")).unwrap();
    let daily = PostgresStore::at(server.address(&format!("versions_{schema}"))).schema(&schema);
    let token = MemoryToken::new();
    let vault = create_in(&daily, &token);
    let alice = customer(&vault);
    let refused = |vault: &Vault, what: &str| {
        let answer = vault.shred([alice.0]);
        let Err(ShredError::NothingHappened(KeyStoreError::Store(error))) = &answer else { panic!("{answer:?}") };
        let source = std::error::Error::source(&**error).unwrap().to_string();
        assert!(source.contains(what), "{source}");
        assert!(opens(vault, &alice) && token.keys() == 1);
    };
    refused(&vault, "`no_standbys`");
    refused(&unlock_in(&daily.clone().no_standbys(), &token), "GRANT pg_read_all_stats");
    server.sql(&format!("GRANT pg_read_all_stats TO versions_{schema}"));
    refused(&vault, "`no_standbys`");
    let vault = unlock_in(&daily.no_standbys(), &token);
    let _ = vault.shred([alice.0]).unwrap();
    assert_eq!(token.keys(), 1);
}
