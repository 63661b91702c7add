//! What is left of a record that was overwritten: the README says no more than this.

use oubliette::store::{PlaceId, RECORD_BYTES, RootStore};
use oubliette_postgres::PostgresStore;

use super::server::Server;
use super::support::*;
use super::survey::daily;

fn write(store: &PostgresStore, content: u8) {
    let place: PlaceId = store.places()[0];
    store.lock(&[place], LEASE).unwrap().write(place, 0, &[content; RECORD_BYTES]).unwrap();
}

/// Whether a run of a record's bytes stands in a file.
fn stands_in(file: &std::path::Path, content: u8) -> bool {
    let bytes = std::fs::read(file).unwrap();
    bytes.windows(64).any(|window| window == [content; 64])
}

/// Gone from the table's file with the second record after it, as long as no old snapshot needs it; and in the log all the while.
#[test]
fn an_old_record_is_overwritten_in_the_table_and_stays_in_the_log() {
    let server = Server::start(&["-c", "autovacuum=off"]);
    let schema = server.new_schema();
    at(&server, &schema).migrate().unwrap();
    let store = at(&server, &schema).open().unwrap();
    let data = server.directory().join("data");
    let table = data.join(server.sql(&format!("SELECT pg_relation_filepath('{schema}.root')")));
    let mut seen = [0; 3];
    for n in 10..60 {
        write(&store, n);
        server.sql("CHECKPOINT");
        for (later, seen) in (0..).zip(&mut seen) {
            *seen += usize::from(stands_in(&table, n - later));
        }
        assert!((0..n - 2).all(|old| old < 10 || !stands_in(&table, old)), "older than two commits");
    }
    println!("of 50 records: {seen:?} in the table's file after 0, 1, 2 later ones");
    assert!(std::fs::metadata(&table).unwrap().len() <= 16384);
    let log = std::fs::read_dir(data.join("pg_wal")).unwrap().flatten().map(|entry| entry.path());
    assert!(log.filter(|path| path.is_file()).any(|file| stands_in(&file, 10)));

    // Whoever looks at a snapshot, a dump say, keeps what it shows.
    let mut snapshot = server.session();
    snapshot.run(&format!("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM {schema}.root;"));
    (60..70).for_each(|n| write(&store, n));
    server.sql("CHECKPOINT");
    assert!(stands_in(&table, 60));
    snapshot.end();
}

/// A server that logs statements logs what they carry as well, in full, and a log is kept, shipped and searched. A role of daily use cannot forbid that.
#[test]
fn a_record_stays_in_the_log_of_statements_until_a_superuser_says_otherwise() {
    // What is logged when a statement fails is the role's own to say, and the store says it.
    let logs = ["log_min_duration_statement=0", "log_parameter_max_length_on_error=-1", "debug_print_plan=on"];
    let server = Server::start(&logs.map(|setting| ["-c", setting]).concat());
    let schema = server.new_schema();
    let (role, store) = daily(&server, &schema);
    let stands_in_log = |content: u8| {
        let log = std::fs::read_to_string(server.directory().join("log")).unwrap();
        // In a plan, which goes over many lines, each byte is a number with a sign.
        let log: String = log.split_whitespace().collect();
        [format!("{content:02x}"), content.cast_signed().to_string()].iter().any(|byte| log.contains(&byte.repeat(32)))
    };
    write(&store, 0xa1);
    assert!(stands_in_log(0xa1));
    let logs = |store: &PostgresStore| store.survey().unwrap().keeps.logs;
    assert_eq!(logs(&store), ["log_min_duration_statement = 0"]);
    let refused = format!("REVOKE UPDATE (record) ON {schema}.root FROM {role}");
    server.sql(&format!("ALTER ROLE {role} SET log_parameter_max_length = 0; {refused}"));
    let again = || PostgresStore::at(server.address(&role)).schema(&schema).open().unwrap();
    let place = store.places()[0];
    again().lock(&[place], LEASE).unwrap().write(place, 0, &[0xa2; RECORD_BYTES]).unwrap_err();
    at(&server, &schema).grant_to(&role).unwrap();
    write(&again(), 0xa3);
    assert_eq!(logs(&again()), Vec::<String>::new());
    // A superuser's connections forbid it themselves.
    let as_superuser = at(&server, &schema).open().unwrap();
    write(&as_superuser, 0xa4);
    assert_eq!(logs(&as_superuser), Vec::<String>::new());
    assert!([0xa2, 0xa3, 0xa4].iter().all(|content| !stands_in_log(*content)));
    // Each way to have statements logged, and what logs nothing of what they carry.
    for (content, (setting, value, is_logged)) in (0xb0..).zip([
        ("log_statement", "mod", false),
        ("log_statement", "all", true),
        ("log_min_duration_sample", "0", true),
        ("log_transaction_sample_rate", "1", true),
        ("log_duration", "on", false),
    ]) {
        server.sql(&format!("ALTER ROLE {role} RESET ALL; ALTER ROLE {role} SET log_min_duration_statement = -1"));
        server.sql(&format!(
            "ALTER ROLE {role} SET log_statement_sample_rate = 1; ALTER ROLE {role} SET {setting} = '{value}'"
        ));
        write(&again(), content);
        assert_eq!(stands_in_log(content), is_logged, "{setting}");
        let named = format!("{setting} = {value}");
        assert_eq!(logs(&again()), Vec::from_iter(is_logged.then_some(named)));
    }
    // Those of extensions, which are loaded here or not.
    for (setting, value, is_told) in [
        ("auto_explain.log_min_duration", "1000", false),
        ("auto_explain.log_parameter_max_length", "0", false),
        ("auto_explain.log_parameter_max_length", "-1", true),
        ("pgaudit.log_parameter", "on", true),
    ] {
        server.sql(&format!("ALTER ROLE {role} RESET ALL; ALTER ROLE {role} SET log_min_duration_statement = -1"));
        server.sql(&format!("ALTER ROLE {role} SET auto_explain.log_min_duration = 1000"));
        server.sql(&format!("ALTER ROLE {role} SET pgaudit.log = 'write'"));
        server.sql(&format!("ALTER ROLE {role} SET {setting} = '{value}'"));
        let named = format!("{setting} = {value}");
        assert_eq!(logs(&again()), Vec::from_iter(is_told.then_some(named)));
    }
}
