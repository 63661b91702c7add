//! What a name may be: a leaf that purposes, fields, labels and reasons share.

/// A name or label that is empty, too long, or has control characters.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidName {
    /// Nothing was given.
    #[error("a name must not be empty")]
    Empty,
    /// More bytes than the format has room for.
    #[error("a name may have {most} bytes at most")]
    TooLong {
        /// The limit in bytes.
        most: usize,
    },
    /// A control character. It would make two names look alike.
    #[error("a name must not contain control characters")]
    Control,
}

/// Checks a name: 1 to `most` bytes of UTF-8, and nothing in it that ends a line, moves a cursor or turns the direction
/// of what follows (C0, DEL, C1, U+2028 to U+202E, U+2066 to U+2069).
///
/// ```
/// use oubliette_journal::{InvalidName, check_name};
/// assert_eq!(check_name("commandes à livrer", 32), Ok(()));
/// assert_eq!(check_name("a\nb", 32), Err(InvalidName::Control));
/// ```
///
/// # Errors
/// [`InvalidName`].
pub const fn check_name(name: &str, most: usize) -> Result<(), InvalidName> {
    let mut rest = name.as_bytes();
    if rest.is_empty() {
        return Err(InvalidName::Empty);
    }
    if rest.len() > most {
        return Err(InvalidName::TooLong { most });
    }
    let (mut first, mut before) = (0, 0);
    while let [byte, tail @ ..] = rest {
        // C0, DEL, and C1 (U+0080 to U+009F, which UTF-8 writes as C2 80 to C2 9F).
        if *byte < 0x20 || *byte == 0x7f || (before == 0xc2 && *byte < 0xa0) {
            return Err(InvalidName::Control);
        }
        // U+2028 and U+2029 end a line, U+202A to U+202E and U+2066 to U+2069 turn the direction of what follows: a text
        // with one would be shown as another than it is.
        let turns =
            (before == 0x80 && 0xa8 <= *byte && *byte <= 0xae) || (before == 0x81 && 0xa6 <= *byte && *byte <= 0xa9);
        if first == 0xe2 && turns {
            return Err(InvalidName::Control);
        }
        first = before;
        before = *byte;
        rest = tail;
    }
    Ok(())
}

crate::message::debug_as_message!(InvalidName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_line_or_turns_its_direction_is_refused() {
        assert_eq!(check_name("", 32), Err(InvalidName::Empty));
        assert_eq!(check_name("123", 2), Err(InvalidName::TooLong { most: 2 }));
        for refused in ['\n', '\u{7f}', '\u{80}', '\u{85}', '\u{9f}'] {
            assert_eq!(check_name(&format!("a{refused}b"), 32), Err(InvalidName::Control), "{refused:?}");
        }
        for refused in ('\u{2028}'..='\u{202e}').chain('\u{2066}'..='\u{2069}') {
            assert_eq!(check_name(&format!("a{refused}b"), 32), Err(InvalidName::Control), "{refused:?}");
        }
        for taken in ['\u{2027}', '\u{202f}', '\u{2065}', '\u{206a}', '\u{2128}', '\u{3028}', '\u{a0}', '€'] {
            assert_eq!(check_name(&format!("a{taken}b"), 32), Ok(()), "{taken:?}");
        }
    }
}
