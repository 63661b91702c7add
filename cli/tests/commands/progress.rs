//! How far a long job is: a bar for whoever watches, a line now and then for a log.

use std::thread;
use std::time::Duration;

use crate::reindex::shop;
use crate::secrets::at_a_terminal;

/// The first of two batches waits for a writer of the application's, longer than a log goes without a line.
#[test]
fn a_log_has_a_line_now_and_then() {
    let (world, database, _) = shop(3);
    world.run(&["rotate", "index", "customers.email", "--yes"]).ends(0);
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (ran, quick) = thread::scope(|scope| {
        let slow = scope.spawn(|| world.run(&["reindex", "--batch", "2"]).ends(0));
        thread::sleep(Duration::from_secs(11));
        database.execute_batch("ROLLBACK").unwrap();
        let ran = slow.join().unwrap();
        (ran, world.run(&["reindex", "--batch", "2"]).ends(0))
    });
    let lines: Vec<&str> = ran.err.lines().collect();
    let [line] = lines[..] else { panic!("{ran:?}") };
    assert!(
        line.starts_with("customers: 2 of 3 rows, 1 left, 2 changed, 0 of shredded customers, 0 with problems, "),
        "{line}"
    );
    assert!(line.contains(" rows a second, ") && line.ends_with(" seconds left"), "{line}");
    assert!(ran.out.contains("3 rows looked at, 3 changed"), "{ran:?}");
    assert_eq!(quick.err, "", "a quick one says nothing");
}

#[test]
fn a_terminal_has_a_bar() {
    let (world, _, _) = shop(3);
    world.run(&["rotate", "index", "customers.email", "--yes"]).ends(0);
    let (code, shown) = at_a_terminal(&world, "reindex --batch 2", &[]);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("customers [") && shown.contains("/3 rows, "), "{shown:?}");
    // It is gone in the end, and what the command answers stands in its place.
    let last = shown.rsplit('\r').find(|part| !part.trim().is_empty()).unwrap_or_default();
    assert!(!last.contains("customers [") && shown.contains("3 rows looked at, 3 changed"), "{shown:?}");
    assert!(!shown.contains("rows a second"), "{shown:?}");
}
