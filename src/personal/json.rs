//! Any serde type as personal data.

mod kept;
mod value;

use std::fmt;
use std::io;
use std::str::FromStr;

use serde::de::{DeserializeOwned, Deserializer, Error};
use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroizing;

use super::{ExposePersonalData, Invalid, MOST_BYTES, Padding, PersonalData, Plaintext, TypeTag};

/// A type that [`Json`] can hold.
///
/// ```
/// use oubliette::personal::{Json, JsonContent, TypeTag};
///
/// #[derive(PartialEq, serde::Serialize, serde::Deserialize)]
/// struct Preferences {
///     diet: String,
///     shoe_size: u8,
/// }
///
/// impl JsonContent for Preferences {
///     const TAG: TypeTag = TypeTag::new("shop.preferences");
///
///     fn wipe(&mut self) {
///         // With the `zeroize` crate: `self.diet.zeroize()`, or derive it for the whole type.
///         self.diet.clear();
///     }
/// }
///
/// let json = Json::new(Preferences { diet: "vegan".into(), shoe_size: 43 })?;
/// assert_eq!(json.expose_personal_data().shoe_size, 43);
/// # Ok::<(), oubliette::personal::Invalid>(())
/// ```
///
/// By `PartialEq`, [`Json::new`] checks that a value reads back as the same. [`serde_json::Value`] is a `JsonContent` too, for what has no fixed form.
pub trait JsonContent: Serialize + DeserializeOwned + PartialEq {
    /// A stable name of this type. It takes part in the key: a value sealed under one tag opens under no other, and
    /// changing it makes every value sealed before unopenable.
    const TAG: TypeTag;

    /// How lengths are hidden.
    const PADDING: Padding = Padding::steps_of(256);

    /// Overwrites what is personal in the value; called when it is dropped. The `zeroize` crate does it well.
    fn wipe(&mut self);
}

/// A value of any serde type, sealed as JSON.
///
/// If the type changes, JSON sealed before opens if serde reads it into the new type, and is kept as it was sealed until a new
/// value is made. `==` compares the values by their own `==`, not in constant time.
///
/// It has no `Default`, since a value that cannot be written or read back is refused: `Json::new(T::default())?`.
///
/// Padding: that of [`JsonContent::PADDING`], by default steps of 256 bytes.
///
/// [`JsonContent`] has an example.
pub struct Json<T: JsonContent> {
    value: T,
    // Encoded when the value is made: sealing cannot fail, serialising can.
    encoded: Plaintext,
}

const TOO_LONG: Invalid = Invalid::TooLong("the value has more than 16 MiB as JSON; store it in pieces");

impl<T: JsonContent> Json<T> {
    /// Checks that a value can be written as JSON and reads back as the same value, and holds it. What does not read back
    /// would be lost once sealed: `Some(None)` reads back as `None`, and a field that serde skips as its default.
    ///
    /// # Errors
    /// [`Invalid`] if it cannot, or has more than [`MOST_BYTES`] as JSON.
    pub fn new(value: T) -> Result<Json<T>, Invalid> {
        let mut json = Json { value, encoded: Plaintext::with_capacity(128) };
        let mut writer = Bounded { out: &mut json.encoded, full: false };
        if serde_json::to_writer(&mut writer, &json.value).is_err() {
            return Err(if writer.full { TOO_LONG } else { Invalid::NotWritable });
        }
        let Ok(mut copy) = serde_json::from_slice::<T>(json.encoded.as_bytes()) else {
            return Err(Invalid::NotReadable);
        };
        let is_same = copy == json.value;
        copy.wipe();
        if is_same { Ok(json) } else { Err(Invalid::ReadsDifferently) }
    }

    /// The door out: the value. Search a program for this name to find every place where personal data leaves its type.
    pub fn expose_personal_data(&self) -> &T {
        &self.value
    }
}

/// Writes straight into the wiping buffer, so that no other copy of the JSON exists.
struct Bounded<'o> {
    out: &'o mut Plaintext,
    full: bool,
}

impl io::Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.out.len().saturating_add(bytes.len()) > MOST_BYTES {
            self.full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.out.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<T: JsonContent> Drop for Json<T> {
    fn drop(&mut self) {
        self.value.wipe();
    }
}

impl<T: JsonContent + Clone> Clone for Json<T> {
    fn clone(&self) -> Json<T> {
        let mut encoded = Plaintext::with_capacity(self.encoded.len());
        encoded.extend(self.encoded.as_bytes());
        Json { value: self.value.clone(), encoded }
    }
}

impl<T: JsonContent> PartialEq for Json<T> {
    fn eq(&self, other: &Json<T>) -> bool {
        self.value == other.value
    }
}

impl<T: JsonContent + Eq> Eq for Json<T> {}

impl<T: JsonContent> fmt::Debug for Json<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Json(redacted)")
    }
}

/// Reads a JSON text, if the type keeps all that it says: numbers to the last digit, and every member. Of a text that is replaced by what is sealed, as in a job,
/// nothing is lost. White space, escapes, the order of members and zeros at a number's end may change; a member that is `null` may go.
impl<T: JsonContent> FromStr for Json<T> {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Json<T>, Invalid> {
        // The library's error would quote the text.
        let json = Json::new(serde_json::from_str(text).map_err(|_| Invalid::NotOfType)?)?;
        kept::check(text, json.encoded.as_bytes())?;
        Ok(json)
    }
}

/// Wipes the given string, whether it is accepted or not.
impl<T: JsonContent> TryFrom<String> for Json<T> {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Json<T>, Invalid> {
        Zeroizing::new(text).parse()
    }
}

impl<'de, T: JsonContent> Deserialize<'de> for Json<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json<T>, D::Error> {
        let value =
            T::deserialize(deserializer).map_err(|_| D::Error::custom("the value is not of the type expected"))?;
        Json::new(value).map_err(D::Error::custom)
    }
}

impl<T: JsonContent> ExposePersonalData for Json<T> {
    fn serialize_exposed<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<T: JsonContent> PersonalData for Json<T> {
    const TAG: TypeTag = <T as JsonContent>::TAG;
    const PADDING: Padding = <T as JsonContent>::PADDING;

    fn size_hint(&self) -> usize {
        self.encoded.len()
    }

    fn encode(&self, out: &mut Plaintext) {
        out.extend(self.encoded.as_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Json<T>, Invalid> {
        if bytes.len() > MOST_BYTES {
            return Err(Invalid::Content);
        }
        let value = serde_json::from_slice(bytes).map_err(|_| Invalid::Content)?;
        let mut encoded = Plaintext::with_capacity(bytes.len());
        encoded.extend(bytes);
        Ok(Json { value, encoded })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    thread_local!(static WIPED: Cell<usize> = const { Cell::new(0) });

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(transparent)]
    struct Any(serde_json::Value);

    impl JsonContent for Any {
        const TAG: TypeTag = TypeTag::new("test.any");

        fn wipe(&mut self) {
            WIPED.set(WIPED.get() + 1);
            self.0 = serde_json::Value::Null;
        }
    }

    macro_rules! content {
        ($name:ident($inner:ty)) => {
            #[derive(Debug, PartialEq, Serialize, Deserialize)]
            struct $name($inner);

            impl JsonContent for $name {
                const TAG: TypeTag = TypeTag::new("test.other");

                fn wipe(&mut self) {}
            }
        };
    }

    content!(Float(f64));
    content!(Keys(BTreeMap<Vec<u8>, u8>));
    content!(Number(u8));
    content!(Long(String));
    content!(Twice(Option<Option<u8>>));

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Skips {
        kept: u8,
        #[serde(skip)]
        skipped: u8,
    }

    impl JsonContent for Skips {
        const TAG: TypeTag = TypeTag::new("test.skips");

        fn wipe(&mut self) {}
    }

    fn encoded<T: JsonContent>(json: &Json<T>) -> String {
        let mut out = Plaintext::with_capacity(json.size_hint());
        json.encode(&mut out);
        String::from_utf8(out.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn values_round_trip_and_wipe() {
        WIPED.set(0);
        // In order, since it is a feature of serde_json's, which others may turn on, whether it sorts them.
        let json: Json<Any> = r#" {"a": null, "b": [1, "é\n"]} "#.parse().unwrap();
        assert_eq!(WIPED.get(), 1, "the copy that was read back");
        assert_eq!(encoded(&json), r#"{"a":null,"b":[1,"é\n"]}"#);
        let opened = Json::decode(encoded(&json).as_bytes()).unwrap();
        assert!(opened == json && opened.clone() == json);
        assert_eq!(opened.expose_personal_data().0, json!({"a": null, "b": [1, "é\n"]}));
        assert_eq!(json.serialize_exposed(serde_json::value::Serializer).unwrap(), json.value.0);
        assert_eq!(format!("{json:?}"), "Json(redacted)");
        drop((json, opened));
        assert_eq!(WIPED.get(), 4);
    }

    #[test]
    fn what_could_not_be_opened_again_is_refused() {
        assert_eq!(Json::new(Float(f64::NAN)).err(), Some(Invalid::NotReadable));
        assert_eq!(Json::new(Twice(Some(None))).err(), Some(Invalid::ReadsDifferently));
        assert!(Json::new(Twice(None)).is_ok() && Json::new(Twice(Some(Some(1)))).is_ok());
        assert_eq!(Json::new(Skips { kept: 1, skipped: 1 }).err(), Some(Invalid::ReadsDifferently));
        assert!(Json::new(Skips { kept: 1, skipped: 0 }).is_ok());
        assert_eq!(r#"{"kept":1,"more":2}"#.parse::<Json<Skips>>().err(), Some(Invalid::NotKept));
        assert!(r#" { "kept" : 1 } "#.parse::<Json<Skips>>().is_ok());
        assert_eq!(Json::new(Keys([(vec![1], 1)].into())).err(), Some(Invalid::NotWritable));
        assert_eq!(Json::new(Long("x".repeat(MOST_BYTES))).err(), Some(TOO_LONG));
        assert!(Json::new(Long("x".repeat(MOST_BYTES - 2))).is_ok());
        let mut deep = json!(0);
        for _ in 0..200 {
            deep = json!([deep]);
        }
        assert_eq!(Json::new(Any(deep)).err(), Some(Invalid::NotReadable));
    }

    #[test]
    fn json_sealed_before_is_kept_as_it_was() {
        let opened = Json::<Any>::decode(b" {\"b\":1, \"a\":2}").unwrap();
        assert_eq!(encoded(&opened), " {\"b\":1, \"a\":2}");
        for bad in [&b""[..], b"{", b"1 2", b"\"\xff\"", "[".repeat(100_000).as_bytes()] {
            assert_eq!(Json::<Any>::decode(bad), Err(Invalid::Content));
        }
        assert!(Json::<Number>::decode(b"256").is_err());
    }

    #[test]
    fn errors_never_quote() {
        for text in ["7777777", "\"SECRET\"", "{\"SECRET\":1}", "SECRET", "[\"SECRET\"]"] {
            let errors = [
                text.parse::<Json<Number>>().unwrap_err().to_string(),
                serde_json::from_str::<Json<Number>>(text).unwrap_err().to_string(),
                Json::<Number>::try_from(text.to_owned()).unwrap_err().to_string(),
            ];
            for error in errors {
                assert!(!error.contains("SECRET") && !error.contains("7777777"), "{error}");
            }
        }
    }
}
