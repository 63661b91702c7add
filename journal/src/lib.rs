//! The journal: what was forgotten, and every move of keys, written down, chained and signed; and receipts of it.
//!
//! *Chapter 5 of [the book of oubliette](https://docs.rs/oubliette/latest/oubliette/#the-book): shredding and backups, the journal and its receipts. Before it: [shredding and backups](https://docs.rs/oubliette/latest/oubliette/recovery/index.html). After it: [machines](https://docs.rs/oubliette-postgres).*
//!
//! A file of JSON lines, append only. Each entry has a number, a time, the hash of the entry before it, what happened,
//! and an Ed25519 signature under a key that lies in the vault's root record. Customers appear as numbers, never by name.
//! FORMAT.md has every byte.
//!
//! This crate reads, checks and writes that file. It lies below `oubliette`, which signs with a key in the vault and has it as
//! `oubliette::journal`: whoever only checks a journal or a receipt needs this crate alone, and builds no cipher.
//!
//! Whoever has the file and the [`PublicKey`] can check all of it offline, without the vault:
//! ```no_run
//! use oubliette_journal::{self as journal, Expectations, PublicKey, Receipt};
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
//!
//! # Platforms
//! Those of `oubliette`: CI runs Linux on x86-64; other Unix systems and Windows should work by reading; on anything else the
//! crate does not compile, for checking either. What differs: on Unix files are made readable by their owner alone, and a new
//! name is made durable by a sync of its directory; on Windows the access list of the directory is yours to set, and names
//! are left to the file system.

#![cfg_attr(docsrs, feature(doc_cfg))]
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

#[cfg(not(any(unix, windows)))]
compile_error!(
    "oubliette-journal runs on Unix and on Windows: elsewhere nobody has said how files are kept private, locked and made \
     durable. To bring it to another platform, open an issue, and begin with journal/src/disk.rs and journal/src/lock.rs."
);

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod anchor;
mod canonical;
mod chain;
mod disk;
mod entries;
mod entry;
mod error;
mod event;
mod event_kinds;
mod file;
#[cfg(fuzzing)]
pub mod fuzzing;
mod head;
mod ids;
mod key;
mod labels;
mod limits;
mod lock;
#[doc(hidden)]
pub mod message;
mod name;
mod number;
mod numbers;
mod outcome;
mod parts;
mod ranges;
mod reading;
mod receipt;
mod replay;
mod split;
mod state;
mod sync;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod verify;

pub use self::anchor::Anchor;
pub use self::entries::{Entries, entries};
pub use self::entry::Entry;
pub use self::error::{Damage, JournalError, KnownFrom, ReceiptError};
pub use self::event::Event;
pub use self::file::Journal;
pub use self::ids::{EventId, Hash, InvalidKeyTreeId, KeyTreeId, SeriesName, VaultName, VersionId};
pub use self::key::{PublicKey, SignError, Signer};
pub use self::labels::LABELS;
pub use self::limits::{LINE_BYTES, MOST_GENERATION};
pub use self::name::{InvalidName, check_name};
pub use self::number::{InvalidNumber, Number};
pub use self::numbers::Numbers;
pub use self::outcome::Outcome;
pub use self::parts::{Began, Ending, IndexName, KeptVersions, OpeningResult, Results, RootKeyVersion, Whom};
pub use self::ranges::Ranges;
pub use self::receipt::{Facts, Purposes, RECEIPT_BYTES, Receipt, ReceiptContent, Remains, Until, Whose};
pub use self::replay::{Replayed, replay};
pub use self::text::{InvalidText, Label, Reason};
pub use self::time::Time;
pub use self::verify::{Expectations, Gap, Verified, VerifyProgress, verify, verify_from};
