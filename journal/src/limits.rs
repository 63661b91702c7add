//! What fits into a line, and the largest numbers in it.

/// Most bytes of a line, its line feed included.
pub const LINE_BYTES: usize = 1 << 16;
/// Largest generation of a root record that an entry can name, 2^40 - 1.
pub const MOST_GENERATION: u64 = (1 << 40) - 1;
/// Largest number in a line: what every JSON reader holds exactly.
pub(crate) const MOST_NUMBER: u64 = (1 << 53) - 1;
