//! Errors of values: sealed, opened.

#[cfg(feature = "derive")]
use super::TokenError;
use super::{KeyStoreError, Outcome};
use crate::customer::CustomerId;
use crate::field::Belongs;

/// Why a value, or a record of them, was not sealed. Nothing was given out.
///
/// ```
/// use oubliette::{CustomerId, Field, Outcome, Purpose, SealError, Sealed, Vault, personal::Email};
///
/// const EMAIL: Field<Email> = Purpose::new("orders").field("email");
///
/// fn seal(vault: &Vault, customer: CustomerId, email: &Email) -> Result<Sealed<Email>, SealError> {
///     vault.seal(customer, EMAIL, email).inspect_err(|error| match error {
///         SealError::Shredded { at } => eprintln!("{at} was shredded: consent given anew needs a new number"),
///         error if error.outcome() == Outcome::TryAgain => eprintln!("later: {error}"),
///         error => eprintln!("a bug: {error}"),
///     })
/// }
/// # let vault = Vault::in_memory([EMAIL.purpose()]);
/// # let alice = vault.enroll()?;
/// # vault.shred([alice])?;
/// # assert!(matches!(seal(&vault, alice, &"alice@example.com".parse()?), Err(SealError::Shredded { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The customer was shredded in this purpose. Consent given anew needs a new number: `enroll` again.
    #[error("{at} was shredded; for consent given anew, `enroll` a new number")]
    Shredded {
        /// Where the value belongs.
        at: Belongs,
    },
    /// The vault never issued this number.
    #[error("{at}: the vault never issued this number; take it from `enroll`")]
    NotEnrolled {
        /// Where the value belongs.
        at: Belongs,
    },
    /// The field's purpose was not among those the vault was unlocked with.
    #[error("purpose {purpose:?} is not unlocked; name it in `purposes` when unlocking")]
    PurposeNotUnlocked {
        /// The purpose.
        purpose: &'static str,
    },
    /// The reader's limits do not let it seal this field.
    #[error("{at}: sealing is not among what this reader is allowed; widen its `Limits`, or use the vault")]
    NotAllowed {
        /// Where the value belongs.
        at: Belongs,
    },
    /// The value has more bytes than a field may hold.
    #[error("{at}: the value has {bytes} bytes, and a field holds 16 MiB at most")]
    TooLarge {
        /// Where the value belongs.
        at: Belongs,
        /// Its size.
        bytes: usize,
    },
    /// A field was put in a group of another purpose. One that can be shredded alone stays in a column of its own.
    #[error("{at}: the group {group:?} is of another purpose; a group holds fields of its own purpose only")]
    OtherPurpose {
        /// Where the value belongs.
        at: Belongs,
        /// The group's label.
        group: &'static str,
    },
    /// The group would have more than 64 members, counting those that it keeps unopened.
    #[error("{at}: the group would have {count} members, and may have 64; take out those that are not used any more")]
    TooManyMembers {
        /// Where the group belongs.
        at: Belongs,
        /// How many there are.
        count: usize,
    },
    /// A value read as plaintext was about to be written, by a [`MaybeSealed`](crate::columns::MaybeSealed). Seal it first.
    #[error("a value read as plaintext is not written back; seal it first")]
    Plaintext,
    /// A value of a record was not sealed.
    #[cfg(feature = "derive")]
    #[cfg_attr(docsrs, doc(cfg(feature = "derive")))]
    #[error("column {column:?} was not sealed")]
    InColumn {
        /// The field of the record.
        column: &'static str,
        /// Why.
        source: Box<SealError>,
    },
    /// A value of a record has no token.
    #[cfg(feature = "derive")]
    #[cfg_attr(docsrs, doc(cfg(feature = "derive")))]
    #[error("column {column:?} has no token")]
    NoToken {
        /// The field of the twin.
        column: &'static str,
        /// Why.
        source: TokenError,
    },
    /// A value of another purpose is kept, and the record has no customer number for that purpose.
    #[cfg(feature = "derive")]
    #[cfg_attr(docsrs, doc(cfg(feature = "derive")))]
    #[error("column {column:?} has a value, and the record no customer number for {purpose:?}; `enroll` one")]
    NoCustomer {
        /// The field of the record.
        column: &'static str,
        /// The value's purpose.
        purpose: &'static str,
    },
    /// The key store could not be used.
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
}

impl SealError {
    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            SealError::Shredded { .. } => Outcome::Erased,
            SealError::NotEnrolled { .. }
            | SealError::PurposeNotUnlocked { .. }
            | SealError::NotAllowed { .. }
            | SealError::TooLarge { .. }
            | SealError::OtherPurpose { .. }
            | SealError::TooManyMembers { .. }
            | SealError::Plaintext => Outcome::Investigate,
            #[cfg(feature = "derive")]
            SealError::InColumn { source, .. } => source.outcome(),
            #[cfg(feature = "derive")]
            SealError::NoToken { source, .. } => source.outcome(),
            #[cfg(feature = "derive")]
            SealError::NoCustomer { .. } => Outcome::Investigate,
            SealError::KeyStore(error) => error.outcome(),
        }
    }
}

/// Why a value was not opened.
///
/// ```
/// use oubliette::{CustomerId, Field, OpenError, Outcome, Purpose, Sealed, Vault, personal::Email};
/// const EMAIL: Field<Email> = Purpose::new("orders").field("email");
///
/// fn email(vault: &Vault, customer: CustomerId, column: &Sealed<Email>) -> Result<Email, u16> {
///     vault.open(customer, EMAIL, column).map_err(|error| match error {
///         OpenError::OtherCustomer { found, .. } => {
///             eprintln!("a bug: the row has a value of customer {found}");
///             500
///         }
///         error => match error.outcome() {
///             Outcome::Erased => 410,
///             Outcome::TryAgain => 503,
///             Outcome::Investigate => 500,
///         },
///     })
/// }
/// # let vault = Vault::in_memory([EMAIL.purpose()]);
/// # let (alice, bob) = (vault.enroll()?, vault.enroll()?);
/// # let sealed = vault.seal(alice, EMAIL, &"alice@example.com".parse()?)?;
/// # assert!(email(&vault, bob, &sealed).is_err_and(|status| status == 500));
/// # vault.shred([alice])?;
/// # assert!(email(&vault, alice, &sealed).is_err_and(|status| status == 410));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The value is of another customer: the commonest real bug, told from its clear bytes.
    #[error("{at}: the value was sealed for customer {found}; was it copied between rows?")]
    OtherCustomer {
        /// Where it was expected to belong.
        at: Belongs,
        /// The customer it names.
        found: CustomerId,
    },
    /// The value is of another purpose of this vault.
    #[error("{at}: the value was sealed for the purpose {found:?}; was it copied between columns?")]
    OtherPurpose {
        /// Where it was expected to belong.
        at: Belongs,
        /// The purpose it names.
        found: String,
    },
    /// No key tree of this vault is the value's: it is of another vault, or of one whose key store was lost.
    #[error("{at}: the value was sealed by another vault; is this the right key store for this database?")]
    OtherVault {
        /// Where it was expected to belong.
        at: Belongs,
    },
    /// The vault never issued this number.
    #[error("{at}: the vault never issued this number; take it from `enroll`")]
    NotEnrolled {
        /// Where it was expected to belong.
        at: Belongs,
    },
    /// The customer was shredded in this purpose: the value is gone for good.
    #[error("{at} was shredded: the value is gone for good")]
    Shredded {
        /// Where it belonged.
        at: Belongs,
    },
    /// The value's key tree was retired before the value was sealed anew: it is gone for good.
    #[error("{at}: its key tree was retired before it was sealed anew: the value is gone for good")]
    Retired {
        /// Where it belonged.
        at: Belongs,
    },
    /// Authentic, and sealed in a copy of this vault, such as a staging system or a restore drill.
    #[error(
        "{at}: sealed in a copy of this vault, as in a staging system or a drill; find out how it got into this database"
    )]
    SealedInCopy {
        /// Where it was expected to belong.
        at: Belongs,
    },
    /// Authentic, and sealed in a state that is not of this vault's history. This value alone is refused, and
    /// [`Health::alarm`](crate::status::Health::alarm) reports it.
    #[error(
        "{at}: sealed at generation {seen} or later, in a state that is not of this vault's history (now at {have}): the key store was restored \
         from a backup, or the value was sealed in a copy. This value is refused; find out which"
    )]
    NotOfThisHistory {
        /// Where it belongs.
        at: Belongs,
        /// The generation the store has now.
        have: u64,
        /// The lowest generation in which the value can have been sealed.
        seen: u64,
    },
    /// The value was changed, or sealed as another field, type or context. One answer for all of these.
    #[error("{at}: not authentic: {}", if *is_cut { CUT } else { CHANGED })]
    NotAuthentic {
        /// Where it was expected to belong.
        at: Belongs,
        /// True when no value of this type has its length.
        is_cut: bool,
    },
    /// Authentic, but no value of the field's type.
    #[error("{at}: authentic, but not a value of this type; was the type changed without changing its tag?")]
    InvalidContent {
        /// Where it belongs.
        at: Belongs,
    },
    /// Authentic, and the group has a value of another type under this field's label.
    #[error("{at}: the group holds a value of the type {found:?} under this label, which is not the field's type")]
    OtherType {
        /// Where it belongs.
        at: Belongs,
        /// The tag of the type that was found.
        found: String,
    },
    /// The group has no value of a field that the record requires.
    #[error(
        "{at} is not in the group {group:?}; was the field added to the record before a job put it into the rows? \
         Make it optional until then"
    )]
    NotInGroup {
        /// Where it was expected to belong.
        at: Belongs,
        /// The group's label.
        group: &'static str,
    },
    /// Authentic, and the group was encoded by a newer version of this crate.
    #[error("{at}: encoded by a newer version of oubliette (group format {found}); upgrade this program")]
    NewerGroup {
        /// Where the group belongs.
        at: Belongs,
        /// The version found.
        found: u8,
    },
    /// The field's purpose was not among those the vault was unlocked with.
    #[error("purpose {purpose:?} is not unlocked; name it in `purposes` when unlocking")]
    PurposeNotUnlocked {
        /// The purpose.
        purpose: &'static str,
    },
    /// The reader's limits do not let it open this field. Nothing was opened.
    #[error("{at} is not among what this reader is allowed; widen its `Limits`, or find out why it was asked for")]
    NotAllowed {
        /// Where it was expected to belong.
        at: Belongs,
    },
    /// The reader is audited, and the opening could not be written down. Nothing was given out.
    #[error("{at} was not given out, since the audit could not write the opening down")]
    NotAudited {
        /// Where it belongs.
        at: Belongs,
        /// What is wrong with the audit.
        #[source]
        source: crate::audit::AuditError,
    },
    /// It is plaintext, and [`OnPlaintext::Refuse`](crate::columns::OnPlaintext::Refuse) was asked for.
    #[error("{at}: plaintext where only sealed values are accepted; was the row missed when the others were sealed?")]
    PlaintextRefused {
        /// Where it belongs.
        at: Belongs,
    },
    /// It is plaintext that the field's type does not accept. Parse [`MaybeSealed::expose_personal_data`](crate::columns::MaybeSealed::expose_personal_data)
    /// to learn why.
    #[error("{at}: plaintext that is not a value of the field's type; correct it, then seal it")]
    InvalidPlaintext {
        /// Where it belongs.
        at: Belongs,
    },
    /// The key store could not be used, or was rolled back.
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
}

const CHANGED: &str = "tampered with, or sealed as another field or within another context";
const CUT: &str =
    "no value of this type has its length: it was cut off or filled up by its column, or sealed as another type";

impl OpenError {
    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            OpenError::Shredded { .. } | OpenError::Retired { .. } => Outcome::Erased,
            OpenError::OtherCustomer { .. }
            | OpenError::OtherPurpose { .. }
            | OpenError::OtherVault { .. }
            | OpenError::NotEnrolled { .. }
            | OpenError::NotAuthentic { .. }
            | OpenError::SealedInCopy { .. }
            | OpenError::NotOfThisHistory { .. }
            | OpenError::InvalidContent { .. }
            | OpenError::OtherType { .. }
            | OpenError::NotInGroup { .. }
            | OpenError::NewerGroup { .. }
            | OpenError::NotAllowed { .. }
            | OpenError::PlaintextRefused { .. }
            | OpenError::InvalidPlaintext { .. }
            | OpenError::PurposeNotUnlocked { .. } => Outcome::Investigate,
            OpenError::NotAudited { source, .. } => source.outcome(),
            OpenError::KeyStore(error) => error.outcome(),
        }
    }
}

/// Turns "shredded" into `None`, like an optional row.
///
/// ```
/// use oubliette::{Field, Purpose, UnlessShredded, Vault, personal::Email};
/// const EMAIL: Field<Email> = Purpose::new("orders").field("email");
/// # let vault = Vault::in_memory([EMAIL.purpose()]);
/// # let alice = vault.enroll()?;
///
/// let column = vault.seal(alice, EMAIL, &"alice@example.com".parse()?)?;
/// vault.shred([alice])?;
/// assert!(vault.open(alice, EMAIL, &column).unless_shredded()?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait UnlessShredded<T> {
    /// `Ok(None)` if the customer was shredded; any other error stays one.
    ///
    /// # Errors
    /// Every [`OpenError`] but [`OpenError::Shredded`].
    fn unless_shredded(self) -> Result<Option<T>, OpenError>;
}

impl<T> UnlessShredded<T> for Result<T, OpenError> {
    fn unless_shredded(self) -> Result<Option<T>, OpenError> {
        match self {
            Ok(value) => Ok(Some(value)),
            Err(OpenError::Shredded { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

crate::journal::message::debug_as_message!(SealError, OpenError);
