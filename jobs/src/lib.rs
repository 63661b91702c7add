//! Long jobs over the application's tables: from plaintext to sealed, to a new key tree, to a new epoch of an index, to
//! another label or type, and the cleaning up after a shred.
//!
//! *Chapter 4 of [the book of oubliette](https://docs.rs/oubliette/latest/oubliette/#the-book): migrations. Before it: [search](https://docs.rs/oubliette/latest/oubliette/search/index.html). After it: [shredding and backups](https://docs.rs/oubliette/latest/oubliette/recovery/index.html).*
//!
//! A [`Job`] says what is to become of the columns of one table. A driver (the module `rusqlite` or `sqlx`, each behind a feature of its name) runs it in batches, each
//! one transaction: it reads the next rows in order of key, does the steps to each, writes what changed, reads it back,
//! and commits. While the application runs, nothing is lost:
//! - **The rows of a batch are locked** until it is committed, so that none changes between being read and being written;
//!   a row that changes before or after counts as it is then.
//! - **What is sealed is opened again**, and must be the value it was made of; what was written is read back, and must be
//!   the same to the byte. Otherwise the batch is rolled back.
//! - **Others get their turn**: a batch ends after a [stated time](Job::batch_time), 250 milliseconds unless said
//!   otherwise, and on SQLite,
//!   where it holds the whole file, the job [pauses](Job::pause) in between.
//! - **It can stop anywhere**, by a crash too. Run again, it finds what is done and does the rest; a
//!   [bookmark](Progress::bookmark) spares it the looking.
//! - **A row with a problem is left as it is**, and named by key, column and rule, never by value.
//! - **`left_behind` is the check**: the rows for which any step of the job still has something to do.
//!
//! ```
//! # #[cfg(feature = "rusqlite")] {
//! use std::ops::ControlFlow;
//! use oubliette_jobs::{self as jobs, Job, Key};
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
//! Between two deploys wait until no process of the version before runs. From step 5 on the way back to a version of
//! before step 4 leads through [`unseal_columns`](Job::unseal_columns): until that has been over every row, such a version would show sealed
//! text, and search for plaintext.
//! 1. **The vault first.** Once plaintext is gone, losing the vault loses everything: give it a
//!    [mirror](oubliette::VaultBuilder::mirror) on another disk, keep the root key in two places, and unlock it once
//!    from what you
//!    kept.
//! 2. **Columns**: the number (NULL at first, and unique), tokens, by [these
//!    statements](crate#statements-for-new-columns). Find what will stand in the way: widths
//!    ([`seal`](Job::seal)), NOT NULL, CHECK, triggers, generated columns and indexes on the old column; empty strings (make
//!    them NULL); values that the type refuses; values that differ now and have one canonical form (`Alice@x.org`,
//!    `alice@x.org`).
//! 3. **Deploy A** reads plaintext and sealed ([`MaybeSealed`](oubliette::columns::MaybeSealed)), and still writes
//!    plaintext: with
//!    every insert a number, with every write of an indexed value its token. It searches as before. Then run a job of
//!    [`enroll`](Job::enroll) and [`index_plaintext`](Job::index_plaintext) steps until `left_behind` is empty; copy the
//!    numbers to tables that refer to this one (`UPDATE orders SET no = c.no FROM customers c WHERE ..`), and make them NOT
//!    NULL. Whoever gives a number elsewhere does so with the row locked (`SELECT .. FOR UPDATE`), or a second one overwrites
//!    the first, and what was sealed under that is lost.
//! 4. **Searching by token.** Settle duplicates, then make the tokens UNIQUE where the plaintext was; `bits(64)` or more.
//!    Deploy a version that searches by token, and only then drop the old constraint.
//! 5. **Deploy B** writes sealed, with its token, and with [`seal_into`](Job::seal_into) NULL for the plaintext. Run the job
//!    above (its `enroll` now finds nothing) until `left_behind` is empty, after a `dry_run`, which lists
//!    what would be refused, which rows would share a token, and for which a country is guessed ([`address_in`],
//!    [`Parts::address`]). A row that a UNIQUE constraint refuses is a problem, and the others of its batch are
//!    written.
//! 6. **Deploy C** reads sealed only. Now plaintext is an error.
//! 7. **Get rid of the old content.** PostgreSQL keeps it in dead rows until `VACUUM FULL`, which locks the table; in
//!    statistics until `ANALYZE` and `VACUUM FULL pg_statistic`; in archived WAL, replicas and change streams; and in its log of statements, if that has
//!    what they carry. SQLite keeps it
//!    in free pages and in the WAL until `VACUUM` and `PRAGMA wal_checkpoint(TRUNCATE)`; MariaDB in its undo, redo and binary
//!    logs. Blocks given back to the file system are not overwritten.
//!
//! **Backups from before hold the plaintext, which no shred reaches.** Until they have expired, keep a list of the keys of
//! erased rows, and delete those rows again after a restore, before the application starts and before any job that enrolls.
//!
//! If nothing need be unique, token and plaintext may be searched together instead, until step 6, **in one statement**: of
//! two, a row that is sealed in between is found by neither.
//!
//! A row of somebody shredded meanwhile cannot be sealed; its plaintext stays, and `left_behind` names it: delete it.
//!
//! **An application that reads a row and later writes all of its columns back** restores what a job replaced: an older token,
//! a value under an older tree. Write only what changed, or read `FOR UPDATE`; and before anything is retired let
//! `left_behind` be empty twice, further apart than your longest request.
//!
//! **A job and a record must bind the same bytes.** [`within_column`](InRow::within_column) binds any integer column as
//! eight bytes, so a record's context must be an `i64` or `u64`; an `i32` has four, and what one of them sealed the other
//! cannot open. A `Uuid` is 16 bytes: `uuid` or `BINARY(16)`, not text. Seal one row by the job and open it by the record
//! before you run it.
//!
//! # Rotating a purpose's key tree
//! 1. [`rotate_purpose`](oubliette::Vault::rotate_purpose). New values are sealed under the new tree, old ones open.
//! 2. One lease later, a job of [`reseal`](Job::reseal) steps over every column of the purpose, in every table, until
//!    `left_behind` is empty for each.
//! 3. [`retire_replaced`](oubliette::Vault::retire_replaced), naming the new tree. What was overlooked is unreadable
//!    from then on,
//!    and so is every backup from before step 2 ended: wait for as long as those may be needed. If somebody copied the
//!    old keys, do not wait. It waits a lease on the calling thread: in async code use `spawn_blocking`.
//!
//! # A new epoch of an index
//! 1. [`begin_epoch`](oubliette::Vault::begin_epoch). Queries by [`tokens`](oubliette::Vault::tokens) take both epochs.
//! 2. After [`effective_everywhere_at`](oubliette::Commit::effective_everywhere_at), when no process writes tokens of the old
//!    one, a job of [`index`](Job::index) and [`forget_tokens`](Job::forget_tokens) steps, until `left_behind` is empty.
//! 3. [`retire_epoch`](oubliette::Vault::retire_epoch). Tokens in old backups say nothing any more.
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
//! # Between a column and a group
//! Several fields of one purpose are sealed as one, in one column, when they are put in a [`Group`](oubliette::Group). Between two
//! deploys wait until no process of the version before runs. With `#[derive(Personal)]`:
//! 1. Add the group's column, NULL at first (`Option<Members>` in the record until step 4), and drop the NOT NULL of the field's.
//! 2. Deploy a version that reads the field from both, and writes it to its column: `seal = PHONE, or_group = CONTACT`.
//! 3. Deploy one that writes it to the group, and NULL to its column: `seal = PHONE, group = CONTACT, or_column =
//!    phone`. Then run a
//!    job of [`into_group`](Job::into_group) steps until `left_behind` is empty.
//! 4. Deploy one that knows the group alone, `seal = PHONE, group = CONTACT`, and drop the column.
//!
//! The way back is the same from the end, with [`out_of_group`](Job::out_of_group). To **add** a field to a group, deploy a version
//! whose record has it as an `Option`; once every row has one, it may be always there. To **remove** one, deploy a version without
//! it, and then run [`remove_member`](Job::remove_member): until then what the rows have is kept. Rotating a key tree needs
//! [`reseal_group`](Job::reseal_group) for the group's column, and a new epoch [`index_member`](Job::index_member) for each column
//! of tokens.
//!
//! # Another name, label or type
//! Renaming a table or a column changes nothing: it takes no part in keys. A field's label, type, purpose or context does.
//! To change one on purpose:
//! 1. Declare the new field. Deploy a version that opens as the new field and, when that is `NotAuthentic` or of
//!    `OtherPurpose`, as the old one, **and still writes the old**.
//! 2. When no older one runs, deploy one that writes the new, and run [`relabel`](Job::relabel) until `left_behind` is empty.
//! 3. Drop the old field.
//!
//! Tokens need a **second column** for the new field's index, since a token does not say which field it is of. From step 2 on
//! write that one and NULL to the old, and search both in one statement (`new_idx = ANY($1) OR old_idx = ANY($2)`); the job
//! that relabels fills it by an [`index`](Job::index) step; then drop the old. What must be unique is the application's to
//! guard meanwhile.
#![doc = include_str!("statements.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
// Without a driver a job can be described and not run.
#![cfg_attr(not(any(feature = "rusqlite", feature = "sqlx")), allow(dead_code))]
// A test that fails should panic.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        clippy::unwrap_in_result
    )
)]

mod address;
mod batch;
mod cell;
mod error;
mod groups;
mod job;
mod key;
mod parts;
mod pass;
mod rehearsal;
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

pub use address::address_in;
pub use error::{Cause, DatabaseError, JobError, RowProblem};
pub use groups::GroupInRow;
pub use job::Job;
pub use key::{Key, KeyColumns};
pub use parts::{Parsed, Parts};
pub use report::{DryRun, DuplicateToken, Guessed, LeftBehind, Progress, Remaining, Report};
pub use step::InRow;

use oubliette::Token;

/// The tokens of one value for two columns, even epoch first and odd epoch second, from those of
/// [`Vault::tokens`](oubliette::Vault::tokens). If two even or two odd epochs are live, it takes the newer.
///
/// ```
/// use oubliette::{Field, Index, Purpose, Vault, bits, personal::Email};
/// use oubliette_jobs::pair_of;
///
/// const ORDERS: Purpose = Purpose::new("orders");
/// const EMAIL: Field<Email> = ORDERS.field("email");
/// const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(64));
///
/// # let vault = Vault::in_memory([ORDERS]);
/// let tokens = vault.tokens(BY_EMAIL, &"alice@example.com".parse()?)?;
/// let [even, odd] = pair_of(&tokens); // for the columns email_even and email_odd
/// assert!(even.is_some() && odd.is_none()); // epoch 0 alone is live
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn pair_of<T>(tokens: &[Token<T>]) -> [Option<Token<T>>; 2] {
    [0, 1].map(|parity| tokens.iter().find(|token| token.epoch().number() % 2 == parity).copied())
}

/// The snippets of README.md compile.
#[cfg(all(doctest, feature = "rusqlite"))]
#[doc = include_str!("../README.md")]
mod readme {}
