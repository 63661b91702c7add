//! Who receives data: their keys, how they are told of an erasure, and what they had.

use std::collections::BTreeMap;

use jiff::Timestamp;
use oubliette::journal::Label;

use crate::database::{Database, values};
use crate::error::RegisterError;
use crate::grants::{self, time};
use crate::names::is_name;
use crate::operations::in_transaction;
use crate::register::Register;
use crate::schema;
use crate::subject::Subject;

/// A recipient of a customer's data.
///
/// [The guide](crate::guide) has an example.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Received {
    /// The recipient, as its grants name it.
    pub recipient: String,
    /// The text from `describe_recipient`, such as an address.
    pub about: Option<String>,
    /// When it last received something.
    pub last: Timestamp,
    /// What it received: for each purpose the columns, as `table.column`.
    pub fields: BTreeMap<String, Vec<String>>,
}

in_transaction! {
    /// Describes a recipient, and how to tell it of an erasure: an address, a contract. Never write about customers
    /// here.
    ///
    /// # Errors
    /// [`RegisterError::Invalid`] if the name is invalid; [`RegisterError::OtherVault`].
    write fn describe_recipient(recipient: &str, about: &str) -> () = describe;

    /// Lists who received data of a customer. They must be told when the data is erased or corrected (Art. 19 GDPR).
    /// Ask before you erase: afterwards the register no longer knows whose the disclosures were.
    ///
    /// # Errors
    /// [`RegisterError::UnknownSubject`].
    read fn recipients_of(subject: &Subject) -> Vec<Received> = recipients_of;
}

#[cfg(feature = "age")]
in_transaction! {
    /// Records the public key that disclosures to a recipient are encrypted to: an X25519 key of age (`age1...`). It
    /// replaces the previous key, and the journal notes it.
    ///
    /// Everybody who can write to the database can put another key there. Compare the key with the journal's note, or
    /// ask the recipient.
    ///
    /// # Errors
    /// [`RegisterError::Invalid`] if the name or the key is invalid; [`RegisterError::OtherVault`].
    write fn set_key(recipient: &str, public_key: &str) -> () = set_key;
}

const BAD_NAME: RegisterError =
    RegisterError::Invalid { what: "a recipient's name has 1 to 64 bytes and no control characters" };

/// A name as the journal keeps it.
pub(super) fn label(name: &str) -> Result<Label, RegisterError> {
    Label::new(name).map_err(|_| BAD_NAME)
}

fn check(name: &str) -> Result<(), RegisterError> {
    if is_name(name) { Ok(()) } else { Err(BAD_NAME) }
}

async fn describe<D: Database>(
    register: &Register,
    db: &mut D,
    recipient: &str,
    about: &str,
) -> Result<(), RegisterError> {
    check(recipient)?;
    const DESCRIBE: &str = "INSERT INTO oubliette_recipients (recipient, about, since) VALUES (?1, ?2, ?3) \
        ON CONFLICT (recipient) DO UPDATE SET about = excluded.about";
    db.run(DESCRIBE, values![recipient, about, register.now().as_millisecond()]).await?;
    schema::check(register, db).await
}

#[cfg(feature = "age")]
async fn set_key<D: Database>(
    register: &Register,
    db: &mut D,
    recipient: &str,
    public_key: &str,
) -> Result<(), RegisterError> {
    use crate::outbox;
    use oubliette::journal::{Event, Reason};

    check(recipient)?;
    super::encrypt::check(public_key)
        .map_err(|_| RegisterError::Invalid { what: "not an X25519 public key of age's, which begins with `age1`" })?;
    const SET: &str = "INSERT INTO oubliette_recipients (recipient, public_key, since) VALUES (?1, ?2, ?3) \
        ON CONFLICT (recipient) DO UPDATE SET public_key = excluded.public_key";
    let now = register.now();
    db.run(SET, values![recipient, public_key, now.as_millisecond()]).await?;
    schema::check(register, db).await?;
    let text = Reason::new(format!("{recipient} has the public key {public_key}")).map_err(|_| BAD_NAME)?;
    outbox::tell(db, now, &Event::Note { text }).await
}

#[cfg(feature = "age")]
pub(super) async fn key_of<D: Database>(db: &mut D, recipient: &str) -> Result<Option<String>, RegisterError> {
    const KEY: &str = "SELECT public_key FROM oubliette_recipients WHERE recipient = ?1";
    let rows = db.rows(KEY, values![recipient]).await?;
    Ok(rows.first().map(|row| row.maybe_text(0)).transpose()?.flatten().map(str::to_owned))
}

async fn recipients_of<D: Database>(
    _: &Register,
    db: &mut D,
    subject: &Subject,
) -> Result<Vec<Received>, RegisterError> {
    const DISCLOSED: &str = "SELECT d.recipient, r.about, d.at, d.purpose, d.fields FROM oubliette_disclosures d \
        LEFT JOIN oubliette_recipients r ON r.recipient = d.recipient \
        WHERE d.subject_id IN (SELECT id FROM oubliette_subjects WHERE id = ?1 OR merged_into = ?1) \
        ORDER BY d.recipient, d.at, d.id";
    let found = grants::find(db, subject).await?.ok_or(RegisterError::UnknownSubject)?;
    let mut received: Vec<Received> = Vec::new();
    for row in db.rows(DISCLOSED, values![found.id]).await? {
        let (recipient, last) = (row.text(0)?, time(row.integer(2)?)?);
        if received.last().is_none_or(|before| before.recipient != recipient) {
            let about = row.maybe_text(1)?.map(str::to_owned);
            received.push(Received { recipient: recipient.to_owned(), about, last, fields: BTreeMap::new() });
        }
        let Some(this) = received.last_mut() else { continue };
        this.last = last;
        let not_ours = |_| RegisterError::NotOurs { what: "a text where JSON belongs" };
        let columns: Vec<String> = serde_json::from_str(row.text(4)?).map_err(not_ours)?;
        let known = this.fields.entry(row.text(3)?.to_owned()).or_default();
        known.extend(columns);
        known.sort();
        known.dedup();
    }
    Ok(received)
}
