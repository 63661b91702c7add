//! Where a store is and how it is opened; and how its schema is made.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use oubliette::store::{PlaceId, Problem, StoreError};
use zeroize::Zeroizing;

use crate::address::Address;
use crate::driver::Driver;
use crate::error::StoreOpenError;
use crate::failure::Failure;
use crate::password::Passwords;
use crate::pool::Pool;
use crate::schema::{Schema, quoted};
use crate::session::{Session, Target};
use crate::standbys::Standbys;
use crate::store::PostgresStore;
use crate::tls;

const SCHEMA: &str = "oubliette";
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const WORK_WITHIN: Duration = Duration::from_secs(60);

/// When the standbys confirm reads of the root record: see [`PostgresStoreBuilder::confirm_reads`].
///
/// [`PostgresStoreBuilder`] has an example.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfirmReads {
    /// Reads are confirmed if the server has synchronous standbys (`synchronous_standby_names` is not empty), which it
    /// says at each read; or if a part of its log is not yet on its disk, which may be what was read.
    #[default]
    WhenSynchronous,
    /// As [`WhenSynchronous`](ConfirmReads::WhenSynchronous), and a server without synchronous standbys is refused: the vault
    /// does not unlock, commit or renew leases. Some failover managers empty `synchronous_standby_names` while the
    /// standbys are away; with this setting the store never answers from one machine alone. The server does not know
    /// whether every standby that may be promoted confirms: [`Survey`](crate::Survey) shows its settings.
    Required,
    /// Each read is a small commit, with or without standbys. Without standbys it proves nothing more.
    Always,
    /// No read is confirmed. Then a deposed primary renews leases for as long as the failover manager lets it run, and
    /// a shred is effective everywhere after that time instead of one lease. Also, a read does not show that its
    /// content is durable: a process uses another process's key tree only after the next commit.
    Never,
}

/// The settings of a [`PostgresStore`]. The server is not contacted before [`open`](PostgresStoreBuilder::open),
/// [`migrate`](PostgresStoreBuilder::migrate) or [`grant_to`](PostgresStoreBuilder::grant_to).
///
/// ```no_run
/// use oubliette_postgres::{ConfirmReads, PostgresStore};
/// # fn main() -> Result<(), oubliette_postgres::StoreOpenError> {
/// let store = PostgresStore::at("postgres://keys_app@db-a.example,db-b.example/keys")
///     .password("...")
///     .confirm_reads(ConfirmReads::Required)
///     .standbys(["db-a", "db-b"])
///     .open()?;
/// # let _ = store;
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use]
pub struct PostgresStoreBuilder {
    address: Zeroizing<String>,
    password: Option<Zeroizing<String>>,
    passwords: Option<Passwords>,
    certificates: Option<PathBuf>,
    schema: String,
    answer_within: Duration,
    pub(crate) work_within: Duration,
    pub(crate) confirm_reads: ConfirmReads,
    pub(crate) replicated: bool,
    pub(crate) standbys: Standbys,
}

impl PostgresStoreBuilder {
    pub(crate) fn new(address: String) -> PostgresStoreBuilder {
        PostgresStoreBuilder {
            address: Zeroizing::new(address),
            password: None,
            passwords: None,
            certificates: None,
            schema: SCHEMA.to_owned(),
            answer_within: ANSWER_WITHIN,
            work_within: WORK_WITHIN,
            confirm_reads: ConfirmReads::default(),
            replicated: false,
            standbys: Standbys::default(),
        }
    }

    /// The schema with the tables; the default is `oubliette`. A schema holds one vault.
    pub fn schema(mut self, name: impl Into<String>) -> PostgresStoreBuilder {
        self.schema = name.into();
        self
    }

    /// The password, if the connection string does not have it.
    pub fn password(mut self, password: impl Into<String>) -> PostgresStoreBuilder {
        (self.password, self.passwords) = (Some(Zeroizing::new(password.into())), None);
        self
    }

    /// Asks for the password each time a connection is made: where it is changed while the program runs, or is a token that expires, as some
    /// managed services have it. What is connected stays so; the next connection, after a failover or a loss, asks again.
    ///
    /// `ask` may take its time, though no longer than [`answer_within`](PostgresStoreBuilder::answer_within): it runs on a thread of its own. If it
    /// fails, there is no connection, and the error that says so has its error as its source: that one must not carry the password. It may be called by
    /// several threads at once.
    ///
    /// ```no_run
    /// # use oubliette_postgres::PostgresStore;
    /// let store = PostgresStore::at("postgres://keys_app@db.example/keys")
    ///     .password_from(|| std::fs::read_to_string("/run/secrets/keys_app").map(|found| found.trim_end().to_owned()))
    ///     .open()?;
    /// # Ok::<(), oubliette_postgres::StoreOpenError>(())
    /// ```
    pub fn password_from<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
        mut self,
        ask: impl Fn() -> Result<String, E> + Send + Sync + 'static,
    ) -> PostgresStoreBuilder {
        (self.password, self.passwords) = (None, Some(Passwords::from(ask)));
        self
    }

    /// A PEM file with the certificates to trust, instead of the system's. `sslrootcert` in the connection string does
    /// the same.
    pub fn certificates(mut self, path: impl AsRef<Path>) -> PostgresStoreBuilder {
        self.certificates = Some(path.as_ref().to_path_buf());
        self
    }

    /// How long the store waits for each answer of the server and for each connection; the default is five seconds.
    /// After that the call fails, and its connection is closed. This includes a commit that waits for a standby.
    pub fn answer_within(mut self, most: Duration) -> PostgresStoreBuilder {
        self.answer_within = most.max(Duration::from_millis(10));
        self
    }

    /// How long the store waits for each statement of a sweep, and for each answer to
    /// [`migrate`](PostgresStoreBuilder::migrate); the default is one minute.
    pub fn work_within(mut self, most: Duration) -> PostgresStoreBuilder {
        self.work_within = most.max(Duration::from_millis(10));
        self
    }

    /// When a read of the root record is a small commit that the synchronous standbys confirm; by default, if there are
    /// any.
    ///
    /// A deposed primary that does not know it yet still answers reads. It would renew leases while the new primary
    /// shreds. But it cannot make a commit that its standbys confirm. The price is one record of about a hundred bytes
    /// in the WAL, sent to the standbys, four times a lease for each process.
    ///
    /// The proof is as strong as `synchronous_standby_names`: every server that may be promoted must confirm. `ANY 1
    /// (a, b)` is too weak: if `a` is promoted, `b` may still confirm writes of the old primary.
    pub fn confirm_reads(mut self, when: ConfirmReads) -> PostgresStoreBuilder {
        self.confirm_reads = when;
        self
    }

    /// Says that writes survive the loss of one machine although the server has no synchronous standbys: its disk is
    /// replicated, as in some managed services. A vault gives up key trees only on such a store.
    pub fn replicated_disk(mut self) -> PostgresStoreBuilder {
        self.replicated = true;
        self
    }

    /// Names every server that may be promoted, with or without this one, by its name in `pg_stat_replication`
    /// (`application_name`, by default the standby's `cluster_name`). **Required if the root key has versions**; if
    /// there is no standby, call [`no_standbys`](PostgresStoreBuilder::no_standbys). Without one of the two, no version
    /// begins, and a shred that needs one is refused.
    ///
    /// A version of the root key is destroyed only when every server that may be promoted has the record under the next
    /// version on its disk. If a server without it were promoted, the key of its record would be gone, and **no value
    /// would open any more**. So after a shred the store asks, for as long as
    /// [`answer_within`](PostgresStoreBuilder::answer_within): the servers named here, without the server itself; those
    /// in `synchronous_standby_names`; every other connected standby; and unused physical replication slots, since a
    /// standby may come back to them. A server that is away counts as lacking the record. In that case the older
    /// version stays, the shred answers [`OldCopyRemains`](oubliette::ShredError::OldCopyRemains), and the store tries
    /// again by itself, at least once a minute.
    ///
    /// **The store does not know a standby that is not named here, not connected and without a slot.** So name all of
    /// them. A standby behind another standby does not connect to the primary, and waiting for it is in vain: say that
    /// it is [never promoted](PostgresStoreBuilder::never_promoted), or let it follow the primary. Give each server a
    /// `cluster_name` of its own: the store cannot tell two servers of one name apart. The role needs
    /// `pg_read_all_stats`, which a superuser grants.
    pub fn standbys(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> PostgresStoreBuilder {
        self.standbys.named.get_or_insert_default().extend(names.into_iter().map(Into::into));
        self
    }

    /// Says that no other server may be promoted: as [`standbys`](PostgresStoreBuilder::standbys) without a name.
    pub fn no_standbys(mut self) -> PostgresStoreBuilder {
        self.standbys.named.get_or_insert_default();
        self
    }

    /// Names standbys or replication slots that are never promoted and from which the record is never restored: for
    /// reports, or an archive (`pg_receivewal`). No version of the root key waits for them. If one is promoted all the
    /// same, it opens nothing.
    pub fn never_promoted(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> PostgresStoreBuilder {
        self.standbys.never.extend(names.into_iter().map(Into::into));
        self
    }

    /// The store's name in messages: host, port, database and schema, without user and password. This call opens
    /// nothing.
    ///
    /// # Errors
    /// [`StoreOpenError::Address`].
    pub fn location(&self) -> Result<String, StoreOpenError> {
        quoted(&self.schema)?;
        Ok(location(&Address::parse(&self.address)?, &self.schema))
    }

    /// Opens the store. The tables must exist: this call makes and changes nothing.
    ///
    /// A server with `fsync = off` is refused, since its commits are not durable. For tests, `allow_fsync_off=yes` in
    /// the connection string allows it. [`ConfirmReads::Required`] demands that commits survive the loss of a machine.
    ///
    /// # Errors
    /// [`StoreOpenError`]; nothing was written.
    pub fn open(&self) -> Result<PostgresStore, StoreOpenError> {
        let (driver, pool, schema) = self.connect()?;
        let allow_fsync_off = Address::parse(&self.address)?.allow_fsync_off;
        let place = self.ask(&driver, &pool, &schema, move |session, schema| async move {
            let place = schema.check(&session).await?;
            if !allow_fsync_off {
                schema.check_durable(&session).await?;
            }
            Ok(place)
        })?;
        Ok(PostgresStore::new(driver, pool, schema, place, self))
    }

    /// Makes the tables, or brings older ones up to date. Call it as the owner of the tables: a role that may create
    /// schemas in the database, or that owns this schema. Do not use the role of daily use.
    ///
    /// # Errors
    /// [`StoreOpenError`]. It happens wholly or not at all; if the answer was lost, call it again.
    pub fn migrate(&self) -> Result<(), StoreOpenError> {
        let patient = PostgresStoreBuilder { answer_within: self.work_within, ..self.clone() };
        let (driver, pool, schema) = patient.connect()?;
        let mut place = [0; 8];
        getrandom::fill(&mut place).map_err(|error| {
            StoreOpenError::Store(StoreError::new(Problem::Io, "the system's randomness").caused_by(error.to_string()))
        })?;
        patient.ask(&driver, &pool, &schema, move |session, schema| async move {
            schema.migrate(&session, PlaceId(place)).await
        })
    }

    /// Lets a role do the daily work of a vault, and nothing else: read all tables, put and delete pages, overwrite the
    /// record and the mark. The role cannot change tables. Call it as the owner, after `migrate`; a second call is
    /// harmless. In SQL, for a schema `oubliette`:
    /// ```sql
    /// GRANT USAGE ON SCHEMA oubliette TO app;
    /// GRANT SELECT ON ALL TABLES IN SCHEMA oubliette TO app;
    /// GRANT UPDATE (record, digest, written, shared) ON oubliette.root TO app;
    /// GRANT UPDATE (generation, vault, proof) ON oubliette.mark TO app;
    /// GRANT INSERT, DELETE, UPDATE (generation, superseded) ON oubliette.pages TO app;
    /// ```
    /// If the root key has versions, the role also needs `GRANT pg_read_all_stats TO app`, to see how far the standbys
    /// are. This call cannot grant it: a superuser can.
    ///
    /// # Errors
    /// [`StoreOpenError`]. It happens wholly or not at all.
    pub fn grant_to(&self, role: &str) -> Result<(), StoreOpenError> {
        quoted(role)?;
        let role = role.to_owned();
        let (driver, pool, schema) = self.connect()?;
        self.ask(&driver, &pool, &schema, move |session, schema| {
            let role = role.clone();
            async move {
                schema.check(&session).await?;
                schema.grant(&session, &role).await
            }
        })
    }

    fn connect(&self) -> Result<(Driver, Arc<Pool>, Schema), StoreOpenError> {
        let mut address = Address::parse(&self.address)?;
        if let Some(password) = &self.password {
            address.config.password(password.as_bytes());
        }
        let certificates = self.certificates.as_deref().or(address.certificates.as_deref());
        let tls = tls::connector(address.encryption, certificates)?;
        let schema = Schema {
            quoted: quoted(&self.schema)?,
            location: location(&address, &self.schema),
            name: self.schema.clone(),
        };
        let mut config = address.config;
        // What hangs is found out: by answers that do not come, and between them by the network.
        config.connect_timeout(self.answer_within).tcp_user_timeout(self.answer_within);
        config
            .keepalives_idle(Duration::from_secs(5))
            .keepalives_interval(Duration::from_secs(2))
            .keepalives_retries(3);
        let target = Target { config, passwords: self.passwords.clone(), tls, answer_within: self.answer_within };
        let driver = Driver::start().map_err(|error| {
            StoreOpenError::Store(StoreError::new(Problem::Io, "starting a thread").caused_by(error))
        })?;
        Ok((driver, Pool::new(target), schema))
    }

    /// Asks on a connection that is kept if all went well.
    fn ask<T: Send + 'static, W: Future<Output = Result<T, StoreOpenError>> + Send>(
        &self,
        driver: &Driver,
        pool: &Arc<Pool>,
        schema: &Schema,
        work: impl Fn(Arc<Session>, Schema) -> W + Send + 'static,
    ) -> Result<T, StoreOpenError> {
        let (location, pool, schema) = (schema.location.clone(), pool.clone(), schema.clone());
        let store = move |failure: Failure| StoreOpenError::Store(failure.at(&location));
        let connect = async move {
            let session = Arc::new(Session::connect(pool.target()).await?);
            let answer = work(session.clone(), schema).await;
            if answer.is_ok() {
                pool.give(session);
            }
            Ok(answer)
        };
        driver.run(connect).unwrap_or_else(|failure| Err(store(failure)))
    }
}

fn location(address: &Address, schema: &str) -> String {
    format!("{}, schema {schema}", address.shown)
}

impl fmt::Debug for PostgresStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStoreBuilder").field("schema", &self.schema).finish_non_exhaustive()
    }
}
