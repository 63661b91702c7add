//! The content of each type of field, as typed, as sealed, and as compared.

use super::{Node, hex};
use crate::personal::{Address, Canonical, Date, Email, Name, PersonalData, Phone, Plaintext, Text};

fn content<T: PersonalData>(value: &T) -> Vec<u8> {
    let mut plain = Plaintext::with_capacity(0);
    value.encode(&mut plain);
    plain.as_bytes().to_vec()
}

fn padded<T: PersonalData>(content: &[u8]) -> Vec<u8> {
    let mut plain = Plaintext::with_capacity(0);
    plain.extend(content);
    plain.pad(T::PADDING.padded(content.len()), 0);
    plain.as_bytes().to_vec()
}

/// Values as people type them.
fn parsed<'t, T: std::str::FromStr>(typed: &[&'t str]) -> Vec<(&'t str, T)> {
    typed.iter().map(|typed| (*typed, typed.parse().unwrap_or_else(|_| panic!("{typed}")))).collect()
}

/// A number that is in no plan, with its content. Without feature `phone` no plan is asked, and only content that another program
/// marked makes such a value.
fn not_validated(typed: &'static str, stored: &[u8]) -> (&'static str, Phone) {
    let made =
        if cfg!(feature = "phone") { Phone::not_validated(typed, None).ok() } else { Phone::decode(stored).ok() };
    let phone = made.unwrap_or_else(|| panic!("{typed}"));
    assert_eq!((content(&phone).as_slice(), phone.is_validated()), (stored, false), "{typed}");
    (typed, phone)
}

/// A type with the step that FORMAT.md states, values as typed, and content that no value has.
fn kind<T>(name: &'static str, step: usize, values: &[(&str, T)], refused: &[&[u8]]) -> Node
where
    T: PersonalData + Canonical,
{
    assert_eq!(T::PADDING.padded(0), step);
    let values = values.iter().map(|(typed, value)| {
        let bytes = content(value);
        let again = T::decode(&bytes).unwrap_or_else(|_| panic!("{typed}"));
        assert_eq!(content(&again), bytes);
        Node::Named(vec![
            ("typed", (*typed).into()),
            ("content", hex(&bytes)),
            ("padded", hex(padded::<T>(&bytes))),
            ("canonical", hex(again.canonical_form().expose_personal_data())),
        ])
    });
    let refused = refused.iter().map(|bytes| {
        assert!(T::decode(bytes).is_err(), "{name}: {bytes:?}");
        hex(bytes)
    });
    Node::Named(vec![
        ("type", name.into()),
        ("type_tag", T::TAG.as_str().into()),
        ("step", (step as u64).into()),
        ("values", values.collect::<Vec<_>>().into()),
        ("refused", refused.collect::<Vec<_>>().into()),
    ])
}

pub(super) fn vectors() -> Node {
    let long_line = [&b"\x01FR\x01\x01\x2d"[..], &[b'x'; 301]].concat();
    let eleven_lines = [&b"\x01FR\x0b"[..], &b"\0\x01a".repeat(11)].concat();
    let ninety_six = "x".repeat(96);
    let mut phones =
        parsed(&["+33 6 12 34 56 78", "+33 1.23.45.67.89 poste 12", "＋３３　６１２３４５６７８", "+39 06 698 1"]);
    phones.push(not_validated("+1 000 555 0143", b"~10005550143"));
    let types = vec![
        kind::<Name>(
            "Name",
            96,
            &parsed(&[
                "Ng",
                " Siobhán O’Connor ",
                "Zoe\u{308}  Weiß-ﬁnch",
                "\u{fa10}\u{fa19}\u{fa1b}\u{2f800}",
                "İbrahim IŞIK",
                "渡邉\u{e0101} ｊｕｎ",
                "Οδυσσεύς",
                &ninety_six[..95],
                &ninety_six,
            ]),
            &[b"", b"\xff", &[b'x'; 301]],
        ),
        kind::<Email>(
            "Email",
            64,
            &parsed(&[
                "alice@example.com",
                "Zoë+Shop@BÜCHER.example",
                "\"john doe\"@Example.com",
                "\"jane\"@example.com",
                "\"a@b\\\"c\"@example.com",
                "ΟΔΥΣΣΕΥΣ@παράδειγμα.δοκιμή",
            ]),
            &[b"", b"alice", b"a@\xff", &[b'@'; 255]],
        ),
        kind::<Phone>(
            "Phone",
            32,
            &phones,
            &[
                b"",
                b"33612345678",
                b"+0612345678",
                b"+123456",
                b"+1234567890123456",
                b"+1234567;ext=",
                b"+1234567 ",
                b"~0612345678",
                b"~+1234567",
            ],
        ),
        kind::<Date>(
            "Date",
            16,
            &parsed(&["1990-02-28", " 2008-02-29", "0001-01-01", "9999-12-31"]),
            &[b"", b"1990-2-28", b"1900-02-29", b"2026-13-01", b"0000-01-01", b"1990-02-28 ", b"19900228xx"],
        ),
        kind::<Address>(
            "Address",
            128,
            &parsed(&[
                "12, RUE DE L'ÉGLISE\n75002 Paris\nFrance",
                "12 rue de l’Église,75002  Paris\nfrance",
                "〒100-0001\n東京都千代田区千代田1-1\n日本",
                "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nKosovo",
            ]),
            &[
                b"",
                b"\x02FR\x01\0\x01a",
                b"\x01fr\x01\0\x01a",
                b"\x01FR\0",
                b"\x01FR\x01\0\0",
                b"\x01FR\x01\0\x02a",
                b"\x01FR\x01\0\x01a.",
                b"\x01FR\x01\0\x03a\nb",
                b"\x01FR\x01\0\x01\xff",
                &eleven_lines,
                &long_line,
            ],
        ),
        kind::<Text>(
            "Text",
            256,
            &parsed(&["", " two\r\nlines\r", "nul \0 and \u{202e}", "e\u{301}"]),
            &[b"\xff", b"\xed\xa0\x80"],
        ),
    ];
    Node::Named(vec![
        ("about", "FORMAT.md, section 8. `refused`: content that is no value of the type.".into()),
        ("types", types.into()),
    ])
}
