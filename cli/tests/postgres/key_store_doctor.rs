//! `doctor` on a vault in PostgreSQL: what it finds on servers that are set up in this way or that.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::key_store::Keys;
use crate::servers::{self, Server};

/// The severity of each finding, by its check.
fn findings(keys: &Keys, expected: u8) -> BTreeMap<String, String> {
    let (code, report) = keys.world.json(&["doctor"]);
    assert_eq!(code, expected, "{report:#}");
    let all = report["findings"].as_array().unwrap();
    let text = |finding: &Value, part: &str| finding[part].as_str().unwrap().to_owned();
    all.iter().map(|finding| (text(finding, "check"), text(finding, "severity"))).collect()
}

fn what(keys: &Keys, check: &str) -> String {
    let (_, report) = keys.world.json(&["doctor"]);
    let all = report["findings"].as_array().unwrap().clone();
    let found = all.iter().find(|finding| finding["check"] == check);
    let found = found.unwrap_or_else(|| panic!("no {check} in {report:#}"));
    format!("{} {} {}", found["what"], found["meaning"], found["advice"])
}

#[track_caller]
fn has(found: &BTreeMap<String, String>, check: &str, severity: Option<&str>) {
    assert_eq!(found.get(check).map(String::as_str), severity, "{check} in {found:#?}");
}

const SERVER: &[&str] = &["-c", "fsync=on", "-c", "wal_level=replica", "-c", "max_wal_senders=5"];

#[test]
#[ignore = "starts PostgreSQL servers of its own; `.ci/run databases` runs it"]
fn a_key_store_beside_the_data_is_found() {
    let keys = Keys::new(SERVER).with_vault();
    let found = findings(&keys, 1);
    has(&found, "key-store-not-compared", Some("note"));
    // In the database itself, as another role; on the server; and elsewhere.
    let url = |server: &Server, database: &str| {
        format!("postgres://postgres@localhost/{database}?host={}", server.directory().display())
    };
    keys.server.sql("CREATE DATABASE shop");
    keys.configure("[database]\npostgres_url_file = \"shop-url\"");
    keys.world.write("shop-url", &url(&keys.server, "postgres"));
    let found = findings(&keys, 2);
    has(&found, "key-store-in-the-database", Some("grave"));
    let said = what(&keys, "key-store-in-the-database");
    assert!(said.contains("a dump of the data") && said.contains("server of its own"), "{said}");
    keys.world.write("shop-url", &url(&keys.server, "shop"));
    let found = findings(&keys, 1);
    has(&found, "key-store-on-the-server", Some("warning"));
    has(&found, "key-store-in-the-database", None);
    // A standby is of the same cluster, and so is what is restored from its base backups.
    let standby = Server::follow(&keys.server);
    keys.world.write("shop-url", &url(&standby, "shop"));
    has(&findings(&keys, 1), "key-store-on-the-server", Some("warning"));
    drop(standby);
    let other = Server::start(&[]);
    keys.world.write("shop-url", &url(&other, "postgres"));
    let found = findings(&keys, 1);
    for check in ["key-store-on-the-server", "key-store-in-the-database", "key-store-not-compared"] {
        has(&found, check, None);
    }
    // What could not be looked at is said.
    keys.world.write("shop-url", "postgres://app:hunter2@127.0.0.1:1/shop");
    has(&findings(&keys, 1), "key-store-not-compared", Some("note"));
    keys.world.run(&["doctor"]).hides(&["hunter2"]);
    keys.configure("[database]\nsqlite = \"shop.sqlite\"");
    has(&findings(&keys, 1), "key-store-not-compared", None);
}

#[test]
#[ignore = "starts PostgreSQL servers of its own; `.ci/run databases` runs it"]
fn what_the_server_promises_is_told() {
    let keys = Keys::new(SERVER).with_vault();
    let found = findings(&keys, 1);
    has(&found, "no-standby", Some("warning"));
    has(&found, "not-all-seen", Some("note"));
    keys.configure_key_store("replicated_disk = true", "");
    let found = findings(&keys, 1);
    has(&found, "no-standby", None);
    has(&found, "replication", Some("note"));
    keys.configure("");

    keys.server.sql("GRANT pg_read_all_stats TO app");
    let standby = Server::follow(&keys.server);
    crate::support::wait_for("the standby", || keys.server.sql("SELECT count(*) FROM pg_stat_replication") == "1");
    has(&findings(&keys, 1), "asynchronous-standby", Some("warning"));
    keys.server.set("synchronous_standby_names", "ANY 1 (standby, third)");
    has(&findings(&keys, 1), "some-standbys-confirm", Some("warning"));
    keys.server.set("synchronous_standby_names", "standby");
    let sync = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
    crate::support::wait_for("it to confirm", || keys.server.sql(sync) == "1");
    let found = findings(&keys, 1);
    has(&found, "replication", Some("note"));
    for check in ["not-all-seen", "standbys-away", "reads-not-confirmed", "some-standbys-confirm"] {
        has(&found, check, None);
    }
    let said = what(&keys, "replication");
    assert!(
        said.contains("synchronous_standby_names = 'standby'") && said.contains("synchronous_commit = on,"),
        "{said}"
    );
    keys.server.sql("ALTER ROLE app SET synchronous_commit = off");
    let said = what(&keys, "replication");
    assert!(said.contains("synchronous_commit = off, raised to on by the store"), "{said}");
    keys.configure_key_store("confirm_reads = \"never\"", "");
    has(&findings(&keys, 1), "reads-not-confirmed", Some("warning"));
    keys.server.set("full_page_writes", "off");
    has(&findings(&keys, 1), "torn-pages", Some("warning"));

    // The standby is away: commits wait, and so do reads that it has to confirm.
    keys.configure_key_store("answer_within = \"1s\"", "");
    standby.stop_at_once();
    crate::support::wait_for("its absence", || keys.server.sql(sync) == "0");
    let found = findings(&keys, 2);
    has(&found, "standbys-away", Some("grave"));
    has(&found, "cannot-be-opened", Some("grave"));
    // The server itself.
    keys.server.stop_at_once();
    let found = findings(&keys, 2);
    has(&found, "cannot-be-opened", Some("grave"));

    let careless = Keys::new(&[]).with_vault();
    has(&findings(&careless, 2), "no-fsync", Some("grave"));
}

#[test]
#[ignore = "starts PostgreSQL servers of its own; `.ci/run databases` runs it"]
fn what_the_server_keeps_and_the_role_may_do_is_told() {
    let keys = Keys::new(&[SERVER, &["-c", "archive_mode=on", "-c", "archive_command=true"]].concat()).with_vault();
    keys.server.sql("GRANT pg_read_all_stats TO app");
    let found = findings(&keys, 1);
    has(&found, "old-records-kept", Some("warning"));
    let said = what(&keys, "old-records-kept");
    assert!(said.contains("archived WAL") && said.contains("[root_key.token]"), "{said}");
    // Versions of the root key take the records under them along; one key that wraps does not.
    let token = "[root_key.token]\nmodule = \"/nowhere.so\"\nlabel = \"privacy\"";
    for (more, severity) in [("", "note"), ("\nkey = \"wraps\"", "warning")] {
        keys.configure(&format!("{token}{more}"));
        let (_, report) = keys.world.json(&["doctor", "--files-only"]);
        let all = report["findings"].as_array().unwrap();
        let kept = all.iter().find(|finding| finding["check"] == "old-records-kept").unwrap();
        assert_eq!(kept["severity"], severity, "{report:#}");
    }
    keys.configure("");
    for check in [
        "idle-slot",
        "old-snapshot",
        "record-table-grew",
        "role-rights",
        "role-lacks-rights",
        "not-swept",
        "records-in-the-log",
    ] {
        has(&found, check, None);
    }
    // The server's log: with each record, then without, by the very statement that is advised.
    keys.server.set("log_min_duration_statement", "0");
    has(&findings(&keys, 1), "records-in-the-log", Some("warning"));
    let vault = keys.vault();
    vault.shred([vault.enroll().unwrap()]).unwrap();
    vault.close().unwrap();
    // A copy like any other, for whoever looks through what is kept.
    let log = servers::text(&keys.server.directory().join("log"));
    let (code, report) = keys.world.json(&["doctor", "--backup", &log]);
    let copy = &report["findings"][0];
    assert_eq!((code, &copy["check"]), (2, &serde_json::json!("record-copy")), "{report:#}");
    keys.server.sql("ALTER ROLE \"app\" SET log_parameter_max_length = 0");
    has(&findings(&keys, 1), "records-in-the-log", None);
    keys.server.sql("SELECT pg_create_physical_replication_slot('forgotten', true)");
    has(&findings(&keys, 1), "idle-slot", Some("warning"));
    assert!(what(&keys, "idle-slot").contains("pg_drop_replication_slot('forgotten')"));
    keys.server.sql("SELECT pg_drop_replication_slot('forgotten')");

    let mut snapshot = keys.server.session();
    snapshot.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM oubliette.root;");
    let vault = keys.vault();
    for _ in 0..10 {
        vault.shred([vault.enroll().unwrap()]).unwrap();
    }
    vault.sweep().unwrap();
    vault.close().unwrap();
    let found = findings(&keys, 1);
    has(&found, "record-table-grew", Some("warning"));
    // It is open for a moment only.
    has(&found, "old-snapshot", None);
    snapshot.end();
    keys.server.sql("VACUUM FULL oubliette.root");
    has(&findings(&keys, 1), "record-table-grew", None);
    keys.server.sql(
        "UPDATE oubliette.pages SET superseded = clock_timestamp() - interval '27 hours' WHERE superseded IS NOT NULL",
    );
    has(&findings(&keys, 1), "not-swept", Some("warning"));

    // Copies of the record: in a dump, and among the server's own files. A dump without the schema holds none.
    let dump = |name: &str, arguments: &[&str]| {
        let host = servers::text(keys.server.directory());
        let dumped = servers::run(&[&["pg_dump", "-h", &host, "-U", "postgres"], arguments].concat());
        keys.world.write(name, &String::from_utf8(dumped.stdout).unwrap());
    };
    dump("without.sql", &["--exclude-schema=oubliette"]);
    keys.world.run(&["doctor", "--backup", "without.sql"]).ends(1);
    dump("dump.sql", &[]);
    let (code, report) = keys.world.json(&["doctor", "--backup", "dump.sql"]);
    let copy = &report["findings"][0];
    assert_eq!((code, &copy["check"]), (2, &serde_json::json!("record-copy")), "{report:#}");
    let generation = keys.world.json(&["status"]).1["generation"].to_string();
    assert!(
        copy["what"].as_str().unwrap().contains(&format!("of generation {generation}; the vault is at {generation}"))
    );
    keys.server.sql("CHECKPOINT");
    let data = servers::text(&keys.server.directory().join("data"));
    let (_, report) = keys.world.json(&["doctor", "--backup", &data]);
    let found = report["findings"][0]["what"].as_str().unwrap();
    assert!(found.contains("pg_wal") || found.contains("more files"), "{report:#}");

    keys.server.sql("GRANT TRUNCATE ON oubliette.pages TO app; ALTER ROLE app REPLICATION");
    has(&findings(&keys, 1), "role-rights", Some("warning"));
    let said = what(&keys, "role-rights");
    assert!(said.contains("TRUNCATE on pages") && said.contains("REPLICATION"), "{said}");
    keys.world.write("url", &keys.url("owner"));
    assert!(what(&keys, "role-rights").contains("owns the schema"));
    keys.world.write("url", &keys.url("postgres"));
    assert!(what(&keys, "role-rights").contains("is a superuser"));
    keys.world.write("url", &keys.url("app"));
    keys.server.sql("REVOKE TRUNCATE ON oubliette.pages FROM app; ALTER ROLE app NOREPLICATION");
    keys.server.sql("REVOKE DELETE ON oubliette.pages FROM app");
    has(&findings(&keys, 2), "role-lacks-rights", Some("grave"));
    keys.world.run(&["key-store", "migrate", "--owner-url-file", "owner-url", "--grant-to", "app"]).ends(0);
    has(&findings(&keys, 1), "role-lacks-rights", None);

    // Tables of another version, and none at all.
    keys.server.sql("UPDATE oubliette.version SET version = 0");
    let found = findings(&keys, 2);
    has(&found, "cannot-be-opened", Some("grave"));
    assert!(what(&keys, "cannot-be-opened").contains("oubliette key-store migrate"));
    keys.server.sql("UPDATE oubliette.version SET version = 2");
    assert!(what(&keys, "cannot-be-opened").contains("upgrade this command"));
    keys.server.sql("DROP SCHEMA oubliette CASCADE");
    assert!(what(&keys, "cannot-be-opened").contains("has no key store"));
}
