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
/// The command opens the vault as one more process, so it works while the application runs. Only `export` prints sealed
/// data. No command prints a secret key or a passphrase. Commands of the register name a customer as the application
/// does; all others take the number that the vault issued.
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
    /// A file with the URL of a vault in PostgreSQL; only its owner may read it
    #[arg(long, global = true, value_name = "FILE", help_heading = "Vault")]
    pub key_store_url_file: Option<PathBuf>,
    /// An environment variable with the URL of a vault in PostgreSQL
    #[arg(long, global = true, value_name = "VARIABLE", help_heading = "Vault")]
    pub key_store_url_env: Option<String>,
    /// The vault's schema in PostgreSQL; `oubliette` unless given
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
    /// The vault is a copy of one that is in use elsewhere, such as a staging system or a drill
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
    /// Do not ask for a confirmation
    #[arg(long, global = true, help_heading = "How to answer")]
    pub yes: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a new, empty vault where the configuration says; the application can do this too
    ///
    /// Do this once for each vault. A new vault does not replace a lost one. If there is a vault already, nothing
    /// happens (exit code 77). Name each purpose that data is kept for, as the application names it. The command asks
    /// for a passphrase twice. It also begins the mirrors and the journal that the configuration names. In PostgreSQL,
    /// run `oubliette key-store migrate` first.
    Create(Create),
    /// Show the vault: generation, lease, purposes, pages, places, health
    Status,
    /// Look for faults and risks, and say what to do about each
    ///
    /// Exit code: 0 nothing found, 1 warnings, 2 grave findings. Run it from a timer, as the vault's user.
    Doctor(Doctor),
    /// Make customers' data unreadable, in every copy and every backup, for good
    ///
    /// The shred is durable when the command ends with 0. A second shred of a customer changes nothing. Exit code 4: a
    /// legal hold in the configured register protects one of the numbers, and nothing happened.
    Shred(Shred),
    /// Withdraw a customer's consent for a purpose (Art. 7(3) GDPR)
    ///
    /// All consents for the purpose end, also those to recipients. The data is shredded, unless another legal basis
    /// keeps it. A second call changes nothing. Exit code 4: the consents have ended, and the shred waits for the end
    /// of a legal hold.
    Withdraw(Withdraw),
    /// Erase a customer, in every purpose, with a receipt (Art. 17 GDPR)
    ///
    /// All purposes are shredded in one commit, and the register forgets the customer's id: ask for the receipt now.
    /// The application's rows stay; the application deletes them. Exit code 4: a legal hold stands, and nothing
    /// happened.
    Erase(Erase),
    /// List, record and answer customers' requests
    ///
    /// Without a subcommand: the open requests, in the order of their deadlines. Exit code 2: some are late; 1: some
    /// are due within a week.
    Requests(Requests),
    /// List, place and end legal holds
    ///
    /// A hold protects a customer's data from every shred, until a time.
    Holds(Holds),
    /// Shred data whose retention is over
    ///
    /// A sweep goes by the configuration's [retention] and by the ends of grants. It also carries out requested
    /// erasures whose grace is over. You may stop it at any time and run it again. Run it daily.
    Sweep(Sweep),
    /// Finish interrupted work, and bring a restored database up to date; other commands do this by themselves
    ///
    /// Exit code 1: no customer is known for some numbers, or a restore waits for your confirmation. Exit code 2: the
    /// vault opens numbers that are recorded as shredded, or a number stands beside a wrong id.
    Resume(Resume),
    /// Print all data on a customer, as JSON (Art. 15 GDPR); no other command prints sealed data
    ///
    /// Read the document before you send it: a text may name other people. Only you can read the file that it writes.
    Export(Export),
    /// Report whom a leak concerns, and which data was readable (Art. 33 GDPR), as Markdown or JSON
    ///
    /// Name everything that may be in the same hands: leaks that open nothing alone may open much together. Write times
    /// as `2026-11-24T03:00:00Z`. Take generations from `oubliette status` or the journal. The report names no
    /// customer.
    #[command(override_usage = "oubliette breach [OPTIONS] --known-since <TIME> <WHAT LEAKED>...")]
    Breach(Breach),
    /// Move to a new root key, key tree, or epoch of an index
    #[command(subcommand)]
    Rotate(Rotate),
    /// Give up an old key tree, epoch or series after a rotation
    #[command(subcommand)]
    Retire(Retire),
    /// Renew tokens after a new epoch, empty those of shredded customers, and reseal values after a new key tree
    ///
    /// It works on the configured database, in batches, while the application runs. You may stop it at any time and run
    /// it again.
    Reindex(Reindex),
    /// Print the record of processing activities (Art. 30 GDPR), as Markdown or JSON
    ///
    /// What is kept on people, why, how long, and who receives it: from the configuration's [[tables]], [[purposes]]
    /// and [controller]. Exit code 1: something required is missing.
    Inventory(InventoryOf),
    /// Attach and detach mirrors
    #[command(subcommand)]
    Mirror(Mirror),
    /// Make the tables of a key store in PostgreSQL, and say who may use them
    #[command(subcommand)]
    KeyStore(KeyStore),
    /// Check a receipt offline, with the vault's public key; with a journal, also its entries there
    Verify(Verify),
    /// Check the journal offline, and read it
    #[command(subcommand)]
    Journal(Journal),
    /// After a restore of the root record: shred and retire again everything in the journal, under a new root key
    Replay(Replay),
    /// Declare that the vault was not rolled back, although an alarm or a refusal says so; the root key stays
    ///
    /// `status` and `doctor` show an alarm. It is false in two cases. Either a copy of the vault, such as a staging
    /// system, was used without `--copy`, and its rows got into this database. Or the mark beside the pages is
    /// damaged. Find out which first: no program can check that the root record is the newest one. The journal keeps
    /// your reason.
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
    /// Compare each number with the vault; do this after a restore of both database and journal, which no program can
    /// notice
    #[arg(long)]
    pub reconcile: bool,
    /// Confirm that you entered again what a restore lost, so that sweeps go on; the journal keeps the reason
    #[arg(long, value_name = "REASON")]
    pub confirm_restored: Option<String>,
}

/// What `doctor` is asked.
#[derive(Args, Debug)]
pub struct Doctor {
    /// Search this backed-up path for copies of the root record, beside the configuration's paths
    #[arg(long = "backup", value_name = "PATH")]
    pub backups: Vec<PathBuf>,
    /// Warn if the lease is longer than this, such as `5s`
    #[arg(long, value_name = "TIME")]
    pub longest_lease: Option<String>,
    /// Look only at things that need no root key: files, and the server of a key store in PostgreSQL
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
    /// Override legal holds, for this reason; the journal keeps the holds and the reason
    #[arg(long, value_name = "REASON")]
    pub despite_holds: Option<String>,
    /// Write a signed receipt to this file, which must not exist; needs a journal and --whose
    #[arg(long, value_name = "FILE", requires = "whose")]
    pub receipt: Option<PathBuf>,
    /// The customer's name for the receipt, as the application uses it
    #[arg(long, value_name = "NAME", requires = "receipt")]
    pub whose: Option<String>,
    /// Wait until no process opens their data any more
    #[arg(long)]
    pub wait: bool,
}

/// What `inventory` is asked.
#[derive(Args, Debug)]
pub struct InventoryOf {
    /// Compare with the file from --write, which you keep under version control; exit code 2 if it is not up to date
    #[arg(long, value_name = "FILE")]
    pub check: Option<PathBuf>,
    /// Write the file that --check compares with
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    pub write: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Mirror {
    /// Start a mirror in an empty directory; name it in every program's configuration afterwards
    Attach {
        /// The directory
        directory: PathBuf,
    },
    /// Give up a mirror that is lost or no longer wanted; destroy what lies there afterwards
    Detach {
        /// The place, as `status` shows it
        place: String,
    },
    /// Make a mirror the first place, which decides, and the first place a mirror; both must be there
    HandOver {
        /// The mirror's place, as `status` shows it
        place: String,
    },
    /// Make the mirror at `--vault` the first place, after the first place is lost for good
    ///
    /// No program can check that the place is lost. A process that still sees the old place goes on there, and opens
    /// data that is shredded from now on. So first make sure that no process uses the old place, and that it stays away
    /// until you have emptied it.
    Promote {
        /// A lost place, as the error shows it; once for each
        #[arg(long = "lost", value_name = "PLACE", required = true)]
        lost: Vec<String>,
    },
}

#[derive(Args, Debug)]
pub struct Replay {
    /// The highest customer number ever issued; look in the application's table, and in every backup that may be
    /// restored
    #[arg(long, value_name = "NUMBER")]
    pub highest_number: String,
    #[command(flatten)]
    pub new: NewKey,
}

/// What `clear-alarm` is asked.
#[derive(Args, Debug)]
pub struct ClearAlarm {
    /// Why the alarm is false, for the journal: 1 to 200 bytes, never personal data
    #[arg(long, value_name = "TEXT")]
    pub why: String,
    /// The highest customer number in the database, if rows of a copy got into it; no number up to it is issued again
    #[arg(long, value_name = "NUMBER")]
    pub highest_number: Option<String>,
}

/// What `reindex` is asked.
#[derive(Args, Debug)]
pub struct Reindex {
    /// Sealed columns, as `TABLE.COLUMN`, fields within a group as `TABLE.COLUMN.LABEL`; all of the configuration's unless some are named
    #[arg(value_name = "TABLE.COLUMN")]
    pub columns: Vec<String>,
    /// Also reseal values under a replaced key tree
    #[arg(long)]
    pub reseal: bool,
    /// Also open each value and compare it with its token: an update may have forgotten the token
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
