//! A process that is killed in the middle of a batch, and the job that goes on after it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use oubliette::{RootKey, Vault};
use oubliette_jobs as jobs;

use super::support::*;

const ROLE: &str = "OUBLIETTE_TEST_JOB";
const ROWS: i64 = 600;

fn vault(at: &Path) -> oubliette::VaultBuilder {
    Vault::at(at.join("privacy")).purposes([ORDERS])
}

/// It would never end by itself, also when the test fails first.
struct KilledOnDrop(Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Not a test of its own: what the process does that is killed. Without its variable it has nothing to do.
#[test]
fn other_process() {
    let Ok(at) = std::env::var(ROLE) else { return };
    let at = PathBuf::from(at);
    let vault = vault(&at).unlock(RootKey::bytes([7; 32])).unwrap();
    let mut connection = connect(&at.join("shop.db"));
    // Row 330 is written, spilt to the file, and never finished.
    connection
        .execute_batch(
            "PRAGMA cache_size = 1;
             CREATE TEMP VIEW for_ever AS
                 WITH RECURSIVE count(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM count) SELECT count(*) FROM count;
             CREATE TEMP TRIGGER stuck AFTER UPDATE ON main.customers WHEN new.id = 330
                 BEGIN SELECT * FROM for_ever; END;",
        )
        .unwrap();
    let _ = jobs::rusqlite::run(&mut connection, &vault, &unhurried(backfill().batch(50)), |progress| {
        std::fs::write(at.join("bookmark"), progress.bookmark.as_ref().unwrap()).unwrap();
        go_on(progress)
    });
}

#[test]
fn a_job_that_was_killed_in_a_batch_loses_and_doubles_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let at = scratch.path();
    let path = at.join("shop.db");
    drop(plaintext_shop(&path, ROWS));
    vault(at).create(RootKey::bytes([7; 32])).unwrap().close().unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::other_process", "--nocapture"])
        .env(ROLE, at)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut child = KilledOnDrop(child);
    let started = Instant::now();
    let journal = at.join("shop.db-journal");
    let hot = || std::fs::metadata(&journal).is_ok_and(|journal| journal.len() > 4096);
    while std::fs::read_to_string(at.join("bookmark")).ok().as_deref() != Some("300") || !hot() {
        assert!(started.elapsed() < Duration::from_secs(60) && child.0.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(200));
    drop(child);
    assert!(hot(), "the batch was half written");

    let vault = vault(at).unlock(RootKey::bytes([7; 32])).unwrap();
    let mut connection = connect(&path);
    let numbers = |connection: &rusqlite::Connection| -> Vec<Option<i64>> {
        let mut statement = connection.prepare("SELECT no FROM customers ORDER BY id").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let before = numbers(&connection);
    assert!(before[..300].iter().all(Option::is_some) && before[300..].iter().all(Option::is_none));
    let bookmark = std::fs::read_to_string(at.join("bookmark")).unwrap();
    let report = run(&mut connection, &vault, &backfill().resume_after(&bookmark).batch(50));
    assert_eq!((report.progress.looked_at, report.progress.changed), (300, 300));
    assert_eq!(numbers(&connection)[..300], before[..300], "what was done was left");
    assert_sealed(&connection, &vault, ROWS);
    // Without the bookmark it would have found as much.
    assert_eq!(run(&mut connection, &vault, &backfill()).progress.changed, 0);
}
