//! The end of a purpose for one customer: grants end, and its numbers are shredded.

use std::str::FromStr;

use jiff::Timestamp;
use oubliette::journal::{Event, Reason};
use oubliette::{CustomerId, Purpose, Shredded};

use super::agreed;
use super::database::{Database, Row, Transactions, values};
use super::error::RegisterError;
use super::grants::{self, label, stored};
use super::holds::{self, Hold};
use super::operations::{in_transaction, own_transaction};
use super::outbox;
use super::register::Register;
use super::subject::Subject;
use super::whose;
use super::work;
use crate::basis::Basis;

/// The result of a withdrawal.
///
/// [The guide](crate::guide) has an example.
#[derive(Debug)]
#[non_exhaustive]
pub struct Withdrawn {
    /// How many grants ended.
    pub ended: u64,
    /// The shred of the purpose's numbers, if one was made.
    pub shredded: Option<Shredded>,
    /// Other legal bases for the purpose. If there is one, nothing was shredded.
    pub kept_for: Vec<Basis>,
    /// The legal hold that the shred waits for. Sealing has stopped. When the hold has ended,
    /// [`resume`](super::OwnTransactionSqlite::resume) or a sweep shreds.
    pub held: Option<Hold>,
    /// How many tokens could not be cleared now. They stay on the work-list.
    pub tokens_left: u64,
}

own_transaction! {
    /// Withdraws a consent. All consents for this purpose end, also those to recipients. The purpose's numbers are
    /// shredded, unless another basis keeps them. A later consent gets a new number, and shredded values stay
    /// unreadable.
    ///
    /// A second call has no effect.
    ///
    /// # Errors
    /// [`RegisterError::UnknownSubject`], [`RegisterError::BeingErased`]. After any other error the grants may have ended
    /// already, and [`resume`](Self::resume) does the rest.
    fn withdraw(subject: &Subject, purpose: Purpose, why: Reason) -> Withdrawn = withdraw;

    /// Ends a purpose on every basis: all its grants end, and its numbers are shredded.
    ///
    /// # Errors
    /// As [`withdraw`](Self::withdraw).
    fn end_purpose(subject: &Subject, purpose: Purpose, why: Reason) -> Withdrawn = end_purpose;
}

in_transaction! {
    /// Ends the grants to one recipient, and says how many. From then on nothing is disclosed to it. Nothing is
    /// shredded.
    ///
    /// # Errors
    /// [`RegisterError::UnknownSubject`], [`RegisterError::BeingErased`].
    write fn withdraw_recipient(subject: &Subject, purpose: Purpose, recipient: &str, why: Reason) -> u64
        = withdraw_recipient;
}

async fn withdraw<D: Transactions>(
    register: &Register,
    db: &mut D,
    subject: &Subject,
    purpose: Purpose,
    why: Reason,
) -> Result<Withdrawn, RegisterError> {
    end(register, db, subject, purpose, why, true).await
}

async fn end_purpose<D: Transactions>(
    register: &Register,
    db: &mut D,
    subject: &Subject,
    purpose: Purpose,
    why: Reason,
) -> Result<Withdrawn, RegisterError> {
    end(register, db, subject, purpose, why, false).await
}

/// A grant that nobody has ended. By its own time or the rule's it may be over all the same.
struct Live {
    id: i64,
    basis: Basis,
    recipient: Option<String>,
    until: Option<Timestamp>,
}

async fn live<D: Database>(
    register: &Register,
    db: &mut D,
    subject: i64,
    purpose: Purpose,
) -> Result<Vec<Live>, RegisterError> {
    const LIVE: &str = "SELECT g.id, g.basis, g.recipient, g.granted_at, g.until, m.at FROM oubliette_grants g \
        LEFT JOIN oubliette_marks m ON m.subject_id = g.subject_id AND m.what = ?3 \
        WHERE g.subject_id = ?1 AND g.purpose = ?2 AND g.ended_at IS NULL";
    let read = |row: &Row| {
        Ok(Live {
            id: row.integer(0)?,
            basis: Basis::from_str(row.text(1)?).map_err(|_| RegisterError::NotOurs { what: "no legal basis" })?,
            recipient: row.maybe_text(2)?.map(str::to_owned),
            until: grants::end(register, purpose.name(), row, [3, 4, 5])?,
        })
    };
    db.rows(LIVE, values![subject, purpose.name(), register.rules.mark_of(purpose.name())])
        .await?
        .iter()
        .map(read)
        .collect()
}

async fn end_one<D: Database>(
    db: &mut D,
    now: Timestamp,
    grant: i64,
    number: Option<CustomerId>,
    purpose: Purpose,
    why: &Reason,
) -> Result<(), RegisterError> {
    let update = "UPDATE oubliette_grants SET ended_at = ?2, why = ?3 WHERE id = ?1";
    db.run(update, values![grant, now.as_millisecond(), why.as_str()]).await?;
    let Some(number) = number else { return Ok(()) };
    let event = Event::Ended {
        grant: grant.unsigned_abs(),
        number: number.into(),
        purpose: purpose.into(),
        why: Some(why.clone()),
    };
    outbox::tell(db, now, &event).await
}

async fn end<D: Transactions>(
    register: &Register,
    db: &mut D,
    subject: &Subject,
    purpose: Purpose,
    why: Reason,
    consents_only: bool,
) -> Result<Withdrawn, RegisterError> {
    agreed::up_to_date(register, db).await?;
    if !register.vault.unlocked_purposes()?.contains(&purpose) {
        return Err(RegisterError::PurposeNotUnlocked { purpose: purpose.name().to_owned() });
    }
    register.step("decide a withdrawal")?;
    db.begin().await?;
    let now = register.now();
    let owner = grants::lock_living(register, db, subject).await?;
    whose::check(register, db, owner, Some(purpose), Some(subject)).await?;
    const NUMBERS: &str = "SELECT number, state FROM oubliette_numbers \
        WHERE subject_id = ?1 AND purpose = ?2 AND state <> 'shredded' ORDER BY coalesce(sealing, 0) DESC";
    let rows = db.rows(NUMBERS, values![owner, purpose.name()]).await?;
    let numbers: Vec<CustomerId> = rows.iter().map(|row| stored(row.integer(0)?)).collect::<Result<_, _>>()?;
    let concerned = |grant: &Live| !consents_only || grant.basis == Basis::Consent;
    let (mut ending, staying): (Vec<Live>, Vec<Live>) =
        live(register, db, owner, purpose).await?.into_iter().partition(concerned);
    let keeps = |grant: &&Live| grant.recipient.is_none() && grant.until.is_none_or(|until| until > now);
    let kept_for: Vec<Basis> = staying.iter().filter(keeps).map(|grant| grant.basis).collect();
    if kept_for.is_empty() {
        // Grants to recipients are of data that is gone.
        ending.extend(staying);
    }
    for grant in &ending {
        end_one(db, now, grant.id, numbers.first().copied(), purpose, &why).await?;
    }
    let mut withdrawn = Withdrawn {
        ended: u64::try_from(ending.len()).unwrap_or(u64::MAX),
        shredded: None,
        kept_for,
        held: None,
        tokens_left: 0,
    };
    if withdrawn.kept_for.is_empty() && !numbers.is_empty() {
        let holds = holds::standing(db, owner, now).await?;
        withdrawn.held = holds.into_iter().find(|hold| hold.covers(purpose.name()));
        #[cfg(planted)]
        if crate::planted::is_planted(crate::planted::Bug::WithdrawsTheHeld) {
            withdrawn.held = None;
        }
        let state = if withdrawn.held.is_some() { "ended" } else { "shred_pending" };
        const DECIDE: &str = "UPDATE oubliette_numbers SET state = ?3, sealing = NULL, why = ?4 \
            WHERE subject_id = ?1 AND purpose = ?2 AND state IN ('live', 'ended')";
        db.run(DECIDE, values![owner, purpose.name(), state, why.as_str()]).await?;
    }
    db.commit().await?;
    if withdrawn.kept_for.is_empty() && withdrawn.held.is_none() && !numbers.is_empty() {
        let (shredded, left) = shred(register, db, purpose, &numbers, why).await?;
        (withdrawn.shredded, withdrawn.tokens_left) = (Some(shredded), left);
    }
    outbox::flush_if_possible(register, db).await;
    Ok(withdrawn)
}

/// Shreds numbers that were decided on, and records it. Also says how many tokens could not be cleared.
pub(crate) async fn shred<D: Transactions>(
    register: &Register,
    db: &mut D,
    purpose: Purpose,
    numbers: &[CustomerId],
    why: Reason,
) -> Result<(Shredded, u64), RegisterError> {
    register.step("shred a purpose")?;
    let shredded = register.vault.shredding(numbers).purpose(purpose).reason(why).start().await?;
    register.step("record a shred")?;
    db.begin().await?;
    let left = record(register, db, numbers).await?;
    db.commit().await?;
    Ok((shredded, left))
}

/// Records that numbers are shredded, and clears their tokens; says how many could not be.
pub(crate) async fn record<D: Database>(
    register: &Register,
    db: &mut D,
    numbers: &[CustomerId],
) -> Result<u64, RegisterError> {
    let now = register.now().as_millisecond();
    for numbers in numbers.chunks(work::MOST) {
        let (at, places) = (D::DIALECT.parameter(1), D::DIALECT.parameters(2, numbers.len()));
        let mut given = values![now];
        given.extend(numbers.iter().map(|number| number.to_stored().into()));
        // Nothing is sealed under what was decided on: an index that `sealing` is in need not be written again.
        let sql = format!(
            "UPDATE oubliette_numbers SET state = 'shredded', shredded_at = {at}, whose = NULL \
             WHERE state = 'shred_pending' AND sealing IS NULL AND number IN ({places})"
        );
        let updated = db.run_made(sql.into(), given.clone()).await?;
        if updated < u64::try_from(numbers.len()).unwrap_or(u64::MAX) {
            let sql = format!(
                "UPDATE oubliette_numbers SET state = 'shredded', sealing = NULL, shredded_at = {at}, whose = NULL \
                 WHERE state <> 'shredded' AND number IN ({places})"
            );
            db.run_made(sql.into(), given).await?;
        }
    }
    if register.rules.tokens.is_empty() {
        return Ok(0);
    }
    let left = work::in_transaction(db).await?;
    Ok(left.saturating_add(work::clear(register, db, numbers).await?))
}

async fn withdraw_recipient<D: Database>(
    register: &Register,
    db: &mut D,
    subject: &Subject,
    purpose: Purpose,
    recipient: &str,
    why: Reason,
) -> Result<u64, RegisterError> {
    let now = register.now();
    let owner = grants::lock_living(register, db, subject).await?;
    const NUMBER: &str = "SELECT number FROM oubliette_numbers WHERE subject_id = ?1 AND purpose = ?2 AND sealing = 1";
    let number = db.rows(NUMBER, values![owner, purpose.name()]).await?;
    let number = number.first().map(|row| stored(row.integer(0)?)).transpose()?;
    let mut ended: u64 = 0;
    for grant in live(register, db, owner, purpose).await? {
        if grant.recipient.as_deref() == Some(recipient) {
            end_one(db, now, grant.id, number, purpose, &why).await?;
            ended = ended.saturating_add(1);
        }
    }
    Ok(ended)
}

/// Ends all grants of a customer.
pub(crate) async fn end_all<D: Database>(
    db: &mut D,
    now: Timestamp,
    owner: i64,
    why: &Reason,
) -> Result<(), RegisterError> {
    const LIVE: &str = "SELECT g.id, g.purpose, \
        (SELECT max(n.number) FROM oubliette_numbers n WHERE n.subject_id = g.subject_id AND n.purpose = g.purpose) \
        FROM oubliette_grants g WHERE g.subject_id = ?1 AND g.ended_at IS NULL";
    for row in db.rows(LIVE, values![owner]).await? {
        let Some(number) = row.maybe_integer(2)? else { continue };
        let (grant, number, purpose) = (row.integer(0)?.unsigned_abs(), stored(number)?, label(row.text(1)?)?);
        outbox::tell(db, now, &Event::Ended { grant, number: number.into(), purpose, why: Some(why.clone()) }).await?;
    }
    const END: &str = "UPDATE oubliette_grants SET ended_at = ?2, why = ?3 WHERE subject_id = ?1 AND ended_at IS NULL";
    db.run(END, values![owner, now.as_millisecond(), why.as_str()]).await?;
    Ok(())
}
