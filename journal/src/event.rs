//! What entries say: one enum, each kind with its own fields.

use serde::{Deserialize, Serialize};

use super::ids::{Hash, KeyTreeId, SeriesName, VaultName};
use super::key::PublicKey;
use super::number::Number;
use super::numbers::Numbers;
use super::parts::{Ending, IndexName, OpeningResult, RootKeyVersion, Whom};
use super::text::{Label, Reason};
use super::time::Time;

/// What happened. An event never has personal data: it names customers by their numbers, and lists of customers as
/// ranges of numbers.
///
/// Events from `Shred` to `ForgetSeries` are *intents*: the vault writes them before it acts, and an `Outcome`
/// afterwards. An intent without an outcome was interrupted. It counts as done until somebody finishes it.
///
/// [`Journal`](crate::Journal) has an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Event {
    /// The journal begins: always the first entry, and never again.
    Opened {
        /// The vault that writes it. Every signature is bound to it.
        vault: VaultName,
        /// The key that the signatures are checked with.
        public_key: PublicKey,
    },

    /// Intent: customers are shredded.
    Shred {
        /// Which.
        whom: Whom,
        /// In this purpose alone; in all if there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        purpose: Option<Label>,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Reason>,
    },
    /// Intent: the root record moves to a new root key.
    RotateRootKey {
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Reason>,
    },
    /// Intent: a purpose gets a new key tree. The outcome names it.
    RotatePurpose {
        /// The purpose.
        purpose: Label,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Reason>,
    },
    /// Intent: the key trees that `new` replaced are given up. The outcome names them.
    RetireReplaced {
        /// The purpose.
        purpose: Label,
        /// The tree that replaced them.
        new: KeyTreeId,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Reason>,
    },
    /// Intent: an index begins its next epoch. The outcome says which.
    BeginEpoch {
        /// The index.
        index: IndexName,
        /// The epoch, if it was known before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epoch: Option<u8>,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Reason>,
    },
    /// Intent: the keys of an epoch are given up.
    RetireEpoch {
        /// The index.
        index: IndexName,
        /// The epoch.
        epoch: u8,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Reason>,
    },
    /// Intent: a vault that was rolled back is mended.
    Recover {
        /// The highest generation that was known to have existed.
        seen: u64,
        /// The highest customer number that was known to have been issued.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        highest_number: Option<Number>,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Reason>,
    },
    /// Intent: an operator declares that what seemed to show a vault gone back in time was a false alarm.
    ClearAlarm {
        /// The highest generation that was seen: the vault goes on above it.
        seen: u64,
        /// The highest customer number that counts as issued from now on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        highest_number: Option<Number>,
        /// Why.
        why: Reason,
    },
    /// Intent: purposes are added.
    AddPurposes {
        /// Which.
        purposes: Vec<Label>,
    },
    /// Intent: places that hold copies of the root record are attached or detached, or another one becomes the first.
    Places {
        /// The ids of those attached.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        attached: Vec<Label>,
        /// The ids of those detached: from now on they hold an old record.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        detached: Vec<Label>,
        /// The place that is first from now on, if another was before: by a hand-over, or promoted since that one was lost.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first: Option<Label>,
    },
    /// Intent: a series of root keys that the root record no longer uses is destroyed in the token. It belonged to a
    /// copy, or a rotation left it there.
    ForgetSeries {
        /// The series.
        series: SeriesName,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Reason>,
    },

    /// What an intent came to.
    Outcome {
        /// The number of the intent's entry.
        of: u64,
        /// What it came to.
        result: Ending,
        /// Customers that were not shredded before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        newly: Option<u64>,
        /// Customers that were.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        already: Option<u64>,
        /// The key tree that was made.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tree: Option<KeyTreeId>,
        /// The key trees that were given up.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        trees: Vec<KeyTreeId>,
        /// The epoch that began.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epoch: Option<u8>,
        /// When no other process used the keys any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        effective_at: Option<Time>,
        /// The version of the root key in use and what is left of older ones, if an entry did not say the same last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        root_key: Option<RootKeyVersion>,
    },
    /// The version of the root key in use, where no outcome says it: a version began because the one before was old,
    /// older versions were destroyed because their time was over, or a process stopped before it wrote this down.
    RootKey {
        /// The version.
        version: RootKeyVersion,
    },
    /// A copy of the vault is about to be written. A series of its own protects it: the copy opens for as long as the
    /// first key of that series exists.
    Copied {
        /// The copy's series.
        series: SeriesName,
    },
    /// Entries are missing here, and somebody who holds the vault went on without them. Their entry numbers are never
    /// used again.
    Gap {
        /// The vault, since the entry that named it may be among those missing.
        vault: VaultName,
        /// The first that is missing.
        from: u64,
        /// The last.
        to: u64,
        /// The hash of the last entry before, so that no more can be taken away later.
        after: Hash,
        /// Why.
        why: Reason,
    },
    /// A writer was killed in the middle of a line, and the next writer cut the half line off. No caller was told that
    /// the line was written.
    Torn {
        /// How many bytes it was.
        bytes: u64,
    },

    /// A legal basis to hold data, and so to seal, began.
    Granted {
        /// The grant.
        grant: u64,
        /// The customer's number for the purpose.
        number: Number,
        /// The purpose.
        purpose: Label,
        /// The basis: `consent`, `contract` and so on.
        basis: Label,
        /// The third party that may be given it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        recipient: Option<Label>,
        /// Until when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Time>,
    },
    /// A customer was erased: the register no longer knows whose numbers these were.
    Erased {
        /// The customer's numbers.
        numbers: Numbers,
        /// What their receipt commits to.
        commitment: Hash,
    },
    /// Two customers turned out to be one.
    Merged {
        /// The numbers of the customer whose id now leads to the other one.
        numbers: Numbers,
        /// The numbers of the customer who stays.
        into: Numbers,
    },
    /// A grant ended: withdrawn, or run out.
    Ended {
        /// The grant.
        grant: u64,
        /// The customer's number for the purpose.
        number: Number,
        /// The purpose.
        purpose: Label,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Reason>,
    },
    /// A customer asked for something that the law gives a time for.
    Requested {
        /// The request.
        request: u64,
        /// What for: `erasure`, `access` and so on.
        what: Label,
        /// The customer's numbers.
        numbers: Numbers,
        /// When it was received: the time for the answer counts from here.
        received: Time,
        /// When it must be answered.
        due: Time,
    },
    /// The answer to a request got more time.
    RequestExtended {
        /// The request.
        request: u64,
        /// When it must be answered from now on.
        due: Time,
        /// Why, as the customer was told.
        why: Reason,
    },
    /// Something was noted about a request, open or closed. It changes nothing.
    RequestNoted {
        /// The request.
        request: u64,
        /// What.
        note: Reason,
    },
    /// A request was closed.
    RequestClosed {
        /// The request.
        request: u64,
        /// How: `done`, `refused`, `withdrawn`; `unanswered` when the customer was erased before there was an answer.
        how: Label,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Reason>,
    },
    /// A customer's data must be kept, even if somebody asks for erasure.
    Hold {
        /// The hold.
        hold: u64,
        /// The customer's numbers.
        numbers: Numbers,
        /// For this purpose alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        purpose: Option<Label>,
        /// Why.
        why: Reason,
        /// Until when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Time>,
    },
    /// A hold ended.
    HoldEnded {
        /// The hold.
        hold: u64,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Reason>,
    },
    /// Somebody ordered a destruction that a hold stands against. The hold still protects everything else. The entry is
    /// written before anything is destroyed; the vault's own entries say whether the destruction took place.
    HoldOverridden {
        /// The hold.
        hold: u64,
        /// What was ordered: `shred`, or `retire_replaced` of key trees.
        what: Label,
        /// Why.
        why: Reason,
    },
    /// Somebody ordered a shred of numbers without erasing their customers: the register still knows whose numbers
    /// these are. The entry is written before the shred; the vault's own entry after it, with the same reason, says
    /// whether the shred took place.
    ShredOrdered {
        /// Which.
        whom: Whom,
        /// In this purpose alone; in all if there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        purpose: Option<Label>,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Reason>,
    },
    /// A sweep looked for data whose retention had ended.
    Swept {
        /// In this purpose alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        purpose: Option<Label>,
        /// How many numbers were due.
        due: u64,
        /// How many of the due numbers were shredded.
        shredded: u64,
        /// How many of the due numbers a hold kept.
        held: u64,
    },
    /// Data of a customer was handed to a third party.
    Disclosed {
        /// The customer's number.
        number: Number,
        /// To whom.
        recipient: Label,
        /// The purpose.
        purpose: Label,
        /// The labels of the fields.
        fields: Vec<Label>,
        /// Whether it left encrypted to the recipient.
        encrypted: bool,
    },
    /// A customer received all data that is held on them.
    Accessed {
        /// The customer's numbers.
        numbers: Numbers,
    },
    /// Values were opened, or somebody tried to open them, under an audit.
    Openings {
        /// The second.
        at: Time,
        /// Who opened them: a service or a role.
        who: Reason,
        /// What for.
        why: Reason,
        /// The purpose.
        purpose: Label,
        /// The label of the field.
        field: Label,
        /// What they came to.
        result: OpeningResult,
        /// How many openings, repeated ones included. Each of the customers was opened equally often. If the list of
        /// numbers was too long for one entry, the first entry has the count.
        count: u64,
        /// Whose.
        numbers: Numbers,
    },
    /// A backup was restored and brought up to date.
    Restored {
        /// What was restored: the database, the root record.
        what: Reason,
        /// How many rows of shredded customers came back and were erased again.
        erased: u64,
    },
    /// Anything else that somebody must be able to read later.
    Note {
        /// The text.
        text: Reason,
    },
}
