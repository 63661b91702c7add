//! Whose a number is, in words that only the vault can write: the customer's id, sealed under the number itself.
//!
//! Whoever can write the register's tables can put a number beside another id, have that one erased, and put it back: the receipt would be
//! true of somebody else. What is sealed here names the id that the number was issued for. Without the vault's keys nobody can write it, nor
//! take it over from another number; and it dies with the number's shred, where a hash that stayed would name the erased again.

use oubliette::personal::{InvalidContent, Padding, PersonalData, Plaintext, TypeTag};
use oubliette::{CustomerId, Field, KeyStoreError, OpenError, Purpose, SealError, Sealed};
use zeroize::Zeroizing;

use super::database::{Database, Row, values};
use super::error::RegisterError;
use super::grants::stored;
use super::register::Register;
use super::subject::{self, Subject};

const LABEL: &str = "register.subject";

/// A customer's id, as it is sealed.
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

    fn decode(bytes: &[u8]) -> Result<Id, InvalidContent> {
        let id = std::str::from_utf8(bytes).map_err(|_| InvalidContent::default())?;
        Ok(Id(Zeroizing::new(id.to_owned())))
    }
}

fn field(purpose: Purpose) -> Result<Field<Id>, RegisterError> {
    purpose.try_field(LABEL).map_err(|_| KeyStoreError::Bug("the register's own label").into())
}

/// The id, sealed under a number of the customer's, for the number's row.
pub(crate) fn seal(
    register: &Register,
    number: CustomerId,
    purpose: Purpose,
    subject: &str,
) -> Result<String, RegisterError> {
    let id = Id(Zeroizing::new(subject.to_owned()));
    let sealed = register.vault.seal(number, field(purpose)?, &id).map_err(|error| match error {
        SealError::KeyStore(error) => error.into(),
        SealError::PurposeNotUnlocked { purpose } => RegisterError::PurposeNotUnlocked { purpose: purpose.to_owned() },
        SealError::Shredded { .. } => RegisterError::NeedsReconcile,
        _ => RegisterError::NotOurs { what: "a number that the vault never issued" },
    })?;
    Ok(sealed.to_string())
}

/// Whether a number was issued for this id. One that the vault has shredded is nobody's any more, and tells nothing.
fn is_of(
    register: &Register,
    number: CustomerId,
    purpose: Purpose,
    whose: Option<&str>,
    subject: &str,
) -> Result<bool, RegisterError> {
    let sealed = whose.and_then(|whose| whose.parse::<Sealed<Id>>().ok());
    let Some(sealed) = sealed else { return is_shredded(register, number, purpose) };
    match register.vault.open(number, field(purpose)?, &sealed) {
        Ok(id) => Ok(id.0.as_str() == subject),
        Err(OpenError::Shredded { .. }) => Ok(true),
        // Whoever has an old copy of the row can put it beside any id: it proves nothing any more.
        Err(OpenError::Retired { .. }) => is_shredded(register, number, purpose),
        Err(OpenError::KeyStore(error)) => Err(error.into()),
        // Nobody but this vault can have written it, in a state that is gone: not the row went wrong, the vault did.
        Err(OpenError::NotOfThisHistory { have, seen, .. }) => Err(KeyStoreError::RolledBack { have, seen }.into()),
        Err(OpenError::PurposeNotUnlocked { purpose }) => {
            Err(RegisterError::PurposeNotUnlocked { purpose: purpose.to_owned() })
        }
        // Of another number, damaged, or made up.
        Err(_) => Ok(false),
    }
}

fn is_shredded(register: &Register, number: CustomerId, purpose: Purpose) -> Result<bool, RegisterError> {
    Ok(!register.vault.shredded_among(purpose, [number])?.is_empty())
}

/// Refuses a number that was issued for another id.
pub(crate) fn check_one(
    register: &Register,
    number: CustomerId,
    purpose: Purpose,
    whose: Option<&str>,
    subject: &Subject,
) -> Result<(), RegisterError> {
    match is_of(register, number, purpose, whose, subject.as_str())? {
        true => Ok(()),
        false => Err(RegisterError::NotTheirs),
    }
}

/// Refuses a customer who has a number that was issued for another id; of one purpose, or of all.
pub(crate) async fn check<D: Database>(
    register: &Register,
    db: &mut D,
    owner: i64,
    only: Option<Purpose>,
) -> Result<(), RegisterError> {
    const THEIRS: &str = "SELECT s.subject, n.number, n.purpose, n.whose FROM oubliette_numbers n \
        JOIN oubliette_subjects s ON s.id = n.subject_id WHERE s.id = ?1";
    for row in db.rows(THEIRS, values![owner]).await? {
        let number = Named::read(&row)?;
        if only.is_none_or(|only| only.name() == number.purpose) && !number.is_theirs(register)? {
            return Err(RegisterError::NotTheirs);
        }
    }
    Ok(())
}

/// Whether all numbers of a customer were issued for the id they stand beside.
pub(crate) async fn are_theirs<D: Database>(
    register: &Register,
    db: &mut D,
    owner: i64,
) -> Result<bool, RegisterError> {
    match check(register, db, owner, None).await {
        Ok(()) => Ok(true),
        Err(RegisterError::NotTheirs) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Numbers that were issued for others than the ids they stand beside, among all; and how many were looked at.
pub(crate) async fn strangers<D: Database>(
    register: &Register,
    db: &mut D,
) -> Result<(Vec<CustomerId>, u64), RegisterError> {
    const ALL: &str = "SELECT s.subject, n.number, n.purpose, n.whose FROM oubliette_numbers n \
        LEFT JOIN oubliette_subjects s ON s.id = n.subject_id WHERE n.number > ?1 ORDER BY n.number LIMIT 2000";
    let (mut strangers, mut after, mut seen) = (Vec::new(), 0, 0_u64);
    loop {
        let rows = db.rows(ALL, values![after]).await?;
        let Some(last) = rows.last() else { return Ok((strangers, seen)) };
        after = last.integer(1)?;
        seen = seen.saturating_add(u64::try_from(rows.len()).unwrap_or(u64::MAX));
        for row in &rows {
            let number = Named::read(row)?;
            if !number.is_theirs(register)? {
                strangers.push(number.number);
            }
        }
    }
}

/// After a merge: numbers of whom was merged are sealed for the one who stays. Those that the vault has shredded tell nothing, and stay.
pub(crate) async fn take_over<D: Database>(register: &Register, db: &mut D, kept: i64) -> Result<(), RegisterError> {
    const THEIRS: &str = "SELECT s.subject, n.number, n.purpose, n.whose FROM oubliette_numbers n \
        JOIN oubliette_subjects s ON s.id = n.subject_id WHERE s.id = ?1";
    for row in db.rows(THEIRS, values![kept]).await? {
        let number = Named::read(&row)?;
        if number.is_theirs(register)? {
            continue;
        }
        let subject = subject::stored(row.text(0)?)?;
        let whose = seal(register, number.number, number.unlocked(register)?, subject.as_str())?;
        let update = "UPDATE oubliette_numbers SET whose = ?2 WHERE number = ?1";
        db.run(update, values![number.number.to_stored(), whose]).await?;
    }
    Ok(())
}

/// Before a purpose's old key trees are given up: what is sealed under them is sealed anew, where it is theirs. What is not is left to be found.
pub(crate) async fn renew<D: Database>(register: &Register, db: &mut D, purpose: Purpose) -> Result<(), RegisterError> {
    each_left(register, db, async |register, db, number| {
        let sealed = number.whose.and_then(|whose| whose.parse::<Sealed<Id>>().ok());
        let (Some(sealed), true) = (sealed, number.purpose == purpose.name()) else { return Ok(()) };
        if register.vault.needs_reseal(&sealed)? && number.is_theirs(register)? {
            number.seal_anew(register, db).await?;
        }
        Ok(())
    })
    .await
}

/// By an operator's word: numbers that were sealed under key trees that are given up, as in a database from before that, are theirs beside whose
/// ids they stand.
pub(crate) async fn accept_retired<D: Database>(register: &Register, db: &mut D) -> Result<(), RegisterError> {
    each_left(register, db, async |register, db, number| {
        let (sealed, purpose) =
            (number.whose.and_then(|whose| whose.parse::<Sealed<Id>>().ok()), number.unlocked(register)?);
        let Some(sealed) = sealed else { return Ok(()) };
        match register.vault.open(number.number, field(purpose)?, &sealed) {
            Err(OpenError::Retired { .. }) => number.seal_anew(register, db).await,
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
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.integer(1)?;
        for row in &rows {
            each(register, db, &Named::read(row)?).await?;
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
    async fn seal_anew<D: Database>(&self, register: &Register, db: &mut D) -> Result<(), RegisterError> {
        let Some(subject) = self.subject else { return Ok(()) };
        // One that the vault has shredded past the register is for `reconcile`.
        if is_shredded(register, self.number, self.unlocked(register)?)? {
            return Ok(());
        }
        let whose = seal(register, self.number, self.unlocked(register)?, subject)?;
        let update = "UPDATE oubliette_numbers SET whose = ?2 WHERE number = ?1";
        db.run(update, values![self.number.to_stored(), whose]).await.map(drop)
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
        let purpose = self.unlocked(register)?;
        match self.subject {
            Some(subject) => is_of(register, self.number, purpose, self.whose, subject),
            // Whoever is erased has nothing that is not shredded.
            None => is_shredded(register, self.number, purpose),
        }
    }
}
