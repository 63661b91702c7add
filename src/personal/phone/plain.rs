//! Numbers by their lengths alone.

use super::invalid::InvalidPhone;
use crate::personal::Country;
use crate::personal::secret_text::SecretText;

/// Digits after a `+`, without asking which of them a country gives out.
pub(super) fn e164(number: &str, _: Option<Country>) -> Result<SecretText, InvalidPhone> {
    let Some(digits) = number.strip_prefix('+') else { return Err(InvalidPhone::NoCountry) };
    let mut kept = SecretText::with_capacity(number.len());
    kept.push('+');
    for c in digits.chars() {
        match c {
            '0'..='9' => kept.push(c),
            ' ' | '-' | '.' => {}
            // `+33 (0)6` has a digit that is not dialled from abroad; which ones are takes a numbering plan.
            _ => return Err(InvalidPhone::UnexpectedCharacter),
        }
    }
    match kept.as_str().len() {
        _ if kept.as_str().starts_with("+0") => Err(InvalidPhone::UnknownCountryCode),
        0..=7 => Err(InvalidPhone::TooShort),
        8..=16 => Ok(kept),
        _ => Err(InvalidPhone::TooLong),
    }
}

/// The same: here no number is validated but for its length.
pub(super) fn as_typed(number: &str, country: Option<Country>) -> Result<SecretText, InvalidPhone> {
    e164(number, country)
}

#[cfg(test)]
mod tests {
    use super::super::Phone;
    use super::*;

    #[test]
    fn only_plain_international_numbers_are_taken() {
        for (text, why) in [
            ("0033 6 12 34 56 78", InvalidPhone::NoCountry),
            ("+33 (0)6 12 34 56 78", InvalidPhone::UnexpectedCharacter),
            ("+33 6/12345678", InvalidPhone::UnexpectedCharacter),
            ("++33612345678", InvalidPhone::UnexpectedCharacter),
            ("+033612345678", InvalidPhone::UnknownCountryCode),
            ("+", InvalidPhone::TooShort),
            ("+123456", InvalidPhone::TooShort),
            ("+1234567890123456", InvalidPhone::TooLong),
        ] {
            assert_eq!(text.parse::<Phone>(), Err(why), "{text}");
        }
        assert!("+1234567".parse::<Phone>().is_ok());
        assert!("+123456789012345".parse::<Phone>().is_ok());
    }
}
