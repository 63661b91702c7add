//! What people ask for under GDPR Art. 15 to 21, and until when it must be answered.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp, ToSpan};

use super::Register;
use super::database::{Database, Row, values};
use super::error::RegisterError;
use super::grants::{self, label, stored, time};
use super::ids::{self, RequestId};
use super::operations::within;
use super::outbox;
use super::rules::after;
use super::schema;
use super::subject::Subject;
use crate::journal::{Event, Numbers, Reason};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestKind {
    /// Art. 15.
    Access,
    /// Art. 16.
    Rectification,
    /// Art. 17.
    Erasure,
    /// Art. 18.
    Restriction,
    /// Art. 20.
    Portability,
    /// Art. 21.
    Objection,
}

impl RequestKind {
    /// All of them, in the order of the articles.
    pub const ALL: [RequestKind; 6] = [
        RequestKind::Access,
        RequestKind::Rectification,
        RequestKind::Erasure,
        RequestKind::Restriction,
        RequestKind::Portability,
        RequestKind::Objection,
    ];

    /// As it is stored, and stands in the journal.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RequestKind::Access => "access",
            RequestKind::Rectification => "rectification",
            RequestKind::Erasure => "erasure",
            RequestKind::Restriction => "restriction",
            RequestKind::Portability => "portability",
            RequestKind::Objection => "objection",
        }
    }
}

impl fmt::Display for RequestKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RequestKind {
    type Err = RegisterError;

    fn from_str(text: &str) -> Result<RequestKind, RegisterError> {
        let known = RequestKind::ALL.into_iter().find(|kind| kind.as_str() == text);
        known.ok_or(RegisterError::Invalid { what: "no kind of request" })
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was done.
    Done,
    /// It was refused, for a reason that the person was told (Art. 12(4)).
    Refused,
    /// The person took it back.
    Withdrawn,
}

impl Answer {
    fn as_str(self) -> &'static str {
        match self {
            Answer::Done => "done",
            Answer::Refused => "refused",
            Answer::Withdrawn => "withdrawn",
        }
    }
}

/// A request that is open.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// Names it.
    pub id: RequestId,
    /// Whose it is.
    pub subject: Subject,
    /// What is asked for.
    pub kind: RequestKind,
    /// When it arrived.
    pub received_at: Timestamp,
    /// When it must be answered.
    pub due_at: Timestamp,
    /// When the sweep carries it out, for an erasure with a [grace](super::Rules::grace).
    pub carried_out_at: Option<Timestamp>,
}

within! {
    /// Records a request when it arrives, and says when it is due: one calendar month later (Art. 12(3)). An erasure is
    /// carried out by the sweep once the [grace](crate::register::Rules::grace) is over, if there is one.
    ///
    /// # Errors
    /// [`RegisterError::BeingErased`] when the customer's erasure has begun, and [`RegisterError::Invalid`] of a request that
    /// arrives more than five minutes after now, which would be due too late.
    write fn request(subject: &Subject, kind: RequestKind, received_at: Timestamp) -> Request = record;

    /// Gives an answer two more months, which Art. 12(3) allows for complex requests when the person is told why within the
    /// first. Twice is no longer.
    ///
    /// # Errors
    /// [`RegisterError::Invalid`] when there is no such request, or it is not open; [`RegisterError::OtherVault`].
    write fn extend(request: RequestId, why: Reason) -> Request = extend;

    /// Closes a request. Closing one that is closed is no error, and changes nothing. One for erasure that was taken back
    /// is not carried out.
    ///
    /// # Errors
    /// [`RegisterError::Invalid`] when there is no such request; [`RegisterError::OtherVault`].
    write fn close_request(request: RequestId, how: Answer, why: Option<Reason>) -> () = close;

    /// All open requests, those due first first.
    ///
    /// # Errors
    /// When the database fails.
    read fn requests() -> Vec<Request> = open;

    /// Open requests that should have been answered.
    ///
    /// # Errors
    /// When the database fails.
    read fn late_requests() -> Vec<Request> = late;
}

async fn record<D: Database>(
    register: &Register,
    db: &mut D,
    subject: &Subject,
    kind: RequestKind,
    received_at: Timestamp,
) -> Result<Request, RegisterError> {
    let now = register.now();
    // Clocks differ a little.
    if received_at.duration_since(now) > SignedDuration::from_mins(5) {
        return Err(RegisterError::Invalid { what: "a request arrives before it is recorded" });
    }
    let due_at = after(received_at, 1.month())?;
    let grace = register.rules.grace.filter(|_| kind == RequestKind::Erasure);
    let carried_out_at = grace.map(|grace| received_at.checked_add(grace).map_err(RegisterError::Time)).transpose()?;
    let owner = grants::lock_or_make(register, db, subject, now).await?;
    let request = Request {
        id: RequestId::made(ids::fresh()?),
        subject: subject.clone(),
        kind,
        received_at,
        due_at,
        carried_out_at,
    };
    insert(db, owner, &request).await?;
    tell(db, now, owner, &request).await?;
    Ok(request)
}

pub(crate) async fn insert<D: Database>(db: &mut D, owner: i64, request: &Request) -> Result<u64, RegisterError> {
    const INSERT: &str = "INSERT INTO oubliette_requests (id, subject_id, kind, received_at, due_at, not_before, state) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'open') ON CONFLICT (id) DO NOTHING";
    let row = values![
        request.id.to_stored(),
        owner,
        request.kind.as_str(),
        request.received_at.as_millisecond(),
        request.due_at.as_millisecond(),
        request.carried_out_at.map(Timestamp::as_millisecond),
    ];
    db.run(INSERT, row).await
}

async fn tell<D: Database>(db: &mut D, now: Timestamp, owner: i64, request: &Request) -> Result<(), RegisterError> {
    const NUMBERS: &str = "SELECT number FROM oubliette_numbers WHERE subject_id = ?1 AND state <> 'shredded'";
    let rows = db.rows(NUMBERS, values![owner]).await?;
    let numbers: Vec<_> = rows.iter().map(|row| stored(row.integer(0)?)).collect::<Result<_, _>>()?;
    let event = Event::Requested {
        request: request.id.number(),
        what: label(request.kind.as_str())?,
        numbers: Numbers::of(numbers),
        due: crate::breach::times::time(request.due_at),
    };
    outbox::tell(db, now, &event).await
}

const NO_REQUEST: RegisterError = RegisterError::Invalid { what: "there is no such request, or it is closed" };

async fn extend<D: Database>(
    register: &Register,
    db: &mut D,
    request: RequestId,
    why: Reason,
) -> Result<Request, RegisterError> {
    const ONE: &str = "SELECT r.id, s.subject, r.kind, r.received_at, r.due_at, r.not_before, r.subject_id \
        FROM oubliette_requests r JOIN oubliette_subjects s ON s.id = r.subject_id \
        WHERE r.id = ?1 AND r.state = 'open' AND s.subject IS NOT NULL FOR UPDATE";
    let rows = db.rows(ONE, values![request.to_stored()]).await?;
    let row = rows.first().ok_or(NO_REQUEST)?;
    let (mut request, owner) = (read(row)?, row.integer(6)?);
    schema::check(register, db).await?;
    request.due_at = after(request.received_at, 3.months())?;
    let update = "UPDATE oubliette_requests SET due_at = ?2, why = ?3 WHERE id = ?1";
    db.run(update, values![request.id.to_stored(), request.due_at.as_millisecond(), why.as_str()]).await?;
    tell(db, register.now(), owner, &request).await?;
    Ok(request)
}

async fn close<D: Database>(
    register: &Register,
    db: &mut D,
    request: RequestId,
    how: Answer,
    why: Option<Reason>,
) -> Result<(), RegisterError> {
    const CLOSE: &str = "UPDATE oubliette_requests SET state = ?2, closed_at = ?3, why = ?4 \
        WHERE id = ?1 AND state = 'open'";
    let now = register.now();
    let given = values![request.to_stored(), how.as_str(), now.as_millisecond(), why.as_ref().map(Reason::as_str),];
    let closed = db.run(CLOSE, given).await?;
    schema::check(register, db).await?;
    if closed > 0 {
        let event = Event::RequestClosed { request: request.number(), how: label(how.as_str())?, why };
        return outbox::tell(db, now, &event).await;
    }
    let known = db.rows("SELECT id FROM oubliette_requests WHERE id = ?1", values![request.to_stored()]).await?;
    if known.is_empty() { Err(NO_REQUEST) } else { Ok(()) }
}

async fn open<D: Database>(_: &Register, db: &mut D) -> Result<Vec<Request>, RegisterError> {
    due_before(db, Timestamp::MAX).await
}

async fn late<D: Database>(register: &Register, db: &mut D) -> Result<Vec<Request>, RegisterError> {
    due_before(db, register.now()).await
}

async fn due_before<D: Database>(db: &mut D, time: Timestamp) -> Result<Vec<Request>, RegisterError> {
    const OPEN: &str = "SELECT r.id, s.subject, r.kind, r.received_at, r.due_at, r.not_before \
        FROM oubliette_requests r JOIN oubliette_subjects s ON s.id = r.subject_id \
        WHERE r.state = 'open' AND r.due_at < ?1 AND s.subject IS NOT NULL ORDER BY r.due_at, r.id";
    db.rows(OPEN, values![time.as_millisecond()]).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Request, RegisterError> {
    Ok(Request {
        id: RequestId::made(row.integer(0)?),
        subject: super::subject::stored(row.text(1)?)?,
        kind: row.text(2)?.parse()?,
        received_at: time(row.integer(3)?)?,
        due_at: time(row.integer(4)?)?,
        carried_out_at: row.maybe_integer(5)?.map(time).transpose()?,
    })
}

/// Erasures that were asked for and whose grace is over.
pub(crate) async fn erasures_due<D: Database>(
    db: &mut D,
    now: Timestamp,
) -> Result<Vec<(i64, Subject)>, RegisterError> {
    const DUE: &str = "SELECT DISTINCT s.id, s.subject FROM oubliette_requests r \
        JOIN oubliette_subjects s ON s.id = r.subject_id \
        WHERE r.state = 'open' AND r.kind = 'erasure' AND r.not_before <= ?1 AND s.state = 'live' ORDER BY s.id";
    let rows = db.rows(DUE, values![now.as_millisecond()]).await?;
    rows.iter().map(|row| Ok((row.integer(0)?, super::subject::stored(row.text(1)?)?))).collect()
}

/// Whether an erasure of this living customer was asked for, and its grace is over.
pub(crate) async fn is_erasure_due<D: Database>(db: &mut D, owner: i64, now: Timestamp) -> Result<bool, RegisterError> {
    const DUE: &str = "SELECT r.id FROM oubliette_requests r JOIN oubliette_subjects s ON s.id = r.subject_id \
        WHERE r.subject_id = ?1 AND r.state = 'open' AND r.kind = 'erasure' AND r.not_before <= ?2 \
            AND s.state = 'live' LIMIT 1";
    Ok(!db.rows(DUE, values![owner, now.as_millisecond()]).await?.is_empty())
}

/// Closes what an erasure answers, and forgets what was said of the others.
pub(crate) async fn close_all<D: Database>(db: &mut D, owner: i64, now: Timestamp) -> Result<(), RegisterError> {
    const OPEN: &str = "SELECT id FROM oubliette_requests WHERE subject_id = ?1 AND state = 'open'";
    for row in db.rows(OPEN, values![owner]).await? {
        let request = row.integer(0)?.unsigned_abs();
        let event = Event::RequestClosed { request, how: label("done")?, why: None };
        outbox::tell(db, now, &event).await?;
    }
    const CLOSE: &str = "UPDATE oubliette_requests SET state = 'done', closed_at = ?2 \
        WHERE subject_id = ?1 AND state = 'open'";
    db.run(CLOSE, values![owner, now.as_millisecond()]).await?;
    db.run("UPDATE oubliette_requests SET why = NULL WHERE subject_id = ?1", values![owner]).await?;
    Ok(())
}
