//! Why a text is no telephone number.

/// Why a text is not a [`Phone`](crate::personal::Phone).
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPhone {
    /// Nothing but spaces.
    #[error("the telephone number is empty; leave the field out instead")]
    Empty,
    /// Something that is no digit, space, dot, dash, parenthesis or extension.
    #[error("the telephone number has a character that is no digit, space, dot or dash; remove it")]
    UnexpectedCharacter,
    /// No digits, or more than [`Phone::MOST_EXTENSION_DIGITS`](crate::personal::Phone::MOST_EXTENSION_DIGITS), or something after them.
    #[error("the telephone number's extension is not 1 to 10 digits; write it as `;ext=12`")]
    Extension,
    /// A national form, where no country is known.
    #[error("the telephone number has no country; begin it with + and the country's code")]
    NoCountry,
    /// Without a `+`, and with one it would be another number that exists: `491712345678` in Germany.
    #[error(
        "the telephone number could be one of two; begin it with + and the country's code, or as it is dialled within the country"
    )]
    Ambiguous,
    /// No country has that code.
    #[error("the telephone number begins with a code that no country has; check the digits after the +")]
    UnknownCountryCode,
    /// A country that has no numbers of its own.
    #[error("the default country has no telephone numbers of its own; begin the number with + and a country's code")]
    CountryWithoutNumbers,
    /// Too few digits.
    #[error("the telephone number has too few digits")]
    TooShort,
    /// Too many digits: more than 15, or than its country has.
    #[error("the telephone number has too many digits")]
    TooLong,
    /// Digits that the country's numbering plan does not give to anybody.
    #[error("no telephone number of that country looks like this; check its digits")]
    NotInPlan,
}

crate::journal::message::debug_as_message!(InvalidPhone);
