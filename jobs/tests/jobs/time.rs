//! How long batches hold the file, and how far a job says it is.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use oubliette::Vault;
use oubliette::personal::Name;
use oubliette_jobs::{self as jobs, Job, Key};

use super::support::*;

/// How long a writer waits at most: a fifth of what most programs do.
const BUSY: Duration = Duration::from_secs(1);

/// An application that writes all the time while the job runs, and would rather fail than wait. Gives how often it wrote, and its longest
/// wait.
fn beside_a_writer(path: &std::path::Path, job: impl FnOnce()) -> (u32, Duration) {
    let running = AtomicBool::new(true);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let connection = connect(path);
            connection.busy_timeout(BUSY).unwrap();
            let (mut written, mut longest) = (0, Duration::ZERO);
            while running.load(Ordering::Relaxed) {
                let asked = Instant::now();
                let sql = "UPDATE customers SET note = 'seen' WHERE id = ?";
                connection.execute(sql, [1 + written % 400]).unwrap_or_else(|error| {
                    panic!("write {written} failed after {:?}: {error}", asked.elapsed());
                });
                longest = longest.max(asked.elapsed());
                written += 1;
                std::thread::sleep(Duration::from_millis(3));
            }
            (written, longest)
        });
        job();
        running.store(false, Ordering::Relaxed);
        writer.join().unwrap()
    })
}

/// What a build without optimisation takes for a row of many values: 400 rows in one batch would hold the file for two seconds.
fn slow() -> Job {
    let job = Job::on("customers", ("id", Key::Integer), "no").enroll();
    job.seal_parsed("name", "name", NAME, |text| {
        std::thread::sleep(Duration::from_millis(5));
        text.parse::<Name>()
    })
}

#[test]
fn a_writer_that_waits_for_a_second_never_fails_beside_a_slow_job() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("shop.db");
    let mut connection = plaintext_shop(&path, 400);
    connection.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    let vault = Vault::in_memory([ORDERS]);
    let mut batches = Vec::new();
    let (written, longest) = beside_a_writer(&path, || {
        let report = jobs::rusqlite::run(&mut connection, &vault, &slow(), |progress| {
            batches.push(progress.looked_at);
            ControlFlow::Continue(())
        });
        assert!(report.unwrap().finished);
    });
    assert!(batches.len() >= 8, "a batch ends when its time is over, not at 500 rows: {batches:?}");
    assert!(written > 0 && longest < BUSY, "{written} writes, of which one waited {longest:?}");
    assert!(jobs::rusqlite::left_behind(&connection, &vault, &slow()).unwrap().is_empty());
}

/// Many short batches, each of which ends long before its time: without a pause the file would be free for a moment only.
#[test]
fn a_writer_never_fails_beside_many_short_batches() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("shop.db");
    let mut connection = plaintext_shop(&path, 1500);
    let vault = Vault::in_memory([ORDERS]);
    let (written, longest) = beside_a_writer(&path, || {
        let report = run(&mut connection, &vault, &backfill().batch(25));
        assert_eq!(report.progress.changed, 1500);
    });
    // How many depends on the machine; that none failed does not.
    assert!(written > 0 && longest < BUSY, "{written} writes, of which one waited {longest:?}");
    assert_sealed(&connection, &vault, 1500);
}

#[test]
fn a_job_tells_how_much_is_left_also_after_a_bookmark() {
    let scratch = tempfile::tempdir().unwrap();
    let mut connection = plaintext_shop(&scratch.path().join("shop.db"), 100);
    let vault = Vault::in_memory([ORDERS]);
    let mut seen = Vec::new();
    jobs::rusqlite::run(&mut connection, &vault, &unhurried(backfill().batch(40)), |progress| {
        assert!(progress.time_left().is_some_and(|left| (progress.left() == 0) == left.is_zero()));
        seen.push((progress.before, progress.done(), progress.left()));
        ControlFlow::Break(())
    })
    .unwrap();
    let rest = unhurried(backfill().batch(40).resume_after("40"));
    jobs::rusqlite::run(&mut connection, &vault, &rest, |progress| {
        seen.push((progress.before, progress.done(), progress.left()));
        if progress.left() > 0 {
            assert!(progress.to_string().starts_with("80 of 100 rows, 20 left, "), "{progress}");
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(seen, [(0, 40, 60), (40, 80, 20), (40, 100, 0)]);
}
