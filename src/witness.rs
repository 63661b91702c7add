//! The generation witness: how a sealed value proves that a key store went back in time.

/// Largest generation a witness can name, 2^40 - 1.
pub(crate) const MOST_GENERATION: u64 = (1 << 40) - 1;

/// A generation of the root record, and the first bytes of that record's id.
///
/// Zero is the witness of a value sealed in a process's first lease: it proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Witness {
    pub(crate) generation: u64,
    pub(crate) id: [u8; 3],
}

impl Witness {
    pub(crate) const NONE: Witness = Witness { generation: 0, id: [0; 3] };

    pub(crate) fn to_bytes(self) -> [u8; 8] {
        let [_, _, _, a, b, c, d, e] = self.generation.to_be_bytes();
        let [x, y, z] = self.id;
        [a, b, c, d, e, x, y, z]
    }

    pub(crate) fn from_bytes([a, b, c, d, e, x, y, z]: [u8; 8]) -> Witness {
        Witness { generation: u64::from_be_bytes([0, 0, 0, a, b, c, d, e]), id: [x, y, z] }
    }
}
