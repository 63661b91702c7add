//! After a restore: the database is brought up to what the vault and the journal know.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::Register;
use super::database::{Database, Transactions, Value, values};
use super::erase;
use super::error::RegisterError;
use super::grants::stored;
use super::ids::{RequestId, hex};
use super::operations::alone;
use super::outbox;
use super::requests::{self, Request};
use super::subject::{self, Subject};
use super::withdraw;
use crate::customer::CustomerId;
use crate::error::KeyStoreError;
use crate::journal::{Event, Hash, Numbers, Reason, Receipt, Whom};

/// What a reconciliation found and did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Reconciled {
    /// Customers who had been erased and came back with the database; they are erased again.
    pub erased: u64,
    /// Numbers of withdrawals and sweeps that came back for live; they are recorded as shredded.
    pub shredded: u64,
    /// Grants, holds and requests that had changed since, and were changed again.
    pub changed: u64,
    /// Numbers that were issued since the database was copied. Nobody knows any more whose they are: shred them by
    /// [`Vault::shred`](crate::Vault::shred), unless another database holds values of theirs.
    pub lost: Vec<CustomerId>,
    /// Receipts for customers whose first receipt cannot be told from the journal. They name people: hand them on.
    pub receipts: Vec<Receipt>,
}

alone! {
    /// Brings a restored database up to date: whoever was erased since comes back as erased, under the commitment that
    /// their receipt opens; numbers shredded since are recorded, their tokens cleared again; grants ended since end, and
    /// holds and requests placed since stand, as far as the journal tells whose they are. Sealed values need nothing: what
    /// was shredded stays unreadable whatever is restored. [`resume`](Self::resume) calls it when the journal shows
    /// that the database is older; call it yourself when both were restored. Twice does nothing more.
    ///
    /// Evidence of grants since, and marks, are lost with the database; until the application marks again, a sweep counts
    /// from the older ones.
    ///
    /// # Errors
    /// [`RegisterError::PurposeNotUnlocked`] when some purpose cannot be compared. What was done stays; call it again.
    fn reconcile() -> Reconciled = reconcile;
}

/// What the journal tells of the time since.
#[derive(Default)]
struct Since {
    erased: Vec<(Numbers, Option<Hash>)>,
    events: Vec<(Timestamp, Event)>,
}

pub(crate) async fn reconcile<D: Transactions>(register: &Register, db: &mut D) -> Result<Reconciled, RegisterError> {
    outbox::flush(register, db).await?;
    let since = match outbox::behind(db).await? {
        Some(n) => told_since(register, db, n).await?,
        None => Since::default(),
    };
    let mut reconciled = Reconciled::default();
    // Owners of erased numbers, with the commitment if it is known.
    let mut erased: BTreeMap<i64, Option<Hash>> = BTreeMap::new();
    owners_of_erased(db, &since, &mut erased).await?;
    let gone = gone(register, db).await?;
    let mut withdrawn = Vec::new();
    for (number, owner) in gone {
        match since.erased.iter().find(|(numbers, _)| numbers.contains(number)) {
            Some((_, commitment)) => {
                erased.entry(owner).or_insert(*commitment);
            }
            None => withdrawn.push((number, owner)),
        }
    }
    withdrawn.retain(|(_, owner)| !erased.contains_key(owner));
    for withdrawn in withdrawn.chunks(1000) {
        register.step("record what was shredded")?;
        record_withdrawn(register, db, withdrawn).await?;
        reconciled.shredded = reconciled.shredded.saturating_add(u64::try_from(withdrawn.len()).unwrap_or(u64::MAX));
    }
    for (owner, commitment) in erased {
        register.step("erase again")?;
        db.begin().await?;
        const LIVE: &str = "SELECT id FROM oubliette_subjects WHERE id = ?1 AND state = 'live' FOR UPDATE";
        if !db.rows(LIVE, values![owner]).await?.is_empty() {
            let why = Reason::new("erased before the database was restored");
            let why = why.map_err(|_| KeyStoreError::Bug("a reason that is none"))?;
            erase::doom(db, register.now(), owner, &why).await?;
        }
        db.commit().await?;
        if let Some(done) = erase::carry_out(register, db, owner, commitment).await? {
            reconciled.erased = reconciled.erased.saturating_add(1);
            reconciled.receipts.extend(done.receipt);
        }
    }
    register.step("apply the journal")?;
    db.begin().await?;
    apply(register, db, &since, &mut reconciled).await?;
    db.run("DELETE FROM oubliette_meta WHERE name = 'behind'", values![]).await?;
    if reconciled.erased > 0 || reconciled.shredded > 0 || !since.events.is_empty() {
        let what = Reason::new("the database").map_err(|_| KeyStoreError::Bug("a reason that is none"))?;
        let event = Event::Restored { what, erased: reconciled.erased };
        outbox::tell(db, register.now(), &event).await?;
    }
    db.commit().await?;
    outbox::flush_if_possible(register, db).await;
    Ok(reconciled)
}

/// What the journal was told behind an entry: by this database, and by the vault of those shredded in all purposes.
async fn told_since<D: Database>(register: &Register, db: &mut D, n: i64) -> Result<Since, RegisterError> {
    let tag = db.rows("SELECT value FROM oubliette_meta WHERE name = 'register'", values![]).await?;
    let tag = tag.first().ok_or(RegisterError::NoTables)?.text(0)?.to_owned();
    let since = register.vault.with_journal(|journal, _, _| {
        let mut since = Since::default();
        let mut shreds = Vec::new();
        for entry in journal.entries_after(n.max(0).unsigned_abs())? {
            let entry = entry?;
            let ours = entry.id().is_some_and(|id| outbox::is_of(&hex(&id.0), &tag));
            let at = entry.at().timestamp();
            match entry.into_event() {
                Event::Erased { numbers, commitment } if ours => since.erased.push((numbers, Some(commitment))),
                Event::Shred { whom: Whom::Numbers(numbers), purpose: None, .. } => shreds.push((numbers, None)),
                event if ours => since.events.push((at, event)),
                _ => {}
            }
        }
        // Behind those with a commitment, which are asked first.
        since.erased.extend(shreds);
        Ok(since)
    })?;
    Ok(since)
}

/// Whoever has a number that was erased, in whatever state the restored database holds it. Not of shreds alone, which may
/// have been refused: for those the vault is asked.
async fn owners_of_erased<D: Database>(
    db: &mut D,
    since: &Since,
    owners: &mut BTreeMap<i64, Option<Hash>>,
) -> Result<(), RegisterError> {
    const IN_RANGE: &str = "SELECT DISTINCT n.subject_id FROM oubliette_numbers n \
        JOIN oubliette_subjects s ON s.id = n.subject_id \
        WHERE n.number >= ?1 AND n.number <= ?2 AND s.state IN ('live', 'erasing')";
    for (numbers, commitment) in since.erased.iter().filter(|(_, commitment)| commitment.is_some()) {
        for (first, last) in numbers.ranges() {
            for row in db.rows(IN_RANGE, values![first.to_stored(), last.to_stored()]).await? {
                owners.entry(row.integer(0)?).or_insert(*commitment);
            }
        }
    }
    Ok(())
}

/// Numbers that the database holds for live and the vault has shredded, and whose they are.
async fn gone<D: Database>(register: &Register, db: &mut D) -> Result<Vec<(CustomerId, i64)>, RegisterError> {
    const LIVE: &str = "SELECT number, purpose, subject_id FROM oubliette_numbers \
        WHERE number > ?1 AND state <> 'shredded' ORDER BY number LIMIT 2000";
    let (mut gone, mut after) = (Vec::new(), 0);
    loop {
        let rows = db.rows(LIVE, values![after]).await?;
        let Some(last) = rows.last() else { return Ok(gone) };
        after = last.integer(0)?;
        let mut owners: HashMap<CustomerId, i64> = HashMap::new();
        let mut by_purpose: BTreeMap<String, Vec<CustomerId>> = BTreeMap::new();
        for row in &rows {
            let number = stored(row.integer(0)?)?;
            owners.insert(number, row.integer(2)?);
            by_purpose.entry(row.text(1)?.to_owned()).or_default().push(number);
        }
        for (purpose, numbers) in by_purpose {
            let known = register.vault.purpose_named(&purpose)?;
            let purpose = known.ok_or(RegisterError::PurposeNotUnlocked { purpose })?;
            for number in register.vault.shredded_among(purpose, numbers)? {
                gone.extend(owners.get(&number).map(|owner| (number, *owner)));
            }
        }
    }
}

async fn record_withdrawn<D: Transactions>(
    register: &Register,
    db: &mut D,
    withdrawn: &[(CustomerId, i64)],
) -> Result<(), RegisterError> {
    let numbers: Vec<CustomerId> = withdrawn.iter().map(|(number, _)| *number).collect();
    db.begin().await?;
    withdraw::record(register, db, &numbers).await?;
    for (number, owner) in withdrawn {
        const END: &str = "UPDATE oubliette_grants SET ended_at = ?3, why = 'ended before the database was restored' \
            WHERE subject_id = ?1 AND ended_at IS NULL \
                AND purpose = (SELECT purpose FROM oubliette_numbers WHERE number = ?2) \
                AND NOT EXISTS (SELECT 1 FROM oubliette_numbers n WHERE n.subject_id = ?1 AND n.state = 'live' \
                    AND n.purpose = oubliette_grants.purpose)";
        db.run(END, values![*owner, number.to_stored(), register.now().as_millisecond()]).await?;
    }
    db.commit().await
}

async fn apply<D: Database>(
    register: &Register,
    db: &mut D,
    since: &Since,
    reconciled: &mut Reconciled,
) -> Result<(), RegisterError> {
    let mut lost = Vec::new();
    for (at, event) in &since.events {
        let at_ms = at.as_millisecond();
        let changed = match event {
            Event::Granted { grant, number, purpose, basis, recipient, until } => {
                const GRANT: &str = "INSERT INTO oubliette_grants \
                    (id, subject_id, purpose, recipient, basis, granted_at, until) \
                    SELECT CAST(?1 AS BIGINT), subject_id, purpose, CAST(?3 AS TEXT), CAST(?4 AS TEXT), \
                        CAST(?5 AS BIGINT), CAST(?6 AS BIGINT) \
                    FROM oubliette_numbers WHERE number = ?2 AND purpose = ?7 AND state <> 'shredded' \
                    ON CONFLICT (id) DO NOTHING";
                let given = values![
                    signed(*grant),
                    number.to_stored(),
                    recipient.as_ref().map(crate::journal::Label::as_str),
                    basis.as_str(),
                    at_ms,
                    until.map(|until| until.timestamp().as_millisecond()),
                    purpose.as_str(),
                ];
                let done = db.run(GRANT, given).await?;
                let known = "SELECT number FROM oubliette_numbers WHERE number = ?1";
                if db.rows(known, values![number.to_stored()]).await?.is_empty() {
                    lost.push(*number);
                }
                done
            }
            Event::Ended { grant, why, .. } => {
                const END: &str = "UPDATE oubliette_grants SET ended_at = ?2, why = ?3 \
                    WHERE id = ?1 AND ended_at IS NULL";
                db.run(END, values![signed(*grant), at_ms, why.as_ref().map(Reason::as_str)]).await?
            }
            Event::Hold { hold, numbers, purpose, why, until } => {
                let Some((owner, _)) = owner_of(db, numbers).await? else { continue };
                let until = until.map_or(i64::MAX, |until| until.timestamp().as_millisecond());
                const HOLD: &str = "INSERT INTO oubliette_holds (id, subject_id, purpose, reason, placed_at, until) \
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO NOTHING";
                let purpose = purpose.as_ref().map(crate::journal::Label::as_str);
                db.run(HOLD, values![signed(*hold), owner, purpose, why.as_str(), at_ms, until]).await?
            }
            Event::HoldEnded { hold, .. } => {
                const END: &str = "UPDATE oubliette_holds SET ended_at = ?2 WHERE id = ?1 AND ended_at IS NULL";
                db.run(END, values![signed(*hold), at_ms]).await?
            }
            Event::Requested { request, what, numbers, due } => {
                let Some((owner, subject)) = owner_of(db, numbers).await? else { continue };
                let request = Request {
                    id: RequestId::made(signed(*request)),
                    subject,
                    kind: what.as_str().parse()?,
                    received_at: *at,
                    due_at: due.timestamp(),
                    // Whoever took it back may have done so outside the register: it is for a person to carry out.
                    carried_out_at: None,
                };
                const EXTEND: &str = "UPDATE oubliette_requests SET due_at = ?2 WHERE id = ?1 AND due_at < ?2";
                let extended = db.run(EXTEND, values![request.id.to_stored(), request.due_at.as_millisecond()]).await?;
                extended.saturating_add(requests::insert(db, owner, &request).await?)
            }
            Event::RequestClosed { request, how, why } => {
                const CLOSE: &str = "UPDATE oubliette_requests SET state = ?2, closed_at = ?3, why = ?4 \
                    WHERE id = ?1 AND state = 'open'";
                let why = why.as_ref().map(Reason::as_str);
                db.run(CLOSE, values![signed(*request), how.as_str(), at_ms, why]).await?
            }
            _ => 0,
        };
        reconciled.changed = reconciled.changed.saturating_add(changed);
    }
    for (_, event) in &since.events {
        if let Event::Ended { grant, why, .. } = event {
            let ended = end_numbers(db, register.now(), signed(*grant), why.as_ref()).await?;
            reconciled.changed = reconciled.changed.saturating_add(ended);
        }
    }
    lost.retain(|number| !since.erased.iter().any(|(erased, _)| erased.contains(*number)));
    lost.sort_unstable();
    lost.dedup();
    reconciled.lost = lost;
    Ok(())
}

/// A purpose whose last grant to keep it has ended is to be shredded, and what was not yet waited for the end of a hold:
/// `resume` and the sweep do so once none stands.
async fn end_numbers<D: Database>(
    db: &mut D,
    now: Timestamp,
    grant: i64,
    why: Option<&Reason>,
) -> Result<u64, RegisterError> {
    const END: &str = "UPDATE oubliette_numbers SET state = 'ended', sealing = NULL, why = ?3 \
        WHERE state = 'live' AND EXISTS (SELECT 1 FROM oubliette_grants g \
            WHERE g.id = ?1 AND g.recipient IS NULL AND g.ended_at IS NOT NULL \
                AND g.subject_id = oubliette_numbers.subject_id AND g.purpose = oubliette_numbers.purpose) \
        AND NOT EXISTS (SELECT 1 FROM oubliette_grants g \
            WHERE g.subject_id = oubliette_numbers.subject_id AND g.purpose = oubliette_numbers.purpose \
                AND g.recipient IS NULL AND g.ended_at IS NULL AND (g.until IS NULL OR g.until > ?2))";
    let why = why.map_or("ended before the database was restored", Reason::as_str);
    db.run(END, values![grant, now.as_millisecond(), why]).await
}

fn signed(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

/// The living customer who has one of these numbers.
async fn owner_of<D: Database>(db: &mut D, numbers: &Numbers) -> Result<Option<(i64, Subject)>, RegisterError> {
    const OWNER: &str = "SELECT s.id, s.subject FROM oubliette_numbers n JOIN oubliette_subjects s ON s.id = n.subject_id \
        WHERE n.number >= ?1 AND n.number <= ?2 AND s.state = 'live' LIMIT 1";
    for (first, last) in numbers.ranges() {
        let rows = db.rows(OWNER, vec![Value::from(first.to_stored()), last.to_stored().into()]).await?;
        if let Some(row) = rows.first() {
            return Ok(Some((row.integer(0)?, subject::stored(row.text(1)?)?)));
        }
    }
    Ok(None)
}
