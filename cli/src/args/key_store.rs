//! The arguments of `key-store`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum KeyStore {
    /// Make the key store's tables, or bring older ones up to date
    ///
    /// As the owner to be: a role that may create schemas in the database, or owns one of this name. Its URL is needed here alone; what the
    /// configuration names is the role of daily use, which changes no table. Run it at each deploy: if there is nothing to do, it does nothing.
    /// It happens wholly or not at all.
    Migrate(MigrateKeyStore),
}

#[derive(Args, Debug)]
pub struct MigrateKeyStore {
    /// A file that holds the owner's URL, which only its owner may read
    #[arg(long, value_name = "FILE", group = "owner", required_unless_present = "owner_url_env")]
    pub owner_url_file: Option<PathBuf>,
    /// The same, with the URL in an environment variable
    #[arg(long, value_name = "VARIABLE", group = "owner")]
    pub owner_url_env: Option<String>,
    /// Let this role do what a vault does from day to day, and nothing else; once for each. It must exist
    #[arg(long = "grant-to", value_name = "ROLE")]
    pub grant_to: Vec<String>,
}
