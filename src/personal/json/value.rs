//! JSON of no fixed form.

use serde_json::Value;
use zeroize::Zeroize;

use super::JsonContent;
use crate::personal::TypeTag;

/// For what has no type of its own: `Json<serde_json::Value>`. Numbers are `u64`, `i64` or doubles; a text with others is refused.
impl JsonContent for Value {
    const TAG: TypeTag = TypeTag::ours("obl.json");

    fn wipe(&mut self) {
        // As deep as it was built: that is what dropping it does, too.
        match self {
            Value::String(text) => text.zeroize(),
            Value::Array(values) => values.iter_mut().for_each(JsonContent::wipe),
            Value::Object(members) => {
                for (mut name, mut value) in std::mem::take(members) {
                    name.zeroize();
                    value.wipe();
                }
            }
            Value::Number(_) | Value::Bool(_) | Value::Null => {}
        }
        *self = Value::Null;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use crate::personal::{Invalid, Json, PersonalData, Plaintext};

    use super::*;

    fn reopened(value: &Value) -> Result<Value, Invalid> {
        let json = Json::new(value.clone())?;
        let mut out = Plaintext::with_capacity(json.size_hint());
        json.encode(&mut out);
        Ok(Json::<Value>::decode(out.as_bytes()).unwrap().expose_personal_data().clone())
    }

    #[test]
    fn a_text_opens_as_it_was_or_is_refused() {
        for text in [r#"{"a":[1,-2,1.5,18446744073709551615,"x"],"b":{"c":null}}"#, "97.68117019787599", "1e300"] {
            let json: Json<Value> = text.parse().unwrap();
            assert_eq!(reopened(json.expose_personal_data()), Ok(serde_json::from_str(text).unwrap()));
        }
        let error = |text: &str| text.parse::<Json<Value>>().err();
        assert_eq!(error(r#"{"id":12345678901234567890123}"#), Some(Invalid::NumberNotKept));
        assert_eq!(error(r#"{"id":9007199254740993.0}"#), Some(Invalid::NumberNotKept));
        assert_eq!(error(r#"{"id":1,"id":1}"#), Some(Invalid::NameTwice));
    }

    #[test]
    fn all_of_it_is_wiped() {
        let mut value = json!({"a": ["x", {"b": "y"}], "c": 1});
        value.wipe();
        assert_eq!(value, Value::Null);
    }

    /// As many digits as a double needs can lie on either side of it: what the standard library writes is refused of none.
    #[test]
    fn a_double_halfway_between_two_decimals_is_taken_as_either() {
        for text in ["674417006149225.2", "674417006149225.3", "-674417006149225.3"] {
            let json: Json<Value> = text.parse().unwrap();
            let opened = reopened(json.expose_personal_data()).unwrap();
            assert_eq!(opened.as_f64().unwrap(), text.parse::<f64>().unwrap());
        }
    }

    proptest! {
        /// 1 s.
        #[test]
        fn every_double_opens_as_it_was(bits: u64) {
            let number = f64::from_bits(bits);
            prop_assume!(number.is_finite());
            let opened = reopened(&json!(number)).unwrap();
            prop_assert_eq!(opened.as_f64().unwrap().to_bits(), bits);
            let text = number.to_string();
            prop_assert!(text.parse::<Json<Value>>().is_ok() || !text.contains('.'), "{}", text);
        }

        /// Every other one lies halfway.
        #[test]
        fn every_double_of_three_binary_places_is_taken(eighths in 1u64 << 50..1 << 53) {
            let text = format!("{:?}", eighths as f64 / 8.0);
            prop_assert!(text.parse::<Json<Value>>().is_ok(), "{}", text);
        }
    }
}
