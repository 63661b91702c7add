//! Which journal a vault is opened with.

use std::path::Path;

use crate::journal::Reason;
use crate::vault::VaultBuilder;

impl VaultBuilder {
    /// Keeps a journal in this file: each commit that forgets or moves keys is written down, signed and chained, before it
    /// happens and after. `create` makes the file, and so does unlocking a vault that has had none; its directory must
    /// exist. Beside it lie two small files of the same name with `.head` and `.lock`.
    ///
    /// Keep it where it is not restored together with the root record: it proves that an older record was put back, and
    /// knows whom to [shred again](VaultBuilder::replay). It holds no key and no personal data.
    ///
    /// From then on the vault is bound to it. A program that opens the vault without it can seal and open; whatever must be
    /// written down is refused ([`KeyStoreError::NeedsJournal`](crate::KeyStoreError::NeedsJournal)). If an intent cannot be
    /// written, nothing happens. If an outcome cannot, what was done counts.
    ///
    /// Whoever next unlocks the vault finishes what lacks an outcome: because a process was killed in between, or because an
    /// outcome or an error could not be written down.
    pub fn journal(mut self, path: impl AsRef<Path>) -> VaultBuilder {
        let path = path.as_ref();
        // It is opened anew for each entry, and the working directory may change.
        self.journal.path = Some(std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()));
        self
    }

    /// Goes on if the journal or its end is missing, and records a gap with this reason. Does nothing if the journal is whole.
    ///
    /// Call it once, by hand, after you looked for the newest copy of the journal. The missing entries are lost: receipts for
    /// them can no longer be compared with the journal, and a [replay](VaultBuilder::replay) does not know of them.
    ///
    /// If the journal is damaged elsewhere, move it away first, and keep it as evidence.
    pub fn accept_journal_loss(mut self, why: Reason) -> VaultBuilder {
        self.journal.accepts_loss = Some(why);
        self
    }
}
