//! A root key that something else holds.

use super::WrapperError;

/// What an HSM or a KMS does for a vault: encrypt 32 bytes once, and decrypt them at each unlock.
///
/// The bytes are the vault's root key; the wrapper's own key never leaves it, and destroying that key makes every copy
/// of the root record useless.
///
/// ```
/// use oubliette::RootKey;
/// use oubliette::root_keys::{KeyWrapper, WrapperError};
///
/// /// The shop's key service.
/// struct Kms { /* its client */ }
///
/// impl KeyWrapper for Kms {
///     fn wrap(&self, key: &[u8; 32], vault: &[u8; 16]) -> Result<Vec<u8>, WrapperError> {
///         self.encrypt(key, vault) // the vault's id is authenticated with it
///     }
///
///     fn unwrap(&self, wrapped: &[u8], vault: &[u8; 16], key: &mut [u8; 32]) -> Result<(), WrapperError> {
///         self.decrypt(wrapped, vault, key)
///     }
/// }
/// # impl Kms {
/// #     fn encrypt(&self, _: &[u8; 32], _: &[u8; 16]) -> Result<Vec<u8>, WrapperError> { Err("no service".into()) }
/// #     fn decrypt(&self, _: &[u8], _: &[u8; 16], _: &mut [u8; 32]) -> Result<(), WrapperError> { Err("no service".into()) }
/// # }
/// let key = RootKey::wrapped_by(Kms {});
/// # let _ = key;
/// ```
pub trait KeyWrapper: Send + Sync + 'static {
    /// Encrypts a root key, to at most 512 bytes. Authenticate `vault` with it where possible.
    ///
    /// # Errors
    /// Whatever the service said.
    fn wrap(&self, key: &[u8; 32], vault: &[u8; 16]) -> Result<Vec<u8>, WrapperError>;

    /// Decrypts what [`wrap`](KeyWrapper::wrap) gave, into `key`.
    ///
    /// # Errors
    /// Whatever the service said.
    fn unwrap(&self, wrapped: &[u8], vault: &[u8; 16], key: &mut [u8; 32]) -> Result<(), WrapperError>;
}
