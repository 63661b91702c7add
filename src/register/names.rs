//! Names that the register takes, of marks, recipients, tables and columns.

use crate::journal::check_name;

/// Most bytes of one.
pub(crate) const NAME_BYTES: usize = 64;

/// Whether it has 1 to 64 bytes, and nothing that would make two names look alike.
pub(crate) fn is_name(text: &str) -> bool {
    check_name(text, NAME_BYTES).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_printable() {
        assert!(is_name("carrier") && is_name(&"x".repeat(NAME_BYTES)));
        for refused in ["", "a\nb", "a\u{202e}b", &"x".repeat(NAME_BYTES + 1)] {
            assert!(!is_name(refused), "{refused:?}");
        }
    }
}
