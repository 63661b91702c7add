//! Processes that sweep one database at once, and processes that are killed, with a vault in a real directory. The parent
//! runs this test binary again as the child.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use jiff::ToSpan;
use oubliette::testing::Steps;
use oubliette::{CreateError, CustomerId, RootKey, Sealed, UnlessShredded, Vault};
use oubliette_register::{Keep, Register, Rules};
use sqlx::{Executor, PgPool};

use crate::Db;
use crate::support::*;

const PLACE: &str = "OUBLIETTE_TEST_PROCESSES_PLACE";
const URL: &str = "OUBLIETTE_TEST_PROCESSES_URL";
const STEP: &str = "OUBLIETTE_TEST_PROCESSES_STEP";
/// More than one batch of a sweep.
const CUSTOMERS: usize = 1_100;

fn open(place: &Path, steps: &Steps, now: &'static str) -> (Vault, Register) {
    let builder = || Vault::at(place.join("vault")).purposes([ORDERS, NEWSLETTER]).journal(place.join("journal"));
    let vault = match builder().create(RootKey::bytes([7; 32])) {
        Err(CreateError::Exists) => builder().unlock(RootKey::bytes([7; 32])).unwrap(),
        created => created.unwrap(),
    };
    let rules = Rules::new().keep(NEWSLETTER, Keep::after_grant(1.month())).steps(steps);
    let register = Register::new(&vault, rules.clock(move || at(now))).unwrap();
    (vault, register)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child of this module's tests"]
async fn child() {
    let (Ok(place), Ok(url)) = (std::env::var(PLACE), std::env::var(URL)) else { return };
    let steps = Steps::new();
    let (_vault, register) = open(Path::new(&place), &steps, "2026-06-01T00:00:00Z");
    let pool = PgPool::connect(&url).await.unwrap();
    if let Ok(step) = std::env::var(STEP) {
        steps.die_at(step.parse().unwrap(), false, || std::process::abort());
    }
    let swept = register.own_transaction_postgres(&pool).sweep(|_| ControlFlow::Continue(())).await.unwrap();
    assert!(swept.finished);
    println!("child: shredded {}", swept.shredded);
    if std::env::var(STEP).is_ok() {
        register.own_transaction_postgres(&pool).erase(&who("customer 0"), why("asked")).await.unwrap();
    }
}

fn command(place: &Path, url: &str) -> Command {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "processes::child", "--include-ignored", "--nocapture"]);
    child.env(PLACE, place).env(URL, url).stdout(Stdio::piped()).stderr(Stdio::piped());
    child
}

fn shredded_by(output: &Output) -> usize {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    let said = said.lines().find_map(|line| line.strip_prefix("child: shredded ")).unwrap().to_owned();
    said.parse().unwrap()
}

/// Consents of January, and a value for each.
async fn fill(db: &mut Db, place: &Path, customers: usize) -> Vec<(CustomerId, Sealed<oubliette::personal::Email>)> {
    let (vault, register) = open(place, &Steps::new(), "2026-01-01T00:00:00Z");
    on!(db, register, create_tables()).unwrap();
    let mut transaction = db.pool.begin().await.unwrap();
    let mut sealed = Vec::new();
    for id in 0..customers {
        let subject = who(&format!("customer {id}"));
        let number =
            register.in_transaction_postgres(&mut transaction).grant(&subject, consent()).await.unwrap().number;
        register.in_transaction_postgres(&mut transaction).grant(&subject, contract()).await.unwrap();
        sealed.push((number, vault.seal(number, NEWS_EMAIL, &email()).unwrap()));
    }
    transaction.commit().await.unwrap();
    vault.close().unwrap();
    sealed
}

bodies! {
    async fn two_processes_sweep_together_and_shred_each_number_once() {
        let mut db = Db::new().await;
        let place = tempfile::tempdir().unwrap();
        let sealed = fill(&mut db, place.path(), CUSTOMERS).await;
        let children: Vec<_> = (0..2).map(|_| command(place.path(), db.url()).spawn().unwrap()).collect();
        let shredded: Vec<usize> =
            children.into_iter().map(|child| shredded_by(&child.wait_with_output().unwrap())).collect();
        // What one has decided on the other may finish, and says so too: shredding twice is no error.
        assert!(shredded.iter().sum::<usize>() >= CUSTOMERS, "{shredded:?}");
        let (vault, register) = open(place.path(), &Steps::new(), "2026-06-01T00:00:00Z");
        for (number, value) in &sealed {
            assert!(vault.open(*number, NEWS_EMAIL, value).unless_shredded().unwrap().is_none());
        }
        let states = "SELECT purpose || ' ' || state || ' ' || count(*) AS answer FROM oubliette_numbers GROUP BY purpose, state";
        let mut states = db.ask(states).await;
        states.sort_unstable();
        assert_eq!(states, [format!("newsletter shredded {CUSTOMERS}"), format!("orders live {CUSTOMERS}")]);
        assert!(on!(db, register, due()).unwrap().is_empty());
        let journal = oubliette::journal::entries(place.path().join("journal"), &vault.public_key().unwrap()).unwrap();
        let swept: u64 = journal
            .filter_map(|entry| match entry.unwrap().event() {
                oubliette::journal::Event::Swept { shredded, .. } => Some(*shredded),
                _ => None,
            })
            .sum();
        assert_eq!(swept, CUSTOMERS as u64, "each was decided on by one of them");
        vault.close().unwrap();
    }

    async fn a_killed_process_is_finished_by_the_next() {
        for step in 1.. {
            let mut db = Db::new().await;
            let place = tempfile::tempdir().unwrap();
            let sealed = fill(&mut db, place.path(), 3).await;
            let ended = command(place.path(), db.url()).env(STEP, step.to_string()).output().unwrap().status;

            let (vault, register) = open(place.path(), &Steps::new(), "2026-06-01T00:00:00Z");
            own_transaction!(db, register, resume()).unwrap();
            let swept = own_transaction!(db, register, sweep(|_| ControlFlow::Continue(()))).unwrap();
            assert!(swept.finished);
            for (number, value) in &sealed {
                let opened = vault.open(*number, NEWS_EMAIL, value).unless_shredded().unwrap();
                assert!(opened.is_none(), "step {step}");
            }
            let erased = db.ask("SELECT count(*) AS answer FROM oubliette_subjects WHERE state = 'erased'").await;
            let live = on!(db, register, keys(&who("customer 0"), ORDERS));
            assert_eq!(erased == ["1"], live.is_err(), "either erased or alive, step {step}");
            let open = "SELECT state AS answer FROM oubliette_numbers WHERE state NOT IN ('live', 'shredded')";
            assert_eq!(db.ask(open).await, [""; 0], "step {step}");
            vault.close().unwrap();
            db.pool.execute("SELECT 1").await.unwrap();
            if ended.success() {
                assert!(step > 8 && erased == ["1"], "{step}");
                break;
            }
        }
    }
}
