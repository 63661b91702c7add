//! Retention: what was kept long enough ends, in batches.

use std::ops::ControlFlow;

use jiff::Timestamp;
use oubliette::journal::{Event, Reason, Receipt};
use oubliette::{CustomerId, Purpose};

use super::agreed;
use super::database::{Transactions, Value, values};
use super::due::{BATCH, DuePurpose, WINDOW, candidates, due_now, of_recipients};
use super::erase;
use super::error::RegisterError;
use super::finish::{self, Resumed};
use super::operations::own_transaction;
use super::outbox;
use super::register::Register;
use super::requests;
use super::schema;
use super::withdraw;

/// How far a sweep has come.
///
/// [The guide](crate::guide) has an example.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct SweepReport {
    /// Customers of whom a purpose was due.
    pub due: u64,
    /// Numbers that were shredded.
    pub shredded: u64,
    /// Customers who were due, and whom a legal hold protects.
    pub held: u64,
    /// Customers who were erased at their request.
    pub erased: u64,
    /// Their receipts.
    pub receipts: Vec<Receipt>,
    /// False if the callback stopped the sweep, or if something is [unfinished](Self::unfinished).
    pub finished: bool,
    /// Why the first customer was left out, for example a [damaged row](crate::InTransactionSqlite::damaged_rows). The
    /// sweep did all others.
    pub unfinished: Option<RegisterError>,
}

own_transaction! {
    /// Shreds what is due by the [rules](crate::Rules::keep) and by the grants' own ends, in batches of 1000, and
    /// carries out erasures whose grace is over. It calls `progress` after each batch, and goes on if that returns
    /// `Continue`.
    ///
    /// A customer's purpose is due when all its grants are; grants to recipients end with it. A sweep covers the
    /// purposes that the vault was unlocked with. It leaves customers under a legal hold alone. If the process is
    /// killed, [`resume`](Self::resume) finishes the batch, and the next sweep goes on.
    ///
    /// # Errors
    /// [`RegisterError`]. Finished batches stay, and `progress` has seen their receipts. `resume` finishes the batch in
    /// which the error came.
    fn sweep(progress: impl FnMut(&SweepReport) -> ControlFlow<()>) -> SweepReport = sweep;
}

async fn sweep<D: Transactions>(
    register: &Register,
    db: &mut D,
    mut progress: impl FnMut(&SweepReport) -> ControlFlow<()>,
) -> Result<SweepReport, RegisterError> {
    let mut swept = SweepReport::default();
    schema::check(register, db).await?;
    agreed::confirmed(register, db).await?;
    let over = finish::holds_over(register, db).await;
    swept.keep(over);
    for purpose in register.vault.unlocked_purposes()? {
        let mut after = 0;
        let now = register.now();
        while let Some(page) = candidates(register, db, purpose, after, now, WINDOW).await? {
            for owners in page.owners.chunks(BATCH) {
                batch(register, db, purpose, owners, now, &mut swept).await?;
                if progress(&swept).is_break() {
                    outbox::flush_if_possible(register, db).await;
                    return Ok(swept);
                }
            }
            after = page.after;
        }
    }
    // Not those of holds, which a sweep leaves alone.
    for (owner, _) in requests::erasures_due(db, register.now()).await? {
        match erase::decide_requested(register, db, owner).await {
            Ok(true) => {}
            Ok(false) => continue,
            Err(RegisterError::Held { .. }) => {
                db.roll_back().await?;
                swept.held = swept.held.saturating_add(1);
                continue;
            }
            Err(error) => {
                db.roll_back().await?;
                swept.keep(Err(error));
                continue;
            }
        }
        match erase::carry_out(register, db, owner, None).await {
            Ok(Some(erased)) => {
                swept.erased = swept.erased.saturating_add(1);
                swept.receipts.extend(erased.receipt);
            }
            Ok(None) => {}
            Err(error) => {
                db.roll_back().await?;
                swept.keep(Err(error));
            }
        }
        if progress(&swept).is_break() {
            outbox::flush_if_possible(register, db).await;
            return Ok(swept);
        }
    }
    let mut rest = Resumed::default();
    let pending = finish::shred_pending(register, db, &mut rest).await;
    swept.keep(pending);
    swept.shredded = swept.shredded.saturating_add(rest.shredded);
    swept.finished = swept.unfinished.is_none();
    outbox::flush_if_possible(register, db).await;
    Ok(swept)
}

impl SweepReport {
    fn keep(&mut self, done: Result<(), RegisterError>) {
        if let Err(error) = done {
            self.unfinished.get_or_insert(error);
        }
    }
}

/// One batch: decided in a transaction, shredded in a commit, recorded in another transaction.
async fn batch<D: Transactions>(
    register: &Register,
    db: &mut D,
    purpose: Purpose,
    owners: &[i64],
    now: Timestamp,
    swept: &mut SweepReport,
) -> Result<(), RegisterError> {
    let why = Reason::new(format!("kept long enough for {}", purpose.name()))
        .map_err(|_| RegisterError::NotOurs { what: "an invalid purpose" })?;
    register.step("decide a batch")?;
    db.begin().await?;
    // SQLite's transaction has the whole file.
    if D::DIALECT != super::database::Dialect::Sqlite {
        let sql = format!(
            "SELECT id FROM oubliette_subjects WHERE id IN ({}) ORDER BY id FOR UPDATE",
            D::DIALECT.parameters(1, owners.len())
        );
        db.rows_made(sql.into(), owners.iter().map(|owner| Value::from(*owner)).collect()).await?;
    }
    let (found, damaged) = due_now(register, db, purpose, owners, now).await?;
    swept.keep(damaged);
    let (held, due_now): (Vec<DuePurpose>, Vec<DuePurpose>) = found.into_iter().partition(|due_now| due_now.held);
    let mut grants: Vec<i64> = due_now.iter().flat_map(|due_now| due_now.grants.iter().copied()).collect();
    grants.extend(of_recipients(db, purpose, &due_now).await?);
    let numbers: Vec<CustomerId> = due_now.iter().flat_map(|due_now| due_now.numbers.iter().copied()).collect();
    for grants in grants.chunks(BATCH) {
        let [at, reason] = [1, 2].map(|number| D::DIALECT.parameter(number));
        let places = D::DIALECT.parameters(3, grants.len());
        let sql = format!("UPDATE oubliette_grants SET ended_at = {at}, why = {reason} WHERE id IN ({places})");
        let mut given = values![now.as_millisecond(), why.as_str()];
        given.extend(grants.iter().map(|grant| Value::from(*grant)));
        db.run_made(sql.into(), given).await?;
    }
    for numbers in numbers.chunks(BATCH) {
        let (reason, places) = (D::DIALECT.parameter(1), D::DIALECT.parameters(2, numbers.len()));
        let sql = format!(
            "UPDATE oubliette_numbers SET state = 'shred_pending', sealing = NULL, why = {reason} WHERE number IN ({places})"
        );
        let mut given = values![why.as_str()];
        given.extend(numbers.iter().map(|number| Value::from(number.to_stored())));
        db.run_made(sql.into(), given).await?;
    }
    let count = |many: usize| u64::try_from(many).unwrap_or(u64::MAX);
    if !due_now.is_empty() {
        let event = Event::Swept {
            purpose: Some(purpose.into()),
            due: count(due_now.len().saturating_add(held.len())),
            shredded: count(numbers.len()),
            held: count(held.len()),
        };
        outbox::tell(db, now, &event).await?;
    }
    db.commit().await?;
    swept.due = swept.due.saturating_add(count(due_now.len().saturating_add(held.len())));
    swept.held = swept.held.saturating_add(count(held.len()));
    if !numbers.is_empty() {
        withdraw::shred(register, db, purpose, &numbers, why).await?;
        swept.shredded = swept.shredded.saturating_add(count(numbers.len()));
    }
    Ok(())
}
