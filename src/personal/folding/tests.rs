//! What holds of folding whatever the text is. Which spellings meet: tests/canonical.rs.

use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

use super::*;

fn fold(text: &str, commas: Commas) -> String {
    folded(text, commas).as_str().to_owned()
}

fn wide(text: &str) -> String {
    widened(&folded(text, Commas::Count)).as_str().to_owned()
}

/// Folding twice changes nothing, and the choice of a normal form changes nothing.
fn check(text: &str) {
    let nfd: String = text.nfd().collect();
    let nfc: String = text.nfc().collect();
    for commas in [Commas::Count, Commas::Separate] {
        let once = fold(text, commas);
        assert_eq!(fold(&once, commas), once, "{}", text.escape_unicode());
        // What reads a form again trims it.
        assert_eq!(once.trim(), once, "{}", text.escape_unicode());
        assert_eq!(fold(&nfd, commas), once, "{}", text.escape_unicode());
        assert_eq!(fold(&nfc, commas), once, "{}", text.escape_unicode());
    }
    assert_eq!(wide(&fold(text, Commas::Count)), wide(text), "{}", text.escape_unicode());
    let once = widened(&folded(text, Commas::Count));
    assert_eq!(widened(&once).as_str(), once.as_str(), "{}", text.escape_unicode());
}

fn hard_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        // What the layout turns on: spaces, dots, dashes, digits, kana, ideographs.
        "[ .,·・、〒ー\u{640}\u{ad}\u{2010}1２カガ\u{3099}漢a-]{1,12}",
        "[iIİıjσΣςΐΆᾳ\u{345}\u{301}\u{307}\u{308}\u{323}\u{326}ßẞð]{1,10}",
        "[يىیکكـئۀە\u{654}\u{200c}\u{200d}فا ]{1,10}",
        "[കര്\u{d4d}\u{200d}നเแ\u{e40}եւվև½5²①º.]{1,10}",
        "[aeouäæøåþ'\" -]{1,12}",
        // Marks of many combining classes, where gaps beside kana and ideographs go.
        "[σi1カ漢a .・ー\u{3099}\u{309a}゛゜\u{640}\u{93c}\u{657}\u{6da}\u{654}\u{301}\u{323}\u{345}\u{1d165}-]{1,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn folding_is_idempotent_and_sees_no_normal_form(text in hard_text()) {
        check(&text);
    }
}

// Every character alone and among others: proptest would need years to draw the awkward ones.
#[test]
fn every_character_folds_to_a_fixed_point() {
    // The others are ideographs, unassigned or private, and map to themselves.
    for c in ('\0'..='\u{1ffff}').chain('\u{2f800}'..='\u{2fa1f}').chain('\u{e0000}'..='\u{e0fff}') {
        if matches!(c, '\u{3400}'..='\u{9fff}' | '\u{ac40}'..='\u{d7a3}' | '\u{12000}'..='\u{12fff}' | '\u{17000}'..='\u{1cbff}')
        {
            continue;
        }
        for text in [c.to_string(), format!("a{c}\u{345}\u{301}x"), format!("1{c}2"), format!("カ{c} 1")] {
            check(&text);
        }
    }
}

// The tables of the standard library are those of this compiler; ours are frozen. Where both know a letter they agree.
#[test]
fn case_is_folded_as_unicode_folds_it() {
    for c in '\0'..='\u{1ffff}' {
        let decomposes = !std::iter::once(c).nfkd().eq([c]);
        // Cherokee folds to its capitals, ı to itself, ß and ẞ to two letters.
        if decomposes || matches!(c, '\u{13a0}'..='\u{13ff}' | '\u{ab70}'..='\u{abbf}' | 'ı' | 'ß' | 'ẞ') {
            continue;
        }
        let lower: Vec<char> = c.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect();
        let ours = case::folded(c);
        // A later compiler may know more pairs.
        assert!(lower == [ours] || ours == c && char::UNICODE_VERSION.0 > 17, "{:x}", u32::from(c));
    }
    assert_eq!(case::folded('ꭰ'), 'Ꭰ');
    assert_eq!(case::folded('ᏸ'), 'Ᏸ');
}

#[test]
fn digits_are_those_of_unicode() {
    for (zero, nine) in [('٠', '٩'), ('０', '９'), ('𝟎', '𝟗'), ('๐', '๙'), ('᱀', '᱉')] {
        assert_eq!((tables::plain(zero), tables::plain(nine)), ('0', '9'));
    }
    for c in ['²', '①', '٪', 'Ⅷ', '\u{66a}', '\u{9f4}'] {
        assert!(!tables::plain(c).is_ascii_digit(), "{c}");
    }
}

#[test]
fn postcodes_are_joined_only_where_one_can_be() {
    for (country, text, joined) in [
        ("GB", "london sw1a 1aa uk", "london sw1a1aa uk"),
        ("GB", "ec1a 1bb", "ec1a1bb"),
        ("GB", "xec1a 1bb", "xec1a 1bb"),
        ("GB", "ec1a 1bbb", "ec1a 1bbb"),
        ("GB", "m1  1ae", "m1  1ae"),
        ("GB", "m1 1ae m1 1ae", "m11ae m11ae"),
        ("GB", "é m1 1aé", "é m1 1aé"),
        ("FR", "sw1a 1aa", "sw1a 1aa"),
        ("JP", "100-0001東京", "1000001東京"),
        ("JP", "03-100-0001", "03-100-0001"),
        ("SE", "113 51 113 5", "11351 113 5"),
        ("US", "or 97301-1234", "or 973011234"),
    ] {
        let country = country.parse().unwrap();
        assert_eq!(join_postcodes(country, SecretText::copy_of(text)).as_str(), joined);
    }
}

/// Found by fuzzing: what is dropped at the ends leaves white space there.
#[test]
fn nothing_but_gaps_and_what_is_dropped() {
    for text in ["\u{640} .\u{640}", ". .", " .", "\u{640} \u{640}", "\u{ad} \u{b7}\u{ad}"] {
        check(text);
    }
}

/// Found by fuzzing: a mark behind a gap that is dropped would come to stand among the marks before it.
#[test]
fn a_mark_keeps_its_place_behind_a_gap() {
    for text in [
        "\u{657}゜--;---.\u{6da}\u{654}CJ;\n",
        "か\u{3099} \u{93c}-",
        "漢 \u{301}",
        "カ \u{3099}ー",
        "- \u{301}.\u{323}",
        "\u{654}\u{640}゛ー",
        "σ\u{654}\u{640}\u{323}",
    ] {
        check(text);
    }
    assert_eq!(fold("カ゛ー", Commas::Count), "ガー");
    assert_eq!(fold("カ゛ー", Commas::Count), fold("ｶﾞｰ", Commas::Count));
}
