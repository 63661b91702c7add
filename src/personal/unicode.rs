//! Which characters are refused, and how text is folded for comparison.

use unicode_normalization::UnicodeNormalization;

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

/// A line as it is kept: trimmed, in normal form C, with something to see in it, of `most` bytes at most.
pub(super) fn read_line(text: &str, most: usize) -> Result<SecretText, LineFault> {
    let text = text.trim();
    // No composition makes four bytes of one: longer text cannot fit, and is not worth normalising.
    if text.len() > most.saturating_mul(4) {
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
    let kept = SecretText::nfc(text);
    if kept.as_str().len() > most { Err(LineFault::TooLong) } else { Ok(kept) }
}

/// Text folded so that what people consider the same spelling compares equal: letter case, width and ligatures
/// (normal form KC), apostrophes and hyphens of any kind, spaces of any number and kind, invisible characters.
/// Accents count.
pub(super) fn folded(text: &str) -> SecretText {
    // Before normal form KC too: it takes a lone accent, often typed as an apostrophe, apart into a space and a mark.
    let compatible = SecretText::collect(text.chars().map(plain_punctuation).nfkc(), text.len());
    let mut folded = SecretText::with_capacity(compatible.as_str().len());
    let mut space_before = false;
    for c in compatible.as_str().chars().map(plain_punctuation).filter(|c| !is_ignorable(*c)) {
        if c.is_whitespace() {
            space_before = true;
            continue;
        }
        if space_before && !folded.as_str().is_empty() {
            folded.push(' ');
        }
        space_before = false;
        fold_case(c, &mut folded);
    }
    // Case mapping takes some letters apart, and dropping characters brings others together.
    SecretText::collect(folded.as_str().nfkc(), folded.as_str().len())
}

// Down, up and down again is full case folding with what each language adds to it: ß and ẞ meet ss, a final sigma meets
// the other, and the dotless i of Turkish, whose capital is an I, meets i. The dotted capital İ would keep its dot.
fn fold_case(c: char, folded: &mut SecretText) {
    if c == 'İ' {
        folded.push('i');
        return;
    }
    for c in c.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase) {
        folded.push(c);
    }
}

const fn plain_punctuation(c: char) -> char {
    match c {
        '\u{60}' | '\u{b4}' | '\u{2b9}'..='\u{2bc}' | '\u{2c8}' | '\u{2018}'..='\u{201b}' | '\u{2032}' | '\u{ff07}' => {
            '\''
        }
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => '-',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_meet() {
        for (one, other) in [
            ("O’CONNOR", "o'connor"),
            ("O´Connor", "O`Connor"),
            ("Weiß", "WEISS"),
            ("WEIẞ", "weiss"),
            ("Οδυσσεύς", "ΟΔΥΣΣΕΎΣ"),
            ("IŞIK", "Işık"),
            ("İbrahim", "ibrahim"),
            ("ＪＯＨＮ　Ｓｍｉｔｈ", "John \u{a0} Smith"),
            ("María‑José", "mari\u{301}a-jose\u{301}"),
            ("ﬁona", "Fiona"),
            ("علی\u{200c}رضا", "علیرضا"),
            ("e\u{34f}\u{301}", "é"),
            ("ŉ", "'n"),
            ("ΐ", "\u{3aa}\u{301}"),
        ] {
            assert_eq!(folded(one).as_str(), folded(other).as_str());
        }
    }

    #[test]
    fn different_spellings_do_not() {
        for (one, other) in [("Jose", "José"), ("Jean-Pierre", "Jean Pierre"), ("Anna", "Ana"), ("สุดา", "สดา")]
        {
            assert_ne!(folded(one).as_str(), folded(other).as_str());
        }
    }

    proptest! {
        #[test]
        fn folding_is_idempotent_and_sees_no_normal_form(text in any::<String>()) {
            let once = folded(&text);
            let twice = folded(once.as_str());
            prop_assert_eq!(twice.as_str(), once.as_str());
            let decomposed: String = text.nfd().collect();
            let from_nfd = folded(&decomposed);
            let composed: String = text.nfc().collect();
            let from_nfc = folded(&composed);
            prop_assert_eq!(from_nfd.as_str(), from_nfc.as_str());
        }
    }

    // Every character alone and after a letter: proptest would need years to draw the awkward ones.
    #[test]
    fn every_character_folds_to_a_fixed_point() {
        // The others are ideographs, unassigned or private, and map to themselves.
        for c in ('\0'..='\u{1ffff}').chain('\u{2f800}'..='\u{2fa1f}').chain('\u{e0000}'..='\u{e0fff}') {
            if matches!(c, '\u{3400}'..='\u{9fff}' | '\u{ac40}'..='\u{d7a3}' | '\u{12000}'..='\u{1cfff}') {
                continue;
            }
            for text in [c.to_string(), format!("a{c}\u{345}\u{301}x")] {
                let once = folded(&text);
                assert_eq!(folded(once.as_str()).as_str(), once.as_str(), "{:x}", u32::from(c));
                let nfd: String = text.nfd().collect();
                let nfc: String = text.nfc().collect();
                assert_eq!(folded(&nfd).as_str(), folded(&nfc).as_str(), "{:x}", u32::from(c));
            }
        }
    }
}
