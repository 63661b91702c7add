//! Erasing a customer: decided in one transaction, shredded in one commit of the vault's, forgotten in another transaction.
//!
//! | a process that is killed | leaves |
//! |---|---|
//! | before the decision is committed | nothing |
//! | after it | a row that is `erasing`: nothing is sealed or granted any more, and `resume` goes on |
//! | after the shred | the same: shredding twice is no error |
//! | after the row was forgotten | an erased customer |

use jiff::Timestamp;
use oubliette::Shredded;
use oubliette::journal::{Event, Hash, Numbers, Reason, Receipt, Whose};
use serde_json::{Map, Value as Json};

use super::agreed;
use super::database::{Database, Transactions, values};
use super::deferred;
use super::error::RegisterError;
use super::grants::{self, time};
use super::holds;
use super::operations::own_transaction;
use super::outbox;
use super::register::Register;
use super::requests;
use super::rows;
use super::subject::{self, Subject};
use super::whose;
use super::withdraw;

/// The result of an erasure.
///
/// [The guide](crate::guide) has an example.
#[derive(Debug)]
#[non_exhaustive]
pub struct Erased {
    /// The receipt for the person. It names the person: hand it over and keep no copy. `None` if the person never had a
    /// number, so that there was nothing to shred.
    pub receipt: Option<Receipt>,
    /// The shred.
    pub shredded: Option<Shredded>,
    /// How many tokens could not be cleared now. They stay on the work-list.
    pub tokens_left: u64,
}

own_transaction! {
    /// Erases a customer. One commit shreds all purposes, and search tokens are cleared. The register's own rows keep
    /// only what proves the erasure without a name: a commitment that only the receipt opens, dates and legal bases.
    ///
    /// When this returns `Ok`, all of that is durable. If the process is killed before, [`resume`](Self::resume)
    /// finishes it. The customer's open requests are closed.
    ///
    /// The databases keep overwritten rows for a while: SQLite in free pages and in the WAL, until `PRAGMA
    /// secure_delete` and a `TRUNCATE` checkpoint; PostgreSQL until `VACUUM`, and in its WAL.
    ///
    /// # Errors
    /// [`RegisterError::Held`] while a legal hold stands: nothing was shredded, and the erasure is deferred. It waits
    /// as a [request](crate::InTransactionSqlite::requests), the open one or a new one. The first
    /// [`sweep`](Self::sweep) after the last hold ends carries it out, unless the person takes the request back.
    /// [`RegisterError::UnknownSubject`]: nothing was done. After any other error the erasure may be decided already;
    /// call `erase` again, or `resume`.
    fn erase(subject: &Subject, why: Reason) -> Erased = erase;
}

async fn erase<D: Transactions>(
    register: &Register,
    db: &mut D,
    subject: &Subject,
    why: Reason,
) -> Result<Erased, RegisterError> {
    agreed::up_to_date(register, db).await?;
    let owner = decide(register, db, subject, &why).await?;
    let erased = carry_out(register, db, owner, None).await?;
    outbox::flush_if_possible(register, db).await;
    erased.ok_or(RegisterError::UnknownSubject)
}

/// From here on any process will complete it.
async fn decide<D: Transactions>(
    register: &Register,
    db: &mut D,
    subject: &Subject,
    why: &Reason,
) -> Result<i64, RegisterError> {
    register.step("decide an erasure")?;
    db.begin().await?;
    let found = grants::lock(register, db, subject).await?.ok_or(RegisterError::UnknownSubject)?;
    match found.state.as_str() {
        "live" => {
            let numbers = whose::check(register, db, found.id, None, Some(subject)).await?;
            rows::compare(register, db, found.id, &numbers).await?;
            match mark_unless_held(register, db, found.id, why).await {
                Err(held @ RegisterError::Held { .. }) => {
                    deferred::defer(db, found.id, subject, register.now()).await?;
                    register.step("defer an erasure")?;
                    db.commit().await?;
                    outbox::flush_if_possible(register, db).await;
                    return Err(held);
                }
                marked => marked?,
            }
        }
        "erasing" => {}
        // While the lock was waited for.
        "erased" => return Err(RegisterError::UnknownSubject),
        _ => return Err(RegisterError::Invalid { what: "the customer was merged meanwhile; try again" }),
    }
    db.commit().await?;
    Ok(found.id)
}

async fn mark_unless_held<D: Database>(
    register: &Register,
    db: &mut D,
    owner: i64,
    why: &Reason,
) -> Result<(), RegisterError> {
    let now = register.now();
    match holds::standing(db, owner, now).await?.first() {
        Some(hold) => Err(hold.refusal()),
        None => mark_for_shred(db, now, owner, why).await,
    }
}

/// Decides on an erasure that was asked for. False if it is not asked for any more.
pub(crate) async fn decide_requested<D: Transactions>(
    register: &Register,
    db: &mut D,
    owner: i64,
) -> Result<bool, RegisterError> {
    let why = Reason::new("erasure requested, GDPR Art. 17").map_err(|_| RegisterError::Invalid { what: "a text" })?;
    register.step("decide an erasure")?;
    db.begin().await?;
    const LOCK: &str = "SELECT id FROM oubliette_subjects WHERE id = ?1 FOR UPDATE";
    db.rows(LOCK, values![owner]).await?;
    // The list is older: somebody may have taken it back since.
    if !requests::is_erasure_due(db, owner, register.now()).await? {
        db.roll_back().await?;
        return Ok(false);
    }
    mark_unless_held(register, db, owner, &why).await?;
    db.commit().await?;
    Ok(true)
}

pub(crate) async fn mark_for_shred<D: Database>(
    db: &mut D,
    now: Timestamp,
    owner: i64,
    why: &Reason,
) -> Result<(), RegisterError> {
    const DECIDE: &str = "UPDATE oubliette_subjects SET state = 'erasing', why = ?2, decided_at = ?3, \
        requested_at = (SELECT min(received_at) FROM oubliette_requests \
            WHERE subject_id = ?1 AND kind = 'erasure' AND state = 'open') WHERE id = ?1";
    db.run(DECIDE, values![owner, why.as_str(), now.as_millisecond()]).await?;
    withdraw::end_all(db, now, owner, why).await?;
    const NUMBERS: &str = "UPDATE oubliette_numbers SET state = 'shred_pending', sealing = NULL, why = ?2 \
        WHERE subject_id = ?1 AND state <> 'shredded'";
    db.run(NUMBERS, values![owner, why.as_str()]).await?;
    Ok(())
}

/// Does what was decided. `None` when somebody else has done it meanwhile. A commitment that is known from before replaces
/// the receipt.
pub(crate) async fn carry_out<D: Transactions>(
    register: &Register,
    db: &mut D,
    owner: i64,
    known: Option<Hash>,
) -> Result<Option<Erased>, RegisterError> {
    const DECIDED: &str =
        "SELECT subject, why, requested_at FROM oubliette_subjects WHERE id = ?1 AND state = 'erasing'";
    let rows = db.rows(DECIDED, values![owner]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (subject, why) = (subject::stored(row.text(0)?)?, holds::reason(row.text(1)?)?);
    let requested = row.maybe_integer(2)?.map(time).transpose()?;
    // Before anything is shredded and a receipt says whose it was.
    // All that they ever had: one that was withdrawn is shredded in its own purpose only.
    let numbers = whose::check(register, db, owner, None, Some(&subject)).await?;
    #[cfg(planted)]
    let numbers = if crate::planted::is_planted(crate::planted::Bug::NumberLeft) {
        numbers.into_iter().rev().skip(1).collect()
    } else {
        numbers
    };
    let (mut shredded, mut receipt) = (None, None);
    if !numbers.is_empty() {
        register.step("shred a customer")?;
        if known.is_none() {
            rows::compare(register, db, owner, &numbers).await?;
        }
        let done = register.vault.shredding(numbers.as_slice()).reason(why).start().await?;
        if known.is_none() {
            let whose = Whose::new(subject.as_str()).map_err(|_| RegisterError::NotOurs { what: "an invalid id" })?;
            let mut context = rows::told(&register.rules);
            if let Some(time) = requested {
                context = context.requested_at(crate::times::time(time));
            }
            receipt = Some(register.vault.receipt(&done, whose, &context)?);
        }
        shredded = Some(done);
    }
    register.step("forget a customer")?;
    db.begin().await?;
    // Whoever comes second keeps the receipt, which is as good, and changes nothing.
    const LOCK: &str = "SELECT id FROM oubliette_subjects WHERE id = ?1 AND state = 'erasing' FOR UPDATE";
    if db.rows(LOCK, values![owner]).await?.is_empty() {
        db.roll_back().await?;
        return Ok(Some(Erased { receipt, shredded, tokens_left: 0 }));
    }
    let tokens_left = withdraw::record(register, db, &numbers).await?;
    let commitment = known.or(receipt.as_ref().map(|receipt| receipt.content().commitment));
    forget(register, db, owner, &subject, commitment).await?;
    if let Some(commitment) = commitment.filter(|_| known.is_none()) {
        let event = Event::Erased { numbers: Numbers::of(numbers), commitment };
        outbox::tell(db, register.now(), &event).await?;
    }
    if let (Some(receipt), Some(keep)) = (&receipt, &register.rules.receipts) {
        keep(receipt).map_err(RegisterError::ReceiptNotTaken)?;
    }
    db.commit().await?;
    register.step("answer")?;
    Ok(Some(Erased { receipt, shredded, tokens_left }))
}

/// Reduces the register's own rows to what proves the erasure and names nobody.
async fn forget<D: Database>(
    register: &Register,
    db: &mut D,
    owner: i64,
    subject: &Subject,
    commitment: Option<Hash>,
) -> Result<(), RegisterError> {
    let now = register.now();
    // Theirs, and those of whoever was merged into them.
    let mut ids = vec![subject.as_str().to_lowercase()];
    const OTHERS: &str = "SELECT subject FROM oubliette_subjects WHERE merged_into = ?1 AND subject IS NOT NULL";
    for row in db.rows(OTHERS, values![owner]).await? {
        ids.push(row.text(0)?.to_lowercase());
    }
    const EVIDENCE: &str = "SELECT id, evidence FROM oubliette_grants WHERE subject_id = ?1 AND evidence IS NOT NULL";
    for row in db.rows(EVIDENCE, values![owner]).await? {
        let kept = what_stays(row.text(1)?, &register.rules.kept_evidence, &ids);
        let update = "UPDATE oubliette_grants SET evidence = ?2 WHERE id = ?1";
        db.run(update, values![row.integer(0)?, kept]).await?;
    }
    requests::close_all(db, owner, now).await?;
    db.run("DELETE FROM oubliette_holds WHERE subject_id = ?1", values![owner]).await?;
    db.run("DELETE FROM oubliette_marks WHERE subject_id = ?1", values![owner]).await?;
    // The other ids of somebody who was merged into this customer.
    db.run("DELETE FROM oubliette_subjects WHERE merged_into = ?1", values![owner]).await?;
    const FORGET: &str = "UPDATE oubliette_subjects SET subject = NULL, state = 'erased', commitment = ?2, erased_at = ?3 \
        WHERE id = ?1";
    db.run(FORGET, values![owner, commitment.map(|hash| hash.to_string()), now.as_millisecond()]).await?;
    Ok(())
}

/// The parts of a grant's evidence that the rules keep, unless they hold one of the customer's ids, which are in lower case.
fn what_stays(evidence: &str, names: &[String], ids: &[String]) -> Option<String> {
    let Ok(Json::Object(evidence)) = serde_json::from_str::<Json>(evidence) else { return None };
    // An id of a few characters is in many a text by chance.
    let is_named = |text: &str| {
        let text = text.to_lowercase();
        ids.iter().any(|id| text == *id || (id.chars().count() > 3 && text.contains(id)))
    };
    let stays =
        |(name, value): &(String, Json)| names.contains(name) && value.as_str().is_some_and(|text| !is_named(text));
    let kept: Map<String, Json> = evidence.into_iter().filter(stays).collect();
    (!kept.is_empty()).then(|| Json::Object(kept).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_reduced_to_what_the_rules_name() {
        let evidence = r#"{"how":"by mail from Alice@X.org","text":"newsletter 3","when":"2026-01-31T09:00:00Z"}"#;
        let names = ["how", "text", "other"].map(str::to_owned);
        let alice = ["alice@x.org".to_owned()];
        assert_eq!(what_stays(evidence, &names, &alice).as_deref(), Some(r#"{"text":"newsletter 3"}"#));
        assert_eq!(what_stays(evidence, &[], &alice), None);
        assert_eq!(what_stays(evidence, &names, &["3".to_owned()]).unwrap().len(), 56);
        assert_eq!(what_stays("no JSON", &names, &alice), None);
    }
}
