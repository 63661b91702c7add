//! The root record: one place, one slot, since a transaction happens wholly or not at all.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use oubliette::store::{
    Changed, CopyContent, LockError, PlaceId, Problem, RECORD_BYTES, RootCopy, RootLock, RootStore, StoreError,
};
use tokio::task::AbortHandle;
use tokio::time::sleep;
use tokio_postgres::types::Type;
use zeroize::Zeroizing;

use crate::builder::ConfirmReads;
use crate::failure::Failure;
use crate::session::{Parameter, Session};
use crate::store::{Inner, PostgresStore};
use crate::watch;

/// The record as this server has it, and, if asked for, a small commit: a message in the WAL, which no table keeps. The length
/// first: what has another one is not fetched.
const READ: &str = "SELECT pg_is_in_recovery(), p.id, current_setting('synchronous_standby_names') <> '',
        octet_length(r.record), CASE WHEN octet_length(r.record) = $1 THEN r.record END,
        coalesce(r.digest = sha256(r.record), false),
        CASE WHEN NOT pg_is_in_recovery()
                AND ($2 = 'always' OR $2 = 'synchronous' AND current_setting('synchronous_standby_names') <> '')
            THEN pg_logical_emit_message(true, 'oubliette', ''::text) IS NOT NULL END
    FROM {s}.place p, {s}.root r";

/// Nothing is written unless this very connection holds the lock: also if a pooler gave us another one since.
const WRITE: &str = "WITH written AS (
        UPDATE {s}.root SET record = $1, digest = sha256($1), written = clock_timestamp()
        WHERE slot = 0 AND EXISTS (SELECT FROM {s}.place WHERE id = $2)
            AND EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND objsubid = 1 AND (classid::bigint << 32 | objid::bigint) = $3)
        RETURNING 1)
    SELECT pg_notify($4, '') FROM written";

const CAN_WRITE: &str = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::boolean,
    has_column_privilege($1 || '.root', 'record', 'UPDATE')";

/// Who holds the lock and says nothing for this long has lost it: a process that was stopped, or its machine. One that runs says
/// something by itself.
const SILENCE: Duration = Duration::from_secs(60);
const WORD: Duration = Duration::from_secs(15);

impl RootStore for PostgresStore {
    fn places(&self) -> Vec<PlaceId> {
        vec![self.inner.place]
    }

    /// Refused by a server in recovery. Confirmed by the standbys as [`confirm_reads`](crate::PostgresStoreBuilder::confirm_reads) says.
    fn read(&self, place: PlaceId) -> Vec<RootCopy> {
        let content = if place == self.inner.place { self.inner.record() } else { Err(self.missing(place)) };
        let content = content.unwrap_or_else(CopyContent::Unreachable);
        vec![RootCopy { location: self.inner.schema.location.clone(), place, content }]
    }

    /// An advisory lock of the database, held by one connection; it goes with that connection.
    fn lock(&self, places: &[PlaceId], wait: Duration) -> Result<Box<dyn RootLock + '_>, LockError> {
        if let Some(other) = places.iter().find(|place| **place != self.inner.place) {
            return Err(LockError::Store(self.missing(*other)));
        }
        let (pool, key) = (self.inner.pool.clone(), key(self.inner.place));
        let lock = lock_statement(key, wait);
        let most = wait.saturating_add(pool.answer_within());
        let locked = self.inner.driver.run(async move {
            let take = |session: Arc<Session>| {
                let lock = lock.clone();
                async move {
                    let taken = session.batch_within(most, &lock).await;
                    if taken.is_err() {
                        // In the middle of a transaction that failed.
                        session.spoil();
                    }
                    taken
                }
            };
            pool.on_one(take).await
        });
        match locked {
            Ok(((), session)) => {
                let speaks = self.inner.driver.spawn(speak_up(session.clone())).ok();
                *self.inner.held() = Some(session.clone());
                Ok(Box::new(Locked { inner: &self.inner, session, speaks }))
            }
            Err(failure) if failure.is_busy() => Err(LockError::Busy { waited: wait }),
            Err(failure) => Err(LockError::Store(self.inner.error(failure))),
        }
    }

    fn can_write(&self, place: PlaceId) -> Result<(), StoreError> {
        if place != self.inner.place {
            return Err(self.missing(place));
        }
        let schema = self.inner.schema.quoted.clone();
        let (is_read_only, is_allowed) = self.inner.read(move |session| {
            let schema = schema.clone();
            async move {
                let rows = session.query(CAN_WRITE, &[(&schema, Type::TEXT)]).await?;
                let row = rows.first().ok_or(Failure::Incomplete)?;
                let (is_standby, is_read_only): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
                Ok((is_standby || is_read_only, row.try_get(2)?))
            }
        })?;
        if is_read_only {
            return Err(StoreError::new(Problem::ReadOnly, &self.inner.schema.location));
        }
        if is_allowed {
            return Ok(());
        }
        Err(StoreError::new(Problem::Io, &self.inner.schema.location)
            .caused_by("this role may not write the record: see `grant_to`"))
    }

    /// By `NOTIFY`, on a connection of its own. When that is lost, another one is made, and `changed` called once more then.
    fn watch(&self, changed: Changed) {
        // A hint that does not come is no loss: the record is read several times a lease anyway.
        let _ = watch::start(&self.inner.driver, &self.inner.pool, channel(self.inner.place), changed);
    }

    /// Whether the server has synchronous standbys, as it said at the last read, or the caller says that its disk is replicated.
    fn is_replicated(&self) -> bool {
        self.inner.replicated_disk || self.inner.has_standbys.load(Ordering::Acquire)
    }

    /// The servers that may be promoted, as [`standbys`](crate::PostgresStoreBuilder::standbys) says. Waits for `answer_within` at most.
    fn lagging(&self, wait: Duration) -> Result<Vec<String>, StoreError> {
        self.inner.lagging(wait)
    }
}

impl PostgresStore {
    fn missing(&self, place: PlaceId) -> StoreError {
        StoreError::new(Problem::UnknownPlace, format!("place {place} in {}", self.inner.schema.location))
    }
}

impl Inner {
    fn record(&self) -> Result<CopyContent, StoreError> {
        let (sql, place) = (self.schema.sql(READ), self.place);
        let confirm = match self.confirm_reads {
            ConfirmReads::WhenSynchronous => "synchronous",
            ConfirmReads::Always => "always",
            ConfirmReads::Never => "never",
        };
        let (content, has_standbys) = self.read(move |session| {
            let sql = sql.clone();
            async move { record(&session, &sql, place, confirm).await }
        })?;
        self.saw_standbys(has_standbys);
        Ok(content)
    }
}

/// What is there, and whether the server has synchronous standbys.
async fn record(session: &Session, sql: &str, place: PlaceId, confirm: &str) -> Result<(CopyContent, bool), Failure> {
    let length = i32::try_from(RECORD_BYTES).map_err(|_| Failure::Incomplete)?;
    let rows = session.query(sql, &[(&length, Type::INT4), (&confirm, Type::TEXT)]).await?;
    let row = rows.first().ok_or(Failure::Incomplete)?;
    let (is_standby, id): (bool, &[u8]) = (row.try_get(0)?, row.try_get(1)?);
    if is_standby {
        return Err(Failure::Standby);
    }
    if id != place.0 {
        return Err(Failure::OtherPlace);
    }
    let (length, bytes): (Option<i32>, Option<&[u8]>) = (row.try_get(3)?, row.try_get(4)?);
    let content = match (length, bytes, row.try_get(5)?) {
        (None, ..) => CopyContent::Empty,
        (_, Some(bytes), true) => CopyContent::Intact(bytes.to_vec()),
        _ => CopyContent::Damaged,
    };
    Ok((content, row.try_get(2)?))
}

/// The lock, as the connection that holds it has it.
struct Locked<'s> {
    inner: &'s Inner,
    session: Arc<Session>,
    speaks: Option<AbortHandle>,
}

impl RootLock for Locked<'_> {
    /// One transaction, on the connection that holds the lock. An error of the connection, or no answer: it is not known whether the record
    /// was written, and nothing else is written under this lock.
    fn write(&mut self, place: PlaceId, slot: usize, record: &[u8]) -> Result<(), StoreError> {
        if place != self.inner.place || slot != 0 || record.len() != RECORD_BYTES {
            return Err(StoreError::new(Problem::Io, "a root record").caused_by("it does not fit the store"));
        }
        let (sql, channel) = (self.inner.schema.sql(WRITE), channel(place));
        let (session, record) = (self.session.clone(), Zeroizing::new(record.to_vec()));
        let written = self.inner.driver.run(async move {
            let _turn = session.turn().await;
            let bytes = record.as_slice();
            let parameters: [Parameter<'_>; 4] = [
                (&bytes, Type::BYTEA),
                (&&place.0[..], Type::BYTEA),
                (&key(place), Type::INT8),
                (&channel, Type::TEXT),
            ];
            let written = session.query(&sql, &parameters).await;
            match written {
                Ok(rows) if rows.is_empty() => Err(Failure::LockLost),
                Ok(_) => Ok(()),
                Err(failure) => {
                    // What came of it is for the next commit to find out, under a lock of its own.
                    session.spoil();
                    Err(failure)
                }
            }
        });
        written.map_err(|failure| self.inner.error(failure))
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let mut held = self.inner.held();
        // If this one was lost, another commit of this process may hold it by now.
        if held.as_ref().is_some_and(|held| Arc::ptr_eq(held, &self.session)) {
            *held = None;
        }
        drop(held);
        if let Some(speaks) = &self.speaks {
            speaks.abort();
        }
        let (pool, session) = (self.inner.pool.clone(), self.session.clone());
        // Nobody waits for it; who wants the lock next waits for the server. If it fails, the connection goes, and the lock with it.
        let _ = self.inner.driver.spawn(async move {
            let _turn = session.turn().await;
            if session.batch("SELECT pg_advisory_unlock_all(); RESET idle_session_timeout").await.is_ok() {
                pool.give(session.clone());
            }
        });
    }
}

/// Waits no longer than told; zero would be for ever. In a transaction, so that what is set is set for this statement alone.
fn lock_statement(key: i64, wait: Duration) -> String {
    let (wait, silence) = (wait.as_millis().clamp(1, i32::MAX as u128), SILENCE.as_millis());
    format!(
        "BEGIN;
         SET LOCAL lock_timeout = {wait};
         SET LOCAL statement_timeout = 0;
         SET idle_session_timeout = {silence};
         SELECT pg_advisory_lock({key});
         COMMIT"
    )
}

/// Keeps the server from taking the lock away while its holder is at work elsewhere.
async fn speak_up(session: Arc<Session>) {
    loop {
        sleep(WORD).await;
        let _turn = session.turn().await;
        if session.batch("SELECT 1").await.is_err() {
            return;
        }
    }
}

/// The lock's number in its database.
pub(crate) fn key(place: PlaceId) -> i64 {
    i64::from_be_bytes(place.0)
}

/// Where writes are told.
fn channel(place: PlaceId) -> String {
    format!("oubliette_{place}")
}
