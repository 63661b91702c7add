//! The arguments: from them come help, completions and man pages.

mod create;
mod journal;
mod key_store;
mod register;
mod rotate;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::exit;

pub use create::Create;
pub use journal::{Journal, Key, Verify, VerifyJournal};
pub use key_store::{KeyStore, MigrateKeyStore};
pub use register::{Answered, Breach, Erase, Export, Holds, OfHolds, OfRequests, Requests, Sweep, Whom, Withdraw};
pub use rotate::{NewKey, Retire, Rotate};

/// The operator's command of oubliette: for vaults of sealed personal data.
///
/// It opens the vault as one more process: use it while the application runs. Only `export` prints what is sealed; no
/// command prints a secret key or a passphrase. Commands of the register name a customer as the application does; the
/// others take the number that the vault issued.
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
    /// Make a new, empty vault where the configuration says; an application can do so itself
    ///
    /// Once for each vault, and never to replace one that was lost. If there is a vault already, nothing happens (exit code 77). Name a
    /// purpose for each thing that data is kept for, as the application does when it opens the vault. A passphrase is asked for twice.
    /// Mirrors and a journal that the configuration names begin with the vault. In PostgreSQL, run `oubliette key-store migrate` first.
    Create(Create),
    /// What the vault holds: generation, lease, purposes, pages, places, health
    Status,
    /// Look for what is wrong or will be, and say what to do about it
    ///
    /// Exit code: 0 nothing found, 1 warnings, 2 something grave. Run it from a timer, as the vault's user.
    Doctor(Doctor),
    /// Make customers' data unreadable, in every copy and every backup, for good
    ///
    /// A shred is durable when the command ends with 0. Shredding somebody twice is no error. Exit code 4: a legal hold in
    /// the configured register keeps one of the numbers, and nothing happened.
    Shred(Shred),
    /// Withdraw a customer's consent for a purpose (Art. 7(3) GDPR)
    ///
    /// All consents for the purpose end, those to recipients too. What was sealed for it is shredded, unless it is kept on another
    /// basis. Doing so twice is no error. Exit code 4: the consents have ended, and the shred waits for the end of a legal hold.
    Withdraw(Withdraw),
    /// Erase a customer, in every purpose, with a receipt (Art. 17 GDPR)
    ///
    /// All purposes are shredded in one commit, and the register forgets whose they were: ask for the receipt now.
    /// Exit code 4: a legal hold stands, and nothing happened. The rows stay: deleting them is the application's part.
    Erase(Erase),
    /// What customers asked for, and until when it must be answered
    ///
    /// Open requests, in the order in which they are due. Exit code 2: some are late; 1: some are due within a week.
    Requests(Requests),
    /// Legal holds, which block an erasure for a while
    ///
    /// A hold keeps a customer's data from being shredded, whatever is asked, until a time.
    Holds(Holds),
    /// Shred what was kept long enough
    ///
    /// It goes by the configuration's [retention] and the grants' own times, and carries out requested erasures whose grace is
    /// over. It may be interrupted at any time, and run again. Run it daily.
    Sweep(Sweep),
    /// Finish what was interrupted, and bring a restored database up to date; the other commands do so by themselves
    ///
    /// Exit code 1: whose some numbers are is not known any more, or a restore waits to be confirmed. Exit code 2: the vault opens
    /// numbers that are recorded as shredded, or a number stands beside a wrong id.
    Resume(Resume),
    /// Print all that is held on a customer, as JSON (Art. 15 GDPR): the only command that prints what is sealed
    ///
    /// Look through it before you send it: a text may name others. A file that it writes can be read by its owner alone.
    Export(Export),
    /// Tell whom a leak concerns, and what of theirs was readable (Art. 33 GDPR), as Markdown or JSON
    ///
    /// Name all that may be in the same hands: what opens nothing alone may open much together. Times are written `2026-11-24T03:00:00Z`,
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
    /// Check a receipt offline, with the vault's public key; given a journal, that it has the receipt's entries
    Verify(Verify),
    /// The journal: check it offline, read it
    #[command(subcommand)]
    Journal(Journal),
    /// After a root record was restored: shred and retire again what the journal knows of, under a new root key
    Replay(Replay),
    /// Declare an alarm false, or a refusal that says the vault was rolled back; the root key stays
    ///
    /// `status` and `doctor` show an alarm. It is false in two cases: a copy of the vault, such as a staging system, was used without
    /// `--copy`, and its rows got into this database; or the mark beside the pages is damaged. Find out which first: no program can
    /// check that the root record is the newest that ever was. The journal keeps your reason.
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
    /// Compare every number with the vault: needed after database and journal were both restored, which nothing else shows
    #[arg(long)]
    pub reconcile: bool,
    /// Confirm that what a restored database forgot was entered again, so that sweeps go on; the journal keeps the reason
    #[arg(long, value_name = "REASON")]
    pub confirm_restored: Option<String>,
}

/// What `doctor` is asked.
#[derive(Args, Debug)]
pub struct Doctor {
    /// Search this path, which is backed up, for copies of the root record; the configuration's paths too
    #[arg(long = "backup", value_name = "PATH")]
    pub backups: Vec<PathBuf>,
    /// Warn of a lease longer than this, such as `5s`
    #[arg(long, value_name = "TIME")]
    pub longest_lease: Option<String>,
    /// Look only at what needs no root key: files, and the server of a key store in PostgreSQL
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
    /// Shred them although legal holds stand, for this reason; the journal keeps holds and reason
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

/// What `inventory` is asked.
#[derive(Args, Debug)]
pub struct InventoryOf {
    /// Compare with the file that --write wrote (keep that under version control); exit code 2 if it is not up to date
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
    /// No program can check that it is lost. One that still sees the old place goes on there, and opens whoever is shredded from now on.
    /// So first make sure that nobody uses the old place any more, and that it stays away until it is emptied.
    Promote {
        /// A place that is lost, as the error shows it; once for each
        #[arg(long = "lost", value_name = "PLACE", required = true)]
        lost: Vec<String>,
    },
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
    /// Reseal values, too, that are under a replaced key tree
    #[arg(long)]
    pub reseal: bool,
    /// Open each value, too, and check that the token is its own: an update may have forgotten it
    #[arg(long)]
    pub verify: bool,
    /// Write nothing: count the rows that have something left to do (exit code 1 if there are any)
    #[arg(long)]
    pub check: bool,
    /// Rows in one transaction
    #[arg(long, value_name = "ROWS", default_value_t = 500)]
    pub batch: usize,
    /// Stop when more rows than this have problems; such rows are left as they are, and listed (exit code 1)
    #[arg(long, value_name = "ROWS", default_value_t = 0)]
    pub tolerate: usize,
    /// Go on after the row with this key; for the columns of one table
    #[arg(long, value_name = "KEY")]
    pub after: Option<String>,
}
