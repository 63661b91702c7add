//! One key in a token, for a vault that is rotated by hand.

use cryptoki::object::ObjectHandle;
use cryptoki::session::Session;
use oubliette::root_keys::{KeyWrapper, WrapperError};

use crate::error::TokenError;
use crate::objects;
use crate::token::Token;

/// An AES-256 key in a token, found by its label. It wraps a vault's root key: `RootKey::wrapped_by`.
///
/// It forgets nothing by itself: with a copy of an older root record, it opens all data that was shredded since. If
/// that matters, use [`Token`] as a series of versions.
///
/// ```no_run
/// use oubliette::{Purpose, RootKey, Vault};
/// use oubliette_pkcs11::Token;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let pin = || zeroize::Zeroizing::new(String::new());
/// const ORDERS: Purpose = Purpose::new("orders");
/// let token = Token::at("/usr/lib/softhsm/libsofthsm2.so", "privacy").open(pin())?;
/// let key = token.make_key("shop")?; // from the second start on: `token.key("shop")?`
/// let vault = Vault::at("privacy").purposes([ORDERS]).create(RootKey::wrapped_by(key))?;
/// # let _ = vault;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct FixedKey {
    token: Token,
    label: String,
}

impl Token {
    /// Finds the key with this label.
    ///
    /// # Errors
    /// [`TokenError::NoKey`] if there is none, and others if the token fails.
    pub fn key(&self, label: impl Into<String>) -> Result<FixedKey, TokenError> {
        let label = label.into();
        let found = self.with("looking for a key", |session| objects::keys(session, &label))?;
        if found.is_empty() {
            return Err(TokenError::NoKey { key: format!("{label:?}") });
        }
        Ok(FixedKey { token: self.clone(), label })
    }

    /// Makes a new key with this label. The key cannot leave the token.
    ///
    /// # Errors
    /// [`TokenError::KeyExists`] if there is one, and others if the token fails.
    pub fn make_key(&self, label: impl Into<String>) -> Result<FixedKey, TokenError> {
        let label = label.into();
        self.with("making a key", |session| {
            if !objects::keys(session, &label)?.is_empty() {
                return Err(TokenError::KeyExists { key: format!("{label:?}") });
            }
            objects::make_key(session, &label, label.as_bytes())
        })?;
        Ok(FixedKey { token: self.clone(), label })
    }
}

impl FixedKey {
    fn key(&self, session: &Session) -> Result<ObjectHandle, TokenError> {
        let key = || format!("{:?}", self.label);
        match objects::keys(session, &self.label)?.as_slice() {
            [(own, _)] => Ok(*own),
            [] => Err(TokenError::NoKey { key: key() }),
            // Which of them is the vault's cannot be told.
            _ => Err(TokenError::KeyExists { key: key() }),
        }
    }
}

impl KeyWrapper for FixedKey {
    fn wrap(&self, key: &[u8; 32], vault: &[u8; 16]) -> Result<Vec<u8>, WrapperError> {
        Ok(self.token.with("wrapping a root key", |session| {
            let own = self.key(session)?;
            objects::wrap(session, own, vault, key)
        })?)
    }

    fn unwrap(&self, wrapped: &[u8], vault: &[u8; 16], key: &mut [u8; 32]) -> Result<(), WrapperError> {
        let opened = self.token.with("unwrapping a root key", |session| {
            let own = self.key(session)?;
            let mut opened = zeroize::Zeroizing::new([0; 32]);
            objects::unwrap(session, own, vault, wrapped, &mut opened)?;
            Ok(opened)
        })?;
        key.copy_from_slice(&opened[..]);
        Ok(())
    }
}
