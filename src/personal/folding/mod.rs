//! Folding: what people and their keyboards write for the same thing becomes one text. FORMAT.md, section 8.1, has each
//! step; the tables beside the types' docs have what it comes to.

mod case;
mod postcodes;
mod tables;
#[cfg(test)]
mod tests;
mod wide;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

use super::secret_text::SecretText;
use super::unicode::is_ignorable;
pub(super) use postcodes::join_postcodes;
pub(super) use wide::widened;

/// What a comma is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Commas {
    /// A character like others: `Doe, Jane` has its family name first.
    Count,
    /// Another space, and the mark 〒 one too: lines of addresses.
    Separate,
}

/// Text folded so that what people consider the same spelling compares equal. Accents count.
pub(super) fn folded(text: &str, commas: Commas) -> SecretText {
    let decomposed = SecretText::collect(text.nfd(), text.len());
    let joined = replaced(decomposed, tables::APART);
    let letters = replaced(folded_letters(&plain_characters(joined.as_str())), tables::SEQUENCES);
    let laid_out = laid_out(letters.as_str(), commas);
    // Nothing but spaces and dots: kept, since otherwise all of these would be one. Spaces at the ends come from what was dropped beside them.
    let folded = if laid_out.as_str().is_empty() { letters.as_str().trim() } else { laid_out.as_str() };
    SecretText::collect(folded.nfc(), folded.len())
}

/// Every one of these from left to right becomes what stands beside it.
fn replaced(text: SecretText, pairs: &[(&str, &str)]) -> SecretText {
    pairs.iter().fold(text, |text, (from, to)| {
        if !text.as_str().contains(from) {
            return text;
        }
        let mut out = SecretText::with_capacity(text.as_str().len());
        for (at, piece) in text.as_str().split(from).enumerate() {
            if at > 0 {
                out.push_str(to);
            }
            out.push_str(piece);
        }
        out
    })
}

/// Normal form KD with plain punctuation and digits, where numbers that are no digits stay; without invisible characters.
fn plain_characters(text: &str) -> SecretText {
    let mut out = SecretText::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            out.push(tables::plain(c));
        } else if tables::holds_number(c) {
            out.push(c);
        } else {
            if tables::is_fraction(c) {
                out.push(' ');
            }
            // Before it is taken apart too: a lone accent, typed as an apostrophe, becomes a space and a mark otherwise.
            let parts = std::iter::once(tables::plain(c)).nfkd().map(tables::plain);
            parts.filter(|c| !is_ignorable(*c)).for_each(|c| out.push(c));
        }
    }
    // Marks may have come to follow others.
    SecretText::collect(out.as_str().nfd(), out.as_str().len())
}

/// Small letters, and one for those that are written for one another.
fn folded_letters(text: &SecretText) -> SecretText {
    let mut out = SecretText::with_capacity(text.as_str().len());
    let mut base = ' ';
    for c in text.as_str().chars() {
        let c = case::folded(c);
        if tables::is_european_mark(c) {
            match c {
                // Capitals drop the accent, and small letters do not.
                _ if tables::is_greek(base) => {}
                // The dot that İ loses in some programs and gains in others.
                '\u{307}' if matches!(base, 'i' | 'j') => {}
                // Comma and cedilla are one in Romanian and Latvian, by keyboard and font.
                '\u{326}' => out.push('\u{327}'),
                _ => out.push(c),
            }
            continue;
        }
        match tables::letter(c) {
            Some(letters) => {
                out.push_str(letters);
                base = letters.chars().next_back().unwrap_or(base);
            }
            None => {
                out.push(c);
                if canonical_combining_class(c) == 0 {
                    base = c;
                }
            }
        }
    }
    // Where a tatweel went, or a comma became a cedilla, marks may have come to follow others.
    SecretText::collect(out.as_str().nfd(), out.as_str().len())
}

/// Spaces, dots and dashes.
fn laid_out(text: &str, commas: Commas) -> SecretText {
    let mut out = SecretText::with_capacity(text.len());
    let mut last = None;
    let mut gap = None;
    let mut before = ' ';
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let kind = gap_of(before, c, rest.clone().next(), commas);
        before = c;
        if kind.is_some() {
            // A dot among spaces counts.
            gap = gap.max(kind);
            continue;
        }
        let mut c = c;
        if matches!(c, '-' | '\u{30fc}') {
            let mut next = rest.clone();
            let mut at = c;
            let next = loop {
                let Some(c) = next.next() else { break ' ' };
                if gap_of(at, c, next.clone().next(), commas).is_none() {
                    break c;
                }
                at = c;
            };
            // A long vowel behind kana, and a dash elsewhere and before a house number: each is typed for the other.
            c = if last.is_some_and(tables::is_kana) && !next.is_ascii_digit() { '\u{30fc}' } else { '-' };
        }
        match (last, gap.take()) {
            // A mark would join what is before the gap, and be put in another order there.
            (Some(last), Some(gap)) if canonical_combining_class(c) != 0 || !is_tight(last) && !is_tight(c) => {
                out.push(if gap == Gap::Dot { '\u{b7}' } else { ' ' });
            }
            _ => {}
        }
        out.push(c);
        last = Some(c);
    }
    out
}

/// What parts words, the stronger later.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    Space,
    Dot,
}

fn gap_of(before: char, c: char, after: Option<char>, commas: Commas) -> Option<Gap> {
    match c {
        '\u{b7}' => Some(Gap::Dot),
        // Between digits it is part of a number; elsewhere `St.` and `St`, `J.P.` and `J. P.` are the same.
        '.' if before.is_ascii_digit() && after.is_some_and(|c| c.is_ascii_digit()) => None,
        '.' => Some(Gap::Space),
        ',' | '\u{60c}' | '\u{3001}' | '\u{3012}' if commas == Commas::Separate => Some(Gap::Space),
        _ if c.is_whitespace() => Some(Gap::Space),
        _ => None,
    }
}

/// Beside these, people put a space or not.
const fn is_tight(c: char) -> bool {
    c == '-' || tables::is_ideograph(c) || tables::is_kana(c)
}
