//! Project Wycheproof's vectors through this crate's own calls.

use serde::Deserialize;

use super::*;
use crate::wycheproof::{Verdict, hex, load};

#[derive(Deserialize)]
struct NothingStated {}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hkdf {
    tc_id: u32,
    #[serde(deserialize_with = "hex")]
    ikm: Vec<u8>,
    #[serde(deserialize_with = "hex")]
    salt: Vec<u8>,
    #[serde(deserialize_with = "hex")]
    info: Vec<u8>,
    size: usize,
    #[serde(deserialize_with = "hex")]
    okm: Vec<u8>,
    result: Verdict,
}

/// Extract is not used here, so the test does it.
#[test]
fn hkdf_sha256() {
    let (mut valid, mut invalid) = (0, 0);
    for test in load::<NothingStated, Hkdf>("hkdf_sha256_test.json").iter().flat_map(|group| &group.tests) {
        let mut extract = Hmac::<Sha256>::new_from_slice(&test.salt).unwrap();
        extract.update(&test.ikm);
        let keyed = keyed(&extract.finalize().into_bytes().into());
        let mut out = vec![0; test.size];
        match test.result {
            Verdict::Valid => {
                valid += 1;
                expand(&keyed, &test.info, &mut out);
                assert_eq!(out, test.okm, "{}", test.tc_id);
            }
            Verdict::Invalid => {
                invalid += 1;
                assert!(keyed.expand(&test.info, &mut out).is_err(), "{}", test.tc_id);
            }
        }
    }
    assert_eq!((valid, invalid), (83, 3), "none is skipped");
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TagSize {
    tag_size: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MacTest {
    tc_id: u32,
    #[serde(deserialize_with = "hex")]
    key: Vec<u8>,
    #[serde(deserialize_with = "hex")]
    msg: Vec<u8>,
    #[serde(deserialize_with = "hex")]
    tag: Vec<u8>,
    result: Verdict,
}

/// Keys are always 32 bytes here.
#[test]
fn hmac_sha256() {
    let (mut valid, mut invalid, mut other_keys) = (0, 0, 0);
    let groups = load::<TagSize, MacTest>("hmac_sha256_test.json");
    for (group, test) in groups.iter().flat_map(|group| group.tests.iter().map(move |test| (&group.stated, test))) {
        let Ok(key) = <&[u8; 32]>::try_from(&test.key[..]) else {
            other_keys += 1;
            continue;
        };
        let (label, rest) = test.msg.split_at(test.msg.len() / 4);
        let (associated, plaintext) = rest.split_at(rest.len() / 2);
        let mut out = [0; 32];
        bound_to_content(key, label, associated, plaintext, &mut out);
        let same = out[..group.tag_size / 8] == test.tag[..];
        match test.result {
            Verdict::Valid => {
                valid += 1;
                assert!(same, "{}", test.tc_id);
            }
            Verdict::Invalid => {
                invalid += 1;
                assert!(!same, "{}", test.tc_id);
            }
        }
    }
    assert_eq!((valid, invalid, other_keys), (54, 108, 12), "none is skipped silently");
}
