//! The arguments of what checks documents that the vault signed: `journal` and `verify`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// The vault's public key checks its signatures; `oubliette journal key` prints the key. Take it from a place that a
/// forger of the document cannot change.
#[derive(Args, Debug, Default)]
pub struct Key {
    /// The vault's public key (`obl-key-1.…`); the configuration's unless given
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
}

#[derive(Args, Debug)]
pub struct Verify {
    /// The receipt
    pub receipt: PathBuf,
    #[command(flatten)]
    pub key: Key,
}

#[derive(Debug, Subcommand)]
pub enum Journal {
    /// Check every signature, and that no entry was changed, dropped, reordered or cut off
    Verify(VerifyJournal),
    /// Print the entries; each is checked before it is printed
    Show {
        /// The journal; the configuration's unless given
        file: Option<PathBuf>,
        #[command(flatten)]
        key: Key,
        /// Begin with this entry
        #[arg(long, value_name = "NUMBER", default_value_t = 1)]
        from: u64,
    },
    /// Print the vault's public key; needs the root key
    Key,
    /// Go on without the lost end of the journal, and record the gap
    AcceptLoss {
        /// Why, for the journal: 1 to 200 bytes
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
}

#[derive(Args, Debug)]
pub struct VerifyJournal {
    /// The journal; the configuration's unless given
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub key: Key,
    /// A receipt whose entries must be there; once for each
    #[arg(long = "receipt", value_name = "FILE")]
    pub receipts: Vec<PathBuf>,
    /// An entry that must be there: `NUMBER:HASH`, as this command once printed it; once for each
    #[arg(long = "anchor", value_name = "ANCHOR")]
    pub anchors: Vec<String>,
    /// The head, if it is not beside the journal
    #[arg(long, value_name = "FILE", conflicts_with = "without_head")]
    pub head: Option<PathBuf>,
    /// There is no head; only receipts and anchors then show that the end is missing
    #[arg(long)]
    pub without_head: bool,
}
