//! Typed personal data: what a [`Field`](crate::Field) may hold.
//!
//! [`Name`], [`Email`], [`Phone`], [`Address`] and [`Text`] are read from what people type, by [`FromStr`](std::str::FromStr), by
//! `TryFrom<String>` (which wipes the string it is given) and by serde's `Deserialize`. What is refused gets an error
//! that names the rule broken and never repeats the value. `Json` (feature `json`) holds any serde type.
//!
//! # Nothing leaves by accident
//! The types have no `Display` and no `Serialize`, their `Debug` prints `Email(redacted)`, and they wipe what they hold
//! on drop. Two doors lead out, both easy to search for: the method `expose_personal_data`, and [`serialize_exposed`]
//! for serde's `serialize_with`.
//!
//! Wiping reaches what these types hold. Parsers of other crates (Unicode normalisation, domain names, phone numbers,
//! JSON) use working memory of their own that they do not wipe, and the request that a value came in is the
//! application's.
//!
//! # Comparing
//! `==` compares what is kept, byte for byte, in a time that depends on lengths only. Whether two values *mean* the
//! same is asked of their [canonical forms](Canonical): `Alice@Example.COM` and `alice@example.com` differ, their
//! canonical forms do not. Searching must use the same form as writing did. What was typed is kept; what is folded for
//! comparison is a table in each type's docs, and FORMAT.md has every step.

mod address;
mod canonical;
mod country;
mod country_names;
mod date;
mod doors;
mod email;
mod folding;
mod invalid;
#[cfg(feature = "json")]
mod json;
mod name;
mod padding;
mod phone;
mod plaintext;
mod secret_text;

#[cfg(test)]
mod tests;
mod text;
mod unicode;

pub use address::Address;
pub use canonical::{Canonical, CanonicalForm};
pub use country::Country;
pub use date::Date;
pub use doors::{ExposePersonalData, absent_if_empty, serialize_exposed};
pub use email::Email;
pub use invalid::Invalid;
#[cfg(feature = "json")]
#[cfg_attr(docsrs, doc(cfg(feature = "json")))]
pub use json::{Json, JsonContent};
pub use name::Name;
pub use padding::Padding;
pub(crate) use padding::unpad;
pub use phone::Phone;
pub use plaintext::Plaintext;
pub use text::Text;

use crate::journal::{InvalidName, check_name};

/// Most bytes in a type's tag.
pub(crate) const TAG_BYTES: usize = 32;

/// Most bytes a value may have before padding: 16 MiB.
pub const MOST_BYTES: usize = 16 << 20;

/// A type whose values can be sealed.
///
/// [`Name`], [`Email`], [`Phone`], [`Address`], [`Date`], [`Text`] and `Json` have it. Implement it for your own types: around
/// one of these where that fits, as the inner type wipes itself and prints as redacted.
/// ```
/// use oubliette::personal::{
///     Canonical, CanonicalForm, ExposePersonalData, Invalid, Padding, PersonalData, Plaintext, Text, TypeTag,
/// };
/// use oubliette::{Field, Index, Purpose, Vault, bits};
///
/// /// The number on a loyalty card: twelve digits.
/// #[derive(Clone, Debug, PartialEq, Eq)] // prints `CardNumber(Text(redacted))`
/// struct CardNumber(Text);
///
/// #[derive(Debug, thiserror::Error)]
/// #[error("a card's number has twelve digits")] // names the rule, and does not repeat what was typed
/// struct InvalidCardNumber;
///
/// impl std::str::FromStr for CardNumber {
///     type Err = InvalidCardNumber;
///
///     fn from_str(typed: &str) -> Result<CardNumber, InvalidCardNumber> {
///         let is_one = typed.len() == 12 && typed.bytes().all(|byte| byte.is_ascii_digit());
///         if !is_one {
///             return Err(InvalidCardNumber);
///         }
///         typed.parse().map(CardNumber).map_err(|_| InvalidCardNumber)
///     }
/// }
///
/// impl PersonalData for CardNumber {
///     const TAG: TypeTag = TypeTag::new("shop.card-number"); // fixed for ever: it takes part in the key
///     const PADDING: Padding = Padding::lengths_are_public(); // all have one
///
///     fn size_hint(&self) -> usize {
///         self.0.size_hint()
///     }
///
///     fn encode(&self, out: &mut Plaintext) {
///         self.0.encode(out);
///     }
///
///     fn decode(bytes: &[u8]) -> Result<CardNumber, Invalid> {
///         let text = Text::decode(bytes)?;
///         text.expose_personal_data().parse().map_err(|_| Invalid::Content)
///     }
/// }
///
/// // To search for it by a token.
/// impl Canonical for CardNumber {
///     const VALUES: Option<u64> = Some(1_000_000_000_000);
///
///     fn canonical_form(&self) -> CanonicalForm {
///         self.0.canonical_form()
///     }
/// }
///
/// // For `serialize_exposed`, in an answer to the person.
/// impl ExposePersonalData for CardNumber {
///     fn serialize_exposed<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
///         self.0.serialize_exposed(serializer)
///     }
/// }
///
/// const SHOP: Purpose = Purpose::new("shop");
/// const CARD: Field<CardNumber> = SHOP.field("card");
/// const BY_CARD: Index<CardNumber> = CARD.index("exact", bits(64));
///
/// let vault = Vault::in_memory([SHOP]);
/// let (alice, card): (_, CardNumber) = (vault.enroll()?, "400012345678".parse()?);
/// let sealed = vault.seal(alice, CARD, &card)?;
/// assert_eq!(vault.open(alice, CARD, &sealed)?, card);
/// assert_eq!(vault.token(BY_CARD, &card)?, vault.token(BY_CARD, &"400012345678".parse()?)?);
/// assert!(!format!("{card:?}").contains("4000"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The bytes written by [`encode`](PersonalData::encode) stay in databases for years: give them a version if they may
/// ever change. A type that keeps plaintext of its own wipes it on drop, for instance with the crate `zeroize`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a type of personal data, and cannot be sealed",
    note = "take `Name`, `Email`, `Phone`, `Address`, `Date`, `Text` or `Json<..>`, or implement `PersonalData` for a type of your own: its docs have an example"
)]
pub trait PersonalData: Sized {
    /// A stable name of the type and its encoding. It takes part in the key: a value sealed as one type opens as no
    /// other. Changing it makes every value sealed before unopenable.
    const TAG: TypeTag;

    /// How lengths are hidden.
    const PADDING: Padding;

    /// How many bytes [`encode`](PersonalData::encode) will write, if cheaply known: saves growing the buffer.
    fn size_hint(&self) -> usize {
        0
    }

    /// Writes the value's bytes.
    fn encode(&self, out: &mut Plaintext);

    /// Reads the value back from exactly the bytes written by [`encode`](PersonalData::encode).
    ///
    /// # Errors
    /// [`Invalid`] when they are not such bytes. They were authentic: this is a bug or a changed type, not an
    /// attack.
    fn decode(bytes: &[u8]) -> Result<Self, Invalid>;
}

/// The stable name of a personal data type: 1 to 32 bytes.
///
/// [`PersonalData`] has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TypeTag(&'static str);

impl TypeTag {
    /// A tag of an application's own type; meant for constants. Tags that begin with `obl.` are this crate's.
    ///
    /// # Panics
    /// Outside a constant, on an empty tag, one of more than 32 bytes, one with control characters or with the
    /// reserved beginning.
    #[must_use]
    #[allow(clippy::panic)] // this is how a const fn refuses at compile time
    pub const fn new(tag: &'static str) -> TypeTag {
        if let [b'o', b'b', b'l', b'.', ..] = tag.as_bytes() {
            panic!("tags that begin with `obl.` are reserved");
        }
        match TypeTag::built_in(tag) {
            Ok(tag) => tag,
            Err(_) => panic!("a type's tag has 1 to 32 bytes and no control characters"),
        }
    }

    pub(crate) const fn built_in(tag: &'static str) -> Result<TypeTag, InvalidName> {
        match check_name(tag, TAG_BYTES) {
            Ok(()) => Ok(TypeTag(tag)),
            Err(error) => Err(error),
        }
    }

    /// A tag of one of this crate's own types; for constants, where a bad one does not compile.
    #[allow(clippy::panic)] // this is how a const fn refuses at compile time
    pub(crate) const fn ours(tag: &'static str) -> TypeTag {
        match TypeTag::built_in(tag) {
            Ok(tag) => tag,
            Err(_) => panic!("a type's tag has 1 to 32 bytes and no control characters"),
        }
    }

    /// The tag's text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}
