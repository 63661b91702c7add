//! The key that checks the journal, and what signs it.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use ed25519_dalek::{Signature, VerifyingKey};

use super::ids::VaultName;
use super::outcome::Outcome;
use super::text::{InvalidText, as_text, decode, encode};

const PREFIX: &str = "obl-key-1.";

/// The Ed25519 public key (RFC 8032) that checks the journal and the receipts of one vault.
///
/// As text it is `obl-key-1.` and 43 characters of base64url. It is not secret. Take it from a place that a forger of
/// the journal cannot change: print the key, publish it, give it to the auditor.
///
/// [`Signer`] has an example.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey(
    // Checked to be a key; in this form since the other is six times as large, and in every error.
    [u8; 32],
);

impl PublicKey {
    /// From the 32 bytes of RFC 8032.
    ///
    /// # Errors
    /// [`InvalidText`] if the bytes are not a key, or a weak key that accepts forged signatures.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<PublicKey, InvalidText> {
        // Decoding takes some encodings that are not the one of RFC 8032; making it anew gives that one.
        let is_key = |key: VerifyingKey| !key.is_weak() && key.to_edwards().compress().to_bytes() == *bytes;
        let key = VerifyingKey::from_bytes(bytes).is_ok_and(is_key).then_some(PublicKey(*bytes));
        key.ok_or(InvalidText("a public key such as obl-key-1.…, as `status` shows it"))
    }

    /// The 32 bytes of RFC 8032.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0
    }

    /// Whether this key's owner signed the message. Strict: one signature a message and key, none for weak keys.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = Signature::from_bytes(signature);
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<PublicKey, InvalidText> {
        let bytes = text.strip_prefix(PREFIX).and_then(decode);
        PublicKey::from_bytes(&bytes.ok_or(InvalidText("a public key such as obl-key-1.…, as `status` shows it"))?)
    }
}

as_text!(PublicKey, "a public key such as obl-key-1.…");

/// A writer of a journal and of receipts: in an application, the vault. The secret key stays with the signer; this
/// crate sees signatures only.
///
/// ```
/// use ed25519_dalek::{Signer as _, SigningKey};
/// use oubliette_journal::{Journal, PublicKey, SignError, Signer, Time, VaultName};
///
/// struct Mine(SigningKey, PublicKey);
///
/// impl Signer for Mine {
///     fn vault(&self) -> VaultName {
///         VaultName::from_bytes([1; 16])
///     }
///     fn public_key(&self) -> PublicKey {
///         self.1
///     }
///     fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
///         Ok(self.0.sign(message).to_bytes())
///     }
/// }
///
/// # let place = tempfile::tempdir()?;
/// # let path = place.path().join("journal");
/// let key = SigningKey::from_bytes(&[7; 32]);
/// let public = PublicKey::from_bytes(&key.verifying_key().to_bytes())?;
/// let journal = Journal::create(&path, &Mine(key, public), Time::now(), 1)?;
/// assert_eq!(journal.latest().n(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Signer {
    /// The vault's name. Every signature is bound to it.
    fn vault(&self) -> VaultName;

    /// The key that checks the signatures.
    fn public_key(&self) -> PublicKey;

    /// The Ed25519 signature (RFC 8032) of this message, under the secret that belongs to the
    /// [public key](Signer::public_key).
    ///
    /// # Errors
    /// [`SignError`] when the vault may not use its keys now. Nothing is written then.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError>;
}

/// Why a vault did not sign: the vault's own error, and what to do about it.
///
/// It prints as that error, and is cheap to clone.
#[derive(Clone)]
pub struct SignError {
    source: Arc<dyn Error + Send + Sync>,
    outcome: Outcome,
}

impl SignError {
    /// An error with this cause.
    #[must_use]
    pub fn new(reason: impl Into<Box<dyn Error + Send + Sync>>, outcome: Outcome) -> SignError {
        SignError { source: reason.into().into(), outcome }
    }

    /// The vault's own error. Downcast it to the type that the vault uses.
    #[must_use]
    pub fn reason(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.source
    }

    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&*self.source, f)
    }
}

impl fmt::Debug for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.source, f)
    }
}

impl Error for SignError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.source()
    }
}
