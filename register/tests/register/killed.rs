//! Processes that are killed in the middle of a sweep or an erasure, with a vault in a real directory. The parent runs this
//! test binary again as the child, which aborts at the step that it is told.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;

use jiff::ToSpan;
use oubliette::testing::Steps;
use oubliette::{CreateError, RootKey, UnlessShredded, Vault};
use oubliette_register::{Keep, Register, Rules};
use rusqlite::Connection;

use crate::support::*;

const STEP: &str = "OUBLIETTE_TEST_REGISTER_STEP";
const PLACE: &str = "OUBLIETTE_TEST_REGISTER_PLACE";

fn open(place: &Path, steps: &Steps) -> (Vault, Register, Connection) {
    let builder = || Vault::at(place.join("vault")).purposes([ORDERS, NEWSLETTER]).journal(place.join("journal"));
    let vault = match builder().create(RootKey::bytes([7; 32])) {
        Err(CreateError::Exists) => builder().unlock(RootKey::bytes([7; 32])).unwrap(),
        created => created.unwrap(),
    };
    let rules = Rules::new().keep(NEWSLETTER, Keep::after_grant(1.month())).steps(steps);
    let register = Register::new(&vault, rules.clock(|| at("2026-06-01T00:00:00Z"))).unwrap();
    let connection = Connection::open(place.join("shop.db")).unwrap();
    (vault, register, connection)
}

#[test]
#[ignore = "the child of `a_killed_process_is_finished_by_the_next`"]
fn child() {
    let (Ok(place), Ok(step)) = (std::env::var(PLACE), std::env::var(STEP)) else { return };
    let steps = Steps::new();
    let (_vault, register, mut connection) = open(Path::new(&place), &steps);
    steps.die_at(step.parse().unwrap(), false, || std::process::abort());
    register.own_transaction(&mut connection).sweep(|_| ControlFlow::Continue(())).unwrap();
    register.own_transaction(&mut connection).erase(&who("customer 0"), why("asked")).unwrap();
}

#[test]
fn a_killed_process_is_finished_by_the_next() {
    for step in 1.. {
        let place = tempfile::tempdir().unwrap();
        let (vault, register, connection) = open(place.path(), &Steps::new());
        register.in_transaction(&connection).create_tables().unwrap();
        let mut sealed = Vec::new();
        for id in 0..5 {
            let subject = who(&format!("customer {id}"));
            // By a clock of January: the consents are due in the child.
            let early = Register::new(&vault, Rules::new().clock(|| at("2026-01-01T00:00:00Z"))).unwrap();
            early.in_transaction(&connection).grant(&subject, consent()).unwrap();
            early.in_transaction(&connection).grant(&subject, contract()).unwrap();
            let keys = early.in_transaction(&connection).keys(&subject, NEWSLETTER).unwrap();
            sealed.push((keys.customer(), keys.seal(NEWS_EMAIL, &email()).unwrap()));
        }
        vault.close().unwrap();
        drop(connection);
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "killed::child", "--include-ignored", "--nocapture"]);
        child.env(PLACE, place.path()).env(STEP, step.to_string());
        let ended = child.output().unwrap().status;

        let (vault, register, mut connection) = open(place.path(), &Steps::new());
        let mut alone = register.own_transaction(&mut connection);
        alone.resume().unwrap();
        let swept = alone.sweep(|_| ControlFlow::Continue(())).unwrap();
        assert!(ended.success() || swept.finished);
        for (number, value) in &sealed {
            assert!(vault.open(*number, NEWS_EMAIL, value).unless_shredded().unwrap().is_none(), "step {step}");
        }
        let erased = "SELECT count(*) FROM oubliette_subjects WHERE state = 'erased'";
        let erased: i64 = connection.query_row(erased, [], |row| row.get(0)).unwrap();
        let live = register.in_transaction(&connection).keys(&who("customer 0"), ORDERS);
        assert_eq!(erased == 1, live.is_err(), "either erased or alive, step {step}");
        let open = "SELECT count(*) FROM oubliette_numbers WHERE state NOT IN ('live', 'shredded')";
        assert_eq!(connection.query_row(open, [], |row| row.get::<_, i64>(0)).unwrap(), 0, "step {step}");
        vault.close().unwrap();
        if ended.success() {
            assert!(step > 8, "{step}");
            assert_eq!(erased, 1);
            break;
        }
    }
}
