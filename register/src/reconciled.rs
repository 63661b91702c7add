//! What a reconciliation comes to.

use oubliette::CustomerId;
use oubliette::journal::Receipt;

use super::error::RegisterError;

/// What [`reconcile`](super::OwnTransactionSqlite::reconcile) did and found.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/shop.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let Shop { place: _place, register, mut db, .. } = shop()?;
/// // After a restore of both the database and the journal.
/// let reconciled = register.own_transaction(&mut db).reconcile()?;
/// assert!(reconciled.ownerless.is_empty() && reconciled.still_readable.is_empty() && reconciled.misassigned.is_empty());
/// if reconciled.awaits_confirmation {
///     // People enter again what is lost, and then:
///     register.own_transaction(&mut db).confirm_restored(Reason::new("holds and marks of 2026-11-24 entered again")?)?;
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Reconciled {
    /// Customers who had been erased, came back with the backup, and are erased again.
    pub erased_again: u64,
    /// Numbers that had been shredded, came back as live, and are recorded as shredded again.
    pub shredded_again: u64,
    /// Changes of grants, holds and requests that are made again.
    pub changed_again: u64,
    /// Numbers without a customer: they were issued after the backup, and the restored database does not know whose
    /// they are. The vault still opens them. Shred them by [`Vault::shred`](oubliette::Vault::shred), unless another
    /// database has values under them. Each call lists them again until they are shredded, or a newer copy of the
    /// database knows them.
    pub ownerless: Vec<CustomerId>,
    /// How many numbers were compared with the vault.
    pub compared: u64,
    /// Numbers that are recorded as shredded although the vault still opens them: the vault was rolled back, or rows
    /// were changed by hand. They are only listed. If their customers were erased, shred the numbers; if not, correct
    /// the rows.
    pub still_readable: Vec<CustomerId>,
    /// Numbers beside an id that they were not issued for. Either rows were changed by hand: correct them. Or the proof
    /// was sealed under a key tree that was given up:
    /// [`confirm_restored`](super::OwnTransactionSqlite::confirm_restored) settles that. They are only listed, and
    /// their customers cannot be erased until then.
    pub misassigned: Vec<CustomerId>,
    /// Whether people must enter something again that is lost and not in the journal: evidence, marks, unsigned acts.
    /// Nothing is swept until they [confirm](super::OwnTransactionSqlite::confirm_restored) it.
    pub awaits_confirmation: bool,
    /// New receipts for customers whose first receipt the journal does not show. They name people: hand them over.
    pub receipts: Vec<Receipt>,
    /// Why something is still unfinished. The error is here, instead of being returned, if there are receipts to hand
    /// over.
    pub unfinished: Option<RegisterError>,
}
