//! What is read of the root record, and when that is durable.

use std::time::Duration;

use oubliette::store::{CopyContent, PlaceId, RECORD_BYTES};
use tokio_postgres::types::Type;

use crate::builder::ConfirmReads;
use crate::failure::Failure;
use crate::session::Session;

/// The record as this server has it, and, if asked for, a small commit: a message in the WAL, which no table keeps. It is durable when the answer
/// comes, and so is what was read, since that came before it in the WAL. The length first: what has another one is not fetched.
///
/// The last column says whether the record is on this server's disk, and no other one's counts. It is if its commit waited for that before it could be
/// seen; and if it did not (`shared`), once the WAL was flushed as far as it goes, since what is seen is in it.
///
/// Each table has one row. The keys are named all the same, which tells the planner: it would guess a row for each that there is room for, and `root` has room
/// for many once it was written often while old versions of it were still seen.
pub(crate) const READ: &str = "SELECT pg_is_in_recovery(), p.id, current_setting('synchronous_standby_names') <> '',
        octet_length(r.record), CASE WHEN octet_length(r.record) = $1 THEN r.record END,
        coalesce(r.digest = sha256(r.record), false),
        CASE WHEN NOT pg_is_in_recovery()
                AND ($2 = 'always' OR $2 IN ('needed', 'required') AND (current_setting('synchronous_standby_names') <> ''
                    OR r.shared AND pg_current_wal_flush_lsn() < pg_current_wal_insert_lsn()))
            THEN pg_logical_emit_message(true, 'oubliette', ''::text) IS NOT NULL END,
        CASE WHEN NOT pg_is_in_recovery() AND current_setting('synchronous_standby_names') = ''
            THEN NOT r.shared OR pg_current_wal_flush_lsn() >= pg_current_wal_insert_lsn() END,
        coalesce(current_setting('oubliette.connection', true) = $3, false)
    FROM {s}.place p, {s}.root r WHERE p.one AND r.slot = 0";

/// A small commit alone. When it is durable, all that was seen before it is.
const FLUSH: &str = "SELECT pg_logical_emit_message(true, 'oubliette', ''::text) IS NOT NULL, pg_is_in_recovery(),
        coalesce(current_setting('oubliette.connection', true) = $1, false)";

impl ConfirmReads {
    pub(crate) fn at_a_read(self) -> &'static str {
        match self {
            ConfirmReads::WhenSynchronous => "needed",
            ConfirmReads::Required => REQUIRED,
            ConfirmReads::Always => "always",
            ConfirmReads::Never => "never",
        }
    }

    /// What a commit is based on is confirmed together with it, or by a flush before anything else goes by it.
    pub(crate) fn under_the_lock(self) -> &'static str {
        match self {
            ConfirmReads::Always => "always",
            ConfirmReads::Required => LISTED,
            ConfirmReads::WhenSynchronous | ConfirmReads::Never => "never",
        }
    }
}

/// A read that finds no synchronous standbys is refused; it is confirmed by those that there are.
const REQUIRED: &str = "required";

/// A read that finds no synchronous standbys is refused; it is not confirmed.
const LISTED: &str = "listed";

/// What is there.
pub(crate) struct Found {
    pub(crate) content: CopyContent,
    pub(crate) has_standbys: bool,
    /// It is durable.
    pub(crate) is_settled: bool,
}

pub(crate) async fn record(session: &Session, sql: &str, place: PlaceId, confirm: &str) -> Result<Found, Failure> {
    record_within(session, session.within(), sql, place, confirm).await
}

pub(crate) async fn record_within(
    session: &Session,
    most: Duration,
    sql: &str,
    place: PlaceId,
    confirm: &str,
) -> Result<Found, Failure> {
    let length = i32::try_from(RECORD_BYTES).map_err(|_| Failure::Incomplete)?;
    let asked = [(&length as _, Type::INT4), (&confirm as _, Type::TEXT), (session.name() as _, Type::TEXT)];
    let rows = session.query_often_within(most, sql, &asked).await?;
    let row = rows.first().ok_or(Failure::Incomplete)?;
    if !row.try_get::<_, bool>(8)? {
        return Err(Failure::Pooled);
    }
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
    let has_standbys: bool = row.try_get(2)?;
    if matches!(confirm, REQUIRED | LISTED) && !has_standbys {
        return Err(Failure::NotSynchronous);
    }
    let (is_confirmed, is_flushed): (Option<bool>, Option<bool>) = (row.try_get(6)?, row.try_get(7)?);
    let is_settled = is_confirmed == Some(true) || is_flushed == Some(true);
    Ok(Found { content, has_standbys, is_settled })
}

/// Makes durable all that was seen on this connection.
pub(crate) async fn flush(session: &Session) -> Result<(), Failure> {
    let rows = session.query_often(FLUSH, &[(session.name() as _, Type::TEXT)]).await?;
    let row = rows.first().ok_or(Failure::Incomplete)?;
    match (row.try_get(1)?, row.try_get(2)?) {
        (true, _) => Err(Failure::Standby),
        // A pooler gave us another connection, which may not wait for the disk.
        (false, false) => Err(Failure::Pooled),
        (false, true) => Ok(()),
    }
}
