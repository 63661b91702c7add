//! The store on real servers, which these tests start and stop.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_in_result)]

#[path = "postgres/access.rs"]
mod access;
#[path = "postgres/conformance.rs"]
mod conformance;
#[path = "postgres/durable.rs"]
mod durable;
#[path = "postgres/encrypted.rs"]
mod encrypted;
#[path = "postgres/flushes.rs"]
mod flushes;
#[path = "postgres/hanging.rs"]
mod hanging;
#[path = "postgres/logged.rs"]
mod logged;
#[path = "postgres/losses.rs"]
mod losses;
#[path = "postgres/notices.rs"]
mod notices;
#[path = "postgres/paused.rs"]
mod paused;
#[path = "postgres/plans.rs"]
mod plans;
#[path = "postgres/pooler.rs"]
mod pooler;
#[path = "postgres/processes.rs"]
mod processes;
#[path = "postgres/remains.rs"]
mod remains;
#[path = "postgres/server.rs"]
mod server;
#[path = "postgres/standby.rs"]
mod standby;
#[path = "postgres/steps.rs"]
mod steps;
#[path = "postgres/support.rs"]
mod support;
#[path = "postgres/survey.rs"]
mod survey;
#[path = "postgres/vaults.rs"]
mod vaults;
#[path = "postgres/versions.rs"]
mod versions;
