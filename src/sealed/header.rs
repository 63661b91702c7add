//! What a sealed value has in clear, and what its tag covers beside the ciphertext.

use std::borrow::Cow;

use crate::cipher::{COMMITMENT_BYTES, NONCE_BYTES};
use crate::derivation::TreeId;

/// The version byte. No UTF-8 text begins with 0xF8 or above, so a sealed value is never taken for plain text.
pub(crate) const VERSION: u8 = 0xf8;
/// The version byte of a value that was sealed in a copy of a vault.
pub(crate) const IN_COPY: u8 = VERSION | 1;

/// Bytes before the ciphertext: version, tree id, customer, witness, nonce, commitment.
pub(crate) const HEADER_BYTES: usize = 1 + 8 + 5 + 8 + NONCE_BYTES + COMMITMENT_BYTES;

/// What is in clear before the ciphertext. Borrowed where it is long: opening a short field takes no longer than a few
/// copies.
#[derive(Clone, Copy)]
pub(crate) struct Header<'h> {
    /// Sealed in a copy of the vault.
    pub(crate) in_copy: bool,
    pub(crate) tree: TreeId,
    pub(crate) customer: [u8; 5],
    /// A [`Witness`](crate::witness::Witness), packed.
    pub(crate) witness: u64,
    pub(crate) nonce: &'h [u8; NONCE_BYTES],
    pub(crate) commitment: &'h [u8; COMMITMENT_BYTES],
}

impl<'h> Header<'h> {
    pub(super) const EMPTY: Header<'static> = Header {
        in_copy: false,
        tree: TreeId([0; 8]),
        customer: [0; 5],
        witness: 0,
        nonce: &[0; NONCE_BYTES],
        commitment: &[0; COMMITMENT_BYTES],
    };

    /// Writes it over what begins with [`HEADER_BYTES`] of room; `None` if there is less.
    #[inline]
    pub(crate) fn write(&self, out: &mut [u8]) -> Option<()> {
        let (version, rest) = out.get_mut(..HEADER_BYTES)?.split_first_mut()?;
        let (tree, rest) = rest.split_first_chunk_mut()?;
        let (customer, rest) = rest.split_first_chunk_mut()?;
        let (witness, rest) = rest.split_first_chunk_mut()?;
        let (nonce, rest) = rest.split_first_chunk_mut()?;
        let commitment = rest.first_chunk_mut()?;
        (*version, *tree, *customer) = (version_byte(self.in_copy), self.tree.0, self.customer);
        (*witness, *nonce, *commitment) = (self.witness.to_be_bytes(), *self.nonce, *self.commitment);
        Some(())
    }

    #[inline]
    pub(super) fn read(bytes: &'h [u8]) -> Option<Header<'h>> {
        let (header, _) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        let (version, rest) = header.split_first()?;
        let (tree, rest) = rest.split_first_chunk()?;
        let (customer, rest) = rest.split_first_chunk()?;
        let (witness, rest) = rest.split_first_chunk()?;
        let (nonce, rest) = rest.split_first_chunk()?;
        let commitment = rest.first_chunk()?;
        let witness = u64::from_be_bytes(*witness);
        let in_copy = *version == IN_COPY;
        Some(Header { in_copy, tree: TreeId(*tree), customer: *customer, witness, nonce, commitment })
    }
}

#[inline]
fn version_byte(in_copy: bool) -> u8 {
    if in_copy { IN_COPY } else { VERSION }
}

/// What a sealed value's tag covers beside the ciphertext: version, witness, and the context, where none and an empty one
/// differ. Sixteen bytes (version, eight of witness, 1 if there is a context, six zeros), then the context.
///
/// The rest of the header needs no place here, since a change of it already leads to another key or nonce: tree and
/// customer choose the key, the commitment is compared with the key's, and the nonce is the cipher's. That keeps this
/// within one block of GHASH, where all of it would take six, a third of the time to open a short field.
///
/// In `room`, since a value that is written in pieces and moved at once stalls the processor; a longer one takes an allocation.
#[inline]
pub(crate) fn associated<'r>(
    in_copy: bool,
    witness: u64,
    context: Option<&[u8]>,
    room: &'r mut [u8; ASSOCIATED_ROOM],
) -> Cow<'r, [u8]> {
    let has_context = u128::from(context.is_some());
    let version = u128::from(version_byte(in_copy));
    let fixed = (version << 120 | u128::from(witness) << 56 | has_context << 48).to_be_bytes();
    let context = context.unwrap_or_default();
    let length = fixed.len() + context.len();
    if length > ASSOCIATED_ROOM {
        return Cow::Owned([&fixed, context].concat());
    }
    let (start, rest) = room.split_at_mut(fixed.len());
    start.copy_from_slice(&fixed);
    if let Some(place) = rest.get_mut(..context.len()) {
        place.copy_from_slice(context);
    }
    Cow::Borrowed(room.get(..length).unwrap_or_default())
}

/// For contexts of up to 48 bytes: a row's number, a UUID, as text as well.
pub(crate) const ASSOCIATED_ROOM: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_context_differs_from_an_empty_one() {
        let witness = 0x07_01_02_03;
        let of = |in_copy, context: Option<&[u8]>| {
            associated(in_copy, witness, context, &mut [0xaa; ASSOCIATED_ROOM]).into_owned()
        };
        let all = [None, Some(&b""[..]), Some(b"a")].map(|context| of(false, context));
        assert!(all[0] != all[1] && all[1] != all[2]);
        let in_copy = of(true, None);
        assert!(in_copy[0] == 0xf9 && in_copy[1..] == all[0][1..]);
        let fixed = [VERSION, 0, 0, 0, 0, 7, 1, 2, 3, 1, 0, 0, 0, 0, 0, 0];
        for bytes in [0, 1, 47, 48, 49, 1000] {
            let context: Vec<u8> = (0..bytes).map(|at: usize| at as u8).collect();
            assert_eq!(of(false, Some(&context)), [&fixed[..], &context].concat(), "{bytes}");
        }
    }
}
