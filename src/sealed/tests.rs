//! Sealed values: bytes, text and serde, and what columns make of them.

use super::*;
use crate::derivation::TreeId;
use proptest::prelude::*;

fn example() -> Vec<u8> {
    let header = Header {
        in_copy: false,
        tree: TreeId([1; 8]),
        customer: [0, 0, 0, 0, 42],
        witness: 0x07_01_02_03,
        nonce: &[5; 12],
        commitment: &[6; 32],
    };
    let mut bytes = vec![0; HEADER_BYTES];
    header.write(&mut bytes).unwrap();
    [&bytes[..], &[0xaa; 32], &[0xbb; 16]].concat()
}

#[test]
fn bytes_and_text_round_trip() {
    let sealed: Sealed<String> = Sealed::from_bytes(example()).unwrap();
    assert_eq!(sealed.customer().to_string(), "42");
    assert_eq!(sealed.to_string().parse(), Ok(sealed.clone()));
    assert_eq!(sealed.as_bytes(), example());
    let json = serde_json::to_string(&sealed).unwrap();
    assert!(json.starts_with("\"obl1."));
    assert_eq!(serde_json::from_str::<Sealed<String>>(&json).unwrap(), sealed);
    assert!(!format!("{sealed:?}").contains("aa"));
}

#[test]
fn bytes_are_what_is_compared_and_given_out() {
    let sealed: Sealed<String> = Sealed::from_bytes(example()).unwrap();
    let mut other = example();
    *other.last_mut().unwrap() ^= 1;
    let other: Sealed<String> = Sealed::from_bytes(other).unwrap();
    assert!(sealed == sealed.clone() && sealed != other);
    let hash = |sealed: &Sealed<String>| {
        let mut hasher = std::hash::DefaultHasher::new();
        sealed.hash(&mut hasher);
        hasher.finish()
    };
    assert!(hash(&sealed) == hash(&sealed.clone()) && hash(&sealed) != hash(&other));
    assert_eq!(sealed.as_ref(), example());
    assert_eq!(format!("{sealed:?}"), "Sealed(customer 42, 114 bytes)");
    assert_eq!(sealed.into_bytes(), example());
}

/// FORMAT.md, section 1.
#[test]
fn sizes_are_those_of_the_format() {
    assert_eq!((LEAST_BYTES, MOST_SEALED_BYTES), (83, 16_842_833));
}

#[test]
fn bytes_in_a_sequence_are_bounded_too() {
    use serde::de::value::{Error, SeqDeserializer};
    let read = |bytes: Vec<u8>| {
        let sequence = SeqDeserializer::<_, Error>::new(bytes.into_iter());
        SealedVisitor::<String> { text: false, holds: PhantomData }.visit_seq(sequence)
    };
    assert_eq!(read(example()).unwrap().as_bytes(), example());
    let mut long = vec![0; MOST_SEALED_BYTES + 1];
    long[..example().len()].copy_from_slice(&example());
    assert!(read(long.clone()).is_err());
    long.pop();
    assert!(read(long).is_ok(), "the longest that there may be");
}

#[test]
fn another_type_is_told_what_was_expected() {
    let error = serde_json::from_str::<Sealed<String>>("7").unwrap_err().to_string();
    assert!(error.contains("expected the text of a sealed value"), "{error}");
}

#[test]
fn only_the_form_is_accepted() {
    let good = example();
    for length in 0..good.len() {
        let parsed = Sealed::<String>::from_bytes(&good[..length]);
        assert_eq!(parsed.is_ok(), length >= LEAST_BYTES, "{length}");
    }
    let with = |at: usize, byte| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        Sealed::<String>::from_bytes(bytes)
    };
    assert!(with(0, 0xf9).unwrap().header().in_copy && !with(0, 0xf8).unwrap().header().in_copy);
    assert_eq!(with(0, 0xfa), Err(ParseError::UnknownVersion { found: 0xfa }));
    assert_eq!(with(0, 0xf7), Err(ParseError::Malformed));
    assert_eq!(with(13, 0), Err(ParseError::Malformed), "customer 0 does not exist");
    assert_eq!(Sealed::<String>::from_bytes(vec![VERSION; MOST_SEALED_BYTES + 1]), Err(ParseError::Malformed));
}

/// Each is what some column makes of a value.
#[test]
fn what_a_column_did_is_said() {
    let (good, text) = (example(), Sealed::<String>::from_bytes(example()).unwrap().to_string());
    for length in 1..LEAST_BYTES {
        assert_eq!(Sealed::<String>::from_bytes(&good[..length]), Err(ParseError::CutOff), "{length}");
    }
    for length in TEXT_PREFIX.len()..110 {
        assert_eq!(text[..length].parse::<Sealed<String>>(), Err(ParseError::CutOff), "{length}");
    }
    assert_eq!(format!("{text}  ").parse::<Sealed<String>>(), Err(ParseError::Padded));
    for as_text in ["\\xf8", "\\xf900aa", "\\xf8c3"] {
        assert_eq!(as_text.parse::<Sealed<String>>(), Err(ParseError::BytesAsText));
        assert!(Sealed::<String>::looks_like(as_text.as_bytes()), "never plaintext, which a job would seal");
    }
    for other in ["alice", "\\x41", "obl1.!", "obl2.AAAA"] {
        assert_eq!(other.parse::<Sealed<String>>(), Err(ParseError::Malformed), "{other}");
    }
}

#[test]
fn what_looks_like_one_is_never_plaintext() {
    let looks_like = Sealed::<String>::looks_like;
    let (good, text) = (example(), Sealed::<String>::from_bytes(example()).unwrap().to_string());
    assert!((1..=good.len()).all(|length| looks_like(&good[..length])), "cut off or not");
    assert!((TEXT_PREFIX.len()..=text.len()).all(|length| looks_like(&text.as_bytes()[..length])));
    assert!((0xf8..=0xff).all(|first| looks_like(&[first])), "of a newer version");
    for plaintext in ["", "alice@example.com", "obl1", "OBL1.", " obl1.", "\u{10ffff}"] {
        assert!(!looks_like(plaintext.as_bytes()), "{plaintext:?}");
    }
    assert!(!looks_like(&[0xf7]), "no text, and no sealed value either");
}

#[test]
fn text_has_one_form() {
    let text = Sealed::<String>::from_bytes(example()).unwrap().to_string();
    for bad in [
        format!("{text}="),
        format!(" {text}"),
        text.replace("obl1.", "obl2."),
        text.replace("obl1.", "OBL1."),
        format!("{}.", &text[..text.len() - 1]),
    ] {
        assert_eq!(bad.parse::<Sealed<String>>(), Err(ParseError::Malformed));
    }
}

#[test]
fn errors_do_not_echo_a_plaintext() {
    let error = serde_json::from_str::<Sealed<String>>("\"alice@example.com\"").unwrap_err().to_string();
    assert!(!error.contains("alice"), "{error}");
}

proptest! {
    #[test]
    fn whatever_parses_is_written_back_the_same(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Some(first) = bytes.first_mut() { *first |= 0xf8; }
        if let Ok(sealed) = Sealed::<String>::from_bytes(bytes.clone()) {
            prop_assert_eq!(sealed.as_bytes(), &bytes[..]);
            prop_assert_eq!(sealed.to_string().parse::<Sealed<String>>(), Ok(sealed));
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _ = text.parse::<Sealed<String>>();
        let _ = format!("obl1.{text}").parse::<Sealed<String>>();
    }
}
