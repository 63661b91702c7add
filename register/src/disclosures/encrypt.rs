//! A document for one recipient: a file of age's (age-encryption.org/v1), binary, for an X25519 public key.

use std::io::Write;

use age::x25519::Recipient;
use oubliette::personal::Plaintext;

use super::error::DisclosureError;

pub(super) fn check(key: &str) -> Result<(), DisclosureError> {
    recipient(key).map(drop)
}

fn recipient(key: &str) -> Result<Recipient, DisclosureError> {
    key.parse().map_err(|_| DisclosureError::InvalidKey)
}

/// Ours is wiped by whoever owns it; age's own buffer of 64 KiB is not.
pub(super) fn encrypted(json: &Plaintext, key: &str) -> Result<Vec<u8>, DisclosureError> {
    let recipient = recipient(key)?;
    let recipients = std::iter::once(&recipient as &dyn age::Recipient);
    let encryptor = age::Encryptor::with_recipients(recipients).map_err(|_| DisclosureError::Encryption)?;
    let mut file = Vec::with_capacity(json.as_bytes().len().saturating_add(512));
    // Writing into memory does not fail; age's randomness may.
    let written = encryptor.wrap_output(&mut file).and_then(|mut writer| {
        writer.write_all(json.as_bytes())?;
        writer.finish().map(drop)
    });
    written.map_err(|_| DisclosureError::Encryption)?;
    Ok(file)
}
