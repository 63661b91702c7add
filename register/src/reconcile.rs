//! After a restore: the database is brought up to what the vault and the journal know.

use std::collections::{BTreeMap, HashMap, HashSet};

use oubliette::journal::{Event, Hash, Reason};
use oubliette::{CustomerId, KeyStoreError, Purpose};

use super::agreed;
use super::by_number;
use super::damaged;
use super::database::{Database, Transactions, values};
use super::erase;
use super::error::RegisterError;
use super::grants::stored;
use super::operations::own_transaction;
use super::ordered::{self, Orders};
use super::outbox;
use super::reconciled::Reconciled;
use super::register::Register;
use super::since::{self, Since};
use super::whose;
use super::withdraw;

own_transaction! {
    /// Brings a restored database up to date with the vault and the journal. A customer who was erased since the backup
    /// is erased again, under the commitment that their receipt opens. Numbers that were shredded since are recorded as
    /// shredded, and their tokens are cleared again. Grants end again, holds and requests stand again, and merges are
    /// made again, as far as the journal says whose they are. Sealed values need nothing: shredded values stay
    /// unreadable. [`resume`](Self::resume) calls this if the journal shows that the database is older. Call it
    /// yourself if database and journal were both restored. A second call changes nothing.
    ///
    /// It also finds numbers that were shredded without the register, by [`Vault::shred`](oubliette::Vault::shred) or
    /// the operator's command. If the vault has several purposes, a customer without a number left in any of them
    /// counts as erased, even if the journal does not say so.
    ///
    /// Then it compares everything: the journal with its table, line for line, and each number with the vault and with
    /// the id that it was issued for. It lists differences and does not change them: [`Reconciled::still_readable`],
    /// [`Reconciled::misassigned`].
    ///
    /// Evidence and marks since the backup are lost. Until the application marks again, retention counts from older
    /// marks.
    ///
    /// # Errors
    /// [`RegisterError::PurposeNotUnlocked`] if a purpose cannot be compared. What was done stays. Unlock the purpose,
    /// and call this again.
    fn reconcile() -> Reconciled = reconcile;

    /// Confirms, after a restore, that people have entered again what the database lost: evidence, marks, and unsigned
    /// acts of a [`KeylessRegister`](crate::KeylessRegister); holds and requests too, if the journal lost entries. From
    /// here on sweeps run again. The reason goes into the journal.
    ///
    /// It also confirms that numbers stand beside the right ids where the proof is lost. The proof is sealed, and its
    /// key tree may have been [given up](Self::retire_replaced) since.
    ///
    /// # Errors
    /// If the journal or the database cannot be written. Nothing is lost: call it again.
    fn confirm_restored(why: Reason) -> () = confirm_restored;
}

async fn confirm_restored<D: Transactions>(register: &Register, db: &mut D, why: Reason) -> Result<(), RegisterError> {
    db.begin().await?;
    whose::accept_retired(register, db).await?;
    let confirmed = db.run("DELETE FROM oubliette_meta WHERE name = 'unconfirmed'", values![]).await?;
    if confirmed > 0 {
        outbox::tell(db, register.now(), &Event::Note { text: why }).await?;
    }
    db.commit().await?;
    outbox::flush(register, db).await.map(drop)
}

async fn reconcile<D: Transactions>(register: &Register, db: &mut D) -> Result<Reconciled, RegisterError> {
    let mut reconciled = Reconciled::default();
    let brought_up = bring_up(register, db, &mut reconciled).await;
    match brought_up.and(reconciled.unfinished.take().map_or(Ok(()), Err)) {
        // Nobody else will ever have these.
        Err(error) if !reconciled.receipts.is_empty() => {
            let _ = db.roll_back().await;
            reconciled.unfinished = Some(error);
            Ok(reconciled)
        }
        done => done.map(|()| reconciled),
    }
}

pub(crate) async fn bring_up<D: Transactions>(
    register: &Register,
    db: &mut D,
    reconciled: &mut Reconciled,
) -> Result<(), RegisterError> {
    outbox::flush(register, db).await?;
    let since = match outbox::behind(db).await? {
        Some(n) => since::events_since(register, db, n).await?,
        None => Since::default(),
    };
    // Owners of erased numbers, with the commitment if it is known.
    let mut erased: BTreeMap<i64, Option<Hash>> = BTreeMap::new();
    owners_of_erased(db, &since, &mut erased).await?;
    let (mut gone, compared) = gone(register, db).await?;
    gone.retain(|gone| !erased.contains_key(&gone.owner));
    let orders = if gone.is_empty() { Orders::default() } else { ordered::of_journal(register, db).await? };
    for owner in erased_as_the_vault_says(register, db, &since, &gone, &orders).await? {
        erased.insert(owner, None);
    }
    gone.retain(|gone| !erased.contains_key(&gone.owner));
    let (by_number, withdrawn): (Vec<Gone>, Vec<Gone>) =
        gone.into_iter().partition(|gone| orders.of(gone.number, gone.purpose).is_some());
    record_by_number(register, db, &by_number, &orders).await?;
    for withdrawn in withdrawn.chunks(1000) {
        register.step("record what was shredded")?;
        record_withdrawn(register, db, withdrawn).await?;
    }
    let count = |many: &[Gone]| u64::try_from(many.len()).unwrap_or(u64::MAX);
    reconciled.shredded_again =
        reconciled.shredded_again.saturating_add(count(&by_number)).saturating_add(count(&withdrawn));
    for (owner, commitment) in erased {
        erase_again(register, db, owner, commitment, reconciled).await?;
    }
    register.step("apply the journal")?;
    db.begin().await?;
    since::apply(register, db, &since, reconciled).await?;
    let others = since::erased_without_numbers(db, &since).await?;
    db.commit().await?;
    for owner in others {
        if super::holds::standing(db, owner, register.now()).await?.is_empty() {
            erase_again(register, db, owner, None, reconciled).await?;
        }
    }
    look(register, db, reconciled).await?;
    // All the others were compared. It stays a restored database until these are.
    reconciled.unfinished = compared.err().or(reconciled.unfinished.take());
    if reconciled.unfinished.is_some() {
        return Ok(());
    }
    register.step("forget that it was restored")?;
    db.begin().await?;
    db.run("DELETE FROM oubliette_meta WHERE name = 'behind'", values![]).await?;
    // What was merely interrupted was not restored.
    if reconciled.erased_again > 0 || !withdrawn.is_empty() || !since.events.is_empty() {
        let what = Reason::new("the database").map_err(|_| KeyStoreError::Bug("an invalid reason"))?;
        let event = Event::Restored { what, erased: reconciled.erased_again };
        outbox::tell(db, register.now(), &event).await?;
    }
    db.commit().await?;
    outbox::flush_if_possible(register, db).await;
    Ok(())
}

/// Compares what nothing above could mend: journal and table line for line, every number with the vault, and with the id that it was
/// issued for.
async fn look<D: Database>(register: &Register, db: &mut D, reconciled: &mut Reconciled) -> Result<(), RegisterError> {
    agreed::compare_journal(register, db).await?;
    let compared;
    (reconciled.misassigned, reconciled.compared, compared) = whose::strangers(register, db).await?;
    reconciled.unfinished = compared.err();
    reconciled.ownerless = since::lost(register, db).await?;
    reconciled.still_readable = agreed::opened(register, db).await?;
    reconciled.misassigned.retain(|number| !reconciled.still_readable.contains(number));
    reconciled.awaits_confirmation = outbox::awaits_confirmation(db).await?;
    Ok(())
}

async fn erase_again<D: Transactions>(
    register: &Register,
    db: &mut D,
    owner: i64,
    commitment: Option<Hash>,
    reconciled: &mut Reconciled,
) -> Result<(), RegisterError> {
    register.step("erase again")?;
    db.begin().await?;
    const LIVE: &str = "SELECT id FROM oubliette_subjects WHERE id = ?1 AND state = 'live' FOR UPDATE";
    if !db.rows(LIVE, values![owner]).await?.is_empty() {
        let why = Reason::new("erased before the database was restored");
        let why = why.map_err(|_| KeyStoreError::Bug("an invalid reason"))?;
        erase::mark_for_shred(db, register.now(), owner, &why).await?;
    }
    db.commit().await?;
    if let Some(done) = erase::carry_out(register, db, owner, commitment).await? {
        reconciled.erased_again = reconciled.erased_again.saturating_add(1);
        reconciled.receipts.extend(done.receipt);
    }
    Ok(())
}

/// Whoever has a number that was erased, in whatever state the restored database holds it.
async fn owners_of_erased<D: Database>(
    db: &mut D,
    since: &Since,
    owners: &mut BTreeMap<i64, Option<Hash>>,
) -> Result<(), RegisterError> {
    const IN_RANGE: &str = "SELECT DISTINCT n.subject_id FROM oubliette_numbers n \
        JOIN oubliette_subjects s ON s.id = n.subject_id \
        WHERE n.number >= ?1 AND n.number <= ?2 AND s.state IN ('live', 'erasing')";
    #[cfg(planted)]
    if crate::planted::is_planted(crate::planted::Bug::ErasedComeBack) {
        return Ok(());
    }
    for (numbers, commitment) in &since.erased {
        for (first, last) in numbers.ranges() {
            let [first, last] = [first, last].map(|number| CustomerId::from(number).to_stored());
            for row in db.rows(IN_RANGE, values![first, last]).await? {
                owners.entry(row.integer(0)?).or_insert(Some(*commitment));
            }
        }
    }
    Ok(())
}

/// Of those who have numbers that are gone, and of whom the journal does not say that they were erased, the ones of whom
/// nothing is left in any purpose. A withdrawal shreds a number in its own purpose alone, and so does not look like it,
/// unless the vault has no other.
async fn erased_as_the_vault_says<D: Database>(
    register: &Register,
    db: &mut D,
    since: &Since,
    gone: &[Gone],
    orders: &Orders,
) -> Result<Vec<i64>, RegisterError> {
    #[cfg(planted)]
    if crate::planted::is_planted(crate::planted::Bug::ErasedComeBack) {
        return Ok(Vec::new());
    }
    let purposes = register.vault.unlocked_purposes()?;
    let everywhere = |numbers: &[CustomerId]| -> Result<HashSet<CustomerId>, RegisterError> {
        let mut left = if purposes.len() > 1 { numbers.to_vec() } else { Vec::new() };
        for purpose in &purposes {
            left = register.vault.shredded_among(*purpose, left)?;
        }
        Ok(left.into_iter().collect())
    };
    let numbers: Vec<CustomerId> = gone.iter().map(|gone| gone.number).collect();
    let shredded = everywhere(&numbers)?;
    let mut owners: BTreeMap<i64, bool> = BTreeMap::new();
    for Gone { number, owner, .. } in gone {
        *owners.entry(*owner).or_insert(true) &= since.shreds.contains(*number) || shredded.contains(number);
    }
    // Somebody all of whose numbers were shredded by number is known still.
    let past_orders = gone.iter().filter(|gone| orders.of(gone.number, gone.purpose).is_none());
    let past_orders: HashSet<i64> = past_orders.map(|gone| gone.owner).collect();
    owners.retain(|owner, _| past_orders.contains(owner));
    let gone: HashSet<CustomerId> = numbers.into_iter().collect();
    let mut erased = Vec::new();
    for owner in owners.into_iter().filter_map(|(owner, all)| all.then_some(owner)) {
        const ALL: &str = "SELECT number, state FROM oubliette_numbers WHERE subject_id = ?1";
        let (mut is_erased, mut others) = (true, Vec::new());
        for row in db.rows(ALL, values![owner]).await? {
            // Of one that cannot be read nobody can say that it is gone.
            let Ok(number) = row.integer(0).and_then(stored) else {
                is_erased = false;
                continue;
            };
            is_erased &= row.text(1)? == "shredded" || gone.contains(&number);
            if !since.shreds.contains(number) {
                others.push(number);
            }
        }
        if is_erased && everywhere(&others)?.len() == others.len() {
            erased.push(owner);
        }
    }
    Ok(erased)
}

/// A number that the database holds for live and the vault has shredded, and whose it is.
struct Gone {
    number: CustomerId,
    owner: i64,
    purpose: Purpose,
}

/// Also says if numbers of some purpose could not be compared.
async fn gone<D: Database>(
    register: &Register,
    db: &mut D,
) -> Result<(Vec<Gone>, Result<(), RegisterError>), RegisterError> {
    const LIVE: &str = "SELECT number, purpose, subject_id FROM oubliette_numbers \
        WHERE number > ?1 AND state <> 'shredded' ORDER BY number LIMIT 2000";
    #[cfg(planted)]
    if crate::planted::is_planted(crate::planted::Bug::ReconcilesOneWay) {
        return Ok((Vec::new(), Ok(())));
    }
    let (mut gone, mut after, mut compared) = (Vec::new(), 0, Ok(()));
    loop {
        let rows = db.rows(LIVE, values![after]).await?;
        let mut owners: HashMap<CustomerId, i64> = HashMap::new();
        let mut by_purpose: BTreeMap<String, Vec<CustomerId>> = BTreeMap::new();
        for row in &rows {
            // `damaged_rows` names those that cannot be read.
            let (Ok(number), Ok(purpose)) = (row.integer(0).and_then(stored), row.text(1)) else { continue };
            owners.insert(number, row.integer(2)?);
            by_purpose.entry(purpose.to_owned()).or_default().push(number);
        }
        for (name, numbers) in by_purpose {
            let Some(purpose) = register.vault.purpose_named(&name)? else {
                compared = compared.and(Err(RegisterError::PurposeNotUnlocked { purpose: name }));
                continue;
            };
            for number in register.vault.shredded_among(purpose, numbers)? {
                gone.extend(owners.get(&number).map(|owner| Gone { number, owner: *owner, purpose }));
            }
        }
        match damaged::next(&rows, 0) {
            Some(last) => after = last,
            None => return Ok((gone, compared)),
        }
    }
}

/// Records what was shredded by number, each for the reason it was ordered for.
async fn record_by_number<D: Transactions>(
    register: &Register,
    db: &mut D,
    gone: &[Gone],
    orders: &Orders,
) -> Result<(), RegisterError> {
    let mut by_reason: BTreeMap<Option<&str>, (Option<&Reason>, Vec<CustomerId>)> = BTreeMap::new();
    for gone in gone {
        let why = orders.of(gone.number, gone.purpose).flatten();
        by_reason.entry(why.map(Reason::as_str)).or_insert((why, Vec::new())).1.push(gone.number);
    }
    for (why, numbers) in by_reason.into_values() {
        register.step("record a shred by number")?;
        db.begin().await?;
        withdraw::record(register, db, &numbers).await?;
        by_number::end_grants(register, db, &numbers, why).await?;
        db.commit().await?;
    }
    Ok(())
}

async fn record_withdrawn<D: Transactions>(
    register: &Register,
    db: &mut D,
    withdrawn: &[Gone],
) -> Result<(), RegisterError> {
    let numbers: Vec<CustomerId> = withdrawn.iter().map(|gone| gone.number).collect();
    db.begin().await?;
    withdraw::record(register, db, &numbers).await?;
    for Gone { number, owner, .. } in withdrawn {
        const END: &str = "UPDATE oubliette_grants SET ended_at = ?3, why = 'ended before the database was restored' \
            WHERE subject_id = ?1 AND ended_at IS NULL \
                AND purpose = (SELECT purpose FROM oubliette_numbers WHERE number = ?2) \
                AND NOT EXISTS (SELECT 1 FROM oubliette_numbers n WHERE n.subject_id = ?1 AND n.state = 'live' \
                    AND n.purpose = oubliette_grants.purpose)";
        db.run(END, values![*owner, number.to_stored(), register.now().as_millisecond()]).await?;
    }
    db.commit().await
}
