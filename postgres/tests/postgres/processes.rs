//! Another process holds the lock, and is killed or stopped in the middle.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use oubliette::store::{LockError, RECORD_BYTES, RootStore};
use oubliette_postgres::PostgresStore;

use super::server::{Server, shared};
use super::support::*;

const ADDRESS: &str = "OUBLIETTE_TEST_ADDRESS";
const SCHEMA: &str = "OUBLIETTE_TEST_SCHEMA";

/// What the other process does: takes the lock, waits for a word, writes under it.
#[test]
#[ignore = "started by the others here"]
fn holds_the_lock() {
    let (Ok(address), Ok(schema)) = (std::env::var(ADDRESS), std::env::var(SCHEMA)) else { return };
    let store = PostgresStore::at(address).schema(schema).open().unwrap();
    let mut lock = store.lock(&store.places(), LEASE).unwrap();
    println!("\nlocked");
    let mut word = String::new();
    std::io::stdin().read_line(&mut word).unwrap();
    println!("\nwritten: {}", lock.write(store.places()[0], 0, &[9; RECORD_BYTES]).is_ok());
}

struct Other {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Other {
    fn start(server: &Server, schema: &str) -> Other {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "processes::holds_the_lock", "--nocapture"])
            .env(ADDRESS, server.address("postgres"))
            .env(SCHEMA, schema)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let mut other = Other { process, output };
        other.wait_for("locked");
        other
    }

    fn wait_for(&mut self, word: &str) {
        let mut line = String::new();
        while line.trim_end() != word {
            line.clear();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "it ended before {word:?}");
        }
    }

    fn signal(&self, signal: &str) {
        Command::new("kill").args(["-s", signal, &self.process.id().to_string()]).status().unwrap();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How long the lock is waited for, and then taken.
fn taken_after(store: &PostgresStore) -> Duration {
    let begun = Instant::now();
    let mut lock = store.lock(&store.places(), Duration::from_secs(120)).unwrap();
    let taken = begun.elapsed();
    lock.write(store.places()[0], 0, &[1; RECORD_BYTES]).unwrap();
    taken
}

#[test]
fn the_lock_of_a_process_that_was_killed_is_free_at_once() {
    let schema = shared().new_schema();
    at(shared(), &schema).migrate().unwrap();
    let store = at(shared(), &schema).open().unwrap();
    let other = Other::start(shared(), &schema);
    assert!(matches!(store.lock(&store.places(), Duration::from_millis(50)), Err(LockError::Busy { .. })));
    other.signal("KILL");
    let taken = taken_after(&store);
    assert!(taken < Duration::from_secs(10), "{taken:?}");
}

/// One that does nothing for longer keeps it, as long as it runs; one that is stopped loses it, and writes nothing when it goes on.
#[test]
#[ignore = "it takes two and a half minutes"]
fn the_lock_of_a_process_that_was_stopped_is_free_in_a_minute() {
    let schema = shared().new_schema();
    at(shared(), &schema).migrate().unwrap();
    let store = at(shared(), &schema).open().unwrap();
    let mut other = Other::start(shared(), &schema);
    let busy = store.lock(&store.places(), Duration::from_secs(75));
    assert!(matches!(busy, Err(LockError::Busy { .. })));
    drop(busy);
    other.signal("STOP");
    let taken = taken_after(&store);
    println!("free after {taken:?}");
    assert!(taken > Duration::from_secs(40) && taken < Duration::from_secs(65), "{taken:?}");
    other.signal("CONT");
    writeln!(other.process.stdin.as_mut().unwrap(), "go on").unwrap();
    other.wait_for("written: false");
}
