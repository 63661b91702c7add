//! Objects in a token: AES keys that cannot leave it, and dates. Each has a label, by which it is found, and a name of bytes.

use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use rand::TryRng;
use rand::rngs::SysRng;
use zeroize::Zeroizing;

use crate::error::TokenError;

const NONCE: usize = 12;
const TAG: usize = 16;
/// Before what a key encrypted: which form it has.
const FORM: u8 = 1;
/// What [`wrap`] makes of 32 bytes.
pub(crate) const WRAPPED: usize = 1 + NONCE + 32 + TAG;
const APPLICATION: &[u8] = b"oubliette";

/// Makes a key that can encrypt and decrypt in the token, and never leaves it.
pub(crate) fn make_key(session: &Session, label: &str, name: &[u8]) -> Result<(), TokenError> {
    let template = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Modifiable(false),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
        Attribute::Wrap(false),
        Attribute::Unwrap(false),
        Attribute::ValueLen(32.into()),
        Attribute::Label(label.as_bytes().to_vec()),
        Attribute::Id(name.to_vec()),
    ];
    let made = session.generate_key(&Mechanism::AesKeyGen, &template);
    made.map(drop).map_err(|error| TokenError::of("making a key", error))
}

/// Leaves a date. It is private, so that only whoever knows the PIN can make one.
pub(crate) fn write_date(session: &Session, label: &str, content: &[u8]) -> Result<(), TokenError> {
    let template = [
        Attribute::Class(ObjectClass::DATA),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Modifiable(false),
        Attribute::Application(APPLICATION.to_vec()),
        Attribute::Label(label.as_bytes().to_vec()),
        Attribute::Value(content.to_vec()),
    ];
    let made = session.create_object(&template);
    made.map(drop).map_err(|error| TokenError::of("writing a date", error))
}

/// The names of all keys with this label.
pub(crate) fn keys(session: &Session, label: &str) -> Result<Vec<(ObjectHandle, Vec<u8>)>, TokenError> {
    let template = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::Token(true),
        // Public objects can be made without the PIN, and keys that can be taken out were perhaps put in by somebody.
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Label(label.as_bytes().to_vec()),
    ];
    found(session, &template, AttributeType::Id)
}

/// The key of this name.
pub(crate) fn key(session: &Session, label: &str, name: &[u8]) -> Result<Option<ObjectHandle>, TokenError> {
    Ok(keys(session, label)?.into_iter().find(|(_, other)| other == name).map(|(handle, _)| handle))
}

/// The contents of all dates with this label.
pub(crate) fn dates(session: &Session, label: &str) -> Result<Vec<(ObjectHandle, Vec<u8>)>, TokenError> {
    let template = [
        Attribute::Class(ObjectClass::DATA),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Label(label.as_bytes().to_vec()),
    ];
    found(session, &template, AttributeType::Value)
}

/// What an object is found by, and what this crate put in it: the name of a key, the content of a date.
pub(crate) struct Named {
    pub(crate) label: Vec<u8>,
    pub(crate) content: Vec<u8>,
}

/// Every key and every date in the token, whoever made it, but for those that anybody could have put there.
pub(crate) fn names(session: &Session) -> Result<Vec<Named>, TokenError> {
    let failed = |error| TokenError::of("listing what the token has", error);
    let keys = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
    ];
    let dates = [
        Attribute::Class(ObjectClass::DATA),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Application(APPLICATION.to_vec()),
    ];
    let mut names = Vec::new();
    for (template, wanted) in [(&keys[..], AttributeType::Id), (&dates[..], AttributeType::Value)] {
        for handle in session.find_objects(template).map_err(failed)? {
            let (mut label, mut content) = (Vec::new(), Vec::new());
            for attribute in session.get_attributes(handle, &[AttributeType::Label, wanted]).map_err(failed)? {
                match attribute {
                    Attribute::Label(bytes) => label = bytes,
                    Attribute::Id(bytes) | Attribute::Value(bytes) => content = bytes,
                    _ => {}
                }
            }
            names.push(Named { label, content });
        }
    }
    Ok(names)
}

fn found(
    session: &Session,
    template: &[Attribute],
    wanted: AttributeType,
) -> Result<Vec<(ObjectHandle, Vec<u8>)>, TokenError> {
    let failed = |error| TokenError::of("listing what the token has", error);
    let mut found = Vec::new();
    for handle in session.find_objects(template).map_err(failed)? {
        for attribute in session.get_attributes(handle, &[wanted]).map_err(failed)? {
            if let Attribute::Id(bytes) | Attribute::Value(bytes) = attribute {
                found.push((handle, bytes));
            }
        }
    }
    Ok(found)
}

pub(crate) fn destroy(session: &Session, object: ObjectHandle) -> Result<(), TokenError> {
    session.destroy_object(object).map_err(|error| TokenError::of("destroying a key or a date", error))
}

/// `form (1) | nonce (12) | ciphertext (32) | tag (16)`, by AES-256-GCM in the token.
pub(crate) fn wrap(
    session: &Session,
    key: ObjectHandle,
    associated: &[u8],
    secret: &[u8; 32],
) -> Result<Vec<u8>, TokenError> {
    let mut nonce = [0; NONCE];
    SysRng.try_fill_bytes(&mut nonce).map_err(|_| TokenError::Randomness)?;
    let mut wrapped = [&[FORM][..], &nonce].concat();
    let failed = |error| TokenError::of("wrapping a root key", error);
    let parameters = GcmParams::new(&mut nonce, associated, bits(TAG)).map_err(failed)?;
    wrapped.extend(session.encrypt(&Mechanism::AesGcm(parameters), key, secret).map_err(failed)?);
    Ok(wrapped)
}

/// What [`wrap`] made.
pub(crate) fn unwrap(
    session: &Session,
    key: ObjectHandle,
    associated: &[u8],
    wrapped: &[u8],
    secret: &mut [u8; 32],
) -> Result<(), TokenError> {
    let (nonce, text) = match wrapped.split_first() {
        Some((&FORM, rest)) if wrapped.len() == WRAPPED => {
            rest.split_at_checked(NONCE).ok_or(TokenError::NotAuthentic)?
        }
        _ => return Err(TokenError::NotAuthentic),
    };
    let mut nonce: [u8; NONCE] = nonce.try_into().map_err(|_| TokenError::NotAuthentic)?;
    let failed = |error| TokenError::of("unwrapping a root key", error);
    let parameters = GcmParams::new(&mut nonce, associated, bits(TAG)).map_err(failed)?;
    let opened = session.decrypt(&Mechanism::AesGcm(parameters), key, text).map_err(|error| match error {
        cryptoki::error::Error::Pkcs11(
            cryptoki::error::RvError::EncryptedDataInvalid | cryptoki::error::RvError::EncryptedDataLenRange,
            _,
        ) => TokenError::NotAuthentic,
        error => failed(error),
    });
    let opened = Zeroizing::new(opened?);
    secret.copy_from_slice(opened.get(..32).filter(|_| opened.len() == 32).ok_or(TokenError::NotAuthentic)?);
    Ok(())
}

fn bits(bytes: usize) -> cryptoki::types::Ulong {
    cryptoki::types::Ulong::try_from(bytes * 8).unwrap_or_else(|_| 128.into())
}
