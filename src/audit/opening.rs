//! What the entries of an audit's file tell.

use std::borrow::Borrow;

use crate::journal::{Entry, Event, EventId, Label, Numbers, OpeningResult, Reason, Time};

/// Ends the note of what was lost.
pub(crate) const NOT_NOTED: &str = "openings were not noted";

/// Bytes of an entry's id that the entries of one batch have in common: the writer's, then the batch's number.
const BATCH: usize = 12;

/// The id of one entry of a batch: the writer's, the batch's number, the place among its entries.
pub(crate) fn entry_id(writer: [u8; 8], batch: u64, place: u32) -> EventId {
    let mut id = [0; 16];
    let batch = batch.to_be_bytes().into_iter().skip(4);
    for (byte, part) in id.iter_mut().zip(writer.into_iter().chain(batch).chain(place.to_be_bytes())) {
        *byte = part;
    }
    EventId::from_bytes(id)
}

/// Which batch an entry belongs to.
fn batch_of(id: EventId) -> [u8; BATCH] {
    let mut batch = [0; BATCH];
    batch.iter_mut().zip(id.to_bytes()).for_each(|(byte, part)| *byte = part);
    batch
}

/// What an [`AuditFile`](super::AuditFile) tells, entry by entry. From [`openings`].
///
/// [`AuditFile`](super::AuditFile) has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Opening {
    /// Values of a field were opened, refused by the limits, or did not open.
    #[non_exhaustive]
    Noted {
        /// The second.
        at: Time,
        /// Who opened.
        who: Reason,
        /// What for.
        why: Reason,
        /// The field's purpose.
        purpose: Label,
        /// The field's label.
        field: Label,
        /// What it came to.
        result: OpeningResult,
        /// How many openings these are.
        count: u64,
        /// Whose values.
        numbers: Numbers,
    },
    /// Openings that were not noted: anybody's, of anything.
    #[non_exhaustive]
    NotNoted {
        /// From when; `None`: since before the file's first entry.
        from: Option<Time>,
        /// Until when.
        until: Time,
    },
}

/// What the entries of an [`AuditFile`](super::AuditFile) tell, given all of them in order: what was noted, and when openings may
/// be missing, because the buffer was full or the process was killed while it wrote.
///
/// ```
/// use oubliette::audit::{Audit, AuditFile, Opening, openings};
/// use oubliette::{Field, Limits, Purpose, RootKey, Vault, journal, personal::Email};
/// const ORDERS: Purpose = Purpose::new("orders");
/// const EMAIL: Field<Email> = ORDERS.field("email");
///
/// # let place = tempfile::tempdir()?;
/// # let (directory, path) = (place.path().join("privacy"), place.path().join("openings"));
/// let vault = Vault::at(&directory).purposes([ORDERS]).create(RootKey::bytes([7; 32]))?;
/// let audit = Audit::to(AuditFile::create(&path, &vault)?).start()?;
/// # let alice = vault.enroll()?;
/// # let email = vault.seal(alice, EMAIL, &"alice@example.com".parse()?)?;
/// let desk = vault.reader(Limits::everything()).audited(&audit, "support desk".parse()?, "ticket 4711".parse()?);
/// let _ = desk.open(alice, EMAIL, &email)?;
/// audit.flush()?;
///
/// let entries: Vec<_> = journal::entries(&path, &vault.public_key()?)?.collect::<Result<_, _>>()?;
/// for opening in openings(&entries) {
///     if let Opening::Noted { at, who, numbers, .. } = opening {
///         assert!(who.as_str() == "support desk" && numbers.contains(alice), "at {at}");
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn openings<E: Borrow<Entry>>(entries: impl IntoIterator<Item = E>) -> impl Iterator<Item = Opening> {
    let mut before = None;
    // The entries of one batch stand together; what it lost was lost since its first opening.
    let mut batch: Option<([u8; BATCH], Time)> = None;
    entries.into_iter().filter_map(move |entry| {
        let entry = entry.borrow();
        let until = entry.at();
        let id = entry.id().map(batch_of);
        let before = before.replace(until);
        match entry.event() {
            Event::Openings { at, who, why, purpose, field, result, count, numbers } => {
                if let Some(id) = id.filter(|id| batch.is_none_or(|(known, _)| known != *id)) {
                    batch = Some((id, *at));
                }
                Some(Opening::Noted {
                    at: *at,
                    who: who.clone(),
                    why: why.clone(),
                    purpose: purpose.clone(),
                    field: field.clone(),
                    result: *result,
                    count: *count,
                    numbers: numbers.clone(),
                })
            }
            Event::Note { text } if text.as_str().ends_with(NOT_NOTED) => {
                let began = batch.filter(|(known, _)| Some(*known) == id).map(|(_, at)| at);
                Some(Opening::NotNoted { from: began, until })
            }
            // A process was killed while it wrote; what else it had noted is gone as well.
            Event::Torn { .. } => Some(Opening::NotNoted { from: before, until }),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_one_batch_have_its_id_in_common() {
        let of = |batch, place| batch_of(entry_id([7; 8], batch, place));
        assert_eq!(of(1, 0), of(1, u32::MAX));
        assert_ne!(of(1, 0), of(2, 0));
        assert_eq!(entry_id([7; 8], 0x01_02_03_04, 5).to_bytes(), [7, 7, 7, 7, 7, 7, 7, 7, 1, 2, 3, 4, 0, 0, 0, 5]);
    }
}
