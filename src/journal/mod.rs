//! The journal: what was forgotten, and every move of keys, written down, chained and signed; and receipts of it.
//!
//! A file of JSON lines, append only. Each entry has a number, a time, the hash of the entry before it, what happened,
//! and an Ed25519 signature under a key that lies in the vault's root record. Customers appear as numbers, never by name.
//! FORMAT.md has every byte.
//!
//! Whoever has the file and the [`PublicKey`] can check all of it offline, without the vault:
//! ```no_run
//! use oubliette::journal::{self, Expectations, PublicKey, Receipt};
//!
//! // From a place that whoever could have forged the journal cannot change: an auditor's own notes.
//! let key: PublicKey = "obl-key-1.…".parse()?;
//! let receipt = Receipt::verify(&std::fs::read_to_string("receipt.json")?, &key)?;
//! let expected = Expectations::new().receipt(&receipt);
//! let found = journal::verify("privacy.journal", &key, &expected, |_| ())?;
//! println!("{} entries, the last {} at {}", found.entries, found.last, found.until);
//! for entry in journal::entries("privacy.journal", &key)? {
//!     println!("{:?}", entry?.event());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is found
//! | what was done to the file | what tells |
//! |---|---|
//! | a byte was changed | the signature of its entry |
//! | an entry was dropped, moved, repeated | numbers and hashes |
//! | an entry of another journal of the vault was put in | the hash of the one before |
//! | the end was cut off, or an older copy put back | the head beside it; receipts; the root record, when the vault is unlocked |
//! | everything was written anew by somebody else | the key |
//!
//! # What is not
//! - **Whoever holds the root record and the root key can sign whatever they like**, a whole journal anew included. What
//!   contradicts them is what others keep: receipts, and an [`Anchor`] now and then, which is one line of text.
//! - An older copy of journal *and* head, put back together, is found only by a receipt, an anchor or the vault.
//! - The times are those of the machines' clocks.
//!
//! # Files
//! Beside `<journal>` lie `<journal>.head`, one signed line that says how far it has come, and `<journal>.lock`, which
//! writers hold in turn. All are readable by their owner alone; the directory should be its owner's, too. Never cut or
//! rotate the journal: it grows by some 300 bytes an entry. Each vault has one, which all of its processes write to; a copy
//! is no second one, and is refused. A writer that is killed within a line leaves half of it, and a power cut zeros in
//! place of it; the next writer cuts that off and says so in an entry (`torn`).

mod canonical;
mod chain;
mod disk;
mod entries;
mod entry;
mod error;
mod event;
mod file;
#[cfg(feature = "testing")]
pub(crate) mod fuzzing;
mod head;
mod key;
mod lock;
mod numbers;
mod reading;
mod receipt;
mod replay;
mod state;
#[cfg(test)]
pub(crate) mod tests;
mod text;
mod trees;
mod verify;

pub use self::entries::{Entries, entries};
pub use self::entry::{Entry, LINE_BYTES};
pub use self::error::{Damage, JournalError, KnownFrom, ReceiptError};
pub use self::event::{Came, Ending, Event, IndexName, Whom};
pub use self::key::PublicKey;
pub use self::numbers::Numbers;
pub use self::receipt::{Purposes, RECEIPT_BYTES, Receipt, ReceiptContent, Remains, Until, Whose};
pub use self::text::{EventId, Hash, InvalidText, Label, Reason, Time, VaultName};
pub use self::verify::{Expectations, Gap, Progress, Verified, verify, verify_from};
pub use crate::root_record::Anchor;

#[cfg(test)]
pub(crate) use self::key::sign_once;
pub(crate) use self::{
    file::JournalFile,
    key::{Signer, sign},
    receipt::Facts,
    replay::{Replayed, replay},
};
