//! Servers that do not answer, and commits that nobody confirms.

use std::time::{Duration, Instant};

use oubliette::store::{CopyContent, Mark, NotWritten, Problem, RECORD_BYTES, RootStore, WholeCommit};
use oubliette_postgres::{ConfirmReads, PostgresStore};

use super::server::Server;
use super::support::*;

const WAIT: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_millis(500);

fn read(store: &PostgresStore) -> Result<(), Problem> {
    match &store.read(store.places()[0])[0].content {
        CopyContent::Unreachable(error) => Err(error.problem()),
        _ => Ok(()),
    }
}

/// Its processes are stopped: connections are taken, and nothing is answered.
#[test]
fn a_server_that_hangs_ends_in_an_error() {
    let server = Server::start(&[]);
    let builder = fresh(&server).answer_within(SOON);
    let store = builder.open().unwrap();
    let mut lock = store.lock(&store.places(), WAIT).unwrap();
    assert_eq!(read(&store), Ok(()));
    server.signal_all("STOP");
    let begun = Instant::now();
    assert_eq!(read(&store), Err(Problem::NoAnswer));
    // On a new connection.
    assert_eq!(read(&store), Err(Problem::NoAnswer));
    assert_eq!(store.can_write(store.places()[0]).unwrap_err().problem(), Problem::NoAnswer);
    assert_eq!(lock.write(store.places()[0], 0, &[1; RECORD_BYTES]).unwrap_err().problem(), Problem::NoAnswer);
    drop(lock);
    assert!(store.lock(&store.places(), SOON).is_err());
    assert!(builder.open().is_err());
    assert!(begun.elapsed() < SOON * 12, "{:?}", begun.elapsed());
    server.signal_all("CONT");
    wait_for("the store to go on", || read(&store) == Ok(()));
    let mut lock = store.lock(&store.places(), WAIT).unwrap();
    lock.write(store.places()[0], 0, &[2; RECORD_BYTES]).unwrap();
}

/// A commit whose wait for the standbys is cancelled succeeds at the server, with a warning. To us it is not known.
#[test]
fn a_commit_that_no_standby_confirmed_is_none() {
    let server = Server::start(&[]);
    let builder = fresh(&server);
    // Whatever the role's defaults are: one by which nobody waits, one by which nobody would hear the warning.
    server.sql("ALTER ROLE postgres SET synchronous_commit = off; ALTER ROLE postgres SET client_min_messages = error");
    let store = builder.open().unwrap();
    assert_eq!(read(&store), Ok(()));
    assert!(!store.is_replicated());
    server.set("synchronous_standby_names", "nobody");
    let cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let mut lock = store.lock(&store.places(), WAIT).unwrap();
            let first = lock.write(store.places()[0], 0, &[1; RECORD_BYTES]).unwrap_err();
            // The connection is given up, and the lock with it.
            lock.write(store.places()[0], 0, &[1; RECORD_BYTES]).unwrap_err();
            first
        });
        let mut cancelled = 0;
        wait_for("the commit to wait", || {
            cancelled += server.sql(cancel).lines().count();
            writing.is_finished()
        });
        assert!(cancelled >= 1, "{cancelled}");
        let error = writing.join().unwrap();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("not confirmed"), "{source}");
    });
    // A step that others see at once is flushed behind it, and that waits for them as well.
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let mut lock = store.lock(&store.places(), WAIT).unwrap();
            let mark = Mark { generation: 1, vault: [1; 16], proof: [1; 32] };
            let record = [1; RECORD_BYTES];
            let step =
                WholeCommit { place: store.places()[0], record: &record, mark: &mark, pages: &[], is_last: true };
            lock.write_with_pages(&step).unwrap_err()
        });
        wait_for("the flush to wait", || !server.sql(cancel).is_empty());
        let error = writing.join().unwrap();
        assert!(matches!(error, NotWritten::Unknown(_)), "{error:?}");
    });
    // Visible it is, if nobody asks the standbys.
    let unconfirmed = builder.clone().confirm_reads(ConfirmReads::Never).open().unwrap();
    let found = unconfirmed.read(unconfirmed.places()[0]);
    assert!(matches!(&found[0].content, CopyContent::Intact(found) if *found == [1; RECORD_BYTES]));
    // A read is a commit as well, and waits for them in vain.
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| read(&store));
        wait_for("the read to wait", || !server.sql(cancel).is_empty());
        assert_eq!(reading.join().unwrap(), Err(Problem::Io));
    });
    let asks = builder.clone().answer_within(SOON).open().unwrap();
    assert_eq!(read(&asks), Err(Problem::NoAnswer));
    server.set("synchronous_standby_names", "");
    wait_for("reads to need no standby", || read(&asks) == Ok(()));
}

/// Of several hosts the first one takes connections and says nothing, as a machine does that is stopped or gone from the network: whoever takes
/// writes is found all the same, and long before the answer of the first one is given up.
#[test]
fn a_host_that_hangs_keeps_nobody_from_the_next_one() {
    let (hangs, server) = (Server::start(&[]), Server::start(&[]));
    let schema = server.new_schema();
    at(&server, &schema).migrate().unwrap();
    hangs.signal_all("STOP");
    let directories = [&hangs, &server].map(|server| super::server::text(server.directory())).join(",");
    let both = PostgresStore::at(format!("host={directories} user=postgres dbname=postgres allow_fsync_off=yes"))
        .schema(&schema);
    let begun = Instant::now();
    let opened = both.answer_within(WAIT).open().map(|store| read(&store));
    let took = begun.elapsed();
    hangs.signal_all("CONT");
    assert_eq!(opened.unwrap(), Ok(()));
    assert!(took < WAIT / 4, "{took:?}");
}

/// The same of addresses that one name stands for: here nobody listens at the first of them.
#[test]
fn every_address_of_a_name_is_tried() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let server = Server::start_at(&["-h", "127.0.0.1"], port);
    let schema = server.new_schema();
    at(&server, &schema).migrate().unwrap();
    let address =
        format!("host=localhost port={port} user=postgres dbname=postgres sslmode=disable allow_fsync_off=yes");
    assert_eq!(read(&PostgresStore::at(address).schema(&schema).open().unwrap()), Ok(()));
}
