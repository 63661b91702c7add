//! The wide form: without accents, vowel marks, spaces and punctuation too.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

use super::tables::is_european_mark;
use crate::personal::secret_text::SecretText;

/// Widens what was folded. Punctuation alone stays as it is, since otherwise all of it would be one.
pub(in crate::personal) fn widened(folded: &SecretText) -> SecretText {
    let mut out = SecretText::with_capacity(folded.as_str().len());
    let mut last = ' ';
    let mut gap = false;
    for c in folded.as_str().nfd().flat_map(letters) {
        if is_gap(c) {
            gap = true;
            continue;
        }
        // House numbers do not run together.
        if std::mem::take(&mut gap) && last.is_ascii_digit() && c.is_ascii_digit() {
            out.push(' ');
        }
        // Umlauts and rings spelled out, as in passports: Mueller, Moeller, Aarhus.
        if !matches!((last, c), ('a' | 'o' | 'u', 'e') | ('a', 'a')) {
            out.push(c);
            last = c;
        }
    }
    let wide = if out.as_str().is_empty() { folded } else { &out };
    SecretText::collect(wide.as_str().nfc(), wide.as_str().len())
}

const fn is_gap(c: char) -> bool {
    matches!(c, ' ' | '-' | '\'' | '"' | '\u{b7}' | '.' | ',' | '\u{60c}' | '\u{3001}')
}

/// What is left of a character: nothing of a mark that can be left out, one letter or two of another.
fn letters(c: char) -> impl Iterator<Item = char> {
    let (one, two) = match c {
        // Accents; vowel marks of Hebrew, Arabic and Syriac; hamza alone; nuktas of the scripts of India.
        _ if is_european_mark(c) || is_vowel_mark(c) || canonical_combining_class(c) == 7 => (None, None),
        'æ' => (Some('a'), None),
        'œ' | 'ø' | 'ɔ' => (Some('o'), None),
        'ə' | 'ɛ' => (Some('e'), None),
        'đ' | 'ɗ' => (Some('d'), None),
        'ł' => (Some('l'), None),
        'ħ' => (Some('h'), None),
        'ŧ' => (Some('t'), None),
        'ŋ' => (Some('n'), None),
        'ɓ' => (Some('b'), None),
        'ƙ' => (Some('k'), None),
        'ƴ' => (Some('y'), None),
        'þ' => (Some('t'), Some('h')),
        // Alef wasla; teh marbuta, heh doachashmee and ae are heh; yeh barree is yeh.
        '\u{671}' => (Some('\u{627}'), None),
        '\u{629}' | '\u{6be}' | '\u{6d5}' => (Some('\u{647}'), None),
        '\u{6d2}' => (Some('\u{64a}'), None),
        // Candrabindu is anusvara.
        '\u{901}' => (Some('\u{902}'), None),
        '\u{981}' => (Some('\u{982}'), None),
        '\u{a81}' => (Some('\u{a82}'), None),
        // Katakana are hiragana.
        '\u{30a1}'..='\u{30f4}' => (char::from_u32(u32::from(c).saturating_sub(0x60)), None),
        // Forms of ideographs in Japan's family registers.
        '髙' => (Some('高'), None),
        '\u{fa11}' | '嵜' => (Some('崎'), None),
        '𠮷' => (Some('吉'), None),
        '邊' | '邉' => (Some('辺'), None),
        '濱' | '濵' => (Some('浜'), None),
        '齋' => (Some('斎'), None),
        '澤' => (Some('沢'), None),
        '廣' => (Some('広'), None),
        '國' => (Some('国'), None),
        _ => (Some(c), None),
    };
    one.into_iter().chain(two)
}

const fn is_vowel_mark(c: char) -> bool {
    matches!(c,
        '\u{483}'..='\u{487}' | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}'..='\u{5c2}' | '\u{5c4}'..='\u{5c5}'
        | '\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{621}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{6d6}'..='\u{6dc}'
        | '\u{6df}'..='\u{6e4}' | '\u{6e7}'..='\u{6e8}' | '\u{6ea}'..='\u{6ed}' | '\u{711}' | '\u{730}'..='\u{74a}')
}
