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
//! `cargo run --example quickstart` does the same with a SQLite database and a restored backup.
//!
//! **[What is promised](security#what-is-promised), and [what is not](security#what-is-not-promised)**: the module [`security`] is
//! the whole list, with what it rests on. Two lines of it to know before the first customer: a copy of the *root record* from before
//! a shred, with its root key, still opens what was shredded since; and whoever loses the root record, the root key or the current
//! pages has lost the data. So keep `root/` out of backups, and keep a [mirror](VaultBuilder::mirror).
//!
//! # Words
//! | word | meaning |
//! |---|---|
//! | [vault](Vault) | what an application opens: purposes, their key trees, one root record |
//! | [customer](CustomerId) | the person whose data it is: a number the vault issues, never reused |
//! | [purpose](Purpose) | why data is kept; each has its own key tree, and can be shredded alone |
//! | [field](Field) | one column or event property: a label fixed for ever, a [type](personal), a purpose |
//! | key tree | the derivable-but-forgettable keys of one purpose |
//! | page | a node of the tree that had to be written down; nothing is before the first shred |
//! | root record | the small record that holds each tree's root, encrypted under the root key |
//! | [root key](RootKey) | what protects the root record: a passphrase, 32 random bytes, or a key held elsewhere |
//! | generation | counts the root record's commits |
//! | seal, open, shred | encrypt a value, decrypt it, make a customer's keys underivable |
//!
//! # The book
//! Its pages lie in several crates. Read in this order they are one book, and each front page names the chapter before and after.
//!
//! | chapter | to | see |
//! |---|---|---|
//! | 1. start | know what can wait | this page; [`Vault`], [`VaultBuilder`], [`RootKey`] |
//! | 2. model | declare what is personal | [`Field`], [`personal`] for types of your own, [`Group`] for several fields in one column |
//! | | put it into a database | [`columns`]; `Personal` of [oubliette-derive](https://docs.rs/oubliette-derive) for whole records |
//! | | answer a request after a failure | [`Outcome`], [`Error`], [`UnlessShredded`] |
//! | 3. search | find a value again | [`Index`] for tokens to search by, [`search`] for the epochs of their keys |
//! | 4. migrations | seal a table that is in use | [oubliette-jobs](https://docs.rs/oubliette-jobs), with the order of deploys |
//! | 5. shredding and backups | shred, and say why | [`Vault::shred`], [`Vault::shredding`] |
//! | | forget for certain | [`root_keys`]: versions in a token, or [`Vault::rotate_root_key`] |
//! | | restore, or replace what was lost | [`recovery`], [`VaultBuilder::replay`] |
//! | | change keys after a compromise | [`renewal`] |
//! | | show what was forgotten | [`VaultBuilder::journal`], [`Vault::receipt`]; [`journal`] checks both without a vault |
//! | 6. machines | use several, or a token | [oubliette-postgres](https://docs.rs/oubliette-postgres), [oubliette-pkcs11](https://docs.rs/oubliette-pkcs11); [`store`] for stores of your own |
//! | | operate the vault | [`status`]; the command of the package [oubliette-cli](https://crates.io/crates/oubliette-cli) |
//! | 7. duties | keep legal bases, retention, requests | [oubliette-register](https://docs.rs/oubliette-register), with a guide by duty |
//! | | limit and audit reading | [`Vault::reader`], [`audit`] |
//! | 8. testing | test your application | the feature `testing` |
//! | 9. upgrading | know what changed | CHANGELOG.md, and FORMAT.md for every byte; both are in the package |
//!
//! # Features
//! | feature | default | what it adds |
//! |---|---|---|
//! | `json` | yes | `personal::Json<T>`: any serde type as a personal field (serde_json) |
//! | `phone` | no | telephone numbers as people type them, with a default country (rlibphonenumber, about 80 crates) |
//! | `tracing` | no | events for commits, shreds, refreshes and refusals, without personal data or keys |
//! | `rusqlite`, `sqlx`, `diesel`, `sea-orm` | no | [column types](columns) for these crates, without features of theirs |
//! | `derive` | no | `#[derive(Personal)]`: the sealed twin of a record, and the list of its columns (oubliette-derive) |
//! | `testing` | no | `Vault::in_memory`, a clock that moves when told to, faults on demand, `assert_no_plaintext`. For tests; never enable it in a release build |
//!
//! Rust 1.95 or later, on Unix and Windows; CI runs Linux on x86-64. [`security`](security#platforms) says what differs.

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
mod parse;
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

pub use customer::CustomerId;
pub use error::{
    ChangeError, CreateError, Error, KeyStoreError, OpenError, SealError, ShredError, UnlessShredded, UnlockError,
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
pub use parse::ParseError;
#[cfg(feature = "derive")]
#[cfg_attr(docsrs, doc(cfg(feature = "derive")))]
pub use record::Held;
#[cfg(feature = "derive")]
#[doc(hidden)]
pub use record::support as __private;
pub use root_key::RootKey;
pub use sealed::Sealed;
pub use vault::{
    Commit, CustomerKeys, Opens, Pending, Reader, ReceiptContext, ShredTarget, Shredded, Shredding, Vault, VaultBuilder,
};

/// Fields by their names: what a value is sealed within, and what programs that go by lists of columns need.
pub mod fields {
    pub use crate::field::{Belongs, FieldId, FieldWithin};
    pub use crate::record::{Context, FieldInfo, FieldKind};
}

/// Searching by exact match, beyond an [`Index`] and its [`Token`]s: how many bits to choose, and the epochs that an index's keys come in.
pub mod search {
    pub use crate::error::TokenError;
    pub use crate::index::{Epoch, Plan, PlanWarning};
    pub use crate::vault::Epochs;
}

/// New key trees for a purpose, and giving up those that they replace: after somebody may have read its keys.
pub mod renewal {
    #[doc(inline)]
    pub use crate::journal::{InvalidKeyTreeId, KeyTreeId};
}

/// Root keys that are not a passphrase or 32 bytes: wrapped elsewhere, or a series of versions of which the older are destroyed.
pub mod root_keys {
    #[doc(inline)]
    pub use crate::journal::SeriesName;
    pub use crate::root_key::{
        KeySeries, KeyVersion, KeyWrapper, PassphraseCost, RootKeyError, RootKeyVersions, SeriesInToken, VersionPolicy,
        VersionState, WrapperError,
    };
}

/// After a key store was lost or restored: what was forgotten since is forgotten again, and a mirror takes the place of a first place.
pub mod recovery {
    pub use crate::error::RecoverError;
    pub use crate::vault::Recovery;
}

#[doc = include_str!("../SECURITY.md")]
pub mod security {}

/// What a vault tells of itself, to operators and to readiness probes.
pub mod status {
    pub use crate::vault::{Health, LoadedPages, PurposeStatus, Status};
}
