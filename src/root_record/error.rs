//! What can be wrong with a record.

/// Why a record cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordError {
    WrongRootKey,
    NotAuthentic,
    Malformed,
    NewerVersion,
}
