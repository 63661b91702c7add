//! What is signed and what is hashed, each behind a label of its own.
//!
//! | from | by | gives |
//! |---|---|---|
//! | vault's name, an entry | Ed25519, `oubliette/1/journal` | its signature |
//! | vault's name, how far the journal has come | Ed25519, `oubliette/1/head` | its signature |
//! | a receipt in canonical form | Ed25519, `oubliette/1/receipt` | its signature |
//! | salt, whose a receipt is | SHA-256, `oubliette/1/whose` | commitment to the person |

use sha2::{Digest, Sha256};

pub(crate) const JOURNAL: &[u8] = b"oubliette/1/journal";
pub(crate) const HEAD: &[u8] = b"oubliette/1/head";
pub(crate) const RECEIPT: &[u8] = b"oubliette/1/receipt";
const WHOSE: &[u8] = b"oubliette/1/whose";

/// The labels that messages to be signed, and what a receipt commits to, begin with. None is a prefix of another, nor of
/// a label that the vault derives keys by.
pub const LABELS: [&[u8]; 4] = [JOURNAL, HEAD, RECEIPT, WHOSE];

/// Commits to whom a receipt names, without telling: the salt is 32 random bytes.
pub(crate) fn whose(salt: &[u8; 32], whose: &str) -> [u8; 32] {
    Sha256::new().chain_update(WHOSE).chain_update(salt).chain_update(whose).finalize().into()
}
