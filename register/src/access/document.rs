//! What is handed out.

use std::fmt;

use oubliette::personal::Plaintext;

use super::tree::Tree;

/// Personal data as JSON, in clear: wiped on drop, and redacted in `Debug`.
///
/// [The module](crate::access) has an example.
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

    /// How many values the document marks as damaged in place of showing them, if the declared tables say to [mark
    /// them](crate::DeclaredTables::marking_damaged).
    #[must_use]
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    pub(crate) fn lacking(mut self, purposes: Vec<String>) -> Document {
        self.not_shown = purposes;
        self
    }

    /// Purposes that the document does not show: the person has live numbers for them, but no declared table has a
    /// column for them. The document lists them under `not_shown`. Such an answer is incomplete: declare the columns,
    /// or add the data from elsewhere.
    #[must_use]
    pub fn not_shown(&self) -> &[String] {
        &self.not_shown
    }

    /// The JSON. Search a program for this name to find every place where personal data leaves its type.
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

    /// Always false: an empty answer is a document too.
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
