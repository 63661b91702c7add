//! The vault. A [`Process`](process::Process) is what one process has of it: what it knows (`state`), its commits, its threads (`workers`), its
//! `journal`; `operations` are what can be asked of it, and `api` what an application calls. Each row names those below it alone.
//! ARCHITECTURE.md: "Layers of the vault", "The commit protocol", "Threads and locks".

mod api;
pub(crate) mod audit_file;
mod commit;
mod journal;
mod operations;
mod process;
mod state;
mod workers;

#[cfg(all(test, target_os = "linux"))]
mod clean_stack;
#[cfg(all(test, not(shuttle)))]
mod hashed;
#[cfg(all(test, shuttle))]
mod interleavings;
#[cfg(test)]
mod tests;

#[cfg(feature = "derive")]
pub(crate) use api::CHUNK;
use api::VaultInner;
pub use api::{
    CustomerKeys, Health, Opens, Pending, PurposeStatus, Reader, ReceiptContext, Recovery, Shredding, Status, Vault,
    VaultBuilder,
};
pub use audit_file::AuditFile;
pub use operations::LoadedPages;
pub use process::{Commit, ShredTarget, Shredded};
pub use state::Epochs;
