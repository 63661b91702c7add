//! For tests of applications: vaults in memory, a clock that moves when told to, faults on demand.
//!
//! Feature `testing`. Never enable it in a release build.

mod clock;
mod token;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, ManualClock};
use crate::closed::Closed;
use crate::error::UnlockError;
use crate::field::Purpose;
use crate::root_key::RootKey;
use crate::store::{Memory, PageStore as _, Problem};
use crate::vault::{Opens, Reader, Vault, VaultBuilder};

pub use crate::store::media::{Leaves, Media};
pub use crate::store::steps::{Steps, Stop};
pub use clock::MovedClocks;
pub use token::MemoryToken;

const ROOT_KEY: [u8; 32] = [0x5a; 32];

/// A vault in memory. It has no thread: commits and re-reads happen in the call that needs them; and no Argon2.
///
/// Time stands still until [`advance`](TestVault::advance), so a lease never runs out by accident.
///
/// ```
/// use oubliette::{OpenError, Purpose, Vault, personal::Email};
/// const ORDERS: Purpose = Purpose::new("orders");
/// const EMAIL: oubliette::Field<Email> = ORDERS.field("email");
///
/// let vault = Vault::in_memory([ORDERS]);
/// let alice = vault.enroll()?;
/// let sealed = vault.seal(alice, EMAIL, &"alice@example.com".parse()?)?;
/// let _ = vault.shred([alice])?;
/// assert!(matches!(vault.open(alice, EMAIL, &sealed), Err(OpenError::Shredded { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A clone is the same vault with the same clock and store. For a [`Vault`] that handlers keep: `Vault::clone(&vault)`.
#[derive(Clone)]
pub struct TestVault {
    vault: Vault,
    memory: Memory,
    steps: Steps,
    clock: Arc<ManualClock>,
    purposes: Vec<Purpose>,
}

impl Vault {
    /// A vault in memory, for tests.
    ///
    /// # Panics
    /// When there are no purposes, or one twice.
    #[must_use]
    #[allow(clippy::expect_used)] // a test that cannot start should stop
    pub fn in_memory(purposes: impl IntoIterator<Item = Purpose>) -> TestVault {
        let (steps, clock) = (Steps::new(), ManualClock::new(Duration::from_millis(1)));
        let memory = Memory::new().steps(&steps).recording();
        let purposes: Vec<Purpose> = purposes.into_iter().collect();
        let builder = builder(&memory, &clock, &purposes);
        let vault = builder.create(RootKey::bytes(ROOT_KEY)).expect("different purposes make a vault in memory");
        TestVault { vault, memory, steps, clock, purposes }
    }
}

fn builder(memory: &Memory, clock: &Arc<ManualClock>, purposes: &[Purpose]) -> VaultBuilder {
    let mut builder = Vault::on(memory.clone(), memory.clone()).purposes(purposes.iter().copied());
    builder.clock = Clock::Manual(clock.clone());
    builder.threaded = false;
    builder
        .patience(Duration::from_millis(100))
        .wait_for_lock(Duration::from_millis(100))
        .keep_superseded(Duration::ZERO)
}

impl TestVault {
    /// Another instance on the same store, as a second process would be.
    ///
    /// # Errors
    /// Those of unlocking, for instance after [`memory`](TestVault::memory) was made to go back in time.
    pub fn second(&self) -> Result<TestVault, UnlockError> {
        let vault = self.builder().unlock(RootKey::bytes(ROOT_KEY))?;
        let (memory, steps, clock) = (self.memory.clone(), self.steps.clone(), self.clock.clone());
        Ok(TestVault { vault, memory, steps, clock, purposes: self.purposes.clone() })
    }

    /// How the vault was opened: to unlock it with other purposes, or to recover it.
    pub fn builder(&self) -> VaultBuilder {
        builder(&self.memory, &self.clock, &self.purposes)
    }

    /// The root key of every vault in memory.
    #[must_use]
    pub fn root_key() -> RootKey {
        RootKey::bytes(ROOT_KEY)
    }

    /// The store: to look at all that was ever written, tamper with it, or go back in time.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// What the store does, counted, and stopped where you say.
    #[must_use]
    pub fn steps(&self) -> &Steps {
        &self.steps
    }

    /// Lets time pass. The next call reads the root record again if its lease has run out.
    pub fn advance(&self, time: Duration) {
        self.clock.advance(time);
    }

    /// Makes the store unreachable and the lease run out: everything answers "try again" until
    /// [`find_store`](TestVault::find_store).
    pub fn lose_store(&self) {
        self.steps.stop_at(1, Stop::Die { torn: false });
        // The stop is reached by the first step of anything.
        if let Ok(kept) = self.memory.mark() {
            let _ = self.memory.replace_mark(&kept);
        }
        self.clock.advance(Duration::from_secs(3600));
    }

    /// Makes the store reachable again.
    pub fn find_store(&self) {
        self.steps.reset();
    }

    /// Every write fails, as on a full disk; reading still works. [`find_store`](TestVault::find_store) ends it.
    pub fn fill_disk(&self) {
        self.steps.stop_at(1, Stop::FailFrom(Problem::Full));
    }
}

impl Deref for TestVault {
    type Target = Vault;

    fn deref(&self) -> &Vault {
        &self.vault
    }
}

// What is written for a vault or a reader takes one in memory, too.
impl Closed for TestVault {}

impl Opens for TestVault {
    fn reader(&self) -> Reader {
        Opens::reader(&self.vault)
    }
}

impl fmt::Debug for TestVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TestVault({:?})", self.vault)
    }
}

/// Fails if one of the values stands in `bytes`: in a database file, a log, a backup.
///
/// Values are looked for as UTF-8, as UTF-16 in both byte orders, and in either case of ASCII letters. Compressed or
/// encoded content must be unpacked first.
///
/// # Panics
/// When a value is found, or is so short that finding it would mean nothing (under four bytes). The message does not
/// repeat it.
#[allow(clippy::panic)] // an assertion
pub fn assert_no_plaintext<'v>(bytes: &[u8], values: impl IntoIterator<Item = &'v str>) {
    let haystack = bytes.to_ascii_lowercase();
    for (index, value) in values.into_iter().enumerate() {
        assert!(value.len() >= 4, "value {index} is too short to look for");
        let lower = value.to_ascii_lowercase();
        let wide: Vec<u16> = lower.encode_utf16().collect();
        let big: Vec<u8> = wide.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        let little: Vec<u8> = wide.iter().flat_map(|unit| unit.swap_bytes().to_be_bytes()).collect();
        for needle in [lower.as_bytes(), &big, &little] {
            let found = haystack.windows(needle.len()).position(|window| window == needle);
            if let Some(at) = found {
                panic!("value {index} stands in plaintext at byte {at}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plaintext_is_found_in_every_form() {
        let found =
            |bytes: Vec<u8>| std::panic::catch_unwind(move || assert_no_plaintext(&bytes, ["Alice Martin"])).is_err();
        let wide = |order: fn(u16) -> [u8; 2]| "xAlice Martin".encode_utf16().flat_map(order).collect::<Vec<u8>>();
        assert!(found(b"..alice martin..".to_vec()));
        assert!(found(b"ALICE MARTIN".to_vec()));
        assert!(found(wide(u16::to_be_bytes)));
        assert!(found(wide(|unit| unit.swap_bytes().to_be_bytes())));
        assert!(!found(b"alice  martin".to_vec()));
    }
}
