//! What proves that a key store was rolled back.

use crate::root_record::Record;
use crate::witness::Witness;

/// Something that this vault once did, and that its record may have forgotten. Each is authenticated and names this vault; what a single value
/// says is an [alarm](super::alarm) at most.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RollbackProof {
    /// A durable state that this process held.
    Held(Witness),
    /// The highest generation that the journal names, which this vault signed.
    Journal(u64),
    /// The mark beside the pages, as it stood before the record was read.
    Mark(u64),
}

impl RollbackProof {
    /// The generation that is proven to have existed and is not in this record's history. `None`: it proves nothing.
    pub(crate) fn against(self, record: &Record) -> Option<u64> {
        let have = record.clear.generation;
        match self {
            RollbackProof::Held(witness) => record.contradicts(witness),
            RollbackProof::Journal(seen) => (seen > have).then_some(seen),
            // A commit that was killed before it wrote the record leaves a mark one higher.
            RollbackProof::Mark(mark) => (mark > have + 1).then_some(mark),
        }
    }
}
