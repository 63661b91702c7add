//! What is done to values, customers, purposes and indexes: what each call needs of the state, and the plan of its commit.

mod enroll;
mod indexes;
mod load_pages;
mod new_keys;
mod open;
mod purposes;
mod seal;
mod series;
mod shred;

pub(super) use indexes::Place;
pub use indexes::{EpochBegun, Epochs};
pub use load_pages::LoadedPages;
pub use purposes::Rotated;
pub use shred::Shredded;
pub(super) use shred::{Outcome, ShredRequest, ShredTarget, ranges, shred_together};
