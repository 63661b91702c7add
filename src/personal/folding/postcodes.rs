//! Postcodes of two parts, which people write with a space between, with a hyphen or without.

use crate::personal::Country;
use crate::personal::secret_text::SecretText;

/// What a postcode's parts are made of: `a` a letter, `9` a digit, `x` either, other characters themselves. The formats
/// are those of the countries' posts, as the Universal Postal Union publishes them.
const POSTCODES: &[(&str, &[(&str, &str)])] = &[
    (
        "GB GG GI IM JE",
        &[("a9", "9aa"), ("a99", "9aa"), ("aa9", "9aa"), ("aa99", "9aa"), ("a9a", "9aa"), ("aa9a", "9aa")],
    ),
    ("FK GS IO PN SH TC", &[("aaaa", "9aa")]),
    ("BR", &[("99999", "999")]),
    ("CA", &[("a9a", "9a9")]),
    ("CZ GR SE SK", &[("999", "99")]),
    ("IE", &[("a99", "xxxx"), ("d6w", "xxxx")]),
    ("IN", &[("999", "999")]),
    ("JP", &[("999", "9999")]),
    ("MT", &[("aaa", "9999")]),
    ("NL", &[("9999", "aa")]),
    ("PL", &[("99", "999")]),
    ("PT", &[("9999", "999")]),
    ("AS GU MP PR US VI", &[("99999", "9999")]),
];

/// A folded address, its country's postcodes without what is between their parts.
pub(in crate::personal) fn join_postcodes(country: Country, folded: SecretText) -> SecretText {
    let of_country = POSTCODES.iter().find(|(countries, _)| countries.split(' ').any(|code| code == country.as_str()));
    let Some((_, formats)) = of_country else { return folded };
    let mut out = SecretText::with_capacity(folded.as_str().len());
    let mut rest = folded.as_str();
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let found = if is_inside(before) { None } else { formats.iter().find_map(|format| postcode(rest, *format)) };
        match found {
            Some((first, second, after)) => {
                out.push_str(first);
                out.push_str(second);
                before = second.chars().next_back().unwrap_or(before);
                rest = after;
            }
            None => {
                out.push(c);
                before = c;
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
            }
        }
    }
    out
}

/// The parts that `text` begins with, and the rest.
fn postcode<'t>(text: &'t str, (first, second): (&str, &str)) -> Option<(&'t str, &'t str, &'t str)> {
    let (one, rest) = matching(text, first)?;
    let (two, rest) = matching(rest.strip_prefix([' ', '-'])?, second)?;
    if rest.chars().next().is_some_and(is_inside) { None } else { Some((one, two, rest)) }
}

fn matching<'t>(text: &'t str, format: &str) -> Option<(&'t str, &'t str)> {
    let (part, rest) = text.split_at_checked(format.len())?;
    let matches = part.bytes().zip(format.bytes()).all(|(byte, wanted)| match wanted {
        b'a' => byte.is_ascii_lowercase(),
        b'9' => byte.is_ascii_digit(),
        b'x' => byte.is_ascii_lowercase() || byte.is_ascii_digit(),
        other => byte == other,
    });
    matches.then_some((part, rest))
}

/// A postcode does not begin or end beside these.
const fn is_inside(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-'
}
