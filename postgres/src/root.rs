//! The root record: one place, one slot, since a transaction happens wholly or not at all.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use oubliette::store::{
    Changed, CopyContent, LockError, OrderedRead, PlaceId, Problem, RootCopy, RootLock, RootStore, StoreError,
};
use tokio_postgres::types::Type;

use crate::builder::ConfirmReads;
use crate::failure::Failure;
use crate::lock::{Locked, channel, key, lock_statement};
use crate::pages::Newer;
use crate::read::{Found, READ, record, record_within};
use crate::session::{Session, both};
use crate::store::{Inner, PostgresStore};
use crate::watch;

/// Pages that are read as soon as the lock is taken: of some five commits, and not more than may be read for nothing.
const NEWER_WITH_LOCK: usize = 24;

const CAN_WRITE: &str = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::boolean,
    has_column_privilege($1 || '.root', 'record', 'UPDATE')";

impl RootStore for PostgresStore {
    fn places(&self) -> Vec<PlaceId> {
        vec![self.inner.place]
    }

    /// Refused by a server in recovery. Confirmed by the standbys as [`confirm_reads`](crate::PostgresStoreBuilder::confirm_reads) says.
    fn read(&self, place: PlaceId) -> Vec<RootCopy> {
        let content = if place == self.inner.place { self.inner.record() } else { Err(self.inner.missing(place)) };
        self.inner.copies(place, content)
    }

    /// Where reads need no standby's word: without a flush.
    fn read_seen(&self, place: PlaceId) -> Option<OrderedRead> {
        let inner = &self.inner;
        let needs_none = || match inner.confirm_reads {
            ConfirmReads::Never => true,
            ConfirmReads::WhenSynchronous => !inner.has_standbys.load(Ordering::Acquire),
            ConfirmReads::Required | ConfirmReads::Always => false,
        };
        if place != inner.place || !needs_none() {
            return None;
        }
        let sql = inner.schema.sql(READ);
        let seen = inner.read(move |session| {
            let sql = sql.clone();
            async move { record(&session, &sql, place, ConfirmReads::Never.at_a_read()).await }
        });
        let Found { content, has_standbys, is_settled } = seen.ok()?;
        inner.saw_standbys(has_standbys);
        needs_none().then(|| OrderedRead { copies: inner.copies(place, Ok(content)), is_settled, newer: None })
    }

    /// A read makes durable what it shows, unless reads are [never confirmed](ConfirmReads::Never).
    fn reads_are_durable(&self) -> bool {
        self.inner.confirm_reads != ConfirmReads::Never
    }

    /// True: each wait for the server has an end.
    fn never_hangs(&self) -> bool {
        true
    }

    /// An advisory lock of the database, held by one connection; it goes with that connection.
    fn lock(&self, places: &[PlaceId], wait: Duration) -> Result<Box<dyn RootLock + '_>, LockError> {
        self.inner.lock(places, wait, None)
    }

    /// The record and the pages that others put are read in the round trip that takes the lock.
    fn lock_knowing(
        &self,
        places: &[PlaceId],
        wait: Duration,
        generation: u64,
    ) -> Result<Box<dyn RootLock + '_>, LockError> {
        // Later than the last one there is nothing.
        let newer = (generation < u64::MAX).then(|| Newer::than(&self.inner.schema, generation, NEWER_WITH_LOCK));
        self.inner.lock(places, wait, newer)
    }

    fn can_write(&self, place: PlaceId) -> Result<(), StoreError> {
        if place != self.inner.place {
            return Err(self.inner.missing(place));
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

impl Inner {
    fn lock(
        &self,
        places: &[PlaceId],
        wait: Duration,
        newer: Option<Newer>,
    ) -> Result<Box<dyn RootLock + '_>, LockError> {
        if let Some(other) = places.iter().find(|place| **place != self.place) {
            return Err(LockError::Store(self.missing(*other)));
        }
        let (pool, key) = (self.pool.clone(), key(self.place));
        let lock = lock_statement(key, wait);
        let most = wait.saturating_add(pool.answer_within());
        let (read, place) = (self.schema.sql(READ), self.place);
        let confirm = self.confirm_reads.under_the_lock();
        let locked = self.driver.run(async move {
            let take = |session: Arc<Session>| {
                let (lock, read, newer) = (lock.clone(), read.clone(), newer.clone());
                async move {
                    // Read as soon as it is taken: others wait.
                    let found = record_within(&session, Duration::MAX, &read, place, confirm);
                    let newer = async {
                        match &newer {
                            Some(newer) => newer.ask(&session, Duration::MAX).await.ok(),
                            None => None,
                        }
                    };
                    let reads = both(found, newer, session.within());
                    let (taken, reads) = both(session.batch_within(most, &lock), reads, session.within()).await;
                    if taken.is_err() {
                        // In the middle of a transaction that failed.
                        session.spoil();
                    }
                    taken?;
                    let (found, newer) = reads.unwrap_or_else(|| {
                        session.spoil();
                        (Err(Failure::NoAnswer(session.within())), None)
                    });
                    Ok((found, newer.flatten()))
                }
            };
            pool.on_one(take).await
        });
        match locked {
            Ok(((found, newer), session)) => Ok(Box::new(Locked::by(self, session, found, newer))),
            Err(failure) if failure.is_busy() => Err(LockError::Busy { waited: wait }),
            Err(failure) => Err(LockError::Store(self.error(failure))),
        }
    }

    fn missing(&self, place: PlaceId) -> StoreError {
        StoreError::new(Problem::UnknownPlace, format!("place {place} in {}", self.schema.location))
    }

    fn record(&self) -> Result<CopyContent, StoreError> {
        let (sql, place) = (self.schema.sql(READ), self.place);
        let confirm = self.confirm_reads.at_a_read();
        let found = self.read(move |session| {
            let sql = sql.clone();
            async move { record(&session, &sql, place, confirm).await }
        })?;
        self.saw_standbys(found.has_standbys);
        Ok(found.content)
    }

    pub(crate) fn copies(&self, place: PlaceId, content: Result<CopyContent, StoreError>) -> Vec<RootCopy> {
        let content = content.unwrap_or_else(CopyContent::Unreachable);
        vec![RootCopy { location: self.schema.location.clone(), place, content }]
    }
}
