//! Long jobs over the application's tables: from plaintext to sealed, to a new key tree, to a new epoch of an index, to
//! another label or type, and the cleaning up after a shred.
//!
//! A [`Job`] says what is to become of the columns of one table. A driver ([`rusqlite`], [`sqlx`]) runs it in batches, each
//! one transaction: it reads the next rows in order of key, does the steps to each, writes what changed, reads it back,
//! and commits. While the application runs, nothing is lost:
//! - **The rows of a batch are locked** until it is committed, so that none changes between being read and being written;
//!   a row that changes before or after counts as it is then.
//! - **What is sealed is opened again**, and must be the value it was made of; what was written is read back, and must be
//!   the same to the byte. Otherwise the batch is rolled back.
//! - **It can stop anywhere**, by a crash too. Run again, it finds what is done and does the rest; a
//!   [bookmark](Progress::bookmark) spares it the looking.
//! - **A row with a problem is left as it is**, and named by key, column and rule, never by value.
//! - **`left_behind` is the check**: the rows for which any step of the job still has something to do.
//!
//! ```
//! # #[cfg(feature = "rusqlite")] {
//! use std::ops::ControlFlow;
//! use oubliette::jobs::{self, Job, Key};
//! use oubliette::{Field, Index, Purpose, Vault, bits, personal::{Email, Name}};
//!
//! const ORDERS: Purpose = Purpose::new("orders");
//! const NAME: Field<Name> = ORDERS.field("name");
//! const EMAIL: Field<Email> = ORDERS.field("email");
//! const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(32));
//!
//! # let vault = Vault::in_memory([ORDERS]);
//! # let mut connection = rusqlite::Connection::open_in_memory()?;
//! // A table that is in use, with two columns added: the customer number and the token.
//! connection.execute_batch(
//!     "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, email TEXT, no BIGINT UNIQUE, email_idx BLOB);
//!      INSERT INTO customers (name, email) VALUES ('Alice Ní Bhriain', 'alice@example.com'), ('Bob Lee', NULL);",
//! )?;
//! let job = Job::on("customers", ("id", Key::Integer), "no")
//!     .enroll()
//!     .seal("name", NAME)
//!     .seal("email", EMAIL)
//!     .index("email_idx", "email", BY_EMAIL);
//!
//! let report = jobs::rusqlite::run(&mut connection, &vault, &job, |progress| {
//!     println!("{progress}"); // and keep `progress.bookmark`
//!     ControlFlow::Continue(())
//! })?;
//! assert!(report.finished && report.progress.changed == 2);
//! assert!(jobs::rusqlite::left_behind(&connection, &vault, &job)?.is_empty());
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # From plaintext, without downtime
//! 1. Add the columns: customer numbers (`BIGINT UNIQUE`, NULL at first), tokens. Make the personal columns wide enough, or
//!    add columns of bytes and use [`seal_into`](Job::seal_into).
//! 2. Deploy a version that reads plaintext or sealed ([`MaybeSealed`](crate::columns::MaybeSealed)), writes sealed with
//!    its token, and enrolls when the row has no number. Wait until no older one runs: what those write is plaintext.
//! 3. Run the job as above, until `left_behind` is empty. Searching meanwhile takes the token or the plaintext.
//! 4. Deploy the version that reads sealed only. Now plaintext is an error.
//! 5. Get rid of the old content: SQLite keeps it in free pages and in the WAL until `VACUUM` and
//!    `PRAGMA wal_checkpoint(TRUNCATE)`; PostgreSQL in dead rows until `VACUUM FULL`, and in its WAL; MariaDB in its undo and
//!    redo logs. **Backups from before hold the plaintext**, which no shred reaches: they must expire. An index or statistics
//!    on the old column kept copies too.
//!
//! A row of somebody shredded meanwhile cannot be sealed; its plaintext stays, and `left_behind` names it: delete it.
//!
//! # Rotating a purpose's key tree
//! 1. [`rotate_purpose`](crate::Vault::rotate_purpose). New values are sealed under the new tree, old ones open.
//! 2. One lease later, a job of [`reseal`](Job::reseal) steps over every column of the purpose, in every table, until
//!    `left_behind` is empty for each.
//! 3. [`retire_replaced`](crate::Vault::retire_replaced). What was overlooked is unreadable from then on, and so is every
//!    backup from before step 2: wait for as long as those may be needed.
//!
//! # A new epoch of an index
//! 1. [`begin_epoch`](crate::Vault::begin_epoch). Queries by [`tokens`](crate::Vault::tokens) take both epochs.
//! 2. After [`effective_everywhere_at`](crate::EpochBegun::effective_everywhere_at), when no process writes tokens of the old
//!    one, a job of [`index`](Job::index) and [`forget_tokens`](Job::forget_tokens) steps, until `left_behind` is empty.
//! 3. [`retire_epoch`](crate::Vault::retire_epoch). Tokens in old backups say nothing any more.
//!
//! # Unique tokens
//! A UNIQUE column of tokens does not keep out a second sign-up while its rows are of two epochs: the new row has the new
//! token, the old one still the old. Two UNIQUE columns do, one for even and one for odd epochs: every write fills both, by
//! [`pair_of`], so that each live epoch is unique in its column; [`index_pair`](Job::index_pair) fills the new column while
//! the old one still guards; queries ask both (`even = ? OR odd = ?`). Run the job once more after the old epoch was
//! retired: it empties the column for the next one. No more than two epochs can be live. Take 64 bits or more: by chance, a
//! collision refuses somebody.
//!
//! # After a shred
//! The tokens of a shredded customer still say that a guessed value was there. Run a job of
//! [`forget_tokens`](Job::forget_tokens) steps now and then, and `left_behind` as the check. Deleting the rows does both.
//!
//! # Another name, label or type
//! Renaming a table or a column changes nothing: it takes no part in keys. A field's label, type, purpose or context does;
//! to change one on purpose, declare the new field, deploy a version that opens as the new field and, when that is
//! `NotAuthentic` or of `OtherPurpose`, as the old one, and that writes the new; run [`relabel`](Job::relabel) until
//! `left_behind` is empty; drop the old field. Tokens are of a field too: give those of the new one a column of their own,
//! filled by an [`index`](Job::index) step after the `relabel`.

mod cell;
mod error;
mod job;
mod pass;
mod report;
#[cfg(feature = "rusqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "rusqlite")))]
pub mod rusqlite;
mod sql;
#[cfg(feature = "sqlx")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlx")))]
pub mod sqlx;
mod step;
mod steps;

pub use error::{Cause, JobError, Problem};
pub use job::{Job, Key};
pub use report::{LeftBehind, Progress, Remaining, Report};
pub use step::InRow;

use crate::index::Token;

/// Tokens of one value in an even and in an odd epoch, from those of [`Vault::tokens`](crate::Vault::tokens): for two
/// columns. When two epochs of one kind are live, the newer.
#[must_use]
pub fn pair_of<T>(tokens: &[Token<T>]) -> [Option<Token<T>>; 2] {
    [0, 1].map(|parity| tokens.iter().find(|token| token.epoch().number() % 2 == parity).copied())
}
