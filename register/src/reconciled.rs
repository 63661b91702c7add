//! What a reconciliation comes to.

use oubliette::CustomerId;
use oubliette::journal::Receipt;

use super::error::RegisterError;

/// What a reconciliation found and did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Reconciled {
    /// Customers who had been erased and came back with the database; they are erased again.
    pub erased: u64,
    /// Numbers of withdrawals and sweeps that came back for live; they are recorded as shredded.
    pub shredded: u64,
    /// Grants, holds and requests that had changed since, and were changed again.
    pub changed: u64,
    /// Numbers that were issued after the database was copied, by the whole journal, and that the vault opens. Nobody knows any more whose they
    /// are: shred them by [`Vault::shred`](oubliette::Vault::shred), unless another database holds values of theirs. Each call lists them
    /// again, until they are shredded or a later copy of the database knows them.
    pub lost: Vec<CustomerId>,
    /// How many numbers were compared with the vault's.
    pub compared: u64,
    /// Numbers that are recorded as shredded and that the vault opens: it went back in time, or the rows were changed by hand. Nothing was
    /// done about them: shred them if their customers were erased, or set the rows right.
    pub opened: Vec<CustomerId>,
    /// Numbers that stand beside an id that they were not issued for: rows were changed by hand; or what proves it was sealed under a key tree
    /// that was given up since, and takes an operator's word ([`confirm_restored`](super::OwnTransactionSqlite::confirm_restored)). Nothing was
    /// done about them, and their customers cannot be erased until then.
    pub strangers: Vec<CustomerId>,
    /// What the database forgot and the journal does not tell, evidence, marks and a desk's unsigned acts at least, must be entered again by people. Until that is
    /// [confirmed](super::OwnTransactionSqlite::confirm_restored) nothing is swept.
    pub awaits_confirmation: bool,
    /// Receipts for customers whose first receipt cannot be told from the journal. They name people: hand them on.
    pub receipts: Vec<Receipt>,
    /// Why not all is finished, when there are receipts to hand on all the same. Otherwise it is the error.
    pub unfinished: Option<RegisterError>,
}
