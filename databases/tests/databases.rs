//! Column types, jobs and register in SQLite, PostgreSQL and MariaDB. In one program, so that one server of each kind serves
//! all of it, and the drivers are linked once.
// SQLite's calls need a connection to themselves, which a pool gives.
#![allow(unused_mut)]

/// Bodies of the register's own tests, which run them on SQLite: here on PostgreSQL.
macro_rules! bodies {
    ($(async fn $name:ident() $body:block)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        #[ignore = "starts a PostgreSQL server of its own; `.ci/run databases` runs it"]
        async fn $name() {
            $body
        }
    )*};
}

// What the register's bodies stand on.
#[path = "../../tests/attack/mod.rs"]
mod attack;
#[path = "access/literal.rs"]
mod literal;
#[macro_use]
#[path = "register/postgres.rs"]
mod postgres;
#[allow(dead_code)] // shared with the register's own tests, which use all of it
#[path = "../../register/tests/access/shop.rs"]
mod shop;
#[path = "../../register/tests/drills/stage.rs"]
mod stage;
#[path = "../../register/tests/register/support.rs"]
mod support;
#[path = "../../register/tests/access/table.rs"]
mod table;
#[path = "../../register/tests/breach/world.rs"]
mod world;

use postgres::Db;

// The register.
#[path = "../../register/tests/register/agreement.rs"]
mod agreement;
#[path = "../../register/tests/register/attacks.rs"]
mod attacks;
#[path = "../../register/tests/register/by_number.rs"]
mod by_number;
#[path = "register/concurrent.rs"]
mod concurrent;
#[path = "../../register/tests/register/damaged.rs"]
mod damaged;
#[path = "../../register/tests/register/desk.rs"]
mod desk;
#[path = "../../register/tests/register/erase.rs"]
mod erase;
#[path = "../../register/tests/register/forged.rs"]
mod forged;
#[path = "../../register/tests/register/grants.rs"]
mod grants;
#[path = "../../register/tests/register/history.rs"]
mod history;
#[path = "../../register/tests/register/interrupted.rs"]
mod interrupted;
#[path = "../../register/tests/register/merge.rs"]
mod merge;
#[path = "register/officer.rs"]
mod officer;
#[path = "register/processes.rs"]
mod processes;
#[path = "../../register/tests/register/random.rs"]
mod random;
#[path = "../../register/tests/register/requests.rs"]
mod requests;
#[path = "../../register/tests/register/restore.rs"]
mod restore;
#[path = "../../register/tests/register/sweep.rs"]
mod sweep;
#[path = "../../register/tests/register/withdraw.rs"]
mod withdraw;
#[path = "../../register/tests/register/wrong.rs"]
mod wrong;

// Access and disclosure.
#[path = "../../register/tests/access/audited.rs"]
mod audited;
#[path = "../../register/tests/access/disclosed.rs"]
mod disclosed;
#[path = "../../register/tests/access/encrypted.rs"]
mod encrypted;
#[path = "../../register/tests/access/grouped.rs"]
mod grouped;
#[path = "../../register/tests/access/held.rs"]
mod held;
#[path = "access/types.rs"]
mod types;

// Breaches.
#[path = "../../register/tests/breach/leaks.rs"]
mod leaks;
#[path = "../../register/tests/breach/report.rs"]
mod report;
#[path = "../../register/tests/breach/service.rs"]
mod service;

// The restore drills of DRILLS.md, with backups of `pg_dump`.
#[path = "../../register/tests/drills/restored.rs"]
mod restored;

// All of the register in one history after the other.
#[path = "../../register/tests/walk/mod.rs"]
mod walk;

// Column types, records and jobs, each with the drivers it has.
mod jobs;
mod readme;
#[path = "columns/records.rs"]
mod records;
#[path = "columns/diesel.rs"]
mod with_diesel;
#[path = "columns/rusqlite.rs"]
mod with_rusqlite;
#[path = "columns/sea_orm.rs"]
mod with_sea_orm;
#[path = "columns/sqlx/mod.rs"]
mod with_sqlx;
