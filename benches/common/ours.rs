//! Vaults on real directories, with their thread and lease, and fields of exact sizes.

use std::hint::black_box;
use std::path::Path;

use oubliette::personal::{Invalid, Padding, PersonalData, Plaintext, TypeTag};
use oubliette::{CustomerId, Field, Purpose, RootKey, Vault};
use rand::RngExt;

pub const ORDERS: Purpose = Purpose::new("orders");
pub const CUSTOMERS: i64 = 1_000_000;

/// A field whose encrypted length is exactly `N`: `N - 1` bytes of content, which padding in steps of `N` brings to
/// `N`. Decoding checks the length and keeps nothing, so that opening is measured without the cost of a type.
pub struct Padded<const N: usize>(Vec<u8>);

impl<const N: usize> Padded<N> {
    pub const FIELD: Field<Self> = ORDERS.field("email");
    pub const TEN: [Field<Self>; 10] = [
        ORDERS.field("name"),
        ORDERS.field("email"),
        ORDERS.field("phone"),
        ORDERS.field("street"),
        ORDERS.field("city"),
        ORDERS.field("country"),
        ORDERS.field("born"),
        ORDERS.field("iban"),
        ORDERS.field("note"),
        ORDERS.field("device"),
    ];

    pub fn new() -> Self {
        Padded(vec![b'x'; N - 1])
    }
}

impl<const N: usize> PersonalData for Padded<N> {
    const TAG: TypeTag = TypeTag::new("bench.padded");
    const PADDING: Padding = Padding::steps_of(N as u16);

    fn size_hint(&self) -> usize {
        self.0.len()
    }

    fn encode(&self, out: &mut Plaintext) {
        out.extend(&self.0);
    }

    fn decode(bytes: &[u8]) -> Result<Self, Invalid> {
        if black_box(bytes).len() == N - 1 { Ok(Padded(Vec::new())) } else { Err(Invalid::Content) }
    }
}

/// A vault that has issued all numbers up to `customers`.
pub fn vault(at: &Path, customers: i64) -> Vault {
    let vault = Vault::at(at).purposes([ORDERS]).create(RootKey::bytes([7; 32])).unwrap();
    enroll(&vault, customers);
    vault
}

pub fn enroll(vault: &Vault, customers: i64) {
    while i64::from(vault.enroll().unwrap()) < customers {}
}

pub fn customer(number: i64) -> CustomerId {
    CustomerId::from_stored(number).unwrap()
}

/// Different customers, in no order, out of all.
pub fn some(of: i64, count: usize) -> Vec<CustomerId> {
    let mut rng = rand::rng();
    let mut chosen = std::collections::HashSet::new();
    while chosen.len() < count {
        chosen.insert(customer(rng.random_range(1..=of)));
    }
    chosen.into_iter().collect()
}

/// Shreds that many customers at random in one commit, and gives a filter for those who are left.
pub fn shred(vault: &Vault, of: i64, count: usize) -> std::collections::HashSet<CustomerId> {
    let gone = some(of, count);
    let _ = vault.shred(gone.iter().copied()).unwrap();
    gone.into_iter().collect()
}
