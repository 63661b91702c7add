//! Where root record and pages are: in a directory, or in a schema of a PostgreSQL server.

use oubliette::VaultBuilder;
use oubliette::store::{Directory, DirectoryBuilder, PlaceId, RootCopy, RootStore};
#[cfg(feature = "postgres-key-store")]
use oubliette_postgres::PostgresStore;

use crate::config::Config;
use crate::exit::Failure;

#[cfg(feature = "postgres-key-store")]
pub use postgres::owned;

/// A key store that was opened.
#[derive(Debug)]
pub enum Store {
    Directory(DirectoryBuilder, Directory),
    #[cfg(feature = "postgres-key-store")]
    Postgres(PostgresStore),
}

impl Store {
    /// Opens what the configuration names. No root key is needed for that.
    pub fn open(config: &Config) -> Result<Store, Failure> {
        if let Some(key_store) = &config.key_store {
            return postgres::open(key_store);
        }
        let directory = directory(config)?;
        let opened = directory.open().map_err(oubliette::KeyStoreError::from)?;
        Ok(Store::Directory(directory, opened))
    }

    pub fn vault(&self) -> VaultBuilder {
        match self {
            Store::Directory(directory, _) => VaultBuilder::in_directory(directory.clone()),
            #[cfg(feature = "postgres-key-store")]
            Store::Postgres(store) => oubliette::Vault::on(store.clone(), store.clone()),
        }
    }

    /// What can be done to directories alone.
    pub fn directory(&self) -> Option<&Directory> {
        match self {
            Store::Directory(_, directory) => Some(directory),
            #[cfg(feature = "postgres-key-store")]
            Store::Postgres(_) => None,
        }
    }

    /// The places that are open.
    pub fn places(&self) -> Vec<PlaceId> {
        match self {
            Store::Directory(_, directory) => directory.places(),
            #[cfg(feature = "postgres-key-store")]
            Store::Postgres(store) => store.places(),
        }
    }

    /// What can be read of a place.
    pub fn read(&self, place: PlaceId) -> Vec<RootCopy> {
        match self {
            Store::Directory(_, directory) => directory.read(place),
            #[cfg(feature = "postgres-key-store")]
            Store::Postgres(store) => store.read(place),
        }
    }

    /// Of a server: whether what is written there survives the loss of a machine, as it said when it was read last.
    pub fn is_replicated(&self) -> Option<bool> {
        match self {
            Store::Directory(..) => None,
            #[cfg(feature = "postgres-key-store")]
            Store::Postgres(store) => Some(store.is_replicated()),
        }
    }

    /// Where the root record of a place that is open is, in words.
    pub fn location_of(&self, place: PlaceId) -> Option<String> {
        match self {
            Store::Directory(_, directory) => directory.path_of(place).map(|path| path.display().to_string()),
            #[cfg(feature = "postgres-key-store")]
            Store::Postgres(store) => store.places().contains(&place).then(|| store.location().to_owned()),
        }
    }
}

fn directory(config: &Config) -> Result<DirectoryBuilder, Failure> {
    let mut directory = Directory::at(config.vault()?);
    if let Some(root) = &config.root_at {
        directory = directory.root_at(root);
    }
    if let Some(pages) = &config.pages_at {
        directory = directory.pages_at(pages);
    }
    Ok(config.mirrors.iter().fold(directory, |directory, mirror| directory.mirror(mirror)))
}

/// For a vault that is not there yet. A directory is made with it; the tables of a server are there already.
pub fn for_new(config: &Config) -> Result<VaultBuilder, Failure> {
    match &config.key_store {
        Some(_) => Store::open(config).map(|store| store.vault()),
        None => directory(config).map(VaultBuilder::in_directory),
    }
}

/// Where the configured key store is, in words. Nothing is opened, and no password shown.
pub fn shown(config: &Config) -> Result<String, Failure> {
    match &config.key_store {
        Some(key_store) => postgres::shown(key_store),
        None => Ok(config.vault()?.display().to_string()),
    }
}

#[cfg(feature = "postgres-key-store")]
mod postgres {
    use oubliette_postgres::{PostgresStore, PostgresStoreBuilder, StoreOpenError};
    use zeroize::Zeroizing;

    use super::Store;
    use crate::config::{self, ConfirmReads, KeyStore};
    use crate::exit::{Exit, Failure, chain, of_key_store};
    use crate::url;

    pub fn open(key_store: &KeyStore) -> Result<Store, Failure> {
        daily(key_store)?.open().map(Store::Postgres).map_err(failure)
    }

    pub fn shown(key_store: &KeyStore) -> Result<String, Failure> {
        daily(key_store)?.location().map_err(failure)
    }

    /// As the role of daily use.
    fn daily(key_store: &KeyStore) -> Result<PostgresStoreBuilder, Failure> {
        let url = url::read(key_store.postgres_url_file.as_deref(), key_store.postgres_url_env.as_deref())?;
        let how = "--key-store-url-file FILE, or postgres_url_file or postgres_url_env under [key_store]";
        let missing = || Failure::usage(format!("the URL of the key store is missing; give {how}"));
        at(&url.ok_or_else(missing)?, key_store)
    }

    /// As the owner of the tables, whose URL the configuration does not have; and what to do with a failure.
    pub fn owned(
        url: &Zeroizing<String>,
        key_store: &KeyStore,
        work: impl FnOnce(&PostgresStoreBuilder) -> Result<(), StoreOpenError>,
    ) -> Result<String, Failure> {
        let store = at(url, key_store)?;
        work(&store).map_err(failure)?;
        store.location().map_err(failure)
    }

    fn at(url: &Zeroizing<String>, key_store: &KeyStore) -> Result<PostgresStoreBuilder, Failure> {
        let mut store = PostgresStore::at(url.as_str()).confirm_reads(match key_store.confirm_reads {
            ConfirmReads::WhenSynchronous => oubliette_postgres::ConfirmReads::WhenSynchronous,
            ConfirmReads::Required => oubliette_postgres::ConfirmReads::Required,
            ConfirmReads::Always => oubliette_postgres::ConfirmReads::Always,
            ConfirmReads::Never => oubliette_postgres::ConfirmReads::Never,
        });
        if let Some(schema) = &key_store.schema {
            store = store.schema(schema);
        }
        if let Some(certificates) = &key_store.certificates {
            store = store.certificates(certificates);
        }
        if let Some(time) = &key_store.answer_within {
            store = store.answer_within(config::duration(time)?);
        }
        if let Some(time) = &key_store.work_within {
            store = store.work_within(config::duration(time)?);
        }
        if let Some(names) = &key_store.standbys {
            store = store.no_standbys().standbys(names);
        }
        store = store.never_promoted(&key_store.never_promoted);
        Ok(if key_store.replicated_disk { store.replicated_disk() } else { store })
    }

    /// The library speaks of calls; the operator has commands.
    fn failure(error: StoreOpenError) -> Failure {
        const AS_OWNER: &str = "`oubliette key-store migrate --owner-url-file FILE`, with the owner's URL";
        match error {
            StoreOpenError::NotMigrated { location } => Failure::new(
                Exit::Missing,
                format!(
                    "{location} has no key store, or this role cannot see it. Correct the URL or the schema. To \
                     make a key store, or to let the role in, run {AS_OWNER} and `--grant-to ROLE`"
                ),
            ),
            StoreOpenError::Older { location, found, needed } => Failure::new(
                Exit::Config,
                format!(
                    "{location} has a key store of version {found}, but this command needs version {needed}; run {AS_OWNER}"
                ),
            ),
            StoreOpenError::Newer { location, found, known } => Failure::new(
                Exit::Config,
                format!(
                    "{location} has a key store of version {found}, but this command knows version {known}; upgrade this command"
                ),
            ),
            StoreOpenError::Store(error) => {
                let error = oubliette::KeyStoreError::from(error);
                Failure::new(of_key_store(&error), chain(&error))
            }
            other => Failure::of(Exit::Config, &other),
        }
    }
}

#[cfg(not(feature = "postgres-key-store"))]
mod postgres {
    use super::Store;
    use crate::config::KeyStore;
    use crate::exit::{Exit, Failure};

    pub fn open(_: &KeyStore) -> Result<Store, Failure> {
        Err(missing())
    }

    pub fn shown(_: &KeyStore) -> Result<String, Failure> {
        Err(missing())
    }

    pub fn missing() -> Failure {
        let how = "build it with the feature `postgres-key-store`";
        Failure::new(Exit::Config, format!("this command was built without key stores in PostgreSQL; {how}"))
    }
}

#[cfg(not(feature = "postgres-key-store"))]
pub use postgres::missing;
