//! Long jobs over the application's tables.

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
