//! Finishing what was interrupted: at every start, and now and then.

use oubliette::CustomerId;
use oubliette::journal::{Reason, Receipt};

use super::database::{Row, Transactions, values};
use super::erase;
use super::error::RegisterError;
use super::grants::stored;
use super::holds;
use super::operations::own_transaction;
use super::outbox;
use super::reconcile;
use super::reconciled::Reconciled;
use super::register::Register;
use super::schema;
use super::withdraw;
use super::work;

/// What [`resume`](super::OwnTransactionSqlite::resume) finished.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/shop.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let Shop { place: _place, register, mut db, .. } = shop()?;
/// let resumed = register.own_transaction(&mut db).resume()?; // at each start, and once a day
/// for receipt in &resumed.receipts {
///     println!("hand this over: {receipt}");
/// }
/// if let Some(reconciled) = &resumed.reconciled {
///     println!("the database was restored: {reconciled:?}");
/// }
/// # assert!(resumed.reconciled.is_none());
/// # Ok(()) }
/// ```
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Resumed {
    /// Receipts of erasures that were finished. They name people: hand them over.
    pub receipts: Vec<Receipt>,
    /// Customers whose erasure was finished.
    pub erased: u64,
    /// Numbers that were shredded: of interrupted withdrawals and sweeps, and numbers that had waited for the end of a
    /// hold.
    pub shredded: u64,
    /// The result of the reconciliation, if the database was older than the journal.
    pub reconciled: Option<Reconciled>,
    /// Why something is still unfinished. The error is here, instead of being returned, if there are receipts or a
    /// reconciliation to hand over.
    pub unfinished: Option<RegisterError>,
}

impl Resumed {
    fn has_to_be_handed_on(&self) -> bool {
        let found = |reconciled: &Reconciled| !reconciled.receipts.is_empty() || !reconciled.ownerless.is_empty();
        !self.receipts.is_empty() || self.reconciled.as_ref().is_some_and(found)
    }
}

own_transaction! {
    /// Finishes what was interrupted: erasures, withdrawals, sweeps, tokens to clear, events that the journal has not
    /// got. It shreds what waited for the end of a hold, and [reconciles](Self::reconcile) the database if it was
    /// restored. Call it at each start, after `create_tables`, and once a day. Several processes may call it at the
    /// same time.
    ///
    /// # Errors
    /// The first thing that could not be finished; the rest was finished, or the next call does it. If there is
    /// something to hand over, the error is in [`Resumed::unfinished`].
    fn resume() -> Resumed = resume;
}

async fn resume<D: Transactions>(register: &Register, db: &mut D) -> Result<Resumed, RegisterError> {
    schema::check(register, db).await?;
    let mut resumed = Resumed::default();
    match all(register, db, &mut resumed).await {
        // Nobody else will ever have these: the register has forgotten whose they are.
        Err(error) if resumed.has_to_be_handed_on() => {
            // What fails is rolled back with the connection.
            let _ = db.roll_back().await;
            resumed.unfinished = Some(error);
            Ok(resumed)
        }
        done => done.map(|()| resumed),
    }
}

async fn all<D: Transactions>(register: &Register, db: &mut D, resumed: &mut Resumed) -> Result<(), RegisterError> {
    outbox::flush(register, db).await?;
    let mut first = Ok(());
    if outbox::is_behind(db).await? {
        let reconciled = resumed.reconciled.insert(Reconciled::default());
        // What stands against a shred is told again before anything below: without it nothing is finished.
        reconcile::bring_up(register, db, reconciled).await?;
        first = reconciled.unfinished.take().map_or(Ok(()), Err);
    }
    // What cannot be finished of one customer keeps nobody else's from being finished.
    first = first.and(erasures(register, db, resumed).await);
    first = first.and(or_roll_back(holds_over(register, db).await, db).await);
    first = first.and(or_roll_back(shred_pending(register, db, resumed).await, db).await);
    first = first.and(or_roll_back(work::own_transaction(register, db).await, db).await);
    outbox::flush(register, db).await?;
    first
}

async fn or_roll_back<D: Transactions>(done: Result<(), RegisterError>, db: &mut D) -> Result<(), RegisterError> {
    if done.is_err() {
        // What fails is rolled back with the connection.
        let _ = db.roll_back().await;
    }
    done
}

/// Shreds what was decided on and not shredded. The first error is returned when all was tried.
pub(crate) async fn shred_pending<D: Transactions>(
    register: &Register,
    db: &mut D,
    resumed: &mut Resumed,
) -> Result<(), RegisterError> {
    let mut first = Ok(());
    for name in purposes(db).await? {
        let known = register.vault.purpose_named(&name)?;
        // All must be unlocked, or some would never be shredded; those of the others are.
        let Some(purpose) = known else {
            first = first.and(Err(RegisterError::PurposeNotUnlocked { purpose: name }));
            continue;
        };
        loop {
            const PENDING: &str = "SELECT n.number, n.why FROM oubliette_numbers n \
                JOIN oubliette_subjects s ON s.id = n.subject_id \
                WHERE n.purpose = ?1 AND n.state = 'shred_pending' AND s.state = 'live' ORDER BY n.why, n.number LIMIT 1000";
            let read = |row: &Row| Ok((holds::reason(row.text(1)?)?, stored(row.integer(0)?)?));
            let rows = db.rows(PENDING, values![purpose.name()]).await?;
            let (readable, damaged): (Vec<_>, Vec<_>) = rows.iter().map(read).partition(Result::is_ok);
            first =
                first.and(damaged.into_iter().collect::<Result<Vec<(Reason, CustomerId)>, RegisterError>>().map(drop));
            let readable: Vec<(Reason, CustomerId)> = readable.into_iter().flatten().collect();
            // A commit a reason.
            let Some((why, _)) = readable.first().cloned() else { break };
            let same = readable.iter().take_while(|(other, _)| *other == why);
            let numbers: Vec<CustomerId> = same.map(|(_, number)| *number).collect();
            withdraw::shred(register, db, purpose, &numbers, why).await?;
            resumed.shredded = resumed.shredded.saturating_add(u64::try_from(numbers.len()).unwrap_or(u64::MAX));
        }
    }
    first
}

pub(crate) async fn erasures<D: Transactions>(
    register: &Register,
    db: &mut D,
    resumed: &mut Resumed,
) -> Result<(), RegisterError> {
    const ERASING: &str = "SELECT id FROM oubliette_subjects WHERE state = 'erasing' ORDER BY decided_at";
    let mut first = Ok(());
    for row in db.rows(ERASING, values![]).await? {
        let Ok(owner) = row.integer(0) else { continue };
        match erase::carry_out(register, db, owner, None).await {
            Ok(Some(erased)) => {
                resumed.erased = resumed.erased.saturating_add(1);
                resumed.receipts.extend(erased.receipt);
            }
            Ok(None) => {}
            // One receipt that is not taken must not keep the others from being erased.
            Err(error) => {
                let _ = db.roll_back().await;
                first = first.and(Err(error));
            }
        }
    }
    first
}

/// Numbers that waited for the end of a hold are to be shredded now.
pub(crate) async fn holds_over<D: Transactions>(register: &Register, db: &mut D) -> Result<(), RegisterError> {
    const WAITING: &str = "SELECT DISTINCT subject_id, purpose FROM oubliette_numbers WHERE state = 'ended'";
    let read = |row: &Row| Ok::<_, RegisterError>((row.integer(0)?, row.text(1)?.to_owned()));
    let waiting: Vec<(i64, String)> =
        db.rows(WAITING, values![]).await?.iter().filter_map(|row| read(row).ok()).collect();
    let mut first = Ok(());
    for (owner, purpose) in waiting {
        db.begin().await?;
        db.rows("SELECT id FROM oubliette_subjects WHERE id = ?1 FOR UPDATE", values![owner]).await?;
        let standing = match holds::standing(db, owner, register.now()).await {
            Ok(standing) => standing,
            // Whoever has a hold that cannot be read is held.
            Err(error) => {
                db.roll_back().await?;
                first = first.and(Err(error));
                continue;
            }
        };
        if !standing.iter().any(|hold| hold.covers(&purpose)) {
            const DECIDE: &str = "UPDATE oubliette_numbers SET state = 'shred_pending' \
                WHERE subject_id = ?1 AND purpose = ?2 AND state = 'ended'";
            db.run(DECIDE, values![owner, purpose]).await?;
        }
        db.commit().await?;
    }
    first
}

/// The names of purposes with numbers to be shredded.
async fn purposes<D: Transactions>(db: &mut D) -> Result<Vec<String>, RegisterError> {
    let rows =
        db.rows("SELECT DISTINCT purpose FROM oubliette_numbers WHERE state = 'shred_pending'", values![]).await?;
    Ok(rows.iter().filter_map(|row| row.text(0).ok().map(str::to_owned)).collect())
}
