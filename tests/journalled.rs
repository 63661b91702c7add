//! Vaults that keep a journal, attacked with real files: killed between an intent and its commit, cut off, restored,
//! shared by several processes.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "journalled/accidents.rs"]
mod accidents;
#[path = "journalled/alarm.rs"]
mod alarm;
#[path = "journalled/cut.rs"]
mod cut;
#[path = "journalled/deeds.rs"]
mod deeds;
#[path = "journalled/interrupted.rs"]
mod interrupted;
#[path = "journalled/raced.rs"]
mod raced;
#[path = "journalled/receipts.rs"]
mod receipts;
#[path = "journalled/restored.rs"]
mod restored;
#[path = "journalled/root_key.rs"]
mod root_key;
#[path = "journalled/speed.rs"]
mod speed;
#[path = "journalled/stopped.rs"]
mod stopped;
#[path = "journalled/support.rs"]
mod support;
#[path = "journalled/together.rs"]
mod together;
