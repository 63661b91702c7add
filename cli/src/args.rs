//! The arguments: from them come help, completions and man pages.

mod key_store;
mod register;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::exit;

pub use key_store::{KeyStore, MigrateKeyStore};
pub use register::{Answered, Breach, Erase, Export, Holds, OfHolds, OfRequests, Requests, Sweep, Whom, Withdraw};

/// The operator's command of oubliette: for vaults of sealed personal data.
///
/// It opens the vault as one process more, so it may be used while the application runs. What is sealed it prints
/// for `export` alone, and never a key or a passphrase. Customers are named by the numbers that the vault
/// issued, or as the application names them where the register is needed.
#[derive(Debug, Parser)]
#[command(name = "oubliette", version, after_long_help = exit::help(), propagate_version = true, max_term_width = 80)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Args, Clone, Debug, Default)]
pub struct Common {
    /// Configuration file; `oubliette.toml` in the working directory if there is one
    #[arg(long, global = true, value_name = "FILE", help_heading = "Vault")]
    pub config: Option<PathBuf>,
    /// The vault's directory, instead of the configuration's
    #[arg(long, global = true, value_name = "DIR", help_heading = "Vault")]
    pub vault: Option<PathBuf>,
    /// The vault is in PostgreSQL: a file that holds the URL, which only its owner may read
    #[arg(long, global = true, value_name = "FILE", help_heading = "Vault")]
    pub key_store_url_file: Option<PathBuf>,
    /// The same, with the URL in an environment variable
    #[arg(long, global = true, value_name = "VARIABLE", help_heading = "Vault")]
    pub key_store_url_env: Option<String>,
    /// The schema that the vault is in there; `oubliette` unless given
    #[arg(long, global = true, value_name = "NAME", help_heading = "Vault")]
    pub key_store_schema: Option<String>,
    /// Where the root record is, if not in the vault's directory
    #[arg(long, global = true, value_name = "DIR", help_heading = "Vault")]
    pub root_at: Option<PathBuf>,
    /// Where the pages are, if not in the vault's directory
    #[arg(long, global = true, value_name = "DIR", help_heading = "Vault")]
    pub pages_at: Option<PathBuf>,
    /// A mirror; once for each
    #[arg(long = "mirror", global = true, value_name = "DIR", help_heading = "Vault")]
    pub mirrors: Vec<PathBuf>,
    /// The vault's journal
    #[arg(long, global = true, value_name = "FILE", help_heading = "Vault")]
    pub journal: Option<PathBuf>,
    /// The vault is a copy of one that is in use elsewhere: a staging system, a drill
    #[arg(long, global = true, help_heading = "Vault")]
    pub copy: bool,

    /// Read the passphrase from this file descriptor, up to the end of its first line
    #[arg(
        long,
        global = true,
        value_name = "N",
        group = "root_key",
        help_heading = "Root key (a prompt unless given)"
    )]
    pub passphrase_fd: Option<u32>,
    /// Read the passphrase from this file, up to the end of its first line
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        group = "root_key",
        help_heading = "Root key (a prompt unless given)"
    )]
    pub passphrase_file: Option<PathBuf>,
    /// A root key of 32 bytes, or of 64 hexadecimal digits, in a file that only its owner may read
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        group = "root_key",
        help_heading = "Root key (a prompt unless given)"
    )]
    pub key_file: Option<PathBuf>,

    /// Print one JSON document instead of text
    #[arg(long, global = true, help_heading = "How to answer")]
    pub json: bool,
    /// Do not ask before what cannot be undone
    #[arg(long, global = true, help_heading = "How to answer")]
    pub yes: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// What the vault holds: generation, lease, purposes, pages, places, health
    Status,
    /// Look for what will go wrong, and say what to do about each
    ///
    /// Exit code: 0 nothing found, 1 warnings, 2 something grave. Run it from a timer, as the vault's user.
    Doctor(Doctor),
    /// Make customers' data unreadable, in every copy and every backup, for good
    ///
    /// A shred is durable when the command ends with 0. Shredding somebody twice is no error. Exit code 4: a legal hold of the
    /// register that the configuration names keeps one of the numbers, and nothing happened.
    Shred(Shred),
    /// Withdraw a customer's consent for a purpose (Art. 7(3) GDPR)
    ///
    /// The consents for the purpose end, those to recipients too. Unless it is kept on another basis, what was sealed for it is
    /// shredded. A second call has no effect, and is no error. Exit code 4: a legal hold stands, and the shred waits for its end.
    Withdraw(Withdraw),
    /// Erase a customer, in every purpose, with a receipt (Art. 17 GDPR)
    ///
    /// Everything in all purposes is shredded in one commit, and the register forgets whose it was: ask for the receipt now.
    /// Exit code 4: a legal hold stands, and nothing happened. Deleting the application's rows stays its own part.
    Erase(Erase),
    /// What customers asked for, and until when it must be answered
    ///
    /// Open requests, those due first first. Exit code 2 when some are late, 1 when some are due within a week.
    Requests(Requests),
    /// Legal holds, which block an erasure for a while
    ///
    /// A hold keeps a customer's data from being shredded, whatever is asked, until a time.
    Holds(Holds),
    /// Shred what was kept long enough
    ///
    /// By the configuration's [retention] and the grants' own times; carries out the erasures that were requested and whose grace
    /// is over. It may be interrupted at any time, and called again. Call it daily.
    Sweep(Sweep),
    /// Finish what was interrupted, and bring a restored database up to date; the other commands do so by themselves
    ///
    /// Exit code: 1 when there are numbers of which nobody knows any more whose they are, or a restore waits to be confirmed; 2 when
    /// numbers were found that the vault opens though they are recorded as shredded, or that stand beside a wrong id.
    Resume(Resume),
    /// Print all that is held on a customer, as JSON (Art. 15 GDPR): the only command that prints what is sealed
    ///
    /// Printed, or written to a file that only its owner may read. Look through it before it is sent: a text may name others.
    Export(Export),
    /// Who is concerned when something leaked, and what of them was readable (Art. 33 GDPR), as Markdown or JSON
    ///
    /// Name all that may be in the same hands: each copy alone opens nothing. Times are written `2026-11-24T03:00:00Z`,
    /// generations are those of `oubliette status` and of the journal. The report names nobody.
    #[command(override_usage = "oubliette breach [OPTIONS] --known-since <TIME> <WHAT LEAKED>...")]
    Breach(Breach),
    /// Move to a new root key, key tree, or epoch of an index
    #[command(subcommand)]
    Rotate(Rotate),
    /// Give up what a rotation replaced
    #[command(subcommand)]
    Retire(Retire),
    /// Renew the tokens of indexes after a new epoch, and empty those of the shredded; reseal values after a new key tree
    ///
    /// Works on the database that the configuration names, in batches, while the application runs. It can be stopped at any
    /// time, and run again.
    Reindex(Reindex),
    /// What is kept on people, why, how long, and who receives it (Art. 30 GDPR), as Markdown or JSON
    ///
    /// From the configuration's [[tables]], [[purposes]] and [controller]. Exit code 1 when something is not said that must be.
    Inventory(InventoryOf),
    /// Attach and detach mirrors
    #[command(subcommand)]
    Mirror(Mirror),
    /// A key store in PostgreSQL: its tables, and who may use them
    #[command(subcommand)]
    KeyStore(KeyStore),
    /// Check a receipt offline, with the vault's public key; and with a journal, that it has its entries
    Verify(Verify),
    /// The journal: check it offline, read it
    #[command(subcommand)]
    Journal(Journal),
    /// After a root record was restored: shred and retire again what the journal knows of, under a new root key
    Replay(Replay),
    /// Declare that an alarm, or a refusal because the vault went back in time, was a false one; the root key stays
    ///
    /// `status` and `doctor` show an alarm. A false one comes of a copy of the vault that was used without `--copy`, as in a staging
    /// system, and whose rows got into this database; or of a mark beside the pages that is damaged. Find out first: nobody can check
    /// that the root record is the newest that ever was. The journal keeps why.
    ClearAlarm(ClearAlarm),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write a man page for each command into a directory
    Man {
        /// The directory, which is made if it does not exist
        directory: PathBuf,
    },
}

/// What `resume` is asked.
#[derive(Args, Debug)]
pub struct Resume {
    /// Ask the vault of every number: after database and journal were both restored, when nothing shows it
    #[arg(long)]
    pub reconcile: bool,
    /// After a restore: what the database forgot was entered again, and sweeps go on. The reason goes into the journal
    #[arg(long, value_name = "REASON")]
    pub confirm_restored: Option<String>,
}

/// What `doctor` is asked.
#[derive(Args, Debug)]
pub struct Doctor {
    /// A path that is backed up, in addition to the configuration's: no copy of the root record should be below it
    #[arg(long = "backup", value_name = "PATH")]
    pub backups: Vec<PathBuf>,
    /// The longest lease that is no finding, such as `5s`
    #[arg(long, value_name = "TIME")]
    pub longest_lease: Option<String>,
    /// Look at files, and at the server of a key store in PostgreSQL: no root key is asked for, and nothing that needs one is looked at
    #[arg(long)]
    pub files_only: bool,
}

/// What `shred` is asked.
#[derive(Args, Debug)]
pub struct Shred {
    /// Customer numbers, or ranges of them such as `12-40`
    #[arg(value_name = "NUMBER", required_unless_present_any = ["from", "through"])]
    pub numbers: Vec<String>,
    /// Read numbers from a file too, separated by spaces or lines; `-` is the standard input
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// Everyone whose number is at most this one
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["numbers", "from", "purpose"])]
    pub through: Option<String>,
    /// In this purpose only
    #[arg(long, value_name = "NAME")]
    pub purpose: Option<String>,
    /// Why, for the journal: 1 to 200 bytes, never personal data
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
    /// Shred them although legal holds stand on them, for this reason; holds and reason are in the journal
    #[arg(long, value_name = "REASON")]
    pub despite_holds: Option<String>,
    /// Write a signed receipt to this file, which must not exist; needs a journal and --whose
    #[arg(long, value_name = "FILE", requires = "whose")]
    pub receipt: Option<PathBuf>,
    /// Whose data it is, as the application names them, for the receipt
    #[arg(long, value_name = "NAME", requires = "receipt")]
    pub whose: Option<String>,
    /// Wait until every process that has the vault open has stopped opening their data
    #[arg(long)]
    pub wait: bool,
}

#[derive(Debug, Subcommand)]
pub enum Rotate {
    /// Put the vault under a new root key; a new passphrase is asked for twice unless one of these is given
    RootKey(NewKey),
    /// Have the tokens that the configuration names hold the root key, and no others: one is added, or given up for good
    ///
    /// All of them must be there. The next version of the root key begins in them, and those before it are destroyed there. A token that is given up, since
    /// it was lost, keeps its keys: they open older root records, and nothing that is shredded later in the current one.
    Tokens {
        /// The root record is in the first token alone, from before it had a name
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

#[derive(Args, Debug)]
pub struct NewKey {
    /// Read the new passphrase from this file descriptor; the same as --passphrase-fd means its next line
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
    /// Move to the token of the configuration; the root key so far is what is given or configured beside it
    #[arg(long, group = "new_key")]
    pub to_token: bool,
    /// The root key is in a token already: begin its next version, and destroy those before it, as the configuration says
    #[arg(long, group = "new_key")]
    pub next_version: bool,
}

/// What `inventory` is asked.
#[derive(Args, Debug)]
pub struct InventoryOf {
    /// Compare with the file that --write wrote, which belongs into version control: exit code 2 if it is not up to date
    #[arg(long, value_name = "FILE")]
    pub check: Option<PathBuf>,
    /// Write the file that --check compares with
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    pub write: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Mirror {
    /// Start a mirror in an empty directory; then name it in every program's configuration
    Attach {
        /// The directory
        directory: PathBuf,
    },
    /// Give up a mirror that is lost or no longer wanted; what lies there must be destroyed
    Detach {
        /// The place, as `status` shows it
        place: String,
    },
    /// Make a mirror the first place, which decides; the one before becomes a mirror. Both must be there
    HandOver {
        /// The mirror's place, as `status` shows it
        place: String,
    },
    /// The first place is lost for good: make the mirror at `--vault` the first place
    ///
    /// Nobody can check that it is lost. A program that still sees the old place goes on there, and opens whoever is shredded from now on.
    /// So first see to it that nobody uses it any more, and that it stays away until it is emptied.
    Promote {
        /// A place that is lost, as the error shows it; once for each
        #[arg(long = "lost", value_name = "PLACE", required = true)]
        lost: Vec<String>,
    },
}

/// What the vault signed is checked with its public key, which `oubliette journal key` prints. Have it from a place that
/// whoever might have forged the document could not change.
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
    /// Check every signature, that nothing was changed, dropped, reordered or cut off
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
    /// Go on although the end of the journal is lost, and record that as a gap
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
    /// An entry that somebody wrote down (`NUMBER:HASH`, as this command prints the last one); once for each
    #[arg(long = "anchor", value_name = "ANCHOR")]
    pub anchors: Vec<String>,
    /// The head, if it is not beside the journal
    #[arg(long, value_name = "FILE", conflicts_with = "without_head")]
    pub head: Option<PathBuf>,
    /// There is no head: then a missing end is found only through receipts and anchors
    #[arg(long)]
    pub without_head: bool,
}

#[derive(Args, Debug)]
pub struct Replay {
    /// The highest customer number ever issued: ask the application's table, and every backup that may come back
    #[arg(long, value_name = "NUMBER")]
    pub highest_number: String,
    #[command(flatten)]
    pub new: NewKey,
}

/// What `clear-alarm` is asked.
#[derive(Args, Debug)]
pub struct ClearAlarm {
    /// Why it was a false one, for the journal: 1 to 200 bytes, never personal data
    #[arg(long, value_name = "TEXT")]
    pub why: String,
    /// The highest customer number in the database, if rows of a copy got into it: none up to it is issued again
    #[arg(long, value_name = "NUMBER")]
    pub highest_number: Option<String>,
}

/// What `reindex` is asked.
#[derive(Args, Debug)]
pub struct Reindex {
    /// Sealed columns, as `TABLE.COLUMN`, fields within a group as `TABLE.COLUMN.LABEL`; all of the configuration's unless some are named
    #[arg(value_name = "TABLE.COLUMN")]
    pub columns: Vec<String>,
    /// Seal the values anew, too, where they are under a replaced key tree
    #[arg(long)]
    pub reseal: bool,
    /// Open each value and compare its token with it, too: an update may have forgotten the token
    #[arg(long)]
    pub verify: bool,
    /// Write nothing: count the rows that have something left to do (exit code 1 if there are any)
    #[arg(long)]
    pub check: bool,
    /// Rows in one transaction
    #[arg(long, value_name = "ROWS", default_value_t = 500)]
    pub batch: usize,
    /// How many rows may have problems before it stops; they are left as they are and listed (exit code 1)
    #[arg(long, value_name = "ROWS", default_value_t = 0)]
    pub tolerate: usize,
    /// Go on after the row with this key; for the columns of one table
    #[arg(long, value_name = "KEY")]
    pub after: Option<String>,
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
        /// Give them up although legal holds stand on customers of the purpose, for this reason; holds and reason are in the
        /// journal. Only when everything of theirs was resealed
        #[arg(long, value_name = "REASON")]
        despite_holds: Option<String>,
    },
    /// Give up an epoch of an index: tokens of it say nothing any more, in old backups either
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
    /// Destroy the keys of a series in the token that the vault is not under: of a copy, or left by a rotation. Without a name: list all
    Series {
        /// The series, as this lists it
        series: Option<String>,
        /// Why, for the journal: 1 to 200 bytes, never personal data
        #[arg(long, value_name = "TEXT", requires = "series")]
        why: Option<String>,
        /// The vault left the token of the configuration: its root key is what is given or configured beside it
        #[arg(long)]
        not_in_token: bool,
    },
}
