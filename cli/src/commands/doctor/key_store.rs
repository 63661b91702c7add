//! A key store in PostgreSQL: where it is, what its server keeps and promises, and what its role may do. It only looks.

#[cfg(feature = "postgres-key-store")]
mod backups;
#[cfg(feature = "postgres-key-store")]
mod server;

use std::path::PathBuf;

use super::files;
use super::findings::{Findings, Severity};
use super::vault::cannot_be_opened;
use crate::context::Context;

/// Whether the key store can be asked: of a vault in a directory there is nothing to look at here.
pub fn look(context: &Context, shown: &str, backups: &[PathBuf], findings: &mut Findings) -> bool {
    let Some(key_store) = &context.config.key_store else { return true };
    if let Some(file) = &key_store.postgres_url_file {
        files::check(file, 0o077, true, Severity::Grave, "key-store-url-permissions", findings);
    }
    match context.store() {
        Ok(store) => {
            #[cfg(feature = "postgres-key-store")]
            {
                server::look(context, &store, shown, findings);
                backups::look(context, &store, backups, findings);
            }
            #[cfg(not(feature = "postgres-key-store"))]
            let _ = (&store, backups);
            true
        }
        Err(failure) => {
            cannot_be_opened(shown, &failure.message, findings);
            false
        }
    }
}
