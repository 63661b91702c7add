//! A sealed value: as bytes, as text, in JSON, and opened with the vault that made it.

#![no_main]

use std::cell::OnceCell;

use libfuzzer_sys::fuzz_target;
use oubliette::personal::{PersonalData, Text};
use oubliette::testing::TestVault;
use oubliette::{CustomerId, Field, OpenError, Purpose, Sealed, Vault, fuzzing};

const ORDERS: Purpose = Purpose::new("orders");
const NOTE: Field<Text> = ORDERS.field("note");

thread_local! {
    static VAULT: OnceCell<(TestVault, CustomerId, Vec<u8>)> = const { OnceCell::new() };
}

fn one_form(sealed: &Sealed<Text>) {
    let text = sealed.to_string();
    assert_eq!(text.parse::<Sealed<Text>>().as_ref(), Ok(sealed));
    let json = serde_json::to_string(sealed).unwrap();
    assert_eq!(&serde_json::from_str::<Sealed<Text>>(&json).unwrap(), sealed);
    assert_eq!(CustomerId::from_stored(sealed.customer().to_stored()), Ok(sealed.customer()));
}

/// A good value with some bytes changed, cut or added.
fn changed(good: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for edit in edits.chunks_exact(3) {
        let at = usize::from(edit[0]);
        match edit[1] {
            0 => bytes.truncate(at),
            1 => bytes.push(edit[2]),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= edit[2];
                }
            }
        }
    }
    bytes
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(sealed) = Sealed::<Text>::from_bytes(bytes) {
        assert_eq!(sealed.as_bytes(), bytes);
        one_form(&sealed);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(sealed) = text.parse::<Sealed<Text>>() {
            assert_eq!(sealed.to_string(), text);
            one_form(&sealed);
        }
        let _ = serde_json::from_str::<Sealed<Text>>(text);
    }
    if let Some(content) = fuzzing::unpad(bytes) {
        assert_eq!(bytes[content.len()], 0x80);
        assert!(bytes.starts_with(content) && bytes[content.len() + 1..].iter().all(|byte| *byte == 0));
    }
    VAULT.with(|vault| {
        let (vault, customer, good) = vault.get_or_init(|| {
            let vault = Vault::in_memory([ORDERS]);
            let customer = vault.enroll().unwrap();
            let sealed = vault.seal(customer, NOTE, &"A note.".parse().unwrap()).unwrap();
            (vault, customer, sealed.into_bytes())
        });
        let bytes = changed(good, bytes);
        let Ok(sealed) = Sealed::<Text>::from_bytes(bytes.as_slice()) else { return };
        match vault.open(*customer, NOTE, &sealed) {
            Ok(_) => assert_eq!(&bytes, good),
            Err(OpenError::OtherCustomer { found, .. }) => assert_ne!(found, *customer),
            Err(OpenError::OtherVault { .. } | OpenError::NotAuthentic { .. }) => assert_ne!(&bytes, good),
            Err(error) => panic!("{error}"),
        }
    });
    let _ = Text::decode(bytes);
});
