//! Numbers by the numbering plans of their countries.

use rlibphonenumber::{PHONE_NUMBER_UTIL, ParseError, PhoneNumber, PhoneNumberFormat, Region, ValidationError};
use zeroize::{Zeroize, Zeroizing};

use super::{Invalid, NO_COUNTRY, TOO_LONG};
use crate::personal::Country;
use crate::personal::secret_text::SecretText;

/// A number in E.164 that its country's plan gives out. `number` holds ASCII digits and separators only: the library is
/// lenient with anything else, and can panic on a `tel:` in the wrong place.
pub(super) fn e164(number: &str, country: Option<Country>) -> Result<SecretText, Invalid> {
    let region = region_of(number, country)?;
    let digits = digits_of("+", number);
    let read = match as_of_today(number, &digits, region) {
        Some(today) => Number::read(&today, None),
        None => Number::read(number, region),
    };
    let Some(region) = region.filter(|_| !number.starts_with('+')) else { return Ok(read?.e164()) };
    // What else the digits could mean: somebody forgot the plus, or dialled `00` as one does nearly everywhere.
    let abroad = digits.strip_prefix("+00").map(|rest| digits_of("+", rest));
    let other = Number::read(abroad.as_ref().unwrap_or(&digits), None);
    match (read, other) {
        (Ok(number), Err(_)) => Ok(number.e164()),
        (Ok(number), Ok(other)) if number == other => Ok(number.e164()),
        (Ok(number), Ok(other)) => {
            // Written as its country writes it, it can be nothing else there; but not if it is another number of the same country.
            let is_own = PHONE_NUMBER_UTIL.get_country_code_for_region(region) == Some(other.0.country_code);
            let is_national = !is_own && abroad.is_none() && number.is_written(number_without_plus(&digits));
            if is_national { Ok(number.e164()) } else { Err(Invalid::Ambiguous) }
        }
        (Err(_), Ok(other)) if abroad.is_some() => Ok(other.e164()),
        (Err(error), _) => Err(error),
    }
}

/// The same, of a number that no plan is asked about. Those that a plan gives out are told from others by whoever calls.
pub(super) fn as_typed(number: &str, country: Option<Country>) -> Result<SecretText, Invalid> {
    let region = region_of(number, country)?;
    match PHONE_NUMBER_UTIL.parse(number, region) {
        Ok(parsed) => Ok(Number(parsed).e164()),
        // Of a code that no country has.
        Err(ParseError::InvalidCountryCode) if number.starts_with('+') => {
            Ok(SecretText::copy_of(&digits_of("+", number)))
        }
        Err(error) => Err(of_library(&error)),
    }
}

fn region_of(number: &str, country: Option<Country>) -> Result<Option<Region>, Invalid> {
    let region = country
        .and_then(|country| country.as_str().parse::<Region>().ok())
        .filter(|region| PHONE_NUMBER_UTIL.get_country_code_for_region(*region).is_some());
    if region.is_none() && !number.starts_with('+') {
        return Err(country.map_or(NO_COUNTRY, |_| Invalid::CountryWithoutNumbers));
    }
    Ok(region)
}

/// Mexico's numbers lost what was dialled before their ten digits in August 2019: 1 from abroad, 01, 044 and 045 at home (IFT, Plan Técnico Fundamental de
/// Numeración). People still write it.
fn as_of_today(number: &str, digits: &str, region: Option<Region>) -> Option<Zeroizing<String>> {
    const AT_HOME: [&str; 6] = ["+00521", "+521", "+01", "+044", "+045", "+1"];
    const ABROAD: [&str; 1] = ["+521"];
    let is_at_home = !number.starts_with('+') && region == Some(Region::MX);
    let before: &[&str] = if is_at_home {
        &AT_HOME
    } else if number.starts_with('+') {
        &ABROAD
    } else {
        return None;
    };
    let ten = before.iter().filter_map(|before| digits.strip_prefix(before)).find(|rest| rest.len() == 10)?;
    Some(digits_of("+52", ten))
}

/// Numbers that are given to nobody, for films, documents and tests, and that plans lack: the first digits in E.164, and how many follow. Those of other
/// countries are in their plans.
const FICTIONAL: [(&str, usize); 4] = [
    // Ofcom, "Telephone numbers for use in TV and radio drama programmes".
    ("+447700900", 3),
    ("+441632960", 3),
    // Arcep, numbers for audiovisual works.
    ("+3363998", 4),
    // ComReg, numbers for drama.
    ("+3532091", 5),
];

fn is_fictional(e164: &str) -> bool {
    FICTIONAL.iter().any(|(before, more)| e164.strip_prefix(before).is_some_and(|rest| rest.len() == *more))
}

fn of_library(error: &ParseError) -> Invalid {
    match error {
        ParseError::InvalidCountryCode => Invalid::UnknownCountryCode,
        ParseError::TooShortAfterIdd | ParseError::TooShortNsn => Invalid::TooShort,
        ParseError::TooLongNsn => TOO_LONG,
        // A plus in the middle, or too few digits between separators.
        ParseError::NotANumber(_) => Invalid::NotInPlan,
    }
}

/// The digits of a text, after `before`. Nothing of them is left behind by a string that grew.
fn digits_of(before: &str, text: &str) -> Zeroizing<String> {
    let mut digits = Zeroizing::new(String::with_capacity(before.len().saturating_add(text.len())));
    digits.push_str(before);
    digits.extend(text.chars().filter(char::is_ascii_digit));
    digits
}

fn number_without_plus(digits: &str) -> &str {
    digits.strip_prefix('+').unwrap_or(digits)
}

/// A number that its country's plan gives out.
#[derive(PartialEq)]
struct Number(PhoneNumber);

impl Drop for Number {
    fn drop(&mut self) {
        self.0.national_number.zeroize();
    }
}

impl Number {
    fn read(text: &str, region: Option<Region>) -> Result<Number, Invalid> {
        let number = Number(PHONE_NUMBER_UTIL.parse(text, region).map_err(|error| of_library(&error))?);
        match PHONE_NUMBER_UTIL.is_possible_number_with_reason(&number.0) {
            Err(ValidationError::TooShort) => Err(Invalid::TooShort),
            Err(ValidationError::TooLong) => Err(TOO_LONG),
            Err(ValidationError::InvalidCountryCode) => Err(Invalid::UnknownCountryCode),
            _ if PHONE_NUMBER_UTIL.is_valid_number(&number.0) || is_fictional(number.e164().as_str()) => Ok(number),
            _ => Err(Invalid::NotInPlan),
        }
    }

    fn e164(&self) -> SecretText {
        SecretText::copy_of(&Zeroizing::new(PHONE_NUMBER_UTIL.format(&self.0, PhoneNumberFormat::E164).into_owned()))
    }

    /// Whether these are its digits as its country writes them, with what is dialled before them there.
    fn is_written(&self, digits: &str) -> bool {
        let national = PHONE_NUMBER_UTIL.format(&self.0, PhoneNumberFormat::National).into_owned();
        *digits_of("", &Zeroizing::new(national)) == digits
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Phone;
    use super::*;
    use crate::personal::{Canonical, PersonalData, Plaintext};

    const FR: Country = Country::new("FR");

    fn parse(text: &str, country: Country) -> Result<String, Invalid> {
        Phone::parse(text, country).map(|phone| phone.expose_personal_data().to_owned())
    }

    #[test]
    fn numbers_as_people_write_them() {
        for (country, text, kept) in [
            ("FR", "06 12 34 56 78", "+33612345678"),
            ("FR", "06.12.34.56.78", "+33612345678"),
            ("FR", "06-12-34-56-78", "+33612345678"),
            ("FR", "(06) 12345678", "+33612345678"),
            ("FR", "+33 (0)6 12 34 56 78", "+33612345678"),
            ("FR", "+33(0) 6 12 34 56 78", "+33612345678"),
            ("FR", "0033 6 12 34 56 78", "+33612345678"),
            ("FR", "0033 (0)6 12 34 56 78", "+33612345678"),
            ("FR", "01 23 45 67 89 poste 12", "+33123456789;ext=12"),
            ("FR", "01 23 45 67 89;ext=12", "+33123456789;ext=12"),
            ("FR", "０６ １２ ３４ ５６ ７８", "+33612345678"),
            ("FR", "٠٦ ١٢ ٣٤ ٥٦ ٧٨", "+33612345678"),
            ("FR", "+44 20 7946 0018", "+442079460018"),
            ("GB", "020 7946 0018", "+442079460018"),
            ("GB", "+44 (0)20 7946 0018", "+442079460018"),
            ("US", "(202) 555-0143 x7", "+12025550143;ext=7"),
            ("US", "011 33 6 12 34 56 78", "+33612345678"),
            ("DE", "030/123456", "+4930123456"),
            ("IT", "06 698 12345", "+390669812345"),
            ("JP", "０３－１２３４－５６７８", "+81312345678"),
            ("EG", "٠١٠ ١٢٣٤ ٥٦٧٨", "+201012345678"),
            ("BE", "0470 12 34 56", "+32470123456"),
        ] {
            assert_eq!(parse(text, country.parse().unwrap()).as_deref(), Ok(kept), "{text}");
            assert_eq!(kept.parse::<Phone>().unwrap().expose_personal_data(), kept);
        }
        assert_eq!("+33 (0)6 12 34 56 78".parse::<Phone>().unwrap().expose_personal_data(), "+33612345678");
    }

    #[test]
    fn what_no_plan_gives_out_is_refused() {
        for (text, why) in [
            ("poste 12", Invalid::TooShort),
            ("01 23 45 67 89 bureau 12", Invalid::UnexpectedCharacter),
            ("01 23 45 67 poste", Invalid::Extension),
            ("06 12 34 56 7", Invalid::NotInPlan),
            ("06 12 34 56 78 9", TOO_LONG),
            ("00 12 34 56 78", Invalid::NotInPlan),
            ("+33 0 00 00 00 00", Invalid::NotInPlan),
            ("06 12 34+56 78", Invalid::NotInPlan),
            ("06 12 34 56 78 / 01 23 45 67 89", TOO_LONG),
            ("112", Invalid::TooShort),
            ("+999 12345678", Invalid::UnknownCountryCode),
            ("----", Invalid::TooShort),
        ] {
            assert_eq!(parse(text, FR), Err(why), "{text}");
        }
        for country in ["AQ", "TF", "UM"].map(Country::new) {
            assert_eq!(parse("12345678", country), Err(Invalid::CountryWithoutNumbers));
            assert_eq!(parse("+33 6 12 34 56 78", country).as_deref(), Ok("+33612345678"));
        }
    }

    #[test]
    fn every_country_s_example_number_is_kept() {
        for region in PHONE_NUMBER_UTIL.get_supported_regions() {
            let example = PHONE_NUMBER_UTIL.get_example_number(region).unwrap();
            let e164 = PHONE_NUMBER_UTIL.format(&example, PhoneNumberFormat::E164);
            let national = PHONE_NUMBER_UTIL.format(&example, PhoneNumberFormat::National);
            assert_eq!(e164.parse::<Phone>().unwrap().expose_personal_data(), e164);
            if let Ok(country) = region.to_string().parse() {
                assert_eq!(parse(&national, country).as_deref(), Ok(&*e164), "{region}");
            }
        }
    }

    /// A generator that is the same in each run.
    struct Digits(u64);

    impl Digits {
        fn next(&mut self, below: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % below
        }
    }

    /// Numbers of a region: an example of each type, and others that differ in some digits.
    fn numbers_of(region: Region, digits: &mut Digits) -> Vec<PhoneNumber> {
        let mut numbers = Vec::new();
        for kind in PHONE_NUMBER_UTIL.get_supported_types_for_region(region).into_iter().flatten() {
            let Ok(example) = PHONE_NUMBER_UTIL.get_example_number_for_type_and_region(region, kind) else { continue };
            for _ in 0..12 {
                let mut other = example.clone();
                for _ in 0..digits.next(4) {
                    let place = 10_u64.pow(u32::try_from(digits.next(10)).unwrap());
                    if place * 10 <= other.national_number {
                        other.national_number += place * digits.next(9);
                    }
                }
                if PHONE_NUMBER_UTIL.is_valid_number_for_region(&other, region) {
                    numbers.push(other);
                }
            }
        }
        numbers
    }

    /// Of every country: as written there, without what is dialled first, from abroad in all its forms. 10 s.
    #[test]
    fn no_number_becomes_somebody_elses() {
        let mut random = Digits(1);
        let (mut all, mut wrong, mut refused) = (0, Vec::new(), std::collections::BTreeMap::<_, u32>::new());
        for region in PHONE_NUMBER_UTIL.get_supported_regions() {
            let Ok(country) = region.to_string().parse::<Country>() else { continue };
            for number in numbers_of(region, &mut random) {
                let text = |format| PHONE_NUMBER_UTIL.format(&number, format).into_owned();
                let (e164, national) = (text(PhoneNumberFormat::E164), text(PhoneNumberFormat::National));
                if e164.len() < 8 {
                    // Shorter than a number that is kept: Iran has some of four digits.
                    continue;
                }
                let digits = e164.strip_prefix('+').unwrap();
                let without = digits.strip_prefix(&number.country_code.to_string()).unwrap();
                for (form, text, must) in [
                    ("E.164", e164.clone(), true),
                    ("international", text(PhoneNumberFormat::International), true),
                    ("national", national.clone(), true),
                    ("without a plus", digits.to_owned(), false),
                    ("00", format!("00{digits}"), false),
                    ("national digits", digits_of("", &national).to_string(), true),
                    ("without what is dialled first", without.to_owned(), false),
                ] {
                    all += 1;
                    match parse(&text, country) {
                        Ok(kept) if kept == e164 => {}
                        Err(_) if !must => *refused.entry(form).or_default() += 1,
                        other => wrong.push(format!("{region} {form} {text}: {other:?}, not {e164}")),
                    }
                }
                // Whoever is asked in another country's form.
                let other = ["US", "DE", "JP", "IT", "BR", "IN", "MX", "RU"][usize::try_from(random.next(8)).unwrap()];
                let other: Country = other.parse().unwrap();
                for text in [e164.clone(), format!("00{digits}")] {
                    match parse(&text, other) {
                        Ok(kept) if kept == e164 => {}
                        Err(_) if text.starts_with("00") => *refused.entry("00 elsewhere").or_default() += 1,
                        found => wrong.push(format!("{other:?} {text}: {found:?}, not {e164}")),
                    }
                }
            }
        }
        println!("{all} forms, refused: {refused:?}");
        assert!(all > 40_000, "{all}");
        assert!(wrong.is_empty(), "{} of {all}: {:#?}", wrong.len(), &wrong[..wrong.len().min(60)]);
    }

    #[test]
    fn what_was_dialled_in_mexico_before_2019_is_the_same_number() {
        let mexico: Country = "MX".parse().unwrap();
        for text in [
            "+52 1 55 1234 5678",
            "+52 55 1234 5678",
            "+52 (1) 55 1234 5678",
            "0052 1 55 1234 5678",
            "01 55 1234 5678",
            "044 55 1234 5678",
            "045 55 1234 5678",
            "52 1 55 1234 5678",
            "52 55 1234 5678",
            "55 1234 5678",
        ] {
            assert_eq!(parse(text, mexico).as_deref(), Ok("+525512345678"), "{text}");
        }
        assert_eq!(parse("+52 1 55 1234 5678", FR).as_deref(), Ok("+525512345678"));
        // As it is dialled in New Jersey, too.
        assert_eq!(parse("1 55 1234 5678", mexico), Err(Invalid::Ambiguous));
        assert!(parse("044 55 1234 567", mexico).is_err() && parse("+52 1 55 1234 567", mexico).is_err());
    }

    /// The table in the documentation of `Phone`.
    #[test]
    fn the_documented_table_is_true() {
        let mut rows = 0;
        for row in include_str!("folded.md").lines().skip(2) {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
            let [typed, country, kept, _] = cells[..] else { panic!("{row}") };
            let read = match country {
                "" => typed.parse::<Phone>().map(|phone| phone.expose_personal_data().to_owned()),
                country => parse(typed, country.parse().unwrap()),
            };
            assert_eq!(read.as_deref().unwrap_or("refused"), kept, "{row}");
            rows += 1;
        }
        assert!(rows > 10);
    }

    /// What is known of a number: mobile ones have a 9 abroad, and a 15 at home.
    #[test]
    fn argentina() {
        let mobile =
            ["+54 9 11 2345 6789", "+54 11 15 2345 6789", "011 15 2345 6789", "11 15 2345 6789", "9 11 2345 6789"];
        for text in mobile {
            assert_eq!(parse(text, "AR".parse().unwrap()).as_deref(), Ok("+5491123456789"), "{text}");
        }
        // Without either it is a line in a house, which may exist as well.
        assert_eq!(parse("11 2345 6789", "AR".parse().unwrap()).as_deref(), Ok("+541123456789"));
    }

    #[test]
    fn numbers_that_nobody_has_may_be_used_in_tests() {
        for (country, text, kept) in [
            ("GB", "07700 900123", "+447700900123"),
            ("GB", "01632 960123", "+441632960123"),
            ("GB", "020 7946 0123", "+442079460123"),
            ("FR", "06 39 98 12 34", "+33639981234"),
            ("FR", "01 99 00 12 34", "+33199001234"),
            ("IE", "020 912 3456", "+353209123456"),
            ("US", "202-555-0143", "+12025550143"),
            ("AU", "0491 570 006", "+61491570006"),
            ("DE", "030 23125 123", "+493023125123"),
            ("SE", "070-1740605", "+46701740605"),
        ] {
            assert_eq!(parse(text, country.parse().unwrap()).as_deref(), Ok(kept), "{country} {text}");
        }
        for beyond in ["+447700901000", "+447700899999", "+4477009001234", "+33639990000", "+353209200000"] {
            assert!(!is_fictional(beyond), "{beyond}");
        }
    }

    #[test]
    fn what_is_not_validated_is_marked_and_found_as_itself() {
        let typed = |text: &str, country: Option<Country>| Phone::not_validated(text, country);
        let us = Country::new("US");
        for (text, country, kept) in [
            ("+1 000 555 0143", None, "+10005550143"),
            ("(000) 555-0143", Some(us), "+10005550143"),
            ("+999 1234567", None, "+9991234567"),
            ("00 1 000 555 0143 poste 12", Some(FR), "+10005550143;ext=12"),
        ] {
            let phone = typed(text, country).unwrap();
            assert_eq!((phone.expose_personal_data(), phone.is_validated()), (kept, false), "{text}");
            assert!(country.map_or_else(|| text.parse(), |country| Phone::parse(text, country)).is_err(), "{text}");
            let mut content = Plaintext::with_capacity(phone.size_hint());
            phone.encode(&mut content);
            assert!(content.as_bytes().starts_with(b"~") && Phone::decode(content.as_bytes()).unwrap() == phone);
            let validated = Phone::decode(kept.as_bytes()).unwrap();
            assert!(validated.is_validated() && validated != phone);
            let forms = [&validated, &phone].map(|phone| phone.canonical_form().expose_personal_data().to_vec());
            assert_eq!(forms[0], forms[1], "one token finds both");
        }
        // A number that the plan has is not marked.
        assert!(typed("06 12 34 56 78", Some(FR)).unwrap().is_validated());
        for (text, country) in [
            ("06 12 34 56 78", None),
            ("+33 6", None),
            ("call me", Some(FR)),
            ("491712345678", Some(Country::new("DE"))),
        ] {
            assert!(typed(text, country).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[-0-9+() ./;=#x\u{660}-\u{669}a-z,]{0,30}|.*") {
            if let Ok(kept) = parse(&text, FR) {
                prop_assert!(kept.parse::<Phone>().is_ok());
            }
            let _ = text.parse::<Phone>();
        }
    }
}
