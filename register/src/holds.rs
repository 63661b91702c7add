//! Legal holds: data that must not be shredded for a while, whatever is asked.

use std::collections::BTreeMap;

use jiff::Timestamp;
use oubliette::journal::{Event, Numbers, Reason};
use oubliette::{CustomerId, Purpose};

use super::database::{Database, Row, values};
use super::error::RegisterError;
use super::grants::{self, label, stored, time};
use super::ids::{self, HoldId};
use super::keyless::{AnyRegister, Who};
use super::operations::at_desk;
use super::outbox;
use super::schema;
use super::subject::Subject;

/// A legal hold that stands.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/shop.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let Shop { place: _place, register, mut db, alice, .. } = shop()?;
/// let until = Timestamp::now() + 24.hours() * 90;
/// let hold = register.in_transaction(&db).hold(&alice, Some(ORDERS), Reason::new("case 7")?, until)?;
/// assert_eq!(register.in_transaction(&db).holds(&alice)?[0].id, hold);
/// let refused = register.own_transaction(&mut db).erase(&alice, Reason::new("request 2026-114")?);
/// assert!(matches!(refused, Err(RegisterError::Held { .. })));
/// register.in_transaction(&db).end_hold(hold, Reason::new("case 7 is closed")?)?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Hold {
    /// The id of the hold.
    pub id: HoldId,
    /// The purpose under the hold; `None` stands for all.
    pub purpose: Option<String>,
    /// Why.
    pub reason: Reason,
    /// Since when.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

at_desk! {
    /// Protects a customer's data from every shred by this register, in one purpose or in all, until a time. A hold
    /// always has an end; place another one if it must last longer. If a consent is withdrawn under a hold, sealing
    /// stops at once, and the shred waits for the end of the hold.
    ///
    /// # Errors
    /// [`RegisterError::BeingErased`] and [`RegisterError::BeingShredded`] if the hold comes too late,
    /// [`RegisterError::NeedsReconcile`] if the vault has shredded a number that the database calls live, and
    /// [`RegisterError::UnknownSubject`].
    write fn hold(subject: &Subject, purpose: Option<Purpose>, reason: Reason, until: Timestamp) -> HoldId = place;

    /// Ends a hold before its time. If it has ended already, nothing happens.
    ///
    /// # Errors
    /// [`RegisterError::Invalid`] if there is no such hold; [`RegisterError::OtherVault`].
    write fn end_hold(hold: HoldId, why: Reason) -> () = end;

    /// The holds on a customer now; the one that ends last comes first.
    ///
    /// # Errors
    /// If the database fails.
    read fn holds(subject: &Subject) -> Vec<Hold> = of_subject;
}

pub(crate) const NO_HOLD: RegisterError = RegisterError::Invalid { what: "there is no such hold" };

async fn place<O: AnyRegister, D: Database>(
    register: &O,
    db: &mut D,
    subject: &Subject,
    purpose: Option<Purpose>,
    reason: Reason,
    until: Timestamp,
) -> Result<HoldId, RegisterError> {
    let now = register.clock();
    if until <= now {
        return Err(RegisterError::Invalid { what: "a hold ends after now" });
    }
    let subject = grants::lock_living(register, db, subject).await?;
    const NUMBERS: &str = "SELECT number, purpose, state FROM oubliette_numbers \
        WHERE subject_id = ?1 AND state <> 'shredded'";
    let (mut numbers, mut to_keep) = (Vec::new(), BTreeMap::<String, Vec<CustomerId>>::new());
    for row in db.rows(NUMBERS, values![subject]).await? {
        let concerned = purpose.is_none_or(|purpose| row.text(1).is_ok_and(|name| name == purpose.name()));
        // Whoever decided to shred it may be doing so now.
        if concerned && row.text(2)? == "shred_pending" {
            return Err(RegisterError::BeingShredded);
        }
        numbers.push(stored(row.integer(0)?)?);
        if concerned {
            to_keep.entry(row.text(1)?.to_owned()).or_default().push(stored(row.integer(0)?)?);
        }
    }
    // A hold on what is gone would promise what nobody can keep.
    match register.who() {
        Who::Vault(register) => {
            for (name, numbers) in to_keep {
                if let Some(purpose) = register.vault.purpose_named(&name)?
                    && !register.vault.shredded_among(purpose, numbers)?.is_empty()
                {
                    return Err(RegisterError::NeedsReconcile);
                }
            }
        }
        // The vault cannot be asked. What a process that has it found out stands in the tables.
        Who::Key(_) if outbox::is_behind(db).await? => return Err(RegisterError::NeedsReconcile),
        Who::Key(_) => {}
    }
    let id = HoldId::made(ids::fresh()?);
    let (name, now_ms) = (purpose.map(Purpose::name), now.as_millisecond());
    const INSERT: &str = "INSERT INTO oubliette_holds (id, subject_id, purpose, reason, placed_at, until) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let row = values![id.to_stored(), subject, name, reason.as_str(), now_ms, until.as_millisecond()];
    db.run(INSERT, row).await?;
    let event = Event::Hold {
        hold: id.number(),
        numbers: Numbers::of(numbers),
        purpose: name.map(label).transpose()?,
        why: reason,
        until: Some(crate::times::time(until)),
    };
    outbox::tell(db, now, &event).await?;
    Ok(id)
}

async fn end<O: AnyRegister, D: Database>(
    register: &O,
    db: &mut D,
    hold: HoldId,
    why: Reason,
) -> Result<(), RegisterError> {
    let now = register.clock();
    // Before anything is changed: whoever is refused may commit all the same.
    schema::check(register, db).await?;
    // One whose time is over has ended.
    const END: &str = "UPDATE oubliette_holds SET ended_at = ?2 WHERE id = ?1 AND ended_at IS NULL AND until > ?2";
    let ended = db.run(END, values![hold.to_stored(), now.as_millisecond()]).await?;
    if ended > 0 {
        return outbox::tell(db, now, &Event::HoldEnded { hold: hold.number(), why: Some(why) }).await;
    }
    let known = db.rows("SELECT id FROM oubliette_holds WHERE id = ?1", values![hold.to_stored()]).await?;
    if known.is_empty() { Err(NO_HOLD) } else { Ok(()) }
}

async fn of_subject<O: AnyRegister, D: Database>(
    register: &O,
    db: &mut D,
    subject: &Subject,
) -> Result<Vec<Hold>, RegisterError> {
    match grants::find(db, subject).await? {
        Some(found) => standing(db, found.id, register.clock()).await,
        None => Ok(Vec::new()),
    }
}

/// The holds on a subject that stand at a time, the one that ends last first.
pub(crate) async fn standing<D: Database>(
    db: &mut D,
    subject: i64,
    now: Timestamp,
) -> Result<Vec<Hold>, RegisterError> {
    const STANDING: &str = "SELECT id, purpose, reason, placed_at, until FROM oubliette_holds \
        WHERE subject_id = ?1 AND ended_at IS NULL AND until > ?2 ORDER BY until DESC";
    let hold = |row: &Row| {
        Ok(Hold {
            id: HoldId::made(row.integer(0)?),
            purpose: row.maybe_text(1)?.map(str::to_owned),
            reason: reason(row.text(2)?)?,
            since: time(row.integer(3)?)?,
            until: time(row.integer(4)?)?,
        })
    };
    db.rows(STANDING, values![subject, now.as_millisecond()]).await?.iter().map(hold).collect()
}

impl Hold {
    /// Whether it keeps this purpose from being shredded.
    #[must_use]
    pub fn covers(&self, purpose: &str) -> bool {
        self.purpose.as_deref().is_none_or(|held| held == purpose)
    }

    pub(crate) fn refusal(&self) -> RegisterError {
        RegisterError::Held { reason: self.reason.clone(), until: self.until, purpose: self.purpose.clone() }
    }
}

pub(crate) fn reason(text: &str) -> Result<Reason, RegisterError> {
    Reason::new(text).map_err(|_| RegisterError::NotOurs { what: "an invalid reason" })
}
