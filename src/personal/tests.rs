//! What holds for every type alike.

use std::fmt::Debug;
use std::str::FromStr;

use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::de::value::{Error as ValueError, StringDeserializer};
use unicode_normalization::UnicodeNormalization;

use super::*;

fn encoded<T: PersonalData>(value: &T) -> Vec<u8> {
    let mut out = Plaintext::with_capacity(value.size_hint());
    value.encode(&mut out);
    assert!(value.size_hint() >= out.len(), "the buffer had to grow");
    out.as_bytes().to_vec()
}

/// Everything that must hold of a text, whether the type takes it or not. Returns the value if it does.
fn check<T>(text: &str, debug: &str, expose: fn(&T) -> &str) -> Option<T>
where
    T: PersonalData + Canonical + ExposePersonalData + Clone + Debug + PartialEq + DeserializeOwned,
    T: FromStr + TryFrom<String, Error = <T as FromStr>::Err>,
    <T as FromStr>::Err: std::error::Error + PartialEq + Copy,
{
    let read = text.parse::<T>();
    assert!(T::try_from(text.to_owned()) == read, "two ways in differ");
    let value = match read {
        Ok(value) => value,
        Err(error) => {
            for said in [error.to_string(), format!("{error:?}")] {
                assert!(text.len() < 12 || !said.contains(text), "an error quotes");
            }
            return None;
        }
    };
    assert_eq!(format!("{value:?}"), debug);
    assert_eq!(format!("{:?}", value.canonical_form()), "CanonicalForm(redacted)");

    let bytes = encoded(&value);
    let opened = T::decode(&bytes).expect("what was encoded is read");
    assert!(opened == value && value.clone() == value);
    assert!(opened.canonical_form() == value.canonical_form());
    assert_eq!(encoded(&opened), bytes);

    assert!(expose(&value).parse::<T>() == Ok(value.clone()), "what was kept is kept again");
    let out = serialize_exposed(&Some(value.clone()), serde_json::value::Serializer).unwrap();
    assert!(serde_json::from_value::<T>(out).unwrap() == value);
    Some(value)
}

/// The canonical form, taken as typed, is its own canonical form.
fn check_canonical<T>(value: &T)
where
    T: Canonical + FromStr,
{
    let form = value.canonical_form();
    // It may have grown past a limit; then nobody can type it.
    if let Ok(again) = std::str::from_utf8(form.expose_personal_data()).unwrap().parse::<T>() {
        assert!(again.canonical_form() == form);
    }
}

fn check_all(text: &str) {
    if let Some(name) = check::<Name>(text, "Name(redacted)", Name::expose_personal_data) {
        check_canonical(&name);
    }
    if let Some(email) = check::<Email>(text, "Email(redacted)", Email::expose_personal_data) {
        check_canonical(&email);
    }
    if let Some(phone) = check::<Phone>(text, "Phone(redacted)", Phone::expose_personal_data) {
        check_canonical(&phone);
    }
    if let Some(text) = check::<Text>(text, "Text(redacted)", Text::expose_personal_data) {
        check_canonical(&text);
    }
    check::<Address>(text, "Address(redacted)", Address::expose_personal_data);
}

/// Values in both normal forms mean the same.
fn same_in_both_normal_forms<T: Canonical + FromStr>(text: &str) {
    let composed = text.nfc().collect::<String>().parse::<T>();
    let decomposed = text.nfd().collect::<String>().parse::<T>();
    match (composed, decomposed) {
        (Ok(composed), Ok(decomposed)) => assert!(composed.canonical_form() == decomposed.canonical_form()),
        (Err(_), Err(_)) => {}
        _ => panic!("one normal form is taken, the other is not"),
    }
}

fn hard_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "\\PC{0,40}",
        "[a-zA-Z\u{c0}-\u{17f}\u{300}-\u{345}\u{390}-\u{3ce}\u{1e00}-\u{1fff}' ’-]{1,30}",
        "[\u{900}-\u{97f}\u{e00}-\u{e5b}\u{1100}-\u{11ff}\u{3040}-\u{30ff}\u{ac00}-\u{ac40}\u{fb00}-\u{fdff}]{1,20}",
        "[a-zA-Z0-9é\u{301}İΣς\"\\\\ .+@_-]{1,12}@[a-zA-Z0-9éßς·.-]{1,12}\\.(com|fr|рф|भारत)",
        "\"[a-zA-Z \\\\\"@.]{1,12}\"@example\\.com",
        "\\+?[0-9 ().-]{5,18}((;ext=| x| poste )[0-9]{0,11})?",
        "([ -~\u{e0}-\u{ff},，]{0,20}\n){0,12}(France|GERMANY|de|Gb|Italy \\(IT\\))",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_text_breaks_a_rule(text in hard_text()) {
        check_all(&text);
    }

    #[test]
    fn normal_forms_meet(text in hard_text()) {
        same_in_both_normal_forms::<Name>(&text);
        same_in_both_normal_forms::<Email>(&text);
        same_in_both_normal_forms::<Phone>(&text);
        same_in_both_normal_forms::<Text>(&text);
        same_in_both_normal_forms::<Address>(&text);
    }

    #[test]
    fn decoding_takes_what_encoding_writes_only(bytes in prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..64),
        "[+0-9;=ext@a-z]{0,40}".prop_map(String::into_bytes),
        ("[A-Z]{2}", proptest::collection::vec("[a-z\n]{0,9}", 0..4)).prop_map(|(country, lines)| {
            let mut bytes = vec![1];
            bytes.extend(country.bytes());
            bytes.push(u8::try_from(lines.len()).unwrap());
            for line in lines {
                bytes.extend(u16::try_from(line.len()).unwrap().to_be_bytes());
                bytes.extend(line.bytes());
            }
            bytes
        }),
    ]) {
        fn check<T: PersonalData + Canonical>(bytes: &[u8]) {
            if let Ok(value) = T::decode(bytes) {
                assert_eq!(encoded(&value), bytes);
                let _ = value.canonical_form();
            }
        }
        check::<Name>(&bytes);
        check::<Email>(&bytes);
        check::<Phone>(&bytes);
        check::<Text>(&bytes);
        check::<Date>(&bytes);
        check::<Address>(&bytes);
    }
}

#[test]
fn encodings_are_fixed() {
    assert_eq!(encoded(&" Zoe\u{308} ".parse::<Name>().unwrap()), "Zoe\u{308}".as_bytes());
    assert_eq!(encoded(&" Zoë@Example.com".parse::<Email>().unwrap()), "Zoë@Example.com".as_bytes());
    assert_eq!(encoded(&"+33 1 23 45 67 89 x2".parse::<Phone>().unwrap()), b"+33123456789;ext=2");
    assert_eq!(encoded(&" a\r\n".parse::<Text>().unwrap()), b" a\r\n");
    let tags = [Name::TAG, Email::TAG, Phone::TAG, Address::TAG, Text::TAG, Date::TAG].map(TypeTag::as_str);
    assert_eq!(tags, ["obl.name", "obl.email", "obl.phone", "obl.address", "obl.text", "obl.date"]);
    let sizes = [Name::PADDING, Email::PADDING, Phone::PADDING, Address::PADDING, Text::PADDING].map(|p| p.padded(0));
    assert_eq!(sizes, [96, 64, 32, 128, 256]);
}

/// What a request may hold in place of the text expected, and what must not come back in the error.
fn never_quotes<T: DeserializeOwned + Debug>(also: &[&str]) {
    let common = [
        "33612345678",
        "-33612345678",
        "33612345678.5",
        "3361234567833612345678",
        "true",
        "null",
        "[\"SECRET\"]",
        "{\"SECRET\": \"SECRET\"}",
        "\"SECRET\\u0000\\ud800\"",
        "\"SECRET",
        "SECRET",
    ];
    for json in common.iter().chain(also) {
        let error = serde_json::from_str::<T>(json).unwrap_err().to_string();
        for part in ["SECRET", "33612", "true", "null"] {
            assert!(!error.contains(part), "{error}");
        }
        // Formats that hold a tree before they know the type, as `#[serde(untagged)]` does.
        if let Ok(tree) = serde_json::from_str::<serde_json::Value>(json) {
            let error = serde_json::from_value::<T>(tree).unwrap_err().to_string();
            assert!(!error.contains("SECRET") && !error.contains("33612"), "{error}");
        }
    }
}

#[test]
fn deserialising_never_quotes() {
    never_quotes::<Name>(&["\"SECRET\\u202e\"", "\"SECRET\\n\\r\"x"]);
    never_quotes::<Email>(&["\"SECRET\"", "\"SECRET@x_y.com\""]);
    never_quotes::<Phone>(&["\"SECRET\"", "\"33612345678\""]);
    never_quotes::<Address>(&["\"SECRET\""]);
    never_quotes::<Text>(&[]);
    never_quotes::<Date>(&["\"SECRET\""]);
    never_quotes::<Country>(&["\"SECRET\""]);
    let error = serde_json::from_str::<Email>("\"SECRET@x\"").unwrap_err().to_string();
    assert!(error.contains("no top level"), "the rule is still named: {error}");
    let owned = StringDeserializer::<ValueError>::new("SECRET@x".to_owned());
    let error = <Email as serde::Deserialize>::deserialize(owned).unwrap_err().to_string();
    assert!(error.contains("no top level") && !error.contains("SECRET"), "{error}");
}

#[test]
fn nothing_serialises_or_displays() {
    // Ambiguous, and so refused by the compiler, if the type ever gets the trait.
    trait Lacks<Marker> {
        fn check() {}
    }
    struct Shown;
    struct Written;
    impl<T> Lacks<()> for T {}
    impl<T: std::fmt::Display> Lacks<Shown> for T {}
    impl<T: serde::Serialize> Lacks<Written> for T {}
    <Name as Lacks<_>>::check();
    <Email as Lacks<_>>::check();
    <Phone as Lacks<_>>::check();
    <Address as Lacks<_>>::check();
    <Text as Lacks<_>>::check();
    <Date as Lacks<_>>::check();
    <CanonicalForm as Lacks<_>>::check();
}
