//! Field-level encryption of customers' personal data, with crypto-shredding: forget one customer in every copy and
//! every backup.
//!
//! An application keeps names, emails, phones and addresses as [`Sealed`] values in whatever database it has. Each is
//! encrypted under a key of that one customer, that one purpose and that one field. Enrolling a customer writes no key.
//! [Shredding](Vault::shred) one makes that customer's keys underivable, durably, when the call returns: their sealed
//! values become unreadable wherever they lie, in last year's backups too, and everybody else's stay readable.
//!
//! ```
//! use oubliette::personal::{Email, Name};
//! use oubliette::{CustomerId, Field, OpenError, Purpose, RootKey, Sealed, UnlessShredded, Vault};
//!
//! // Declared once; names and labels are fixed for ever, since they take part in keys.
//! const ORDERS: Purpose = Purpose::new("orders");
//! const NAME: Field<Name> = ORDERS.field("name");
//! const EMAIL: Field<Email> = ORDERS.field("email");
//!
//! # let place = tempfile::tempdir()?;
//! # let (directory, passphrase) = (place.path().join("privacy"), "six random words, not these ones");
//! // The first time `create`, from then on `unlock`: a mistyped path must not become a new, empty vault.
//! let vault = Vault::at(&directory).purposes([ORDERS]).create(RootKey::passphrase(passphrase))?;
//!
//! // A new customer. The number goes into the customers table, as BIGINT UNIQUE.
//! let alice: CustomerId = vault.enroll()?;
//! let email: Sealed<Email> = vault.seal(alice, EMAIL, &"alice@example.com".parse()?)?;
//! let column: &[u8] = email.as_bytes(); // or `to_string()`, or serde
//!
//! // A request. The handle derives the customer's key once for all fields.
//! let email: Sealed<Email> = Sealed::from_bytes(column)?;
//! let keys = vault.customer(alice);
//! assert_eq!(keys.open(EMAIL, &email)?.expose_personal_data(), "alice@example.com");
//! let name: Sealed<Name> = keys.seal(NAME, &"Alice Ní Bhriain".parse()?)?;
//!
//! // She asks to be forgotten: in all purposes, in one commit.
//! let shredded = vault.shred([alice])?;
//! assert!(shredded.commit().is_wiped_here());
//! assert!(matches!(vault.open(alice, EMAIL, &email), Err(OpenError::Shredded { .. })));
//! assert!(keys.open(NAME, &name).unless_shredded()?.is_none()); // like an optional row
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `cargo run --example quickstart` does the same with a SQLite database and a restored backup; `--example events`
//! with JSON events in an append-only file.
//!
//! # Words
//! | word | meaning |
//! |---|---|
//! | [vault](Vault) | what an application opens: purposes, their key trees, one root record |
//! | [customer](CustomerId) | the person whose data it is: a number the vault issues, never reused |
//! | [purpose](Purpose) | why data is kept; each has its own key tree, and can be shredded alone |
//! | [field](Field) | one column or event property: a label fixed for ever, a [type](personal), a purpose |
//! | [group](Group), member | several fields of one purpose, sealed as one value in one column; one of these fields |
//! | key tree | the derivable-but-forgettable keys of one purpose |
//! | page | a node of the tree that had to be written down; nothing is before the first shred |
//! | root record | the small record that holds each tree's root, encrypted under the root key |
//! | [root key](RootKey) | what protects the root record: a passphrase, 32 random bytes, or a key held elsewhere |
//! | [index](Index), [token](Token) | what fills a column to search by, and one value in it |
//! | generation | counts the root record's commits |
//! | journal, receipt | what was forgotten, signed and chained; a signed document of it for whoever asked |
//! | register, grant | who may have what sealed, in the application's database; a legal basis for one purpose |
//! | [epoch](search::Epoch) | which of an index's keys a token was made with; one that is retired makes no more |
//! | seal, open, shred | encrypt a value, decrypt it, make a customer's keys underivable |
//!
//! # What is promised
//! - A sealed value opens only in its vault, for its customer, in its field. Copied anywhere else, or changed in one bit,
//!   it is refused.
//! - A shred is durable when the call returns `Ok`, and costs a few pages however many customers there are.
//! - Whoever has every byte that was ever written to databases, page stores and backups, except root records older than
//!   the shred, and also the current root record and root key, learns nothing about a shredded customer's fields but
//!   metadata.
//! - Restoring a backup of the application's database brings nobody back, if their values were sealed when it was made.
//! - Another process on the same vault stops opening a shredded customer's values within the lease (one second unless
//!   said otherwise), or stops opening anything.
//! - "Shredded", "the key store cannot be used" and "tampered with, or mixed up" are told apart: [`Outcome`].
//!
//! # What is not
//! - What was read, logged or exported before the shred, and swap, core dumps, snapshots of machines and forked children
//!   from before, are out of reach.
//! - **A copy of the root record made before a shred, with its root key, still opens what was shredded since.** Keep `root/`
//!   out of backups, or keep such backups for a stated time only. Overwriting is best effort: flash memory, copy-on-write
//!   file systems and snapshots keep old blocks. To be final against all copies, rotate to a random root key and destroy
//!   the old one ([`Vault::rotate_root_key`]); with a passphrase there is no such point.
//! - **Whoever loses the root record, the root key or the current pages loses every value**, or for pages those of every
//!   purpose that anybody was shredded in. Keep a [mirror](VaultBuilder::mirror).
//! - An older value of the same field and customer can be put back in place of a newer one.
//! - Tokens of an [index](Index) are not reached by a shred: set them to NULL, and retire their epoch.
//! - Metadata shows: customer numbers (so which rows are of one person), sizes after padding, coarse times.
//!
//! It supports erasure under Art. 17 GDPR. Deleting the rows stays the normal path; the shred reaches the copies that
//! deletion cannot. SECURITY.md has the threat model, FORMAT.md every byte of the formats: both are in the repository and
//! the package.
//!
//! # Where to go from here
//! - [`Vault`]: every call, and which of them can wait. [`VaultBuilder`]: mirrors, the lease, a demanded generation.
//! - [`personal`]: the types of fields, and how to make your own.
//! - [`columns`]: all of it as columns of rusqlite, sqlx, diesel and sea-orm.
//! - [`OpenError`], [`ShredError`] and their siblings: what is true after each failure.
//! - [`Index`]: search by exact match. [`Vault::rotate_purpose`]: a new key tree, after somebody read the old one's keys.
//! - `Personal`, a derive (feature `derive`): whole records, where every field must say what it is.
//! - [`VaultBuilder::recover`]: after a key store was restored from a backup.
//! - [`oubliette-register`](https://docs.rs/oubliette-register), a crate beside this one: who may have what sealed, on which legal
//!   basis and for how long; access, disclosure, erasure with a receipt, the inventory, breach reports; a guide by duty.
//! - [`VaultBuilder::journal`]: what was forgotten is written down and signed. [`Vault::receipt`] proves it to whoever
//!   asked, who needs [`oubliette-journal`](journal) alone to check it, and [`VaultBuilder::replay`] recovers without a list.
//! - [`Vault::reader`]: handles that open named purposes or fields only; [`audit`] notes each opening.
//! - [oubliette-jobs](https://docs.rs/oubliette-jobs), a crate of its own: sealing a live table, and moving it to new key
//!   trees, epochs and labels.
//! - [`store`]: stores of your own, and the suite they must pass.
//!
//! # Features
//! | feature | default | what it adds |
//! |---|---|---|
//! | `json` | yes | `personal::Json<T>`: any serde type as a personal field (serde_json) |
//! | `phone` | no | telephone numbers as people type them, with a default country (rlibphonenumber, about 80 crates) |
//! | `tracing` | no | events for commits, shreds, refreshes and refusals, without personal data or keys |
//! | `rusqlite`, `sqlx`, `diesel`, `sea-orm` | no | [column types](columns) for these crates, without features of theirs |
//! | `derive` | no | `#[derive(Personal)]`: the sealed twin of a record, and the list of its columns (oubliette-derive) |
//! | `testing` | no | `Vault::in_memory`, faults on demand, `assert_no_plaintext`. For tests; never enable it in a release build |
//!
//! # Platforms
//! CI runs Linux on x86-64. Other Linux, Android, Apple's and other Unix systems, and Windows should work by reading; on
//! anything else the crate does not compile. What differs:
//! - *Forks.* Linux and Android wipe one page of memory in a copy of a process, so that each is seen. Other Unix systems
//!   compare process ids, and buffer no randomness, since an id may come again. Windows has no fork.
//! - *Clocks.* The lease goes by a clock that counts sleep on Linux, Android, Fuchsia, OpenBSD and Apple's systems.
//!   Elsewhere the wall clock has to notice the sleep, and a wall clock that is set back over it hides it.
//! - *Permissions.* On Unix a vault's directories and files that belong to another user, or are open to others, are refused.
//!   On Windows the access list of the directory is yours to set.
//! - *Directories.* On Unix a new name is made durable by a sync of its directory; on Windows that is left to the file
//!   system.

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
    "oubliette runs on Unix and on Windows: elsewhere nobody has said how files are kept private, locked and made durable, \
     or how a fork and a sleep of the machine are seen. To bring it to another platform, open an issue, and begin with \
     src/store/directory/, src/clock.rs and src/fork.rs."
);

pub mod audit;
mod cipher;
mod clock;
mod closed;
pub mod columns;
mod customer;
mod derivation;
mod error;
mod events;
mod field;
mod fork;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod group;
mod index;
mod key_tree;
mod limits;
mod nonce;
pub mod personal;
#[cfg(planted)]
pub mod planted;
mod record;
mod rehearsal;
mod root_key;
mod root_record;
mod sealed;
mod secret;
mod signature;
mod stack;
pub mod store;
mod sync;
#[cfg(any(test, feature = "testing"))]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
mod vault;
#[cfg(test)]
mod vectors;
mod witness;
#[cfg(test)]
mod wycheproof;

pub use customer::{CustomerId, InvalidCustomerId};
#[cfg(feature = "derive")]
#[cfg_attr(docsrs, doc(cfg(feature = "derive")))]
pub use error::SealRecordError;
pub use error::{
    CreateError, EnrollError, Error, KeyStoreError, OpenError, SealError, ShredError, UnlessShredded, UnlockError,
};
pub use field::{Field, Purpose};
pub use group::{Group, Members};
pub use index::{Bits, Index, Token, bits};
#[doc(inline)]
pub use journal::{InvalidName, Outcome};
pub use limits::Limits;
#[cfg(feature = "derive")]
#[cfg_attr(docsrs, doc(cfg(feature = "derive")))]
pub use oubliette_derive::Personal;
#[doc(inline)]
pub use oubliette_journal as journal;
#[cfg(feature = "derive")]
#[cfg_attr(docsrs, doc(cfg(feature = "derive")))]
pub use record::Held;
#[cfg(feature = "derive")]
#[doc(hidden)]
pub use record::support as __private;
pub use root_key::RootKey;
pub use sealed::{ParseError, Sealed};
pub use vault::{
    Commit, CustomerKeys, EachCustomer, Opens, Pending, Reader, ReceiptContext, ShredTarget, Shredded, Shredding,
    Vault, VaultBuilder,
};

/// Fields by their names: what a value is sealed within, and what programs that go by lists of columns need.
pub mod fields {
    pub use crate::field::{Belongs, FieldId, Placed};
    pub use crate::group::{MemberError, PlacedGroup};
    pub use crate::record::{Context, FieldInfo, FieldKind};
    pub use crate::sealed::Encoded;
}

/// Searching by exact match, beyond an [`Index`] and its [`Token`]s: how many bits to choose, and the epochs that an index's keys come in.
pub mod search {
    pub use crate::error::{EpochError, TokenError};
    pub use crate::index::{Epoch, InvalidToken, Plan, PlanWarning};
    pub use crate::vault::{EpochBegun, Epochs};
}

/// New key trees for a purpose, and giving up those that they replace: after somebody may have read its keys.
pub mod renewal {
    pub use crate::error::{PurposeError, ResealError};
    #[doc(inline)]
    pub use crate::journal::{InvalidKeyTreeId, KeyTreeId};
    pub use crate::vault::{Retired, Rotated};
}

/// Root keys that are not a passphrase or 32 bytes: wrapped elsewhere, or a series of versions of which the older are destroyed.
pub mod root_keys {
    pub use crate::error::{RotateError, SeriesError};
    #[doc(inline)]
    pub use crate::journal::SeriesName;
    pub use crate::root_key::{
        KeySeries, KeyTokens, KeyVersion, KeyWrapper, OlderVersion, PassphraseCost, RootKeyError, RootKeyVersions,
        SeriesInToken, VersionPolicy, VersionState, WrapperError,
    };
}

/// After a key store was lost or restored: what was forgotten since is forgotten again, and a mirror takes the place of a first place.
pub mod recovery {
    pub use crate::error::{PromoteError, RecoverError};
    pub use crate::vault::Recovery;
}

/// What a vault tells of itself, to operators and to readiness probes.
pub mod status {
    pub use crate::vault::{Health, LoadedPages, PurposeStatus, Status};
}
