//! Numbers by the numbering plans of their countries.

use rlibphonenumber::{PHONE_NUMBER_UTIL, ParseError, PhoneNumberFormat, Region, ValidationError};
use zeroize::{Zeroize, Zeroizing};

use super::invalid::InvalidPhone;
use crate::personal::Country;
use crate::personal::secret_text::SecretText;

/// A number in E.164 that its country's plan gives out. `number` holds ASCII digits and separators only: the library is
/// lenient with anything else, and can panic on a `tel:` in the wrong place.
pub(super) fn e164(number: &str, country: Option<Country>) -> Result<SecretText, InvalidPhone> {
    let region = country
        .and_then(|country| country.as_str().parse::<Region>().ok())
        .filter(|region| PHONE_NUMBER_UTIL.get_country_code_for_region(*region).is_some());
    if region.is_none() && !number.starts_with('+') {
        return Err(country.map_or(InvalidPhone::NoCountry, |_| InvalidPhone::CountryWithoutNumbers));
    }
    let mut parsed = PHONE_NUMBER_UTIL.parse(number, region).map_err(|error| match error {
        ParseError::InvalidCountryCode => InvalidPhone::UnknownCountryCode,
        ParseError::TooShortAfterIdd | ParseError::TooShortNsn => InvalidPhone::TooShort,
        ParseError::TooLongNsn => InvalidPhone::TooLong,
        // A plus in the middle, or too few digits between separators.
        ParseError::NotANumber(_) => InvalidPhone::NotInPlan,
    })?;
    let e164 = Zeroizing::new(PHONE_NUMBER_UTIL.format(&parsed, PhoneNumberFormat::E164).into_owned());
    let checked = match PHONE_NUMBER_UTIL.is_possible_number_with_reason(&parsed) {
        Err(ValidationError::TooShort) => Err(InvalidPhone::TooShort),
        Err(ValidationError::TooLong) => Err(InvalidPhone::TooLong),
        Err(ValidationError::InvalidCountryCode) => Err(InvalidPhone::UnknownCountryCode),
        _ if PHONE_NUMBER_UTIL.is_valid_number(&parsed) => Ok(SecretText::copy_of(&e164)),
        _ => Err(InvalidPhone::NotInPlan),
    };
    parsed.national_number.zeroize();
    checked
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Phone;
    use super::*;

    const FR: Country = Country::new("FR");

    fn parse(text: &str, country: Country) -> Result<String, InvalidPhone> {
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
            ("poste 12", InvalidPhone::TooShort),
            ("01 23 45 67 89 bureau 12", InvalidPhone::UnexpectedCharacter),
            ("01 23 45 67 poste", InvalidPhone::Extension),
            ("06 12 34 56 7", InvalidPhone::NotInPlan),
            ("06 12 34 56 78 9", InvalidPhone::TooLong),
            ("00 12 34 56 78", InvalidPhone::NotInPlan),
            ("+33 0 00 00 00 00", InvalidPhone::NotInPlan),
            ("06 12 34+56 78", InvalidPhone::NotInPlan),
            ("06 12 34 56 78 / 01 23 45 67 89", InvalidPhone::TooLong),
            ("112", InvalidPhone::TooShort),
            ("+999 12345678", InvalidPhone::UnknownCountryCode),
            ("----", InvalidPhone::TooShort),
        ] {
            assert_eq!(parse(text, FR), Err(why), "{text}");
        }
        for country in ["AQ", "TF", "UM"].map(Country::new) {
            assert_eq!(parse("12345678", country), Err(InvalidPhone::CountryWithoutNumbers));
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
