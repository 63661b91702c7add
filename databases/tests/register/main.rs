//! The register on PostgreSQL: the bodies of the vault's own tests, which run them on SQLite.
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
#[allow(dead_code)] // shared by several test programs, each of which uses a part
mod postgres;

use postgres::Db;

#[path = "../../../register/tests/register/agreement.rs"]
mod agreement;
mod concurrent;
#[path = "../../../register/tests/register/erase.rs"]
mod erase;
#[path = "../../../register/tests/register/forged.rs"]
mod forged;
#[path = "../../../register/tests/register/grants.rs"]
mod grants;
#[path = "../../../register/tests/register/history.rs"]
mod history;
#[path = "../../../register/tests/register/merge.rs"]
mod merge;
mod processes;
#[path = "../../../register/tests/register/random.rs"]
mod random;
#[path = "../../../register/tests/register/requests.rs"]
mod requests;
#[path = "../../../register/tests/register/restore.rs"]
mod restore;
#[path = "../../../register/tests/register/support.rs"]
mod support;
#[path = "../../../register/tests/register/sweep.rs"]
mod sweep;
#[path = "../../../register/tests/register/withdraw.rs"]
mod withdraw;
#[path = "../../../register/tests/register/wrong.rs"]
mod wrong;
