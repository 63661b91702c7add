//! Processes that are really killed, on real files; this test binary runs itself as the other process.

mod at_once;
mod bystander;
mod child;
