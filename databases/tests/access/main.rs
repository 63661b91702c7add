//! Access and disclosure on PostgreSQL: the bodies of the vault's own tests, which run them on SQLite.

macro_rules! bodies {
    ($(async fn $name:ident() $body:block)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        #[ignore = "starts a PostgreSQL server of its own; `.ci/run databases` runs it"]
        async fn $name() {
            $body
        }
    )*};
}

#[allow(dead_code)] // shared by several test programs, each of which uses a part
mod literal;
#[macro_use]
#[allow(dead_code, unused_macros)] // shared by several test programs, each of which uses a part
#[path = "../register/postgres.rs"]
mod postgres;

use postgres::Db;

#[path = "../../../register/tests/access/audited.rs"]
mod audited;
#[path = "../../../register/tests/access/disclosed.rs"]
mod disclosed;
#[path = "../../../register/tests/access/encrypted.rs"]
mod encrypted;
#[path = "../../../register/tests/access/held.rs"]
mod held;
#[allow(dead_code)] // shared by several test programs, each of which uses a part
#[path = "../../../register/tests/access/shop.rs"]
mod shop;
#[path = "../../../register/tests/register/support.rs"]
#[allow(dead_code)] // shared by several test programs, each of which uses a part
mod support;
#[path = "../../../register/tests/access/table.rs"]
mod table;
mod types;
