//! Breaches, with the register in PostgreSQL: the bodies of the vault's own tests, which run them on SQLite.

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
#[path = "../access/literal.rs"]
mod literal;
#[macro_use]
#[allow(dead_code, unused_macros)] // shared by several test programs, each of which uses a part
#[path = "../register/postgres.rs"]
mod postgres;

use postgres::Db;

#[path = "../../../tests/attack/mod.rs"]
mod attack;
#[path = "../../../register/tests/breach/register.rs"]
mod register;
#[path = "../../../register/tests/breach/report.rs"]
mod report;
#[path = "../../../register/tests/breach/service.rs"]
mod service;
#[allow(dead_code)] // shared by several test programs, each of which uses a part
#[path = "../../../register/tests/register/support.rs"]
mod support;
#[allow(dead_code)] // shared by several test programs, each of which uses a part
#[path = "../../../register/tests/breach/world.rs"]
mod world;
