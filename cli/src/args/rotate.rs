//! The arguments of `rotate` and `retire`, and the new root key of whatever moves to one.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum Rotate {
    /// Put the vault under a new root key; a new passphrase is asked for twice unless one of these is given
    RootKey(NewKey),
    /// Have the configuration's tokens hold the root key, and no others: add one, or give one up for good
    ///
    /// All of them must be plugged in. The next version of the root key begins in them, and older versions are destroyed there. A lost
    /// token that is given up keeps its keys: they open older root records, not those from now on.
    Tokens {
        /// Until now the root key was in the first token alone, and that had no name
        #[arg(long)]
        from_one: bool,
    },
    /// Give a purpose a new key tree; values under the old one open until it is retired
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
    /// Give up the key trees that a newer one of the same purpose replaced: what is still sealed under them is lost
    Tree {
        /// The purpose
        purpose: String,
        /// The newer tree, as `status` or `rotate purpose` shows it
        new: String,
        /// Give them up although rows still need them, or could not be looked at: what is left under them is lost
        #[arg(long)]
        leave_behind: bool,
        /// Give them up although legal holds stand on customers of the purpose, for this reason: only when all of theirs was
        /// resealed. The journal keeps holds and reason
        #[arg(long, value_name = "REASON")]
        despite_holds: Option<String>,
    },
    /// Give up an epoch of an index: its tokens say nothing any more, not even in old backups
    Epoch {
        /// The column that is indexed, as `TABLE.COLUMN`; a field within a group as `TABLE.COLUMN.LABEL`
        #[arg(value_name = "TABLE.COLUMN")]
        column: String,
        /// The epoch, as `rotate index` shows it
        epoch: u8,
        /// Give it up although rows still need it, or could not be looked at: they are not found any more
        #[arg(long)]
        leave_behind: bool,
    },
    /// Destroy keys in the token that the vault does not use: a copy's series, or one left by a rotation. Without a name: list all
    Series {
        /// The series, as this lists it
        series: Option<String>,
        /// Why, for the journal: 1 to 200 bytes, never personal data
        #[arg(long, value_name = "TEXT", requires = "series")]
        why: Option<String>,
        /// The vault's root key is not in the configuration's token any more: it is given or configured beside it
        #[arg(long)]
        not_in_token: bool,
    },
}

#[derive(Args, Debug)]
pub struct NewKey {
    /// Read the new passphrase from this file descriptor; if it is that of --passphrase-fd, from its next line
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
    /// Move to the token of the configuration; the root key until now is given or configured beside it
    #[arg(long, group = "new_key")]
    pub to_token: bool,
    /// Begin the next version of a root key that is in a token, and destroy older ones as the configuration says
    #[arg(long, group = "new_key")]
    pub next_version: bool,
}
