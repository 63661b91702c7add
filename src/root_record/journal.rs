//! What a record holds for the journal: the seed that signs it, and how far it had come.

use super::codec::{Reader, Writer};
use super::error::RecordError;
use crate::journal::{Anchor, Hash};
use crate::nonce;
use crate::secret::Secret32;

/// The seed of the vault's signing key: an Ed25519 private key as RFC 8032 has it.
#[derive(Debug)]
pub(crate) struct SignerSeed(pub(crate) Secret32);

impl SignerSeed {
    /// A new one.
    pub(crate) fn new() -> Result<SignerSeed, nonce::RandomnessUnavailable> {
        let mut seed = Secret32::empty();
        nonce::fill(seed.bytes_mut())?;
        Ok(SignerSeed(seed))
    }

    pub(crate) fn copy(&self) -> SignerSeed {
        SignerSeed(Secret32::copy_of(self.0.bytes()))
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        writer.bytes(self.0.bytes());
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<SignerSeed, RecordError> {
        let mut seed = Secret32::empty();
        reader.copy_to(seed.bytes_mut())?;
        Ok(SignerSeed(seed))
    }
}

/// Whether there is one, its number, its hash.
pub(super) fn write_anchor(anchor: Option<Anchor>, writer: &mut Writer<'_>) {
    writer.bytes(&[u8::from(anchor.is_some())]);
    writer.u64(anchor.map_or(0, |anchor| anchor.n()));
    writer.bytes(&anchor.map_or([0; 32], |anchor| anchor.hash().to_bytes()));
}

pub(super) fn read_anchor(reader: &mut Reader<'_>) -> Result<Option<Anchor>, RecordError> {
    let [is_there] = reader.array()?;
    let (n, hash) = (reader.u64()?, reader.array()?);
    match (is_there, Anchor::new(n, Hash::from_bytes(hash))) {
        (1, Some(anchor)) => Ok(Some(anchor)),
        (0, None) if hash == [0; 32] => Ok(None),
        _ => Err(RecordError::Malformed),
    }
}
