//! JSON in the one form of RFC 8785, for documents that people may reformat before they are checked.

use serde_json::Value;

/// The canonical form of a value whose numbers are integers below 2^53, as all of ours are. `None` if one is not.
pub(super) fn canonical(value: &Value) -> Option<String> {
    let mut out = String::new();
    write(value, &mut out)?;
    Some(out)
}

// As deep as the value, and that is one of our own types, never one that was only parsed.
fn write(value: &Value, out: &mut String) -> Option<()> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(is_true) => out.push_str(if *is_true { "true" } else { "false" }),
        Value::Number(number) => {
            let number = number.as_u64().filter(|number| *number <= super::limits::MOST_NUMBER)?;
            out.push_str(&number.to_string());
        }
        Value::String(text) => text_of(text, out)?,
        Value::Array(values) => list(out, ('[', ']'), values, write)?,
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            // RFC 8785 sorts by UTF-16 code units, which is not the order of UTF-8.
            members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            list(out, ('{', '}'), &members, |(name, value), out| {
                text_of(name, out)?;
                out.push(':');
                write(value, out)
            })?;
        }
    }
    Some(())
}

/// serde_json escapes what RFC 8785 does, the same way: `\b \t \n \f \r \" \\`, and other controls as `\u001f`.
fn text_of(text: &str, out: &mut String) -> Option<()> {
    out.push_str(&serde_json::to_string(text).ok()?);
    Some(())
}

fn list<T>(
    out: &mut String,
    (open, close): (char, char),
    items: &[T],
    each: impl Fn(&T, &mut String) -> Option<()>,
) -> Option<()> {
    out.push(open);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        each(item, out)?;
    }
    out.push(close);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_by_utf16_and_texts_escaped_as_the_rfc_says() {
        // The example of RFC 8785, section 3.2.3, without its number.
        let value: Value = serde_json::from_str(
            r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One",
                "\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#,
        )
        .unwrap();
        let expected = "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\
            \"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\
            \"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}";
        assert_eq!(canonical(&value).as_deref(), Some(expected));
        // Section 3.2.2.2's text.
        let text = json!("\u{20ac}$\u{f}\nA'B\"\\\\\"/");
        assert_eq!(canonical(&text).as_deref(), Some(r#""€$\u000f\nA'B\"\\\\\"/""#));
    }

    #[test]
    fn numbers_that_a_double_does_not_hold_are_refused() {
        assert_eq!(canonical(&json!([9_007_199_254_740_991_u64, 0])).as_deref(), Some("[9007199254740991,0]"));
        for number in [json!(9_007_199_254_740_992_u64), json!(-1), json!(1.5)] {
            assert_eq!(canonical(&json!([number])), None, "{number}");
        }
    }
}
