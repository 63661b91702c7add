//! Who may seal what: subjects, their numbers, their grants.

use jiff::Timestamp;
use oubliette::journal::{Event, Label};
use oubliette::{CustomerId, Purpose};

use super::agreed;
use super::database::{Database, Row, values};
use super::error::RegisterError;
use super::evidence::{Evidence, Grant};
use super::ids::{self, GrantId};
use super::keyless::AnyRegister;
use super::keys::GrantedKeys;
use super::names::is_name;
use super::operations::in_transaction;
use super::outbox;
use super::register::Register;
use super::schema;
use super::subject;
use super::subject::Subject;
use super::whose;
use crate::basis::Basis;
use crate::times;

/// A grant that was recorded.
///
/// [The crate's page](crate) has an example.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Granted {
    /// The id of the grant.
    pub id: GrantId,
    /// The number that new values of this customer and purpose are sealed under.
    pub number: CustomerId,
    /// Whether this call issued the number: for the first grant of the purpose, or the first since a withdrawal.
    pub is_new_number: bool,
}

in_transaction! {
    /// Records a legal basis. The first grant of a purpose issues a number. From then on values can be sealed for the
    /// purpose.
    ///
    /// # Errors
    /// [`RegisterError::NoEvidence`] for a consent without evidence, [`RegisterError::Invalid`] for a grant that has
    /// already ended, [`RegisterError::BeingErased`] if the customer's erasure has begun,
    /// [`RegisterError::OtherVault`], [`RegisterError::NeedsReconcile`] after a restore. Nothing was recorded; a number
    /// may be wasted.
    write fn grant(subject: &Subject, grant: Grant) -> Granted = record;

    /// Gives a handle that seals and opens for one purpose, if a grant for it is live.
    ///
    /// A grant ends at its own time or by the [rule](crate::Keep) of its purpose, even before a sweep. If a customer
    /// returns after that, first record the new grant, or the [mark](Self::mark) that the rule counts from.
    ///
    /// # Errors
    /// [`RegisterError::NoGrant`] if no grant is live; [`RegisterError::OtherVault`].
    read fn keys(subject: &Subject, purpose: Purpose) -> GrantedKeys = keys;

    /// The customer's numbers for a purpose, without shredded ones. The first is the number that new values are sealed
    /// under. There is more than one after a merge.
    ///
    /// # Errors
    /// If the database fails.
    read fn numbers(subject: &Subject, purpose: Purpose) -> Vec<CustomerId> = numbers;
}

/// The row that a subject's data belongs to: its own, or the one it was merged into.
pub(crate) struct Found {
    pub(crate) id: i64,
    pub(crate) state: String,
}

/// Looks a subject up, and locks its row until the end of the transaction.
pub(crate) async fn lock<O: AnyRegister, D: Database>(
    register: &O,
    db: &mut D,
    subject: &Subject,
) -> Result<Option<Found>, RegisterError> {
    const LOCK: &str = "SELECT id, state, (SELECT value FROM oubliette_meta WHERE name = 'vault'), \
            (SELECT max(n) FROM oubliette_journal) FROM oubliette_subjects \
        WHERE id = (SELECT coalesce(merged_into, id) FROM oubliette_subjects WHERE subject = ?1) FOR UPDATE";
    let rows = db.rows(LOCK, values![subject.as_str()]).await?;
    match rows.first() {
        Some(row) => {
            schema::check_vault(register, row.maybe_text(2)?)?;
            agreed::check(register, db, row.maybe_integer(3)?).await?;
            found(row).map(Some)
        }
        None => Ok(None),
    }
}

/// Looks a subject up.
pub(crate) async fn find<D: Database>(db: &mut D, subject: &Subject) -> Result<Option<Found>, RegisterError> {
    const FIND: &str = "SELECT id, state FROM oubliette_subjects \
        WHERE id = (SELECT coalesce(merged_into, id) FROM oubliette_subjects WHERE subject = ?1)";
    db.rows(FIND, values![subject.as_str()]).await?.first().map(found).transpose()
}

fn found(row: &Row) -> Result<Found, RegisterError> {
    let (id, state) = (row.integer(0)?, row.text(1)?.to_owned());
    // A customer in an unknown state must not be taken for one who is being erased. Who waited for the row's lock may
    // find the customer erased meanwhile.
    if !["live", "erasing", "merged", "erased"].contains(&state.as_str()) {
        return Err(RegisterError::NotOurs { what: "a customer in an unknown state" });
    }
    Ok(Found { id, state })
}

/// The subject's row, locked; made if there is none. Only of the living.
pub(crate) async fn lock_or_make<O: AnyRegister, D: Database>(
    register: &O,
    db: &mut D,
    subject: &Subject,
    now: Timestamp,
) -> Result<i64, RegisterError> {
    // First of all statements, so that SQLite's transaction begins as one that writes.
    const MAKE: &str = "INSERT INTO oubliette_subjects (id, subject, state, since) VALUES (?1, ?2, 'live', ?3) \
        ON CONFLICT (subject) DO NOTHING";
    let id = ids::fresh()?;
    db.run(MAKE, values![id, subject.as_str(), now.as_millisecond()]).await?;
    match lock(register, db, subject).await? {
        Some(found) if found.state == "live" => Ok(found.id),
        _ => Err(RegisterError::BeingErased),
    }
}

/// The row of a subject that is there already, locked. Only of the living.
pub(crate) async fn lock_living<O: AnyRegister, D: Database>(
    register: &O,
    db: &mut D,
    subject: &Subject,
) -> Result<i64, RegisterError> {
    match lock(register, db, subject).await? {
        Some(found) if found.state == "live" => Ok(found.id),
        Some(_) => Err(RegisterError::BeingErased),
        None => Err(RegisterError::UnknownSubject),
    }
}

async fn record<D: Database>(
    register: &Register,
    db: &mut D,
    subject: &Subject,
    grant: Grant,
) -> Result<Granted, RegisterError> {
    if grant.basis == Basis::Consent && grant.evidence.is_none() {
        return Err(RegisterError::NoEvidence);
    }
    if let Some(recipient) = &grant.recipient
        && !is_name(recipient)
    {
        return Err(RegisterError::Invalid { what: "a recipient's name has 1 to 64 bytes and no control characters" });
    }
    let now = register.now();
    if grant.until.is_some_and(|until| until <= now) {
        return Err(RegisterError::Invalid { what: "a grant ends after now" });
    }
    let asked = subject;
    let subject = lock_or_make(register, db, asked, now).await?;
    let (number, is_new_number) = number_to_seal_under(register, db, subject, asked, grant.purpose, now).await?;
    let id = GrantId::made(ids::fresh()?);
    let until = grant.until.map(Timestamp::as_millisecond);
    const INSERT: &str = "INSERT INTO oubliette_grants \
        (id, subject_id, purpose, recipient, basis, evidence, granted_at, until) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let row = values![
        id.to_stored(),
        subject,
        grant.purpose.name(),
        grant.recipient.clone(),
        grant.basis.as_str(),
        grant.evidence.as_ref().map(Evidence::to_json),
        now.as_millisecond(),
        until,
    ];
    db.run(INSERT, row).await?;
    if let Some(recipient) = &grant.recipient {
        let insert =
            "INSERT INTO oubliette_recipients (recipient, since) VALUES (?1, ?2) ON CONFLICT (recipient) DO NOTHING";
        db.run(insert, values![recipient.as_str(), now.as_millisecond()]).await?;
    }
    let event = Event::Granted {
        grant: id.number(),
        number: number.into(),
        purpose: grant.purpose.into(),
        basis: label(grant.basis.as_str())?,
        recipient: grant.recipient.as_deref().map(label).transpose()?,
        until: grant.until.map(crate::times::time),
    };
    outbox::tell(db, now, &event).await?;
    Ok(Granted { id, number, is_new_number })
}

async fn number_to_seal_under<D: Database>(
    register: &Register,
    db: &mut D,
    subject: i64,
    asked: &Subject,
    purpose: Purpose,
    now: Timestamp,
) -> Result<(CustomerId, bool), RegisterError> {
    const KNOWN: &str =
        "SELECT number, whose FROM oubliette_numbers WHERE subject_id = ?1 AND purpose = ?2 AND sealing = 1";
    const SUBJECT: &str = "SELECT subject FROM oubliette_subjects WHERE id = ?1";
    // Who asks may have been merged into the customer: the number is the one's who stays.
    let rows = db.rows(SUBJECT, values![subject]).await?;
    let id = rows.first().ok_or(RegisterError::UnknownSubject)?;
    let id = subject::stored(id.text(0)?)?;
    if let Some(row) = db.rows(KNOWN, values![subject, purpose.name()]).await?.first() {
        let number = stored(row.integer(0)?)?;
        whose::check_one(register, number, purpose, row.maybe_text(1)?, [&id, asked])?;
        // What the vault has shredded is never granted anew: values could not be sealed under it.
        if !register.vault.shredded_among(purpose, [number])?.is_empty() {
            return Err(RegisterError::NeedsReconcile);
        }
        return Ok((number, false));
    }
    if !register.vault.unlocked_purposes()?.contains(&purpose) {
        return Err(RegisterError::PurposeNotUnlocked { purpose: purpose.name().to_owned() });
    }
    // Within SQLite's transaction everything waits for this thread anyway.
    let number = match D::DIALECT {
        super::database::Dialect::Sqlite => register.vault.enroll()?,
        #[cfg(feature = "postgres")]
        super::database::Dialect::Postgres => register.vault.enroll_async().await?,
    };
    const INSERT: &str = "INSERT INTO oubliette_numbers (number, subject_id, purpose, sealing, state, since, whose) \
        SELECT CAST(?1 AS BIGINT), id, CAST(?3 AS TEXT), 1, 'live', CAST(?4 AS BIGINT), CAST(?5 AS TEXT) \
        FROM oubliette_subjects WHERE id = ?2";
    let ids = whose::ids_for(register, db, subject, &id, asked).await?;
    let whose = whose::seal(register, number, purpose, &ids)?;
    db.run(INSERT, values![number.to_stored(), subject, purpose.name(), now.as_millisecond(), whose]).await?;
    Ok((number, true))
}

pub(crate) fn label(text: &str) -> Result<Label, RegisterError> {
    Label::new(text).map_err(|_| RegisterError::Invalid { what: "a name has 1 to 128 bytes and no control characters" })
}

pub(crate) fn stored(number: i64) -> Result<CustomerId, RegisterError> {
    CustomerId::from_stored(number).map_err(|_| RegisterError::NotOurs { what: "no customer number" })
}

pub(crate) fn time(millisecond: i64) -> Result<Timestamp, RegisterError> {
    times::from_stored(millisecond).map_err(RegisterError::Time)
}

async fn keys<D: Database>(
    register: &Register,
    db: &mut D,
    subject: &Subject,
    purpose: Purpose,
) -> Result<GrantedKeys, RegisterError> {
    const LIVE: &str = "SELECT n.number, g.until, g.granted_at, \
            (SELECT value FROM oubliette_meta WHERE name = 'vault'), m.at, \
            (SELECT max(n) FROM oubliette_journal), n.whose, s.subject FROM oubliette_subjects s \
        JOIN oubliette_numbers n ON n.subject_id = s.id AND n.purpose = ?2 AND n.sealing = 1 \
        JOIN oubliette_grants g ON g.subject_id = s.id AND g.purpose = ?2 AND g.recipient IS NULL \
            AND g.ended_at IS NULL AND (g.until IS NULL OR g.until > ?3) \
        LEFT JOIN oubliette_marks m ON m.subject_id = s.id AND m.what = ?4 \
        WHERE s.state = 'live' AND s.id = (SELECT coalesce(merged_into, id) FROM oubliette_subjects WHERE subject = ?1)";
    let now = register.now();
    let mark = register.rules.mark_of(purpose.name());
    let rows = db.rows(LIVE, values![subject.as_str(), purpose.name(), now.as_millisecond(), mark]).await?;
    let (mut number, mut latest) = (None, Some(Timestamp::MIN));
    if let Some(row) = rows.first() {
        // Of another vault's number somebody else's values would be sealed.
        schema::check_vault(register, row.maybe_text(3)?)?;
        agreed::check(register, db, row.maybe_integer(5)?).await?;
    }
    for row in &rows {
        let until = end(register, purpose.name(), row, [2, 1, 4])?;
        if until.is_none_or(|until| until > now) {
            let theirs = stored(row.integer(0)?)?;
            if number.is_none() {
                // Sealed under somebody else's number, it would outlive the customer's own.
                let ids = [&subject::stored(row.text(7)?)?, subject];
                whose::check_one(register, theirs, purpose, row.maybe_text(6)?, ids)?;
            }
            number = Some(theirs);
            latest = latest.zip(until).map(|(one, other)| one.max(other));
        }
    }
    let number = number.ok_or_else(|| RegisterError::NoGrant { purpose: purpose.name().to_owned() })?;
    let (keys, clock) = (register.reader.customer(number), register.rules.clock.clone());
    Ok(GrantedKeys { keys, purpose, until: latest, clock })
}

/// When a grant is over: by its own time, or by its purpose's rule. The columns are those of its beginning, its own time,
/// and the mark that the rule counts from.
pub(crate) fn end<O: AnyRegister>(
    register: &O,
    purpose: &str,
    row: &Row,
    [granted, until, mark]: [usize; 3],
) -> Result<Option<Timestamp>, RegisterError> {
    let (granted, mark) = (time(row.integer(granted)?)?, row.maybe_integer(mark)?.map(time).transpose()?);
    let by_rule = register.rules().keep_of(purpose).map(|keep| keep.end(granted, mark)).transpose()?.flatten();
    Ok(row.maybe_integer(until)?.map(time).transpose()?.into_iter().chain(by_rule).min())
}

/// Whether a purpose of a customer's is kept on a grant that is not over.
pub(crate) async fn is_kept<D: Database>(
    register: &Register,
    db: &mut D,
    owner: i64,
    purpose: &str,
    now: Timestamp,
) -> Result<bool, RegisterError> {
    const GRANTS: &str = "SELECT g.granted_at, g.until, m.at FROM oubliette_grants g \
        LEFT JOIN oubliette_marks m ON m.subject_id = g.subject_id AND m.what = ?3 \
        WHERE g.subject_id = ?1 AND g.purpose = ?2 AND g.recipient IS NULL AND g.ended_at IS NULL";
    for row in db.rows(GRANTS, values![owner, purpose, register.rules.mark_of(purpose)]).await? {
        if end(register, purpose, &row, [0, 1, 2])?.is_none_or(|end| end > now) {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn numbers<D: Database>(
    _: &Register,
    db: &mut D,
    subject: &Subject,
    purpose: Purpose,
) -> Result<Vec<CustomerId>, RegisterError> {
    const LIVE: &str = "SELECT n.number FROM oubliette_numbers n \
        WHERE n.purpose = ?2 AND n.state <> 'shredded' \
            AND n.subject_id = (SELECT coalesce(merged_into, id) FROM oubliette_subjects WHERE subject = ?1) \
        ORDER BY coalesce(n.sealing, 0) DESC, n.number DESC";
    let rows = db.rows(LIVE, values![subject.as_str(), purpose.name()]).await?;
    rows.iter().map(|row| stored(row.integer(0)?)).collect()
}
