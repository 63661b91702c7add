//! Shreds: at once, or built.

use std::fmt;
use std::sync::Arc;

use crate::customer::CustomerId;
use crate::error::{KeyStoreError, ShredError};
use crate::events;
use crate::field::Purpose;
use crate::journal::Reason;
use crate::vault::process::{Process, ShredRequest, ShredTarget, Shredded, Target};
use crate::vault::workers::oneshot;
use crate::vault::{Pending, Vault};

/// A shred that was not carried out yet. [`Vault::shredding`] makes it, and has an example.
#[must_use = "nobody is shredded until `run` or `start` is called"]
pub struct Shredding<'v> {
    vault: &'v Vault,
    /// Taken when it is carried out.
    target: Option<ShredTarget>,
    purpose: Option<Purpose>,
    why: Option<Reason>,
}

impl Vault {
    /// Shreds customers in all purposes, in one commit: all of them or, if one was never issued, none.
    ///
    /// When this returns `Ok`, the shred is durable, and this process holds no key of theirs (unless
    /// [`Commit::is_wiped_here`](crate::Commit::is_wiped_here) says that a call was still using one). Other processes stop within the lease.
    /// Copies of the root record made before the shred, with their root key, still open the values: see SECURITY.md.
    ///
    /// Shredding somebody twice is no error: the second shred makes sure that the first reached every place. A customer who
    /// consents anew needs a new number.
    ///
    /// **The vault knows of no legal hold, and shreds whatever one keeps.** Holds are in the register of
    /// `oubliette-register`, whose `erase`, `withdraw`, `sweep` and `shred_numbers` check them: where you have a register, call these.
    ///
    /// One purpose only, a reason for the journal, everybody up to a number, or a task that must not block: [`shredding`](Vault::shredding).
    ///
    /// # Errors
    /// [`ShredError`] tells what is true: nothing happened, it happened and an old copy remains, or it is unknown.
    pub fn shred(&self, customers: impl IntoIterator<Item = CustomerId>) -> Result<Shredded, ShredError> {
        self.shredding(customers.into_iter().collect::<ShredTarget>()).run()
    }

    /// A [`shred`](Vault::shred) that says more: in one [purpose](Shredding::purpose) only, with a [reason](Shredding::reason), of everybody up to
    /// a number. Nobody is shredded until [`run`](Shredding::run), which waits for it, or [`start`](Shredding::start), for a task that must not.
    ///
    /// ```
    /// # use oubliette::{Purpose, RootKey, Vault, journal::Reason};
    /// # const ORDERS: Purpose = Purpose::new("orders");
    /// # const NEWSLETTER: Purpose = Purpose::new("newsletter");
    /// # let place = tempfile::tempdir()?;
    /// # let (directory, journal) = (place.path().join("privacy"), place.path().join("journal"));
    /// # let key = RootKey::bytes([7; 32]);
    /// let vault = Vault::at(&directory).purposes([ORDERS, NEWSLETTER]).journal(&journal).create(key)?;
    /// let alice = vault.enroll()?;
    /// // She wants no newsletter any more. Her orders stay readable.
    /// let shredded = vault.shredding(alice).purpose(NEWSLETTER).reason(Reason::new("ticket 114")?).run()?;
    /// assert_eq!(shredded.newly_shredded(), 1);
    /// # assert!(std::fs::read_to_string(&journal)?.contains("ticket 114"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shredding(&self, target: impl Into<ShredTarget>) -> Shredding<'_> {
        Shredding { vault: self, target: Some(target.into()), purpose: None, why: None }
    }
}

impl Shredding<'_> {
    /// In this purpose only, instead of in all. A purpose that customers may come back to needs numbers of its own. Everybody up to a number can
    /// be shredded in all purposes only ([`ShredError::OnlyInAllPurposes`]).
    pub fn purpose(mut self, purpose: Purpose) -> Self {
        self.purpose = Some(purpose);
        self
    }

    /// Why: the journal keeps it, and a receipt shows it. Never personal data. Without a journal it is forgotten.
    pub fn reason(mut self, why: Reason) -> Self {
        self.why = Some(why);
        self
    }

    /// Shreds them, and waits until it is done.
    ///
    /// # Errors
    /// As [`Vault::shred`]; and [`ShredError::TooNew`] of everybody up to a number that is in the block reserved last.
    pub fn run(mut self) -> Result<Shredded, ShredError> {
        let started = self.begin()?;
        started.wait().unwrap_or_else(|| Err(unanswered(self.vault.process().ok())))
    }

    /// Starts the shred on the vault's own thread. Await the answer in any runtime; dropping the future does not cancel the shred.
    ///
    /// # Errors
    /// As [`run`](Shredding::run).
    #[allow(clippy::must_use_candidate)] // the commit is under way
    pub fn start(mut self) -> Pending<Result<Shredded, ShredError>> {
        let started = self.begin();
        // The future holds no vault: it must not keep one open that was dropped.
        let process = self.vault.process().map(Arc::downgrade);
        Box::pin(async move {
            let answer = started?.await;
            answer.unwrap_or_else(|| Err(unanswered(process.ok().and_then(|process| process.upgrade()).as_ref())))
        })
    }

    fn begin(&mut self) -> Result<oneshot::Receiver<Result<Shredded, ShredError>>, ShredError> {
        let taken = self.target.take();
        let target =
            taken.ok_or(ShredError::NothingHappened(KeyStoreError::Bug("a shred was begun twice")))?.into_target();
        let (purpose, why) = (self.purpose, self.why.take());
        let process = self.vault.process().map_err(ShredError::NothingHappened)?;
        if let Some(purpose) = purpose
            && !process.settings.purposes.contains(&purpose)
        {
            return Err(ShredError::PurposeNotUnlocked { purpose: purpose.name() });
        }
        // The journal and the blocks of numbers know such a shred in all purposes only.
        if purpose.is_some() && matches!(target, Target::Through(_)) {
            return Err(ShredError::OnlyInAllPurposes);
        }
        let (answer, receiver) = oneshot::channel();
        process.workers.commits.shred(process, ShredRequest { target, purpose, why, answer });
        Ok(receiver)
    }
}

impl Drop for Shredding<'_> {
    fn drop(&mut self) {
        if self.target.is_some() {
            events::shredding_dropped();
        }
    }
}

impl fmt::Debug for Shredding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Shredding");
        fields.field("target", &self.target).field("purpose", &self.purpose);
        fields.field("reason", &self.why.as_ref().map(Reason::as_str)).finish()
    }
}

/// Nobody answered: the vault was closed before, or the store panicked in the middle of it.
fn unanswered(process: Option<&Arc<Process>>) -> ShredError {
    match process {
        Some(process) if !process.known.is_closed() => {
            ShredError::Unknown(KeyStoreError::Bug("the store panicked during a shred"))
        }
        _ => ShredError::NothingHappened(KeyStoreError::Closed),
    }
}
