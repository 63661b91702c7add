//! The command as an operator runs it: the real binary, on real vaults.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod alarm;
mod breach;
mod columns;
mod configuration;
mod create;
mod damage;
mod doctor;
mod doctor_register;
mod drills;
mod erase;
mod export;
mod grouped;
mod help;
mod inventory;
mod journal;
mod lost_mirror;
mod mirror;
mod officer;
mod output;
mod page;
mod pipes;
mod progress;
mod reindex;
mod replay;
mod requests;
mod rotate;
mod running;
mod secrets;
mod shop;
mod shred;
mod status;
mod support;
mod sweep;
mod token;
mod unfinished;
mod withdraw;
