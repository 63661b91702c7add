//! The formats, read from scratch: HKDF by hand on HMAC, AES-256-GCM as a keystream that asks for no tag.

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use hmac::Mac;
use sha2::Sha256;

type Hmac = hmac::Hmac<Sha256>;

pub type Key = [u8; 32];

pub const PAGE: usize = 8281;
pub const PAGE_TEXT: std::ops::Range<usize> = 9..8265;
pub const RECORD: usize = 3776;
const RECORD_TEXT: std::ops::Range<usize> = 664..3760;

/// HKDF-Expand of RFC 5869.
pub fn expand<const N: usize>(key: &[u8], info: &[&[u8]]) -> [u8; N] {
    let mut out = Vec::new();
    let mut block = Vec::new();
    for count in 1.. {
        let mut mac = <Hmac as hmac::KeyInit>::new_from_slice(key).unwrap();
        mac.update(&block);
        info.iter().for_each(|part| mac.update(part));
        mac.update(&[count]);
        block = mac.finalize().into_bytes().to_vec();
        out.extend_from_slice(&block);
        if out.len() >= N {
            break;
        }
    }
    out[..N].try_into().unwrap()
}

/// The key of child `byte`, at `level`.
pub fn child(parent: &Key, tree: &[u8; 8], level: u8, byte: u8) -> Key {
    expand(parent, &[b"oubliette/1/child", tree, &[level, byte]])
}

/// The AES key and the commitment of a field.
pub fn field(customer: &Key, label: &str, tag: &str) -> (Key, Key) {
    let lengths = [label.len(), tag.len()].map(|length| [u8::try_from(length).unwrap()]);
    let both: [u8; 64] =
        expand(customer, &[b"oubliette/1/field", &lengths[0], label.as_bytes(), &lengths[1], tag.as_bytes()]);
    (both[..32].try_into().unwrap(), both[32..].try_into().unwrap())
}

/// The AES key and the name of a page.
pub fn page(key: &Key) -> (Key, [u8; 16]) {
    let both: [u8; 48] = expand(key, &[b"oubliette/1/page"]);
    (both[..32].try_into().unwrap(), both[32..].try_into().unwrap())
}

/// What GCM adds to a text under a zero nonce.
pub fn keystream(key: &Key, bytes: usize) -> Vec<u8> {
    let mut zeros = vec![0; bytes];
    let aead = Aes256Gcm::new_from_slice(key).unwrap();
    aead.encrypt_inout_detached(&[0; 12].into(), &[], zeros.as_mut_slice().into()).unwrap();
    zeros
}

pub fn xor(text: &[u8], stream: &[u8]) -> Vec<u8> {
    text.iter().zip(stream).map(|(a, b)| a ^ b).collect()
}

/// A sealed value, taken apart.
#[derive(Clone)]
pub struct Value {
    pub tree: [u8; 8],
    pub customer: [u8; 5],
    pub commitment: Key,
    nonce: [u8; 12],
    header: Vec<u8>,
    text: Vec<u8>,
    tag: [u8; 16],
    context: Option<Vec<u8>>,
}

impl Value {
    pub fn read(bytes: &[u8], context: Option<&[u8]>) -> Value {
        assert_eq!(bytes[0], 0xf8);
        let (header, rest) = bytes.split_at(66);
        let (text, tag) = rest.split_at(rest.len() - 16);
        Value {
            tree: header[1..9].try_into().unwrap(),
            customer: header[9..14].try_into().unwrap(),
            nonce: header[22..34].try_into().unwrap(),
            commitment: header[34..66].try_into().unwrap(),
            header: header.to_vec(),
            text: text.to_vec(),
            tag: tag.try_into().unwrap(),
            context: context.map(<[u8]>::to_vec),
        }
    }

    /// The content, if this is its key.
    pub fn open(&self, key: &Key) -> Option<Vec<u8>> {
        let context = self.context.as_deref();
        // Version, witness, whether there is a context, six zeros, the context.
        let fixed = [&[0xf8], &self.header[14..22], &[u8::from(context.is_some())], &[0; 6]].concat();
        let associated = [&fixed, context.unwrap_or_default()].concat();
        let mut text = self.text.clone();
        let aead = Aes256Gcm::new_from_slice(key).unwrap();
        aead.decrypt_inout_detached(&self.nonce.into(), &associated, text.as_mut_slice().into(), &self.tag.into())
            .ok()?;
        let end = text.iter().rposition(|byte| *byte != 0)?;
        assert_eq!(text[end], 0x80);
        text.truncate(end);
        Some(text)
    }
}

/// What a root record says; its tag is not asked, so that half a record is read as well.
pub struct Record {
    pub vault: [u8; 16],
    pub id: [u8; 16],
    pub generation: u64,
    pub text: Vec<u8>,
}

impl Record {
    /// `None` if it is not under this root key.
    pub fn read(bytes: &[u8], root_key: &Key) -> Option<Record> {
        if bytes.len() < RECORD || bytes[0] != 1 {
            return None;
        }
        let (vault, salt, commitment) = (&bytes[1..17], &bytes[600..632], &bytes[632..664]);
        let derived: [u8; 64] = expand(root_key, &[b"oubliette/1/record", salt, vault]);
        if derived[32..] != *commitment {
            return None;
        }
        let key = derived[..32].try_into().unwrap();
        Some(Record {
            vault: vault.try_into().unwrap(),
            id: bytes[17..33].try_into().unwrap(),
            generation: u64::from_be_bytes(bytes[49..57].try_into().unwrap()),
            text: xor(&bytes[RECORD_TEXT], &keystream(&key, RECORD_TEXT.len())),
        })
    }

    pub fn next_number(&self) -> u64 {
        u64::from_be_bytes(self.text[..8].try_into().unwrap())
    }

    /// Each tree's id and 32 bytes, whatever its flags say they are.
    pub fn trees(&self) -> Vec<([u8; 8], Key)> {
        let entries = self.text[87..].chunks_exact(91).take(usize::from(self.text[86]).min(22));
        entries.map(|entry| (entry[..8].try_into().unwrap(), entry[43..75].try_into().unwrap())).collect()
    }
}
