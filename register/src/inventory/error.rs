//! What an inventory lacks, or has that its file has not.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// One thing that the inventory does not know, or that the file does not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gap {
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
    /// A table's declaration cannot be.
    BadTable {
        /// What is wrong.
        fault: String,
    },
    /// What is declared is not what the file says.
    DeclarationChanged {
        /// Which part: a purpose's member, or one of the head.
        part: String,
    },
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gap::NewField { table, column, holds } => {
                write!(f, "{table}.{column} ({holds}) is not in the file: see that its purpose's declaration covers it")
            }
            Gap::FieldGone { table, column } => {
                write!(f, "{table}.{column} is in the file, and no record has it: is its content deleted everywhere?")
            }
            Gap::FieldChanged { table, column, before, holds } => {
                write!(f, "{table}.{column} holds {holds}, and the file says {before}")
            }
            Gap::NoDeclaration { purpose, table, column } => {
                write!(f, "purpose {purpose:?}, of {table}.{column}, is not declared: say why it is kept")
            }
            Gap::Incomplete { purpose, lacks } => write!(f, "the declaration of {purpose:?} does not say {lacks}"),
            Gap::Twice { what } => write!(f, "{what} is declared twice"),
            Gap::BadTable { fault } => f.write_str(fault),
            Gap::DeclarationChanged { part } => write!(f, "{part} is not what the file says"),
        }
    }
}

/// Why an inventory is not what its file says.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum InventoryError {
    /// Something is new, gone, changed or missing.
    #[error(
        "the inventory in {} is not up to date; if all of this is meant, `write` it anew:{}", path.display(), listed(gaps)
    )]
    Gaps {
        /// The file.
        path: PathBuf,
        /// All of it.
        gaps: Vec<Gap>,
    },
    /// There is no such file yet.
    #[error("there is no inventory in {} yet: `write` it once, and commit it{}", path.display(), listed(gaps))]
    NotWritten {
        /// The file.
        path: PathBuf,
        /// What must be said before it can be written.
        gaps: Vec<Gap>,
    },
    /// The file is no inventory, or one of a newer version.
    #[error("{} is no inventory that this version can read; `write` it anew", path.display())]
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

fn listed(gaps: &[Gap]) -> String {
    gaps.iter().map(|gap| format!("\n- {gap}")).collect()
}
