//! Which characters are refused, and how a line is read.

use super::secret_text::SecretText;

/// Characters that show nothing and that Unicode lets programs ignore (Default_Ignorable_Code_Point): zero-width
/// characters, direction marks, fillers, variation selectors, tags. Domain name mapping silently deletes most of them.
pub(super) const fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The zero-width joiner and non-joiner, which some scripts are written with.
pub(super) const fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}'..='\u{200d}')
}

/// Embeddings, overrides and isolates, which can make text show in another order than it is stored. The plain marks
/// (U+200E, U+200F, U+061C) cannot, and come with pasted Arabic and Hebrew text.
pub(super) const fn turns_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Control characters, and the two separators that break lines like one.
pub(super) fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// A rule about single lines of text that people type: names, lines of addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LineFault {
    Empty,
    TooLong,
    Control,
    Direction,
}

/// A line as it is kept: as typed, without white space at its ends, with something to see in it, of `most` bytes at most.
/// No normal form: form C makes other characters of the compatibility ideographs in which some families' names are
/// registered.
pub(super) fn read_line(text: &str, most: usize) -> Result<SecretText, LineFault> {
    let text = text.trim();
    if text.len() > most {
        return Err(LineFault::TooLong);
    }
    if text.chars().any(is_control) {
        return Err(LineFault::Control);
    }
    if text.chars().any(turns_direction) {
        return Err(LineFault::Direction);
    }
    if text.chars().all(|c| c.is_whitespace() || is_ignorable(c)) {
        return Err(LineFault::Empty);
    }
    Ok(SecretText::copy_of(text))
}
