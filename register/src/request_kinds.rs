//! What is asked for, and how it ends.

use std::fmt;
use std::str::FromStr;

use super::error::RegisterError;

/// What is asked for.
///
/// [`Request`](crate::Request) has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestKind {
    /// Art. 15.
    Access,
    /// Art. 16.
    Rectification,
    /// Art. 17.
    Erasure,
    /// Art. 18.
    Restriction,
    /// Art. 20.
    Portability,
    /// Art. 21.
    Objection,
}

impl RequestKind {
    /// All of them, in the order of the articles.
    pub const ALL: [RequestKind; 6] = [
        RequestKind::Access,
        RequestKind::Rectification,
        RequestKind::Erasure,
        RequestKind::Restriction,
        RequestKind::Portability,
        RequestKind::Objection,
    ];

    /// Its word in the tables and in the journal.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RequestKind::Access => "access",
            RequestKind::Rectification => "rectification",
            RequestKind::Erasure => "erasure",
            RequestKind::Restriction => "restriction",
            RequestKind::Portability => "portability",
            RequestKind::Objection => "objection",
        }
    }
}

impl fmt::Display for RequestKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RequestKind {
    type Err = RegisterError;

    fn from_str(text: &str) -> Result<RequestKind, RegisterError> {
        let known = RequestKind::ALL.into_iter().find(|kind| kind.as_str() == text);
        known.ok_or(RegisterError::Invalid { what: "no kind of request" })
    }
}

/// How a request ended.
///
/// [`Request`](crate::Request) has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was done, by the application or by the register.
    Done,
    /// It was refused, and the person was told why (Art. 12(4)).
    Refused,
    /// The person took it back.
    Withdrawn,
}

impl Answer {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Answer::Done => "done",
            Answer::Refused => "refused",
            Answer::Withdrawn => "withdrawn",
        }
    }
}
