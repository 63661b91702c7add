//! What members of events are, beyond texts and numbers.

use serde::{Deserialize, Serialize};

use super::ids::{KeyTreeId, SeriesName, VersionId};
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
pub enum OpeningResult {
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
    /// The version of the root key that the root record is under, and what is left of those before it.
    pub root_key: Option<RootKeyVersion>,
}

/// Why a version of the root key began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Began {
    /// The vault was made.
    Created,
    /// Something was forgotten: customers, an epoch, a key tree.
    Forgot,
    /// The one before was old.
    Age,
    /// Somebody asked for it.
    ByHand,
    /// A place of the root record was given up.
    Place,
    /// The vault was recovered.
    Recovery,
    /// The vault moved to this series, or to another root key that goes on with it.
    NewKey,
    /// Whoever began it did not say: it was stopped before, or had no journal.
    Unknown,
}

/// The version of the root key that the root record is under, and what is left of older ones: as the process that wrote the entry found
/// the token then, by that process's clock.
///
/// Of the series' keys there were no others than this one and those kept: so root records from before `generation` that are under
/// this series could not be read any more, nor by anybody who has the token from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootKeyVersion {
    /// The series.
    pub series: SeriesName,
    /// Counts from 1 in a series. Numbers may be left out in a journal: what was begun and superseded before anybody could say so.
    pub number: u64,
    /// Which key.
    pub id: VersionId,
    /// The generation of the first root record under it.
    pub generation: u64,
    /// Why it began.
    pub began: Began,
    /// When, by the clock of whoever began it.
    pub begun: Time,
    /// What is left of those before it; none if there is nothing here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<KeptVersions>,
}

/// Older versions of a root key that are kept: root records under them can be read by whoever has the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptVersions {
    /// The oldest that is left. All before it were gone.
    pub from: u64,
    /// When the last of them is to be destroyed, by the marks in the token and the policy of the process that wrote this. They are there
    /// until an entry says that they are gone.
    pub until: Time,
}

impl RootKeyVersion {
    /// Whether both say the same of the token, whatever is known of why it came to be.
    #[must_use]
    pub fn says_the_same_as(&self, other: &RootKeyVersion) -> bool {
        RootKeyVersion { began: other.began, ..*self } == *other
    }
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
