//! The doors of serde: out in clear, and in from forms.

use std::fmt::Display;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// Personal data that [`serialize_exposed`] can write out. Implemented for this crate's types and for an `Option` of
/// them; implement it for your own.
///
/// [`serialize_exposed`] has an example, and [`PersonalData`](crate::personal::PersonalData) one of a type of your own.
pub trait ExposePersonalData {
    /// Writes the value in clear.
    ///
    /// # Errors
    /// Those of the serialiser.
    fn serialize_exposed<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
}

impl<T: ExposePersonalData> ExposePersonalData for Option<T> {
    fn serialize_exposed<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Some(value) => serializer.serialize_some(&Exposed(value)),
            None => serializer.serialize_none(),
        }
    }
}

struct Exposed<'v, T>(&'v T);

impl<T: ExposePersonalData> Serialize for Exposed<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize_exposed(serializer)
    }
}

/// The door out through serde, for a field that must be written in clear, such as one of a response to the person.
///
/// ```
/// use oubliette::personal::{Email, Phone};
///
/// #[derive(serde::Serialize)]
/// struct Profile {
///     #[serde(serialize_with = "oubliette::personal::serialize_exposed")]
///     email: Email,
///     #[serde(serialize_with = "oubliette::personal::serialize_exposed")]
///     phone: Option<Phone>,
/// }
///
/// let profile = Profile { email: "alice@example.com".parse().unwrap(), phone: None };
/// assert_eq!(serde_json::to_string(&profile).unwrap(), r#"{"email":"alice@example.com","phone":null}"#);
/// ```
///
/// # Errors
/// Those of the serialiser.
pub fn serialize_exposed<T: ExposePersonalData, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    value.serialize_exposed(serializer)
}

/// Reads an empty string as `None`, for `deserialize_with`: a form sends one for a field that nobody filled in, and types of personal data refuse it.
/// White space alone counts as empty. With `#[serde(default)]` a missing field is `None` too.
///
/// ```
/// use oubliette::personal::{Email, Phone};
///
/// #[derive(serde::Deserialize)]
/// struct SignUp {
///     email: Email,
///     #[serde(default, deserialize_with = "oubliette::personal::absent_if_empty")]
///     phone: Option<Phone>,
/// }
///
/// let form: SignUp = serde_json::from_str(r#"{"email":"alice@example.com","phone":" "}"#)?;
/// assert!(form.phone.is_none());
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// # Errors
/// Those of the type; this crate's never repeat a value. Anything but a string is refused.
pub fn absent_if_empty<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: TryFrom<String>,
    T::Error: Display,
    D: Deserializer<'de>,
{
    // serde's own error would quote a number.
    let text = Option::<String>::deserialize(deserializer).map_err(|_| D::Error::custom("expected a string"))?;
    let Some(text) = text.map(Zeroizing::new).filter(|text| !text.trim().is_empty()) else { return Ok(None) };
    T::try_from((*text).clone()).map(Some).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use crate::personal::Phone;

    #[test]
    fn what_nobody_filled_in_is_absent() {
        let read = |json: &str| super::absent_if_empty::<Phone, _>(&mut serde_json::Deserializer::from_str(json));
        for empty in ["null", "\"\"", "\" \\t\""] {
            assert!(matches!(read(empty), Ok(None)), "{empty}");
        }
        assert!(matches!(read("\"+33612345678\""), Ok(Some(_))));
        for (bad, said) in [("\"33612345678\"", "has no country"), ("33612345678", "expected a string")] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains("33612"), "{error}");
        }
    }
}
