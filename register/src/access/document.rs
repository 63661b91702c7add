//! What is handed out.

use std::fmt;

use oubliette::personal::Plaintext;

use super::tree::Tree;

/// Personal data as JSON, in clear: wiped on drop, and redacted in `Debug`.
pub struct Document {
    json: Plaintext,
    damaged: u64,
    not_shown: Vec<String>,
}

impl Document {
    /// For people: a member a line.
    pub(crate) fn for_people(tree: &Tree) -> Document {
        Document { json: tree.pretty(), damaged: 0, not_shown: Vec::new() }
    }

    /// For machines: on one line.
    pub(crate) fn for_machines(tree: &Tree) -> Document {
        Document { json: tree.compact(), damaged: 0, not_shown: Vec::new() }
    }

    pub(crate) fn with_damaged(self, damaged: u64) -> Document {
        Document { damaged, ..self }
    }

    /// How many values it marks as damaged, and does not show: of holdings that
    /// [mark them](crate::Holdings::marking_damaged) in place of an error.
    #[must_use]
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    pub(crate) fn lacking(mut self, purposes: Vec<String>) -> Document {
        self.not_shown = purposes;
        self
    }

    /// The purposes in which the person has live numbers and of which no declared table has a column: what is sealed for them
    /// is not in the document, which says so under `not_shown`. An answer that lacks any is not whole: declare the columns,
    /// or add what is held elsewhere.
    #[must_use]
    pub fn not_shown(&self) -> &[String] {
        &self.not_shown
    }

    /// The door out: the JSON. Search a program for this name to find every place where personal data leaves its type.
    #[must_use]
    pub fn expose_personal_data(&self) -> &str {
        // Made of text and ASCII.
        std::str::from_utf8(self.json.as_bytes()).unwrap_or_default()
    }

    /// How many bytes it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.json.as_bytes().len()
    }

    /// Never true: an empty answer is a document too.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.json.as_bytes().is_empty()
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Document(redacted)")
    }
}
