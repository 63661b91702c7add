//! What a server says of itself, as a role of daily use and as one that may do too much.

use std::time::Duration;

use oubliette::store::RootStore;
use oubliette_postgres::{PostgresStore, Promise, Survey};

use super::server::{Server, shared};
use super::support::*;

const STANDBY: &[&str] = &["-c", "wal_level=replica", "-c", "max_wal_senders=5", "-c", "fsync=on"];

/// A role of daily use, and the store as it sees it.
pub fn daily(server: &Server, schema: &str) -> (String, PostgresStore) {
    let role = format!("daily_{schema}");
    server.sql(&format!("CREATE ROLE {role} LOGIN"));
    at(server, schema).migrate().unwrap();
    at(server, schema).grant_to(&role).unwrap();
    let store = PostgresStore::at(server.address(&role)).schema(schema).open().unwrap();
    (role, store)
}

fn beyond(store: &PostgresStore) -> Vec<String> {
    store.survey().unwrap().role.beyond
}

#[test]
fn a_role_of_daily_use_has_what_it_needs_and_nothing_else() {
    let server = shared();
    let schema = format!("{} it's \"odd\"", server.new_schema());
    let role = format!("daily_{}", server.new_schema());
    server.sql(&format!("CREATE ROLE {role} LOGIN"));
    at(server, &schema).migrate().unwrap();
    at(server, &schema).grant_to(&role).unwrap();
    let store = PostgresStore::at(server.address(&role)).schema(&schema).open().unwrap();
    let survey = store.survey().unwrap();
    assert_eq!((survey.role.name.as_str(), survey.sees_all), (role.as_str(), false));
    assert_eq!((survey.role.beyond, survey.role.lacking), (vec![], vec![]));
    assert!(survey.server_version >= 140_000 && survey.schema_version == 1, "{}", survey.server_version);
    assert_eq!(survey.database, "postgres");
    // The cluster is what another connection says, and what its standbys and restores say.
    let identifier = server.sql("SELECT system_identifier FROM pg_control_system()");
    assert_eq!(survey.cluster.unwrap().to_string(), identifier);
    let as_superuser = at(server, &schema).open().unwrap().survey().unwrap();
    assert!(as_superuser.sees_all);
    assert_eq!(as_superuser.role.beyond, ["is a superuser"]);
}

#[test]
fn each_right_beyond_and_each_that_is_lacking_is_named() {
    // Some are the whole server's.
    let server = Server::start(&[]);
    let schema = server.new_schema();
    let (role, store) = daily(&server, &schema);
    for (grant, revoke, named) in [
        ("GRANT TRUNCATE ON {s}.pages TO {r}", "REVOKE TRUNCATE ON {s}.pages FROM {r}", "TRUNCATE on pages"),
        ("GRANT DELETE ON {s}.root TO {r}", "REVOKE DELETE ON {s}.root FROM {r}", "DELETE on root"),
        ("GRANT UPDATE ON {s}.place TO {r}", "REVOKE UPDATE ON {s}.place FROM {r}", "UPDATE on place"),
        (
            "GRANT UPDATE (bytes) ON {s}.pages TO {r}",
            "REVOKE UPDATE (bytes) ON {s}.pages FROM {r}",
            "UPDATE of pages.bytes",
        ),
        (
            "GRANT UPDATE (version) ON {s}.version TO PUBLIC",
            "REVOKE UPDATE (version) ON {s}.version FROM PUBLIC",
            "UPDATE of version.version",
        ),
        (
            "GRANT CREATE ON SCHEMA {s} TO {r}",
            "REVOKE CREATE ON SCHEMA {s} FROM {r}",
            "may create objects in the schema",
        ),
        ("ALTER ROLE {r} REPLICATION", "ALTER ROLE {r} NOREPLICATION", "may replicate the whole server (REPLICATION)"),
        ("ALTER ROLE {r} CREATEROLE", "ALTER ROLE {r} NOCREATEROLE", "may create roles (CREATEROLE)"),
        (
            "GRANT pg_execute_server_program TO {r}",
            "REVOKE pg_execute_server_program FROM {r}",
            "is a member of pg_execute_server_program",
        ),
        (
            "ALTER TABLE {s}.root OWNER TO {r}",
            "ALTER TABLE {s}.root OWNER TO postgres",
            "owns the table root, or is a member of its owner",
        ),
        (
            "ALTER SCHEMA {s} OWNER TO {r}",
            "ALTER SCHEMA {s} OWNER TO postgres",
            "owns the schema, or is a member of its owner",
        ),
        ("ALTER ROLE {r} SUPERUSER", "ALTER ROLE {r} NOSUPERUSER", "is a superuser"),
    ] {
        let statement = |text: &str| text.replace("{s}", &schema).replace("{r}", &role);
        server.sql(&statement(grant));
        let found = beyond(&store);
        assert!(found.iter().any(|what| what == named), "{grant}: {found:?}");
        server.sql(&statement(revoke));
        at(&server, &schema).grant_to(&role).unwrap();
        assert_eq!(beyond(&store), Vec::<String>::new(), "after {revoke}");
    }
    for (revoke, named) in [
        ("REVOKE UPDATE (superseded) ON {s}.pages FROM {r}", "UPDATE of pages.superseded"),
        ("REVOKE INSERT ON {s}.pages FROM {r}", "INSERT on pages"),
        ("REVOKE UPDATE (record) ON {s}.root FROM {r}", "UPDATE of root.record"),
        ("REVOKE SELECT ON {s}.mark FROM {r}", "SELECT on mark"),
    ] {
        server.sql(&revoke.replace("{s}", &schema).replace("{r}", &role));
        assert_eq!(store.survey().unwrap().role.lacking, [named]);
        at(&server, &schema).grant_to(&role).unwrap();
    }
    // Who may not ask for the cluster is told the rest.
    server.sql("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC");
    let survey = store.survey().unwrap();
    assert_eq!((survey.cluster, survey.role.lacking), (None, vec![]));
}

#[test]
fn what_an_answered_commit_survives_is_what_the_settings_say() {
    let primary = Server::start(STANDBY);
    let schema = primary.new_schema();
    let (role, store) = daily(&primary, &schema);
    let as_superuser = at(&primary, &schema).open().unwrap();
    let promise = |survey: &Survey| survey.replication.promise();
    let alone = store.survey().unwrap();
    assert_eq!((promise(&alone), alone.replication.waits()), (Promise::Crash, Some(false)));
    assert!(alone.replication.full_page_writes && alone.replication.standbys.is_empty());

    let standby = Server::follow(&primary);
    wait_for("the standby", || as_superuser.survey().unwrap().replication.standbys.len() == 1);
    assert_eq!(promise(&as_superuser.survey().unwrap()), Promise::Crash);
    primary.set("synchronous_standby_names", "ANY 1 (standby, other)");
    let some = Promise::SomeConfirm { confirm: 1, of: Some(2) };
    assert_eq!(promise(&store.survey().unwrap()), some);
    primary.set("synchronous_standby_names", "standby");
    wait_for("it to confirm", || as_superuser.survey().unwrap().replication.standbys[0].is_synchronous == Some(true));
    let survey = as_superuser.survey().unwrap();
    assert_eq!((promise(&survey), survey.replication.waits()), (Promise::AllConfirm { standbys: 1 }, Some(false)));
    assert_eq!(survey.replication.standbys[0].name, "standby");
    // The role of daily use sees that there is one, and not what it does, until it is told more.
    let survey = store.survey().unwrap();
    assert_eq!((survey.replication.standbys[0].is_synchronous, survey.replication.waits()), (None, None));
    primary.sql(&format!("GRANT pg_read_all_stats TO {role}"));
    let survey = store.survey().unwrap();
    assert_eq!((survey.replication.waits(), survey.role.beyond.len(), survey.sees_all), (Some(false), 0, true));
    // It is the cluster that its standbys are of.
    assert_eq!(survey.cluster.unwrap().to_string(), standby.sql("SELECT system_identifier FROM pg_control_system()"));

    // When it is away, commits wait.
    standby.stop_at_once();
    wait_for("its absence to be seen", || store.survey().unwrap().replication.waits() == Some(true));
    primary.set("synchronous_standby_names", "");

    // What a role's own settings say, and what the store makes of it.
    primary.sql(&format!("ALTER ROLE {role} SET synchronous_commit = off"));
    let again = PostgresStore::at(primary.address(&role)).schema(&schema).open().unwrap().survey().unwrap();
    assert_eq!((again.replication.synchronous_commit.as_str(), again.replication.used.as_str()), ("off", "on"));
    primary.set("full_page_writes", "off");
    let survey = store.survey().unwrap();
    assert_eq!((promise(&survey), survey.replication.full_page_writes), (Promise::Crash, false));
    // As most of these tests run.
    let careless = fresh(shared()).open().unwrap().survey().unwrap();
    assert_eq!((careless.replication.fsync, promise(&careless)), (false, Promise::Nothing));
}

#[test]
fn what_is_kept_of_older_records_is_told() {
    let server = Server::start(&["-c", "wal_level=replica", "-c", "archive_mode=on", "-c", "archive_command=true"]);
    let schema = server.new_schema();
    let (role, store) = daily(&server, &schema);
    server.sql(&format!("GRANT pg_read_all_stats TO {role}"));
    let keeps = || store.survey().unwrap().keeps;
    let fresh = keeps();
    assert!(fresh.archives && fresh.slots.is_empty() && fresh.table_bytes <= 16_384, "{fresh:?}");
    assert_eq!((fresh.oldest_snapshot, fresh.oldest_superseded), (None, None));
    let vault = create(&PostgresStore::at(server.address(&role)).schema(&schema), LEASE);

    // A slot that nobody reads from.
    server.sql("SELECT pg_create_physical_replication_slot('forgotten', true)");
    let mut snapshot = server.session();
    snapshot.run(&format!("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM {schema}.root;"));
    for _ in 0..20 {
        vault.shred([vault.enroll().unwrap()]).unwrap();
    }
    vault.sweep().unwrap();
    // Its reads are transactions as well.
    vault.close().unwrap();
    server.sql("SELECT pg_switch_wal()");
    std::thread::sleep(Duration::from_millis(20));
    let kept = keeps();
    assert!(kept.oldest_snapshot.unwrap() >= Duration::from_millis(20), "{kept:?}");
    assert!(kept.table_bytes > 16_384, "{kept:?}");
    let slot = &kept.slots[0];
    assert_eq!((slot.name.as_str(), slot.is_active, slot.keeps_rows), ("forgotten", false, false));
    assert!(slot.held_back > 20 * 4096, "{slot:?}");
    assert!(kept.oldest_superseded.unwrap() >= Duration::from_millis(20), "{kept:?}");
    wait_for("the log to be archived", || keeps().archived > 0);
    snapshot.end();
    wait_for("the snapshot to be gone", || keeps().oldest_snapshot.is_none());
    server.sql("SELECT pg_drop_replication_slot('forgotten')");
    assert!(keeps().slots.is_empty());

    // Without the right to see others, a snapshot of theirs has no age.
    server.sql(&format!("REVOKE pg_read_all_stats FROM {role}"));
    let mut snapshot = server.session();
    snapshot.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1;");
    let survey = store.survey().unwrap();
    assert_eq!((survey.sees_all, survey.keeps.oldest_snapshot), (false, None));
    snapshot.end();
}

/// A survey is a look: it waits for no lock, holds none, and leaves the store as it was.
#[test]
fn a_survey_waits_for_no_commit() {
    let server = shared();
    let store = fresh(server).open().unwrap();
    let place = store.places()[0];
    let lock = store.lock(&[place], LEASE).unwrap();
    store.survey().unwrap();
    drop(lock);
    store.lock(&[place], LEASE).unwrap();
}
