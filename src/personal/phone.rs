//! Telephone numbers.

use std::str::FromStr;

use super::secret_text::{SecretText, deserializes_from_text};
use super::secret_text::{exposes_text, serializes_exposed_text, wipes_what_it_reads};
use super::unicode::is_ignorable;
use super::{Canonical, CanonicalForm, Invalid, Padding, PersonalData, Plaintext, TypeTag};

#[cfg(not(feature = "phone"))]
mod plain;
#[cfg(not(feature = "phone"))]
use plain::{as_typed, e164};

#[cfg(feature = "phone")]
mod numbering;
#[cfg(feature = "phone")]
use numbering::{as_typed, e164};

const EMPTY: Invalid = Invalid::Empty("the telephone number is empty; leave the field out instead");
const TOO_LONG: Invalid = Invalid::TooLong("the telephone number has too many digits");
const NO_COUNTRY: Invalid =
    Invalid::NoCountry("the telephone number has no country; begin it with + and the country's code");

/// A telephone number: E.164, and an extension if there is one.
///
/// Kept in the form of RFC 3966 without its scheme, `+33123456789;ext=12`, since how a person spaced their digits
/// matters to nobody. This is the canonical form too: it tells extensions of one number apart.
///
/// `parse` takes a number with `+` and its country's code, in digits of any script, with an extension marked `;ext=`,
/// `ext.`, `x`, `#`, `poste` or the like. With feature `phone`, `Phone::parse` takes national forms as well, and numbers
/// are checked against the numbering plan of their country. Without, only lengths are, and `+` must be followed by
/// digits with nothing but spaces, dots and dashes between them. A number that both accept is kept in the same bytes.
///
/// A number without `+` that could be one of two is refused ([`Ambiguous`](Invalid::Ambiguous)): `491712345678` in Germany is
/// a mobile number whose plus was forgotten, and somebody's line in Emden. A number that is in no plan has a door of its own,
/// [`not_validated`](Phone::not_validated).
///
#[doc = include_str!("phone/folded.md")]
///
/// With feature `phone`, the library that knows numbering plans (`rlibphonenumber`) writes numbers to the `log` crate
/// at level trace: keep that level off for it. It wipes nothing either: copies of a number that was read may stay in freed memory.
///
/// Padding: every number has one size, 32 bytes.
///
/// ```
/// use oubliette::personal::Phone;
/// let phone: Phone = "+33 1.23.45.67.89 poste 12".parse()?;
/// assert_eq!(phone.expose_personal_data(), "+33123456789;ext=12");
/// assert_eq!(phone.expose_personal_data_parts(), ("+33123456789", Some("12")));
/// # Ok::<(), oubliette::personal::Invalid>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Phone {
    text: SecretText,
    is_validated: bool,
}

impl Phone {
    /// Most digits in an extension, so that every number fits one size.
    pub const MOST_EXTENSION_DIGITS: usize = 10;

    /// A number as people write it in a country: `06 12 34 56 78` in France. Numbers with `+`, or with what one dials
    /// there to call abroad (`00`), are of the country they say.
    ///
    /// # Errors
    /// [`Invalid`] names the rule broken.
    #[cfg(feature = "phone")]
    #[cfg_attr(docsrs, doc(cfg(feature = "phone")))]
    pub fn parse(text: &str, country: super::Country) -> Result<Phone, Invalid> {
        Phone::read(text, Some(country), false)
    }

    /// A number that its country's plan does not have (yet): new ranges, numbers of private networks. Only the number of its digits is checked: 7 to 15, after
    /// `+`, or as one dials in `country`. It is marked, as [`is_validated`](Phone::is_validated) tells, unless the plan has the number after all. Its token is that of the same
    /// number validated.
    ///
    /// # Errors
    /// [`Invalid`] names the rule broken. A number that could be one of two ([`Ambiguous`](Invalid::Ambiguous)) is refused here too.
    pub fn not_validated(text: &str, country: Option<super::Country>) -> Result<Phone, Invalid> {
        Phone::read(text, country, true)
    }

    /// True when the number was checked when it was read; false if [`not_validated`](Phone::not_validated) let it in unchecked. Without feature `phone`
    /// only lengths are checked.
    #[must_use]
    pub const fn is_validated(&self) -> bool {
        self.is_validated
    }

    /// The door out in parts: the number in E.164, and the extension's digits.
    #[must_use]
    pub fn expose_personal_data_parts(&self) -> (&str, Option<&str>) {
        parts(self.text.as_str())
    }

    fn read(text: &str, country: Option<super::Country>, any: bool) -> Result<Phone, Invalid> {
        let plain = plain_characters(text)?;
        let text = plain.as_str();
        let text = text.strip_prefix("tel:").unwrap_or(text);
        let end = text.find(|c: char| !is_of_number(c)).unwrap_or(text.len());
        let (number, rest) = text.split_at_checked(end).unwrap_or((text, ""));
        let extension = if rest.is_empty() { None } else { Some(read_extension(rest)?) };
        if !number.contains(|c: char| c.is_ascii_digit()) {
            return Err(Invalid::TooShort);
        }
        let number = number.trim_matches([' ', '-', '.']);
        let (mut kept, is_validated) = match e164(number, country) {
            Err(error) if any && !matches!(error, Invalid::Ambiguous) => (as_typed(number, country)?, false),
            kept => (kept?, true),
        };
        if let Some(extension) = extension {
            kept.push_str(EXTENSION);
            kept.push_str(extension);
        }
        match kept.as_str().len() {
            _ if is_kept_form(kept.as_str()) => Ok(Phone { text: kept, is_validated }),
            0..=7 => Err(Invalid::TooShort),
            _ => Err(TOO_LONG),
        }
    }
}

exposes_text!(Phone);
serializes_exposed_text!(Phone);
wipes_what_it_reads!(Phone, Invalid);
deserializes_from_text!(Phone, "a telephone number, as a string");

impl FromStr for Phone {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Phone, Invalid> {
        Phone::read(text, None, false)
    }
}

const EXTENSION: &str = ";ext=";
/// In content, in the place of the `+`.
const NOT_VALIDATED: &str = "~";

fn parts(text: &str) -> (&str, Option<&str>) {
    match text.split_once(EXTENSION) {
        Some((number, extension)) => (number, Some(extension)),
        None => (text, None),
    }
}

/// Whether text is what `Phone` keeps. It is checked when old values are opened, so it asks no numbering plan.
fn is_kept_form(text: &str) -> bool {
    let digits = |text: &str, least, most| {
        (least..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let (number, extension) = parts(text);
    let number = number.strip_prefix('+').unwrap_or_default();
    digits(number, 7, 15)
        && !number.starts_with('0')
        && extension.is_none_or(|extension| digits(extension, 1, Phone::MOST_EXTENSION_DIGITS))
}

const fn is_of_number(c: char) -> bool {
    matches!(c, '0'..='9' | '+' | ' ' | '-' | '.' | '/' | '(' | ')')
}

// What keyboards of all scripts write for the same few characters. Invisible characters come along when a number is copied
// out of a list of contacts, and nothing of them is kept.
fn plain_characters(text: &str) -> Result<SecretText, Invalid> {
    let text = text.trim();
    if text.len() > 250 {
        return Err(TOO_LONG);
    }
    let mut plain = SecretText::with_capacity(text.len());
    for c in text.chars().filter(|c| !is_ignorable(*c)) {
        match c {
            _ if c.is_control() => return Err(Invalid::UnexpectedCharacter),
            _ if c.is_whitespace() => plain.push(' '),
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{30fc}' | '\u{ff0d}' | '\u{ff70}' => plain.push('-'),
            '\u{b7}' | '\u{2022}' | '\u{30fb}' | '\u{ff65}' | '\u{3002}' | '\u{ff61}' => plain.push('.'),
            '[' | '\u{ff3b}' => plain.push('('),
            ']' | '\u{ff3d}' => plain.push(')'),
            '\u{301c}' => plain.push('~'),
            // Fullwidth forms of ASCII.
            '\u{ff01}'..='\u{ff5e}' => {
                plain.push(char::from_u32(u32::from(c).saturating_sub(0xfee0)).unwrap_or(c).to_ascii_lowercase());
            }
            _ => match digit(c) {
                Some(digit) => plain.push(digit),
                None => c.to_lowercase().for_each(|c| plain.push(c)),
            },
        }
    }
    if plain.as_str().trim().is_empty() { Err(EMPTY) } else { Ok(plain) }
}

// The zeros of scripts whose digits people use; the nine others follow each.
const ZEROS: [u32; 22] = [
    0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66, 0x0de6, 0x0e50,
    0x0ed0, 0x0f20, 0x1040, 0x17e0, 0x1810, 0x1c50, 0xa9d0, 0xabf0,
];

fn digit(c: char) -> Option<char> {
    let code = u32::from(c);
    ZEROS.iter().find_map(|zero| code.checked_sub(*zero).and_then(|value| char::from_digit(value, 10)))
}

const LABELS: [&str; 23] = [
    "ext",
    "extn",
    "extension",
    "extensión",
    "x",
    "poste",
    "anexo",
    "int",
    "interno",
    "ramal",
    "wew",
    "dahili",
    "dw",
    "durchwahl",
    "доб",
    "вн",
    "内線",
    "内线",
    "分機",
    "分机",
    "转",
    "轉",
    "내선",
];

// Here rather than in the library, which makes digits of the letters of a label that it does not know, and drops what
// follows a second number.
fn read_extension(rest: &str) -> Result<&str, Invalid> {
    // Two commas are a pause before dialling on; one alone may as well come before a second number.
    let is_after_pause = rest.trim_start().starts_with(",,");
    let rest = rest.trim_start_matches([' ', ';', ',']);
    let after = match rest.strip_prefix(['#', '~']) {
        Some(after) => after,
        None if is_after_pause && rest.starts_with(|c: char| c.is_ascii_digit()) => rest,
        None => {
            let end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
            let (label, after) = rest.split_at_checked(end).unwrap_or_default();
            if !LABELS.contains(&label) {
                return Err(Invalid::UnexpectedCharacter);
            }
            after
        }
    };
    let digits = after.trim_start_matches([' ', '.', ':', '=', '#']);
    let fits = (1..=Phone::MOST_EXTENSION_DIGITS).contains(&digits.len());
    if fits && digits.bytes().all(|byte| byte.is_ascii_digit()) { Ok(digits) } else { Err(Invalid::Extension) }
}

impl PersonalData for Phone {
    const TAG: TypeTag = TypeTag::ours("obl.phone");
    const PADDING: Padding = Padding::steps_of(32);

    fn size_hint(&self) -> usize {
        self.text.as_str().len()
    }

    fn encode(&self, out: &mut Plaintext) {
        match self.text.as_str().strip_prefix('+') {
            Some(rest) if !self.is_validated => {
                out.extend(NOT_VALIDATED.as_bytes());
                out.extend(rest.as_bytes());
            }
            _ => out.extend(self.text.as_str().as_bytes()),
        }
    }

    fn decode(bytes: &[u8]) -> Result<Phone, Invalid> {
        let text = std::str::from_utf8(bytes).map_err(|_| Invalid::Content)?;
        let mut kept = SecretText::with_capacity(text.len());
        let is_validated = match text.strip_prefix(NOT_VALIDATED) {
            Some(rest) => {
                kept.push('+');
                kept.push_str(rest);
                false
            }
            None => {
                kept.push_str(text);
                true
            }
        };
        if is_kept_form(kept.as_str()) { Ok(Phone { text: kept, is_validated }) } else { Err(Invalid::Content) }
    }
}

impl Canonical for Phone {
    const VALUES: Option<u64> = Some(10_000_000_000);

    fn canonical_form(&self) -> CanonicalForm {
        CanonicalForm::of_text(self.text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, Invalid> {
        text.parse::<Phone>().map(|phone| phone.expose_personal_data().to_owned())
    }

    // These hold with and without feature `phone`.
    #[test]
    fn both_builds_keep_the_same_bytes() {
        for (text, kept) in [
            ("+33 6 12 34 56 78", "+33612345678"),
            ("+33\u{a0}6\u{202f}12.34-56‑78", "+33612345678"),
            ("  tel:+33-1-23-45-67-89;ext=012 ", "+33123456789;ext=012"),
            ("+33 1 23 45 67 89 ext. 12", "+33123456789;ext=12"),
            ("+33 1 23 45 67 89, Extension: 12", "+33123456789;ext=12"),
            ("+33 1 23 45 67 89 - poste 12", "+33123456789;ext=12"),
            ("+33 1 23 45 67 89 x12", "+33123456789;ext=12"),
            ("+33 1 23 45 67 89 #12", "+33123456789;ext=12"),
            ("+33 1 23 45 67 89;ext=1234567890", "+33123456789;ext=1234567890"),
            ("＋３３　６１２３４５６７８", "+33612345678"),
            ("＋３３１２３４５６７８９　ｅｘｔ．１２", "+33123456789;ext=12"),
            ("+٣٣٦١٢٣٤٥٦٧٨", "+33612345678"),
            ("+۳۳۶۱۲۳۴۵۶۷۸", "+33612345678"),
            ("+३३६१२३४५६७८", "+33612345678"),
            ("\u{202a}+33 6 12 34 56 78\u{202c}", "+33612345678"),
            ("+44 20 7946 0018", "+442079460018"),
            ("+1 202-555-0143", "+12025550143"),
            ("+39 06 698 1", "+39066981"),
            ("+225 01 23 45 67 89", "+2250123456789"),
            ("+33 6·12·34·56·78", "+33612345678"),
            ("+33 6・12ｰ34ー56･78", "+33612345678"),
            ("+33 1 23 45 67 89 ~12", "+33123456789;ext=12"),
            ("+33 1 23 45 67 89～12", "+33123456789;ext=12"),
            ("+33 1 23 45 67 89,,12", "+33123456789;ext=12"),
            ("+81 3-1234-5678 内線12", "+81312345678;ext=12"),
            ("+886 2 2345 6789 分機 12", "+886223456789;ext=12"),
            ("+55 11 2345-6789 ramal 12", "+551123456789;ext=12"),
            ("+48 22 123 45 67 wew. 12", "+48221234567;ext=12"),
            ("+90 212 345 67 89 dahili: 12", "+902123456789;ext=12"),
            ("+49 30 123456 DW 12", "+4930123456;ext=12"),
            ("+39 06 698 12345 int. 12", "+390669812345;ext=12"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(kept), "{text}");
            assert_eq!(parse(kept).as_deref(), Ok(kept));
        }
    }

    #[test]
    fn the_rule_broken_is_named() {
        use Invalid::*;
        for (text, why) in [
            ("", EMPTY),
            (" \u{200e} ", EMPTY),
            ("06 12 34 56 78", NO_COUNTRY),
            ("+33 6 12 34 56 78 call after six", UnexpectedCharacter),
            ("mobile: +33 6 12 34 56 78", UnexpectedCharacter),
            ("+33 6 12 34 56 78\u{7}", UnexpectedCharacter),
            ("+33 6 12\t34 56 78", UnexpectedCharacter),
            ("+1 800 FLOWERS", UnexpectedCharacter),
            ("+33 6 12 34 56 78;phone-context=+1tel:", UnexpectedCharacter),
            ("+33 1 23 45 67 89, 12", UnexpectedCharacter),
            ("+33 1 23 45 67 89,,", UnexpectedCharacter),
            ("+33 1 23 45 67 89 ext", Extension),
            ("+33 1 23 45 67 89 ext 12a", Extension),
            ("+33 1 23 45 67 89;ext=12345678901", Extension),
            ("+33 1 23 45 67 89;ext=1;ext=2", Extension),
            ("+0 12 34 56 78", UnknownCountryCode),
            ("ext. 12", TooShort),
            ("+ ()", TooShort),
            ("+123", TooShort),
            ("+33 6 12 34 56 78 90 12 34 56", TOO_LONG),
            (&"1".repeat(300), TOO_LONG),
        ] {
            let got = parse(text);
            // A plan knows shorter and longer numbers, and which codes there are; the other build counts digits.
            let close = cfg!(feature = "phone") && matches!(got, Err(TooShort | UnknownCountryCode | NotInPlan));
            assert!(got == Err(why) || close, "{text}: {got:?}");
        }
    }

    #[test]
    fn every_number_has_one_size() {
        let longest = format!("+{};ext={}", "1".repeat(15), "2".repeat(10));
        assert!(is_kept_form(&longest));
        assert_eq!(Phone::PADDING.padded(longest.len()), 32);
        assert_eq!(Phone::PADDING.padded("+1234567".len()), 32);
    }

    #[test]
    fn nothing_but_the_kept_form_is_read_back() {
        for good in ["+1234567", "+123456789012345;ext=0", "+33123456789;ext=0123456789"] {
            assert_eq!(Phone::decode(good.as_bytes()).unwrap().expose_personal_data(), good);
        }
        for bad in [
            "",
            "+",
            "1234567",
            "+123456",
            "+0123456",
            "+1234567890123456",
            "+1234567;ext=",
            "+1234567;ext=12345678901",
            "+1234567;ext=1;ext=1",
            "+1234567 ",
            "+12345 67",
            "++1234567",
            "+1234567;EXT=1",
            "+١٢٣٤٥٦٧",
            "+1234567;ext=a",
            "~",
            "~+1234567",
            "~0123456",
            "~~1234567",
        ] {
            assert_eq!(Phone::decode(bad.as_bytes()), Err(Invalid::Content), "{bad}");
        }
        assert_eq!(Phone::decode(b"+1234567\xff"), Err(Invalid::Content));
    }
}
