//! What destroys past grants and rules, with legal holds checked: numbers are shredded, and replaced key trees given up.
//!
//! The vault's commit is made within the database's transaction, which has locked whose numbers they are: a hold is placed
//! before, and refuses it, or waits for its end. What the vault refuses is rolled back whole. A process that is killed after
//! the vault's commit leaves a database that holds for live what is shredded. `resume` finds it in the journal, and the order before it, so that
//! what is completed is what was asked.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use oubliette::journal::{Event, Label, Numbers, Reason};
use oubliette::{Commit, CustomerId, Purpose, ShredTarget, Shredded, renewal::KeyTreeId};

use super::agreed;
use super::database::{Database, Dialect, Row, Transactions, Value, values};
use super::error::RegisterError;
use super::grants::{label, stored, time};
use super::ids::HoldId;
use super::operations::own_transaction;
use super::ordered;
use super::outbox;
use super::register::Register;
use super::schema;
use super::whose;
use super::withdraw;

/// An order to shred numbers, for [`shred_numbers`](super::OwnTransactionSqlite::shred_numbers).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/shop.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let Shop { place: _place, register, mut db, alice, .. } = shop()?;
/// let number = register.in_transaction(&db).keys(&alice, NEWSLETTER)?.customer();
/// let order = ShredByNumber::these([number]).purpose(NEWSLETTER).reason(Reason::new("a wrong import")?);
/// let done = register.own_transaction(&mut db).shred_numbers(order)?;
/// assert_eq!(done.shredded.newly_shredded(), 1); // her orders stay readable
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is shredded until it is given to `shred_numbers`"]
pub struct ShredByNumber {
    whom: Whom,
    purpose: Option<Purpose>,
    why: Option<Reason>,
    despite: Option<Reason>,
}

#[derive(Clone, Debug)]
enum Whom {
    These(Vec<CustomerId>),
    Through(CustomerId),
}

impl ShredByNumber {
    /// Shreds these numbers, in all purposes.
    pub fn these(numbers: impl IntoIterator<Item = CustomerId>) -> ShredByNumber {
        let numbers: BTreeSet<CustomerId> = numbers.into_iter().collect();
        ShredByNumber::of(Whom::These(numbers.into_iter().collect()))
    }

    /// Shreds every number up to this one, in all purposes: by age.
    pub fn through(last: CustomerId) -> ShredByNumber {
        ShredByNumber::of(Whom::Through(last))
    }

    fn of(whom: Whom) -> ShredByNumber {
        ShredByNumber { whom, purpose: None, why: None, despite: None }
    }

    /// In this purpose only.
    pub fn purpose(mut self, purpose: Purpose) -> ShredByNumber {
        self.purpose = Some(purpose);
        self
    }

    /// Why, for the journal.
    pub fn reason(mut self, why: Reason) -> ShredByNumber {
        self.why = Some(why);
        self
    }

    /// Overrides the legal holds on these numbers, for this reason. The journal has each such hold and the reason
    /// before anything is shredded. The holds still protect everything else.
    pub fn despite_holds(mut self, why: Reason) -> ShredByNumber {
        self.despite = Some(why);
        self
    }
}

/// The result of a shred by number.
///
/// [`ShredByNumber`] has an example.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NumbersShredded {
    /// The shred.
    pub shredded: Shredded,
    /// The holds that were overridden.
    pub overridden: Vec<HoldId>,
    /// Tokens that could not be cleared now and stay on the work-list.
    pub tokens_left: u64,
}

own_transaction! {
    /// Shreds numbers in one commit of the vault, whatever grants, rules and requests say. It does what
    /// [`Vault::shredding`](oubliette::Vault::shredding) does, and also checks this register's legal holds and records
    /// the shred. A grant ends if its purpose has no number left. The register still knows the customer;
    /// [`erase`](Self::erase) forgets the customer and gives a receipt.
    ///
    /// **The vault's own calls ask no register, so they shred what a hold protects.** This call also shreds numbers
    /// that this register does not know; it does not ask the register of another database. While the vault commits,
    /// this database waits (SQLite), or these customers' rows do (PostgreSQL).
    ///
    /// # Errors
    /// [`RegisterError::HoldsStand`] if a hold protects one of them and is not
    /// [overridden](ShredByNumber::despite_holds). [`RegisterError::Invalid`] for `through` in one purpose.
    /// [`RegisterError::Shred`] says what is true. After an error the journal has the order and nothing else is
    /// recorded; if the vault shredded all the same, [`resume`](Self::resume) finds that and records it as this order.
    fn shred_numbers(order: ShredByNumber) -> NumbersShredded = shred;

    /// Gives up the key trees that `new` replaced. It does what
    /// [`Vault::retire_replaced`](oubliette::Vault::retire_replaced) does, and also checks legal holds: a customer
    /// under a hold may have values that were not resealed, and these would be lost. With a reason in `despite_holds`
    /// the holds are overridden, and the journal has each of them first. The register seals its own ids anew before.
    /// **Do not use the vault's own call beside a register**: it loses these ids, and then no customer of the purpose
    /// can be erased before [`confirm_restored`](Self::confirm_restored).
    ///
    /// It waits for one lease on this thread. Meanwhile no hold can be placed (PostgreSQL), or nothing can be written
    /// (SQLite).
    ///
    /// # Errors
    /// [`RegisterError::HoldsStand`]; [`RegisterError::Change`] says what is true.
    fn retire_replaced(purpose: Purpose, new: KeyTreeId, despite_holds: Option<Reason>) -> (Vec<KeyTreeId>, Commit) = retire;
}

/// Legal holds that protect what is to be destroyed.
#[derive(Default)]
struct Standing {
    /// By their ids, until when.
    holds: BTreeMap<i64, Timestamp>,
    numbers: BTreeSet<CustomerId>,
}

impl Standing {
    /// Refuses unless every hold is overridden.
    fn check(&self, overridden: &[i64]) -> Result<(), RegisterError> {
        let stand = || self.holds.iter().filter(|(id, _)| !overridden.contains(id));
        let Some(until) = stand().map(|(_, until)| *until).max() else { return Ok(()) };
        Err(RegisterError::HoldsStand {
            holds: stand().map(|(id, _)| HoldId::made(*id)).collect(),
            numbers: self.numbers.iter().copied().collect(),
            until,
        })
    }

    /// Records in the journal that these holds are overridden.
    async fn override_all<D: Transactions>(
        self,
        register: &Register,
        db: &mut D,
        what: &Label,
        why: &Reason,
    ) -> Result<Vec<i64>, RegisterError> {
        db.begin().await?;
        for hold in self.holds.keys() {
            let event = Event::HoldOverridden { hold: hold.unsigned_abs(), what: what.clone(), why: why.clone() };
            outbox::tell(db, register.now(), &event).await?;
        }
        db.commit().await?;
        outbox::flush(register, db).await?;
        Ok(self.holds.into_keys().collect())
    }
}

async fn shred<D: Transactions>(
    register: &Register,
    db: &mut D,
    order: ShredByNumber,
) -> Result<NumbersShredded, RegisterError> {
    if matches!(order.whom, Whom::Through(_)) && order.purpose.is_some() {
        return Err(RegisterError::Invalid {
            what: "a shred of all numbers up to one is possible in all purposes only; leave out the purpose",
        });
    }
    schema::check(register, db).await?;
    agreed::up_to_date(register, db).await?;
    let mut overridden = Vec::new();
    let standing_now = standing(register, db, &order).await?;
    match &order.despite {
        Some(why) => overridden = standing_now.override_all(register, db, &label("shred")?, why).await?,
        None => standing_now.check(&[])?,
    }
    if let Some(whom) = order.whom.told() {
        register.step("tell of an order")?;
        ordered::tell(register, db, whom, order.purpose, order.why.as_ref()).await?;
    }
    db.begin().await?;
    lock_owners(db, &order.whom).await?;
    standing(register, db, &order).await?.check(&overridden)?;
    // Nobody else copies the journal's shred into the table before this transaction tells that it was ours.
    const ONE_AT_A_TIME: &str = "SELECT value FROM oubliette_meta WHERE name = 'register' FOR UPDATE";
    db.rows(ONE_AT_A_TIME, values![]).await?;
    let numbers = known(db, &order).await?;
    register.step("shred by number")?;
    let shredded = in_vault(register, &order).await?;
    register.step("record a shred by number")?;
    let tokens_left = withdraw::record(register, db, &numbers).await?;
    end_grants(register, db, &numbers, order.why.as_ref()).await?;
    db.commit().await?;
    outbox::flush_if_possible(register, db).await;
    let overridden = overridden.into_iter().map(HoldId::made).collect();
    Ok(NumbersShredded { shredded, overridden, tokens_left })
}

async fn in_vault(register: &Register, order: &ShredByNumber) -> Result<Shredded, RegisterError> {
    let mut shredding = register.vault.shredding(match &order.whom {
        Whom::These(numbers) => ShredTarget::from(numbers.as_slice()),
        Whom::Through(last) => ShredTarget::from(..=*last),
    });
    if let Some(only) = order.purpose {
        shredding = shredding.purpose(only);
    }
    if let Some(why) = order.why.clone() {
        shredding = shredding.reason(why);
    }
    Ok(shredding.start().await?)
}

impl Whom {
    /// The numbers in the journal's form; `None` for an empty list.
    fn told(&self) -> Option<oubliette::journal::Whom> {
        match self {
            Whom::These(numbers) if numbers.is_empty() => None,
            Whom::These(numbers) => Some(oubliette::journal::Whom::Numbers(Numbers::of(numbers.iter().copied()))),
            Whom::Through(last) => Some(oubliette::journal::Whom::Through((*last).into())),
        }
    }

    /// SQL conditions on a column of numbers, each for a statement of its own, and their parameters.
    fn conditions(&self, dialect: Dialect, column: &str, first: usize) -> Vec<(String, Vec<Value>)> {
        match self {
            Whom::Through(last) => {
                vec![(format!("{column} <= {}", dialect.parameter(first)), values![last.to_stored()])]
            }
            Whom::These(numbers) => {
                let of = |numbers: &[CustomerId]| {
                    let given = numbers.iter().map(|number| Value::from(number.to_stored())).collect();
                    (format!("{column} IN ({})", dialect.parameters(first, numbers.len())), given)
                };
                numbers.chunks(super::work::MOST).map(of).collect()
            }
        }
    }
}

/// Locks the owners of the numbers until the end of the transaction.
async fn lock_owners<D: Database>(db: &mut D, whom: &Whom) -> Result<(), RegisterError> {
    // SQLite's transaction has the whole file.
    if D::DIALECT == Dialect::Sqlite {
        return Ok(());
    }
    let mut locked: BTreeSet<i64> = BTreeSet::new();
    loop {
        let mut owners: BTreeSet<i64> = BTreeSet::new();
        for (condition, given) in whom.conditions(D::DIALECT, "number", 1) {
            let sql =
                format!("SELECT DISTINCT subject_id FROM oubliette_numbers WHERE state <> 'shredded' AND {condition}");
            for row in db.rows_made(sql.into(), given).await? {
                owners.insert(row.integer(0)?);
            }
        }
        let missing: Vec<i64> = owners.difference(&locked).copied().collect();
        if missing.is_empty() {
            return Ok(());
        }
        for owners in missing.chunks(super::work::MOST) {
            let among = D::DIALECT.parameters(1, owners.len());
            let sql = format!("SELECT id FROM oubliette_subjects WHERE id IN ({among}) ORDER BY id FOR UPDATE");
            db.rows_made(sql.into(), owners.iter().map(|owner| Value::from(*owner)).collect()).await?;
        }
        // Somebody may have merged one of them while it was waited for: then the number is another's.
        locked.extend(missing);
    }
}

/// The holds that protect any of these numbers.
async fn standing<D: Database>(
    register: &Register,
    db: &mut D,
    order: &ShredByNumber,
) -> Result<Standing, RegisterError> {
    let now = register.now().as_millisecond();
    let [one, two] = [1, 2].map(|number| D::DIALECT.parameter(number));
    let mut standing = Standing::default();
    for (condition, numbers) in order.whom.conditions(D::DIALECT, "n.number", 3) {
        let sql = format!(
            "SELECT h.id, h.until, n.number FROM oubliette_numbers n JOIN oubliette_holds h ON h.subject_id = n.subject_id \
             AND h.ended_at IS NULL AND h.until > {one} AND coalesce(h.purpose, {two}, n.purpose) = coalesce({two}, n.purpose) \
             WHERE n.state <> 'shredded' AND {condition}"
        );
        let mut given = values![now, order.purpose.map(Purpose::name)];
        given.extend(numbers);
        for row in db.rows_made(sql.into(), given).await? {
            standing.holds.insert(row.integer(0)?, until(&row)?);
            standing.numbers.insert(stored(row.integer(2)?)?);
        }
    }
    Ok(standing)
}

fn until(row: &Row) -> Result<Timestamp, RegisterError> {
    // What came by a journal may hold for ever.
    time(row.integer(1)?.min(Timestamp::MAX.as_millisecond()))
}

/// The numbers that the register knows, and so must record as shredded.
async fn known<D: Database>(db: &mut D, order: &ShredByNumber) -> Result<Vec<CustomerId>, RegisterError> {
    let one = D::DIALECT.parameter(1);
    let mut known = Vec::new();
    for (condition, numbers) in order.whom.conditions(D::DIALECT, "number", 2) {
        let sql = format!(
            "SELECT number FROM oubliette_numbers \
             WHERE state <> 'shredded' AND purpose = coalesce({one}, purpose) AND {condition} ORDER BY number"
        );
        let mut given = values![order.purpose.map(Purpose::name)];
        given.extend(numbers);
        for row in db.rows_made(sql.into(), given).await? {
            known.push(stored(row.integer(0)?)?);
        }
    }
    Ok(known)
}

/// Ends a customer's grants for purposes in which no number is left.
pub(crate) async fn end_grants<D: Database>(
    register: &Register,
    db: &mut D,
    numbers: &[CustomerId],
    why: Option<&Reason>,
) -> Result<(), RegisterError> {
    let why = why.map_or("shredded by number", Reason::as_str);
    for numbers in numbers.chunks(super::work::MOST) {
        let [at, reason] = [1, 2].map(|number| D::DIALECT.parameter(number));
        let among = D::DIALECT.parameters(3, numbers.len());
        let sql = format!(
            "UPDATE oubliette_grants SET ended_at = {at}, why = {reason} WHERE ended_at IS NULL \
             AND subject_id IN (SELECT subject_id FROM oubliette_numbers WHERE number IN ({among})) \
             AND NOT EXISTS (SELECT 1 FROM oubliette_numbers n WHERE n.subject_id = oubliette_grants.subject_id \
                 AND n.purpose = oubliette_grants.purpose AND n.state <> 'shredded')"
        );
        let mut given = values![register.now().as_millisecond(), why];
        given.extend(numbers.iter().map(|number| Value::from(number.to_stored())));
        db.run_made(sql.into(), given).await?;
    }
    Ok(())
}

async fn retire<D: Transactions>(
    register: &Register,
    db: &mut D,
    purpose: Purpose,
    new: KeyTreeId,
    despite_holds: Option<Reason>,
) -> Result<(Vec<KeyTreeId>, Commit), RegisterError> {
    schema::check(register, db).await?;
    agreed::up_to_date(register, db).await?;
    let mut overridden = Vec::new();
    if let Some(why) = &despite_holds {
        let standing = in_purpose(register, db, purpose).await?;
        overridden = standing.override_all(register, db, &label("retire_replaced")?, why).await?;
    }
    in_purpose(register, db, purpose).await?.check(&overridden)?;
    // The register's own values too. Durably before the trees are given up: a process that is killed between the two would lose them. What was
    // sealed under the old trees meanwhile is sealed anew below.
    db.begin().await?;
    whose::renew(register, db, purpose).await?;
    db.commit().await?;
    db.begin().await?;
    // Against holds that are placed meanwhile, on whomever. SQLite's transaction has the whole file.
    if D::DIALECT != Dialect::Sqlite {
        db.run("LOCK TABLE oubliette_holds IN SHARE ROW EXCLUSIVE MODE", values![]).await?;
    }
    in_purpose(register, db, purpose).await?.check(&overridden)?;
    whose::renew(register, db, purpose).await?;
    register.step("retire key trees")?;
    let retired = register.vault.retire_replaced(purpose, new)?;
    register.step("record that key trees are given up")?;
    db.commit().await?;
    outbox::flush_if_possible(register, db).await;
    Ok(retired)
}

/// The holds on customers who have a number left in a purpose.
async fn in_purpose<D: Database>(register: &Register, db: &mut D, purpose: Purpose) -> Result<Standing, RegisterError> {
    const STANDING: &str = "SELECT h.id, h.until FROM oubliette_holds h \
        WHERE h.ended_at IS NULL AND h.until > ?1 AND (h.purpose IS NULL OR h.purpose = ?2) AND EXISTS \
            (SELECT 1 FROM oubliette_numbers n WHERE n.subject_id = h.subject_id AND n.purpose = ?2 \
                AND n.state <> 'shredded')";
    let mut standing = Standing::default();
    for row in db.rows(STANDING, values![register.now().as_millisecond(), purpose.name()]).await? {
        standing.holds.insert(row.integer(0)?, until(&row)?);
    }
    Ok(standing)
}
