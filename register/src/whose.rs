//! Whose a number is, in words that only the vault can write: the customer's id, and those of whoever was merged into them, sealed under the
//! number itself.
//!
//! Whoever can write the register's tables can put a number beside another id, have that one erased, and put it back: the receipt would be
//! true of somebody else. What is sealed here names the id that the number was issued for. Without the vault's keys nobody can write it, nor
//! take it over from another number; and it dies with the number's shred, where a hash that stayed would name the erased again.

use oubliette::personal::{Invalid, Padding, PersonalData, Plaintext, TypeTag};
use oubliette::{CustomerId, Field, KeyStoreError, OpenError, Purpose, SealError, Sealed};
use zeroize::Zeroizing;

use super::damaged;
use super::database::{Database, Row, values};
use super::error::RegisterError;
use super::grants::stored;
use super::register::Register;
use super::subject::Subject;

const LABEL: &str = "register.subject";

/// A customer's numbers, each with the row's id and whose it is.
const THEIRS: &str = "SELECT s.subject, n.number, n.purpose, n.whose FROM oubliette_numbers n \
    JOIN oubliette_subjects s ON s.id = n.subject_id WHERE s.id = ?1";

/// A customer's ids, as they are sealed: one a line.
struct Id(Zeroizing<String>);

impl PersonalData for Id {
    const TAG: TypeTag = TypeTag::new("register.subject");
    const PADDING: Padding = Padding::steps_of(32);

    fn size_hint(&self) -> usize {
        self.0.len()
    }

    fn encode(&self, out: &mut Plaintext) {
        out.extend(self.0.as_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Id, Invalid> {
        let id = std::str::from_utf8(bytes).map_err(|_| Invalid::Content)?;
        Ok(Id(Zeroizing::new(id.to_owned())))
    }
}

fn field(purpose: Purpose) -> Result<Field<Id>, RegisterError> {
    purpose.try_field(LABEL).map_err(|_| KeyStoreError::Bug("the register's own label").into())
}

/// The ids, sealed under a number of the customer's, for the number's row: the customer's own, and those of whoever was merged into them.
pub(crate) fn seal(
    register: &Register,
    number: CustomerId,
    purpose: Purpose,
    ids: &[String],
) -> Result<String, RegisterError> {
    // No id has a control character.
    let ids = Id(Zeroizing::new(ids.join("\n")));
    let sealed = register.vault.seal(number, field(purpose)?, &ids).map_err(|error| match error {
        SealError::KeyStore(error) => error.into(),
        SealError::PurposeNotUnlocked { purpose } => RegisterError::PurposeNotUnlocked { purpose: purpose.to_owned() },
        SealError::Shredded { .. } => RegisterError::NeedsReconcile,
        _ => RegisterError::NotOurs { what: "a number that the vault never issued" },
    })?;
    Ok(sealed.to_string())
}

/// What is known of whose a number is.
enum Known {
    /// It was issued for these ids, which are one customer's.
    For(Vec<String>),
    /// The vault has shredded it: it is nobody's any more, and tells nothing.
    Shredded,
    /// Nothing that the vault sealed says it.
    Nothing,
}

fn known(
    register: &Register,
    number: CustomerId,
    purpose: Purpose,
    whose: Option<&str>,
) -> Result<Known, RegisterError> {
    let unless_shredded = || Ok(if is_shredded(register, number, purpose)? { Known::Shredded } else { Known::Nothing });
    let sealed = whose.and_then(|whose| whose.parse::<Sealed<Id>>().ok());
    let Some(sealed) = sealed else { return unless_shredded() };
    match register.vault.open(number, field(purpose)?, &sealed) {
        Ok(ids) => Ok(Known::For(ids.0.split('\n').map(str::to_owned).collect())),
        Err(OpenError::Shredded { .. }) => Ok(Known::Shredded),
        // Whoever has an old copy of the row can put it beside any id: it proves nothing any more.
        Err(OpenError::Retired { .. }) => unless_shredded(),
        Err(OpenError::KeyStore(error)) => Err(error.into()),
        // Nobody but this vault can have written it, in a state that is gone: not the row went wrong, the vault did.
        Err(OpenError::NotOfThisHistory { have, seen, .. }) => Err(KeyStoreError::RolledBack { have, seen }.into()),
        Err(OpenError::PurposeNotUnlocked { purpose }) => {
            Err(RegisterError::PurposeNotUnlocked { purpose: purpose.to_owned() })
        }
        // Of another number, damaged, or made up.
        Err(_) => Ok(Known::Nothing),
    }
}

impl Known {
    /// Whether it is this customer's.
    fn is_of(&self, id: &str) -> bool {
        match self {
            Known::For(ids) => ids.iter().any(|known| known == id),
            Known::Shredded => true,
            Known::Nothing => false,
        }
    }
}

fn is_shredded(register: &Register, number: CustomerId, purpose: Purpose) -> Result<bool, RegisterError> {
    Ok(!register.vault.shredded_among(purpose, [number])?.is_empty())
}

/// Refuses a number that was not issued for all these ids: the one of the row it stands beside, and the one that was asked for. A row says of an
/// id whom it was merged into, and whoever can write it can say so of any.
pub(crate) fn check_one(
    register: &Register,
    number: CustomerId,
    purpose: Purpose,
    whose: Option<&str>,
    ids: [&Subject; 2],
) -> Result<(), RegisterError> {
    let known = known(register, number, purpose, whose)?;
    if ids.iter().all(|id| known.is_of(id.as_str())) { Ok(()) } else { Err(RegisterError::NotTheirs) }
}

/// Refuses a customer who has a number that was issued for another id than the row's, or than the one that was asked for; of one purpose, or of
/// all. Gives the numbers, which were read at once with whose they are: a second look may be shown other rows.
pub(crate) async fn check<D: Database>(
    register: &Register,
    db: &mut D,
    owner: i64,
    only: Option<Purpose>,
    asked: Option<&Subject>,
) -> Result<Vec<CustomerId>, RegisterError> {
    let mut numbers = Vec::new();
    for row in db.rows(THEIRS, values![owner]).await? {
        let number = Named::read(&row)?;
        if only.is_some_and(|only| only.name() != number.purpose) {
            continue;
        }
        if !number.is_theirs(register)? || !asked.map_or(Ok(true), |asked| number.is_of(register, asked))? {
            return Err(RegisterError::NotTheirs);
        }
        numbers.push(number.number);
    }
    Ok(numbers)
}

/// The ids that a new number of a customer's is issued for: those of their other numbers. Of whoever has none that is left, the row's and those that
/// were merged into it.
pub(crate) async fn ids_for<D: Database>(
    register: &Register,
    db: &mut D,
    owner: i64,
    row: &Subject,
    asked: &Subject,
) -> Result<Vec<String>, RegisterError> {
    const LEFT: &str = "SELECT s.subject, n.number, n.purpose, n.whose FROM oubliette_numbers n \
        JOIN oubliette_subjects s ON s.id = n.subject_id WHERE s.id = ?1 AND n.state <> 'shredded'";
    let mut one_cannot_tell = false;
    for one in db.rows(LEFT, values![owner]).await? {
        let number = Named::read(&one)?;
        // Nobody can ask of a purpose that is not unlocked.
        if register.vault.purpose_named(number.purpose)?.is_none() {
            one_cannot_tell = true;
            continue;
        }
        match number.known(register)? {
            Known::For(ids) => {
                let is_theirs = [row, asked].iter().all(|id| ids.iter().any(|known| known == id.as_str()));
                return if is_theirs { Ok(ids) } else { Err(RegisterError::NotTheirs) };
            }
            Known::Shredded => {}
            Known::Nothing => one_cannot_tell = true,
        }
    }
    let mut ids = vec![row.as_str().to_owned()];
    // A number that cannot tell now may know better than the table: of that only the id that was asked for is taken.
    ids.extend(merged_into(db, owner).await?.into_iter().filter(|id| !one_cannot_tell || id == asked.as_str()));
    if ids.iter().any(|id| id == asked.as_str()) { Ok(ids) } else { Err(RegisterError::NotTheirs) }
}

/// Whom the table says were merged into a customer: to be believed only where no number is left that says it. A merge gives all numbers to whoever
/// stays, so whoever still owns one was not merged.
async fn merged_into<D: Database>(db: &mut D, owner: i64) -> Result<Vec<String>, RegisterError> {
    const MERGED: &str = "SELECT o.subject FROM oubliette_subjects o WHERE o.merged_into = ?1 AND o.subject IS NOT NULL \
        AND NOT EXISTS (SELECT 1 FROM oubliette_numbers n WHERE n.subject_id = o.id)";
    let rows = db.rows(MERGED, values![owner]).await?;
    rows.iter().map(|row| row.text(0).map(str::to_owned)).collect()
}

/// Whether all numbers of a customer were issued for the id they stand beside.
pub(crate) async fn are_theirs<D: Database>(
    register: &Register,
    db: &mut D,
    owner: i64,
) -> Result<bool, RegisterError> {
    match check(register, db, owner, None, None).await {
        Ok(_) => Ok(true),
        Err(RegisterError::NotTheirs) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Numbers that were issued for others than the ids they stand beside, among all; how many were looked at; and whether those of some purpose
/// could not be.
pub(crate) async fn strangers<D: Database>(
    register: &Register,
    db: &mut D,
) -> Result<(Vec<CustomerId>, u64, Result<(), RegisterError>), RegisterError> {
    const ALL: &str = "SELECT s.subject, n.number, n.purpose, n.whose FROM oubliette_numbers n \
        LEFT JOIN oubliette_subjects s ON s.id = n.subject_id WHERE n.number > ?1 ORDER BY n.number LIMIT 2000";
    let (mut strangers, mut after, mut seen, mut first) = (Vec::new(), 0, 0_u64, Ok(()));
    loop {
        let rows = db.rows(ALL, values![after]).await?;
        for row in &rows {
            // `damaged_rows` names those that cannot be read.
            let Ok(number) = Named::read(row) else { continue };
            match number.is_theirs(register) {
                Ok(true) => seen = seen.saturating_add(1),
                Ok(false) => {
                    seen = seen.saturating_add(1);
                    strangers.push(number.number);
                }
                Err(error @ RegisterError::PurposeNotUnlocked { .. }) => first = first.and(Err(error)),
                Err(error) => return Err(error),
            }
        }
        match damaged::next(&rows, 1) {
            Some(last) => after = last,
            None => return Ok((strangers, seen, first)),
        }
    }
}

/// Before a merge: whom the table says were merged into one of the two, if no number of theirs says so any more.
pub(crate) async fn merged_before<D: Database>(
    register: &Register,
    db: &mut D,
    owner: i64,
) -> Result<Vec<String>, RegisterError> {
    for row in db.rows(THEIRS, values![owner]).await? {
        if let Known::For(_) = Named::read(&row)?.known(register)? {
            return Ok(Vec::new());
        }
    }
    merged_into(db, owner).await
}

/// After a merge: all numbers of the one who stays are sealed for the ids of both, and for those that were [merged before](merged_before). Those that
/// the vault has shredded tell nothing, and stay.
pub(crate) async fn take_over<D: Database>(
    register: &Register,
    db: &mut D,
    kept: i64,
    gone: i64,
    others: Vec<String>,
) -> Result<(), RegisterError> {
    let mut ids: Vec<String> = Vec::new();
    for id in [kept, gone] {
        let rows = db.rows("SELECT subject FROM oubliette_subjects WHERE id = ?1", values![id]).await?;
        ids.push(rows.first().ok_or(RegisterError::UnknownSubject)?.text(0)?.to_owned());
    }
    let rows = db.rows(THEIRS, values![kept]).await?;
    let mut left = Vec::new();
    for row in &rows {
        let number = Named::read(row)?;
        match number.known(register)? {
            Known::For(known) => ids.extend(known),
            // Neither is what the vault has shredded past the register sealed anew: that is for `reconcile`.
            Known::Shredded => continue,
            Known::Nothing => return Err(RegisterError::NotTheirs),
        }
        left.push(number);
    }
    ids.extend(others);
    let mut seen = std::collections::HashSet::new();
    ids.retain(|id| seen.insert(id.clone()));
    for number in left {
        number.seal_for(register, db, &ids).await?;
    }
    Ok(())
}

/// Before a purpose's old key trees are given up: what is sealed under them is sealed anew, where it is theirs. What is not is left to be found.
pub(crate) async fn renew<D: Database>(register: &Register, db: &mut D, purpose: Purpose) -> Result<(), RegisterError> {
    each_left(register, db, async |register, db, number| {
        let sealed = number.whose.and_then(|whose| whose.parse::<Sealed<Id>>().ok());
        let (Some(sealed), true) = (sealed, number.purpose == purpose.name()) else { return Ok(()) };
        if register.vault.needs_reseal(&sealed)?
            && number.is_theirs(register)?
            && let Known::For(ids) = number.known(register)?
        {
            number.seal_for(register, db, &ids).await?;
        }
        Ok(())
    })
    .await
}

/// By an operator's word: numbers that were sealed under key trees that are given up, as in a database from before that, are theirs beside whose
/// ids they stand.
pub(crate) async fn accept_retired<D: Database>(register: &Register, db: &mut D) -> Result<(), RegisterError> {
    each_left(register, db, async |register, db, number| {
        let Some(sealed) = number.whose.and_then(|whose| whose.parse::<Sealed<Id>>().ok()) else { return Ok(()) };
        let purpose = number.unlocked(register)?;
        match register.vault.open(number.number, field(purpose)?, &sealed) {
            Err(OpenError::Retired { .. }) => number.seal_by_the_table(register, db).await,
            _ => Ok(()),
        }
    })
    .await
}

/// All numbers that were not shredded, one after the other.
async fn each_left<D: Database>(
    register: &Register,
    db: &mut D,
    mut each: impl AsyncFnMut(&Register, &mut D, &Named<'_>) -> Result<(), RegisterError>,
) -> Result<(), RegisterError> {
    const LEFT: &str = "SELECT s.subject, n.number, n.purpose, n.whose FROM oubliette_numbers n \
        JOIN oubliette_subjects s ON s.id = n.subject_id \
        WHERE n.number > ?1 AND n.state <> 'shredded' AND s.subject IS NOT NULL ORDER BY n.number LIMIT 2000";
    let mut after = 0;
    loop {
        let rows = db.rows(LEFT, values![after]).await?;
        for row in &rows {
            let Ok(number) = Named::read(row) else { continue };
            each(register, db, &number).await?;
        }
        match damaged::next(&rows, 1) {
            Some(last) => after = last,
            None => return Ok(()),
        }
    }
}

/// A number's row, with the id it stands beside: none of an erased customer.
struct Named<'r> {
    subject: Option<&'r str>,
    number: CustomerId,
    purpose: &'r str,
    whose: Option<&'r str>,
}

impl Named<'_> {
    async fn seal_for<D: Database>(
        &self,
        register: &Register,
        db: &mut D,
        ids: &[String],
    ) -> Result<(), RegisterError> {
        // One that the vault has shredded past the register is for `reconcile`.
        if is_shredded(register, self.number, self.unlocked(register)?)? {
            return Ok(());
        }
        let whose = seal(register, self.number, self.unlocked(register)?, ids)?;
        let update = "UPDATE oubliette_numbers SET whose = ?2 WHERE number = ?1";
        db.run(update, values![self.number.to_stored(), whose]).await.map(drop)
    }

    /// For the id it stands beside, and for those that the table says were merged into it.
    async fn seal_by_the_table<D: Database>(&self, register: &Register, db: &mut D) -> Result<(), RegisterError> {
        let Some(subject) = self.subject else { return Ok(()) };
        let mut ids = vec![subject.to_owned()];
        const OTHERS: &str = "SELECT o.subject FROM oubliette_subjects o JOIN oubliette_subjects s ON s.id = o.merged_into \
            WHERE s.subject = ?1 AND o.subject IS NOT NULL";
        for row in db.rows(OTHERS, values![subject]).await? {
            ids.push(row.text(0)?.to_owned());
        }
        self.seal_for(register, db, &ids).await
    }

    fn known(&self, register: &Register) -> Result<Known, RegisterError> {
        known(register, self.number, self.unlocked(register)?, self.whose)
    }

    fn is_of(&self, register: &Register, id: &Subject) -> Result<bool, RegisterError> {
        Ok(self.known(register)?.is_of(id.as_str()))
    }

    fn read(row: &Row) -> Result<Named<'_>, RegisterError> {
        let (subject, number) = (row.maybe_text(0)?, stored(row.integer(1)?)?);
        Ok(Named { subject, number, purpose: row.text(2)?, whose: row.maybe_text(3)? })
    }

    fn unlocked(&self, register: &Register) -> Result<Purpose, RegisterError> {
        let known = register.vault.purpose_named(self.purpose)?;
        known.ok_or_else(|| RegisterError::PurposeNotUnlocked { purpose: self.purpose.to_owned() })
    }

    fn is_theirs(&self, register: &Register) -> Result<bool, RegisterError> {
        match self.subject {
            Some(subject) => Ok(self.known(register)?.is_of(subject)),
            // Whoever is erased has nothing that is not shredded.
            None => is_shredded(register, self.number, self.unlocked(register)?),
        }
    }
}
