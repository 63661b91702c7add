//! A sealed value for a column of text.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::parse::ParseError;
use crate::sealed::Sealed;

/// A [`Sealed<T>`] for a column of text: stored as `obl1.` and base64url, a third longer than the bytes.
///
/// A database crate gives one Rust type one column type, and `Sealed<T>` has bytes. Convert with `From`, both ways:
/// ```
/// # use oubliette::{Field, Purpose, Sealed, Vault, columns::SealedText, personal::Email};
/// # const EMAIL: Field<Email> = Purpose::new("orders").field("email");
/// # let vault = Vault::in_memory([EMAIL.purpose()]);
/// # let alice = vault.enroll()?;
/// let column: SealedText<Email> = vault.seal(alice, EMAIL, &"alice@example.com".parse()?)?.into();
/// assert!(column.as_str().starts_with("obl1."));
/// let email = vault.open(alice, EMAIL, column.sealed())?;
/// # assert_eq!(email.expose_personal_data(), "alice@example.com");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Equality and hashing are those of the sealed value.
#[cfg_attr(
    feature = "diesel",
    derive(diesel::expression::AsExpression, diesel::deserialize::FromSqlRow),
    diesel(sql_type = diesel::sql_types::Text)
)]
pub struct SealedText<T> {
    sealed: Sealed<T>,
    // Kept, since diesel binds what it can borrow.
    text: Box<str>,
}

impl<T> SealedText<T> {
    /// The sealed value, to be opened.
    #[must_use]
    pub fn sealed(&self) -> &Sealed<T> {
        &self.sealed
    }

    /// The text, to be stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl<T> From<Sealed<T>> for SealedText<T> {
    fn from(sealed: Sealed<T>) -> SealedText<T> {
        let text = sealed.to_string().into_boxed_str();
        SealedText { sealed, text }
    }
}

impl<T> From<SealedText<T>> for Sealed<T> {
    fn from(text: SealedText<T>) -> Sealed<T> {
        text.sealed
    }
}

impl<T> FromStr for SealedText<T> {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<SealedText<T>, ParseError> {
        // A value has exactly one text, so the one read is the one that would be written.
        Ok(SealedText { sealed: text.parse()?, text: text.into() })
    }
}

impl<T> fmt::Display for SealedText<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

// By hand: derives would ask the same of T.
impl<T> Clone for SealedText<T> {
    fn clone(&self) -> Self {
        SealedText { sealed: self.sealed.clone(), text: self.text.clone() }
    }
}

impl<T> PartialEq for SealedText<T> {
    fn eq(&self, other: &Self) -> bool {
        self.sealed == other.sealed
    }
}

impl<T> Eq for SealedText<T> {}

impl<T> Hash for SealedText<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.sealed.hash(state);
    }
}

impl<T> fmt::Debug for SealedText<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sealed.fmt(f)
    }
}

impl<T> Serialize for SealedText<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.sealed.serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for SealedText<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SealedText<T>, D::Error> {
        Sealed::deserialize(deserializer).map(SealedText::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::personal::Email;
    use crate::{Field, Purpose, Vault};

    const EMAIL: Field<Email> = Purpose::new("orders").field("email");

    #[test]
    fn it_is_its_sealed_value_as_text() {
        let vault = Vault::in_memory([EMAIL.purpose()]);
        let alice = vault.enroll().unwrap();
        let sealed = vault.seal(alice, EMAIL, &"alice@example.com".parse().unwrap()).unwrap();
        let column = SealedText::from(sealed.clone());
        assert_eq!(column.as_str(), sealed.to_string());
        assert_eq!(column.to_string(), column.as_str());
        assert_eq!(column.as_str().parse(), Ok(column.clone()));
        assert_eq!(column.sealed(), &sealed);
        assert_eq!(Sealed::from(column.clone()), sealed);
        assert_eq!(format!("{column:?}"), format!("{sealed:?}"));
        let json = serde_json::to_string(&column).unwrap();
        assert_eq!(json, serde_json::to_string(&sealed).unwrap());
        assert_eq!(serde_json::from_str::<SealedText<Email>>(&json).unwrap(), column);
        for bad in ["", "alice@example.com", "obl1.", &column.as_str()[..100]] {
            let refused = bad.parse::<SealedText<Email>>().unwrap_err();
            assert!(matches!(refused, ParseError::Malformed | ParseError::CutOff), "{bad}: {refused}");
        }
    }
}
