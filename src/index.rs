//! Blind indexes: tokens to search sealed values by, whose keys can be forgotten.

mod forms;
mod plan;
mod serial;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use crate::field::{Field, LABEL_BYTES, Purpose};
use crate::journal::{InvalidName, check_name};
use crate::parse::ParseError;
use crate::personal::{Canonical, CanonicalForm, PersonalData, TypeTag};

pub use plan::{Plan, PlanWarning};

/// Most bits of a token: a whole HMAC-SHA256.
const MOST_BITS: u16 = 256;
/// Most bytes of a token: an epoch, and a whole HMAC-SHA256.
const MOST_TOKEN_BYTES: usize = 1 + 32;

/// How many bits of an HMAC a token keeps: 1 to 256. See [`Index`] for how to choose.
///
/// ```
/// use oubliette::{Bits, bits};
/// const IN_CODE: Bits = bits(32);
/// let from_configuration = Bits::try_new(32).ok_or("a token keeps 1 to 256 bits")?;
/// assert_eq!(IN_CODE, from_configuration);
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bits(u16);

/// Declares how many bits of an HMAC a token keeps; meant for constants.
///
/// # Panics
/// Outside a constant, unless it is 1 to 256.
#[must_use]
#[allow(clippy::panic)] // this is how a const fn refuses at compile time
pub const fn bits(bits: u16) -> Bits {
    match Bits::try_new(bits) {
        Some(bits) => bits,
        None => panic!("a token keeps 1 to 256 bits"),
    }
}

impl Bits {
    /// The number given to [`bits`], checked at run time. `None` unless it is 1 to 256.
    #[must_use]
    pub const fn try_new(bits: u16) -> Option<Bits> {
        if bits >= 1 && bits <= MOST_BITS { Some(Bits(bits)) } else { None }
    }

    /// The number, 1 to 256.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Bytes that a token's HMAC takes: 1 to 32.
    pub(crate) const fn bytes(self) -> usize {
        self.0.div_ceil(8) as usize
    }
}

/// An exact-match index on a field: what fills a column beside the sealed one, for `WHERE email_idx IN (...)`.
///
/// A token is HMAC-SHA256 of the value's [canonical form](Canonical) under a key of this index and epoch, cut to a
/// stated number of bits, behind one byte that names the epoch. Writing and querying use the same form, since both go
/// through [`Vault::token`](crate::Vault::token) and [`Vault::tokens`](crate::Vault::tokens).
///
/// ```
/// use oubliette::{Field, Index, Purpose, bits, personal::Email};
/// const ORDERS: Purpose = Purpose::new("orders");
/// const EMAIL: Field<Email> = ORDERS.field("email");
/// const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(32));
/// ```
///
/// # What it gives away
/// Whoever sees the column sees which rows have equal values. Whoever also has the root record and root key can compute
/// tokens, and so try all phone numbers. Few bits blur both: some rows then match by chance, and the application drops
/// them after opening. [`Index::plan`] tells how many.
///
/// # What a shred does not reach
/// Index keys are the vault's, not a customer's, and change with the index's [epoch](Epoch). The token of a shredded customer
/// stays in old backups, and confirms a guessed value, until its epoch is [retired](crate::Vault::retire_epoch). In the live
/// database set it to NULL when you shred.
///
/// # How many bits
/// The number is fixed for ever. Ask [`Index::plan`] with as many rows as the table may have one day. **For a login that must be unique take
/// `bits(64)` or more**: with 32, a UNIQUE column among a hundred thousand customers more likely than not refuses an innocent.
pub struct Index<T> {
    field: Field<T>,
    label: &'static str,
    bits: Bits,
    form: fn(&T) -> CanonicalForm,
}

impl<T: Canonical> Field<T> {
    /// Declares an index of this field on the whole value; meant for constants. The label and the number of bits are
    /// fixed for ever: they take part in the tokens.
    ///
    /// # Panics
    /// Outside a constant, on a label that [`Field::try_index`] would refuse.
    #[must_use]
    #[allow(clippy::panic)] // this is how a const fn refuses at compile time
    pub const fn index(self, label: &'static str, bits: Bits) -> Index<T> {
        match self.try_index(label, bits, T::canonical_form) {
            Ok(index) => index,
            Err(_) => panic!("an index's label has 1 to 64 bytes and no control characters"),
        }
    }
}

impl<T: PersonalData> Field<T> {
    /// Declares an index on something that follows from the value: the domain of an email, the last four digits of a
    /// phone number; meant for constants. To query, give [`Vault::tokens_of`](crate::Vault::tokens_of) such a form.
    ///
    /// # Panics
    /// Outside a constant, on a label that [`Field::try_index`] would refuse.
    #[must_use]
    #[allow(clippy::panic)] // this is how a const fn refuses at compile time
    pub const fn index_by(self, label: &'static str, bits: Bits, form: fn(&T) -> CanonicalForm) -> Index<T> {
        match self.try_index(label, bits, form) {
            Ok(index) => index,
            Err(_) => panic!("an index's label has 1 to 64 bytes and no control characters"),
        }
    }

    /// Declares an index whose label is known at run time only.
    ///
    /// # Errors
    /// [`InvalidName`] unless the label has 1 to 64 bytes and no control characters.
    pub const fn try_index(
        self,
        label: &'static str,
        bits: Bits,
        form: fn(&T) -> CanonicalForm,
    ) -> Result<Index<T>, InvalidName> {
        match check_name(label, LABEL_BYTES) {
            Ok(()) => Ok(Index { field: self, label, bits, form }),
            Err(error) => Err(error),
        }
    }
}

impl<T: PersonalData> Index<T> {
    /// The field.
    #[must_use]
    pub const fn field(self) -> Field<T> {
        self.field
    }

    /// The label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        self.label
    }

    /// How many bits of the HMAC a token keeps.
    #[must_use]
    pub const fn bits(self) -> Bits {
        self.bits
    }

    /// True when a token has exactly as many bits as this index. One with another number of bits is found by no query. To learn whether a
    /// token is of a given value, make that value's token.
    #[must_use]
    pub fn fits(self, token: &Token<T>) -> bool {
        let unused = self.bits.bytes() * 8 - usize::from(self.bits.0);
        let rest = token.as_bytes().get(1..).unwrap_or_default();
        rest.len() == self.bits.bytes() && rest.last().is_some_and(|last| last.trailing_zeros() as usize >= unused)
    }

    /// What is compared.
    pub(crate) fn form_of(self, value: &T) -> CanonicalForm {
        (self.form)(value)
    }

    pub(crate) const fn name(self) -> IndexName {
        IndexName {
            purpose: self.field.purpose(),
            field: self.field.label(),
            tag: T::TAG,
            label: self.label,
            bits: self.bits,
        }
    }
}

// By hand: a derive would ask the same of T.
impl<T> Clone for Index<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Index<T> {}

impl<T> fmt::Debug for Index<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Index({:?}, {:?}, {} bits)", self.field, self.label, self.bits.0)
    }
}

/// What tells one index's keys from another's, without the type parameter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IndexName {
    pub(crate) purpose: Purpose,
    pub(crate) field: &'static str,
    pub(crate) tag: TypeTag,
    pub(crate) label: &'static str,
    pub(crate) bits: Bits,
}

impl IndexName {
    /// Purpose, field, type tag and label.
    pub(crate) fn parts(&self) -> [&'static str; 4] {
        [self.purpose.name(), self.field, self.tag.as_str(), self.label]
    }
}

/// Which of an index's keys a token was made with: 0 to 127, one after the other.
///
/// ```
/// use oubliette::search::Epoch;
/// assert_eq!(Epoch::new(0), Some(Epoch::FIRST));
/// assert_eq!(Epoch::new(128), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u8);

impl Epoch {
    /// The epoch that every index begins with.
    pub const FIRST: Epoch = Epoch(0);
    /// How many there are.
    pub(crate) const COUNT: u8 = 128;

    /// An epoch by its number. `None` above 127.
    #[must_use]
    pub const fn new(number: u8) -> Option<Epoch> {
        if number < Epoch::COUNT { Some(Epoch(number)) } else { None }
    }

    /// The number, 0 to 127: the first byte of the tokens of this epoch.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One value in the column of an [`Index`]: an epoch and some bits of an HMAC, 2 to 33 bytes.
///
/// Store it where you accept what the index [gives away](Index#what-it-gives-away). It prints its epoch and length alone.
///
/// ```
/// use oubliette::{Field, Index, Purpose, Token, Vault, bits, personal::Email};
/// const ORDERS: Purpose = Purpose::new("orders");
/// const EMAIL: Field<Email> = ORDERS.field("email");
/// const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(32));
/// # let vault = Vault::in_memory([ORDERS]);
///
/// let token: Token<Email> = vault.token(BY_EMAIL, &"alice@example.com".parse()?)?;
/// let column: &[u8] = token.as_bytes(); // or serde
/// assert_eq!(Token::from_bytes(column)?, token);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg_attr(
    feature = "diesel",
    derive(diesel::expression::AsExpression, diesel::deserialize::FromSqlRow),
    diesel(sql_type = diesel::sql_types::Binary)
)]
pub struct Token<T> {
    bytes: [u8; MOST_TOKEN_BYTES],
    length: u8,
    holds: PhantomData<fn() -> T>,
}

impl<T> Token<T> {
    /// A token read back from its column.
    ///
    /// # Errors
    /// [`ParseError::NotAToken`] unless it has 2 to 33 bytes, the first 0 to 127.
    pub fn from_bytes(bytes: &[u8]) -> Result<Token<T>, ParseError> {
        let length = u8::try_from(bytes.len()).map_err(|_| ParseError::NotAToken)?;
        let mut token = Token { bytes: [0; MOST_TOKEN_BYTES], length, holds: PhantomData };
        let is_epoch = bytes.first().is_some_and(|epoch| *epoch < Epoch::COUNT);
        let place =
            token.bytes.get_mut(..bytes.len()).filter(|_| is_epoch && length >= 2).ok_or(ParseError::NotAToken)?;
        place.copy_from_slice(bytes);
        Ok(token)
    }

    /// `mac` is cut to the index's bits.
    pub(crate) fn new(epoch: Epoch, mac: &[u8; 32], bits: Bits) -> Token<T> {
        let mut token = Token { bytes: [0; MOST_TOKEN_BYTES], length: 0, holds: PhantomData };
        let length = bits.bytes();
        let [first, rest @ ..] = &mut token.bytes;
        *first = epoch.number();
        for (place, byte) in rest.iter_mut().zip(mac).take(length) {
            *place = *byte;
        }
        let unused = (8 - bits.0 % 8) % 8;
        if let Some(last) = rest.get_mut(length.saturating_sub(1)) {
            *last &= u8::MAX << unused;
        }
        token.length = u8::try_from(1 + length).unwrap_or(u8::MAX);
        token
    }

    /// The bytes to store and to query: one for the epoch, and an eighth of the index's bits, rounded up.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&self.bytes)
    }

    /// The epoch it was made in.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        let [epoch, ..] = self.bytes;
        Epoch(epoch)
    }
}

// By hand: derives would ask the same of T.
impl<T> Clone for Token<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Token<T> {}

impl<T> PartialEq for Token<T> {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<T> Eq for Token<T> {}

impl<T> Hash for Token<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl<T> fmt::Debug for Token<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its bytes, in a log, would say who searched for whom.
        write!(f, "Token(epoch {}, {} bytes)", self.epoch(), self.as_bytes().len())
    }
}

impl<T> AsRef<[u8]> for Token<T> {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl<T> TryFrom<&[u8]> for Token<T> {
    type Error = ParseError;

    fn try_from(bytes: &[u8]) -> Result<Self, ParseError> {
        Token::from_bytes(bytes)
    }
}
