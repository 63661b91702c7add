//! The service as it was, during its migration and as it is: processes of their own, on PostgreSQL servers of the tests' own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

#[path = "service/changed_lines.rs"]
mod changed_lines;
#[path = "service/drills.rs"]
mod drills;
#[path = "service/instances.rs"]
mod instances;
#[path = "service/life.rs"]
mod life;
#[path = "service/migration.rs"]
mod migration;
