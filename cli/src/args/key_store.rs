//! The arguments of `key-store`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum KeyStore {
    /// Make the key store's tables, or bring older ones up to date
    ///
    /// Run it as the tables' owner: a role that may create schemas in the database, or owns this one. Only this command needs the owner's
    /// URL; the configuration names the role of daily use, which changes no table. Run it at each deploy: if the tables are up to date,
    /// nothing changes. It happens wholly or not at all.
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
