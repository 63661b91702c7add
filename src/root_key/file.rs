//! Root keys as people keep them: in a file, in hexadecimal.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

use super::{RootKey, RootKeyError};

impl RootKey {
    /// The same 32 bytes as 64 hexadecimal digits; white space around them is left out.
    ///
    /// # Errors
    /// [`RootKeyError::NotAKey`].
    pub fn from_hex(digits: &str) -> Result<RootKey, RootKeyError> {
        let digits = digits.trim().as_bytes();
        let mut key = Zeroizing::new([0; 32]);
        if digits.len() != 64 {
            return Err(RootKeyError::NotAKey);
        }
        let value = |digit: &u8| char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = pair else { return Err(RootKeyError::NotAKey) };
            let (high, low) = value(high).zip(value(low)).ok_or(RootKeyError::NotAKey)?;
            *byte = high << 4 | low;
        }
        Ok(RootKey::bytes(*key))
    }

    /// 32 bytes, or 64 hexadecimal digits, in a file, as a secret manager mounts it. Who may read the file is not looked at.
    ///
    /// # Errors
    /// [`RootKeyError::File`] if it cannot be read; [`RootKeyError::NotAKey`].
    pub fn from_file(path: impl AsRef<Path>) -> Result<RootKey, RootKeyError> {
        let path = path.as_ref();
        let failed = |source| RootKeyError::File { path: path.to_owned(), source };
        // Longer than a key and its line break: what is there is none.
        let mut content = Zeroizing::new([0; 80]);
        let mut file = File::open(path).map_err(failed)?;
        let mut length = 0;
        while let Some(rest) = content.get_mut(length..).filter(|rest| !rest.is_empty()) {
            match file.read(rest).map_err(failed)? {
                0 => break,
                read => length = length.saturating_add(read),
            }
        }
        let content = content.get(..length).unwrap_or_default();
        if let Ok(bytes) = <[u8; 32]>::try_from(content) {
            return Ok(RootKey::bytes(bytes));
        }
        RootKey::from_hex(std::str::from_utf8(content).map_err(|_| RootKeyError::NotAKey)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root_key::Recipe;

    fn is_sevens(key: &RootKey) -> bool {
        let vault = crate::journal::VaultName::from_bytes([1; 16]);
        matches!(key.recover(&Recipe::Bytes, vault, false), Ok(Some(secret)) if secret.0.bytes() == &[0xa7; 32])
    }

    #[test]
    fn keys_are_read_as_they_are_kept() {
        let (lower, upper) = ("a7".repeat(32), "A7".repeat(32));
        for text in [lower.clone(), upper, format!(" {lower}\r\n")] {
            assert!(is_sevens(&RootKey::from_hex(&text).unwrap()), "{text}");
        }
        for bad in ["", "a7", &"a7".repeat(33), &format!("{}+7", "a7".repeat(31)), &format!("{}é", "a7".repeat(31))] {
            assert!(matches!(RootKey::from_hex(bad), Err(RootKeyError::NotAKey)), "{bad}");
        }
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("key");
        for (content, is_key) in [
            (vec![0xa7; 32], true),
            (lower.clone().into_bytes(), true),
            (format!("{lower}\n").into_bytes(), true),
            (vec![0xa7; 31], false),
            (vec![0xa7; 33], false),
            (Vec::new(), false),
            (lower.repeat(9).into_bytes(), false),
        ] {
            std::fs::write(&path, &content).unwrap();
            match RootKey::from_file(&path) {
                Ok(key) => assert!(is_key && is_sevens(&key), "{} bytes", content.len()),
                Err(error) => assert!(!is_key && matches!(error, RootKeyError::NotAKey), "{error}"),
            }
        }
        let missing = RootKey::from_file(scratch.path().join("none")).unwrap_err();
        assert!(matches!(&missing, RootKeyError::File { .. }) && missing.to_string().contains("none"), "{missing}");
    }
}
