//! The register of one vault.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use jiff::Timestamp;
use oubliette::audit::Audit;
use oubliette::journal::Reason;
use oubliette::{KeyStoreError, Limits, Reader, Vault};

use crate::error::RegisterError;
use crate::rules::Rules;

/// The register of one vault, in the application's databases. It is cheap to clone, and all threads may share it. [The
/// crate's page](crate) has an example.
///
/// A vault may have registers in several databases. Each is reconciled by itself.
#[derive(Clone)]
pub struct Register {
    pub(crate) vault: Vault,
    /// The vault behind its audits, which record openings.
    pub(crate) reader: Reader,
    pub(crate) rules: Arc<Rules>,
    /// The newest line of the journal in a database that was found in the journal; 0 for none.
    pub(crate) agreed: Arc<AtomicI64>,
}

impl Register {
    /// The register of this vault, under these rules.
    ///
    /// # Errors
    /// [`KeyStoreError::NeedsJournal`] if the vault was opened without a journal. [`RegisterError::Invalid`] if a rule
    /// is invalid.
    pub fn new(vault: &Vault, rules: Rules) -> Result<Register, RegisterError> {
        rules.check()?;
        if !vault.has_journal()? {
            return Err(KeyStoreError::NeedsJournal.into());
        }
        let reader = vault.reader(Limits::everything().with_sealing());
        let agreed = Arc::new(AtomicI64::new(0));
        Ok(Register { vault: vault.clone(), reader, rules: Arc::new(rules), agreed })
    }

    /// A register whose openings are audited, with who opens and why. Use it for the length of a request. The audit
    /// records each value that `access`, `portable`, `disclose` and `disclose_in_clear` give out, and each that
    /// [`GrantedKeys`](crate::GrantedKeys) open. It records a value when it is opened, even if the transaction around
    /// it is rolled back.
    ///
    /// If the audit is full, these calls fail and give nothing out: see
    /// [`OpenError::NotAudited`](oubliette::OpenError::NotAudited). An audit cannot be removed: a register that is
    /// already audited records in both from then on.
    ///
    /// ```no_run
    /// # fn example(
    /// #     register: oubliette_register::Register, audit: oubliette::audit::Audit, connection: rusqlite::Connection,
    /// #     subject: oubliette_register::Subject,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// let desk = register.audited(&audit, "privacy desk".parse()?, "request 2026-114, Art. 15".parse()?);
    /// let keys = desk.in_transaction(&connection).keys(&subject, oubliette::Purpose::new("orders"))?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn audited(&self, audit: &Audit, who: Reason, why: Reason) -> Register {
        Register { reader: self.reader.audited(audit, who, why), ..self.clone() }
    }

    /// The vault.
    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.rules.clock.now()
    }
}

impl fmt::Debug for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Register({:?})", self.vault)
    }
}
