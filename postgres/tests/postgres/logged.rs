//! What an application's log has of the driver, at the levels that developers turn on.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use oubliette::store::{RECORD_BYTES, RootStore};

use super::server::shared;
use super::support::*;

static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());
static LISTENS: AtomicBool = AtomicBool::new(false);

struct Listener;

impl log::Log for Listener {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        LISTENS.load(Ordering::Relaxed)
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            SAID.lock().unwrap().push(format!("{} {}", record.target(), record.args()));
        }
    }

    fn flush(&self) {}
}

/// Of each statement its text, and nothing of what it carries: no record, no page.
#[test]
fn the_driver_says_nothing_of_what_statements_carry() {
    log::set_logger(&Listener).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    LISTENS.store(true, Ordering::Relaxed);
    let builder = fresh(shared());
    let store = builder.open().unwrap();
    let place = store.places()[0];
    store.lock(&[place], LEASE).unwrap().write(place, 0, &[0xa1; RECORD_BYTES]).unwrap();
    let builder = fresh(shared());
    let vault = create(&builder, LEASE);
    for _ in 0..10 {
        vault.shred([customer(&vault).0]).unwrap();
    }
    drop((vault, unlock(&builder)));
    LISTENS.store(false, Ordering::Relaxed);
    let said = std::mem::take(&mut *SAID.lock().unwrap());
    // Other tests run beside this one, and are heard as well.
    let executed = said.iter().filter(|said| said.contains("executing statement"));
    assert!(executed.count() > 20, "{} lines", said.len());
    // A byte is said as a number, or in two digits.
    let carries = |said: &&String| {
        let bytes = |said: &str| said.split(", ").filter(|part| part.parse::<u8>().is_ok()).count();
        bytes(said) > 100 || said.contains(&"a1".repeat(32))
    };
    assert_eq!(said.iter().find(carries), None);
}
