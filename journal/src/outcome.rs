//! What errors ask for.

/// What to do about an error.
///
/// `outcome()` of every error of oubliette sorts it, so that a handler needs three arms.
///
/// ```
/// use oubliette_journal::{Outcome, PublicKey, Receipt};
///
/// fn status(document: &str, key: &PublicKey) -> u16 {
///     match Receipt::verify(document, key).map_err(|error| error.outcome()) {
///         Ok(_) => 200,
///         Err(Outcome::Erased) => 410,
///         Err(Outcome::TryAgain) => 503,
///         Err(Outcome::Investigate) => 500,
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The customer was shredded: the value is gone for good. HTTP 410.
    Erased,
    /// What is needed cannot be reached or is busy; nothing is wrong with the value. HTTP 503.
    TryAgain,
    /// Tampering, a mix-up of values, damage, or a key store that was rolled back. HTTP 500, and wake somebody.
    Investigate,
}
