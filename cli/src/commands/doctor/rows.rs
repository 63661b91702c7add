//! Rows of the application's tables: whether their tokens are found, and whether each value is its row's. No value is opened.

use oubliette::{Purpose, Vault};

use super::findings::{Findings, Severity};
use crate::answer::count;
use crate::commands::reindex::{self, Needs, OTHER_NUMBER};
use crate::context::{Context, purpose};
use crate::exit::Failure;

/// The purposes of the configuration's columns.
pub fn purposes(context: &Context) -> Result<Vec<Purpose>, Failure> {
    context.config.columns().map(|column| purpose(&column.purpose)).collect()
}

/// Whatever cannot be looked at is a finding, too.
pub fn look(context: &Context, vault: &Vault, findings: &mut Findings) {
    let columns: Vec<_> = context.config.columns().collect();
    // A database that cannot be opened is told once.
    if columns.is_empty() || !context.config.database.is_named() || findings.has("database") {
        return;
    }
    let left = match reindex::rows_left(context, vault, columns) {
        Ok(left) => left,
        Err(failure) => {
            findings.add(
                Severity::Warning,
                "rows",
                "the application's tables",
                failure.message,
                "rows were not checked for values under a wrong number and for missing tokens",
                "correct [database] and [[tables]], or look at the server; `oubliette reindex --check` checks single columns",
            );
            return;
        }
    };
    for (table, left) in left {
        let place = format!("{table}.{}", left.column);
        let rows = format!("{} (the first: {})", count(left.rows, "row", "rows"), left.first.join(", "));
        if left.what == OTHER_NUMBER {
            findings.add(
                Severity::Grave,
                "other-number",
                place,
                format!("{rows} with a value that is {}", left.what),
                "an erasure by the row's number leaves the value readable",
                "let the application write the row anew, number and values together; an upsert that finds a row \
                 by its token must write all of them or none",
            );
        } else if left.what == Needs::Token.as_job_says() {
            findings.add(
                Severity::Warning,
                "token-missing",
                place,
                format!("{rows} {}", left.what),
                "a search by this index does not find these rows",
                "make `bits` and `label` of the column's `index` equal to the application's, then run `oubliette reindex`",
            );
        }
    }
}
