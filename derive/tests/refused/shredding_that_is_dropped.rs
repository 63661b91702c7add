//! A shred that was prepared, and never carried out.
#![deny(unused_must_use)]

use oubliette::{CustomerId, Vault};

fn forget(vault: &Vault, alice: CustomerId) {
    vault.shredding(alice);
}

fn main() {}
