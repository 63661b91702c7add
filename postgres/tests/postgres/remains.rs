//! What is left of a record that was overwritten: the README says no more than this.

use oubliette::store::{PlaceId, RECORD_BYTES, RootStore};
use oubliette_postgres::PostgresStore;

use super::server::Server;
use super::support::*;

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
