//! The names of a table's columns, as SQL takes them.

use std::fmt::{self, Write as _};

/// The columns of a record's sealed twin, in its order: `SealedUser::COLUMNS` of the derive `Personal`.
///
/// It displays as the list of them. Names stand as they are declared: one that SQL would have to quote is renamed in the
/// database, or the statement written by hand.
///
/// ```
/// use oubliette::columns::Columns;
///
/// const USERS: Columns = Columns::new(&["id", "no", "email"]);
///
/// assert_eq!(USERS.to_string(), "id, no, email");
/// assert_eq!(USERS.marks(), "?, ?, ?");
/// assert_eq!(USERS.numbered(), "$1, $2, $3");
/// assert_eq!(USERS.excluded("id"), "no = excluded.no, email = excluded.email");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns(&'static [&'static str]);

impl Columns {
    /// These columns.
    #[must_use]
    pub const fn new(names: &'static [&'static str]) -> Columns {
        Columns(names)
    }

    /// Their names.
    #[must_use]
    pub const fn names(self) -> &'static [&'static str] {
        self.0
    }

    /// A `?` for each: parameters of SQLite, MariaDB and MySQL.
    #[must_use]
    pub fn marks(self) -> String {
        self.joined(|out, _, _| out.push('?'))
    }

    /// `$1, $2, ..`: parameters of PostgreSQL.
    #[must_use]
    pub fn numbered(self) -> String {
        self.joined(|out, place, _| {
            // Writing to a string cannot fail.
            let _ = write!(out, "${}", place + 1);
        })
    }

    /// What an upsert of SQLite or PostgreSQL sets, found by the column `key`: every other column, the customer's number among them, so that
    /// number and values stay together.
    #[must_use]
    pub fn excluded(self, key: &str) -> String {
        let pairs = self.0.iter().filter(|name| **name != key).map(|name| format!("{name} = excluded.{name}"));
        pairs.collect::<Vec<_>>().join(", ")
    }

    fn joined(self, mut each: impl FnMut(&mut String, usize, &str)) -> String {
        let mut out = String::new();
        for (place, name) in self.0.iter().enumerate() {
            if place > 0 {
                out.push_str(", ");
            }
            each(&mut out, place, name);
        }
        out
    }
}

impl fmt::Display for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.joined(|out, _, name| out.push_str(name)))
    }
}
