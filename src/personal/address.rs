//! Postal addresses.

mod exchange;

use std::str::FromStr;

use super::folding::{Commas, folded, join_postcodes, widened};
use super::secret_text::{SecretText, exposes_text, wipes_what_it_reads};
use super::unicode::{LineFault, read_line};
use super::{Canonical, CanonicalForm, Country, Invalid, Padding, PersonalData, Plaintext, TypeTag};

/// A postal address: a country, and lines as they are written on an envelope.
///
/// What belongs on which line, and in what order, differs by country; so nothing is taken apart. Lines are kept as typed,
/// without white space at their ends; blank ones are left out. There are 1 to [`Address::MOST_LINES`] of them, each
/// of [`Address::MOST_LINE_BYTES`] at most, without control characters or characters that turn the direction of
/// writing.
///
/// As text (`FromStr`, `expose_personal_data`) it is the lines, and the country's name and code on a last line of its own:
/// `France (FR)`. What people type is read by [`Address::parse`], which is told the country of those who name none. Without
/// it (`FromStr`), a country is taken only from a last line that can mean nothing else: its full name, in English or in the
/// languages of its offices. `IL`, `CA` and `DE` are states too, and so is Georgia; the error then asks for the country. In
/// serde it is a struct: `{"country": "FR", "lines": ["12 rue de la Paix", "75002 Paris"]}`.
///
/// Padding: steps of 128 bytes.
///
/// ```
/// use oubliette::personal::{Address, Country};
/// let address = Address::new(Country::new("FR"), ["12 rue de la Paix", "75002 Paris"])?;
/// assert_eq!(address.expose_personal_data(), "12 rue de la Paix\n75002 Paris\nFrance (FR)");
/// assert_eq!("12 rue de la Paix\n75002 Paris\nFRANCE".parse(), Ok(address.clone()));
/// assert_eq!(Address::parse("12 rue de la Paix\n75002 Paris", Country::new("FR")), Ok(address));
/// # Ok::<(), oubliette::personal::Invalid>(())
/// ```
///
#[doc = include_str!("folding/address.md")]
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    country: Country,
    // The lines and the country's code, so that one allocation holds all and is wiped as one.
    text: SecretText,
}

impl Address {
    /// Most lines, the country's not counted.
    pub const MOST_LINES: usize = 10;
    /// Most bytes in a line.
    pub const MOST_LINE_BYTES: usize = 300;

    /// An address in a country. Blank lines are left out.
    ///
    /// # Errors
    /// [`Invalid`] names the rule broken.
    pub fn new<L: AsRef<str>>(country: Country, lines: impl IntoIterator<Item = L>) -> Result<Address, Invalid> {
        let mut count = 0;
        let mut text = SecretText::with_capacity(256);
        for line in lines {
            let line = match read_line(line.as_ref(), Address::MOST_LINE_BYTES) {
                Err(LineFault::Empty) => continue,
                read => read.map_err(refused)?,
            };
            count += 1;
            if count > Address::MOST_LINES {
                return Err(Invalid::TooManyLines);
            }
            text.push_str(line.as_str());
            text.push('\n');
        }
        if count == 0 {
            return Err(NO_LINES);
        }
        country.write_out(&mut text);
        Ok(Address { country, text })
    }

    /// An address from lines of text, in the country given unless a last line names another in full (`Deutschland`,
    /// `France (FR)`). A last line that says the country given, by its code too, is left out: `IL` stays a line, but not
    /// in Israel.
    ///
    /// # Errors
    /// [`Invalid`] names the rule broken.
    pub fn parse(text: &str, country: Country) -> Result<Address, Invalid> {
        let text = text.trim();
        let (lines, last) = text.rsplit_once('\n').unwrap_or(("", text));
        let said = last.parse().ok().filter(|said| *said == country);
        match Country::named_by(last).or(said) {
            Some(country) => Address::new(country, lines.lines()),
            None => Address::new(country, text.lines()),
        }
    }

    /// The door out in parts: the country, and the lines without it.
    pub fn expose_personal_data_parts(&self) -> (Country, impl Iterator<Item = &str>) {
        (self.country, self.lines())
    }

    fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.as_str().rsplit_once('\n').map(|(lines, _)| lines).unwrap_or_default().split('\n')
    }
}

exposes_text!(Address);
wipes_what_it_reads!(Address, Invalid);

pub(super) const NO_COUNTRY: Invalid = Invalid::NoCountry(
    "the address has no country; give it apart, or its full name on a last line, such as France (FR)",
);
pub(super) const NO_LINES: Invalid =
    Invalid::Empty("the address has no lines besides the country; leave the field out instead");
const LINE_TOO_LONG: Invalid = Invalid::TooLong("a line of the address has more than 300 bytes; break it in two");
const CONTROL: Invalid =
    Invalid::ControlCharacter("a line of the address has a control character or a line break; remove it");
const DIRECTION: Invalid = Invalid::DirectionOverride(
    "a line of the address has an invisible character that turns the direction of writing; remove it",
);

fn refused(fault: LineFault) -> Invalid {
    match fault {
        LineFault::Empty => NO_LINES,
        LineFault::TooLong => LINE_TOO_LONG,
        LineFault::Control => CONTROL,
        LineFault::Direction => DIRECTION,
    }
}

impl FromStr for Address {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Address, Invalid> {
        let text = text.trim();
        let (lines, last) = text.rsplit_once('\n').unwrap_or(("", text));
        let unclear = || match last.parse::<Country>() {
            Ok(_) => Invalid::UnclearCountry,
            Err(_) => NO_COUNTRY,
        };
        let country = Country::named_by(last).ok_or_else(unclear)?;
        Address::new(country, lines.lines())
    }
}

// The first byte of the encoding: addresses may one day be kept in parts.
const VERSION: u8 = 1;

impl PersonalData for Address {
    const TAG: TypeTag = TypeTag::ours("obl.address");
    const PADDING: Padding = Padding::steps_of(128);

    fn size_hint(&self) -> usize {
        self.text.as_str().len().saturating_add(2 + Address::MOST_LINES)
    }

    fn encode(&self, out: &mut Plaintext) {
        let [first, second] = self.country.as_bytes();
        let count = self.lines().count();
        out.extend(&[VERSION, first, second, u8::try_from(count).unwrap_or(u8::MAX)]);
        for line in self.lines() {
            out.extend(&u16::try_from(line.len()).unwrap_or(u16::MAX).to_be_bytes());
            out.extend(line.as_bytes());
        }
    }

    fn decode(bytes: &[u8]) -> Result<Address, Invalid> {
        let [VERSION, first, second, count, rest @ ..] = bytes else { return Err(Invalid::Content) };
        let country = Country::once_accepted([*first, *second]).ok_or(Invalid::Content)?;
        if *count == 0 || usize::from(*count) > Address::MOST_LINES {
            return Err(Invalid::Content);
        }
        let mut rest = rest;
        let mut text = SecretText::with_capacity(bytes.len().saturating_add(Country::MOST_WRITTEN_OUT));
        for _ in 0..*count {
            let (size, after) = rest.split_first_chunk().ok_or(Invalid::Content)?;
            let (line, after) =
                after.split_at_checked(usize::from(u16::from_be_bytes(*size))).ok_or(Invalid::Content)?;
            let line = std::str::from_utf8(line).map_err(|_| Invalid::Content)?;
            // A line break within a line would make two of it.
            if line.is_empty() || line.len() > Address::MOST_LINE_BYTES || line.contains('\n') {
                return Err(Invalid::Content);
            }
            text.push_str(line);
            text.push('\n');
            rest = after;
        }
        country.write_out(&mut text);
        if rest.is_empty() { Ok(Address { country, text }) } else { Err(Invalid::Content) }
    }
}

impl Address {
    fn folded(&self) -> SecretText {
        let mut joined = SecretText::with_capacity(self.text.as_str().len());
        self.lines().for_each(|line| {
            joined.push_str(line);
            joined.push(' ');
        });
        join_postcodes(self.country, folded(joined.as_str(), Commas::Separate))
    }

    fn form_of(&self, lines: &SecretText) -> CanonicalForm {
        let mut form = SecretText::with_capacity(lines.as_str().len().saturating_add(3));
        form.push_str(self.country.as_str());
        form.push(' ');
        form.push_str(lines.as_str());
        CanonicalForm::of_text(form.as_str())
    }
}

impl Canonical for Address {
    fn canonical_form(&self) -> CanonicalForm {
        self.form_of(&self.folded())
    }

    fn wide_form(&self) -> CanonicalForm {
        self.form_of(&widened(&self.folded()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::personal::ExposePersonalData;

    const FR: Country = Country::new("FR");

    fn parse(text: &str) -> Result<Address, Invalid> {
        text.parse()
    }

    #[test]
    fn lines_are_kept_and_blank_ones_left_out() {
        let address = Address::new(FR, [" 12 rue de l’Église ", "", "  ", "75002 PARIS\u{a0}"]).unwrap();
        assert_eq!(address.expose_personal_data(), "12 rue de l’Église\n75002 PARIS\nFrance (FR)");
        let (country, lines) = address.expose_personal_data_parts();
        assert_eq!((country, lines.collect::<Vec<_>>()), (FR, vec!["12 rue de l’Église", "75002 PARIS"]));
        assert_eq!(parse("\n12 rue de l’Église\r\n\r\n75002 PARIS\r\n france \r\n"), Ok(address));
        for text in [
            "〒100-0001\n東京都千代田区千代田1-1\nJapan (JP)",
            "شارع الملك فهد\nالرياض 12211\nSaudi Arabia (SA)",
            "1 Main St.\nGB\nUnited Kingdom (GB)",
            "塚 1\u{301}\nJapan (JP)",
        ] {
            assert_eq!(parse(text).unwrap().expose_personal_data(), text);
        }
    }

    #[test]
    fn the_rule_broken_is_named() {
        let long = "ก".repeat(101);
        for (text, why) in [
            ("", NO_COUNTRY),
            ("12 rue X\nParis", NO_COUNTRY),
            ("1 Peachtree St\nAtlanta\nGeorgia", NO_COUNTRY),
            ("1 Main St\nSpringfield\nIL", Invalid::UnclearCountry),
            ("1 Main St\nLos Angeles\nCA", Invalid::UnclearCountry),
            ("1 Main St\nWilmington\nDE", Invalid::UnclearCountry),
            ("12 rue X\n75002 Paris\n fr ", Invalid::UnclearCountry),
            ("France", NO_LINES),
            ("\n \u{200b}\nFrance", NO_LINES),
            ("a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nFrance", Invalid::TooManyLines),
            (&format!("{long}\nFrance"), LINE_TOO_LONG),
            ("a\u{7}b\nFrance", CONTROL),
            ("a\u{202e}b\nFrance", DIRECTION),
        ] {
            assert_eq!(parse(text), Err(why));
        }
        assert_eq!(Address::new(FR, ["a\nb"]), Err(CONTROL));
        assert!(parse("a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nFrance").is_ok());
    }

    #[test]
    fn the_encoding_is_fixed_and_nothing_else_is_read() {
        let address = parse("1 rue É\n75002 Paris\nFrance").unwrap();
        let mut out = Plaintext::with_capacity(0);
        address.encode(&mut out);
        let bytes = b"\x01FR\x02\0\x081 rue \xc3\x89\0\x0b75002 Paris";
        assert_eq!(out.as_bytes(), bytes);
        assert!(address.size_hint() >= out.len());
        assert_eq!(Address::decode(bytes), Ok(address));
        for end in 0..bytes.len() {
            assert_eq!(Address::decode(&bytes[..end]), Err(Invalid::Content));
        }
        let long = [&b"\x01FR\x01\x01\x2d"[..], &[b'x'; 301]].concat();
        for bad in [
            &b"\x01FR\x01\0\x01a."[..], // something after the end
            b"\x02FR\x01\0\x01a",
            b"\x01fr\x01\0\x01a",
            b"\x01FR\x00",
            b"\x01FR\x01\0\0",
            b"\x01FR\x01\0\x03a\nb",
            b"\x01FR\x01\0\x01\xff",
            b"\x01FR\x0b\0\x01a\0\x01a\0\x01a\0\x01a\0\x01a\0\x01a\0\x01a\0\x01a\0\x01a\0\x01a\0\x01a",
            &long,
        ] {
            assert_eq!(Address::decode(bad), Err(Invalid::Content));
        }
        // Yugoslavia is no longer a country.
        assert_eq!(Address::decode(b"\x01YU\x01\0\x01a").unwrap().expose_personal_data(), "a\n(YU)");
    }

    #[test]
    fn the_canonical_form_joins_lines() {
        let form = |text: &str| parse(text).unwrap().canonical_form();
        assert_eq!(form("12, RUE DE L'ÉGLISE\n75002 Paris\nFrance"), form("12 rue de l’Église,75002  Paris\nfrance"));
        assert_ne!(form("12 rue X\nFrance"), form("12 rue X\nBelgique"));
        assert_eq!(form("A，B\nJapan").expose_personal_data(), b"JP a b");
        let wide = parse("1-2, Rüe\n SW1A 1AA\nUnited Kingdom").unwrap().wide_form();
        assert_eq!(wide.expose_personal_data(), b"GB 1 2rusw1a1a");
    }

    #[test]
    fn the_country_given_counts_unless_the_text_names_another_in_full() {
        const US: Country = Country::new("US");
        const DE: Country = Country::new("DE");
        for (text, country, kept) in [
            ("1 Main St\nSpringfield\nIL", US, "1 Main St\nSpringfield\nIL\nUnited States (US)"),
            ("1 Main St\nWilmington\nDE", US, "1 Main St\nWilmington\nDE\nUnited States (US)"),
            ("1 Main St\nWilmington DE\nUSA", US, "1 Main St\nWilmington DE\nUnited States (US)"),
            ("Weg 1\n10115 Berlin\nDE", DE, "Weg 1\n10115 Berlin\nGermany (DE)"),
            ("Weg 1\n10115 Berlin\nDeutschland\n", US, "Weg 1\n10115 Berlin\nGermany (DE)"),
            ("12 rue X\n75002 Paris\nFrance (FR)", DE, "12 rue X\n75002 Paris\nFrance (FR)"),
            ("Weg 1\nFR", DE, "Weg 1\nFR\nGermany (DE)"),
            ("Weg 1", DE, "Weg 1\nGermany (DE)"),
        ] {
            assert_eq!(Address::parse(text, country).unwrap().expose_personal_data(), kept);
        }
        assert_eq!(Address::parse(" ", DE), Err(NO_LINES));
        assert_eq!(Address::parse("DE", DE), Err(NO_LINES));
    }

    // Whatever two letters they are: each is a country to somebody and a state to somebody else, or may be one tomorrow.
    #[test]
    fn no_two_letters_on_a_last_line_are_a_country() {
        for first in b'A'..=b'Z' {
            for second in b'A'..=b'Z' {
                let code = format!("{}{}", char::from(first), char::from(second));
                let read = parse(&format!("1 Main St\nTown\n{code}"));
                assert!(matches!(read, Err(Invalid::UnclearCountry | Invalid::NoCountry(_))), "{code}");
            }
        }
    }

    #[test]
    fn serde_takes_and_exposes_a_struct() {
        let json = r#"{"country":"fr","extra":[1],"lines":["12 rue X","75002 Paris"]}"#;
        let address: Address = serde_json::from_str(json).unwrap();
        assert_eq!(address, parse("12 rue X\n75002 Paris\nFrance").unwrap());
        let out = address.serialize_exposed(serde_json::value::Serializer).unwrap();
        assert_eq!(out.to_string(), r#"{"country":"FR","lines":["12 rue X","75002 Paris"]}"#);
        assert_eq!(serde_json::from_str::<Address>(r#"["FR",["12 rue X","75002 Paris"]]"#).unwrap(), address);
        for (json, says) in [
            (r#"{"country":"ZZ","lines":["SECRET"]}"#, "no country"),
            (r#"{"lines":["SECRET"]}"#, "no country"),
            (r#"{"country":7777777,"lines":["SECRET"]}"#, "no country"),
            (r#"{"country":"FR"}"#, "no lines"),
            (r#"{"country":"FR","lines":[" "]}"#, "no lines"),
            (r#"{"country":"FR","lines":["SECRET\u0000"]}"#, "control character"),
            (r#"{"country":"FR","lines":[7777777]}"#, "expected an address"),
            (r#"{"country":"FR","lines":"SECRET"}"#, "expected an address"),
            (r#"{"country":"FR","country":"SECRET"}"#, "expected an address"),
            (r#""SECRET""#, "expected an address"),
            ("7777777", "expected an address"),
        ] {
            let error = serde_json::from_str::<Address>(json).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
            assert!(!error.contains("SECRET") && !error.contains("7777777"), "{error}");
        }
    }
}
