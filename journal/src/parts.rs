//! What members of events are, beyond texts and numbers.

use serde::{Deserialize, Serialize};

use super::ids::KeyTreeId;
use super::number::Number;
use super::numbers::Numbers;
use super::text::Label;
use super::time::Time;

/// Whom a shred reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whom {
    /// These numbers.
    Numbers(Numbers),
    /// Every number up to this one, by age.
    Through(Number),
}

/// What an opening came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Came {
    /// The value was given out.
    Opened,
    /// The reader's limits did not allow it. Nothing was opened.
    Refused,
    /// There was nothing to give out: shredded, tampered with, of somebody else, or the key store could not be used.
    Failed,
}

/// What an intent came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ending {
    /// It is done, durably.
    Done,
    /// Nothing happened.
    Refused,
    /// It may have happened. It stays open until an outcome says more.
    Unknown,
}

/// What came of an intent, beyond that it was done: the members of an [`Outcome`](super::Event::Outcome) that may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Results {
    /// Customers that were not shredded before.
    pub newly: Option<u64>,
    /// Customers that were.
    pub already: Option<u64>,
    /// The key tree that was made.
    pub tree: Option<KeyTreeId>,
    /// The key trees that were given up.
    pub trees: Vec<KeyTreeId>,
    /// The epoch that began.
    pub epoch: Option<u8>,
    /// When no other process used the keys any more.
    pub effective_at: Option<Time>,
}

/// An index, by all that takes part in its keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexName {
    /// The purpose.
    pub purpose: Label,
    /// The label of the field.
    pub field: Label,
    /// The tag of the field's type.
    pub tag: Label,
    /// The label of the index.
    pub label: Label,
    /// Bits of its tokens.
    pub bits: u16,
}
