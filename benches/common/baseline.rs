//! The designs without a key tree: one kept key, and one key a customer derived at each call. Neither can shred.
//!
//! Same crate and same features as ours, so that the difference is design and not primitives.

use std::hint::black_box;

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use hkdf::Hkdf;
use rand::Rng;
use sha2::Sha256;

const NONCE: usize = 12;
const TAG: usize = 16;

pub fn cipher(key: &[u8; 32]) -> Aes256Gcm {
    Aes256Gcm::new(key.into())
}

/// Nonce, ciphertext and tag in a new vector. The nonce is from `rand::rng()`, which repeats itself after a fork.
pub fn seal(cipher: &Aes256Gcm, associated: &[u8], text: &[u8]) -> Vec<u8> {
    let mut nonce = [0; NONCE];
    rand::rng().fill_bytes(&mut nonce);
    let mut sealed = Vec::with_capacity(NONCE + text.len() + TAG);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(text);
    let tag = cipher.encrypt_inout_detached(&nonce.into(), associated, (&mut sealed[NONCE..]).into()).unwrap();
    sealed.extend_from_slice(&tag);
    sealed
}

/// The text in a new vector.
pub fn open(cipher: &Aes256Gcm, associated: &[u8], sealed: &[u8]) -> Vec<u8> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE>().unwrap();
    let (text, tag) = rest.split_last_chunk::<TAG>().unwrap();
    let mut text = text.to_vec();
    cipher.decrypt_inout_detached(nonce.into(), associated, text.as_mut_slice().into(), tag.into()).unwrap();
    text
}

/// The usual hand-written way: HKDF (extract and expand) from a master key and the customer's number, at each call.
pub fn derived(master: &[u8; 32], customer: i64) -> Aes256Gcm {
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(Some(b"customers"), master).expand(&customer.to_be_bytes(), &mut key).unwrap();
    cipher(&key)
}

/// The unit of the targets: one HKDF-Expand of 32 bytes from a key at hand, with a label as long as ours.
pub fn expand(key: &[u8; 32]) -> [u8; 32] {
    let mut out = [0; 32];
    let info = [7; 27];
    Hkdf::<Sha256>::from_prk(black_box(key)).unwrap().expand(&info, &mut out).unwrap();
    out
}
