//! Why a store could not be opened or set up.

use oubliette::store::StoreError;

/// Why a store could not be opened, or its tables could not be made. It never names a password.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum StoreOpenError {
    /// The connection string, or the name of the schema or the role, cannot be used.
    #[error("the address of the key store cannot be used: {0}")]
    Address(&'static str),
    /// TLS could not be set up.
    #[error("TLS could not be set up")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// There is no key store in this schema of this database.
    #[error("{location} has no key store; call `migrate` as the owner, once, and `grant_to` for the role of daily use")]
    NotMigrated {
        /// Which database and schema.
        location: String,
    },
    /// The schema was made by an older version of this crate.
    #[error(
        "{location} has a key store of version {found}, but this program needs version {needed}; call `migrate` as the owner"
    )]
    Older {
        /// Which database and schema.
        location: String,
        /// The version that is there.
        found: i32,
        /// The version that this program needs.
        needed: i32,
    },
    /// The schema was made by a newer version of this crate.
    #[error(
        "{location} has a key store of version {found}, but this program knows version {known}; upgrade this program"
    )]
    Newer {
        /// Which database and schema.
        location: String,
        /// The version that is there.
        found: i32,
        /// The newest version that this program knows.
        known: i32,
    },
    /// The server is older than PostgreSQL 14.
    #[error("{location} has version {found}; the key store needs PostgreSQL 14 or later")]
    OldServer {
        /// Which server.
        location: String,
        /// What it says of itself: 130012 is 13.12.
        found: i32,
    },
    /// The server runs with `fsync = off`: a crash of its machine may lose commits, or the whole vault.
    #[error(
        "{location} runs with fsync = off, so a crash of its machine may undo commits or lose the vault; set fsync = on (for tests, \
         allow_fsync_off=yes in the connection string)"
    )]
    NotDurable {
        /// Which server.
        location: String,
    },
    /// The server could not be reached, refused the user, is a standby, or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

oubliette::journal::message::debug_as_message!(StoreOpenError);
