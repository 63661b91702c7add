//! What members of events are, beyond texts and numbers.

use serde::{Deserialize, Serialize};

use super::ids::{KeyTreeId, SeriesName, VersionId};
use super::number::Number;
use super::numbers::Numbers;
use super::text::Label;
use super::time::Time;

/// Whom a shred reaches.
///
/// [`Journal`](crate::Journal) has an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whom {
    /// These numbers.
    Numbers(Numbers),
    /// Every number up to this one, by age.
    Through(Number),
}

/// What an opening came to.
///
/// It is only read, so there is no example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OpeningResult {
    /// The value was given out.
    Opened,
    /// The reader's limits did not allow it. Nothing was opened.
    Refused,
    /// Nothing was given out: the value is shredded, tampered with or another customer's, or the key store is out of
    /// reach.
    Failed,
}

/// What an intent came to.
///
/// [`Journal`](crate::Journal) has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ending {
    /// It is done, durably.
    Done,
    /// Nothing happened.
    Refused,
    /// It may have happened. The intent stays open until another outcome says more.
    Unknown,
}

/// The details of an [`Outcome`](super::Event::Outcome): its members that may be left out.
///
/// [`Journal`](crate::Journal) has an example.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Results {
    /// How many customers this shredded.
    pub newly: Option<u64>,
    /// How many customers were shredded before.
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
///
/// It is only read, so there is no example.
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
    /// An operator asked for a new version.
    ByHand,
    /// A place of the root record was detached.
    Place,
    /// The vault was recovered.
    Recovery,
    /// The vault moved to this series, or to another root key that continues it.
    NewKey,
    /// Not recorded: the process that began the version stopped before it wrote the entry, or had no journal.
    Unknown,
}

/// The version of the root key in use, and the older versions that are left. It is what the writer of the entry found
/// in the token, by the writer's clock.
///
/// The token had no other key of this series. So a root record from before `generation` under this series is
/// unreadable, for everybody who gets hold of the token from then on; only records under the kept versions are
/// readable.
///
/// It is only read, so there is no example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootKeyVersion {
    /// The series.
    pub series: SeriesName,
    /// Counts from 1 in a series. A journal may leave numbers out: such a version began and was replaced before a
    /// process could write it down.
    pub number: u64,
    /// The id of the key.
    pub id: VersionId,
    /// The generation of the first root record under it.
    pub generation: u64,
    /// Why it began.
    pub began: Began,
    /// When it began, by the clock of the process that began it.
    pub begun: Time,
    /// The older versions that are left. `None` means that none are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<KeptVersions>,
}

/// Older versions of a root key that are still in the token. Whoever has the token can read root records under them.
///
/// It is only read, so there is no example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptVersions {
    /// The oldest version that is left. All before it are destroyed.
    pub from: u64,
    /// When the last of them is due to be destroyed, by the dates in the token and the policy of the writer. They exist
    /// until an entry says that they are gone.
    pub until: Time,
}

impl RootKeyVersion {
    /// Whether both describe the same state of the token. Why the version began is not compared.
    #[must_use]
    pub fn says_the_same_as(&self, other: &RootKeyVersion) -> bool {
        RootKeyVersion { began: other.began, ..*self } == *other
    }
}

/// The full name of an index: everything that takes part in its keys.
///
/// It is only read, so there is no example.
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
