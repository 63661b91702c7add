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
use crate::pool::Pool;
use crate::schema::{Schema, quoted};
use crate::session::{Session, Target};
use crate::standbys::Standbys;
use crate::store::PostgresStore;
use crate::tls;

const SCHEMA: &str = "oubliette";
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const WORK_WITHIN: Duration = Duration::from_secs(60);

/// Whether a read of the record is confirmed by the standbys. See [`PostgresStoreBuilder::confirm_reads`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfirmReads {
    /// If the server has synchronous standbys (`synchronous_standby_names` is not empty), as it says at each read; or if something in its log is not on its disk
    /// yet, which may be what was read.
    #[default]
    WhenSynchronous,
    /// The same, and a server that names no synchronous standbys is refused: the vault is not unlocked, commits nothing, and renews no lease. Some
    /// failover managers empty `synchronous_standby_names` when the standbys are away: then the store answers nothing that is on one machine
    /// alone. The server does not know whether every standby that may be promoted confirms: [`Survey`](crate::Survey) tells what it says.
    Required,
    /// Each read is a small commit, standbys or not. On a server without them it proves nothing more.
    Always,
    /// No read is. Then a primary that was deposed goes on renewing leases for as long as the failover manager lets it run: a shred is
    /// effective everywhere after that time, not after a lease. Nor is it known that what was read is durable: a key tree that another
    /// process made is used after the next commit only.
    Never,
}

/// Where a [`PostgresStore`] is. Nothing is touched before [`open`](PostgresStoreBuilder::open),
/// [`migrate`](PostgresStoreBuilder::migrate) or [`grant_to`](PostgresStoreBuilder::grant_to).
#[derive(Clone)]
#[must_use]
pub struct PostgresStoreBuilder {
    address: Zeroizing<String>,
    password: Option<Zeroizing<String>>,
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
            certificates: None,
            schema: SCHEMA.to_owned(),
            answer_within: ANSWER_WITHIN,
            work_within: WORK_WITHIN,
            confirm_reads: ConfirmReads::default(),
            replicated: false,
            standbys: Standbys::default(),
        }
    }

    /// The schema that holds the tables; `oubliette` unless said otherwise. One vault a schema.
    pub fn schema(mut self, name: impl Into<String>) -> PostgresStoreBuilder {
        self.schema = name.into();
        self
    }

    /// The password, if it does not stand in the connection string.
    pub fn password(mut self, password: impl Into<String>) -> PostgresStoreBuilder {
        self.password = Some(Zeroizing::new(password.into()));
        self
    }

    /// A PEM file with the certificates to trust, instead of the system's: as `sslrootcert` in the connection string.
    pub fn certificates(mut self, path: impl AsRef<Path>) -> PostgresStoreBuilder {
        self.certificates = Some(path.as_ref().to_path_buf());
        self
    }

    /// How long each answer of the server is waited for, and each connection: five seconds unless said otherwise. What takes longer is
    /// an error, and its connection is closed. A commit that waits for a standby counts as well.
    pub fn answer_within(mut self, most: Duration) -> PostgresStoreBuilder {
        self.answer_within = most.max(Duration::from_millis(10));
        self
    }

    /// The same for each statement of a sweep, and for each answer to [`migrate`](PostgresStoreBuilder::migrate): one minute unless said otherwise.
    pub fn work_within(mut self, most: Duration) -> PostgresStoreBuilder {
        self.work_within = most.max(Duration::from_millis(10));
        self
    }

    /// Whether each read of the root record is a small commit that the synchronous standbys confirm: if there are any, unless
    /// said otherwise.
    ///
    /// A primary that was deposed and does not know it yet still answers reads, and would renew the lease of whoever asks it, while
    /// somebody is shredded on the new one. But it cannot make a commit any more that its standbys confirm. The price is one
    /// record of about a hundred bytes in the WAL, and its way to the standbys, four times a lease and process.
    ///
    /// It proves as much as `synchronous_standby_names` demands: every server that may be promoted must be among those that
    /// confirm. `ANY 1 (a, b)` is not enough: if `a` is promoted, `b` may still confirm what the old primary writes.
    pub fn confirm_reads(mut self, when: ConfirmReads) -> PostgresStoreBuilder {
        self.confirm_reads = when;
        self
    }

    /// Says that what is written here survives the loss of one machine, although the server names no synchronous standbys: its
    /// disk is replicated, as in some managed services. A vault gives up key trees only where that is so.
    pub fn replicated_disk(mut self) -> PostgresStoreBuilder {
        self.replicated = true;
        self
    }

    /// Names every server that may be promoted, this one included or not, as its standbys are called in `pg_stat_replication`
    /// (`application_name`, by default the standby's `cluster_name`). **Needed where the root key has versions**, also if there is none:
    /// then call [`no_standbys`](PostgresStoreBuilder::no_standbys). Otherwise no version begins, and what needs one is refused.
    ///
    /// A version of the root key is destroyed only when every server that may be promoted has the record under the next one on its disk. If one were
    /// promoted before, its record's key would be gone, and **nothing would open any more**. So after a shred these are asked, for as long as
    /// [`answer_within`](PostgresStoreBuilder::answer_within): the servers named here, but for the one whose `cluster_name` it is; those in
    /// `synchronous_standby_names`; every other one that is connected; and physical replication slots that nobody uses, since a standby may come back to
    /// them. One that is away counts as not having it. Then the record is under the new version, the older one stays, the shred's answer is
    /// [`OldCopyRemains`](oubliette::ShredError::OldCopyRemains), and it is tried again by itself, at least once a minute.
    ///
    /// **A standby that is not named here, not connected and without a slot is not known**: if it is cut off just then, it is forgotten. Name all. Those
    /// behind another standby do not connect to the primary and are waited for in vain: say that they are
    /// [never promoted](PostgresStoreBuilder::never_promoted), or have them follow the primary. Give each server a `cluster_name` of its own; two of one name
    /// are taken for each other. The role needs `pg_read_all_stats`, which a superuser grants.
    pub fn standbys(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> PostgresStoreBuilder {
        self.standbys.named.get_or_insert_default().extend(names.into_iter().map(Into::into));
        self
    }

    /// Says that there is no server that may be promoted beside this one: as [`standbys`](PostgresStoreBuilder::standbys) with no name.
    pub fn no_standbys(mut self) -> PostgresStoreBuilder {
        self.standbys.named.get_or_insert_default();
        self
    }

    /// Names standbys, or replication slots, that nobody promotes, and never restores the record from: one for reports, an archive
    /// (`pg_receivewal`). No version of the root key waits for them. One that is promoted all the same opens nothing.
    pub fn never_promoted(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> PostgresStoreBuilder {
        self.standbys.never.extend(names.into_iter().map(Into::into));
        self
    }

    /// What messages call it: host, port, database and schema, and neither user nor password. Nothing is opened.
    ///
    /// # Errors
    /// [`StoreOpenError::Address`].
    pub fn location(&self) -> Result<String, StoreOpenError> {
        quoted(&self.schema)?;
        Ok(location(&Address::parse(&self.address)?, &self.schema))
    }

    /// Opens the store. The tables must be there: nothing is made or changed.
    ///
    /// A server that runs with `fsync = off` is refused: nothing that it answers is durable. For tests, `allow_fsync_off=yes` in the connection string
    /// allows it. [`ConfirmReads::Required`] demands that commits survive the loss of a machine.
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

    /// Makes the tables, or brings older ones up to date; if they are up to date, it does nothing. Call it as the tables' owner: a role that
    /// may create schemas in the database, or owns this one. Not the role of daily use.
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

    /// Lets a role do what a vault does from day to day, and nothing else: read all tables, put and delete pages, overwrite the record and
    /// the mark. It can change no table. Call it as the owner, after `migrate`; calling it again is harmless. In SQL, for a schema `oubliette`:
    /// ```sql
    /// GRANT USAGE ON SCHEMA oubliette TO app;
    /// GRANT SELECT ON ALL TABLES IN SCHEMA oubliette TO app;
    /// GRANT UPDATE (record, digest, written, shared) ON oubliette.root TO app;
    /// GRANT UPDATE (generation, vault, proof) ON oubliette.mark TO app;
    /// GRANT INSERT, DELETE, UPDATE (generation, superseded) ON oubliette.pages TO app;
    /// ```
    /// Where the root key has versions, the role also needs `GRANT pg_read_all_stats TO app`, to see how far standbys are. That is not granted here: it takes a
    /// superuser, or who may grant that role.
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
        let target = Target { config, tls, answer_within: self.answer_within };
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
