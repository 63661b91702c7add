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
//! That the value has the form of one. Plaintext, and a sealed value that lost its end and has fewer than 83 bytes left,
//! is a [`ParseError`](crate::ParseError) (or [`InvalidCustomerId`](crate::InvalidCustomerId),
//! [`InvalidToken`](crate::InvalidToken)) inside the database crate's own error for a value that cannot be decoded. A
//! sealed value that lost less of its end is read, and refused when it is opened. No error repeats what was found.
//!
//! # Querying by token
//! Bind the tokens of all epochs, as many parameters as there are:
//! `WHERE email_idx IN (?, ?)`. PostgreSQL takes them as one array as well, `WHERE email_idx = ANY($1)`, bound from
//! `tokens.iter().map(Token::as_bytes).collect::<Vec<_>>()`.

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

pub use maybe_sealed::{MaybeSealed, MaybeSealedError, NotSealed, Plaintext};
pub use sealed_text::SealedText;
