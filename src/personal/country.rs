//! Countries, by their two-letter codes.

use std::fmt;
use std::str::FromStr;

use super::Invalid;
use super::secret_text::{deserializes_from_text, wipes_what_it_reads};

// ISO 3166-1 alpha-2 as of 2024 (last changed in 2011), and XK. A crate that offers the same brings ten to twenty others.
const CODES: &[u8] = b"\
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC \
    CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD \
    GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH \
    KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW \
    MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC \
    SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY \
    UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW ";

/// A country or territory: a two-letter code of ISO 3166-1, or `XK` for Kosovo, which the standard leaves to its users
/// and mail and telephone need.
///
/// ```
/// use oubliette::personal::Country;
/// const FRANCE: Country = Country::new("FR");
/// assert_eq!("fr".parse(), Ok(FRANCE));
/// ```
///
/// A code that does not exist does not compile in a constant:
/// ```compile_fail
/// use oubliette::personal::Country;
/// const NOWHERE: Country = Country::new("UK");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Country([u8; 2]);

impl Country {
    /// The country of a code that the program names itself; meant for constants.
    ///
    /// # Panics
    /// Outside a constant, on a code that does not exist. Use `parse` for those known at run time only.
    #[must_use]
    #[allow(clippy::panic)] // this is how a const fn refuses at compile time
    pub const fn new(code: &'static str) -> Country {
        match Country::of(code) {
            Some(country) => country,
            None => panic!("no such code in ISO 3166-1 alpha-2"),
        }
    }

    const fn of(code: &str) -> Option<Country> {
        let [first, second] = code.as_bytes() else { return None };
        let code = [first.to_ascii_uppercase(), second.to_ascii_uppercase()];
        let mut rest = CODES;
        while let [first, second, _, others @ ..] = rest {
            if *first == code[0] && *second == code[1] {
                return Some(Country(code));
            }
            rest = others;
        }
        None
    }

    /// A code that was accepted when it was sealed. The list is not asked: countries cease to be.
    pub(super) const fn once_accepted(code: [u8; 2]) -> Option<Country> {
        if code[0].is_ascii_uppercase() && code[1].is_ascii_uppercase() { Some(Country(code)) } else { None }
    }

    pub(super) const fn as_bytes(self) -> [u8; 2] {
        self.0
    }

    /// The code, in capitals.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Takes capitals and small letters.
impl FromStr for Country {
    type Err = Invalid;

    fn from_str(code: &str) -> Result<Country, Invalid> {
        Country::of(code.trim()).ok_or(Invalid::NotACountry)
    }
}

wipes_what_it_reads!(Country, Invalid);
deserializes_from_text!(Country, "a two-letter country code, as a string");

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Country({self})")
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_standard() {
        let codes: Vec<&[u8]> = CODES.chunks(3).collect();
        assert_eq!(codes.len(), 249 + 1);
        assert!(codes.is_sorted_by(|one, next| one < next), "sorted, so none is there twice");
        assert!(codes.iter().all(|code| matches!(code, [b'A'..=b'Z', b'A'..=b'Z', b' '])));
        for code in ["FR", "fr", " Gb ", "XK", "ZW", "AD"] {
            assert_eq!(code.parse::<Country>().unwrap().as_str(), code.trim().to_uppercase());
        }
        for bad in ["", "F", "UK", "EU", "FRA", "XX", "AN", "R ", "ＦＲ", "é"] {
            assert_eq!(bad.parse::<Country>(), Err(Invalid::NotACountry));
        }
    }

    // The regions of another list, to find slips in ours.
    #[cfg(feature = "phone")]
    #[test]
    fn every_region_with_telephones_is_a_country() {
        for region in rlibphonenumber::PHONE_NUMBER_UTIL.get_supported_regions() {
            let code = region.to_string();
            // Ascension and Tristan da Cunha have telephone codes of their own and are part of SH.
            assert!(code.parse::<Country>().is_ok() || ["AC", "TA"].contains(&code.as_str()), "{code}");
        }
    }
}
