//! Whether a type keeps what a JSON text says: a number that it would round, a name that stands twice, or a member that it does not have would be lost,
//! and once the text is overwritten nobody could tell.

use std::cmp::Ordering;
use std::fmt;

use serde::Deserializer;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::Invalid;

/// More digits than any double needs to be told from its neighbours, exact ones included.
const MOST_DIGITS: usize = 800;

/// Whether all that `text` says is in `written`, which a type wrote after it had read the text. More may be in it: members that the text lacks. A
/// member that is `null` may be missing.
pub(super) fn check(text: &str, written: &[u8]) -> Result<(), Invalid> {
    let text: &RawValue = serde_json::from_str(text).map_err(|_| Invalid::NotOfType)?;
    let written: &RawValue = serde_json::from_slice(written).map_err(|_| Invalid::NotReadable)?;
    compare(text, written)
}

// No deeper than serde_json goes, which read both texts before: 128 levels.
fn compare(text: &RawValue, written: &RawValue) -> Result<(), Invalid> {
    let (text, written) = (text.get().trim(), written.get().trim());
    let first = |of: &str| of.bytes().next().unwrap_or_default();
    match (first(text), first(written)) {
        (b'{', b'{') => members_of(text, written),
        (b'[', b'[') => {
            let (text, written) = (parsed::<Vec<&RawValue>>(text)?, parsed::<Vec<&RawValue>>(written)?);
            if text.len() != written.len() {
                return Err(Invalid::NotKept);
            }
            text.into_iter().zip(written).try_for_each(|(text, written)| compare(text, written))
        }
        (b'"', b'"') => {
            // As they stand, or with other escapes.
            let is_same = text == written || *string(text)? == *string(written)?;
            if is_same { Ok(()) } else { Err(Invalid::NotKept) }
        }
        (b'-' | b'0'..=b'9', b'-' | b'0'..=b'9') => {
            if is_kept(text, written) {
                Ok(())
            } else {
                Err(Invalid::NumberNotKept)
            }
        }
        _ if text == written => Ok(()),
        _ => Err(Invalid::NotKept),
    }
}

fn parsed<'t, T: serde::Deserialize<'t>>(text: &'t str) -> Result<T, Invalid> {
    serde_json::from_str(text).map_err(|_| Invalid::NotOfType)
}

fn string(text: &str) -> Result<Zeroizing<String>, Invalid> {
    Ok(Zeroizing::new(parsed(text)?))
}

fn members_of(text: &str, written: &str) -> Result<(), Invalid> {
    let text = members(text)?;
    for [(one, _), (next, _)] in text.array_windows() {
        if one == next {
            return Err(Invalid::NameTwice);
        }
    }
    let written = members(written)?;
    let mut after = written.iter().peekable();
    for (name, value) in &text {
        // Both are sorted.
        let found = loop {
            match after.peek() {
                Some((other, _)) if other.cmp(name) == Ordering::Less => drop(after.next()),
                Some((other, value)) if other == name => break Some(value),
                _ => break None,
            }
        };
        match found {
            Some(written) => compare(value, written)?,
            None if value.get().trim() == "null" => {}
            None => return Err(Invalid::NotKept),
        }
    }
    Ok(())
}

type Member<'t> = (Zeroizing<String>, &'t RawValue);

/// The members of an object, by their names.
fn members(text: &str) -> Result<Vec<Member<'_>>, Invalid> {
    struct Members;

    impl<'t> Visitor<'t> for Members {
        type Value = Vec<Member<'t>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<M: MapAccess<'t>>(self, mut map: M) -> Result<Vec<Member<'t>>, M::Error> {
            let mut members = Vec::new();
            while let Some(name) = map.next_key::<String>()? {
                members.push((Zeroizing::new(name), map.next_value()?));
            }
            Ok(members)
        }
    }

    let mut reader = serde_json::Deserializer::from_str(text);
    let mut members = reader.deserialize_map(Members).map_err(|_| Invalid::NotOfType)?;
    members.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(members)
}

/// Whether a number is the one that was written: the same decimal, or a rendering of the double that was written, rounded to as many digits as it has
/// (`0.10000000000000001` of 0.1, but not `9007199254740993.0` of 9007199254740992). Of a double halfway between two such decimals both are renderings:
/// writers differ in which they take.
fn is_kept(text: &str, written: &str) -> bool {
    let (Some(one), Some(other)) = (Decimal::of(text), Decimal::of(written)) else { return text == written };
    if one == other {
        return true;
    }
    let digits = text.bytes().take_while(|byte| !matches!(byte, b'e' | b'E')).filter(u8::is_ascii_digit);
    let digits = digits.skip_while(|digit| *digit == b'0').count();
    let (Ok(read), Ok(double)) = (text.parse::<f64>(), written.parse::<f64>()) else { return false };
    if read != double || digits > MOST_DIGITS {
        return false;
    }
    let rounded = Zeroizing::new(format!("{double:.*e}", digits.saturating_sub(1)));
    Decimal::of(&rounded).is_some_and(|rounded| rounded == one) || is_halfway(text, &one, double).unwrap_or(false)
}

/// Significant digits of the longest double, behind the first.
const LONGEST_DOUBLE: usize = 766;

/// Whether a number lies half a unit of its own last digit from the double. `None` if the double has too many digits for that.
fn is_halfway(text: &str, number: &Decimal, double: f64) -> Option<bool> {
    let exact = Decimal::of(&Zeroizing::new(format!("{double:.LONGEST_DOUBLE$e}")))?;
    let unit = Decimal::exponent(text)?;
    let least = unit.min(number.exponent).min(exact.exponent);
    let scaled = |of: u128, exponent: i64| {
        of.checked_mul(10u128.checked_pow(u32::try_from(exponent.checked_sub(least)?).ok()?)?)
    };
    let [number, exact] = [number, &exact].map(|of| scaled(of.digits.parse().ok()?, of.exponent));
    Some(number?.abs_diff(exact?).checked_mul(2)? == scaled(1, unit)?)
}

/// A number's value: its digits without zeros at either end, and the power of ten of the last one.
#[derive(PartialEq)]
struct Decimal {
    is_negative: bool,
    digits: Zeroizing<String>,
    exponent: i64,
}

impl Decimal {
    /// The power of ten of the last digit that is written. `None` if it is beyond reason.
    fn exponent(text: &str) -> Option<i64> {
        let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let fraction = number.split_once('.').map_or("", |(_, fraction)| fraction);
        exponent.parse::<i64>().ok()?.checked_sub(i64::try_from(fraction.len()).ok()?)
    }

    /// `None` if its exponent is beyond reason.
    fn of(text: &str) -> Option<Decimal> {
        let exponent = Decimal::exponent(text)?;
        let (is_negative, text) = text.strip_prefix('-').map_or((false, text), |text| (true, text));
        let number = text.split_once(['e', 'E']).map_or(text, |(number, _)| number);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let mut digits = Zeroizing::new(String::with_capacity(number.len()));
        digits.push_str(whole);
        digits.push_str(fraction);
        let ended = digits.trim_end_matches('0').len();
        let exponent = exponent.checked_add(i64::try_from(digits.len().checked_sub(ended)?).ok()?)?;
        digits.truncate(ended);
        let digits = Zeroizing::new(digits.trim_start_matches('0').to_owned());
        if digits.is_empty() {
            return Some(Decimal { is_negative: false, digits, exponent: 0 });
        }
        Some(Decimal { is_negative, digits, exponent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_type_keeps_and_what_it_loses() {
        for (text, written) in [
            (r#"{"a":1,"b":[true,null,"x"]}"#, r#"{"b":[true,null,"x"],"a":1,"c":0}"#),
            (r#"{"a":null}"#, "{}"),
            (r#"["\u0041\n"]"#, "[\"A\\u000a\"]"),
            ("1", "1.0"),
            ("1e2", "100"),
            ("0.10", "0.1"),
            ("-0", "0"),
            ("0.10000000000000001", "0.1"),
            ("0.1000000000000000055511151231257827", "0.1"),
            ("97.68117019787599", "97.68117019787599"),
            // The double is 674417006149225.25: serde_json writes .2, and others .3.
            ("674417006149225.3", "674417006149225.2"),
            ("674417006149225.2", "674417006149225.3"),
            ("-6.744170061492253e14", "-674417006149225.2"),
            ("1E400", "1E400"),
            (" [ 1 ] ", "[1]"),
        ] {
            assert_eq!(check(text, written.as_bytes()), Ok(()), "{text} {written}");
        }
        for (text, written, error) in [
            (r#"{"a":1,"a":1}"#, r#"{"a":1}"#, Invalid::NameTwice),
            (r#"{"a":1,"\u0061":2}"#, r#"{"a":2}"#, Invalid::NameTwice),
            (r#"[{"x":{"a":1,"b":0,"a":2}}]"#, r#"[{"x":{"a":2,"b":0}}]"#, Invalid::NameTwice),
            (r#"{"a":1,"b":2}"#, r#"{"a":1}"#, Invalid::NotKept),
            (r#"{"a":1}"#, r#"{"b":1}"#, Invalid::NotKept),
            (r#"{"a":"x"}"#, r#"{"a":"y"}"#, Invalid::NotKept),
            ("[1,2]", "[1]", Invalid::NotKept),
            ("\"1\"", "1", Invalid::NotKept),
            ("null", "0", Invalid::NotKept),
            ("true", "false", Invalid::NotKept),
            ("12345678901234567890123", "1.2345678901234568e+22", Invalid::NumberNotKept),
            ("9007199254740993.0", "9007199254740992.0", Invalid::NumberNotKept),
            ("0.1000000000000000000000001", "0.1", Invalid::NumberNotKept),
            ("97.681170197876", "97.68117019787599", Invalid::NumberNotKept),
            ("0.3", "0.30000000000000004", Invalid::NumberNotKept),
            ("674417006149225.26", "674417006149225.2", Invalid::NumberNotKept),
            ("674417006149225.23", "674417006149225.2", Invalid::NumberNotKept),
            ("-674417006149225.3", "674417006149225.2", Invalid::NumberNotKept),
            ("4.9406564584124653e-324", "5e-324", Invalid::NumberNotKept),
            ("0.10000000149011612", "0.1", Invalid::NumberNotKept),
            ("1", "-1", Invalid::NumberNotKept),
            ("1e99999999999999999999", "1", Invalid::NumberNotKept),
        ] {
            assert_eq!(check(text, written.as_bytes()), Err(error), "{text} {written}");
        }
    }
}
