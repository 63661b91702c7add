//! The lock that a commit holds, and what is written under it.

use std::sync::Arc;
use std::time::Duration;

use oubliette::store::{
    NotWritten, OrderedRead, PlaceId, Problem, RECORD_BYTES, RootLock, StoreError, StoreName, StoredPage, WholeCommit,
};
use tokio::task::AbortHandle;
use tokio::time::sleep;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::pages::{Batch, CHUNK, Puts};
use crate::pool::transaction;
use crate::read::{Found, READ, flush, record};
use crate::session::{Parameter, Session};
use crate::store::Inner;

/// Nothing is written unless this very connection holds the lock: also if a pooler gave us another one since.
const WRITE: &str = "WITH written AS (
        UPDATE {s}.root SET record = $1, digest = sha256($1), written = clock_timestamp(), shared = false
        WHERE slot = 0 AND EXISTS (SELECT FROM {s}.place WHERE id = $2)
            AND EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND objsubid = 1 AND (classid::bigint << 32 | objid::bigint) = $3)
        RETURNING 1)
    SELECT pg_notify($4, '') FROM written";

/// All of a commit in one statement, which is a transaction by itself; pages that are many come before it in one transaction ([`Puts`]). Nothing of it
/// unless this connection holds the lock and the mark is of this vault; and no record unless every page is there.
///
/// If nothing more is to be done under the lock it is given up with the end of the transaction, when others see what was written: the
/// transaction takes it, too, and the connection lets go of it. And if others wait for the lock, it does not wait for the disk and the standbys, so that they do not, either: a
/// flush that follows does, and is shared with theirs, since the WAL is one sequence and what they build upon this comes after it. If nobody waits, one flush is all there is to
/// make, and this statement makes it.
const ONE_STEP: &str = "WITH locks AS MATERIALIZED (SELECT granted, pid FROM pg_locks WHERE locktype = 'advisory'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND objsubid = 1 AND (classid::bigint << 32 | objid::bigint) = $3),
    held AS MATERIALIZED (SELECT FROM {s}.place
        WHERE id = $2 AND EXISTS (SELECT FROM locks WHERE granted AND pid = pg_backend_pid())),
    raised AS (UPDATE {s}.mark SET generation = greatest(generation, $7::numeric),
            vault = CASE WHEN generation <= $7::numeric THEN $8 ELSE vault END,
            proof = CASE WHEN generation <= $7::numeric THEN $9 ELSE proof END
        WHERE EXISTS (SELECT FROM held) AND (generation = 0 OR vault = $8)
        RETURNING 1),
    put AS (INSERT INTO {s}.pages AS p (name, generation, bytes)
        SELECT n.name, $7::numeric, n.bytes FROM unnest($5, $6) AS n (name, bytes) WHERE EXISTS (SELECT FROM raised)
        ON CONFLICT (name) DO UPDATE SET generation = greatest(p.generation, excluded.generation), superseded = NULL
            WHERE p.bytes = excluded.bytes
        RETURNING 1),
    written AS (UPDATE {s}.root SET record = $1, digest = sha256($1), written = clock_timestamp(),
            shared = $10 AND EXISTS (SELECT FROM locks WHERE NOT granted)
        WHERE slot = 0 AND EXISTS (SELECT FROM raised) AND (SELECT count(*) FROM put) = cardinality($5)
        RETURNING pg_notify($4, ''))
    SELECT EXISTS (SELECT FROM held), EXISTS (SELECT FROM raised), (SELECT count(*) FROM put) = cardinality($5),
        (SELECT count(*) FROM written) = 1,
        CASE WHEN $10 AND (SELECT count(*) FROM written) = 1
            THEN pg_advisory_xact_lock($3) IS NOT NULL AND pg_advisory_unlock($3) END,
        CASE WHEN $10 AND (SELECT count(*) FROM written) = 1 AND EXISTS (SELECT FROM locks WHERE NOT granted)
            THEN set_config('synchronous_commit', 'off', true) IS NOT NULL END";

/// Who holds the lock and says nothing for this long has lost it: a process that was stopped, or its machine. One that runs says
/// something by itself.
const SILENCE: Duration = Duration::from_secs(60);
const WORD: Duration = Duration::from_secs(15);

/// The lock, as the connection that holds it has it.
pub(crate) struct Locked<'s> {
    inner: &'s Inner,
    session: Arc<Session>,
    speaks: Option<AbortHandle>,
    /// What was read when the lock was taken.
    found: Option<Result<Found, Failure>>,
    /// And what others had put since.
    newer: Option<Vec<StoredPage>>,
}

impl<'s> Locked<'s> {
    /// `session` has just taken the lock.
    pub(crate) fn by(
        inner: &'s Inner,
        session: Arc<Session>,
        found: Result<Found, Failure>,
        newer: Option<Vec<StoredPage>>,
    ) -> Locked<'s> {
        let speaks = inner.driver.spawn(speak_up(session.clone())).ok();
        *inner.held() = Some(session.clone());
        Locked { inner, session, speaks, found: Some(found), newer }
    }
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
            let parameters = Write::new(&record, &place, &channel);
            let written = session.query(&sql, &parameters.all()).await;
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

    /// The WAL is one sequence: a crash, or a standby that is promoted, loses the end of it, and nothing out of its middle.
    fn read_in_order(&mut self, place: PlaceId) -> Option<OrderedRead> {
        if place != self.inner.place {
            return None;
        }
        let found = self.found.take().unwrap_or_else(|| {
            let (sql, session) = (self.inner.schema.sql(READ), self.session.clone());
            let confirm = self.inner.confirm_reads.under_the_lock();
            self.inner.driver.run(async move {
                let _turn = session.turn().await;
                record(&session, &sql, place, confirm).await
            })
        });
        let (content, is_settled) = match found {
            Ok(Found { content, has_standbys, is_settled }) => {
                self.inner.saw_standbys(has_standbys);
                (Ok(content), is_settled)
            }
            Err(failure) => (Err(self.inner.error(failure)), false),
        };
        Some(OrderedRead { copies: self.inner.copies(place, content), is_settled, newer: self.newer.take() })
    }

    /// By a commit of its own, on the connection that holds the lock: on this server's disk and, where it has synchronous standbys, on theirs.
    fn settle(&mut self) -> Result<(), StoreError> {
        let session = self.session.clone();
        let settled = self.inner.driver.run(async move {
            let _turn = session.turn().await;
            flush(&session).await
        });
        settled.map_err(|failure| self.inner.error(failure))
    }

    fn together(&self) -> Option<StoreName> {
        Some(self.inner.together)
    }

    /// One statement or, with many pages, one transaction, on the connection that holds the lock; and a flush behind it, if others waited for the lock.
    fn write_with_pages(&mut self, step: &WholeCommit<'_>) -> Result<(), NotWritten> {
        let WholeCommit { place, record, mark, pages, is_last } = *step;
        if place != self.inner.place || record.len() != RECORD_BYTES {
            let misfit = StoreError::new(Problem::Io, "a root record").caused_by("it does not fit the store");
            return Err(NotWritten::Nothing(misfit));
        }
        let batch = self.inner.batch(pages).map_err(NotWritten::Nothing)?;
        let (sql, channel) = (self.inner.schema.sql(ONE_STEP), channel(place));
        let (session, record, mark) = (self.session.clone(), Zeroizing::new(record.to_vec()), *mark);
        let schema = self.inner.schema.clone();
        let written = self.inner.driver.run(async move {
            // What is many is put by statements of their own before it, in one transaction with it.
            let (batch, many) = if batch.len() > CHUNK { (Batch::new(), batch) } else { (batch, Batch::new()) };
            let puts = Puts::of(&schema, &mark, &many);
            puts.prepare(&session).await?;
            let (names, bytes): (Vec<&[u8]>, Vec<&[u8]>) =
                batch.iter().map(|(name, bytes)| (&name.0[..], bytes.as_slice())).unzip();
            let write = Write::new(&record, &place, &channel);
            let (generation, vault, proof) = (mark.generation.to_string(), &mark.vault[..], &mark.proof[..]);
            let mut parameters = write.all().to_vec();
            parameters.extend::<[Parameter<'_>; 6]>([
                (&names, Type::BYTEA_ARRAY),
                (&bytes, Type::BYTEA_ARRAY),
                (&generation, Type::TEXT),
                (&vault, Type::BYTEA),
                (&proof, Type::BYTEA),
                (&is_last, Type::BOOL),
            ]);
            let came = match many.is_empty() {
                true => {
                    let _turn = session.turn().await;
                    session.query_often(&sql, &parameters).await.and_then(|rows| came_of(&rows))
                }
                false => {
                    let step = async {
                        let answers = puts.ask(&session, None, (&sql, parameters)).await?;
                        let (step, stored) = answers.split_last().ok_or(Failure::Incomplete)?;
                        puts.check(stored)?;
                        came_of(step)
                    };
                    transaction(&session, step).await
                }
            };
            let answer = match came {
                // Others see it, and it may be lost.
                Ok(Flushed::NotYet) => {
                    let _turn = session.turn().await;
                    flush(&session).await.map_err(|failure| Failure::NotFlushed(Box::new(failure)))
                }
                came => came.map(drop),
            };
            if let Err(failure) = &answer
                && failure.is_unclear()
            {
                // What came of it is for the next commit to find out, under a lock of its own.
                session.spoil();
            }
            answer
        });
        written.map_err(|failure| match failure.is_unclear() {
            true => NotWritten::Unknown(self.inner.error(failure)),
            false => NotWritten::Nothing(self.inner.error(failure)),
        })
    }
}

/// Whether a step that was carried out is durable.
enum Flushed {
    WithIt,
    NotYet,
}

/// What a step came to.
fn came_of(rows: &[Row]) -> Result<Flushed, Failure> {
    let row = rows.first().ok_or(Failure::Incomplete)?;
    let is_shared: Option<bool> = row.try_get(5)?;
    match [row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?] {
        [true, true, true, true] if is_shared == Some(true) => Ok(Flushed::NotYet),
        [true, true, true, true] => Ok(Flushed::WithIt),
        [false, ..] => Err(Failure::LockLost),
        [_, false, ..] => Err(Failure::OtherVault),
        [_, _, false, _] => Err(Failure::PageExists),
        [.., false] => Err(Failure::Incomplete),
    }
}

/// What is written of a record.
struct Write<'r> {
    record: &'r [u8],
    place: &'r [u8],
    key: i64,
    channel: &'r str,
}

impl<'r> Write<'r> {
    fn new(record: &'r [u8], place: &'r PlaceId, channel: &'r str) -> Write<'r> {
        Write { record, place: &place.0, key: key(*place), channel }
    }

    fn all(&self) -> [Parameter<'_>; 4] {
        let Write { record, place, key, channel } = self;
        [(record, Type::BYTEA), (place, Type::BYTEA), (key, Type::INT8), (channel, Type::TEXT)]
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
pub(crate) fn lock_statement(key: i64, wait: Duration) -> String {
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
pub(crate) fn channel(place: PlaceId) -> String {
    format!("oubliette_{place}")
}
