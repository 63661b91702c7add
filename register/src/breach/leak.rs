//! What may have leaked.

use std::fmt;

use jiff::Timestamp;

/// Something that leaked. What several of them open together is more than what each does alone: give all that may be in
/// the same hands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Leak {
    /// The application's database: a dump, a replica, a backup.
    Database {
        /// The state that it shows.
        at: Timestamp,
    },
    /// The root record, as it was at a generation: `root/`, a mirror, a copy made by `copy_to`, a machine's snapshot.
    RootRecord {
        /// The generation.
        generation: u64,
    },
    /// The root key or passphrase that was in use at a generation.
    RootKey {
        /// The generation.
        generation: u64,
    },
    /// The key of one version of the root key, where it has versions in a token: what a process had of it in memory. Of several series, each that
    /// had such a number.
    RootKeyVersion {
        /// The version's number, as `status` and the journal have it.
        number: u64,
    },
    /// The token that holds the root key, or the use of it (the PIN, at the machine), between two times. Stolen or cloned: as of that
    /// time, twice. Keys that were destroyed before are not in it.
    Token {
        /// From when.
        from: Timestamp,
        /// Until when.
        until: Timestamp,
    },
    /// The pages, as they lay there at a generation, superseded ones included.
    Pages {
        /// The generation.
        generation: u64,
    },
    /// A program that was in other hands between two times.
    Service {
        /// The purposes that it unlocks, or that its readers are limited to.
        purposes: Vec<String>,
        /// From when.
        from: Timestamp,
        /// Until when.
        until: Timestamp,
        /// What could be got from it.
        taken: Taken,
    },
}

/// What could be got from a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Taken {
    /// What it gives out to whoever uses it: values of its purposes.
    Answers,
    /// Its memory, or code was run in it: all that it gives out, and root key, root record and pages with it.
    Memory,
}

impl Leak {
    /// A whole key store as of a generation: root record and pages. The root key is another leak.
    #[must_use]
    pub fn key_store(generation: u64) -> [Leak; 2] {
        [Leak::RootRecord { generation }, Leak::Pages { generation }]
    }
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Leak::Database { at } => write!(f, "a copy of the application's database, as of {at:.0}"),
            Leak::RootRecord { generation } => write!(f, "the root record, as of generation {generation}"),
            Leak::RootKey { generation } => write!(f, "the root key that was in use at generation {generation}"),
            Leak::RootKeyVersion { number } => write!(f, "version {number} of the root key"),
            Leak::Token { from, until } => {
                write!(f, "the token that holds the root key, or the use of it, between {from:.0} and {until:.0}")
            }
            Leak::Pages { generation } => write!(f, "the pages of the key store, as of generation {generation}"),
            Leak::Service { purposes, from, until, taken } => {
                let what = match taken {
                    Taken::Answers => "what it gives out",
                    Taken::Memory => "its memory, and so the root key",
                };
                let purposes = purposes.join(", ");
                write!(f, "a program for {purposes}, between {from:.0} and {until:.0}: {what}")
            }
        }
    }
}
