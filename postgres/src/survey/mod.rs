//! What a server says of itself: what it promises, what it keeps, and what this role may do.

mod ask;
mod standby_names;

use std::time::Duration;

use oubliette::store::StoreError;

use crate::store::PostgresStore;

impl PostgresStore {
    /// Asks the server what an operator should know: what it promises after a failover, what it keeps of older root records, and
    /// whether this role may do more than it needs. It changes nothing, and needs no right beyond those of [`grant_to`]; with those of
    /// `pg_read_all_stats` it sees more (see [`Survey::sees_all`]).
    ///
    /// [`grant_to`]: crate::PostgresStoreBuilder::grant_to
    ///
    /// # Errors
    /// [`StoreError`] if the server does not answer. Nothing was written.
    pub fn survey(&self) -> Result<Survey, StoreError> {
        let (schema, work_within) = (self.inner.schema.clone(), self.inner.work_within);
        self.inner.read(move |session| {
            let schema = schema.clone();
            async move { ask::survey(&session, &schema, work_within).await }
        })
    }
}

/// What a server says of itself at one moment. Nothing of it is secret.
///
/// ```no_run
/// use oubliette_postgres::{PostgresStore, Promise};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let survey = PostgresStore::at("postgres://keys_app@db.example/keys").open()?.survey()?;
/// match survey.replication.promise() {
///     Promise::AllConfirm { standbys } => println!("{standbys} standbys confirm each commit"),
///     weaker => println!("a failover may undo commits: {weaker:?}"),
/// }
/// for right in &survey.role.beyond {
///     println!("the role has more rights than a vault needs: {right}");
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Survey {
    /// The server's version: 150004 is 15.4.
    pub server_version: i32,
    /// The version of the tables; [`open`](crate::PostgresStoreBuilder::open) refuses others than it knows.
    pub schema_version: i32,
    /// The database cluster's system identifier, which it shares with its standbys and with whatever is restored from its base backups; `None`
    /// if this role may not ask. `SELECT system_identifier FROM pg_control_system()` on another connection tells whether that one leads
    /// to the same cluster.
    pub cluster: Option<u64>,
    /// The database. With the cluster it tells whether something else is kept beside the key store.
    pub database: String,
    /// What this role may do.
    pub role: Role,
    /// What is promised of an answered commit.
    pub replication: Replication,
    /// What is kept of older root records.
    pub keeps: Keeps,
    /// Whether this role may see other roles' sessions and standbys in full. Without it `Standby::is_synchronous` is `None`, and of open
    /// snapshots only its own have an age.
    pub sees_all: bool,
}

/// What the role of this connection may do with the server and the key store.
///
/// [`Survey`] has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Role {
    /// Its name.
    pub name: String,
    /// What it may do and a vault never does, in words, such as `is a superuser`. Empty is right.
    pub beyond: Vec<String>,
    /// What a vault does and it may not, such as `UPDATE of pages.generation`. Empty is right.
    pub lacking: Vec<String>,
}

/// What the server is told about durability and standbys.
///
/// [`Survey`] has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replication {
    /// Whether commits are forced to the disk.
    pub fsync: bool,
    /// Whether pages that were torn by a crash are mended.
    pub full_page_writes: bool,
    /// `synchronous_commit` as this role gets it. The store does not rely upon it.
    pub synchronous_commit: String,
    /// `synchronous_commit` as the store sets it for its own connections: `on`, or `remote_apply` where the role gets that.
    pub used: String,
    /// `synchronous_standby_names`, as it is written.
    pub synchronous_standby_names: String,
    /// Who receives the WAL just now: standbys, and archivers such as `pg_receivewal`.
    pub standbys: Vec<Standby>,
}

/// Who receives the WAL.
///
/// [`Survey`] has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standby {
    /// Its `application_name`, by which `synchronous_standby_names` calls it.
    pub name: String,
    /// Whether commits wait for it; `None` if this role may not see that.
    pub is_synchronous: Option<bool>,
}

/// What an answered commit survives, as far as the server's settings say. They do not say which servers may be promoted.
///
/// [`Survey`] has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Promise {
    /// Nothing: with `fsync = off` a crash of the machine may undo it.
    Nothing,
    /// A crash of the server. Its loss, or a failover, may undo it: no standby confirms.
    Crash,
    /// The loss of this server if the standby that has the most is promoted: some of those that are named confirm.
    SomeConfirm {
        /// How many.
        confirm: usize,
        /// Of how many; `None` if any standby may be among them (`*`).
        of: Option<usize>,
    },
    /// The loss of any one machine: every standby that is named confirms. One that is not named must not be promoted.
    AllConfirm {
        /// How many.
        standbys: usize,
    },
}

impl Replication {
    /// What these settings promise of an answered commit.
    #[must_use]
    pub fn promise(&self) -> Promise {
        if !self.fsync {
            return Promise::Nothing;
        }
        match standby_names::read(&self.synchronous_standby_names) {
            None => Promise::Crash,
            Some((confirm, Some(of))) if confirm >= of => Promise::AllConfirm { standbys: of },
            Some((confirm, of)) => Promise::SomeConfirm { confirm, of },
        }
    }

    /// True if commits, and so shreds, wait at this moment because fewer standbys are connected than must confirm; `None` if this role may not
    /// see that.
    #[must_use]
    pub fn waits(&self) -> Option<bool> {
        let Some((confirm, _)) = standby_names::read(&self.synchronous_standby_names) else { return Some(false) };
        let states: Option<Vec<bool>> = self.standbys.iter().map(|standby| standby.is_synchronous).collect();
        Some(states?.into_iter().filter(|is_synchronous| *is_synchronous).count() < confirm)
    }
}

/// What the server keeps of root records that were overwritten, as far as it can say. Base backups, snapshots of volumes and archived WAL are
/// elsewhere, and it cannot.
///
/// [`Survey`] has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Keeps {
    /// The size of the file of the record's table: at most two blocks (16 384 bytes), unless an open snapshot once kept old records from being
    /// overwritten.
    pub table_bytes: u64,
    /// How long the oldest transaction that may need an old record is open, prepared ones included; `None` if there is none whose age this
    /// role may see.
    pub oldest_snapshot: Option<Duration>,
    /// Replication slots.
    pub slots: Vec<Slot>,
    /// Whether WAL is archived (`archive_mode`).
    pub archives: bool,
    /// How many segments of WAL were archived since the server's statistics were last reset.
    pub archived: u64,
    /// Settings of the server, or of this role, by which it logs statements of this role with all that they carry, the record among it, such as
    /// `log_min_duration_statement = 250ms`. Such a log keeps old records as long as anybody keeps the log. Empty is right:
    /// `ALTER ROLE keys_app SET log_parameter_max_length = 0`, said by a superuser, keeps them out, and leaves the statements in.
    pub logs: Vec<String>,
    /// How long ago a sweep found the oldest page that nothing needs any more and that is still there; `None` if no sweep found one.
    pub oldest_superseded: Option<Duration>,
}

/// A replication slot: it holds WAL back until whoever it was made for has it.
///
/// [`Survey`] has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// Whether somebody reads from it now.
    pub is_active: bool,
    /// How many bytes of WAL it holds back.
    pub held_back: u64,
    /// Whether it keeps old rows as well, for a standby with `hot_standby_feedback`.
    pub keeps_rows: bool,
}
