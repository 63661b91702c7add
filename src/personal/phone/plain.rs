//! Numbers by their lengths alone.

use super::{Invalid, NO_COUNTRY, TOO_LONG};
use crate::personal::Country;
use crate::personal::secret_text::SecretText;

/// Digits after a `+`, without asking which of them a country gives out.
pub(super) fn e164(number: &str, _: Option<Country>) -> Result<SecretText, Invalid> {
    let Some(digits) = number.strip_prefix('+') else { return Err(NO_COUNTRY) };
    let mut kept = SecretText::with_capacity(number.len());
    kept.push('+');
    for c in digits.chars() {
        match c {
            '0'..='9' => kept.push(c),
            ' ' | '-' | '.' => {}
            // `+33 (0)6` has a digit that is not dialled from abroad; which ones are takes a numbering plan.
            _ => return Err(Invalid::UnexpectedCharacter),
        }
    }
    match kept.as_str().len() {
        _ if kept.as_str().starts_with("+0") => Err(Invalid::UnknownCountryCode),
        0..=7 => Err(Invalid::TooShort),
        8..=16 => Ok(kept),
        _ => Err(TOO_LONG),
    }
}

/// The same: here no number is validated but for its length.
pub(super) fn as_typed(number: &str, country: Option<Country>) -> Result<SecretText, Invalid> {
    e164(number, country)
}

#[cfg(test)]
mod tests {
    use super::super::Phone;
    use super::*;

    #[test]
    fn only_plain_international_numbers_are_taken() {
        for (text, why) in [
            ("0033 6 12 34 56 78", NO_COUNTRY),
            ("+33 (0)6 12 34 56 78", Invalid::UnexpectedCharacter),
            ("+33 6/12345678", Invalid::UnexpectedCharacter),
            ("++33612345678", Invalid::UnexpectedCharacter),
            ("+033612345678", Invalid::UnknownCountryCode),
            ("+", Invalid::TooShort),
            ("+123456", Invalid::TooShort),
            ("+1234567890123456", TOO_LONG),
        ] {
            assert_eq!(text.parse::<Phone>(), Err(why), "{text}");
        }
        assert!("+1234567".parse::<Phone>().is_ok());
        assert!("+123456789012345".parse::<Phone>().is_ok());
    }
}
