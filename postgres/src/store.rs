//! The store: a handle on one schema of one database.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oubliette::store::{PlaceId, StoreError, StoreName};

use crate::builder::{ConfirmReads, PostgresStoreBuilder};
use crate::driver::Driver;
use crate::failure::Failure;
use crate::pool::Pool;
use crate::schema::Schema;
use crate::session::Session;
use crate::standbys::Standbys;

/// The pages and the root record of one vault, in PostgreSQL. Clones share everything: connections, and the thread that serves them.
///
/// Used as `Vault::on(store.clone(), store)`. See the [crate's documentation](crate) for how it is set up, what it promises
/// with which replication, and how far it forgets.
///
/// [The crate's page](crate) has an example.
#[derive(Clone)]
pub struct PostgresStore {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) driver: Driver,
    pub(crate) pool: Arc<Pool>,
    pub(crate) schema: Schema,
    pub(crate) place: PlaceId,
    pub(crate) together: StoreName,
    pub(crate) work_within: Duration,
    pub(crate) confirm_reads: ConfirmReads,
    /// The caller's word.
    pub(crate) replicated_disk: bool,
    pub(crate) standbys: Standbys,
    /// The server's, as of the last read.
    pub(crate) has_standbys: AtomicBool,
    /// The connection that holds the lock: what is written under it goes through this one, so that nothing is once it is lost.
    pub(crate) held: Mutex<Option<Arc<Session>>>,
}

impl PostgresStore {
    /// A store at `address`: a URL (`postgres://user@host/database`) or pairs (`host=... user=... dbname=...`), as libpq takes them.
    /// Nothing is touched yet.
    ///
    /// `sslmode` may be `disable`, `prefer`, `require` or `verify-full`. **Over TCP it is `verify-full` unless said otherwise**, against the
    /// system's certificates, or those in `sslrootcert`; `require` with an `sslrootcert` and `verify-ca` are `verify-full` too. Sockets in the
    /// file system are not encrypted. Of several hosts that one is taken that takes writes. Environment variables and password files are not read.
    pub fn at(address: impl Into<String>) -> PostgresStoreBuilder {
        PostgresStoreBuilder::new(address.into())
    }

    pub(crate) fn new(
        driver: Driver,
        pool: Arc<Pool>,
        schema: Schema,
        place: PlaceId,
        builder: &PostgresStoreBuilder,
    ) -> PostgresStore {
        PostgresStore {
            inner: Arc::new(Inner {
                driver,
                pool,
                schema,
                place,
                together: StoreName::new(),
                work_within: builder.work_within,
                confirm_reads: builder.confirm_reads,
                replicated_disk: builder.replicated,
                standbys: builder.standbys.clone(),
                has_standbys: AtomicBool::new(false),
                held: Mutex::default(),
            }),
        }
    }
}

impl PostgresStore {
    /// What messages call it: host, port, database and schema, and neither user nor password.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.inner.schema.location
    }
}

impl Inner {
    pub(crate) fn held(&self) -> MutexGuard<'_, Option<Arc<Session>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn error(&self, failure: Failure) -> StoreError {
        failure.at(&self.schema.location)
    }

    /// Reads on a connection of its own.
    pub(crate) fn read<T: Send + 'static, W: Future<Output = Result<T, Failure>> + Send>(
        &self,
        work: impl Fn(Arc<Session>) -> W + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        let pool = self.pool.clone();
        self.driver.run(async move { pool.with(work).await }).map_err(|failure| self.error(failure))
    }

    /// Writes, on the connection that holds the lock if there is one.
    pub(crate) fn write<T: Send + 'static, W: Future<Output = Result<T, Failure>> + Send>(
        &self,
        work: impl Fn(Arc<Session>) -> W + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        let held = self.held().clone();
        match held {
            Some(session) => self.driver.run(async move { work(session).await }).map_err(|failure| self.error(failure)),
            None => self.read(work),
        }
    }

    pub(crate) fn saw_standbys(&self, has_standbys: bool) {
        self.has_standbys.store(has_standbys, Ordering::Release);
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { schema, place, .. } = &*self.inner;
        f.debug_struct("PostgresStore")
            .field("location", &schema.location)
            .field("place", place)
            .finish_non_exhaustive()
    }
}
