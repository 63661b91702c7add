//! What may have leaked.

use std::fmt;

use jiff::Timestamp;

/// Something that leaked. Several leaks together open more than each alone, so give all that may be in the same hands.
///
/// [The module](crate::breach) has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Leak {
    /// The application's database: a dump, a replica, a backup.
    Database {
        /// The time of its content.
        at: Timestamp,
    },
    /// The root record of a generation: `root/`, a mirror, a copy made by `copy_to`, or a snapshot of the machine.
    RootRecord {
        /// The generation.
        generation: u64,
    },
    /// The root key or passphrase that was in use at a generation.
    RootKey {
        /// The generation.
        generation: u64,
    },
    /// The key of one version of the root key, if the root key has versions in a token: from the memory of a process.
    /// If several series had this number, each of them counts.
    RootKeyVersion {
        /// The version's number, as `status` and the journal show it.
        number: u64,
    },
    /// The token with the root key, or its use (the PIN, at the machine), between two times. For a stolen or cloned
    /// token, give its time as both. Keys that were destroyed before are not in it.
    Token {
        /// From when.
        from: Timestamp,
        /// Until when.
        until: Timestamp,
    },
    /// The pages of a generation, superseded pages included.
    Pages {
        /// The generation.
        generation: u64,
    },
    /// A program that somebody else controlled between two times.
    Service {
        /// The purposes that the program unlocks, or that its readers may open.
        purposes: Vec<String>,
        /// From when.
        from: Timestamp,
        /// Until when.
        until: Timestamp,
        /// How much they controlled.
        taken: Taken,
    },
}

/// How much of a program somebody else controlled.
///
/// [The guide](crate::guide#breach) has an example of a breach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Taken {
    /// Its answers: they could ask it for values of its purposes.
    Answers,
    /// Its memory: they could read it or run code in it, and so have its answers, the root key, the root record and the
    /// pages.
    Memory,
}

impl Leak {
    /// A whole key store of a generation: root record and pages. The root key is a leak of its own.
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
