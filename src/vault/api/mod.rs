//! What an application calls: the vault and how it is opened, its readers and handles, its places, its renewal, what it tells of itself.

mod alarm;
mod builder;
mod customer_keys;
mod journal;
mod opening;
mod opens;
mod places;
mod promote;
mod reader;
mod recover;
mod renewal;
mod series;
mod shredding;
mod status;
mod vault;

pub use builder::VaultBuilder;
#[cfg(feature = "derive")]
pub(crate) use customer_keys::CHUNK;
pub use customer_keys::CustomerKeys;
pub use journal::ReceiptContext;
pub use opens::Opens;
pub use reader::Reader;
pub use recover::Recovery;
pub use shredding::Shredding;
pub use status::{Health, PurposeStatus, Status};
pub(super) use vault::VaultInner;
pub use vault::{Pending, Vault};
