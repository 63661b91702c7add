//! Names of people.

use std::str::FromStr;

use super::folding::{Commas, folded, widened};
use super::secret_text::{
    SecretText, decode_text, deserializes_from_text, exposes_text, serializes_exposed_text, wipes_what_it_reads,
};
use super::unicode::{LineFault, read_line};
use super::{Canonical, CanonicalForm, Invalid, Padding, PersonalData, Plaintext, TypeTag};

/// A person's name, or a part of one, in any script.
///
/// Kept as typed, without white space at its ends and in no normal form: form C makes other characters of U+FA10 and its
/// like, in which some families' names are registered. Refused are only an empty name, one of more than
/// [`Name::MOST_BYTES`] (shorten it, or keep it as [`Text`](super::Text)), control characters and line breaks, and characters that turn the direction of writing (an
/// invoice could show another name than the one stored). Apostrophes, combining marks, joiners, digits and emoji are
/// names somewhere.
///
/// Padding: steps of 96 bytes. At least 99 of 100 full names of each language have one size: 95 bytes are 95 letters of
/// English, 47 of Greek, Cyrillic, Hebrew or Arabic, 31 of the scripts of India and South-East Asia, or of Chinese, Japanese
/// and Korean. (Measured over 5 000 names in each of 83 languages and countries; 64 bytes would show one Hindi name in ten.)
///
/// ```
/// use oubliette::personal::{Canonical, Name};
/// let typed: Name = " Siobhán O’Connor ".parse()?;
/// let stored: Name = "SIOBHÁN O'CONNOR".parse()?;
/// assert_eq!(typed.expose_personal_data(), "Siobhán O’Connor");
/// assert_eq!(typed.canonical_form(), stored.canonical_form());
/// # Ok::<(), oubliette::personal::Invalid>(())
/// ```
///
#[doc = include_str!("folding/name.md")]
#[derive(Clone, PartialEq, Eq)]
pub struct Name {
    text: SecretText,
}

impl Name {
    /// Most bytes in a name: a hundred characters even in scripts that take three bytes each.
    pub const MOST_BYTES: usize = 300;
}

exposes_text!(Name);
serializes_exposed_text!(Name);
wipes_what_it_reads!(Name, Invalid);
deserializes_from_text!(Name, "a name, as a string");

const EMPTY: Invalid = Invalid::Empty("the name is empty; leave the field out instead");
const TOO_LONG: Invalid = Invalid::TooLong("the name has more than 300 bytes; shorten it, or keep it as `Text`");
const CONTROL: Invalid = Invalid::ControlCharacter("the name has a control character or a line break; remove it");
const DIRECTION: Invalid =
    Invalid::DirectionOverride("the name has an invisible character that turns the direction of writing; remove it");

fn refused(fault: LineFault) -> Invalid {
    match fault {
        LineFault::Empty => EMPTY,
        LineFault::TooLong => TOO_LONG,
        LineFault::Control => CONTROL,
        LineFault::Direction => DIRECTION,
    }
}

impl FromStr for Name {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Name, Invalid> {
        Ok(Name { text: read_line(text, Name::MOST_BYTES).map_err(refused)? })
    }
}

impl PersonalData for Name {
    const TAG: TypeTag = TypeTag::ours("obl.name");
    const PADDING: Padding = Padding::steps_of(96);

    fn size_hint(&self) -> usize {
        self.text.as_str().len()
    }

    fn encode(&self, out: &mut Plaintext) {
        out.extend(self.text.as_str().as_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Name, Invalid> {
        Ok(Name { text: decode_text(bytes, Name::MOST_BYTES)? })
    }
}

impl Canonical for Name {
    fn canonical_form(&self) -> CanonicalForm {
        CanonicalForm::of_text(folded(self.text.as_str(), Commas::Count).as_str())
    }

    fn wide_form(&self) -> CanonicalForm {
        CanonicalForm::of_text(widened(&folded(self.text.as_str(), Commas::Count)).as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_scripts_are_kept() {
        for name in [
            "Nguyễn Thị Minh Khai",
            "O’Connor",
            "María-José",
            "Jean-François d'Ormesson",
            "محمد بن عبد الله",
            "علی‌رضا",
            "שָׂרָה",
            "王小明",
            "𠮷田",
            "渡邉\u{e0101}",
            "นางสาวสุดารัตน์ ใจดี",
            "श्रीमती लक्ष्मी",
            "க்ஷேமா",
            "김민준",
            "Владимир Ильич",
            "Ólafur Þórðarson",
            "Kahealani Keʻeikelani",
            "X Æ A-12",
            "Ng",
            "李",
            "👩‍🚀 Ada",
            "M. (Jr.), 3rd",
            "Đặng Thùy Trâm",
            "ⵜⴰⵎⴰⵣⵉⵖⵜ",
            "Ŋṣọ́ọ́",
            // Form C makes other characters of these: U+FA10 is 塚, and a letter with its mark is one.
            "\u{fa10}\u{fa19}\u{fa1b}\u{2f800}",
            "Zoe\u{308}",
        ] {
            let parsed: Name = name.parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(parsed.expose_personal_data(), name);
        }
    }

    // What tests/names/measure.py measured.
    #[test]
    fn nearly_all_names_of_each_language_have_one_size() {
        let languages = include_str!("../../tests/names/lengths.txt").lines().filter(|line| !line.starts_with('#'));
        let mut count = 0;
        for line in languages {
            let (language, lengths) = line.split_once(' ').unwrap();
            let lengths: Vec<(usize, u32)> = lengths
                .split(' ')
                .map(|of_length| of_length.split_once(':').unwrap())
                .map(|(bytes, names)| (bytes.parse().unwrap(), names.parse().unwrap()))
                .collect();
            let all: u32 = lengths.iter().map(|(_, names)| names).sum();
            let one_size: u32 = lengths
                .iter()
                .filter(|(bytes, _)| Name::PADDING.padded(*bytes) == Name::PADDING.padded(0))
                .map(|(_, names)| names)
                .sum();
            assert!(one_size * 100 >= all * 99, "{language}: {one_size} of {all}");
            count += 1;
        }
        assert!(count > 80, "{count}");
    }

    #[test]
    fn the_rule_broken_is_named() {
        let long = "ก".repeat(101);
        for (text, why) in [
            ("", EMPTY),
            (" \u{3000}\u{200b}\u{3164} ", EMPTY),
            ("Jane\r\nBcc: x", CONTROL),
            ("Jane\tDoe", CONTROL),
            ("Jane\u{2028}Doe", CONTROL),
            ("Jane\0", CONTROL),
            ("Jane\u{9b}31m", CONTROL),
            ("\u{202e}enaJ", DIRECTION),
            ("Jane\u{2066}", DIRECTION),
            (&long, TOO_LONG),
            (&"a".repeat(5000), TOO_LONG),
        ] {
            assert_eq!(text.parse::<Name>(), Err(why));
        }
        assert!("ก".repeat(100).parse::<Name>().is_ok());
        assert!("e\u{301}".repeat(100).parse::<Name>().is_ok());
    }
}
