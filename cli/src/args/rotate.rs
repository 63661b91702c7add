//! The arguments of `rotate` and `retire`, and the new root key of whatever moves to one.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum Rotate {
    /// Move the vault to a new root key; without an option the command asks twice for a new passphrase
    RootKey(NewKey),
    /// Make the configuration's tokens hold the root key, and no other token: add one, or give one up for good
    ///
    /// All of them must be plugged in. The next version of the root key begins in them, and older versions in them are
    /// destroyed. A token that is given up keeps its keys: they open older root records, and no later ones.
    Tokens {
        /// The root key is in the first token only until now, and that token has no name yet
        #[arg(long)]
        from_one: bool,
    },
    /// Give a purpose a new key tree; values under the old tree open until you retire it
    Purpose {
        /// The purpose
        name: String,
    },
    /// Begin a new epoch of an index, named by its sealed column as in the configuration
    Index {
        /// The column that is indexed, as `TABLE.COLUMN`; a field within a group as `TABLE.COLUMN.LABEL`
        #[arg(value_name = "TABLE.COLUMN")]
        column: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum Retire {
    /// Give up the key trees that a newer tree of the purpose replaced; values that are still sealed under them are
    /// lost
    Tree {
        /// The purpose
        purpose: String,
        /// The newer tree, as `status` or `rotate purpose` shows it
        new: String,
        /// Give them up although rows still need them, or could not be read; values under them are lost
        #[arg(long)]
        leave_behind: bool,
        /// Override legal holds on customers of the purpose, for this reason; first reseal all their values. The
        /// journal keeps the holds and the reason
        #[arg(long, value_name = "REASON")]
        despite_holds: Option<String>,
    },
    /// Give up an epoch of an index; its tokens tell nothing any more, even in old backups
    Epoch {
        /// The column that is indexed, as `TABLE.COLUMN`; a field within a group as `TABLE.COLUMN.LABEL`
        #[arg(value_name = "TABLE.COLUMN")]
        column: String,
        /// The epoch, as `rotate index` shows it
        epoch: u8,
        /// Give it up although rows still need it, or could not be read; a search does not find these rows any more
        #[arg(long)]
        leave_behind: bool,
    },
    /// Destroy a series of keys in the token that the vault does not use: of a copy, or of before a rotation; without a
    /// name, list all series
    Series {
        /// The series, as this lists it
        series: Option<String>,
        /// Why, for the journal: 1 to 200 bytes, never personal data
        #[arg(long, value_name = "TEXT", requires = "series")]
        why: Option<String>,
        /// The vault's root key is outside the configuration's token now: give it as an option, or configure it beside
        /// the token
        #[arg(long)]
        not_in_token: bool,
    },
}

#[derive(Args, Debug)]
pub struct NewKey {
    /// Read the new passphrase from this file descriptor; from its second line if --passphrase-fd names the same one
    #[arg(long, value_name = "N", group = "new_key")]
    pub new_passphrase_fd: Option<u32>,
    /// Read the new passphrase from this file, up to the end of its first line
    #[arg(long, value_name = "FILE", group = "new_key")]
    pub new_passphrase_file: Option<PathBuf>,
    /// A new root key of 32 bytes, or of 64 hexadecimal digits
    #[arg(long, value_name = "FILE", group = "new_key")]
    pub new_key_file: Option<PathBuf>,
    /// Make a random root key, and write it to this file, which must not exist
    #[arg(long, value_name = "FILE", group = "new_key")]
    pub generate: Option<PathBuf>,
    /// Move to the token of the configuration; give the present root key as an option, or configure it beside the token
    #[arg(long, group = "new_key")]
    pub to_token: bool,
    /// Begin the next version of a root key that is in a token, and destroy older ones as the configuration says
    #[arg(long, group = "new_key")]
    pub next_version: bool,
}
