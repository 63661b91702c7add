//! The door out through serde.

use serde::{Serialize, Serializer};

/// Personal data that [`serialize_exposed`] can write out. Implemented for this crate's types and for an `Option` of
/// them; implement it for your own.
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
