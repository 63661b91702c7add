//! The vault's own threads: one commits, one reads the root record, one wipes when the lease runs out. Beside them, each place is read on a
//! thread of its own ([`PlaceReads`](crate::vault::commit::PlaceReads)).

mod commits;
pub(super) mod oneshot;
mod reads;
mod watchdog;
mod worker;

pub(super) use watchdog::Watchdog;
pub(super) use worker::Worker;
