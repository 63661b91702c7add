//! Errors of commits that change what a vault has: its root key, its key trees, the epochs of its indexes.

use crate::error::{KeyStoreError, Outcome};
use crate::index::Epoch;
use crate::journal::{KeyTreeId, SeriesName};

/// Why no token was made.
///
/// ```
/// use oubliette::{Field, Index, Purpose, Vault, bits, personal::Email};
/// const ORDERS: Purpose = Purpose::new("orders");
/// const EMAIL: Field<Email> = ORDERS.field("email");
/// const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(32));
///
/// let news_only = Vault::in_memory([Purpose::new("newsletter")]);
/// match news_only.tokens(BY_EMAIL, &"alice@example.com".parse()?) {
///     Ok(tokens) => println!("WHERE email_idx IN ({} tokens)", tokens.len()),
///     Err(oubliette::search::TokenError::KeyStore(error)) => eprintln!("later: {error}"),
///     Err(error) => eprintln!("the program opens its vault otherwise: {error}"), // `purposes` lacks ORDERS
/// }
/// # Ok::<(), oubliette::personal::Invalid>(())
/// ```
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The index's purpose was not among those the vault was unlocked with.
    #[error("purpose {purpose:?} is not unlocked; name it in `purposes` when unlocking")]
    PurposeNotUnlocked {
        /// The purpose.
        purpose: &'static str,
    },
    /// The vault was created before there were indexes.
    #[error("the vault has no key tree for indexes yet; unlock it once with `add_missing_purposes`")]
    NoIndexes,
    /// The key store could not be used.
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
}

impl TokenError {
    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            TokenError::PurposeNotUnlocked { .. } | TokenError::NoIndexes => Outcome::Investigate,
            TokenError::KeyStore(error) => error.outcome(),
        }
    }
}

/// Why a root key, a key tree, an epoch or a series was not, or not certainly, changed. What is true differs by variant.
///
/// ```
/// use oubliette::{ChangeError, Commit, Purpose, Vault, renewal::KeyTreeId};
///
/// fn new_tree(vault: &Vault, purpose: Purpose) -> Result<(KeyTreeId, Commit), ChangeError> {
///     vault.rotate_purpose(purpose).inspect_err(|error| match error {
///         ChangeError::NothingHappened(cause) => eprintln!("as before: {cause}"),
///         ChangeError::NotInEveryPlace(_) => eprintln!("made: do not make another"),
///         ChangeError::Unknown(_) => eprintln!("made or not: look at the vault's status before you make another"),
///         error => eprintln!("refused, and as before: {error}"),
///     })
/// }
/// # const ORDERS: Purpose = Purpose::new("orders");
/// # new_tree(&Vault::in_memory([ORDERS]), ORDERS)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The purpose was not among those the vault was unlocked with. Nothing happened.
    #[error("purpose {purpose:?} is not unlocked; name it in `purposes` when unlocking")]
    PurposeNotUnlocked {
        /// The purpose.
        purpose: &'static str,
    },
    /// The vault was created before there were indexes. Nothing happened.
    #[error("the vault has no key tree for indexes yet; unlock it once with `add_missing_purposes`")]
    NoIndexes,
    /// The epoch is the one that tokens are made in. Nothing happened.
    #[error("epoch {epoch} is the current one; begin another, renew the tokens, then retire this one")]
    CurrentEpoch {
        /// The epoch.
        epoch: Epoch,
    },
    /// The epoch has not begun. Nothing happened.
    #[error("epoch {epoch} has not begun")]
    EpochNotBegun {
        /// The epoch.
        epoch: Epoch,
    },
    /// All 128 epochs were used. Nothing happened.
    #[error("all 128 epochs of this index were used; declare a new index under another label")]
    EpochsExhausted,
    /// The tree named as the new one is not of this purpose, or was retired so long ago that another tree took its room. Nothing happened.
    #[error("{tree} is not a key tree of this purpose; take it from `rotate_purpose` or `status`")]
    UnknownTree {
        /// The tree.
        tree: KeyTreeId,
    },
    /// The root record exists in one place only, and the new tree with it: losing that place would lose all that was
    /// moved. Nothing happened.
    #[error("the root record is in one place only; attach a mirror before the old key tree is retired")]
    OnePlace,
    /// The new root key is the current one. Nothing happened.
    #[error("nothing happened: the new root key is the current one; give another")]
    SameKey,
    /// The root key has no versions; or the vault was opened as a copy, which begins none. Nothing happened.
    #[error("the root key has no versions here; `rotate_root_key` moves to another one")]
    NoVersions,
    /// The root key given is not in a token; or the vault was opened as a copy, which destroys no keys. Nothing happened.
    #[error("no key was destroyed: the root key given is not in a token, or the vault was opened as a copy")]
    NotInToken,
    /// The root record names this series: without its key nothing opens. Nothing happened.
    #[error("no key was destroyed: the root record is under the series {series}; rotate to another root key first")]
    SeriesInUse {
        /// The series.
        series: SeriesName,
    },
    /// The token has nothing of this series. Nothing happened.
    #[error("the token has no series {series}: is it another token, or was it destroyed before?")]
    SeriesNotThere {
        /// The series.
        series: SeriesName,
    },
    /// The series is another vault's, by its name. Nothing happened.
    #[error("no key was destroyed: the series {series} is not this vault's; another vault may need it")]
    SeriesOfAnotherVault {
        /// The series.
        series: SeriesName,
    },
    /// Nothing happened.
    #[error("nothing happened")]
    NothingHappened(#[source] KeyStoreError),
    /// It is done, durably, but an older copy of the root record could not be overwritten: whoever gets it, with the root key that it
    /// is under, still has the keys that were given up. Retire again, or rotate or shred, until that succeeds: it overwrites the copy.
    #[error(
        "done, but an older copy of the root record remains; retire, rotate or shred again until that succeeds, which overwrites it"
    )]
    OldCopyRemains(#[source] KeyStoreError),
    /// The new tree or epoch is made, but a place could not be written. No process seals under it, or makes tokens in it, until every place has
    /// it, which the next commit that reaches them all brings about. Do not make another.
    #[error("made, but not in every place yet, and not used until it is; do not make another")]
    NotInEveryPlace(#[source] KeyStoreError),
    /// It is not known whether a tree or an epoch was made or retired. To retire, call again; before you make another, ask
    /// [`status`](crate::Vault::status) or [`epochs`](crate::Vault::epochs).
    #[error(
        "it is not known whether it happened; to retire, call again; before you make another, ask `status` or `epochs`"
    )]
    Unknown(#[source] KeyStoreError),
    /// It is not known whether the root key was rotated; keep both, and unlock with both.
    #[error("it is not known whether the root key was rotated; keep both, and unlock with both")]
    RootKeyUnknown(#[source] KeyStoreError),
    /// Keys of the series may be left. Call again; with a journal, the next to unlock the vault with this token does it.
    #[error("keys of the series may be left; try again")]
    SeriesLeft(#[source] KeyStoreError),
}

impl ChangeError {
    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            ChangeError::PurposeNotUnlocked { .. }
            | ChangeError::NoIndexes
            | ChangeError::CurrentEpoch { .. }
            | ChangeError::EpochNotBegun { .. }
            | ChangeError::EpochsExhausted
            | ChangeError::UnknownTree { .. }
            | ChangeError::OnePlace
            | ChangeError::SameKey
            | ChangeError::NoVersions
            | ChangeError::NotInToken
            | ChangeError::SeriesInUse { .. }
            | ChangeError::SeriesNotThere { .. }
            | ChangeError::SeriesOfAnotherVault { .. } => Outcome::Investigate,
            ChangeError::NothingHappened(cause)
            | ChangeError::OldCopyRemains(cause)
            | ChangeError::NotInEveryPlace(cause)
            | ChangeError::Unknown(cause)
            | ChangeError::RootKeyUnknown(cause)
            | ChangeError::SeriesLeft(cause) => cause.outcome(),
        }
    }
}

/// What an index cannot be used for, nothing happens to.
impl From<TokenError> for ChangeError {
    fn from(error: TokenError) -> ChangeError {
        match error {
            TokenError::PurposeNotUnlocked { purpose } => ChangeError::PurposeNotUnlocked { purpose },
            TokenError::NoIndexes => ChangeError::NoIndexes,
            TokenError::KeyStore(cause) => ChangeError::NothingHappened(cause),
        }
    }
}

crate::journal::message::debug_as_message!(TokenError, ChangeError);
