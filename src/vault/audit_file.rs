//! An audit of openings as a file: signed by the vault, chained, in the form of a journal.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::audit::{AuditSink, Batch, NOT_NOTED, Openings, entry_id};
use crate::error::KeyStoreError;
use crate::journal::{Event, EventId, Journal, JournalError, Label, Reason, Time};
use crate::nonce;
use crate::root_record::SignerSeed;
use crate::vault::Vault;
use crate::vault::journal::VaultSigner;

/// A file that an [`Audit`](crate::audit::Audit) is written to: signed by the vault and chained, in the form of a
/// [journal](crate::journal), with one entry for each group of openings.
///
/// Anybody who has the vault's [public key](Vault::public_key) can read and check it offline with
/// [`journal::entries`](crate::journal::entries) and [`journal::verify`](crate::journal::verify): what was changed, dropped
/// or cut off is found. [`openings`](crate::audit::openings) tells what the entries say. Several processes may write to one file. It is readable by its owner alone, and grows for ever:
/// begin another when it is large enough, and put the old one away with its head.
///
/// It is a file of its own beside the vault's journal, which has an entry a shred rather than some a second. It keeps the
/// vault open.
///
/// ```
/// use oubliette::audit::{Audit, AuditFile};
/// use oubliette::{Field, Limits, Purpose, RootKey, Vault, journal, personal::Email};
/// const ORDERS: Purpose = Purpose::new("orders");
/// const EMAIL: Field<Email> = ORDERS.field("email");
///
/// # let place = tempfile::tempdir()?;
/// # let (directory, path) = (place.path().join("privacy"), place.path().join("openings"));
/// let vault = Vault::at(&directory).purposes([ORDERS]).create(RootKey::bytes([7; 32]))?;
/// let audit = Audit::to(AuditFile::create(&path, &vault)?).start()?;
///
/// let alice = vault.enroll()?;
/// let email = vault.seal(alice, EMAIL, &"alice@example.com".parse()?)?;
/// let orders = vault.reader(Limits::nothing().purpose(ORDERS));
/// let page = orders.audited(&audit, "support desk".parse()?, "ticket 4711".parse()?);
/// let _ = page.open(alice, EMAIL, &email)?;
/// audit.flush()?;
///
/// for entry in journal::entries(&path, &vault.public_key()?)? {
///     println!("{:?}", entry?.event());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct AuditFile {
    vault: Vault,
    file: Journal,
    /// What this writer's entries are found again by.
    run: [u8; 8],
    /// The batch that was offered last, and the file's last entry before it.
    offered: Option<(u64, u64)>,
}

impl AuditFile {
    /// Begins a new file; its directory must exist.
    ///
    /// # Errors
    /// [`JournalError::Exists`](crate::journal::JournalError::Exists) within [`KeyStoreError::Journal`] if there is one, or
    /// the head of one that is gone. Nothing was changed then.
    pub fn create(path: impl AsRef<Path>, vault: &Vault) -> Result<AuditFile, KeyStoreError> {
        AuditFile::with(vault, |signer, generation| Journal::create(path.as_ref(), signer, Time::now(), generation))
    }

    /// Goes on with a file of this vault's. It is read once and checked.
    ///
    /// # Errors
    /// Those of a [journal](crate::journal::JournalError), within [`KeyStoreError::Journal`]: of damage it says the line and
    /// the rule. Keep a file that is damaged, and begin another.
    pub fn open(path: impl AsRef<Path>, vault: &Vault) -> Result<AuditFile, KeyStoreError> {
        AuditFile::with(vault, |signer, _| Journal::open(path.as_ref(), signer, None))
    }

    fn with(
        vault: &Vault,
        file: impl FnOnce(&VaultSigner<'_>, u64) -> Result<Journal, JournalError>,
    ) -> Result<AuditFile, KeyStoreError> {
        let run = nonce::fresh().map_err(|_| KeyStoreError::Randomness)?;
        let file = signing(vault, |signer, generation| Ok(file(signer, generation)?))?;
        Ok(AuditFile { vault: vault.clone(), file, run, offered: None })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.file.path().to_owned()
    }

    /// Events with the ids that they have at every attempt.
    fn events(&self, batch: &Batch) -> Result<Vec<(EventId, Event)>, Box<dyn std::error::Error + Send + Sync>> {
        let mut events = batch.openings().iter().map(event).collect::<Result<Vec<_>, _>>()?;
        if batch.lost() > 0 {
            events.push(Event::Note { text: Reason::new(format!("{} {NOT_NOTED}", batch.lost()))? });
        }
        let id = |place: u32| entry_id(self.run, batch.number(), place);
        Ok((0..).map(id).zip(events).collect())
    }
}

/// What signs, for as long as one call takes. A shred waits for whoever holds a snapshot, and a sync may take its time:
/// so the seed is copied.
fn signing<T>(
    vault: &Vault,
    work: impl FnOnce(&VaultSigner<'_>, u64) -> Result<T, KeyStoreError>,
) -> Result<T, KeyStoreError> {
    let process = vault.process()?;
    let state = process.state()?;
    let (id, generation) = (state.facts.clear.vault, state.facts.clear.generation);
    let seed: SignerSeed = state.facts.signer.copy();
    drop(state);
    work(&VaultSigner::new(id, &seed)?, generation)
}

fn event(openings: &Openings) -> Result<Event, Box<dyn std::error::Error + Send + Sync>> {
    Ok(Event::Openings {
        at: openings.at(),
        who: openings.who().clone(),
        why: openings.why().clone(),
        purpose: Label::new(openings.purpose())?,
        field: Label::new(openings.label())?,
        result: openings.result(),
        count: openings.count(),
        numbers: openings.customers().clone(),
    })
}

impl AuditSink for AuditFile {
    fn write(&mut self, batch: &Batch) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let mut events = self.events(batch)?;
        match self.offered {
            // What a failed attempt may have left there is not written again.
            Some((number, before)) if number == batch.number() => {
                let written = self.file.entries_after(before)?.map(|entry| entry.map(|entry| entry.id()));
                let written = written.collect::<Result<Vec<_>, _>>()?;
                events.retain(|(id, _)| !written.contains(&Some(*id)));
            }
            _ => self.offered = Some((batch.number(), self.file.latest().n())),
        }
        signing(&self.vault, |signer, generation| Ok(self.file.append_identified(signer, generation, &events)?))?;
        Ok(())
    }
}

impl fmt::Debug for AuditFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuditFile({})", self.file.path().display())
    }
}
