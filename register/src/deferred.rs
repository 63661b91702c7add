//! Erasures that a hold forbids for a while.

use jiff::{Timestamp, ToSpan};

use super::database::{Database, values};
use super::error::RegisterError;
use super::ids::{self, RequestId};
use super::request_kinds::RequestKind;
use super::requests::{self, Request};
use super::rules::after;
use super::subject::Subject;

/// An erasure that was decided on, and that a hold forbids: from now on a sweep carries it out once no hold stands. It becomes a
/// request of now, unless one is open. A request that came back from the journal is deferred only so, by whoever decided on it again: it
/// may have been taken back meanwhile.
pub(crate) async fn defer<D: Database>(
    db: &mut D,
    owner: i64,
    subject: &Subject,
    now: Timestamp,
) -> Result<(), RegisterError> {
    const OPEN: &str =
        "SELECT id FROM oubliette_requests WHERE subject_id = ?1 AND state = 'open' AND kind = 'erasure'";
    if !db.rows(OPEN, values![owner]).await?.is_empty() {
        const DEFER: &str = "UPDATE oubliette_requests SET not_before = ?2 WHERE subject_id = ?1 AND state = 'open' \
            AND kind = 'erasure' AND (not_before IS NULL OR not_before > ?2)";
        db.run(DEFER, values![owner, now.as_millisecond()]).await?;
        return Ok(());
    }
    let request = Request {
        id: RequestId::made(ids::fresh()?),
        subject: subject.clone(),
        kind: RequestKind::Erasure,
        received_at: now,
        due_at: after(now, 1.month())?,
        carried_out_at: Some(now),
        held_until: None,
    };
    requests::insert(db, owner, &request).await?;
    requests::tell(db, now, owner, &request).await
}
