//! No statement of the register's reads a whole table: SQLite is asked how it would run each.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

use jiff::{SignedDuration, Timestamp, ToSpan};
use oubliette::journal::Reason;
use oubliette::testing::TestVault;
use oubliette::testing::{Steps, Stop};
use oubliette::{Purpose, Vault};
use rusqlite::Connection;

use super::{Answer, Evidence, Grant, Keep, Register, RequestKind, Rules, Subject};
use crate::basis::Basis;

thread_local! {
    static NOTED: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

pub(super) fn note(sql: &str) {
    NOTED.with_borrow_mut(|noted| noted.insert(sql.to_owned()));
}

const ORDERS: Purpose = Purpose::new("orders");
const NEWS: Purpose = Purpose::new("newsletter");

fn why() -> Reason {
    Reason::new("asked").unwrap()
}

/// Small tables that hold what is open, which are read whole, and the whole counts of an inventory and a breach.
fn may_scan(sql: &str, plan: &str) -> bool {
    let small = [
        "oubliette_meta",
        "oubliette_outbox",
        "oubliette_work",
        "USING INDEX oubliette_requests_due",
        "USING INDEX oubliette_journal_about",
    ];
    // An index of those rows alone that are unfinished.
    let unfinished = plan.contains("USING INDEX oubliette_numbers_unfinished")
        || plan.contains("USING COVERING INDEX oubliette_numbers_unfinished")
        || plan.contains("INDEX oubliette_subjects_unfinished");
    let newest = sql.ends_with("ORDER BY n DESC LIMIT 1");
    unfinished || newest || small.iter().any(|table| plan.contains(table)) || sql.contains("count(*)")
}

#[test]
fn no_statement_reads_a_whole_table() {
    let place = tempfile::tempdir().unwrap();
    let memory = Vault::in_memory([ORDERS, NEWS]);
    let vault = memory.builder().journal(place.path().join("journal")).unlock(TestVault::root_key()).unwrap();
    let start: Timestamp = "2026-01-31T10:00:00Z".parse().unwrap();
    let (steps, rules) = (Steps::new(), || {
        Rules::new()
            .keep(NEWS, Keep::after_grant(1.month()))
            .keep(ORDERS, Keep::after_last("order", 1.year()))
            .grace(SignedDuration::from_hours(24))
            .tokens("customers", "no", ["email_idx"])
    });
    let register = Register::new(&vault, rules().clock(move || start).steps(&steps)).unwrap();
    let mut connection = Connection::open(place.path().join("shop.db")).unwrap();
    connection.execute_batch("CREATE TABLE customers (no BIGINT UNIQUE, email_idx TEXT)").unwrap();
    register.in_transaction(&connection).create_tables().unwrap();
    let ids: Vec<Subject> = (0..40).map(|id| Subject::new(format!("customer {id}")).unwrap()).collect();
    let until = start + SignedDuration::from_hours(24 * 7);
    for (at, id) in ids.iter().enumerate() {
        let on = register.in_transaction(&connection);
        let evidence = Evidence::new(start, "newsletter 3", "form");
        on.grant(id, Grant::consent(NEWS, evidence.clone())).unwrap();
        on.grant(id, Grant::consent(NEWS, evidence).to("mailer")).unwrap();
        on.grant(id, Grant::on(ORDERS, Basis::Contract)).unwrap();
        on.keys(id, ORDERS).unwrap();
        on.numbers(id, ORDERS).unwrap();
        on.mark(id, "order", start).unwrap();
        if at % 10 == 0 {
            let hold = on.hold(id, Some(NEWS), why(), until).unwrap();
            on.holds(id).unwrap();
            on.signed_holds(&[hold]).unwrap();
            if at == 20 {
                on.end_hold(hold, why()).unwrap();
            }
        }
        if at % 7 == 0 {
            let request = on.request(id, RequestKind::Erasure, start).unwrap();
            on.extend(request.id, why()).unwrap();
            on.note_request(request.id, why()).unwrap();
            on.signed_requests(&[request.id]).unwrap();
            if at == 7 {
                on.close_request(request.id, Answer::Withdrawn, None).unwrap();
            }
        }
        on.withdraw_recipient(id, NEWS, "mailer", why()).unwrap();
    }
    register.in_transaction(&connection).merge(&ids[1], &ids[2]).unwrap();
    register.in_transaction(&connection).requests().unwrap();
    register.in_transaction(&connection).late_requests().unwrap();
    register.in_transaction(&connection).missing_holds().unwrap();
    let backup = place.path().join("backup.db");
    register.own_transaction(&mut connection).flush().unwrap();
    std::fs::copy(place.path().join("shop.db"), &backup).unwrap();
    register.own_transaction(&mut connection).withdraw(&ids[3], NEWS, why()).unwrap();
    register.own_transaction(&mut connection).end_purpose(&ids[10], NEWS, why()).unwrap();
    register.own_transaction(&mut connection).erase(&ids[4], why()).unwrap();
    steps.stop_at(2, Stop::Die { torn: false });
    register.own_transaction(&mut connection).withdraw(&ids[5], NEWS, why()).unwrap_err();
    steps.reset();
    let later = Register::new(&vault, rules().clock(move || start + SignedDuration::from_hours(24 * 40))).unwrap();
    later.in_transaction(&connection).due().unwrap();
    later.own_transaction(&mut connection).sweep(|_| ControlFlow::Continue(())).unwrap();
    later.own_transaction(&mut connection).resume().unwrap();
    drop(connection);
    std::fs::copy(&backup, place.path().join("shop.db")).unwrap();
    let mut connection = Connection::open(place.path().join("shop.db")).unwrap();
    assert!(later.own_transaction(&mut connection).resume().unwrap().reconciled.is_some());
    later.own_transaction(&mut connection).reconcile().unwrap();

    // As it is with many customers: SQLite counts before it plans.
    connection.execute_batch(MANY).unwrap();
    let noted = NOTED.take();
    assert!(noted.len() > 90, "{}", noted.len());
    let mut scans = Vec::new();
    for sql in
        noted.iter().filter(|sql| ["SELECT", "UPDATE", "DELETE", "INSERT"].iter().any(|verb| sql.starts_with(verb)))
    {
        let mut explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        // Parameters stay NULL: it is the plan that counts.
        let mut rows = explained.raw_query();
        while let Some(row) = rows.next().unwrap() {
            let plan: String = row.get(3).unwrap();
            if plan.starts_with("SCAN")
                && !plan.contains("CONSTANT ROW")
                && !plan.contains("VALUES CLAUSE")
                && !may_scan(sql, &plan)
            {
                scans.push(format!("{plan}: {sql}"));
            }
        }
    }
    assert!(scans.is_empty(), "{scans:#?}");
}

const MANY: &str = "
    WITH RECURSIVE many (n) AS (SELECT 1000 UNION ALL SELECT n + 1 FROM many WHERE n < 6000)
        INSERT INTO oubliette_subjects (id, subject, state, since) SELECT n, 'many ' || n, 'live', 0 FROM many;
    WITH RECURSIVE many (n) AS (SELECT 1000 UNION ALL SELECT n + 1 FROM many WHERE n < 6000)
        INSERT INTO oubliette_numbers (number, subject_id, purpose, sealing, state, since)
        SELECT 1000000 + n, n, 'orders', 1, 'live', 0 FROM many;
    WITH RECURSIVE many (n) AS (SELECT 1000 UNION ALL SELECT n + 1 FROM many WHERE n < 6000)
        INSERT INTO oubliette_grants (id, subject_id, purpose, basis, granted_at)
        SELECT n, n, 'orders', 'contract', 0 FROM many;
    ANALYZE";
