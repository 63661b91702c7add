//! What an inventory lacks, or has that its file has not.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// One thing that is missing, or that differs between the inventory and its file.
///
/// It is only read, so there is no example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// A record gained a field since the file was written.
    NewField {
        /// The table of the record.
        table: String,
        /// The column.
        column: String,
        /// What it holds.
        holds: String,
    },
    /// A field of the file is no longer declared by any record.
    FieldGone {
        /// The table of the record.
        table: String,
        /// The column.
        column: String,
    },
    /// A field holds something else than the file says.
    FieldChanged {
        /// The table of the record.
        table: String,
        /// The column.
        column: String,
        /// What the file says.
        before: String,
        /// What the record says.
        holds: String,
    },
    /// Values are kept for a purpose of which nothing is declared.
    NoDeclaration {
        /// The purpose.
        purpose: String,
        /// The table of the first such field.
        table: String,
        /// Its column.
        column: String,
    },
    /// A declaration does not say all that it must.
    Incomplete {
        /// The purpose.
        purpose: String,
        /// What is missing.
        lacks: &'static str,
    },
    /// Two declarations of one purpose, or two tables of one name.
    Twice {
        /// Which.
        what: String,
    },
    /// A table's declaration contradicts itself.
    BadTable {
        /// What is wrong.
        fault: String,
    },
    /// A declaration differs from the file.
    DeclarationChanged {
        /// Which part: a purpose's member, or one of the head.
        part: String,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::NewField { table, column, holds } => {
                write!(
                    f,
                    "{table}.{column} ({holds}) is not in the file: check that the declaration of its purpose covers it"
                )
            }
            Finding::FieldGone { table, column } => {
                write!(
                    f,
                    "{table}.{column} is in the file, but no record has it: check that its content is deleted everywhere"
                )
            }
            Finding::FieldChanged { table, column, before, holds } => {
                write!(f, "{table}.{column} holds {holds}, but the file says {before}")
            }
            Finding::NoDeclaration { purpose, table, column } => {
                write!(f, "the purpose {purpose:?} of {table}.{column} is not declared: say why it is kept")
            }
            Finding::Incomplete { purpose, lacks } => write!(f, "the declaration of {purpose:?} does not say {lacks}"),
            Finding::Twice { what } => write!(f, "{what} is declared twice"),
            Finding::BadTable { fault } => f.write_str(fault),
            Finding::DeclarationChanged { part } => write!(f, "{part} differs from the file"),
        }
    }
}

/// Why an inventory differs from its file.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum InventoryError {
    /// Something is new, gone, changed or missing.
    #[error(
        "the inventory in {} is not up to date; if you want all of these changes, `write` it anew:{}", path.display(), listed(findings)
    )]
    NotUpToDate {
        /// The file.
        path: PathBuf,
        /// Everything that differs.
        findings: Vec<Finding>,
    },
    /// There is no such file yet.
    #[error("there is no inventory in {} yet; `write` it once, and commit it{}", path.display(), listed(findings))]
    NotWritten {
        /// The file.
        path: PathBuf,
        /// What to add before it can be written.
        findings: Vec<Finding>,
    },
    /// The file is no inventory, or one of a newer version.
    #[error("{} is not an inventory that this version can read; `write` it anew", path.display())]
    NotAnInventory {
        /// The file.
        path: PathBuf,
    },
    /// The file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: Arc<io::Error>,
    },
}

oubliette::journal::message::debug_as_message!(InventoryError);

fn listed(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("\n- {finding}")).collect()
}
