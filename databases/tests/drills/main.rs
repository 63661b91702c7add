//! The restore drills of DRILLS.md on PostgreSQL, whose backup is one of `pg_dump`: the bodies of the vault's own tests, which
//! run them on SQLite.
// SQLite's calls need a connection to themselves, which a pool gives.
#![allow(unused_mut)]

macro_rules! bodies {
    ($(async fn $name:ident() $body:block)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        #[ignore = "starts a PostgreSQL server of its own; `.ci/run databases` runs it"]
        async fn $name() {
            $body
        }
    )*};
}

#[macro_use]
#[path = "../register/postgres.rs"]
#[allow(dead_code, unused_macros)] // shared with the register's own tests
mod postgres;

use postgres::Db;

#[path = "../../../register/tests/drills/restored.rs"]
mod restored;
#[path = "../../../register/tests/drills/shop.rs"]
mod shop;
#[path = "../../../register/tests/register/support.rs"]
#[allow(dead_code)] // shared with the register's own tests
mod support;
