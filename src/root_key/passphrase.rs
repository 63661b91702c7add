//! Root keys from passphrases: Argon2id, and what it costs.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use unicode_normalization::UnicodeNormalization;
use zeroize::{Zeroize, Zeroizing};

use super::RootKeyError;
use crate::derivation::RootSecret;
use crate::secret::Secret32;
use crate::stack::{Work, with_clean_stack_after};

/// How expensive each guess of a passphrase is: Argon2id (RFC 9106).
///
/// ```
/// use oubliette::RootKey;
/// use oubliette::root_keys::PassphraseCost;
///
/// // On a machine with memory to spare: 256 MiB a guess.
/// let cost = PassphraseCost { memory_kib: 256 * 1024, ..PassphraseCost::default() };
/// let key = RootKey::passphrase_at_cost("six random words, not these ones", cost);
/// # let _ = key;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassphraseCost {
    /// Memory in KiB: 8 192 to 1 048 576.
    pub memory_kib: u32,
    /// Passes over it: 1 to 16.
    pub passes: u32,
    /// Lanes: 1 to 16.
    pub lanes: u32,
}

impl Default for PassphraseCost {
    /// 64 MiB, three passes, four lanes: the second recommended option of RFC 9106, section 4.
    fn default() -> PassphraseCost {
        PassphraseCost { memory_kib: 65_536, passes: 3, lanes: 4 }
    }
}

impl PassphraseCost {
    pub(super) fn check(self) -> Result<(), RootKeyError> {
        let fits = (8_192..=1_048_576).contains(&self.memory_kib)
            && (1..=16).contains(&self.passes)
            && (1..=16).contains(&self.lanes);
        if fits { Ok(()) } else { Err(RootKeyError::Cost) }
    }
}

/// The secret of a passphrase.
pub(super) fn stretch(phrase: &str, cost: PassphraseCost, salt: &[u8; 16]) -> Result<RootSecret, RootKeyError> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(|_| RootKeyError::Cost)?;
    let memory = || RootKeyError::Memory { kib: cost.memory_kib };
    let count = params.block_count();
    // The same passphrase typed on another keyboard may come in another composition.
    let composed: Zeroizing<String> = Zeroizing::new(phrase.nfc().collect());
    // Memory of our own, since the crate's is not wiped; and an error where there is not enough.
    let mut blocks: Vec<Block> = Vec::new();
    blocks.try_reserve_exact(count).map_err(|_| memory())?;
    blocks.resize(count, Block::default());
    let mut secret = RootSecret(Secret32::empty());
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let made = with_clean_stack_after(Work::Passphrase, || {
        argon2.hash_password_into_with_memory(composed.as_bytes(), salt, secret.0.bytes_mut(), &mut blocks[..])
    });
    for block in &mut blocks {
        block.zeroize();
    }
    made.map_err(|_| memory())?;
    Ok(secret)
}
