//! Where the vault is: a directory for one machine, PostgreSQL for many. What differs between the two is this file.

use std::env;
use std::error::Error;

use oubliette::{Vault, VaultBuilder};
use oubliette_postgres::PostgresStore;

/// In PostgreSQL if `KEY_STORE_URL` is set, in the directory `VAULT` otherwise.
pub fn vault() -> Result<VaultBuilder, Box<dyn Error>> {
    let Ok(url) = env::var("KEY_STORE_URL") else { return Ok(Vault::at(env::var("VAULT")?)) };
    let store = PostgresStore::at(url).open()?;
    Ok(Vault::on(store.clone(), store))
}

/// Before the vault is created: its tables, made by their owner, for the role of daily use. Nothing is done for a directory.
pub fn make_tables() -> Result<(), Box<dyn Error>> {
    if let Ok(url) = env::var("KEY_STORE_OWNER_URL") {
        let owner = PostgresStore::at(url);
        owner.migrate()?;
        owner.grant_to(&env::var("KEY_STORE_ROLE")?)?;
    }
    Ok(())
}
