//! A commit that others see before it is on the disk, and what relies upon it: on servers that are stopped in between, and standbys that are promoted without
//! it.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use oubliette::store::{
    CopyContent, LockError, Mark, NotWritten, OrderedRead, PlaceId, RECORD_BYTES, RootLock, RootStore, WholeCommit,
};
use oubliette::{Outcome, ShredError, Vault};
use oubliette_postgres::{ConfirmReads, PostgresStore};

use super::server::Server;
use super::support::*;

const WAIT: Duration = Duration::from_secs(20);
const SOON: Duration = Duration::from_millis(500);
const WAL: &str = "SELECT pg_current_wal_flush_lsn() >= pg_current_wal_insert_lsn()";

fn place(store: &PostgresStore) -> PlaceId {
    store.places()[0]
}

fn write(lock: &mut dyn RootLock, store: &PostgresStore, record: u8) -> Result<(), NotWritten> {
    let (bytes, mark) = ([record; RECORD_BYTES], Mark { generation: record.into(), vault: [1; 16], proof: [1; 32] });
    lock.write_with_pages(&WholeCommit { place: place(store), record: &bytes, mark: &mark, pages: &[], is_last: true })
}

fn number(content: &CopyContent) -> Option<u8> {
    match content {
        CopyContent::Intact(found) => Some(found[0]),
        CopyContent::Empty => None,
        other => panic!("{other:?}"),
    }
}

fn in_order(lock: &mut dyn RootLock, store: &PostgresStore) -> (Option<u8>, bool) {
    let OrderedRead { copies, is_settled, .. } = lock.read_in_order(place(store)).unwrap();
    (number(&copies[0].content), is_settled)
}

/// A synchronous standby, and a primary that follows what it says.
fn pair() -> (Server, Server, String) {
    let primary = Server::start(&["-c", "fsync=on", "-c", "wal_level=replica", "-c", "max_wal_senders=5"]);
    let schema = primary.new_schema();
    at(&primary, &schema).migrate().unwrap();
    let standby = Server::follow(&primary);
    primary.set("synchronous_standby_names", "standby");
    is_synchronous(&primary);
    (primary, standby, schema)
}

fn is_synchronous(primary: &Server) {
    wait_for("the standby to be synchronous", || {
        primary.sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1"
    });
}

/// A server that answers nothing, until this is dropped: one that is stopped could not be ended.
struct Stopped<'s>(&'s Server);

impl Stopped<'_> {
    fn stop(server: &Server) -> Stopped<'_> {
        server.signal_all("STOP");
        Stopped(server)
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.0.signal_all("CONT");
    }
}

/// Has the server's own processes flush nothing: what is written waits for a commit that asks for it.
fn without_walwriter(server: &Server) {
    server.set("wal_writer_delay", "10s");
    server.set("wal_writer_flush_after", "1GB");
    server.sql("SELECT pg_logical_emit_message(true, 'wake', '')");
}

fn wait_for_waiting(server: &Server, connections: usize) {
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    wait_for("the others to wait", || server.sql(waiting) == connections.to_string());
}

/// With a standby that does not confirm nobody is answered; and those who wait for the lock take it all the same, see what was written, and build upon it.
#[test]
fn the_lock_goes_on_when_others_see_the_commit_and_nobody_is_answered_before_the_flush() {
    let (primary, standby, schema) = pair();
    let stores = [1, 2, 3].map(|_| at(&primary, &schema).answer_within(Duration::from_secs(20)).open().unwrap());
    let [one, two, three] = &stores;
    write(&mut *one.lock(&one.places(), WAIT).unwrap(), one, 1).unwrap();
    let is_there = |record: &str| primary.sql(&format!("SELECT get_byte(record, 0) FROM {schema}.root")) == record;
    std::thread::scope(|scope| {
        let stopped = Stopped::stop(&standby);
        let first = scope.spawn(|| {
            let mut lock = one.lock(&one.places(), WAIT).unwrap();
            wait_for_waiting(&primary, 1);
            write(&mut *lock, one, 2)
        });
        wait_for("the lock to be taken", || {
            primary.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted") == "1"
        });
        let second = scope.spawn(|| {
            let mut lock = two.lock(&two.places(), WAIT).unwrap();
            let found = in_order(&mut *lock, two);
            // Until somebody waits for this one, too.
            wait_for_waiting(&primary, 1);
            (found, write(&mut *lock, two, 3))
        });
        wait_for("the record to be seen", || is_there("2"));
        let third = scope.spawn(|| in_order(&mut *three.lock(&three.places(), WAIT).unwrap(), three));
        wait_for("the next record to be seen", || is_there("3"));
        assert_eq!(third.join().unwrap(), (Some(3), false), "seen, and not known to be durable");
        std::thread::sleep(Duration::from_millis(200));
        assert!(!first.is_finished() && !second.is_finished(), "neither is on the standby");
        drop(stopped);
        first.join().unwrap().unwrap();
        let (found, written) = second.join().unwrap();
        assert_eq!(found, (Some(2), false), "seen, and not known to be durable");
        written.unwrap();
    });
    let mut lock = two.lock(&two.places(), WAIT).unwrap();
    lock.settle().unwrap();
    assert_eq!(in_order(&mut *lock, two).0, Some(3));
}

/// A record that is read under the lock counts as durable only if the WAL is on the disk, or the store settled it; and with a standby only in the second case.
#[test]
fn what_is_read_under_the_lock_is_settled_by_the_standbys_or_not_at_all() {
    let (primary, standby, schema) = pair();
    for confirm in [ConfirmReads::Never, ConfirmReads::WhenSynchronous, ConfirmReads::Always] {
        let store = at(&primary, &schema).answer_within(SOON).confirm_reads(confirm).open().unwrap();
        assert_eq!(store.reads_are_durable(), confirm != ConfirmReads::Never);
        // F5: where there are standbys, a lease is renewed by what they confirm.
        assert_eq!(store.read_seen(place(&store)).is_some(), confirm == ConfirmReads::Never, "{confirm:?}");
        let is_always = confirm == ConfirmReads::Always;
        {
            let mut lock = store.lock(&store.places(), WAIT).unwrap();
            assert_eq!(in_order(&mut *lock, &store), (None, is_always), "{confirm:?}");
            lock.settle().unwrap();
        }
        standby.stop_at_once();
        {
            let mut lock = store.lock(&store.places(), WAIT).unwrap();
            let OrderedRead { copies, is_settled, .. } = lock.read_in_order(place(&store)).unwrap();
            assert!(!is_settled, "{confirm:?}");
            assert_eq!(matches!(copies[0].content, CopyContent::Unreachable(_)), is_always, "{confirm:?}");
            assert!(lock.settle().is_err(), "{confirm:?}");
        }
        standby.go_on();
        is_synchronous(&primary);
    }
}

/// Without standbys a read, and the lock's own, tell whether the WAL is on the disk: what is seen and is not is flushed by the read itself.
#[test]
fn a_read_makes_durable_what_it_shows() {
    // Whatever the log is for.
    let server = Server::start(&["-c", "fsync=on", "-c", "wal_level=minimal", "-c", "max_wal_senders=0"]);
    let schema = server.new_schema();
    at(&server, &schema).migrate().unwrap();
    let [usual, never] = [ConfirmReads::WhenSynchronous, ConfirmReads::Never]
        .map(|confirm| at(&server, &schema).confirm_reads(confirm).open().unwrap());
    let mut lock = usual.lock(&usual.places(), WAIT).unwrap();
    write(&mut *lock, &usual, 1).unwrap();
    drop(lock);
    without_walwriter(&server);
    // As a commit whose flush did not come yet.
    let unflushed = |record: u8| {
        server.sql(&format!(
            "SET synchronous_commit = off; UPDATE {schema}.root SET shared = true, record = decode(repeat('{record:02x}', {RECORD_BYTES}), 'hex'),
             digest = sha256(decode(repeat('{record:02x}', {RECORD_BYTES}), 'hex'))"
        ));
        assert_eq!(server.sql(WAL), "f", "it is in memory alone");
    };
    unflushed(2);
    let mut lock = usual.lock(&usual.places(), WAIT).unwrap();
    assert_eq!(in_order(&mut *lock, &usual), (Some(2), false));
    lock.settle().unwrap();
    assert_eq!((in_order(&mut *lock, &usual), &*server.sql(WAL)), ((Some(2), true), "t"));
    drop(lock);
    unflushed(3);
    assert_eq!(number(&never.read(place(&never))[0].content), Some(3));
    assert_eq!(server.sql(WAL), "f", "one that confirms nothing flushes nothing");
    let look = |store: &PostgresStore| {
        let OrderedRead { copies, is_settled, .. } = store.read_seen(place(store))?;
        Some((number(&copies[0].content), is_settled))
    };
    for store in [&usual, &never] {
        assert_eq!(look(store), Some((Some(3), false)));
        assert_eq!(server.sql(WAL), "f", "nor does a look flush anything");
    }
    let [required, always] = [ConfirmReads::Required, ConfirmReads::Always]
        .map(|confirm| at(&server, &schema).confirm_reads(confirm).open().unwrap());
    assert!(look(&required).is_none() && look(&always).is_none(), "these want each read confirmed");
    assert_eq!(number(&usual.read(place(&usual))[0].content), Some(3));
    assert_eq!(server.sql(WAL), "t");
    assert_eq!(look(&usual), Some((Some(3), true)));
    // And what only was seen is gone with the server, what a read showed is not.
    unflushed(4);
    server.kill();
    server.go_on();
    assert_eq!(number(&usual.read(place(&usual))[0].content), Some(3));
}

/// The server is stopped in the middle of shreds by several processes, again and again: who was answered is shredded, all others are shredded or not, nobody
/// else is lost, and no false alarm is raised.
#[test]
fn a_server_that_is_stopped_between_the_write_and_the_flush_loses_nothing_that_was_answered() {
    const PROCESSES: usize = 4;
    const ASKED: usize = PROCESSES * 120;
    let server = Server::start(&["-c", "fsync=on"]);
    let builder = fresh(&server);
    let made = create(&builder, LEASE);
    let people: Vec<_> = (0..=ASKED).map(|_| customer(&made)).collect();
    without_walwriter(&server);
    let (mut answered, count) = (vec![false; people.len()], AtomicUsize::new(0));
    // They live through all of it.
    let vaults: Vec<Vault> = (0..PROCESSES).map(|_| unlock(&builder)).collect();
    for round in 0..3 {
        let start = Barrier::new(PROCESSES + 1);
        let shreds = |nth: usize, before: &[bool]| {
            let mut came = Vec::new();
            start.wait();
            for at in (nth..ASKED).step_by(PROCESSES).filter(|at| !before[*at]).take(40) {
                match vaults[nth].shred([people[at].0]) {
                    Ok(_) => {
                        came.push(at);
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(ShredError::NothingHappened(error) | ShredError::Unknown(error)) => {
                        assert!(error.outcome() == Outcome::TryAgain, "{error:?}");
                    }
                    Err(other) => panic!("{other:?}"),
                }
            }
            came
        };
        let came: Vec<Vec<usize>> = std::thread::scope(|scope| {
            let (shreds, before) = (&shreds, &answered);
            let threads: Vec<_> = (0..PROCESSES).map(|nth| scope.spawn(move || shreds(nth, before))).collect();
            start.wait();
            wait_for("some to be answered", || count.load(Ordering::Relaxed) >= 6 * (round + 1));
            server.kill();
            server.go_on();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        came.into_iter().flatten().for_each(|at| answered[at] = true);
        // What one was answered holds for the others a lease later.
        std::thread::sleep(LEASE);
        let fresh = unlock(&builder);
        for vault in vaults.iter().chain([&fresh]) {
            for (at, one) in people.iter().enumerate() {
                match opens(vault, one) {
                    true => assert!(!answered[at], "{at} was answered, and is undone"),
                    false => assert!(at < ASKED, "nobody asked for that one"),
                }
            }
        }
        fresh.close().unwrap();
    }
    vaults.into_iter().for_each(|vault| vault.close().unwrap());
}

/// The primary has shreds that the standby lacks, and that is promoted: they were not answered. Who was answered before stays shredded, nobody calls the vault rolled
/// back, those who lived through it included, and the same shreds succeed on the new primary.
#[test]
fn a_standby_that_lacks_the_end_of_the_log_is_promoted() {
    let (primary, standby, schema) = pair();
    let directories = [&primary, &standby].map(|server| super::server::text(server.directory())).join(",");
    let both = PostgresStore::at(format!("host={directories} user=postgres dbname=postgres allow_fsync_off=yes"))
        .schema(&schema);
    let both = both.answer_within(SOON);
    let store = both.open().unwrap();
    let vault = create(&both, LEASE);
    let people = [(), (), (), ()].map(|()| customer(&vault));
    vault.shred([people[0].0]).unwrap();
    let other = unlock(&both);
    assert!(opens(&other, &people[3]) && !opens(&other, &people[0]));
    let stopped = Stopped::stop(&standby);
    let lock = store.lock(&store.places(), WAIT).unwrap();
    std::thread::scope(|scope| {
        let shreds = [(&vault, 1), (&other, 2)].map(|(vault, at): (&Vault, usize)| {
            let one = people[at].0;
            scope.spawn(move || vault.shred([one]))
        });
        // So the first of them gives the lock to the other, and that one builds upon it.
        wait_for_waiting(&primary, 2);
        drop(lock);
        for shred in shreds {
            let failed = shred.join().unwrap();
            assert!(matches!(failed, Err(ShredError::Unknown(_) | ShredError::NothingHappened(_))), "{failed:?}");
        }
    });
    let written = primary.sql(&format!("SELECT generation >= 3 FROM {schema}.mark"));
    assert_eq!(written, "t", "it is there, and on no other server");
    primary.kill();
    drop(stopped);
    // What the primary had sent and the standby not yet taken is not what this is about.
    standby.sql("SELECT pg_promote(true, 30)");
    standby.set("synchronous_standby_names", "");
    let new = unlock(&both);
    for vault in [&vault, &other, &new] {
        assert!(!opens(vault, &people[0]) && opens(vault, &people[3]));
    }
    vault.shred([people[1].0]).unwrap();
    other.shred([people[2].0]).unwrap();
    for vault in [&vault, &other, &new] {
        wait_for("all to see it", || !opens(vault, &people[1]) && !opens(vault, &people[2]));
        assert!(opens(vault, &people[3]));
    }
    [vault, other, new].into_iter().for_each(|vault| vault.close().unwrap());
}

/// The lock that is held while its commit cannot be seen is taken by nobody.
#[test]
fn the_lock_is_held_until_the_commit_is_seen() {
    let server = Server::start(&[]);
    let schema = server.new_schema();
    at(&server, &schema).migrate().unwrap();
    let [store, other] = [1, 2].map(|_| at(&server, &schema).open().unwrap());
    // The statement that writes takes its time.
    server.sql(&format!(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1); RETURN NULL; END';
         CREATE TRIGGER slow AFTER UPDATE ON {schema}.root FOR EACH STATEMENT EXECUTE FUNCTION slow()"
    ));
    std::thread::scope(|scope| {
        let theirs = store.clone();
        let writing = scope.spawn(move || write(&mut *theirs.lock(&theirs.places(), WAIT).unwrap(), &theirs, 1));
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%raised%'";
        wait_for("the commit to be under way", || server.sql(waits) == "1");
        let busy = other.lock(&other.places(), Duration::from_millis(200));
        assert!(matches!(busy, Err(LockError::Busy { .. })), "it cannot be seen yet");
        let mut lock = other.lock(&other.places(), WAIT).unwrap();
        assert_eq!(in_order(&mut *lock, &other).0, Some(1));
        writing.join().unwrap().unwrap();
    });
}

/// Commits of eight connections, each upon the one before, need fewer flushes than there are commits: those that wait together share one.
#[test]
fn commits_that_wait_together_share_a_flush() {
    const CONNECTIONS: u64 = 8;
    const EACH: u64 = 5;
    let delay = ["-c", "fsync=on", "-c", "commit_delay=100000", "-c", "commit_siblings=0"];
    let server = Server::start(&delay);
    let builder = fresh(&server);
    let stores: Vec<_> = (0..CONNECTIONS).map(|_| builder.open().unwrap()).collect();
    // What each connection does for the first time, it does before.
    let commit = |store: &PostgresStore| {
        let mut lock = store.lock(&store.places(), Duration::from_secs(60)).unwrap();
        let next = in_order(&mut *lock, store).0.unwrap_or(0) + 1;
        write(&mut *lock, store, next).unwrap();
    };
    stores.iter().for_each(commit);
    let syncs = || -> u64 {
        // The server's own count, of which each connection tells once a second.
        std::thread::sleep(Duration::from_millis(2500));
        server.sql("SELECT wal_sync FROM pg_stat_wal").parse().unwrap()
    };
    let before = syncs();
    let begun = std::time::Instant::now();
    std::thread::scope(|scope| {
        for store in &stores {
            scope.spawn(|| (0..EACH).for_each(|_| commit(store)));
        }
    });
    let taken = begun.elapsed();
    let flushes = syncs() - before;
    println!("{} commits, {flushes} flushes of 100 ms, {taken:?}", CONNECTIONS * EACH);
    let mut lock = stores[0].lock(&stores[0].places(), WAIT).unwrap();
    assert_eq!(
        in_order(&mut *lock, &stores[0]).0,
        Some(u8::try_from(CONNECTIONS * (EACH + 1)).unwrap()),
        "none is lost"
    );
    assert!(flushes * 4 < CONNECTIONS * EACH * 3, "{flushes} flushes in {taken:?}");
}
