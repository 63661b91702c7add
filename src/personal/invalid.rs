//! Why something is no value of a type.

/// Why a text, or a value, is not of a type of personal data. The message names the type's own rule and what to do, and never repeats what was
/// typed: it can be shown to whoever typed it.
///
/// What several types refuse is one variant, and carries the message. A type of your own gives its own one so.
///
/// ```
/// use oubliette::personal::{Email, Invalid, Name};
///
/// let refused = "".parse::<Name>().unwrap_err();
/// assert!(matches!(refused, Invalid::Empty(_)));
/// assert_eq!(refused.to_string(), "the name is empty; leave the field out instead");
///
/// // A form that says some of them in its own words.
/// fn say(refused: Invalid) -> String {
///     match refused {
///         Invalid::AtMissing | Invalid::DomainMissing => "Une adresse s'écrit nom@exemple.fr".into(),
///         other => other.to_string(),
///     }
/// }
/// # assert!(say("alice".parse::<Email>().unwrap_err()).starts_with("Une"));
/// # assert!(say("".parse::<Email>().unwrap_err()).starts_with("the email address is empty"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// Nothing to see in it: an email address, a telephone number, a name, or an address without lines.
    #[error("{0}")]
    Empty(&'static str),
    /// Longer than its type allows, or one line of it.
    #[error("{0}")]
    TooLong(&'static str),
    /// A control character or a line break, in a name or in a line of an address.
    #[error("{0}")]
    ControlCharacter(&'static str),
    /// A bidirectional embedding, override or isolate, in a name or in a line of an address.
    #[error("{0}")]
    DirectionOverride(&'static str),
    /// An address without a country, or whose last line is no country's full name; a telephone number in a national form, where no country is known.
    #[error("{0}")]
    NoCountry(&'static str),

    /// In an email address: control, zero-width, direction and other invisible characters, and joiners where no letters need one.
    #[error("the email address has an invisible character; type it again rather than paste it")]
    InvisibleCharacter,
    /// An email address without an `@`.
    #[error("the email address has no @; it should look like name@example.com")]
    AtMissing,
    /// Nothing before the `@`.
    #[error("the email address has nothing before the @; it should look like name@example.com")]
    MailboxMissing,
    /// A character that cannot stand before the `@` unquoted, or misplaced dots or quotes.
    #[error(
        "the email address has a space, dot or other character before the @ that cannot stand there; remove it, or check the address with its owner"
    )]
    Mailbox,
    /// A name or angle brackets around an email address.
    #[error("the email address has a name or angle brackets around it; give the address alone")]
    DisplayName,
    /// Nothing after the `@`.
    #[error("the email address has nothing after the @; it should look like name@example.com")]
    DomainMissing,
    /// An email address's domain without a dot.
    #[error("the email address's domain has no top level, such as .com; give the whole domain")]
    TopLevelDomainMissing,
    /// A number in place of an email address's domain, or in brackets.
    #[error("the email address has an IP address in place of a domain; give a domain")]
    IpAddress,
    /// An email address's domain that cannot be registered.
    #[error("the email address's domain is not one that can exist; check its spelling, dots and hyphens")]
    Domain,

    /// In a telephone number, something that is no digit, space, dot, dash, parenthesis or extension.
    #[error("the telephone number has a character that is no digit, space, dot or dash; remove it")]
    UnexpectedCharacter,
    /// An extension without digits, with more than [`Phone::MOST_EXTENSION_DIGITS`](crate::personal::Phone::MOST_EXTENSION_DIGITS), or with something after them.
    #[error("the telephone number's extension is not 1 to 10 digits; write it as `;ext=12`")]
    Extension,
    /// A telephone number without a `+`, and with one it would be another number that exists: `491712345678` in Germany.
    #[error(
        "the telephone number could be one of two; begin it with + and the country's code, or as it is dialled within the country"
    )]
    Ambiguous,
    /// A telephone number with a code that no country has.
    #[error("the telephone number begins with a code that no country has; check the digits after the +")]
    UnknownCountryCode,
    /// The country given has no telephone numbers of its own.
    #[error("the default country has no telephone numbers of its own; begin the number with + and a country's code")]
    CountryWithoutNumbers,
    /// A telephone number with too few digits.
    #[error("the telephone number has too few digits")]
    TooShort,
    /// Digits that the country's numbering plan does not give to anybody.
    #[error("no telephone number of that country looks like this; check its digits")]
    NotInPlan,

    /// An address whose last line is two letters, which may be a country or a state.
    #[error(
        "the address's last line may be a country or a state; give the country apart, or its full name, such as France (FR)"
    )]
    UnclearCountry,
    /// More lines than [`Address::MOST_LINES`](crate::personal::Address::MOST_LINES).
    #[error("the address has more than 10 lines; join some")]
    TooManyLines,
    /// Not a [`Country`](crate::personal::Country).
    #[error("not a two-letter country code of ISO 3166-1, such as FR or GB")]
    NotACountry,

    /// A date that is not four digits, two and two, with dashes between them.
    #[error("the date is not written as 1990-02-28; write year, month and day so, with all their digits")]
    NotIso,
    /// There is no such day.
    #[error("there is no such day in the calendar; check its month and its day, and that the year is 1 to 9999")]
    NoSuchDay,

    /// Not JSON, or not of this type.
    #[error("the text is not JSON of the type expected; compare it with the type's fields")]
    NotOfType,
    /// The type's own `Serialize` failed, or JSON cannot say it (keys of a map that are no strings).
    #[error("the value cannot be written as JSON; keys of maps must be strings or numbers")]
    NotWritable,
    /// What was written as JSON could not be read into the same type.
    #[error(
        "the value cannot be read back from its JSON, so it would be lost; compare `Serialize` with `Deserialize`, and look for numbers that are not finite"
    )]
    NotReadable,
    /// What was written as JSON reads back as another value.
    #[error(
        "the value reads back from its JSON as another one, so it would be lost; look for `Some(None)`, for fields that serde skips, and compare `Serialize` with `Deserialize`"
    )]
    ReadsDifferently,
    /// A number in the JSON has more digits than the type keeps.
    #[error(
        "the text has a number that the type would round; give the field a type that holds it exactly (`u64`, `i64`, or a string), or round it in the text"
    )]
    NumberNotKept,
    /// An object in the JSON has a name twice, and the type keeps one of them.
    #[error("the text has a name twice in one object, of which one would be lost; give each member a name of its own")]
    NameTwice,
    /// The JSON has something that the type would not write again: a member that it does not have, for one.
    #[error(
        "the text has something that the type does not keep, such as a member that it does not have; add it to the type, or take it out of the text"
    )]
    NotKept,

    /// Opened bytes that are no value of the field's type: they were authentic, so this is a bug or a changed type, and no attack.
    #[error("the opened bytes are not a value of this field's type; was the type changed without changing its tag?")]
    Content,
    /// A field of opened [`Members`](crate::Members) that was not asked for when the group was opened.
    #[error("the group was opened without this field; name it among those that are asked for")]
    NotAsked,
}

crate::journal::message::debug_as_message!(Invalid);
