//! The application's own customer id.

use std::fmt::{self, Display};

use super::error::RegisterError;

/// Most bytes of an id.
const BYTES: usize = 255;

/// The application's own id of a customer, as text: a name, a UUID or an integer.
///
/// ```
/// use oubliette_register::Subject;
/// let by_number = Subject::new(4711)?;
/// let by_text = Subject::new("alice@example.com")?;
/// assert!(Subject::new("").is_err() && by_number != by_text);
/// # Ok::<(), oubliette_register::InvalidSubject>(())
/// ```
/// An id may name a person, so `Debug` does not print it, and no error repeats it. Use an id that never changes, and
/// always in the same spelling: `7` and `007` are two customers, and so are upper and lower case, and an `é` of one
/// character or of two.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(String);

impl Subject {
    /// The customer of this id.
    ///
    /// # Errors
    /// [`InvalidSubject`] unless it has 1 to 255 bytes and no control characters.
    pub fn new(id: impl Display) -> Result<Subject, InvalidSubject> {
        let id = id.to_string();
        let good = (1..=BYTES).contains(&id.len()) && !id.chars().any(char::is_control);
        if good { Ok(Subject(id)) } else { Err(InvalidSubject) }
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subject(redacted)")
    }
}

/// An id that is empty, too long, or has control characters.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a customer's id has 1 to 255 bytes and no control characters")]
#[non_exhaustive]
pub struct InvalidSubject;

/// One that was read back.
pub(crate) fn stored(id: &str) -> Result<Subject, RegisterError> {
    Subject::new(id).map_err(|_| RegisterError::NotOurs { what: "an invalid id" })
}

oubliette::journal::message::debug_as_message!(InvalidSubject);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// An id is taken as it is or not at all, and what is printed says nothing of it.
        #[test]
        fn any_text_is_taken_as_it_is_or_refused(
            id in prop_oneof![any::<String>(), "\\PC{1,80}", "[a-z]{250,260}", "[é\u{1f600}]{60,130}", ".{0,3}[\0-\x1f\x7f].{0,3}"],
        ) {
            let good = (1..=255).contains(&id.len()) && !id.chars().any(char::is_control);
            match Subject::new(&id) {
                Ok(subject) => {
                    prop_assert!(good);
                    prop_assert_eq!(subject.as_str(), &id);
                    prop_assert_eq!(&stored(&id).unwrap(), &subject);
                    prop_assert_eq!(format!("{subject:?}"), "Subject(redacted)");
                }
                Err(error) => {
                    prop_assert!(!good && stored(&id).is_err());
                    prop_assert_eq!(error.to_string(), InvalidSubject.to_string());
                }
            }
        }

        #[test]
        fn integers_are_told_apart(one in any::<i64>(), other in any::<i64>()) {
            let [a, b] = [one, other].map(|id| Subject::new(id).unwrap());
            prop_assert_eq!(a == b, one == other);
            prop_assert_eq!(a.as_str().parse::<i64>().unwrap(), one);
        }
    }

    #[test]
    fn ids_are_bounded_and_not_printed() {
        let alice = Subject::new("alice@example.com").unwrap();
        assert_eq!(format!("{alice:?}"), "Subject(redacted)");
        assert_eq!(Subject::new(-7).unwrap().as_str(), "-7");
        for bad in [String::new(), "a\0b".into(), "a\nb".into(), "x".repeat(256)] {
            assert_eq!(Subject::new(bad), Err(InvalidSubject));
        }
    }
}
