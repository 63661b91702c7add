//! Each field type: as text that somebody types, and as bytes that were opened; and groups of them.

#![no_main]

use std::str::FromStr;

use libfuzzer_sys::fuzz_target;
use oubliette::personal::{Address, Canonical, Country, Email, Name, PersonalData, Phone, Plaintext, Text};

fn encoded<T: PersonalData>(value: &T) -> Plaintext {
    let mut out = Plaintext::with_capacity(value.size_hint());
    value.encode(&mut out);
    out
}

fn check<T: Canonical + FromStr + PartialEq>(bytes: &[u8]) {
    if let Ok(value) = T::decode(bytes) {
        assert_eq!(encoded(&value).as_bytes(), bytes);
        let _ = (value.canonical_form(), value.wide_form());
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(value) = text.parse::<T>() {
        let opened = T::decode(encoded(&value).as_bytes());
        assert!(opened.is_ok_and(|opened| opened == value && opened.canonical_form() == value.canonical_form()));
        let form = value.canonical_form();
        // Not an address's, which is no address; and a form may have grown past a limit.
        let again = std::str::from_utf8(form.expose_personal_data()).ok().and_then(|form| form.parse::<T>().ok());
        assert!(again.is_none_or(|again| again.canonical_form() == form));
    }
}

fuzz_target!(|bytes: &[u8]| {
    check::<Name>(bytes);
    check::<Email>(bytes);
    check::<Phone>(bytes);
    check::<Address>(bytes);
    check::<Text>(bytes);
    oubliette::fuzzing::group(bytes);
    // Few inputs begin as a group does.
    oubliette::fuzzing::group(&[b"\x01", bytes].concat());
    if let Ok(text) = std::str::from_utf8(bytes) {
        for country in ["FR", "US", "IT", "JP"].map(Country::new) {
            if let Ok(phone) = Phone::parse(text, country) {
                let _ = encoded(&phone);
            }
            if let Ok(address) = Address::parse(text, country) {
                let again = address.expose_personal_data().parse::<Address>();
                assert!(again.is_ok_and(|again| again == address));
            }
        }
    }
});
