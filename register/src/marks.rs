//! What happened in the application that retention counts from: the last order, the end of a contract.

use jiff::Timestamp;

use super::database::{Database, values};
use super::error::RegisterError;
use super::grants;
use super::names::is_name;
use super::operations::in_transaction;
use super::register::Register;
use super::subject::Subject;

in_transaction! {
    /// Records when something happened that a [rule](crate::Keep) counts from. For each name the register keeps the
    /// latest time.
    ///
    /// # Errors
    /// [`RegisterError::UnknownSubject`] if the customer never had a grant, [`RegisterError::BeingErased`].
    write fn mark(subject: &Subject, what: &str, at: Timestamp) -> () = note;
}

async fn note<D: Database>(
    register: &Register,
    db: &mut D,
    subject: &Subject,
    what: &str,
    at: Timestamp,
) -> Result<(), RegisterError> {
    if !is_name(what) {
        return Err(RegisterError::Invalid { what: "a mark has 1 to 64 bytes and no control characters" });
    }
    let subject = grants::lock_living(register, db, subject).await?;
    const MARK: &str = "INSERT INTO oubliette_marks (subject_id, what, at) VALUES (?1, ?2, ?3) \
        ON CONFLICT (subject_id, what) DO UPDATE SET at = excluded.at WHERE excluded.at > oubliette_marks.at";
    db.run(MARK, values![subject, what, at.as_millisecond()]).await?;
    Ok(())
}
