//! The application's database: SQLite, or PostgreSQL behind a feature.

mod query;

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use oubliette::Vault;
use oubliette_jobs::{self as jobs, Job, JobError, LeftBehind, Progress, Report};
use rusqlite::{Connection, OpenFlags};

use crate::config;
use crate::exit::{Exit, Failure};
use crate::url;

pub use query::{Given, Row};

/// How long a writer waits for the application's transactions.
const BUSY: Duration = Duration::from_secs(30);

pub enum Database {
    Sqlite(Connection),
    #[cfg(feature = "postgres")]
    Postgres(Postgres),
}

#[cfg(feature = "postgres")]
pub struct Postgres {
    pub pool: sqlx::PgPool,
    pub runtime: tokio::runtime::Runtime,
}

#[cfg(feature = "postgres")]
impl Postgres {
    pub async fn connection(&self) -> Result<sqlx::pool::PoolConnection<sqlx::Postgres>, Failure> {
        self.pool.acquire().await.map_err(|error| Failure::new(Exit::TryAgain, format!("PostgreSQL: {error}")))
    }
}

impl Database {
    /// Opens what the configuration names.
    pub fn open(named: &config::Database) -> Result<Database, Failure> {
        if let Some(path) = &named.sqlite {
            return sqlite(path).map(Database::Sqlite);
        }
        match url::read(named.postgres_url_file.as_deref(), named.postgres_url_env.as_deref())? {
            Some(url) => postgres(&url),
            None => {
                let how =
                    "sqlite = \"FILE\", postgres_url_file = \"FILE\" or postgres_url_env = \"NAME\" under [database]";
                Err(Failure::usage(format!("the configuration names no database; give {how}")))
            }
        }
    }

    pub fn run(
        &mut self,
        vault: &Vault,
        job: &Job,
        mut progress: impl FnMut(&Progress) + Send,
    ) -> Result<Report, JobError> {
        let progress = move |made: &Progress| {
            progress(made);
            ControlFlow::Continue(())
        };
        match self {
            Database::Sqlite(connection) => jobs::rusqlite::run(connection, vault, job, progress),
            #[cfg(feature = "postgres")]
            Database::Postgres(it) => it.runtime.block_on(jobs::sqlx::run(&it.pool, vault, job, progress)),
        }
    }

    pub fn left_behind(&self, vault: &Vault, job: &Job) -> Result<LeftBehind, JobError> {
        match self {
            Database::Sqlite(connection) => jobs::rusqlite::left_behind(connection, vault, job),
            #[cfg(feature = "postgres")]
            Database::Postgres(it) => it.runtime.block_on(jobs::sqlx::left_behind(&it.pool, vault, job)),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A pool's own form names the server and the user.
        f.write_str("Database")
    }
}

fn sqlite(path: &Path) -> Result<Connection, Failure> {
    let failed = |error: rusqlite::Error| {
        let exit = if path.exists() { Exit::TryAgain } else { Exit::Missing };
        Failure::new(exit, format!("{}: {error}", path.display()))
    };
    // Not to be created: a mistyped path would be an empty database, in which nothing is left to do.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    Ok(connection)
}

#[cfg(feature = "postgres")]
fn postgres(url: &str) -> Result<Database, Failure> {
    use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
    use sqlx::{ConnectOptions, Connection};
    // Its own error may quote what it could not read: a password.
    let unreadable = || {
        let message = "the PostgreSQL URL cannot be read; it is written postgres://user:password@host/database";
        Failure::new(Exit::Config, message)
    };
    let failed = |error: sqlx::Error| Failure::new(Exit::TryAgain, format!("PostgreSQL: {error}"));
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(unreadable());
    }
    let options: PgConnectOptions = url.parse().map_err(|_| unreadable())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::of(Exit::TryAgain, &error))?;
    let pool = runtime.block_on(async {
        // A pool tries for a while, and then does not say why it failed.
        options.connect().await?.close().await?;
        PgPoolOptions::new().max_connections(2).acquire_timeout(BUSY).connect_with(options).await
    });
    let pool = pool.map_err(failed)?;
    Ok(Database::Postgres(Postgres { pool, runtime }))
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: &str) -> Result<Database, Failure> {
    Err(Failure::new(Exit::Config, "this command was built without PostgreSQL; build it with the feature `postgres`"))
}

/// A job's failures, sorted.
pub fn of_job(error: &JobError) -> Failure {
    let exit = match error {
        JobError::Problems { .. } => Exit::Grave,
        JobError::Invalid { .. } | JobError::Key { .. } | JobError::Unsupported { .. } => Exit::Config,
        JobError::TooManyEpochs { .. } | JobError::PurposeNotUnlocked { .. } => Exit::Usage,
        JobError::KeyStore(error) => return Failure::from(error.clone()),
        JobError::Token(error) => return Failure::from(error.clone()),
        JobError::Database(_) => Exit::TryAgain,
        _ => Exit::Investigate,
    };
    let mut failure = Failure::of(exit, error);
    if let JobError::Database(said) = error {
        failure.message = format!("{}: {said}", failure.message);
    }
    failure
}
