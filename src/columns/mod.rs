//! Column types: sealed values, customer numbers and tokens as parameters and results of a database crate.
//!
//! With the feature of a database crate on (`rusqlite`, `sqlx`, `diesel`, `sea-orm`), these types and an [`Option`] of
//! each are bound and read like any other, in the crate's own derives too:
//!
//! | type | SQLite | PostgreSQL | MariaDB, MySQL | in diesel |
//! |---|---|---|---|---|
//! | [`Sealed<T>`](crate::Sealed) | `BLOB` | `BYTEA` | `VARBINARY(n)`, `BLOB` | `Binary` |
//! | [`SealedText<T>`] | `TEXT` | `TEXT` | `TEXT`, or `VARCHAR(n)` in ASCII | `Text` |
//! | [`MaybeSealed<T>`], while a column is migrated | `TEXT` | `TEXT` | `TEXT` | `Text` |
//! | [`CustomerId`](crate::CustomerId) | `INTEGER` | `BIGINT` | `BIGINT` | `BigInt` |
//! | [`Token<T>`](crate::Token) | `BLOB` | `BYTEA` | `VARBINARY(33)` | `Binary` |
//!
//! A sealed value has 82 bytes more than the [padded](crate::personal::PersonalData::PADDING) one, an email of up to 63
//! bytes for instance 146; its text has a third more, and five. Prefer bytes where the schema is yours to choose. A token
//! has a byte more than its index's bits, and never more than 33.
//!
//! rusqlite is for SQLite alone. With sqlx one implementation serves every database whose driver binds the Rust types
//! `Vec<u8>`, `String` and `i64`; with diesel likewise. Tested are SQLite, PostgreSQL and MariaDB with sqlx, SQLite and
//! PostgreSQL with diesel and sea-orm.
//!
//! # A column holds no key
//! A column type never sees the rest of its row, so it neither seals nor opens: it carries opaque bytes, and
//! [`open`](crate::Vault::open) is told whose they must be. A value that was copied to another customer's row is read
//! without complaint and refused when it is opened.
//!
//! # What reading checks
//! That the value has the form of one. Plaintext, a sealed value that lost its end and has fewer than 83 bytes left, one that a
//! CHAR column filled up with spaces, and bytes that were bound to a column of text (PostgreSQL writes them as `\\xf8..`) are each
//! a [`ParseError`](crate::ParseError) inside the database crate's own error for a value that cannot be decoded. A
//! sealed value that lost less of its end is read, and refused when it is opened. No error repeats what was found.
//!
//! # Querying by token
//! Bind the tokens of all epochs, as many parameters as there are:
//! `WHERE email_idx IN (?, ?)`. PostgreSQL takes them as one array as well, `WHERE email_idx = ANY($1)`, bound from
//! `tokens.iter().map(Token::as_bytes).collect::<Vec<_>>()`.
//!
//! # Upserts
//! **An upsert that finds its row by a token must not bring a number of its own.** `INSERT .. ON CONFLICT (email_idx) DO UPDATE
//! SET email = excluded.email` keeps the row's number beside a value under the new one: whoever is shredded by the row's
//! number stays readable. And an upsert that writes the number as well leaves what other tables hold under the old one. So ask
//! for the row's number first, seal under it, and let the insert take place only if there is none:
#![cfg_attr(feature = "rusqlite", doc = "```")]
#![cfg_attr(not(feature = "rusqlite"), doc = "```ignore")]
//! use oubliette::{CustomerId, Field, Index, Purpose, Vault, bits, personal::Email};
//! use rusqlite::{OptionalExtension, Transaction, params};
//!
//! const ORDERS: Purpose = Purpose::new("orders");
//! const EMAIL: Field<Email> = ORDERS.field("email");
//! const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(64));
//!
//! /// The row of whoever has this email, made anew if there is none. `email_idx` is UNIQUE.
//! fn upsert(vault: &Vault, on: &Transaction<'_>, email: &Email) -> Result<CustomerId, Box<dyn std::error::Error>> {
//!     let token = vault.token(BY_EMAIL, email)?;
//!     let find = "SELECT no FROM customers WHERE email_idx = ?"; // in PostgreSQL FOR UPDATE; in two epochs IN (?, ?)
//!     if let Some(no) = on.query_row(find, [token], |row| row.get(0)).optional()? {
//!         let sealed = vault.seal(no, EMAIL, email)?;
//!         on.execute("UPDATE customers SET email = ?, email_idx = ? WHERE no = ?", params![sealed, token, no])?;
//!         return Ok(no);
//!     }
//!     let no = vault.enroll()?;
//!     let sealed = vault.seal(no, EMAIL, email)?;
//!     // Fails if somebody else was first: begin the transaction again, and find their row.
//!     on.execute("INSERT INTO customers (no, email, email_idx) VALUES (?, ?, ?)", params![no, sealed, token])?;
//!     Ok(no)
//! }
//! # let vault = Vault::in_memory([ORDERS]);
//! # let mut connection = rusqlite::Connection::open_in_memory()?;
//! # connection.execute_batch("CREATE TABLE customers (no BIGINT PRIMARY KEY, email BLOB, email_idx BLOB UNIQUE)")?;
//! # let (one, other) = ("alice@example.com".parse()?, "Alice@Example.com".parse()?);
//! # let transaction = connection.transaction()?;
//! # assert_eq!(upsert(&vault, &transaction, &one)?, upsert(&vault, &transaction, &other)?);
//! # let sealed = transaction.query_row("SELECT email FROM customers", [], |row| row.get::<_, oubliette::Sealed<Email>>(0))?;
//! # let no = transaction.query_row("SELECT no FROM customers", [], |row| row.get::<_, CustomerId>(0))?;
//! # assert_eq!(sealed.customer(), no);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//! Rows that such an upsert left behind are found by any job over the table (`oubliette-jobs`), by `left_behind`, and by
//! `oubliette doctor`: [`Sealed::customer`](crate::Sealed::customer) is the number that a value is under.
//!
//! # After a restore of the database
//! A backup brings the tokens of the shredded back: who was erased cannot sign up again where tokens are UNIQUE, and is found by
//! a search. So empty them before the application answers: a job of `forget_tokens` steps does
//! (`oubliette-jobs`), `oubliette reindex` by the configuration, and the register's `resume` by itself.

mod list;
mod maybe_sealed;
mod sealed_text;

#[cfg(feature = "diesel")]
mod diesel;
#[cfg(feature = "rusqlite")]
mod rusqlite;
#[cfg(feature = "sea-orm")]
mod sea_orm;
#[cfg(feature = "sqlx")]
mod sqlx;

pub use list::Columns;
pub use maybe_sealed::{MaybeSealed, OnPlaintext};
pub use sealed_text::SealedText;
