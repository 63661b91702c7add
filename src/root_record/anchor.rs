//! The journal entry that a root record vouches for.

/// An entry of the journal, pinned: its number, and the hash of its line.
///
/// Whoever keeps one can tell later that the journal still has that entry, and so all before it. Receipts have two, the
/// root record has the newest, and anybody may write one down: `12:` and the hash in base64url as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Anchor {
    /// From 1 on.
    pub(crate) n: u64,
    pub(crate) hash: [u8; 32],
}
