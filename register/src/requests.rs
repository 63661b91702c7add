//! What people ask for under GDPR Art. 15 to 21, and until when it must be answered.

use jiff::{SignedDuration, Timestamp, ToSpan};
use oubliette::journal::{Event, Numbers, Reason};

use super::database::{Database, Row, values};
use super::error::RegisterError;
use super::grants::{self, label, stored, time};
use super::holds;
use super::ids::{self, RequestId};
use super::keyless::AnyRegister;
use super::operations::at_desk;
use super::outbox;
use super::request_kinds::{Answer, RequestKind};
use super::rules::after;
use super::schema;
use super::subject::Subject;

/// How a request ended that was open when the customer was erased, and was not for that.
const UNANSWERED: &str = "unanswered";

/// An open request.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/shop.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let Shop { place: _place, register, db, alice, .. } = shop()?;
/// let request = register.in_transaction(&db).request(&alice, RequestKind::Access, Timestamp::now())?;
/// println!("answer until {}", request.due_at);
/// register.in_transaction(&db).close_request(request.id, Answer::Done, None)?;
/// assert!(register.in_transaction(&db).requests()?.is_empty());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// The id of the request.
    pub id: RequestId,
    /// The customer.
    pub subject: Subject,
    /// What the customer asks for.
    pub kind: RequestKind,
    /// When it arrived.
    pub received_at: Timestamp,
    /// When it must be answered.
    pub due_at: Timestamp,
    /// When a sweep may carry it out: for an erasure with a [grace](super::Rules::grace), or one that a hold deferred.
    pub carried_out_at: Option<Timestamp>,
    /// Until when a hold defers the erasure, if one does. The first sweep after its end carries it out.
    pub held_until: Option<Timestamp>,
}

at_desk! {
    /// Records a request when it arrives. It is due one calendar month later (Art. 12(3)). A request for erasure with a
    /// [grace](crate::Rules::grace) is carried out by the first sweep after the grace. Under a legal hold it stays
    /// open, with its deadline, and the first sweep after the last hold ends carries it out.
    ///
    /// # Errors
    /// [`RegisterError::BeingErased`] if the customer's erasure has begun. [`RegisterError::Invalid`] if the time of
    /// arrival is more than five minutes in the future: its deadline would be too late.
    write fn request(subject: &Subject, kind: RequestKind, received_at: Timestamp) -> Request = record;

    /// Extends the deadline by two months. Art. 12(3) allows that for complex requests, if the person is told why
    /// within the first month: so call it within the first month. The journal keeps the reason. A second call has no
    /// effect.
    ///
    /// # Errors
    /// [`RegisterError::TooLateToExtend`] if the first month is over; [`RegisterError::RequestClosed`];
    /// [`RegisterError::Invalid`] if there is no such request, or if it was extended for another reason;
    /// [`RegisterError::OtherVault`].
    write fn extend(request: RequestId, why: Reason) -> Request = extend;

    /// Closes a request for good. A closed request cannot change; [`note_request`](Self::note_request) records what
    /// comes later. A second call with the same answer and reason has no effect. An erasure whose request was withdrawn
    /// is not carried out. An erasure closes the customer's requests by itself: those for erasure as `done`, all others
    /// as `unanswered`, since nobody can answer them any more.
    ///
    /// A refusal needs a reason, since the person must be told why (Art. 12(4)). [`Answer::Done`] needs a reason for a
    /// restriction, for an objection, and for the erasure of a customer who is not erased: the register did none of
    /// these, so say what the application did.
    ///
    /// # Errors
    /// [`RegisterError::RequestClosed`] if it was closed with another answer; [`RegisterError::Invalid`] if there is no
    /// such request, or if the reason is missing; [`RegisterError::OtherVault`]. Nothing was changed.
    write fn close_request(request: RequestId, how: Answer, why: Option<Reason>) -> () = close;

    /// Records a note about a request, open or closed. The note is in the journal alone, and changes nothing else.
    ///
    /// # Errors
    /// [`RegisterError::Invalid`] if there is no such request; [`RegisterError::OtherVault`].
    write fn note_request(request: RequestId, text: Reason) -> () = note;

    /// Lists all open requests in the order of their deadlines. Damaged rows are left out;
    /// [`damaged_rows`](Self::damaged_rows) lists them.
    ///
    /// # Errors
    /// If the database fails.
    read fn requests() -> Vec<Request> = open;

    /// Lists the open requests whose deadline is over. Damaged rows are left out.
    ///
    /// # Errors
    /// If the database fails.
    read fn late_requests() -> Vec<Request> = late;
}

async fn record<O: AnyRegister, D: Database>(
    register: &O,
    db: &mut D,
    subject: &Subject,
    kind: RequestKind,
    received_at: Timestamp,
) -> Result<Request, RegisterError> {
    let now = register.clock();
    // Clocks differ a little.
    if received_at.duration_since(now) > SignedDuration::from_mins(5) {
        return Err(RegisterError::Invalid {
            what: "the time of arrival is in the future; give the time when the request arrived",
        });
    }
    let due_at = after(received_at, 1.month())?;
    let grace = register.rules().grace.filter(|_| kind == RequestKind::Erasure);
    let carried_out_at = grace.map(|grace| received_at.checked_add(grace).map_err(RegisterError::Time)).transpose()?;
    let owner = grants::lock_or_make(register, db, subject, now).await?;
    let is_erasure = kind == RequestKind::Erasure;
    let held_until = match is_erasure {
        true => holds::standing(db, owner, now).await?.first().map(|hold| hold.until),
        false => None,
    };
    let carried_out_at = carried_out_at.or(held_until.map(|_| received_at));
    let request = Request {
        id: RequestId::made(ids::fresh()?),
        subject: subject.clone(),
        kind,
        received_at,
        due_at,
        carried_out_at,
        held_until,
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

pub(crate) async fn tell<D: Database>(
    db: &mut D,
    now: Timestamp,
    owner: i64,
    request: &Request,
) -> Result<(), RegisterError> {
    const NUMBERS: &str = "SELECT number FROM oubliette_numbers WHERE subject_id = ?1 AND state <> 'shredded'";
    let rows = db.rows(NUMBERS, values![owner]).await?;
    let numbers: Vec<_> = rows.iter().map(|row| stored(row.integer(0)?)).collect::<Result<_, _>>()?;
    let event = Event::Requested {
        request: request.id.number(),
        what: label(request.kind.as_str())?,
        numbers: Numbers::of(numbers),
        received: crate::times::time(request.received_at),
        due: crate::times::time(request.due_at),
    };
    outbox::tell(db, now, &event).await
}

pub(crate) const NO_REQUEST: RegisterError = RegisterError::Invalid { what: "there is no such request" };

/// A request as it is stored, and why it was extended or closed.
struct Stored {
    state: String,
    kind: RequestKind,
    closed_at: Option<Timestamp>,
    why: Option<String>,
}

impl Stored {
    /// The error of a request that is closed.
    fn refusal(&self) -> Option<RegisterError> {
        let how = (self.state != "open").then(|| self.state.clone())?;
        Some(RegisterError::RequestClosed { how, at: self.closed_at })
    }
}

/// Locks a request's row until the end of the transaction, and reads it.
async fn lock<O: AnyRegister, D: Database>(
    register: &O,
    db: &mut D,
    request: RequestId,
) -> Result<Stored, RegisterError> {
    // First of all statements, so that SQLite's transaction begins as one that writes. It locks PostgreSQL's row.
    const LOCK: &str = "UPDATE oubliette_requests SET state = state WHERE id = ?1";
    db.run(LOCK, values![request.to_stored()]).await?;
    schema::check(register, db).await?;
    const ONE: &str = "SELECT state, kind, closed_at, why FROM oubliette_requests WHERE id = ?1";
    let rows = db.rows(ONE, values![request.to_stored()]).await?;
    let row = rows.first().ok_or(NO_REQUEST)?;
    Ok(Stored {
        state: row.text(0)?.to_owned(),
        kind: row.text(1)?.parse()?,
        closed_at: row.maybe_integer(2)?.map(time).transpose()?,
        why: row.maybe_text(3)?.map(str::to_owned),
    })
}

async fn extend<O: AnyRegister, D: Database>(
    register: &O,
    db: &mut D,
    id: RequestId,
    why: Reason,
) -> Result<Request, RegisterError> {
    let stored = lock(register, db, id).await?;
    if let Some(refusal) = stored.refusal() {
        return Err(refusal);
    }
    const ONE: &str = "SELECT r.id, s.subject, r.kind, r.received_at, r.due_at, r.not_before, \
            (SELECT max(h.until) FROM oubliette_holds h WHERE h.subject_id = r.subject_id AND h.ended_at IS NULL \
                AND h.until > ?2 AND r.kind = 'erasure') \
        FROM oubliette_requests r JOIN oubliette_subjects s ON s.id = r.subject_id \
        WHERE r.id = ?1 AND s.subject IS NOT NULL";
    let rows = db.rows(ONE, values![id.to_stored(), register.clock().as_millisecond()]).await?;
    let mut request = read(rows.first().ok_or(NO_REQUEST)?)?;
    let (first, extended) = (after(request.received_at, 1.month())?, after(request.received_at, 3.months())?);
    if request.due_at >= extended {
        return match stored.why.as_deref() == Some(why.as_str()) {
            true => Ok(request),
            false => Err(RegisterError::Invalid {
                what: "the request was already extended for another reason; record a note instead",
            }),
        };
    }
    if register.clock() > first {
        return Err(RegisterError::TooLateToExtend { due: request.due_at });
    }
    request.due_at = extended;
    let update = "UPDATE oubliette_requests SET due_at = ?2, why = ?3 WHERE id = ?1";
    db.run(update, values![id.to_stored(), extended.as_millisecond(), why.as_str()]).await?;
    let event = Event::RequestExtended { request: id.number(), due: crate::times::time(extended), why };
    outbox::tell(db, register.clock(), &event).await?;
    Ok(request)
}

async fn close<O: AnyRegister, D: Database>(
    register: &O,
    db: &mut D,
    request: RequestId,
    how: Answer,
    why: Option<Reason>,
) -> Result<(), RegisterError> {
    let stored = lock(register, db, request).await?;
    if let Some(refusal) = stored.refusal() {
        let is_same = stored.state == how.as_str() && stored.why.as_deref() == why.as_ref().map(Reason::as_str);
        return if is_same { Ok(()) } else { Err(refusal) };
    }
    if let Some(what) = needs_reason(stored.kind, how).filter(|_| why.is_none()) {
        return Err(RegisterError::Invalid { what });
    }
    const CLOSE: &str = "UPDATE oubliette_requests SET state = ?2, closed_at = ?3, why = ?4 WHERE id = ?1";
    let now = register.clock();
    let given = values![request.to_stored(), how.as_str(), now.as_millisecond(), why.as_ref().map(Reason::as_str)];
    db.run(CLOSE, given).await?;
    let event = Event::RequestClosed { request: request.number(), how: label(how.as_str())?, why };
    outbox::tell(db, now, &event).await
}

/// Why an answer needs a reason: the register has not done what it says. Of a customer who is erased, no request is open.
fn needs_reason(kind: RequestKind, how: Answer) -> Option<&'static str> {
    match (how, kind) {
        (Answer::Refused, _) => Some("a refusal needs a reason, since the person must be told why (Art. 12(4) GDPR)"),
        (Answer::Done, RequestKind::Restriction) => {
            Some("the register does not restrict processing; give a reason that says what the application does")
        }
        (Answer::Done, RequestKind::Objection) => {
            Some("the register has stopped nothing for this objection; give a reason that says what was stopped")
        }
        (Answer::Done, RequestKind::Erasure) => Some(
            "the customer is not erased; erase the customer, which closes the request, or give a reason that says what was erased",
        ),
        (Answer::Done | Answer::Withdrawn, _) => None,
    }
}

async fn note<O: AnyRegister, D: Database>(
    register: &O,
    db: &mut D,
    request: RequestId,
    note: Reason,
) -> Result<(), RegisterError> {
    lock(register, db, request).await?;
    outbox::tell(db, register.clock(), &Event::RequestNoted { request: request.number(), note }).await
}

async fn open<O: AnyRegister, D: Database>(register: &O, db: &mut D) -> Result<Vec<Request>, RegisterError> {
    due_before(register, db, Timestamp::MAX).await
}

async fn late<O: AnyRegister, D: Database>(register: &O, db: &mut D) -> Result<Vec<Request>, RegisterError> {
    due_before(register, db, register.clock()).await
}

async fn due_before<O: AnyRegister, D: Database>(
    register: &O,
    db: &mut D,
    time: Timestamp,
) -> Result<Vec<Request>, RegisterError> {
    const OPEN: &str = "SELECT r.id, s.subject, r.kind, r.received_at, r.due_at, r.not_before, \
            (SELECT max(h.until) FROM oubliette_holds h WHERE h.subject_id = r.subject_id AND h.ended_at IS NULL \
                AND h.until > ?2 AND r.kind = 'erasure') \
        FROM oubliette_requests r JOIN oubliette_subjects s ON s.id = r.subject_id \
        WHERE r.state = 'open' AND r.due_at < ?1 AND s.subject IS NOT NULL ORDER BY r.due_at, r.id";
    let rows = db.rows(OPEN, values![time.as_millisecond(), register.clock().as_millisecond()]).await?;
    Ok(rows.iter().filter_map(|row| read(row).ok()).collect())
}

fn read(row: &Row) -> Result<Request, RegisterError> {
    Ok(Request {
        id: RequestId::made(row.integer(0)?),
        subject: super::subject::stored(row.text(1)?)?,
        kind: row.text(2)?.parse()?,
        received_at: time(row.integer(3)?)?,
        due_at: time(row.integer(4)?)?,
        carried_out_at: row.maybe_integer(5)?.map(time).transpose()?,
        held_until: row.maybe_integer(6)?.map(time).transpose()?,
    })
}

/// Erasures that were asked for, and whose grace is over or which a hold deferred, of whoever can be read.
pub(crate) async fn erasures_due<D: Database>(
    db: &mut D,
    now: Timestamp,
) -> Result<Vec<(i64, Subject)>, RegisterError> {
    const DUE: &str = "SELECT DISTINCT s.id, s.subject FROM oubliette_requests r \
        JOIN oubliette_subjects s ON s.id = r.subject_id \
        WHERE r.state = 'open' AND r.kind = 'erasure' AND r.not_before <= ?1 AND s.state = 'live' ORDER BY s.id";
    let rows = db.rows(DUE, values![now.as_millisecond()]).await?;
    let read = |row: &Row| Ok::<_, RegisterError>((row.integer(0)?, super::subject::stored(row.text(1)?)?));
    Ok(rows.iter().filter_map(|row| read(row).ok()).collect())
}

/// Whether an erasure of this living customer was asked for, and its grace is over.
pub(crate) async fn is_erasure_due<D: Database>(db: &mut D, owner: i64, now: Timestamp) -> Result<bool, RegisterError> {
    const DUE: &str = "SELECT r.id FROM oubliette_requests r JOIN oubliette_subjects s ON s.id = r.subject_id \
        WHERE r.subject_id = ?1 AND r.state = 'open' AND r.kind = 'erasure' AND r.not_before <= ?2 \
            AND s.state = 'live' LIMIT 1";
    Ok(!db.rows(DUE, values![owner, now.as_millisecond()]).await?.is_empty())
}

/// Closes what an erasure answers, and as unanswered what nobody can answer after it; forgets what was said of the others.
pub(crate) async fn close_all<D: Database>(db: &mut D, owner: i64, now: Timestamp) -> Result<(), RegisterError> {
    const OPEN: &str = "SELECT id, kind FROM oubliette_requests WHERE subject_id = ?1 AND state = 'open'";
    for row in db.rows(OPEN, values![owner]).await? {
        let how = if row.text(1)? == RequestKind::Erasure.as_str() { "done" } else { UNANSWERED };
        let event = Event::RequestClosed { request: row.integer(0)?.unsigned_abs(), how: label(how)?, why: None };
        outbox::tell(db, now, &event).await?;
        const CLOSE: &str = "UPDATE oubliette_requests SET state = ?2, closed_at = ?3 WHERE id = ?1";
        db.run(CLOSE, values![row.integer(0)?, how, now.as_millisecond()]).await?;
    }
    db.run("UPDATE oubliette_requests SET why = NULL WHERE subject_id = ?1", values![owner]).await?;
    Ok(())
}
