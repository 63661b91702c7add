//! How the command ends: its exit codes, and failures that carry one.

mod codes;

use std::error::Error;
use std::fmt;

use oubliette::journal::{JournalError, ReceiptError};
use oubliette::{ChangeError, KeyStoreError, Outcome, ShredError, UnlockError, recovery::RecoverError};
use oubliette_register::RegisterError;
use oubliette_register::access::AccessError;

use crate::words;

pub use codes::{CODES, help};

/// What the exit code says. The numbers are promised: scripts branch on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Done, and nothing to report.
    Done = 0,
    /// Done, and something was found that can wait.
    Found = 1,
    /// Done, and something was found that cannot wait.
    Grave = 2,
    /// Whom it concerns was shredded: there is nothing left.
    Erased = 3,
    /// A legal hold stands.
    Held = 4,
    /// What is good was shown; what is damaged was marked, and left out.
    Incomplete = 5,
    /// It needs the vault, and an officer's desk has none.
    NeedsVault = 6,
    /// The command was not understood.
    Usage = 64,
    /// Damage, tampering, or a key store that was rolled back.
    Investigate = 65,
    /// What was named does not exist.
    Missing = 66,
    /// The answer was not written whole.
    Unwritten = 74,
    /// Nothing happened, and it may work later.
    TryAgain = 75,
    /// It happened in part, or it is not known whether it happened.
    Unsettled = 76,
    /// Refused: not confirmed, not permitted, not the right key.
    Refused = 77,
    /// The configuration is wrong.
    Config = 78,
}

impl Exit {
    /// The word for machines.
    pub fn word(self) -> &'static str {
        match self {
            Exit::Done => "done",
            Exit::Found => "found",
            Exit::Grave => "grave",
            Exit::Erased => "erased",
            Exit::Held => "held",
            Exit::Incomplete => "incomplete",
            Exit::NeedsVault => "needs_vault",
            Exit::Usage => "usage",
            Exit::Investigate => "investigate",
            Exit::Missing => "missing",
            Exit::Unwritten => "unwritten",
            Exit::TryAgain => "try_again",
            Exit::Unsettled => "unsettled",
            Exit::Refused => "refused",
            Exit::Config => "configuration",
        }
    }
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Exit {
        match outcome {
            Outcome::Erased => Exit::Erased,
            Outcome::TryAgain => Exit::TryAgain,
            Outcome::Investigate => Exit::Investigate,
        }
    }
}

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub message: String,
}

impl Failure {
    pub fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure { exit, message: words::in_commands(&message.into()) }
    }

    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, message)
    }

    /// An error with its causes.
    pub fn of(exit: Exit, error: &(dyn Error + 'static)) -> Failure {
        Failure::new(exit, chain(error))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// An error and its causes, in the command's words.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    words::in_commands(&oubliette::journal::message::chain(error))
}

/// A store's and a vault's errors sort themselves; what is the caller's mistake is told apart here.
pub fn of_key_store(error: &KeyStoreError) -> Exit {
    use oubliette::store::Problem;
    match error {
        KeyStoreError::NoVault => Exit::Missing,
        KeyStoreError::NeedsJournal => Exit::Config,
        KeyStoreError::FirstPlace { .. } => Exit::Usage,
        KeyStoreError::Journal(error) => of_journal(error),
        KeyStoreError::WrongRootKey => Exit::Refused,
        KeyStoreError::RootKey(error) if matches!(**error, oubliette::root_keys::RootKeyError::EmptyPassphrase) => {
            Exit::Refused
        }
        KeyStoreError::Store(error) => match error.problem() {
            Problem::Missing => Exit::Missing,
            Problem::TooOpen | Problem::ForeignOwner => Exit::Refused,
            Problem::Occupied | Problem::PlaceTwice | Problem::TooManyMirrors => Exit::Usage,
            _ => Exit::from(KeyStoreError::Store(error.clone()).outcome()),
        },
        other => Exit::from(other.outcome()),
    }
}

/// Of a commit of a vault that was opened: what is missing is a place of it, and not the vault.
fn of_commit(error: &KeyStoreError) -> Exit {
    match of_key_store(error) {
        Exit::Missing => Exit::TryAgain,
        exit => exit,
    }
}

/// Of a vault that cannot use its journal. One that does not verify is a finding: see `journal verify`.
pub fn of_journal(error: &JournalError) -> Exit {
    match error {
        JournalError::Missing { .. } => Exit::Missing,
        JournalError::Exists { .. } => Exit::Refused,
        other => Exit::from(other.outcome()),
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Failure {
        Failure::of(of_journal(&error), &error)
    }
}

impl From<ReceiptError> for Failure {
    fn from(error: ReceiptError) -> Failure {
        let exit = match &error {
            // What cannot be issued was asked for.
            ReceiptError::Content(_) => Exit::Usage,
            other => Exit::from(other.outcome()),
        };
        Failure::of(exit, &error)
    }
}

impl From<RecoverError> for Failure {
    fn from(error: RecoverError) -> Failure {
        match error {
            RecoverError::SameKey => Failure::of(Exit::Refused, &error),
            RecoverError::KeyStore(error) => error.into(),
            RecoverError::Unlock(error) => error.into(),
            RecoverError::NotLost { place } => Failure::new(
                Exit::Refused,
                format!(
                    "place {place} is not lost, since it can be read here; to let another place decide, run \
                     `oubliette mirror hand-over`"
                ),
            ),
            RecoverError::FirstIsThere { place } => Failure::usage(format!(
                "place {place} decides, and you did not give it as lost; if it is lost, add `--lost {place}`"
            )),
            other => Failure::of(Exit::Usage, &other),
        }
    }
}

impl From<KeyStoreError> for Failure {
    fn from(error: KeyStoreError) -> Failure {
        Failure::new(of_key_store(&error), told(&error))
    }
}

/// What a vault's error says to whoever uses the command.
pub fn told(error: &KeyStoreError) -> String {
    match error {
        KeyStoreError::FirstPlaceAway { place, source } => format!(
            "the first place {place}, which decides, cannot be read ({source}); bring it back. If it is lost for \
             good and no process uses it, run `oubliette mirror promote --vault MIRROR --lost {place}`"
        ),
        KeyStoreError::FirstPlace { place } => format!(
            "place {place} is the first place, which decides; run `oubliette mirror hand-over` for another place \
             first, then detach this one"
        ),
        KeyStoreError::NeedsJournal => {
            "the vault keeps a journal, which must record this; name it with --journal, or as `journal` in the configuration".to_owned()
        }
        KeyStoreError::RolledBack { have, seen } => format!(
            "the key store was rolled back: it is at generation {have}, but generation {seen} was seen before. \
             Data that was shredded since is readable again. Put the newest root record and pages back, or run \
             `oubliette replay`. If you have checked that it was not rolled back, run `oubliette clear-alarm`"
        ),
        KeyStoreError::PagesOfAnotherVault => {
            "the pages belong to another vault; correct --pages-at, or `pages_at` in the configuration".to_owned()
        }
        KeyStoreError::PagesOfCopy => {
            "the pages belong to a copy of a vault. If this is the copy, give `--copy`, or `copy = true` in the configuration. If not, correct --pages-at. If the copy takes the original's place, run `oubliette clear-alarm`".to_owned()
        }
        KeyStoreError::MarkNotAuthentic => {
            "the mark beside the pages is damaged or forged, so nothing shows whether the vault was restored. Put the pages back from a mirror. If you have checked that the vault was not restored, run `oubliette clear-alarm`".to_owned()
        }
        other => chain(other),
    }
}

impl From<UnlockError> for Failure {
    fn from(error: UnlockError) -> Failure {
        match error {
            UnlockError::KeyStore(error) => error.into(),
            UnlockError::UnknownPurpose { purpose } => Failure::usage(format!(
                "the vault does not have the purpose {purpose:?}; `oubliette status` lists its purposes"
            )),
            UnlockError::Journal(error) => error.into(),
            UnlockError::BehindDemand { .. } => Failure::of(Exit::Investigate, &error),
            other => Failure::of(Exit::Investigate, &other),
        }
    }
}

impl From<ShredError> for Failure {
    fn from(error: ShredError) -> Failure {
        let exit = match &error {
            ShredError::NotEnrolled { .. } | ShredError::TooNew { .. } | ShredError::PurposeNotUnlocked { .. } => {
                Exit::Usage
            }
            ShredError::OldCopyRemains(_) | ShredError::Unknown(_) => Exit::Unsettled,
            ShredError::NothingHappened(cause) => of_commit(cause),
            other => Exit::from(other.outcome()),
        };
        Failure::of(exit, &error)
    }
}

impl From<ChangeError> for Failure {
    fn from(error: ChangeError) -> Failure {
        if matches!(error, ChangeError::OnePlace) {
            let message = "nothing was given up, since the root record is in one place only, and its loss would lose all moved values. First run `oubliette mirror attach`; for a key store in PostgreSQL, let a standby confirm (synchronous_standby_names), or say that the disk is replicated (`replicated_disk` in [key_store])";
            return Failure::new(Exit::Refused, message);
        }
        let exit = match &error {
            ChangeError::PurposeNotUnlocked { .. }
            | ChangeError::UnknownTree { .. }
            | ChangeError::CurrentEpoch { .. }
            | ChangeError::EpochNotBegun { .. }
            | ChangeError::EpochsExhausted => Exit::Usage,
            ChangeError::SeriesNotThere { .. } => Exit::Missing,
            ChangeError::SameKey
            | ChangeError::NoVersions
            | ChangeError::NotInToken
            | ChangeError::SeriesInUse { .. }
            | ChangeError::SeriesOfAnotherVault { .. } => Exit::Refused,
            ChangeError::NothingHappened(cause) => of_commit(cause),
            ChangeError::OldCopyRemains(_)
            | ChangeError::NotInEveryPlace(_)
            | ChangeError::Unknown(_)
            | ChangeError::RootKeyUnknown(_)
            | ChangeError::SeriesLeft(_) => Exit::Unsettled,
            other => Exit::from(other.outcome()),
        };
        Failure::of(exit, &error)
    }
}

impl From<oubliette::search::TokenError> for Failure {
    fn from(error: oubliette::search::TokenError) -> Failure {
        Failure::of(Exit::from(error.outcome()), &error)
    }
}

/// Of a call that did nothing when it failed.
impl From<RegisterError> for Failure {
    fn from(error: RegisterError) -> Failure {
        let exit = match error {
            RegisterError::Shred(error) => return error.into(),
            RegisterError::Receipt(error) => return error.into(),
            RegisterError::KeyStore(error) => return error.into(),
            RegisterError::Change(error) => return error.into(),
            RegisterError::Held { .. } | RegisterError::HoldsStand { .. } => Exit::Held,
            RegisterError::RequestClosed { .. } | RegisterError::TooLateToExtend { .. } => Exit::Refused,
            RegisterError::UnknownSubject
            | RegisterError::NoGrant { .. }
            | RegisterError::NoEvidence
            | RegisterError::PurposeNotUnlocked { .. }
            | RegisterError::Time(_)
            | RegisterError::Invalid { .. } => Exit::Usage,
            RegisterError::NoTables => Exit::Missing,
            RegisterError::OtherSchema { .. } | RegisterError::OtherVault => Exit::Config,
            RegisterError::ReceiptNotTaken(_) => Exit::Unsettled,
            ref other => Exit::from(other.outcome()),
        };
        match of_register(&error) {
            Some(message) => Failure::new(exit, message),
            None => Failure::of(exit, &error),
        }
    }
}

/// What differs between database, journal and vault, in the command's own words.
fn of_register(error: &RegisterError) -> Option<String> {
    Some(match error {
        RegisterError::JournalDiffers { what } => format!(
            "the journal's table in the database and the journal's file {what}: one of them was restored. If vault and journal were restored, data that was shredded since is readable again: stop everything, and see DRILLS.md, \"Vault and journal\""
        ),
        RegisterError::NeedsReconcile => {
            "the database is older than the journal, since it was restored; `oubliette resume` brings it up to date".to_owned()
        }
        RegisterError::Unconfirmed => "the database was restored, and sweeps wait for your confirmation. Enter again what was lost: marks and evidence since the backup; if the journal lost entries, also holds and requests. Then run `oubliette resume --confirm-restored REASON`".to_owned(),
        RegisterError::ShreddedOpens { numbers } => format!(
            "the vault opens {numbers} of this customer's numbers that the register records as shredded: the \
             vault was rolled back, or rows were changed by hand. `oubliette resume --reconcile` lists all such \
             numbers"
        ),
        RegisterError::NotSigned => "a line of the journal's table has no signature of this public key: `public_key` or [database] belongs to another vault, or the table was changed by hand. Compare the key with `oubliette journal key`, where the vault is".to_owned(),
        RegisterError::NotTheirs => "a number stands beside an id that it was not issued for: rows were changed by hand, or the database is older than the last retirement of a key tree. `oubliette resume --reconcile` lists all such numbers".to_owned(),
        RegisterError::RowsDiffer { table } => format!(
            "nothing was shredded: table {table:?} has a row of this customer under a number that the register \
             does not list for the customer, and an erasure would leave the row readable. Find out whose number \
             it is; `oubliette resume --reconcile` compares the register's numbers"
        ),
        _ => return None,
    })
}

/// Of a call that may have come half-way when it failed.
pub fn half_way(error: RegisterError) -> Failure {
    let nothing_happened = matches!(
        error,
        RegisterError::Held { .. }
            | RegisterError::HoldsStand { .. }
            | RegisterError::Shred(
                ShredError::NotEnrolled { .. } | ShredError::TooNew { .. } | ShredError::PurposeNotUnlocked { .. }
            )
            | RegisterError::UnknownSubject
            | RegisterError::BeingErased
            | RegisterError::PurposeNotUnlocked { .. }
            | RegisterError::OtherVault
            | RegisterError::OtherSchema { .. }
            | RegisterError::NeedsReconcile
            | RegisterError::Unconfirmed
            | RegisterError::RowsDiffer { .. }
    );
    let mut failure = Failure::from(error);
    if !nothing_happened {
        if failure.exit == Exit::TryAgain {
            failure.exit = Exit::Unsettled;
        }
        failure.message.push_str("; if an erasure or a shred was decided, `oubliette resume` finishes it");
    }
    failure
}

impl From<AccessError> for Failure {
    fn from(error: AccessError) -> Failure {
        match error {
            AccessError::Register(error) => error.into(),
            AccessError::Invalid { .. } | AccessError::UnknownType { .. } | AccessError::Context { .. } => {
                Failure::of(Exit::Config, &error)
            }
            other => Failure::of(Exit::from(other.outcome()), &other),
        }
    }
}
