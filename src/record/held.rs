//! A value of a record that may be gone.

use std::fmt;

/// A value that may be gone while the rest of its record is not: one of another purpose than the record's own.
///
/// In a record it is sealed under the number that the record declares for its purpose, or the record's own one. `Shredded`
/// and `Absent` are both stored as NULL, so writing a record back clears what was shredded. NULL is opened as `Absent`, and
/// so is whatever stands beside an absent number.
///
/// The derive [`Personal`](crate::Personal) has an example.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Held<T> {
    /// The value.
    Kept(T),
    /// There was a value, and it is gone for good: its customer was shredded in its purpose, or its key tree was retired.
    Shredded,
    /// There is none.
    #[default]
    Absent,
}

impl<T> Held<T> {
    /// The value, if it is kept.
    #[must_use]
    pub fn kept(self) -> Option<T> {
        match self {
            Held::Kept(value) => Some(value),
            Held::Shredded | Held::Absent => None,
        }
    }

    /// The same of a reference.
    #[must_use]
    pub fn as_ref(&self) -> Held<&T> {
        match self {
            Held::Kept(value) => Held::Kept(value),
            Held::Shredded => Held::Shredded,
            Held::Absent => Held::Absent,
        }
    }
}

/// For a value about to be sealed: none is `Absent`.
impl<T> From<Option<T>> for Held<T> {
    fn from(value: Option<T>) -> Held<T> {
        value.map_or(Held::Absent, Held::Kept)
    }
}

// Not the value's own: that of a type which is not personal data would print it.
impl<T> fmt::Debug for Held<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Held::Kept(_) => "Kept(redacted)",
            Held::Shredded => "Shredded",
            Held::Absent => "Absent",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_prints_no_value() {
        let held = Held::Kept("alice@example.com");
        assert_eq!(
            format!("{held:?} {:?} {:?}", Held::<u8>::Shredded, Held::<u8>::Absent),
            "Kept(redacted) Shredded Absent"
        );
    }

    #[test]
    fn none_is_absent_and_never_shredded() {
        assert_eq!(Held::from(Some(1)), Held::Kept(1));
        assert_eq!(Held::<u8>::from(None), Held::Absent);
        assert_eq!(Held::<u8>::default(), Held::Absent);
        assert_eq!(Held::Kept(1).as_ref().kept(), Some(&1));
        assert_eq!(Held::<u8>::Shredded.as_ref(), Held::Shredded);
        assert_eq!(Held::<u8>::Shredded.kept(), None);
    }
}
