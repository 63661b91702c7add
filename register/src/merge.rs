//! Two ids that turn out to be one customer.

use oubliette::journal::{Event, Numbers};

use super::database::{Database, values};
use super::error::RegisterError;
use super::grants;
use super::operations::in_transaction;
use super::outbox;
use super::register::Register;
use super::subject::Subject;
use super::whose;

in_transaction! {
    /// Makes two ids one customer. Everything that belongs to `other` goes to `customer`: grants, numbers, marks,
    /// requests, holds, disclosures. From then on both ids name the same customer, and an erasure forgets both.
    ///
    /// **Numbers stay**, since values are sealed under them: a customer may then have several numbers for one purpose.
    /// Each row opens by its own number. New values are sealed under the number of `customer`. A withdrawal or an
    /// erasure shreds all numbers.
    ///
    /// # Errors
    /// [`RegisterError::UnknownSubject`] and [`RegisterError::BeingErased`] of either.
    write fn merge(customer: &Subject, other: &Subject) -> () = merge;
}

async fn merge<D: Database>(
    register: &Register,
    db: &mut D,
    customer: &Subject,
    other: &Subject,
) -> Result<(), RegisterError> {
    let id = |found: Option<grants::Found>| found.map(|found| found.id).ok_or(RegisterError::UnknownSubject);
    let (kept, gone) = (id(grants::find(db, customer).await?)?, id(grants::find(db, other).await?)?);
    if kept == gone {
        return Ok(());
    }
    // In one order, or two that merge the same pair would wait for each other.
    let in_order = if kept < gone { [customer, other] } else { [other, customer] };
    let mut locked = Vec::new();
    for subject in in_order {
        locked.push(grants::lock_living(register, db, subject).await?);
    }
    locked.sort_unstable();
    if locked != [kept.min(gone), kept.max(gone)] {
        // Somebody merged one of them in between.
        return Err(RegisterError::Invalid { what: "one of the two was merged meanwhile; try again" });
    }
    for (one, asked) in [(kept, customer), (gone, other)] {
        whose::check(register, db, one, None, Some(asked)).await?;
    }
    let (numbers, into) = (numbers_of(db, gone).await?, numbers_of(db, kept).await?);
    make_one(register, db, kept, gone).await?;
    outbox::tell(db, register.now(), &Event::Merged { numbers, into }).await
}

async fn numbers_of<D: Database>(db: &mut D, owner: i64) -> Result<Numbers, RegisterError> {
    let rows = db.rows("SELECT number FROM oubliette_numbers WHERE subject_id = ?1", values![owner]).await?;
    let numbers = rows.iter().map(|row| grants::stored(row.integer(0)?));
    Ok(Numbers::of(numbers.collect::<Result<Vec<_>, _>>()?))
}

/// Both are living, and locked where others may be at work.
pub(crate) async fn make_one<D: Database>(
    register: &Register,
    db: &mut D,
    kept: i64,
    gone: i64,
) -> Result<(), RegisterError> {
    const MOVES: [&str; 9] = [
        "UPDATE oubliette_numbers SET sealing = NULL WHERE subject_id = ?2 AND purpose IN \
            (SELECT purpose FROM oubliette_numbers WHERE subject_id = ?1 AND sealing = 1)",
        "UPDATE oubliette_numbers SET subject_id = ?1 WHERE subject_id = ?2",
        "UPDATE oubliette_grants SET subject_id = ?1 WHERE subject_id = ?2",
        "INSERT INTO oubliette_marks (subject_id, what, at) \
            SELECT CAST(?1 AS BIGINT), what, at FROM oubliette_marks WHERE subject_id = ?2 \
            ON CONFLICT (subject_id, what) DO UPDATE SET at = excluded.at WHERE excluded.at > oubliette_marks.at",
        "UPDATE oubliette_requests SET subject_id = ?1 WHERE subject_id = ?2",
        "UPDATE oubliette_holds SET subject_id = ?1 WHERE subject_id = ?2",
        "UPDATE oubliette_disclosures SET subject_id = ?1 WHERE subject_id = ?2",
        "UPDATE oubliette_subjects SET merged_into = ?1 WHERE merged_into = ?2",
        "UPDATE oubliette_subjects SET merged_into = ?1, state = 'merged' WHERE id = ?2",
    ];
    let mut others = whose::merged_before(register, db, kept).await?;
    others.extend(whose::merged_before(register, db, gone).await?);
    for statement in MOVES {
        db.run(statement, values![kept, gone]).await?;
    }
    db.run("DELETE FROM oubliette_marks WHERE subject_id = ?1", values![gone]).await?;
    whose::take_over(register, db, kept, gone, others).await
}
