//! Stores and vaults.

use std::time::{Duration, Instant};

use oubliette::personal::Text;
use oubliette::{CustomerId, Field, OpenError, Outcome, Purpose, RootKey, Sealed, Vault};
use oubliette_postgres::{PostgresStore, PostgresStoreBuilder};

use super::server::Server;

pub const ORDERS: Purpose = Purpose::new("orders");
pub const NOTE: Field<Text> = ORDERS.field("note");
pub const LEASE: Duration = Duration::from_secs(1);

pub fn at(server: &Server, schema: &str) -> PostgresStoreBuilder {
    PostgresStore::at(server.address("postgres")).schema(schema)
}

/// A new, empty store.
pub fn fresh(server: &Server) -> PostgresStoreBuilder {
    let builder = at(server, &server.new_schema());
    builder.migrate().unwrap();
    builder
}

pub fn root_key() -> RootKey {
    RootKey::bytes([7; 32])
}

pub fn create(builder: &PostgresStoreBuilder, lease: Duration) -> Vault {
    let store = builder.open().unwrap();
    Vault::on(store.clone(), store).purposes([ORDERS]).lease(lease).create(root_key()).unwrap()
}

/// As another process would: with connections and threads of its own.
pub fn unlock(builder: &PostgresStoreBuilder) -> Vault {
    let store = builder.open().unwrap();
    Vault::on(store.clone(), store).purposes([ORDERS]).unlock(root_key()).unwrap()
}

pub fn note() -> Text {
    "a note".parse().unwrap()
}

/// A customer, and something of hers.
pub fn customer(vault: &Vault) -> (CustomerId, Sealed<Text>) {
    let customer = vault.enroll().unwrap();
    (customer, vault.seal(customer, NOTE, &note()).unwrap())
}

pub fn opens(vault: &Vault, (customer, sealed): &(CustomerId, Sealed<Text>)) -> bool {
    let begun = Instant::now();
    loop {
        match vault.open(*customer, NOTE, sealed) {
            Ok(_) => return true,
            Err(OpenError::Shredded { .. }) => return false,
            // On a machine that has much to do a lease may run out.
            Err(other) if other.outcome() == Outcome::TryAgain && begun.elapsed() < Duration::from_secs(30) => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}

pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// An error with its sources, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(|error| format!("{error} ")).collect()
}
