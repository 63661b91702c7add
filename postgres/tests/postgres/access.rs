//! Who may do what, and which tables are worked with.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oubliette::store::{CopyContent, PageStore, Problem, RECORD_BYTES, RootStore};
use oubliette_postgres::{PostgresStore, StoreOpenError};

use super::server::{Server, run, shared, text};
use super::support::*;

#[test]
fn a_role_of_daily_use_does_all_that_a_vault_does_and_changes_no_table() {
    let server = shared();
    let schema = server.new_schema();
    server.sql(&format!("CREATE ROLE daily_{schema} LOGIN; CREATE ROLE owner_{schema} LOGIN; GRANT CREATE ON DATABASE postgres TO owner_{schema}"));
    let owner = PostgresStore::at(server.address(&format!("owner_{schema}"))).schema(&schema);
    let daily = PostgresStore::at(server.address(&format!("daily_{schema}"))).schema(&schema);
    assert!(matches!(owner.open(), Err(StoreOpenError::NotMigrated { .. })));
    assert!(matches!(daily.migrate(), Err(StoreOpenError::Store(_))));
    owner.migrate().unwrap();
    owner.migrate().unwrap();
    assert!(matches!(daily.open(), Err(StoreOpenError::Store(_))), "nothing is granted yet");
    owner.grant_to(&format!("daily_{schema}")).unwrap();
    owner.grant_to(&format!("daily_{schema}")).unwrap();
    assert!(owner.grant_to("nobody").is_err());

    // The right to make a read a commit is everybody's.
    let daily = daily.confirm_reads(oubliette_postgres::ConfirmReads::Always);
    let vault = create(&daily, LEASE);
    let (alice, bob) = (customer(&vault), customer(&vault));
    let other = unlock(&daily);
    other.shred([alice.0]).unwrap();
    vault.refresh().unwrap();
    assert!(!opens(&vault, &alice) && opens(&vault, &bob));
    vault.sweep().unwrap();
    vault.status().unwrap();
    assert!(vault.health().ready);
    let store = daily.open().unwrap();
    store.replace_mark(&store.mark().unwrap()).unwrap();
    store.sweep(&HashSet::new(), 0, Duration::ZERO).unwrap();
    store.can_write(store.places()[0]).unwrap();

    for statement in [
        "DROP TABLE {s}.pages",
        "TRUNCATE {s}.pages",
        "ALTER TABLE {s}.root ADD other integer",
        "CREATE TABLE {s}.other (a integer)",
        "DELETE FROM {s}.root",
        "INSERT INTO {s}.root (slot) VALUES (1)",
        "DELETE FROM {s}.mark",
        "UPDATE {s}.version SET version = 2",
        "UPDATE {s}.place SET id = '\\x0102030405060708'",
        "UPDATE {s}.pages SET bytes = bytes",
    ] {
        let statement = statement.replace("{s}", &schema);
        let text = server.refusal(&format!("SET ROLE daily_{schema}; {statement}"));
        assert!(text.contains("permission denied") || text.contains("must be owner"), "{statement}: {text}");
    }
}

/// Who may make no schema is given one.
#[test]
fn the_owner_of_an_empty_schema_may_fill_it() {
    let server = shared();
    let schema = server.new_schema();
    let role = format!("guest_{schema}");
    server.sql(&format!("CREATE ROLE {role} LOGIN; CREATE SCHEMA {schema} AUTHORIZATION {role}"));
    let guest = PostgresStore::at(server.address(&role)).schema(&schema);
    assert!(matches!(guest.open(), Err(StoreOpenError::NotMigrated { .. })));
    guest.migrate().unwrap();
    let vault = create(&guest, LEASE);
    assert!(opens(&unlock(&guest), &customer(&vault)));
}

/// A name is a name, whatever stands in it: in each statement that a store has.
#[test]
fn names_may_hold_what_means_something_in_a_statement() {
    let server = shared();
    for (nth, odd) in ["\"Odd\"", "o'dd", "{s} {role} {dead}", "a.b; --", "\\ $1 $$", "E'"].into_iter().enumerate() {
        let (schema, role) = (format!("{odd} {nth}"), format!("role {odd} {nth}"));
        let quoted = role.replace('"', "\"\"");
        server.sql(&format!("CREATE ROLE \"{quoted}\" LOGIN; GRANT \"{quoted}\" TO postgres"));
        let owner = PostgresStore::at(server.address("postgres")).schema(&schema);
        owner.migrate().unwrap();
        owner.migrate().unwrap();
        let vault = create(&owner, LEASE);
        let (alice, bob) = (customer(&vault), customer(&vault));
        vault.shred([alice.0]).unwrap();
        assert!(!opens(&unlock(&owner), &alice) && opens(&unlock(&owner), &bob));
        vault.sweep().unwrap();
        vault.status().unwrap();
        let store = owner.open().unwrap();
        store
            .can_write(store.places()[0])
            .unwrap_or_else(|error| panic!("{odd}: {:?}", std::error::Error::source(&error)));
        assert!(store.usage().unwrap().pages > 0 && !store.newer_than(0, 10).is_empty(), "{odd}");
        let mark = store.mark().unwrap();
        store.replace_mark(&mark).unwrap();
        assert!(store.get_many(&[]).is_empty());
        // And the role, which has what was granted and no more.
        owner.grant_to(&role).unwrap();
        let [grantee, in_schema] = [&role, &schema].map(|name| name.replace('\'', "''"));
        let granted = format!("grantee = '{grantee}' AND table_schema = '{in_schema}'");
        let granted = format!("SELECT count(*) FROM information_schema.role_table_grants WHERE {granted}");
        assert_eq!(server.sql(&granted), "7", "{odd}: five to read, and pages to insert and delete");
        assert!(store.survey().unwrap().role.lacking.is_empty(), "{odd}");
    }
}

#[test]
fn older_and_newer_tables_are_refused_with_what_to_do() {
    let server = shared();
    let schema = server.new_schema();
    let builder = at(server, &schema);
    builder.migrate().unwrap();
    let set = |version: i32| server.sql(&format!("UPDATE {schema}.version SET version = {version}"));
    set(0);
    let older = builder.open().unwrap_err();
    assert!(
        matches!(older, StoreOpenError::Older { found: 0, needed: 1, .. }) && older.to_string().contains("migrate")
    );
    set(2);
    for newer in
        [builder.open().unwrap_err(), builder.migrate().unwrap_err(), builder.grant_to("postgres").unwrap_err()]
    {
        assert!(
            matches!(newer, StoreOpenError::Newer { found: 2, known: 1, .. }) && newer.to_string().contains("upgrade")
        );
    }
    set(1);
    builder.open().unwrap();
}

#[test]
fn two_that_migrate_at_once_end_in_one_store() {
    let server = shared();
    let builder = at(server, &server.new_schema());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| builder.migrate().unwrap());
        }
    });
    let places: HashSet<_> = (0..3).flat_map(|_| builder.open().unwrap().places()).collect();
    assert_eq!(places.len(), 1);
}

/// A record or page that was changed in its table is damaged, and one of another size is not fetched.
#[test]
fn what_was_changed_in_the_tables_is_damaged() {
    let server = shared();
    let schema = server.new_schema();
    let builder = at(server, &schema);
    builder.migrate().unwrap();
    let store = builder.open().unwrap();
    let place = store.places()[0];
    store.lock(&[place], LEASE).unwrap().write(place, 0, &[1; RECORD_BYTES]).unwrap();
    let page = oubliette::store::StoredPage {
        name: oubliette::store::PageName([1; 16]),
        bytes: vec![1; oubliette::store::PAGE_BYTES],
    };
    let mark = oubliette::store::Mark { generation: 1, vault: [1; 16], proof: [1; 32] };
    store.put(&mark, std::slice::from_ref(&page)).unwrap();
    server.sql(&format!("UPDATE {schema}.root SET record = set_byte(record, 100, 0)"));
    assert!(matches!(store.read(place)[0].content, CopyContent::Damaged));
    server.sql(&format!(
        "ALTER TABLE {schema}.root DROP CONSTRAINT root_record_check; ALTER TABLE {schema}.pages DROP CONSTRAINT pages_bytes_check;
         UPDATE {schema}.root SET record = '\\x00'; UPDATE {schema}.pages SET bytes = bytes || bytes"
    ));
    assert!(matches!(store.read(place)[0].content, CopyContent::Damaged));
    assert_eq!(store.get(&page.name).unwrap_err().problem(), Problem::Damaged);
    assert!(store.sweep(&HashSet::from([page.name]), 1, Duration::ZERO).is_err());
    // Written anew it is whole.
    store.lock(&[place], LEASE).unwrap().write(place, 0, &[2; RECORD_BYTES]).unwrap();
    assert!(matches!(store.read(place)[0].content, CopyContent::Intact(_)));
}

/// With what is there, and what is needed. Nothing was made in it.
#[test]
#[ignore = "needs PostgreSQL 13 in TEST_POSTGRES"]
fn a_server_that_is_too_old_is_refused() {
    let server = shared();
    let schema = server.new_schema();
    for refused in [at(server, &schema).migrate().unwrap_err(), at(server, &schema).open().unwrap_err()] {
        assert!(matches!(&refused, StoreOpenError::OldServer { found: 130_000..140_000, .. }), "{refused:?}");
        assert!(refused.to_string().contains("the key store needs PostgreSQL 14 or later"), "{refused}");
    }
    assert_eq!(server.sql(&format!("SELECT count(*) FROM pg_namespace WHERE nspname = '{schema}'")), "0");
}

/// How long a statement of ours may take is ours to say: whoever waits for the lock, and a sweep, takes longer than a request may.
#[test]
#[ignore = "needs PostgreSQL 17 or later in TEST_POSTGRES"]
fn a_limit_that_the_server_has_for_transactions_is_not_ours() {
    let server = Server::start(&["-c", "transaction_timeout=200ms"]);
    let schema = server.new_schema();
    at(&server, &schema).migrate().unwrap();
    let [one, other] = [(); 2].map(|()| at(&server, &schema).open().unwrap());
    let places = one.places();
    let held = one.lock(&places, LEASE).unwrap();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| other.lock(&places, LEASE * 30).map(drop));
        std::thread::sleep(Duration::from_millis(800));
        drop(held);
        waits.join().unwrap().unwrap();
    });
}

/// A password that is changed while the store is open: what is connected stays, and the next connection is made with the new one.
#[test]
fn a_password_is_asked_for_at_each_connection() {
    let server = Server::start(&[]);
    let schema = server.new_schema();
    let builder = at(&server, &schema);
    builder.migrate().unwrap();
    server.sql("CREATE ROLE app LOGIN PASSWORD 'first'");
    builder.grant_to("app").unwrap();
    let hba = text(&server.directory().join("data/pg_hba.conf"));
    run(&["sh", "-c", "printf 'local all postgres trust\nlocal all app scram-sha-256\n' > \"$0\"", &hba]);
    server.sql("SELECT pg_reload_conf()");
    let known = Arc::new(Mutex::new(Ok("first".to_owned())));
    let asked = known.clone();
    let app = PostgresStore::at(server.address("app")).schema(schema);
    let store = app.clone().password_from(move || asked.lock().unwrap().clone()).open().unwrap();
    let read = |store: &PostgresStore| match &store.read(store.places()[0])[0].content {
        CopyContent::Unreachable(error) => Err(chain(error)),
        _ => Ok(()),
    };
    assert_eq!(read(&store), Ok(()));
    // Another one, and the server lets go of all connections.
    server.sql("ALTER ROLE app PASSWORD 'second'");
    assert!(server.terminate("usename = 'app'") > 0);
    assert!(read(&store).is_err());
    *known.lock().unwrap() = Ok("second".to_owned());
    wait_for("a connection with the new one", || read(&store).is_ok());
    // Whoever is asked fails: the error says why.
    *known.lock().unwrap() = Err("the vault of passwords is closed".to_owned());
    server.terminate("usename = 'app'");
    let refused = read(&store).unwrap_err();
    assert!(
        refused.contains("password for the server could not be had") && refused.contains("passwords is closed"),
        "{refused}"
    );
    // Or panics, or never answers.
    let patient = app.answer_within(Duration::from_millis(300));
    let never = || {
        std::thread::sleep(Duration::from_secs(3));
        Err::<String, _>("late")
    };
    let panics: fn() -> Result<String, &'static str> = || panic!("what now?");
    for ask in [panics, never] {
        let refused = chain(&patient.clone().password_from(ask).open().unwrap_err());
        assert!(refused.contains("password for the server could not be had"), "{refused}");
    }
    assert!(patient.password_from(|| Err::<String, _>("unused")).password("second").open().is_ok());
}

/// A server that ends connections of which it hears nothing for a while: they are made anew, and nobody sees an error.
#[test]
fn connections_that_the_server_ends_are_made_anew() {
    let server = Server::start(&["-c", "idle_session_timeout=150ms"]);
    let builder = fresh(&server);
    let vault = create(&builder, LEASE);
    let other = unlock(&builder);
    for _ in 0..5 {
        let alice = customer(&vault);
        std::thread::sleep(Duration::from_millis(400));
        assert!(opens(&other, &alice));
        vault.shred([alice.0]).unwrap();
        wait_for("the other to hear of it", || !opens(&other, &alice));
        other.sweep().unwrap();
    }
}

/// Messages name the database and the schema, and never the password.
#[test]
fn nothing_shows_the_password() {
    let address = "postgres://somebody:a-secret@127.0.0.1:1/app?sslmode=disable";
    let builder = PostgresStore::at(address).answer_within(LEASE);
    let error = builder.open().unwrap_err();
    let mut shown = format!("{builder:?} {error} {error:?}");
    let mut source: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = source {
        shown.push_str(&format!(" {error} {error:?}"));
        source = error.source();
    }
    assert!(!shown.contains("secret") && shown.contains("127.0.0.1:1/app, schema oubliette"), "{shown}");
    let store = fresh(shared()).open().unwrap();
    assert!(format!("{store:?}").contains("schema t"));
    drop(Arc::new(store));
}
