//! The arguments of what works with the register: customers are named as the application names them.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use oubliette_register::RequestKind;

/// Whom it concerns.
#[derive(Args, Debug)]
pub struct Whom {
    /// The customer, as the application names them; `-` reads a line of the standard input, which `ps` does not show
    #[arg(value_name = "SUBJECT", allow_negative_numbers = true)]
    pub subject: String,
}

/// What `withdraw` is asked.
#[derive(Args, Debug)]
pub struct Withdraw {
    #[command(flatten)]
    pub whom: Whom,
    /// The purpose
    #[arg(long, value_name = "NAME")]
    pub purpose: String,
    /// Why, for the journal: 1 to 200 bytes, never personal data
    #[arg(long, value_name = "TEXT")]
    pub why: String,
    /// End the grants to this recipient only; nothing is shredded
    #[arg(long, value_name = "NAME", conflicts_with_all = ["every_basis", "receipt"])]
    pub recipient: Option<String>,
    /// End the purpose on every basis, contracts included
    #[arg(long)]
    pub every_basis: bool,
    /// Write a signed receipt to this file, which must not exist
    #[arg(long, value_name = "FILE")]
    pub receipt: Option<PathBuf>,
}

/// What `erase` is asked.
#[derive(Args, Debug)]
pub struct Erase {
    #[command(flatten)]
    pub whom: Whom,
    /// Why, for the journal: 1 to 200 bytes, never personal data
    #[arg(long, value_name = "TEXT")]
    pub why: String,
    /// Write the signed receipt to this file, which must not exist; without it, to the configuration's directory, if
    /// there is one
    #[arg(long, value_name = "FILE")]
    pub receipt: Option<PathBuf>,
}

/// What `requests` is asked.
#[derive(Args, Debug)]
pub struct Requests {
    /// List only those whose deadline is over
    #[arg(long)]
    pub late: bool,
    #[command(subcommand)]
    pub what: Option<OfRequests>,
}

#[derive(Debug, Subcommand)]
pub enum OfRequests {
    /// Record a request; it is due one month after it arrived (Art. 12(3) GDPR)
    Add {
        #[command(flatten)]
        whom: Whom,
        /// What is asked for
        #[arg(long)]
        kind: Kind,
        /// When it arrived, such as `2026-11-24` or `2026-11-24T09:30:00Z`; now unless said
        #[arg(long, value_name = "TIME")]
        arrived: Option<String>,
        /// Record the request of somebody whom the register does not know: an answer is due all the same
        #[arg(long)]
        new: bool,
    },
    /// Close a request for good; a closed request for erasure is not carried out
    Answer {
        /// The request, as `requests` shows it
        id: String,
        /// How
        answer: Answered,
        /// Why. Required for `refused`, since the person must be told why (Art. 12(4) GDPR); and for `done` of an
        /// erasure, a restriction or an objection, which this command does not carry out: say what was done
        #[arg(long, value_name = "TEXT", required_if_eq("answer", "refused"))]
        why: Option<String>,
    },
    /// Record a note about a request, open or closed, in the journal; nothing else changes
    Note {
        /// The request, as `requests` shows it
        id: String,
        /// The note, for the journal: 1 to 200 bytes, never personal data
        text: String,
    },
    /// Show a request, open or closed, and whether it is signed
    Show {
        /// The request, as `requests` shows it
        id: String,
    },
    /// Extend a complex request by two months; the person must be told why within the first month (Art. 12(3) GDPR)
    Extend {
        /// The request, as `requests` shows it
        id: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
}

/// What is asked for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Kind {
    /// Art. 15
    Access,
    /// Art. 16
    Rectification,
    /// Art. 17
    Erasure,
    /// Art. 18
    Restriction,
    /// Art. 20
    Portability,
    /// Art. 21
    Objection,
}

impl From<Kind> for RequestKind {
    fn from(kind: Kind) -> RequestKind {
        match kind {
            Kind::Access => RequestKind::Access,
            Kind::Rectification => RequestKind::Rectification,
            Kind::Erasure => RequestKind::Erasure,
            Kind::Restriction => RequestKind::Restriction,
            Kind::Portability => RequestKind::Portability,
            Kind::Objection => RequestKind::Objection,
        }
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub enum Answered {
    /// It was done
    Done,
    /// It was refused
    Refused,
    /// The person took it back
    Withdrawn,
}

/// What `holds` is asked.
#[derive(Args, Debug)]
pub struct Holds {
    #[command(subcommand)]
    pub what: Option<OfHolds>,
}

#[derive(Debug, Subcommand)]
pub enum OfHolds {
    /// List the holds that stand; all of them unless a customer is named
    List {
        /// The customer, as the application names them
        #[arg(value_name = "SUBJECT", allow_negative_numbers = true)]
        subject: Option<String>,
    },
    /// Place a hold
    Add {
        #[command(flatten)]
        whom: Whom,
        /// Until when, such as `2027-06-30` (its first moment, in UTC) or `2027-06-30T18:00:00Z`
        #[arg(long, value_name = "TIME")]
        until: String,
        /// Why, for the journal: 1 to 200 bytes, never personal data
        #[arg(long, value_name = "TEXT")]
        why: String,
        /// Hold this purpose only
        #[arg(long, value_name = "NAME")]
        purpose: Option<String>,
    },
    /// End a hold before its time; data that waited for its end is shredded
    Lift {
        /// The hold, as `holds` shows it
        id: String,
        /// Why, for the journal
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
}

/// What `sweep` is asked.
#[derive(Args, Debug)]
pub struct Sweep {
    /// Shred nothing, and list what is due (exit code 1 if anything is)
    #[arg(long)]
    pub dry_run: bool,
}

/// What `export` is asked.
#[derive(Args, Debug)]
pub struct Export {
    #[command(flatten)]
    pub whom: Whom,
    /// Print only the data that they may take along, on one line: purposes by consent or contract (Art. 20 GDPR)
    #[arg(long)]
    pub portable: bool,
    /// Write the document to this file, which must not exist
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// What `breach` is asked.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("leak").multiple(true).required(true))]
pub struct Breach {
    /// When the breach became known; the authority must be told within 72 hours (Art. 33(1) GDPR)
    #[arg(long, value_name = "TIME")]
    pub known_since: String,
    /// The application's database, as it was at this time
    #[arg(long, value_name = "TIME", group = "leak", help_heading = "What leaked; each as often as needed")]
    pub database: Vec<String>,
    /// A backup of the application's database from this time
    #[arg(long, value_name = "TIME", group = "leak", help_heading = "What leaked; each as often as needed")]
    pub backup: Vec<String>,
    /// The answers of a program that may open these purposes (`orders,newsletter`), between two times
    #[arg(long, num_args = 3, value_names = ["PURPOSES", "FROM", "TO"], group = "leak", help_heading = "What leaked; each as often as needed")]
    pub service: Vec<String>,
    /// The memory of such a program, if somebody read it or ran code in it: the root key leaked too
    #[arg(long, num_args = 3, value_names = ["PURPOSES", "FROM", "TO"], group = "leak", help_heading = "What leaked; each as often as needed")]
    pub service_memory: Vec<String>,
    /// The root key or passphrase that was in use at this generation
    #[arg(
        id = "leaked_root_key",
        long = "root-key",
        value_name = "GENERATION",
        group = "leak",
        help_heading = "What leaked; each as often as needed"
    )]
    pub root_key: Vec<u64>,
    /// The key of the root key's version with this number, if the root key has versions in a token
    #[arg(long, value_name = "NUMBER", group = "leak", help_heading = "What leaked; each as often as needed")]
    pub root_key_version: Vec<u64>,
    /// The token with the root key, or its use, between two times; for a stolen or cloned token give its time twice
    #[arg(long, num_args = 2, value_names = ["FROM", "TO"], group = "leak", help_heading = "What leaked; each as often as needed")]
    pub token: Vec<String>,
    /// The root record of this generation
    #[arg(long, value_name = "GENERATION", group = "leak", help_heading = "What leaked; each as often as needed")]
    pub root_record: Vec<u64>,
    /// The pages, as they were at this generation
    #[arg(long, value_name = "GENERATION", group = "leak", help_heading = "What leaked; each as often as needed")]
    pub pages: Vec<u64>,
    /// The whole key store of this generation: root record and pages
    #[arg(long, value_name = "GENERATION", group = "leak", help_heading = "What leaked; each as often as needed")]
    pub key_store: Vec<u64>,
    /// An audit file, which says what a program opened; give all of them, and only if all openings are audited
    #[arg(long = "audit", value_name = "FILE")]
    pub audits: Vec<PathBuf>,
    /// Write the list of persons to inform (Art. 34 GDPR) to this file, which must not exist; the list is personal data
    #[arg(long, value_name = "FILE")]
    pub persons: Option<PathBuf>,
}
