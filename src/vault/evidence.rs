//! What proves that a key store went back in time.

use crate::root_record::Record;
use crate::witness::Witness;

/// Something that this vault once did, and that its record may have forgotten.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Evidence {
    /// A state that this process held, or the witness in an authentic value.
    Witness(Witness),
    /// A number in an authentic value, and the generation that its witness names.
    Number(u64, u64),
    /// The mark beside the pages, as it stood before the record was read.
    Mark(u64),
}

impl Evidence {
    /// The generation that is proven to have existed and is not in this record's history. `None`: it proves nothing.
    pub(crate) fn against(self, record: &Record) -> Option<u64> {
        let have = record.clear.generation;
        match self {
            Evidence::Witness(witness) => match record.descends_from(witness) {
                // Too old for the ring: at least it did not go back.
                Some(true) | None => None,
                // Of before a recovery, which began the ring anew above all that were seen.
                Some(false) => (witness.generation >= record.floor).then_some(witness.generation),
            },
            Evidence::Number(number, generation) => (number >= record.next_number).then(|| generation.max(have + 1)),
            // A commit that was killed before it wrote the record leaves a mark one higher.
            Evidence::Mark(mark) => (mark > have + 1).then_some(mark),
        }
    }
}
