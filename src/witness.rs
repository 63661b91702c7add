//! The generation witness: how a sealed value proves that a key store was rolled back.

pub(crate) use crate::journal::MOST_GENERATION;

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

    /// As the eight bytes of the format, most significant first.
    #[inline]
    pub(crate) fn packed(self) -> u64 {
        let [x, y, z] = self.id;
        self.generation << 24 | u64::from(u32::from_be_bytes([0, x, y, z]))
    }

    #[inline]
    pub(crate) fn from_packed(packed: u64) -> Witness {
        let [_, _, _, _, _, x, y, z] = packed.to_be_bytes();
        Witness { generation: packed >> 24, id: [x, y, z] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bytes_hold_generation_and_id() {
        let witness = Witness { generation: MOST_GENERATION - 1, id: [1, 2, 3] };
        assert_eq!(witness.packed().to_be_bytes(), [0xff, 0xff, 0xff, 0xff, 0xfe, 1, 2, 3]);
        assert_eq!(Witness::from_packed(witness.packed()), witness);
        assert_eq!(Witness::NONE.packed(), 0);
    }
}
