//! Project Wycheproof's vectors through this crate's own calls.

use serde::Deserialize;

use super::*;
use crate::wycheproof::{Verdict, hex, load};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sizes {
    key_size: usize,
    iv_size: usize,
    tag_size: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AeadTest {
    tc_id: u32,
    #[serde(deserialize_with = "hex")]
    key: Vec<u8>,
    #[serde(deserialize_with = "hex")]
    iv: Vec<u8>,
    #[serde(deserialize_with = "hex")]
    aad: Vec<u8>,
    #[serde(deserialize_with = "hex")]
    msg: Vec<u8>,
    #[serde(deserialize_with = "hex")]
    ct: Vec<u8>,
    #[serde(deserialize_with = "hex")]
    tag: Vec<u8>,
    result: Verdict,
}

#[test]
fn aes_256_gcm() {
    let groups = load::<Sizes, AeadTest>("aes_gcm_test.json");
    let (mut valid, mut invalid) = (0, 0);
    let ours = groups.iter().filter(|group| {
        let Sizes { key_size, iv_size, tag_size } = group.stated;
        (key_size, iv_size, tag_size) == (256, 96, 128)
    });
    let tests: Vec<&AeadTest> = ours.flat_map(|group| &group.tests).collect();
    for (test, width) in tests.into_iter().flat_map(|test| [(test, Width::Narrow), (test, Width::Wide)]) {
        let cipher = FieldCipher::with(test.key[..].try_into().unwrap(), &[0x77; 32], width);
        let nonce: [u8; NONCE_BYTES] = test.iv[..].try_into().unwrap();
        let tag: [u8; TAG_BYTES] = test.tag[..].try_into().unwrap();
        let mut text = test.ct.clone();
        let opened = cipher.open(&nonce, &[0x77; 32], &test.aad, &mut text, &tag);
        assert_eq!(cipher.open(&nonce, &[0x78; 32], &test.aad, &mut test.ct.clone(), &tag), Err(NotAuthentic));
        match test.result {
            Verdict::Valid => {
                valid += 1;
                assert_eq!(opened, Ok(()), "{}", test.tc_id);
                assert_eq!(text, test.msg, "{}", test.tc_id);
                let mut made = [0; TAG_BYTES];
                assert_eq!(cipher.seal(&nonce, &test.aad, &mut text, &mut made), Ok(()), "{}", test.tc_id);
                assert_eq!(made, tag, "{}", test.tc_id);
                assert_eq!(text, test.ct, "{}", test.tc_id);
            }
            Verdict::Invalid => {
                invalid += 1;
                assert_eq!(opened, Err(NotAuthentic), "{}", test.tc_id);
            }
        }
    }
    assert_eq!((valid, invalid), (2 * 39, 2 * 27), "none is skipped");
}
