//! The arguments of `key-store`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum KeyStore {
    /// Make the key store's tables, or bring older ones up to date
    ///
    /// It connects as the owner of the tables: a role that may create schemas in the database, or that owns this
    /// schema. Only this command needs the owner's URL. The configuration names the role of daily use, which cannot
    /// change tables. Run it at each deploy: if the tables are up to date, nothing changes. It is done whole or not at
    /// all.
    Migrate(MigrateKeyStore),
}

#[derive(Args, Debug)]
pub struct MigrateKeyStore {
    /// A file with the URL of the tables' owner; only you may read it
    #[arg(long, value_name = "FILE", group = "owner", required_unless_present = "owner_url_env")]
    pub owner_url_file: Option<PathBuf>,
    /// An environment variable with the URL of the tables' owner
    #[arg(long, value_name = "VARIABLE", group = "owner")]
    pub owner_url_env: Option<String>,
    /// Let this existing role do the daily work of a vault, and nothing else; once for each
    #[arg(long = "grant-to", value_name = "ROLE")]
    pub grant_to: Vec<String>,
}
