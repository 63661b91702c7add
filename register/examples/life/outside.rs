//! What is done outside of the shop, with nothing of its vault: by the carrier, and by the privacy officer.

use std::fs;
use std::io::Read;
use std::path::Path;

use age::x25519::Identity;
use oubliette::journal::{self, Expectations, PublicKey, Receipt};
use serde_json::Value;

use crate::{Result, claim};

/// What the officer does, who has no vault: receipt and journal are checked with the public key alone.
pub fn officer(receipt: &Path, public_key: &Path, journal: &Path) -> Result<String> {
    let (text, key) = (fs::read_to_string(receipt)?, fs::read_to_string(public_key)?.parse::<PublicKey>()?);
    let receipt = Receipt::verify(&text, &key)?;
    claim(receipt.content().whose.as_str() == "1001", "the receipt is for customer 1001")?;
    let checked = journal::verify(journal, &key, &Expectations::new().receipt(&receipt), |_| ())?;
    claim(
        checked.gaps.is_empty() && checked.unchecked.is_empty(),
        "the journal is whole, and has the receipt's entries",
    )?;
    claim(Receipt::verify(&text.replace("asked for", "asked For"), &key).is_err(), "a changed receipt is refused")?;
    let remains = &receipt.content().may_remain;
    claim(remains.len() >= 3, "it says what may remain")?;
    Ok(format!("{},\nuntil {}", remains[0].what, remains[0].until))
}

/// What the carrier does, with its own key.
pub fn decrypted(file: &[u8], identity: &Identity) -> Result<Value> {
    let mut json = Vec::new();
    let decryptor = age::Decryptor::new(file)?;
    decryptor.decrypt(std::iter::once(identity as &dyn age::Identity))?.read_to_end(&mut json)?;
    Ok(serde_json::from_slice(&json)?)
}

/// The rows of a table in a disclosure or an answer.
pub fn rows<'d>(document: &'d Value, table: &str) -> &'d [Value] {
    let mut tables = document["tables"].as_array().into_iter().flatten();
    let found = tables.find(|found| found["table"] == table);
    found.and_then(|found| found["rows"].as_array()).map_or(&[], Vec::as_slice)
}
